//! Messages written octet by octet from words: what is asked and what an upstream says must not depend on what reads it.

use std::net::{IpAddr, SocketAddr};

/// One client's query. Words after name and type: `id=7`, `class=3`, `from=10.0.0.2:4000`, `tcp`, `rd=0`, `cd`, `ad`, `z`, `qr`,
/// `opcode=4`, `qd=0` (QDCOUNT, whatever follows), `opt` (size 1232) or `opt=512`, `do`, `version=1`, `ednsflags=0x0080`,
/// `option=10:0102`, `opts=2` (how many OPT), `tail=00ff` (octets behind the message).
pub(super) struct Query {
    pub(super) client: SocketAddr,
    pub(super) tcp: bool,
    pub(super) octets: Vec<u8>,
    /// Octets of its question.
    pub(super) question: Vec<u8>,
}

const CLIENT: &str = "10.0.0.1:40000";
const TYPES: [(&str, u16); 16] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("IXFR", 251),
    ("AXFR", 252),
    ("ANY", 255),
];
const OPT: u16 = 41;

impl Query {
    pub(super) fn read(words: &str) -> Result<Self, String> {
        let mut words = words.split_whitespace();
        let (name, qtype) = words.next().zip(words.next()).ok_or("a name and a type are asked for")?;
        let mut draft = Draft::default();
        for word in words {
            draft.take(word)?;
        }
        Ok(draft.write(name, rtype(qtype)?))
    }

    /// Octets as they are.
    pub(super) fn raw(octets: &str) -> Result<Self, String> {
        Ok(Self { client: CLIENT.parse().expect("an address"), tcp: false, octets: hex(octets)?, question: Vec::new() })
    }
}

/// What the words say, before it is written.
struct Draft {
    client: SocketAddr,
    tcp: bool,
    id: u16,
    class: u16,
    flags: u16,
    questions: u16,
    opt: Option<u16>,
    version: u8,
    opt_flags: u16,
    options: Vec<u8>,
    opts: u16,
    tail: Vec<u8>,
}

impl Default for Draft {
    fn default() -> Self {
        let client = CLIENT.parse().expect("an address");
        let (options, tail) = (Vec::new(), Vec::new());
        Self {
            client,
            tcp: false,
            id: 7,
            class: 1,
            flags: 0x0100,
            questions: 1,
            opt: None,
            version: 0,
            opt_flags: 0,
            options,
            opts: 1,
            tail,
        }
    }
}

impl Draft {
    fn take(&mut self, word: &str) -> Result<(), String> {
        let (word, value) = word.split_once('=').unwrap_or((word, ""));
        match word {
            "id" => self.id = number(value)?,
            "class" => self.class = number(value)?,
            "from" => self.client = value.parse().map_err(|error| format!("{value}: {error}"))?,
            "tcp" => self.tcp = true,
            "rd" => self.flags &= !0x0100,
            "cd" => self.flags |= 0x10,
            "ad" => self.flags |= 0x20,
            "z" => self.flags |= 0x40,
            "qr" => self.flags |= 0x8000,
            "opcode" => self.flags |= number(value)? << 11,
            "qd" => self.questions = number(value)?,
            "opt" => self.opt = Some(if value.is_empty() { 1232 } else { number(value)? }),
            "do" => self.opt_flags |= 0x8000,
            "version" => self.version = number(value)? as u8,
            "ednsflags" => self.opt_flags |= number(value)?,
            "opts" => self.opts = number(value)?,
            "tail" => self.tail = hex(value)?,
            "option" => {
                let (code, value) = value.split_once(':').ok_or("option=CODE:HEX")?;
                let value = hex(value)?;
                self.options.extend(number(code)?.to_be_bytes());
                self.options.extend((value.len() as u16).to_be_bytes());
                self.options.extend(value);
            }
            _ => return Err(format!("no word of a query: {word}")),
        }
        Ok(())
    }

