//! The part of the file that decides about queries: upstream groups, zones, rules.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{File, elements, name};
use crate::cache::Profile;
use crate::config::read::{Reader, Section};
use crate::config::tree::{Key, Node, Place, Value};
use crate::config::value;
use crate::rules::{RuleAnswer, RuleConfig, ZoneConfig};
use crate::upstream::{GroupConfig, Server, Timing, Trust, Twin};
use crate::wire::Name;

/// The group of every zone that names no other.
pub(in crate::config) const DEFAULT_GROUP: &str = "default";

/// Servers of one group.
const MOST_SERVERS: usize = 64;
/// Characters of a group's name, which becomes a label of metrics.
const MOST_GROUP_NAME: usize = 63;
/// The longest TTL that may be configured.
const MOST_TTL: Duration = Duration::from_secs(24 * 3600);
/// TTL of a rule's addresses unless given, in seconds.
const RULE_TTL: u32 = 60;

const SERVERS_EXAMPLE: &str = "[\"tcp://10.96.0.20:53\"]";
const TLS_EXAMPLE: &str = "{ ca_file: /etc/doorstep-tls/ca.crt }";
/// Of the key whose SubjectPublicKeyInfo is empty: nobody's.
const PIN_EXAMPLE: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const PINS_EXAMPLE: &str = "[\"base64 of a SHA-256\"]";
const ZONES_EXAMPLE: &str = "[{ name: corp.example, upstream: default }]";
const RULES_EXAMPLE: &str = "[{ suffix: leak.example, answer: nxdomain }]";
const ANSWERS: [&str; 2] = ["nxdomain", "nodata"];
const ADDRESSES_EXAMPLE: &str = "{ a: [\"192.0.2.1\"], ttl: 60s }";

pub(super) fn read(file: &mut File, reader: &mut Reader<'_>, top: &Section<'_>) {
    let entries = top.find("upstreams").map_or(&[][..], |node| reader.entries(node, "upstreams", &[DEFAULT_GROUP]));
    file.groups = entries.iter().filter_map(|(key, node)| read_group(reader, key, node)).collect();
    // A group with a mistake of its own is known all the same.
    let mut known: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
    if !known.contains(&DEFAULT_GROUP) {
        known.push(DEFAULT_GROUP);
    }
    let mut zones = HashMap::new();
    for node in elements(reader, top, "zones", ZONES_EXAMPLE) {
        file.zones.extend(read_zone(reader, node, &known, &mut zones));
    }
    let mut rules = HashMap::new();
    for node in elements(reader, top, "rules", RULES_EXAMPLE) {
        file.rules.extend(read_rule(reader, node, &mut rules));
    }
    let cluster_domain = file.cluster_domain();
    for (suffix, place) in &rules {
        if let Some(zone) = zones.get(suffix) {
            reader.wrong(*place, format!("`{suffix}` is a zone too (line {}), which this would hide; leave one out", zone.line));
        }
        if *suffix == cluster_domain {
            reader.wrong(
                *place,
                format!(
                    "`{suffix}` is the cluster's own zone: no Service would be found; name what is meant below it, such as `leak.{suffix}`"
                ),
            );
        }
    }
}

fn read_group(reader: &mut Reader<'_>, key: &Key, node: &Node) -> Option<GroupConfig> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if key.name.is_empty() || key.name.len() > MOST_GROUP_NAME || !key.name.chars().all(plain) {
        let message =
            format!("`{}` cannot name a group; use letters, digits, `-`, `_` and `.`, at most {MOST_GROUP_NAME}, as in `vpc`", key.name);
        reader.wrong(key.place, message);
    }
    refuse_scalar(reader, node, &format!("{}: {{ servers: {SERVERS_EXAMPLE} }}", key.name))?;
    let section = reader.section(node, &key.name, &["servers", "endpoints", "tls"]);
    let trust = section.find("tls").and_then(|node| read_trust(reader, node));
    let endpoints = reader.optional(&section, "endpoints", "kube-dns-upstream-headless.kube-system.svc.cluster.local", twin);
    let servers = reader.demand(&section, key.place, "servers", SERVERS_EXAMPLE)?;
    let servers = read_servers(reader, servers);
    // A server with a mistake of its own may be meant to be encrypted.
    let is_plain = !servers.is_empty() && !servers.iter().any(Server::is_encrypted);
    if let Some(node) = section.find("tls").filter(|_| is_plain) {
        reader.wrong(
            node.place,
            format!("no server of `{}` shows a certificate; write `tls://` before its address, or leave this out", key.name),
        );
    }
    Some(GroupConfig { name: key.name.clone(), servers, endpoints, trust: trust.unwrap_or_default(), timing: Timing::default() })
}

