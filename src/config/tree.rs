//! YAML to values that know their place: mistakes of meaning can point into the file as those of form do.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::error::Mistake;

/// What aliases may stand for, all together, counted in the parser's events: a few lines could stand for more than memory holds.
const MOST_REPLAYED: usize = 10_000;

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Counted from 1.
    pub(super) line: usize,
    /// In characters, counted from 1.
    pub(super) column: usize,
    /// In characters; what reaches into another line counts as 1.
    pub(super) width: usize,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self { line: number(location.line()).max(1), column: number(location.column()).max(1), width: number(location.span().len()) }
    }
}

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Nothing,
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Section(Vec<(Key, Node)>),
}

/// A section's key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
}

/// Reads the one document of `text`; an empty one is [`Value::Nothing`].
///
/// # Errors
/// The first mistake of form: what is no YAML, a key given twice, more than one document.
pub(super) fn parse(text: &str) -> Result<Node, Box<Mistake>> {
    if text.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node { place: Place { line: 1, column: 1, width: 1 }, value: Value::Nothing });
    }
    // YAML 1.1 takes `no` and `off` for flags; here they are words.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPLAYED },
    };
    serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options).map(Node::from).map_err(|error| {
        let place = error.location().map_or(Place { line: 1, column: 1, width: 1 }, Place::from);
        Box::new(mistake(text, place, say(&error)))
    })
}

/// Words of the parser's, and the cure for what they are said of.
const CURES: [(&str, &str); 9] = [
    ("tabs", "indent with spaces"),
    ("did not find expected", "indent it as deep as the lines it belongs to"),
    ("mapping values are not allowed", "put a text with a colon in it in quotes, or begin a new line"),
    ("unexpected character", "put a text that begins so in quotes"),
    ("unclosed", "close it"),
    ("mismatched bracket", "close it with its like"),
    ("reference to unknown", "put a text that begins with `*` in quotes"),
    ("not a finite number", "write one that is, or put a text in quotes"),
    ("limit", "nest less"),
];
/// For what is not among these.
const ANY_CURE: &str = "look at the indentation, the quotes and the brackets here and in the line before";

/// The parser's words, but for what it would say to programmers.
fn say(error: &Error) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is given twice; leave one out"),
        Error::MultipleDocuments { .. } => "a second document begins here; leave out the `---`, the file is one document".to_owned(),
        Error::AliasError { error, .. } => say(error),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            "this is too large when its aliases are written out; write without `*` what is needed".to_owned()
        }
        other => {
            let words = UserMessageFormatter.format_message(other);
            let cure = CURES.iter().find(|(said, _)| words.contains(said)).map_or(ANY_CURE, |(_, cure)| cure);
            format!("this is no YAML: {words}; {cure}")
        }
    }
}

/// A mistake at a place of `text`.
pub(super) fn mistake(text: &str, place: Place, message: String) -> Mistake {
    let source = text.lines().nth(place.line - 1).unwrap_or_default().trim_end();
    let rest = source.chars().count().saturating_sub(place.column - 1);
    let width = place.width.min(rest).max(1);
    // A tab would move the marks below it.
    Mistake { line: place.line, column: place.column, width, message, source: source.replace('\t', " ") }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        let mut place = Place::from(spanned.referenced);
        if matches!(spanned.value, Value::List(_) | Value::Section(_)) {
            place.width = 1;
        }
        Self { place, value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whatever)
    }
}

struct Whatever;

impl<'de> Visitor<'de> for Whatever {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(element) = sequence.next_element::<Spanned<Value>>()? {
            nodes.push(element.into());
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let key = Key { place: key.referenced.into(), name: key.value };
            entries.push((key, map.next_value::<Spanned<Value>>()?.into()));
        }
        Ok(Value::Section(entries))
    }
}
