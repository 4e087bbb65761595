//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of `cilium.io/v2`.

use serde::Deserialize;
use serde_json::{Error, Value};

use super::policy::{DnsRule, Entry, Peer, Peers, Port, Ports, Rule, Traffic, Transport};
use super::selector::{Selector, Written};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    /// Without it the rule is about nodes.
    endpoint_selector: Option<Written>,
    enable_default_deny: DefaultDeny,
    egress: Vec<Sided>,
    egress_deny: Vec<Sided>,
    ingress: Vec<Sided>,
    ingress_deny: Vec<Sided>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DefaultDeny {
    egress: Option<bool>,
    ingress: Option<bool>,
}

/// A rule of either direction. A list that is there and empty selects nobody, one that is not there says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Sided {
    #[serde(alias = "fromEndpoints")]
    to_endpoints: Option<Vec<Written>>,
    #[serde(alias = "fromEntities")]
    to_entities: Option<Vec<String>>,
    #[serde(alias = "fromCIDR", rename = "toCIDR")]
    to_cidr: Option<Vec<Value>>,
    #[serde(alias = "fromCIDRSet", rename = "toCIDRSet")]
    to_cidr_set: Option<Vec<Value>>,
    #[serde(alias = "fromGroups")]
    to_groups: Option<Vec<Value>>,
    #[serde(alias = "fromNodes")]
    to_nodes: Option<Vec<Value>>,
    #[serde(rename = "toFQDNs")]
    to_fqdns: Option<Vec<Value>>,
    to_services: Option<Vec<ToService>>,
    to_ports: Vec<WrittenPorts>,
    icmps: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ToService {
    k8s_service: Option<Named>,
    k8s_service_selector: Option<Labelled>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    service_name: String,
    namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labelled {
    selector: Written,
    namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenPorts {
    ports: Vec<WrittenPort>,
    rules: Layer7,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenPort {
    port: String,
    end_port: Option<u16>,
    protocol: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Layer7 {
    dns: Vec<Names>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Names {
    match_name: Option<String>,
    match_pattern: Option<String>,
}

/// The rules of a policy in this namespace; `None`: of the cluster.
pub(super) fn rules(object: &Value, namespace: Option<&str>) -> Result<Vec<Rule>, Error> {
    let one = Some(&object["spec"]).filter(|spec| !spec.is_null()).map(|spec| (spec, "/spec/egress".to_owned()));
    let several = object["specs"].as_array().into_iter().flatten();
    let specs = one.into_iter().chain(several.enumerate().map(|(index, spec)| (spec, format!("/specs/{index}/egress"))));
    let mut rules = Vec::new();
    for (spec, path) in specs {
        rules.extend(rule(Spec::deserialize(spec)?, path, namespace));
    }
    Ok(rules)
}

/// `None`: about nodes.
fn rule(spec: Spec, path: String, namespace: Option<&str>) -> Option<Rule> {
    let subject = Selector::of(spec.endpoint_selector?);
    let names_the_world = spec.egress.iter().any(|rule| rule.to_fqdns.as_ref().is_some_and(|names| !names.is_empty()));
    Some(Rule {
        path,
        subject: match namespace {
            Some(namespace) => subject.bound_to(namespace),
            None => subject,
        },
        egress: traffic(spec.enable_default_deny.egress, spec.egress, spec.egress_deny, namespace),
        ingress: traffic(spec.enable_default_deny.ingress, spec.ingress, spec.ingress_deny, namespace),
        names_the_world,
    })
}

fn traffic(default_deny: Option<bool>, allow: Vec<Sided>, deny: Vec<Sided>, namespace: Option<&str>) -> Traffic {
    let entries = |sided: Vec<Sided>| sided.into_iter().map(|sided| entry(sided, namespace)).collect::<Vec<_>>();
    let (allow, deny) = (entries(allow), entries(deny));
    let speaks = !allow.is_empty() || !deny.is_empty();
    // Said of a direction without rules it changes nothing.
    Traffic { default_deny: speaks && default_deny.unwrap_or(true), allow, deny }
}

fn entry(sided: Sided, namespace: Option<&str>) -> Entry {
    let has_ports = !sided.to_ports.is_empty() || !sided.icmps.is_empty();
    let mut ports: Vec<Ports> = sided.to_ports.into_iter().map(ports_of).collect();
    if ports.is_empty() && !sided.icmps.is_empty() {
        // Nothing of DNS' transports.
        ports.push(Ports { ports: vec![Port::new("0", None, Some(Transport::Other))], ..Ports::default() });
    }
    let elsewhere =
        [sided.to_cidr, sided.to_cidr_set, sided.to_groups, sided.to_nodes, sided.to_fqdns].map(|list| list.map(|list| list.len()));
    let said =
        sided.to_endpoints.is_some() || sided.to_entities.is_some() || sided.to_services.is_some() || elsewhere.iter().any(Option::is_some);
    let peers = match (said, has_ports) {
        (false, true) => Peers::All,
        // An empty rule allows nothing; it is there for the default deny.
        (false, false) => Peers::Some(Vec::new()),
        (true, _) => {
            let pods = sided.to_endpoints.into_iter().flatten().map(|written| Peer::Pods(endpoint(written, namespace)));
            let entities = sided.to_entities.into_iter().flatten().map(|name| entity(&name));
            let services = sided.to_services.into_iter().flatten().filter_map(service);
            let elsewhere = elsewhere.into_iter().flatten().filter(|count| *count > 0).map(|_| Peer::Elsewhere);
            Peers::Some(pods.chain(entities).chain(services).chain(elsewhere).collect())
        }
    };
    Entry { peers, ports }
}

/// A selector of a policy of a namespace that names no namespaces means its own; one of the cluster's means any pod.
fn endpoint(written: Written, namespace: Option<&str>) -> Selector {
    let selector = Selector::of(written);
    match namespace {
        Some(namespace) if !selector.is_reserved() && !selector.names_namespaces() => selector.within(namespace),
        _ => selector,
    }
}

fn entity(name: &str) -> Peer {
    match name {
        "all" | "cluster" => Peer::Cluster,
        "kube-apiserver" => Peer::ApiServer,
        _ => Peer::Elsewhere,
    }
}

fn service(to: ToService) -> Option<Peer> {
    let labelled = |labelled: Labelled| Peer::Services(Selector::of(labelled.selector), labelled.namespace);
    let named = |named: Named| Peer::Service(named.service_name, named.namespace);
    to.k8s_service_selector.map(labelled).or_else(|| to.k8s_service.map(named))
}

fn ports_of(written: WrittenPorts) -> Ports {
    let port = |port: WrittenPort| Port::new(&port.port, port.end_port, Transport::parse(&port.protocol));
    let name = |names: Names| {
        let lower = |text: String| text.trim_end_matches('.').to_ascii_lowercase();
        names.match_name.map(|name| DnsRule::MatchName(lower(name))).or_else(|| Some(DnsRule::MatchPattern(lower(names.match_pattern?))))
    };
    Ports { ports: written.ports.into_iter().map(port).collect(), names: written.rules.dns.into_iter().filter_map(name).collect() }
}
