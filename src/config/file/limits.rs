//! What is bounded by number.

use super::super::read::{Reader, Section};
use super::super::value;
use super::LIMIT;
use crate::coalesce;
use crate::listen::{Network, RateLimit};

const KEYS: [&str; 8] = [
    "waiting_per_client",
    "waiting",
    "tcp_connections",
    "tcp_connections_per_client",
    "upstream_connections",
    RATE,
    "burst_per_client",
    "exempt_clients",
];
const RATE: &str = "queries_per_second_per_client";

/// What a file says about bounds by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Queries that wait for an upstream.
    pub waiting: coalesce::Limits,
    /// TCP connections of all clients.
    pub tcp_connections: usize,
    /// TCP connections of one client address.
    pub tcp_connections_per_client: usize,
    /// Connections to upstreams in the elastic lane.
    pub upstream_connections: usize,
    /// How much one client may ask.
    pub rate: Option<RateLimit>,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            waiting: coalesce::Limits::default(),
            tcp_connections: 1024,
            tcp_connections_per_client: 64,
            upstream_connections: crate::upstream::Bounds::CONNECTIONS,
            rate: None,
        }
    }
}

impl FileLimits {
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, top: &Section<'_>) {
        let Some(node) = top.find("limits") else { return };
        let section = reader.section(node, "limits", &KEYS);
        let targets = [
            &mut self.waiting.per_client,
            &mut self.waiting.total,
            &mut self.tcp_connections,
            &mut self.tcp_connections_per_client,
            &mut self.upstream_connections,
        ];
        for (key, target) in KEYS.into_iter().zip(targets) {
            if let Some(number) = reader.optional(&section, key, "1000", |text| value::number(text, LIMIT.0, LIMIT.1)) {
                *target = number;
            }
        }
        self.rate = rate(reader, &section);
    }
}

/// A burst is a second's worth unless it says otherwise.
fn rate(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<RateLimit> {
    let number = |text: &str| value::number(text, LIMIT.0, LIMIT.1).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let per_second = reader.optional(section, RATE, "1000", number);
    let burst = reader.optional(section, "burst_per_client", "2000", number);
    let exempt = exempt(reader, section);
    for key in ["burst_per_client", "exempt_clients"] {
        if let (Some(node), None) = (section.find(key), section.find(RATE)) {
            reader.wrong(node.place, format!("`{key}` limits nobody without `{RATE}`; write that too, or leave this out"));
        }
    }
    per_second.map(|per_second| RateLimit { per_second, burst: burst.unwrap_or(per_second), exempt })
}

fn exempt(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Network> {
    let Some(node) = section.find("exempt_clients") else { return Vec::new() };
    let network = |text: &str| {
        Network::parse(text)
            .ok_or_else(|| format!("`{text}` is neither an address nor a network; write it like `10.0.0.7` or `10.0.0.0/24`"))
    };
    let elements = reader.list(node, "exempt_clients", "[\"10.0.0.0/24\"]");
    elements.iter().filter_map(|element| reader.scalar(element, "10.0.0.0/24", network)).collect()
}