    fn write(self, name: &str, qtype: u16) -> Query {
        let opts = if self.opt.is_some() { self.opts } else { 0 };
        let question = [wire(name), qtype.to_be_bytes().to_vec(), self.class.to_be_bytes().to_vec()].concat();
        let mut octets: Vec<u8> = [self.id, self.flags, self.questions, 0, 0, opts].into_iter().flat_map(u16::to_be_bytes).collect();
        octets.extend(&question);
        for _ in 0..opts {
            let ttl = u32::from(self.version) << 16 | u32::from(self.opt_flags);
            octets.extend(record(&[0], OPT, self.opt.unwrap_or_default(), ttl, &self.options));
        }
        octets.extend(self.tail);
        Query { client: self.client, tcp: self.tcp, octets, question }
    }
}

/// A record of the words `OWNER TTL TYPE DATA…`. Data of a type by number, or of one that is not spelled here, is hexadecimal.
pub(super) fn read_record(words: &str) -> Result<Vec<u8>, String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let [owner, ttl, kind, data @ ..] = &words[..] else { return Err("a record has an owner, a TTL and a type".to_owned()) };
    let numbers = |words: &[&str]| words.iter().map(|word| word.parse::<u32>().map_err(|error| format!("{word}: {error}"))).collect();
    let numbers = |words: &[&str]| -> Result<Vec<u32>, String> { numbers(words) };
    let rdata = match (*kind, data) {
        ("A" | "AAAA", [address]) => match address.parse().map_err(|error| format!("{address}: {error}"))? {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        },
        ("CNAME" | "NS" | "PTR", [name]) => wire(name),
        ("MX", [preference, name]) => [number(preference)?.to_be_bytes().to_vec(), wire(name)].concat(),
        ("TXT", [text]) => [&[text.len() as u8], text.as_bytes()].concat(),
        ("SRV", [fields @ .., name]) => {
            let fields: Vec<u8> = numbers(fields)?.iter().flat_map(|field| (*field as u16).to_be_bytes()).collect();
            [fields, wire(name)].concat()
        }
        ("SOA", [server, mailbox, fields @ ..]) => {
            [wire(server), wire(mailbox), numbers(fields)?.iter().flat_map(|field| field.to_be_bytes()).collect()].concat()
        }
        (_, data) => hex(&data.concat())?,
    };
    let ttl = u32::try_from(i64::from(ttl.parse::<u32>().map_err(|error| format!("{ttl}: {error}"))?)).unwrap_or_default();
    Ok(record(&wire(owner), rtype(kind)?, 1, ttl, &rdata))
}

fn record(owner: &[u8], rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let length = (rdata.len() as u16).to_be_bytes();
    [owner, &rtype.to_be_bytes(), &class.to_be_bytes(), &ttl.to_be_bytes(), &length, rdata].concat()
}

/// The wire form of a name; `@` is a pointer to the qname, `.` the root.
fn wire(name: &str) -> Vec<u8> {
    if name == "@" {
        return vec![0xC0, 12];
    }
    let labels = name.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}

pub(super) fn rtype(text: &str) -> Result<u16, String> {
    let known = TYPES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    known.or_else(|| text.strip_prefix("TYPE")?.parse().ok()).ok_or_else(|| format!("no type: {text}"))
}

pub(super) fn type_text(number: u16) -> String {
    TYPES.iter().find(|(_, known)| *known == number).map_or_else(|| format!("TYPE{number}"), |(name, _)| (*name).to_owned())
}

fn number(text: &str) -> Result<u16, String> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    u16::from_str_radix(digits, radix).map_err(|error| format!("{text}: {error}"))
}

/// Octets; spaces part them as the writer likes.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("not hexadecimal: {text}"))?;
    if !digits.len().is_multiple_of(2) {
        return Err(format!("half an octet is missing: {text}"));
    }
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | *digit as u8)).collect())
}
