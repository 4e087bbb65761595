//! NetworkPolicy of `networking.k8s.io/v1`, as Cilium enforces it.

use serde::Deserialize;
use serde_json::{Error, Value};

use super::policy::{Entry, Peer, Peers, Port, Ports, Rule, Traffic, Transport};
use super::selector::{Selector, Written};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    pod_selector: Written,
    policy_types: Vec<String>,
    egress: Vec<Directed>,
    ingress: Vec<Directed>,
}

/// A rule of either direction.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Directed {
    #[serde(alias = "from")]
    to: Vec<Side>,
    ports: Vec<WrittenPort>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Side {
    pod_selector: Option<Written>,
    namespace_selector: Option<Written>,
    ip_block: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenPort {
    port: Option<Value>,
    end_port: Option<u16>,
    protocol: Option<String>,
}

/// The rules of a spec in this namespace.
pub(super) fn rules(spec: &Value, namespace: &str) -> Result<Vec<Rule>, Error> {
    let Spec { pod_selector, policy_types, egress, ingress } = Spec::deserialize(spec)?;
    let says = |direction: &str| policy_types.iter().any(|said| said == direction);
    let egress_denied = says("Egress") || !egress.is_empty();
    let ingress_denied = says("Ingress") || !ingress.is_empty() || policy_types.is_empty();
    let entries = |rules: Vec<Directed>| {
        rules.into_iter().map(|rule| Entry { peers: sides(rule.to, namespace), ports: ports_of(rule.ports) }).collect()
    };
    Ok(vec![Rule {
        path: "/spec/egress".to_owned(),
        subject: Selector::of(pod_selector).within(namespace),
        egress: traffic(egress_denied, entries(egress)),
        ingress: traffic(ingress_denied, entries(ingress)),
        names_the_world: false,
    }])
}

fn traffic(default_deny: bool, allow: Vec<Entry>) -> Traffic {
    Traffic { default_deny, allow, deny: Vec::new() }
}

/// None: all.
fn sides(sides: Vec<Side>, namespace: &str) -> Peers {
    if sides.is_empty() {
        return Peers::All;
    }
    Peers::Some(sides.into_iter().map(|side| peer(side, namespace)).collect())
}

fn peer(side: Side, namespace: &str) -> Peer {
    if side.ip_block.is_some() {
        return Peer::Elsewhere;
    }
    let pods = Selector::of(side.pod_selector.unwrap_or_default());
    Peer::Pods(match side.namespace_selector {
        Some(namespaces) => pods.and_namespace(namespaces),
        None => pods.within(namespace),
    })
}

fn ports_of(written: Vec<WrittenPort>) -> Vec<Ports> {
    let port = |written: WrittenPort| {
        let at = match &written.port {
            Some(Value::String(name)) => name.clone(),
            Some(number) => number.to_string(),
            None => "0".to_owned(),
        };
        let protocol = Transport::parse(written.protocol.as_deref().unwrap_or("TCP"));
        Ports { ports: vec![Port::new(&at, written.end_port, protocol)], ..Ports::default() }
    };
    written.into_iter().map(port).collect()
}
