//! What the file says: every key it may have, what each means and within which bounds.

mod limits;
mod queries;

pub use limits::FileLimits;
pub(super) use queries::DEFAULT_GROUP;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::Mistake;
use super::read::{Reader, Section};
use super::render::label;
use super::tree::{self, Node};
use super::value;
use crate::k8s::{CiliumConfig, CiliumVersion, OnRed};
use crate::telemetry::Format;
use crate::upstream::GroupConfig;
use crate::wire::Name;
use crate::{cache, rules};

/// Octets a file may have: as many as a ConfigMap.
pub(super) const MOST_OCTETS: usize = 1 << 20;

/// Least and most data workers.
pub(super) const WORKERS: (usize, usize) = (1, 64);

/// Where the admin server listens by default: the port that NodeLocal DNSCache uses.
pub(super) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9253);

/// What clusters are called unless somebody chose.
const CLUSTER_DOMAIN: &str = "cluster.local";
/// Octets its wire form may have: doorstep asks for names of its own below it, which add 31 to it (`doorstep-path-` and 16 digits), and a name
/// has at most 255 (RFC 1035 §2.3.4).
const MOST_CLUSTER_DOMAIN: usize = 255 - 31;

/// Least and most of every limit.
const LIMIT: (usize, usize) = (1, 1_000_000);

/// The top keys.
const KEYS: [&str; 11] =
    ["listen", "admin", "cache", "cluster_domain", "answers", "upstreams", "zones", "rules", "redirect", "limits", "log"];
const REDIRECT: [&str; 5] = ["cilium_namespace", "cilium_version", "accept_cilium", "accept_network_policies", "on_red"];

/// What a file says; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// Addresses to answer DNS on; empty where none is given.
    pub listen: Vec<SocketAddr>,
    /// Data workers.
    pub workers: Option<usize>,
    /// Address of the admin server.
    pub admin: Option<SocketAddr>,
    /// Memory for answers.
    pub cache: Option<cache::Config>,
    /// Apex of the cluster's own zone.
    pub cluster_domain: Option<Name>,
    /// Whether the addresses of a name take turns; they do where nothing is said.
    pub rotate: Option<bool>,
    /// Upstream groups, in the file's order.
    pub groups: Vec<GroupConfig>,
    /// Zones, in the file's order.
    pub zones: Vec<rules::ZoneConfig>,
    /// Suffix rules, in the file's order.
    pub rules: Vec<rules::RuleConfig>,
    /// Bounds by number.
    pub limits: FileLimits,
    /// What operators say of Cilium.
    pub cilium: CiliumConfig,
    /// How a log line looks.
    pub log_format: Option<Format>,
    /// What is logged.
    pub log_level: Option<String>,
}

