//! A cure, done, leaves nothing to find, and puts no pod under a default deny.

use serde_json::{Value, json};

use super::{assess, documents, lines, read};
use crate::redirect::network_policies::{Groups, Harm};

const PLACE: &str = "src/redirect/network_policies/tests/policies";

/// What stands between the quotes of a command.
fn quoted(command: &str) -> Value {
    let (from, to) = (command.find('\'').unwrap(), command.rfind('\'').unwrap());
    serde_json::from_str(&command[from + 1..to]).unwrap()
}

/// Does what `kubectl patch --type=json` does, as far as a cure goes.
fn patch(object: &mut Value, command: &str) {
    for step in quoted(command).as_array().unwrap() {
        assert_eq!(step["op"], "add");
        let place = step["path"].as_str().unwrap().strip_suffix("/-").unwrap();
        object.pointer_mut(place).unwrap().as_array_mut().unwrap().push(step["value"].clone());
    }
}

/// Does all cures of a file's findings.
fn cured(file: &str) -> Vec<Value> {
    let mut objects = documents(&format!("{PLACE}/{file}.yaml"));
    let policies: Vec<_> = objects.iter().map(read).collect();
    for finding in assess(&policies, 53) {
        for cure in &finding.cures {
            if cure.starts_with("echo ") {
                objects.push(quoted(cure));
                continue;
            }
            let named = |object: &&mut Value| {
                let words =
                    format!("{} {}", object["kind"].as_str().unwrap().to_ascii_lowercase(), object["metadata"]["name"].as_str().unwrap());
                cure.contains(&format!("patch {words} "))
            };
            patch(objects.iter_mut().find(named).unwrap(), cure);
        }
    }
    objects
}

#[test]
fn each_command_cures_what_it_is_printed_for() {
    for file in [
        "np-pod-labels",
        "np-udp-alone",
        "np-tcp-for-agents-forgotten",
        "np-deny-all-beside-dns",
        "np-everywhere-by-address",
        "np-expressions",
        "np-some-pods",
        "np-ingress-of-kube-system",
        "np-out-and-in",
        "cnp-pod-labels",
        "cnp-service-by-name",
        "cnp-names",
        "cnp-names-unseen",
        "cnp-fewer-names",
        "cnp-several",
        "cnp-world-and-dns",
        "cnp-ingress-of-kube-dns",
        "ccnp-but-system",
        "ccnp-team",
    ] {
        let policies: Vec<_> = cured(file).iter().map(read).collect();
        assert_eq!(lines(&assess(&policies, 53)), [""; 0], "{file}");
    }
}

#[test]
fn a_cure_keeps_the_names_that_pods_may_ask_for() {
    let patched = cured("cnp-names").remove(0);
    let rule = patched["spec"]["egress"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(rule["toPorts"][0]["rules"]["dns"], json!([{ "matchPattern": "*" }]));
    let patched = cured("cnp-pod-labels").remove(0);
    let rule = patched["spec"]["egress"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(rule["toPorts"][0].get("rules"), None, "no proxy where there was none");
}

#[test]
fn a_rule_that_denies_the_agents_is_named_in_words() {
    let policies: Vec<_> = documents(&format!("{PLACE}/cnp-deny-agents.yaml")).iter().map(read).collect();
    let findings = assess(&policies, 53);
    assert_eq!(findings[0].harm, Harm::Denied);
    assert!(findings[0].cures[0].ends_with("out of what ciliumnetworkpolicy app/deny-others denies"), "{:?}", findings[0].cures);
}

#[test]
fn the_port_is_the_pods_own() {
    let policies: Vec<_> = documents(&format!("{PLACE}/np-port-alone.yaml")).iter().map(read).collect();
    assert_eq!(lines(&assess(&policies, 5353)), [""; 0], "53 is open, and nobody answers there: no DNS before either");
    let policies: Vec<_> = documents(&format!("{PLACE}/np-port-names.yaml")).iter().map(read).collect();
    assert_eq!(lines(&assess(&policies, 5353)), [""; 0]);
    let policies: Vec<_> = documents(&format!("{PLACE}/np-port-range.yaml")).iter().map(read).collect();
    assert_eq!(assess(&policies, 853)[0].harm, Harm::CutOff);
}

#[test]
fn the_shipped_samples_cut_nobody_off() {
    let samples = ["clients-network-policy", "clients-cilium-network-policy", "clients-fqdn", "doorstep"];
    for sample in samples {
        let policies: Vec<_> = documents(&format!("policies/{sample}.yaml")).iter().map(read).collect();
        assert_eq!(lines(&assess(&policies, 53)), [""; 0], "{sample}");
    }
}

#[test]
fn groups_grow_with_what_policies_ask_for_and_not_with_pods() {
    let policies: Vec<_> = documents(&format!("{PLACE}/np-some-pods.yaml")).iter().map(read).collect();
    let mut groups = Groups::new(&policies);
    let (namespaces, pods) = (super::namespaces(), 10_000);
    for number in 0..pods {
        let (name, tier) = (format!("web-{number}"), if number % 2 == 0 { "web" } else { "batch" });
        let labels = super::labels(&[("app", tier), ("statefulset.kubernetes.io/pod-name", &name)]);
        groups.add(&super::Pod {
            name: &name,
            namespace: "app",
            labels: &labels,
            namespace_labels: &namespaces["app"],
            service_account: "x",
        });
    }
    let groups = groups.into_groups();
    assert_eq!((groups.len(), groups.iter().map(|group| group.count).sum::<usize>()), (2, pods));
    assert!(groups.iter().all(|group| group.named.len() == 5));
}

#[test]
fn what_is_not_as_its_kind_says_is_not_guessed_at() {
    let object = json!({ "kind": "NetworkPolicy", "metadata": { "namespace": "app", "name": "odd" }, "spec": { "egress": "all" } });
    let garbled = crate::redirect::network_policies::NetworkPolicy::read(crate::redirect::network_policies::Kind::NetworkPolicy, &object);
    assert!(garbled.unwrap_err().to_string().starts_with("networkpolicy app/odd: "));
}
