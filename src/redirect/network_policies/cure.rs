//! Commands that cure a finding. None of them puts a pod under a default deny that it was not under before.

use serde_json::{Value, json};

use super::assess::{Cluster, Harm};
use super::policy::{DnsRule, Kind};
use super::reach::{Allowed, Destination};
use super::selector::{Labels, NAMESPACE};
use crate::redirect::policy::{SELECTOR_LABEL, SELECTOR_VALUE};

/// Words or commands, one for each rule that has to change, or one for all.
pub(super) fn cures(harm: Harm, culprits: &[Allowed<'_>], cluster: &Cluster<'_>) -> Vec<String> {
    match harm {
        Harm::CutOff | Harm::FewerNames | Harm::Unseen => culprits.iter().map(|culprit| patch(culprit, cluster.agents)).collect(),
        Harm::Denied => culprits.iter().map(|culprit| exclude(culprit, cluster.agents)).collect(),
        Harm::KeptOut => {
            vec![let_in(&Labels::from([(SELECTOR_LABEL.to_owned(), SELECTOR_VALUE.to_owned())]), "doorstep-clients", None, cluster.agents)]
        }
        Harm::UpstreamKeepsOut => {
            let pods = cluster.services.first().map(|service| service.selector.clone()).unwrap_or_default();
            let from = json!({ "podSelector": { "matchLabels": { SELECTOR_LABEL: SELECTOR_VALUE } } });
            vec![let_in(&pods, "doorstep-upstream", Some(from), cluster.kube_dns)]
        }
        Harm::NoUpstream | Harm::NoApiServer => vec!["kubectl apply -f policies/doorstep.yaml, and read it before".to_owned()],
    }
}

/// One rule more in a policy that has rules for egress already.
fn patch(culprit: &Allowed<'_>, agents: &Destination) -> String {
    let (policy, rule) = culprit.source;
    let everything = || vec![json!(DnsRule::MatchPattern("*".to_owned()))];
    let names = match &culprit.names {
        Some(names) => names.iter().map(|name| json!(name)).collect(),
        None if culprit.seen => everything(),
        None => Vec::new(),
    };
    let value = match policy.reference.kind {
        Kind::NetworkPolicy => json!({
            "to": [{
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace(agents) } },
                "podSelector": { "matchLabels": { SELECTOR_LABEL: SELECTOR_VALUE } },
            }],
            "ports": agents.ports.iter().map(|(_, port, protocol)| json!({ "port": port, "protocol": protocol })).collect::<Vec<_>>(),
        }),
        Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => {
            let ports = agents.ports.iter().map(|(_, port, protocol)| json!({ "port": port.to_string(), "protocol": protocol }));
            let mut to_ports = json!({ "ports": ports.collect::<Vec<_>>() });
            if !names.is_empty() {
                to_ports["rules"] = json!({ "dns": names });
            }
            let (namespace_key, label_key) = (format!("k8s:{NAMESPACE}"), format!("k8s:{SELECTOR_LABEL}"));
            json!({
                "toEndpoints": [{ "matchLabels": { namespace_key: namespace(agents), label_key: SELECTOR_VALUE } }],
                "toPorts": [to_ports],
            })
        }
    };
    let patch = json!([{ "op": "add", "path": format!("{}/-", rule.path), "value": value }]);
    let reference = &policy.reference;
    let within = reference.namespace.as_ref().map(|namespace| format!("-n {namespace} ")).unwrap_or_default();
    format!("kubectl {within}patch {} {} --type=json -p {}", reference.kind.resource(), reference.name, quoted(&patch))
}

fn exclude(culprit: &Allowed<'_>, agents: &Destination) -> String {
    format!(
        "take the pods {SELECTOR_LABEL}={SELECTOR_VALUE} of namespace {} out of what {} denies",
        namespace(agents),
        culprit.source.0.reference
    )
}

/// One policy more, about pods that are under a default deny of ingress already.
fn let_in(pods: &Labels, name: &str, from: Option<Value>, server: &Destination) -> String {
    let ports: Vec<Value> = server.ports.iter().map(|(_, port, protocol)| json!({ "port": port, "protocol": protocol })).collect();
    let mut rule = json!({ "ports": ports });
    if let Some(from) = from {
        rule["from"] = json!([from]);
    }
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": name, "namespace": namespace(server) },
        "spec": { "podSelector": { "matchLabels": pods }, "policyTypes": ["Ingress"], "ingress": [rule] },
    });
    format!("echo {} | kubectl apply -f -", quoted(&policy))
}

fn namespace(server: &Destination) -> &str {
    server.labels.get(NAMESPACE).map_or("kube-system", String::as_str)
}

/// For a shell.
fn quoted(value: &Value) -> String {
    format!("'{}'", value.to_string().replace('\'', r"'\''"))
}