impl File {
    /// Makes sense of a file's text.
    ///
    /// # Errors
    /// The first mistake of form, or all of meaning.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let root = tree::parse(text).map_err(|mistake| vec![*mistake])?;
        let mut reader = Reader::new(text);
        let top = reader.section(&root, "", &KEYS);
        let mut file = Self::default();
        file.read_places(&mut reader, &top);
        file.read_listen(&mut reader, &top);
        file.limits.read(&mut reader, &top);
        file.read_answers(&mut reader, &top);
        file.read_log(&mut reader, &top);
        file.read_redirect(&mut reader, &top);
        queries::read(&mut file, &mut reader, &top);
        reader.finish(file)
    }

    /// Apex of the cluster's own zone, unless a flag says otherwise.
    pub(super) fn cluster_domain(&self) -> Name {
        let default = || Name::parse(CLUSTER_DOMAIN).expect("two plain labels are a domain name");
        self.cluster_domain.clone().unwrap_or_else(default)
    }

    fn read_places(&mut self, reader: &mut Reader<'_>, top: &Section<'_>) {
        if let Some(node) = top.find("admin") {
            let section = reader.section(node, "admin", &["address"]);
            self.admin = reader.optional(&section, "address", "0.0.0.0:9253", value::address);
        }
        if let Some(node) = top.find("cache") {
            let section = reader.section(node, "cache", &["size"]);
            let (least, most) = (cache::Config::MIN_CAPACITY, cache::Config::MAX_CAPACITY);
            let capacity = reader.optional(&section, "size", "32MiB", |text| value::size(text, least, most));
            self.cache = capacity.map(|capacity| cache::Config { capacity });
        }
        self.cluster_domain = reader.optional(top, "cluster_domain", CLUSTER_DOMAIN, cluster_domain);
    }

    fn read_listen(&mut self, reader: &mut Reader<'_>, top: &Section<'_>) {
        let Some(node) = top.find("listen") else { return };
        let section = reader.section(node, "listen", &["addresses", "workers"]);
        self.workers = reader.optional(&section, "workers", "2", |text| value::number(text, WORKERS.0, WORKERS.1));
        let Some(addresses) = section.find("addresses") else { return };
        let admin = self.admin.unwrap_or(ADMIN);
        let elements = reader.list(addresses, "addresses", "[\"0.0.0.0:53\", \"[::]:53\"]");
        for element in elements {
            let Some(address) = reader.scalar(element, "0.0.0.0:53", value::address) else { continue };
            if let Some(other) = self.listen.iter().find(|other| value::overlap(address, **other)) {
                reader.wrong(element.place, format!("`{address}` is covered by `{other}` already; leave one out"));
            }
            if value::overlap(address, admin) {
                reader.wrong(element.place, format!("`{address}` is where the admin server listens; choose another port for one of them"));
            }
            self.listen.push(address);
        }
        if matches!(&addresses.value, tree::Value::List(nodes) if nodes.is_empty()) {
            reader.wrong(
                addresses.place,
                "at least one address is needed to answer on; write `addresses: [\"0.0.0.0:53\"]`, or leave it out for all there are",
            );
        }
    }

    fn read_answers(&mut self, reader: &mut Reader<'_>, top: &Section<'_>) {
        let Some(node) = top.find("answers") else { return };
        let section = reader.section(node, "answers", &["rotate"]);
        self.rotate = reader.optional(&section, "rotate", "false", value::truth);
    }

    fn read_redirect(&mut self, reader: &mut Reader<'_>, top: &Section<'_>) {
        let Some(node) = top.find("redirect") else { return };
        let section = reader.section(node, "redirect", &REDIRECT);
        let namespace = |text: &str| label(text).map_err(|error| format!("`{text}` is {error}"));
        if let Some(namespace) = reader.optional(&section, "cilium_namespace", "kube-system", namespace) {
            self.cilium.namespace = namespace;
        }
        let version =
            |text: &str| CiliumVersion::parse(text).ok_or_else(|| format!("`{text}` is no release; write three numbers, as `1.19.5`"));
        self.cilium.version = reader.optional(&section, "cilium_version", "1.19.5", version);
        self.cilium.accept = reader.optional(&section, "accept_cilium", "1.18.4", version);
        let accepted = reader.optional(&section, "accept_network_policies", "true", value::truth);
        self.cilium.accept_network_policies = accepted.unwrap_or_default();
        let on_red = |text: &str| match text {
            "hold" => Ok(OnRed::Hold),
            "alarm" => Ok(OnRed::Alarm),
            other => Err(format!("`{other}` is nothing that agents do about a red gate{}", value::suggestion(other, &["hold", "alarm"]))),
        };
        self.cilium.on_red = reader.optional(&section, "on_red", "alarm", on_red).unwrap_or_default();
    }

    fn read_log(&mut self, reader: &mut Reader<'_>, top: &Section<'_>) {
        let Some(node) = top.find("log") else { return };
        let section = reader.section(node, "log", &["format", "level"]);
        self.log_level = reader.optional(&section, "level", "info", value::log_level);
        self.log_format = reader.optional(&section, "format", "json", |text| match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            other => Err(format!("`{other}` is no format{}", value::suggestion(other, &["text", "json"]))),
        });
    }
}

/// A domain name.
fn name(text: &str) -> Result<Name, String> {
    if let Some(rest) = text.strip_prefix("*.") {
        return Err(format!("a suffix covers every name below it, without `*`; write `{rest}`"));
    }
    Name::parse(text).map_err(|error| error.to_string())
}

/// The cluster's own zone, as the file and flags have it.
pub(super) fn cluster_domain(text: &str) -> Result<Name, String> {
    let domain = name(text)?;
    match domain.as_wire().len() {
        1 => Err(format!("the root is no cluster's own zone; write `{CLUSTER_DOMAIN}`, or what yours is called")),
        2..=MOST_CLUSTER_DOMAIN => Ok(domain),
        length => {
            Err(format!("`{text}` has {length} octets, and names below it would not fit; write one of at most {MOST_CLUSTER_DOMAIN}"))
        }
    }
}

/// The node of a key, where it is a list.
fn elements<'n>(reader: &mut Reader<'_>, top: &Section<'n>, key: &str, example: &str) -> &'n [Node] {
    match top.find(key) {
        Some(Node { value: tree::Value::Nothing, .. }) | None => &[],
        Some(node) => reader.list(node, key, example),
    }
}
