//! An upstream that says what a scenario tells it to, over UDP and TCP on one port of 127.0.0.1.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::octets::{hex, read_record, rtype, type_text};

/// What it says to one question, or to all others.
struct Saying {
    /// Folded name and type; `None`: whatever is asked.
    to: Option<(String, u16)>,
    /// Over this transport alone.
    tcp: Option<bool>,
    text: Vec<String>,
}

/// What a scenario sees of it.
#[derive(Default)]
struct State {
    sayings: Vec<Saying>,
    asked: Vec<String>,
}

pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().unwrap();
        let over_udp = state.clone();
        tokio::spawn(async move {
            let mut datagram = [0; 1232];
            while let Ok((length, peer)) = udp.recv_from(&mut datagram).await {
                if let Some(reply) = reply(&over_udp, &datagram[..length], false) {
                    drop(udp.send_to(&reply, peer).await);
                }
            }
        });
        let over_tcp = state.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let state = over_tcp.clone();
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut query = vec![0; usize::from(length)];
                        if stream.read_exact(&mut query).await.is_err() {
                            return;
                        }
                        let Some(reply) = reply(&state, &query, true) else { continue };
                        let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
                        drop(stream.write_all(&framed).await);
                    }
                });
            }
        });
        Self { address, state }
    }

    /// From now on: words after `upstream`, and what stands below. What was said before to the same question is forgotten, and with
    /// no question named all of it.
    pub(super) fn say(&self, words: &str, text: &[String]) -> Result<(), String> {
        let (mut to, mut tcp) = (None, None);
        match words.split_whitespace().collect::<Vec<_>>()[..] {
            [] => self.state.lock().sayings.clear(),
            ["udp"] => tcp = Some(false),
            ["tcp"] => tcp = Some(true),
            [name, kind] => to = Some((folded(name), rtype(kind)?)),
            _ => return Err(format!("an upstream answers to a name and a type, to `udp`, `tcp`, or to all: {words}")),
        }
        let mut state = self.state.lock();
        state.sayings.retain(|saying| (&saying.to, saying.tcp) != (&to, tcp));
        state.sayings.push(Saying { to, tcp, text: text.to_vec() });
        Ok(())
    }

    /// Questions that it was asked, as text.
    pub(super) fn asked(&self) -> Vec<String> {
        self.state.lock().asked.clone()
    }

    /// Whether there is something that it does not answer: then time must pass by itself.
    pub(super) fn is_silent(&self) -> bool {
        self.state.lock().sayings.iter().any(|saying| saying.text.iter().any(|line| line == "silent"))
    }
}

async fn bind() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free over both transports");
}

fn folded(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn reply(state: &Mutex<State>, query: &[u8], tcp: bool) -> Option<Vec<u8>> {
    let (name, qtype, question_end) = question(query)?;
    let mut state = state.lock();
    state.asked.push(show(query, &name, qtype, question_end, tcp));
    let fits = |saying: &&Saying| saying.tcp.is_none_or(|only| only == tcp);
    let own = |saying: &&Saying| saying.to.as_ref().is_some_and(|to| *to == (folded(&name), qtype));
    let saying = state.sayings.iter().filter(fits).find(own);
    let saying = saying.or_else(|| state.sayings.iter().filter(fits).rfind(|saying| saying.to.is_none()))?;
    compose(query, question_end, &saying.text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        let label = query.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(label).into_owned());
    }
    let qtype = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), qtype, at + 4))
}

/// `www.example A rd opt=1232 do`, and `tcp` where it came so; octets of options are counted.
fn show(query: &[u8], name: &str, qtype: u16, question_end: usize, tcp: bool) -> String {
    let mut words = vec![name.to_owned(), type_text(qtype)];
    let flags = [(2, 1, "rd"), (3, 0x40, "z"), (3, 0x20, "ad"), (3, 0x10, "cd")];
    words.extend(flags.into_iter().filter(|(at, bit, _)| query[*at] & bit != 0).map(|(_, _, word)| word.to_owned()));
    if let [0, 0, 41, high, low, _, _, flags, _, options @ ..] = &query[question_end..] {
        words.push(format!("opt={}", u16::from_be_bytes([*high, *low])));
        words.extend((flags & 0x80 != 0).then(|| "do".to_owned()));
        words.extend((options != [0, 0]).then(|| format!("options={}", options.len())));
    }
    words.extend(tcp.then(|| "tcp".to_owned()));
    words.join(" ")
}

/// `None`: nothing is said.
fn compose(query: &[u8], question_end: usize, text: &[String]) -> Result<Option<Vec<u8>>, String> {
    let (mut flags, mut rcode, mut counts, mut records) = (0x8180_u16, 0, [0_u16; 3], Vec::new());
    for line in text {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let section = ["answer", "authority", "additional"].iter().position(|section| *section == word);
        match word {
            "silent" => return Ok(None),
            "octets" => return Ok(Some([query[..2].to_vec(), hex(rest)?].concat())),
            "rcode" => {
                rcode = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
                    .iter()
                    .position(|name| *name == rest)
                    .ok_or("no such rcode")?
            }
            "flags" => {
                for flag in rest.split(' ') {
                    flags |= match flag {
                        "aa" => 0x0400,
                        "tc" => 0x0200,
                        "ad" => 0x20,
                        _ => return Err(format!("no flag of an upstream: {flag}")),
                    };
                }
            }
            "opt" => {
                records.push((2, [&[0, 0, 41, 0x10, 0, 0, 0, 0, 0][..], &(rest.len() as u16 / 2).to_be_bytes(), &hex(rest)?].concat()));
                counts[2] += 1;
            }
            _ => {
                let section = section.ok_or_else(|| format!("an upstream does not say: {line}"))?;
                let (times, rest) =
                    rest.split_once("x ").and_then(|(times, rest)| Some((times.parse::<u16>().ok()?, rest))).unwrap_or((1, rest));
                counts[section] += times;
                for number in 0..times {
                    records.push((section, read_record(&rest.replace("{n}", &number.to_string()))?));
                }
            }
        }
    }
    records.sort_by_key(|(section, _)| *section);
    let mut message = query[..2].to_vec();
    message.extend([flags | rcode as u16, 1].into_iter().chain(counts).flat_map(u16::to_be_bytes));
    message.extend(&query[12..question_end]);
    message.extend(records.into_iter().flat_map(|(_, record)| record));
    Ok(Some(message))
}
