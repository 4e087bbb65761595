//! Whole walks, against a small upstream on 127.0.0.1. Only time is made up: [`jump`] moves the clock between two questions.

mod local;
mod memory;
mod reload;
mod stale;
mod upstream;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use super::{Client, Identity, Outcome, Pending, Resolver, Snapshot, Walk};
use crate::cache::{Cache, Config as CacheConfig};
use crate::coalesce::Limits;
use crate::rules::{Config, RuleAnswer, RuleConfig, Ruleset, ZoneConfig};
use crate::upstream::{Bounds, Group, GroupConfig, Metrics, Server, Timing, Trust};
use crate::wire::{Name, Rcode};
use upstream::{Says, Upstream};

const A: u16 = 1;
const TXT: u16 = 16;

/// Upstream groups, in the order of the snapshots.
const GROUPS: [&str; 2] = ["default", "corp"];

/// Moves the clock. Timers that fall into the time passed over go off.
async fn jump(seconds: f64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs_f64(seconds)).await;
    tokio::time::resume();
}

fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A resolver with an upstream for each group.
struct Rig {
    resolver: Resolver,
    upstream: Upstream,
    corp: Upstream,
    groups: Vec<Arc<Group>>,
}

impl Rig {
    async fn new(says: Says) -> Self {
        Self::with(says, config(vec![], vec![]), Limits::default()).await
    }

    async fn with(says: Says, config: Config, limits: Limits) -> Self {
        let (upstream, corp) = (Upstream::start(says).await, Upstream::start(Says::Addresses { ttl: 300, last: 99 }).await);
        let group = |name: &str, address| {
            let config = GroupConfig {
                name: name.to_owned(),
                servers: vec![Server::Udp(address)],
                endpoints: None,
                trust: Trust::default(),
                timing: Timing::default(),
            };
            Group::new(config, Arc::new(Bounds::default()), Arc::new(Metrics::default()))
        };
        let groups = vec![group("default", upstream.address), group("corp", corp.address)];
        let snapshot = Snapshot { rules: Ruleset::new(&config, &GROUPS, &[], None), groups: groups.clone() };
        let cache = Cache::new(CacheConfig::default().capacity, now());
        let resolver = Resolver::new(snapshot, cache, limits, Identity::new("pod-1", "1.2.3"), 1);
        Self { resolver, upstream, corp, groups }
    }

    /// Puts another configuration in force.
    fn reload(&self, config: &Config) {
        let rules = Ruleset::new(config, &GROUPS, &[], Some(&self.resolver.snapshot().rules));
        self.resolver.replace(Snapshot { rules, groups: self.groups.clone() });
    }

    /// The first half of the walk alone.
    fn walk(&self, ask: &Ask) -> (Walk, Vec<u8>) {
        let mut out = vec![0; 65_535];
        let walk = self.resolver.answer(0, &ask.packet(), ask.client(), now(), &mut out);
        (walk, out)
    }

    /// Asks and waits for the reply, renewing what is to be renewed.
    async fn ask(&self, ask: &Ask) -> Seen {
        let (walk, mut out) = self.walk(ask);
        let (reply, from_memory) = match walk {
            Walk::Reply(written) => (out.drain(..written).collect(), true),
            Walk::ReplyAndRenew(written, pending) => {
                assert!(self.resolver.look_up(0, pending).await.is_none(), "a refresh has nobody to reply to");
                (out.drain(..written).collect(), true)
            }
            Walk::LookUp(pending) => (self.resolver.look_up(0, pending).await.unwrap(), false),
            Walk::Silence => panic!("no reply"),
        };
        Seen::read(ask, &reply, from_memory)
    }

    /// The query that waits for an upstream.
    fn miss(&self, ask: &Ask) -> Pending {
        match self.walk(ask).0 {
            Walk::LookUp(pending) => pending,
            _ => panic!("answered from memory"),
        }
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.resolver.counters().total(|counted| counted == outcome)
    }
}

fn config(zones: Vec<ZoneConfig>, rules: Vec<RuleConfig>) -> Config {
    Config { zones, rules, cluster_domain: name("cluster.local") }
}

/// One client's query.
#[derive(Clone)]
struct Ask {
    name: &'static str,
    qtype: u16,
    qclass: u16,
    id: u16,
    port: u16,
    flags: [u8; 2],
    /// DO; `None`: no OPT.
    edns: Option<bool>,
    tcp: bool,
}

/// A with OPT over UDP, RD=1, as most sentences need it.
fn ask(name: &'static str) -> Ask {
    Ask { name, qtype: A, qclass: 1, id: 7, port: 40_000, flags: [1, 0], edns: Some(false), tcp: false }
}

impl Ask {
    fn client(&self) -> Client {
        Client { address: SocketAddr::from(([10, 0, 0, 1], self.port)), tcp: self.tcp }
    }

    fn packet(&self) -> Vec<u8> {
        let mut packet = self.id.to_be_bytes().to_vec();
        packet.extend(self.flags);
        packet.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            packet.push(label.len() as u8);
            packet.extend(label.as_bytes());
        }
        packet.push(0);
        packet.extend(self.qtype.to_be_bytes());
        packet.extend(self.qclass.to_be_bytes());
        if let Some(dnssec_ok) = self.edns {
            packet.extend([0, 0, 41, 4, 208, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        }
        packet
    }
}

/// A reply, as a client sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    rcode: Rcode,
    /// Data of the answer records.
    data: Vec<String>,
    /// TTL of the first record there is.
    ttl: Option<u32>,
    /// Extended error.
    ede: Option<u16>,
    /// Nobody had to be asked.
    from_memory: bool,
}

impl Seen {
    fn read(ask: &Ask, reply: &[u8], from_memory: bool) -> Self {
        let packet = ask.packet();
        assert_eq!(reply[..2], packet[..2], "id");
        let question = 12..packet.len() - if ask.edns.is_some() { 11 } else { 0 };
        assert_eq!(reply[question.clone()], packet[question], "the question in the client's case");
        let message = parse(reply);
        let rcode = Rcode(u16::from(message.metadata.response_code));
        let data = message.answers.iter().map(|record| record.data.to_string()).collect();
        let ttl = message.answers.iter().chain(&message.authorities).map(|record| record.ttl).next();
        let ede = message.edns.as_ref().and_then(|edns| match edns.option(EdnsCode::Unknown(15)) {
            Some(EdnsOption::Unknown(_, value)) => Some(u16::from_be_bytes([value[0], value[1]])),
            _ => None,
        });
        Self { rcode, data, ttl, ede, from_memory }
    }
}

/// What a sentence expects: NOERROR with this address and TTL.
fn address(last: u8, ttl: u32, from_memory: bool) -> Seen {
    Seen { rcode: Rcode::NO_ERROR, data: vec![format!("192.0.2.{last}")], ttl: Some(ttl), ede: None, from_memory }
}

fn empty(rcode: Rcode, ttl: Option<u32>, ede: Option<u16>, from_memory: bool) -> Seen {
    Seen { rcode, data: vec![], ttl, ede, from_memory }
}

fn parse(reply: &[u8]) -> Message {
    Message::from_vec(reply).unwrap_or_else(|error| panic!("{error}: {reply:02x?}"))
}