/// What the flags say of our own addresses, `join` adds.
fn twin(text: &str) -> Result<Twin, String> {
    if text.parse::<IpAddr>().is_ok() || text.contains("://") {
        return Err(format!("`{text}` is an address; write the name whose addresses are asked too, or add it to `servers`"));
    }
    Ok(Twin { name: name(text)?, port: None, own: Vec::new() })
}

fn read_trust(reader: &mut Reader<'_>, node: &Node) -> Option<Trust> {
    refuse_scalar(reader, node, &format!("tls: {TLS_EXAMPLE}"))?;
    let section = reader.section(node, "tls", &["ca_file", "pin_sha256"]);
    let ca_file = reader.optional(&section, "ca_file", "/etc/doorstep-tls/ca.crt", value::path);
    let mut pins = Vec::new();
    if let Some(list) = section.find("pin_sha256") {
        let elements = reader.list(list, "pin_sha256", PINS_EXAMPLE);
        // Nothing pinned must not mean that every public authority will do.
        if matches!(list.value, Value::List(_)) && elements.is_empty() {
            reader.wrong(list.place, format!("at least one key is needed; write `pin_sha256: {PINS_EXAMPLE}`, or leave it out"));
        }
        pins = elements.iter().filter_map(|element| reader.scalar(element, PIN_EXAMPLE, value::pin)).collect();
    }
    Some(Trust { ca_file, pins })
}

fn read_servers(reader: &mut Reader<'_>, list: &Node) -> Vec<Server> {
    let nodes = reader.list(list, "servers", SERVERS_EXAMPLE);
    if matches!(list.value, Value::List(_)) && nodes.is_empty() {
        reader.wrong(list.place, format!("at least one server is needed; write `servers: {SERVERS_EXAMPLE}`"));
    }
    if let Some(node) = nodes.get(MOST_SERVERS) {
        reader.wrong(node.place, format!("a group has at most {MOST_SERVERS} servers; leave out this one and those that follow"));
    }
    let mut servers = Vec::new();
    for node in nodes {
        let Some(server) = reader.scalar(node, "tcp://10.96.0.20:53", value::server) else { continue };
        if servers.contains(&server) {
            reader.wrong(node.place, "this server is given twice; once is enough");
        }
        servers.push(server);
    }
    servers
}

fn read_zone(reader: &mut Reader<'_>, node: &Node, groups: &[&str], seen: &mut HashMap<Name, Place>) -> Option<ZoneConfig> {
    refuse_scalar(reader, node, "{ name: corp.example, upstream: default }")?;
    let section = reader.section(node, "zones", &["name", "upstream", "profile", "max_ttl", "max_negative_ttl", "nxdomain"]);
    let zone = reader.demand(&section, node.place, "name", "corp.example").and_then(|node| reader.scalar(node, "corp.example", name));
    let group = reader.optional(&section, "upstream", DEFAULT_GROUP, |text| match groups.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("no group `{text}` stands under `upstreams`{}", value::suggestion(text, groups))),
    });
    let cluster = reader.optional(&section, "profile", "external", |text| match text {
        "cluster" => Ok(true),
        "external" => Ok(false),
        other => Err(format!("`{other}` is no profile{}", value::suggestion(other, &["cluster", "external"]))),
    });
    let cluster = cluster.unwrap_or(false);
    let mut profile = if cluster { Profile::CLUSTER } else { Profile::EXTERNAL };
    for (key, cap) in [("max_ttl", &mut profile.max_ttl), ("max_negative_ttl", &mut profile.max_negative_ttl)] {
        if let Some(ttl) = reader.optional(&section, key, "30s", |text| value::duration(text, Duration::from_secs(1), MOST_TTL)) {
            *cap = ttl;
        }
    }
    let for_name = reader.optional(&section, "nxdomain", "type", |text| match text {
        "name" => Ok(true),
        "type" => Ok(false),
        other => Err(format!(
            "`{other}` is neither; write `name` where an NXDOMAIN counts for the whole name, `type` where it does for the type asked alone"
        )),
    });
    profile.nxdomain_for_name = for_name.unwrap_or(profile.nxdomain_for_name);
    let zone = zone?;
    note_twice(reader, section.find("name"), &zone, seen);
    Some(ZoneConfig { name: zone, group: group.unwrap_or_else(|| DEFAULT_GROUP.to_owned()), cluster, profile })
}

