//! Reading of located values: each reader gives what it understood and notes what it did not, so that one look shows all mistakes.

use super::error::Mistake;
use super::tree::{self, Key, Node, Place, Value};
use super::value;

/// Collects what is wrong with one text.
pub(super) struct Reader<'a> {
    text: &'a str,
    mistakes: Vec<Mistake>,
}

/// A section's known keys.
pub(super) struct Section<'n> {
    entries: &'n [(Key, Node)],
    /// Something in it is misspelt or is no section: what is missing may be just that.
    doubtful: bool,
}

impl<'n> Section<'n> {
    /// The value of a key, where it is given.
    pub(super) fn find(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }
}

impl<'a> Reader<'a> {
    /// Nothing is wrong yet.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, mistakes: Vec::new() }
    }

    /// `value`, unless something is wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Mistake>> {
        if self.mistakes.is_empty() {
            return Ok(value);
        }
        self.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        Err(self.mistakes)
    }

    /// Notes a mistake.
    pub(super) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.mistakes.push(tree::mistake(self.text, place, message.into()));
    }

    /// A section with these keys and no others; nothing at all is an empty one. `name` is the section's, for messages.
    pub(super) fn section<'n>(&mut self, node: &'n Node, name: &str, known: &[&str]) -> Section<'n> {
        let before = self.mistakes.len();
        let entries = self.entries(node, name, known);
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                let of = if name.is_empty() { String::new() } else { format!(" of `{name}`") };
                self.wrong(key.place, format!("`{}` is no key{of}{}", key.name, value::suggestion(&key.name, known)));
            }
        }
        Section { entries, doubtful: self.mistakes.len() > before }
    }

    /// The entries of a section whose keys are free. `example`: keys it may have, for messages.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, name: &str, example: &[&str]) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Section(entries) => return entries,
            Value::Nothing => {}
            other if name.is_empty() => {
                self.wrong(node.place, format!("the file consists of keys, such as {}; this is {}", value::list(example), describe(other)));
            }
            other => {
                self.wrong(node.place, format!("`{name}` takes keys, such as {}; this is {}", value::list(example), describe(other)));
            }
        }
        &[]
    }

    /// The elements of a list. `example` shows what one looks like.
    pub(super) fn list<'n>(&mut self, node: &'n Node, name: &str, example: &str) -> &'n [Node] {
        match &node.value {
            Value::List(nodes) => return nodes,
            other => self.wrong(node.place, format!("`{name}` takes a list; write it like `{example}`; this is {}", describe(other))),
        }
        &[]
    }

    /// One word or number, understood by `parse`; `example` is one that is.
    pub(super) fn scalar<T>(&mut self, node: &Node, example: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = match &node.value {
            Value::Text(text) | Value::Number(text) => parse(text),
            Value::Flag(flag) => parse(if *flag { "true" } else { "false" }),
            other => Err(format!("one value is expected here, such as `{example}`; this is {}", describe(other))),
        };
        parsed.map_err(|message| self.wrong(node.place, message)).ok()
    }

    /// The value of an optional key, understood by `parse`; `example` is one that is.
    pub(super) fn optional<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        section.find(key).and_then(|node| self.scalar(node, example, parse))
    }

    /// The node of a key that must be there; `place` is where it is missing, `example` what it could be.
    pub(super) fn demand<'n>(&mut self, section: &Section<'n>, place: Place, key: &str, example: &str) -> Option<&'n Node> {
        let found = section.find(key);
        if found.is_none() && !section.doubtful {
            self.wrong(place, format!("`{key}` is missing; write it like `{key}: {example}`"));
        }
        found
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Nothing => "nothing".to_owned(),
        Value::Flag(flag) => format!("`{flag}`"),
        Value::Number(text) | Value::Text(text) if text.chars().count() <= 40 => format!("`{text}`"),
        Value::Number(_) | Value::Text(_) => "a text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Section(_) => "a section with keys".to_owned(),
    }
}
