//! Domain names, always in uncompressed, folded (lower-case ASCII) wire form: the one form in which names compare and hash.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The most octets a name has, root label included (RFC 1035 §2.3.4).
pub(super) const MAX_NAME: usize = 255;
/// The same in text: without the last dot, and without the octet that the first label's length takes.
const LONGEST_TEXT: usize = MAX_NAME - 2;
/// The most octets a label has.
pub(super) const MAX_LABEL: u8 = 63;

/// A folded name on the stack: 1 to 255 octets, root label included.
#[derive(Clone, Copy)]
pub struct FoldedName {
    octets: [u8; MAX_NAME],
    len: u8,
}

impl FoldedName {
    /// The root.
    pub const ROOT: Self = Self { octets: [0; MAX_NAME], len: 1 };

    /// Folds an uncompressed wire name that has been checked: 1 to 255 octets, root label last. What is longer is cut.
    #[inline]
    pub fn fold(wire: &[u8]) -> Self {
        let len = wire.len().min(MAX_NAME);
        let mut octets = [0; MAX_NAME];
        octets[..len].copy_from_slice(&wire[..len]);
        // Length octets are at most 63, below 'A': folding the whole run leaves them alone.
        octets[..len].make_ascii_lowercase();
        Self { octets, len: len as u8 }
    }

    /// The folded wire form, root label included.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

impl From<&Name> for FoldedName {
    fn from(name: &Name) -> Self {
        Self::fold(&name.0)
    }
}

impl PartialEq for FoldedName {
    fn eq(&self, other: &Self) -> bool {
        self.as_wire() == other.as_wire()
    }
}

impl Eq for FoldedName {}

impl Hash for FoldedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_wire().hash(state);
    }
}

impl fmt::Debug for FoldedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for FoldedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        present(self.as_wire(), formatter)
    }
}

/// A name from configuration: owned, folded wire form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Reads presentation format (RFC 1035 §5.1), with or without the trailing dot.
    ///
    /// # Errors
    /// Empty text, labels over 63 octets, names over 255, characters that need an escape.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError("a domain name cannot be empty; the root is written as `.`".to_owned()));
        }
        let name = hickory_proto::rr::Name::from_str(text).map_err(|_| NameError(format!("`{text}` is no domain name: {}", flaw(text))))?;
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in name.iter() {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError(format!("`{text}` is no domain name: {}", too_long())));
        }
        wire.make_ascii_lowercase();
        Ok(Self(wire.into()))
    }

    /// The folded wire form, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether `name`, in folded wire form, is this name or below it.
    pub fn contains(&self, name: &[u8]) -> bool {
        labels(name).chain([name.len().saturating_sub(1)]).any(|at| name[at..] == *self.0)
    }
}

impl From<&FoldedName> for Name {
    fn from(name: &FoldedName) -> Self {
        Self(name.as_wire().into())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        present(&self.0, formatter)
    }
}

/// Why a text is no domain name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub String);

/// What is wrong with a text that is no domain name, and the cure.
fn flaw(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.*".contains(letter);
    if let Some(letter) = text.chars().find(|letter| !is_plain(*letter)) {
        return format!("{letter:?} cannot stand in one; write letters, digits, `-` and `_`, with dots between, as in `corp.example`");
    }
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    let mut given = labels.clone().filter(|label| !label.is_empty());
    if given.clone().count() < labels.count() {
        let given: Vec<&str> = given.collect();
        let meant = if given.is_empty() { "." } else { &given.join(".") };
        return format!("between two dots, and before the first, there is a label; write `{meant}`");
    }
    match given.find(|label| label.len() > usize::from(MAX_LABEL)) {
        Some(label) => format!("`{label}` has {} octets; a label has at most {MAX_LABEL}", label.len()),
        None if text.len() > LONGEST_TEXT => too_long(),
        // RFC 5891 §4.2.3.
        None => "its letters do not go together in one; write it in ASCII, with `xn--` before each label that needs it".to_owned(),
    }
}

fn too_long() -> String {
    format!("it is too long; without a dot at its end it has at most {LONGEST_TEXT} octets")
}

/// Where each label of a checked wire name starts, the root label left out.
fn labels(wire: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = usize::from(*wire.get(at)?);
        let start = at;
        at += length + 1;
        (length > 0).then_some(start)
    })
}

/// Presentation format: octets that are not plain are written as `\DDD`, dots within labels as `\.` (RFC 1035 §5.1).
fn present(wire: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if wire.len() <= 1 {
        return formatter.write_str(".");
    }
    for start in labels(wire) {
        for octet in wire.iter().skip(start + 1).take(usize::from(wire[start])) {
            match octet {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => write!(formatter, "\\{}", char::from(*octet))?,
                0x21..=0x7e => write!(formatter, "{}", char::from(*octet))?,
                other => write!(formatter, "\\{other:03}")?,
            }
        }
        formatter.write_str(".")?;
    }
    Ok(())
}
