//! Network policies before the redirect: found, cured by the printed commands, and acknowledged.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Cluster, root};

const PLACE: &str = "src/redirect/network_policies/tests/policies";

/// What stands when preflight looks, and what it finds.
const HARMS: [(&str, &[&str]); 7] = [
    ("np-pod-labels", &["cut_off"]),
    ("cnp-service-by-name", &["cut_off"]),
    ("cnp-names-unseen", &["unseen"]),
    ("cnp-fewer-names", &["fewer_names"]),
    ("cnp-several", &["cut_off"]),
    ("ccnp-but-system", &["cut_off"]),
    ("np-out-and-in", &["cut_off", "kept_out"]),
];

const NAMESPACES: [&str; 3] = ["app", "data", "monitoring"];

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata: { name: web-1, namespace: app, labels: { app: web } }
spec: { containers: [{ name: web, image: \"nothing.invalid/web\" }] }
";

/// Each kind of harm, with the very commands that are printed.
pub(super) fn found_and_cured(cluster: &Cluster) {
    stage(cluster);
    assert_eq!(preflight(cluster), ("pass".to_owned(), vec![]), "nothing but doorstep is there");
    for (file, harms) in HARMS {
        let path = path(file);
        cluster.kubectl(&["apply", "--filename", &path]);
        let (verdict, findings) = preflight(cluster);
        let found: Vec<&str> = findings.iter().map(|finding| finding["harm"].as_str().unwrap()).collect();
        assert_eq!((verdict.as_str(), found.as_slice()), ("red", harms), "{file}");
        cure_each(cluster, &findings);
        assert_eq!(preflight(cluster), ("pass".to_owned(), vec![]), "{file}");
        cluster.kubectl(&["delete", "--filename", &path]);
        cluster.system(&["delete", "--ignore-not-found", "networkpolicy", "doorstep-clients"]);
    }
    cluster.kubectl(&["apply", "--filename", &path("np-known")]);
    let (verdict, findings) = preflight(cluster);
    assert_eq!((verdict.as_str(), findings[0]["acknowledged"].as_bool()), ("pass", Some(true)));
    clear(cluster);
}

/// By what stands in their ConfigMap, by a file in its place, and by flags over either.
pub(super) fn judged_as_agents_do(cluster: &Cluster) {
    cluster.live();
    stage(cluster);
    cluster.kubectl(&["apply", "--filename", &path("np-pod-labels")]);
    let installed = cluster.data("doorstep")["doorstep.yaml"].as_str().unwrap().to_owned();
    let file = cluster.file("installed.yaml");
    std::fs::write(&file, &installed).unwrap();
    configure(cluster, &format!("{installed}redirect: {{ accept_network_policies: true, accept_cilium: 1.18.4 }}\n"));
    let accepted = verdict(cluster, &[]);
    let as_harmful = verdict(cluster, &["--cilium-version", "1.18.4"]);
    let before_it_is_there = verdict(cluster, &["--config", file.to_str().unwrap()]);
    let harmful_before = verdict(cluster, &["--config", file.to_str().unwrap(), "--cilium-version", "1.18.4"]);
    configure(cluster, &installed);
    assert_eq!((accepted, as_harmful), (("pass".to_owned(), 0), ("pass".to_owned(), 0)));
    assert_eq!((before_it_is_there, harmful_before), (("red".to_owned(), 0), ("red".to_owned(), 1)));
    clear(cluster);
}

fn configure(cluster: &Cluster, file: &str) {
    let patch = serde_json::json!({ "data": { "doorstep.yaml": file } }).to_string();
    cluster.system(&["patch", "configmap", "doorstep", "--type", "merge", "--patch", &patch]);
}

/// The verdict, and how many gates are shut.
fn verdict(cluster: &Cluster, flags: &[&str]) -> (String, usize) {
    let output = cluster.doorstep(&[&["preflight", "--output", "json"], flags].concat()).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (said["verdict"].as_str().unwrap().to_owned(), said["gates"].as_array().unwrap().len())
}

/// Namespaces, and a pod that policies are about.
pub(super) fn stage(cluster: &Cluster) {
    clear(cluster);
    for namespace in NAMESPACES {
        cluster.kubectl(&["create", "namespace", namespace]);
    }
    cluster.apply(PODS);
}

/// Does all that preflight prints.
pub(super) fn cure(cluster: &Cluster) {
    let (verdict, findings) = preflight(cluster);
    assert_eq!(verdict, "red");
    cure_each(cluster, &findings);
}

fn cure_each(cluster: &Cluster, findings: &[Value]) {
    for cure in findings.iter().flat_map(|finding| finding["cures"].as_array().unwrap()) {
        cluster.expect(as_printed(cluster, cure.as_str().unwrap()));
    }
}

/// Takes away all that stands here, or what a scenario that failed has left.
pub(super) fn clear(cluster: &Cluster) {
    cluster.kubectl(&[&["delete", "--ignore-not-found", "namespace"], NAMESPACES.as_slice()].concat());
    cluster.kubectl(&["delete", "--ignore-not-found", "ciliumclusterwidenetworkpolicies", "allow-dns"]);
    cluster.system(&["delete", "--ignore-not-found", "networkpolicies", "deny-ingress", "allow-kube-dns", "doorstep-clients"]);
}

/// The analysis is tested on these files: they are policies that an API server takes, with no field it does not know.
pub(super) fn policies_are_real(cluster: &Cluster) {
    cluster.kubectl(&["delete", "--ignore-not-found", "namespace", "dry-run"]);
    cluster.kubectl(&["create", "namespace", "dry-run"]);
    for file in std::fs::read_dir(root().join(PLACE)).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        // Into a namespace that is there.
        let text = ["app", "data"].iter().fold(text, |text, name| text.replace(&format!("namespace: {name}\n"), "namespace: dry-run\n"));
        let path = cluster.file("dry-run.yaml");
        std::fs::write(&path, text).unwrap();
        cluster.kubectl(&["apply", "--dry-run=server", "--filename", path.to_str().unwrap()]);
    }
    cluster.kubectl(&["delete", "namespace", "dry-run"]);
}

/// The verdict and the findings. The exit code agrees with the verdict.
fn preflight(cluster: &Cluster) -> (String, Vec<Value>) {
    let output = cluster.doorstep(&["preflight", "--output", "json"]).output().unwrap();
    let mut said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let verdict = said["verdict"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
    assert_eq!(output.status.code(), Some(i32::from(verdict != "pass")), "{said}");
    assert_eq!(said["gates"], Value::Array(vec![]));
    let Value::Array(findings) = said["network_policies"]["findings"].take() else { panic!("{said}") };
    (verdict, findings)
}

/// A cure as a person pastes it into a shell.
fn as_printed(cluster: &Cluster, cure: &str) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("kubectl() {{ '{}' kubectl \"$@\"; }}\n{cure}", root().join("integration/cluster").display());
    shell.args(["-e", "-c", &script]).env("BED_STATE", cluster.file(""));
    shell
}

/// The path of a policy that the analysis is tested on.
pub(super) fn path(file: &str) -> String {
    root().join(PLACE).join(format!("{file}.yaml")).to_str().unwrap().to_owned()
}