fn read_rule(reader: &mut Reader<'_>, node: &Node, seen: &mut HashMap<Name, Place>) -> Option<RuleConfig> {
    refuse_scalar(reader, node, "{ suffix: leak.example, answer: nxdomain }")?;
    let section = reader.section(node, "rules", &["suffix", "answer"]);
    let suffix = reader.demand(&section, node.place, "suffix", "leak.example").and_then(|node| reader.scalar(node, "leak.example", name));
    if let Some(suffix) = &suffix {
        note_twice(reader, section.find("suffix"), suffix, seen);
    }
    let answer = reader.demand(&section, node.place, "answer", ANSWERS[0]).and_then(|answer| read_answer(reader, answer));
    Some(RuleConfig { suffix: suffix?, answer: answer? })
}

fn read_answer(reader: &mut Reader<'_>, node: &Node) -> Option<RuleAnswer> {
    if !matches!(node.value, Value::Section(_)) {
        return reader.scalar(node, ANSWERS[0], |text| match text {
            "nxdomain" => Ok(RuleAnswer::NxDomain),
            "nodata" => Ok(RuleAnswer::NoData),
            other if other.parse::<IpAddr>().is_ok() => Err(format!("an address stands in a list; write `answer: {ADDRESSES_EXAMPLE}`")),
            other => match value::nearest(other, ANSWERS) {
                Some(near) => Err(format!("`{other}` is no answer; did you mean `{near}`?")),
                None => Err(format!("`{other}` is no answer; there is {} and `{ADDRESSES_EXAMPLE}`", value::list(&ANSWERS))),
            },
        });
    }
    let section = reader.section(node, "answer", &["a", "aaaa", "ttl"]);
    let mut addresses = Vec::new();
    for (key, wants_v4, example) in [("a", true, "192.0.2.1"), ("aaaa", false, "2001:db8::1")] {
        let Some(list) = section.find(key) else { continue };
        for element in reader.list(list, key, &format!("[\"{example}\"]")) {
            addresses.extend(reader.scalar(element, example, |text| rule_address(text, wants_v4, example)));
        }
    }
    let none = |key| section.find(key).is_none_or(|list| matches!(&list.value, Value::List(nodes) if nodes.is_empty()));
    if none("a") && none("aaaa") {
        reader.wrong(node.place, format!("at least one address is needed; write `{ADDRESSES_EXAMPLE}`, or `nodata` for none"));
    }
    let ttl = reader.optional(&section, "ttl", "60s", |text| value::duration(text, Duration::ZERO, MOST_TTL));
    let ttl = ttl.map_or(RULE_TTL, |ttl| u32::try_from(ttl.as_secs()).unwrap_or(RULE_TTL));
    Some(RuleAnswer::Addresses { addresses, ttl })
}

fn rule_address(text: &str, wants_v4: bool, example: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_ipv4() == wants_v4 => Ok(address),
        Ok(_) if wants_v4 => Err(format!("`{text}` is an IPv6 address; it belongs under `aaaa`")),
        Ok(_) => Err(format!("`{text}` is an IPv4 address; it belongs under `a`")),
        Err(_) => Err(format!("`{text}` is no {} address; write it like `{example}`", if wants_v4 { "IPv4" } else { "IPv6" })),
    }
}

/// `None` where a value stands that cannot have keys; `example` is what should.
fn refuse_scalar(reader: &mut Reader<'_>, node: &Node, example: &str) -> Option<()> {
    if matches!(node.value, Value::Section(_) | Value::Nothing) {
        return Some(());
    }
    reader.wrong(node.place, format!("keys are expected here; write `{example}`"));
    None
}

fn note_twice(reader: &mut Reader<'_>, node: Option<&Node>, name: &Name, seen: &mut HashMap<Name, Place>) {
    let Some(place) = node.map(|node| node.place) else { return };
    match seen.get(name) {
        Some(first) => reader.wrong(place, format!("`{name}` is given twice; leave one out, the first is in line {}", first.line)),
        None => {
            seen.insert(name.clone(), place);
        }
    }
}
