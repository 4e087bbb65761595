//! The files of `manifests/base` for a cluster where something is called otherwise. They are plain manifests; what differs from cluster to
//! cluster is found in them by its text, so that they and what is rendered cannot part.

use crate::config::render::ManifestArgs;

/// The files, in the order in which they are applied.
const FILES: [&str; 9] = [
    include_str!("../../../manifests/base/serviceaccount.yaml"),
    include_str!("../../../manifests/base/rbac.yaml"),
    include_str!("../../../manifests/base/rbac-cilium.yaml"),
    include_str!("../../../manifests/base/rbac-network-policies.yaml"),
    include_str!("../../../manifests/base/admission.yaml"),
    include_str!("../../../manifests/base/configuration.yaml"),
    include_str!("../../../manifests/base/redirect.yaml"),
    include_str!("../../../manifests/base/services.yaml"),
    include_str!("../../../manifests/base/daemonset.yaml"),
];
/// Where doorstep listens unless it is told otherwise.
const DNS_PORT: u16 = 53;

/// A text of the files, and what stands there instead.
struct Place {
    text: &'static str,
    instead: String,
}

/// All manifests in one stream.
pub(super) fn render(args: &ManifestArgs) -> String {
    let places = places(args);
    FILES.map(|file| rewrite(file, &places)).join("---\n")
}

/// What differs from cluster to cluster. Where two places begin alike, the longer stands first.
fn places(args: &ManifestArgs) -> Vec<Place> {
    let service = &args.service;
    let (names, port) = (&service.port_names, service.target_port);
    let place = |text, instead| Place { text, instead };
    let mut places = vec![
        place("kube-system # where Cilium runs", format!("{} # where Cilium runs", args.cilium_namespace)),
        place("kube-system", service.namespace.clone()),
        place("k8s-app: kube-dns\n  ports", format!("{}: {}\n  ports", args.selector.key, quoted(&args.selector.value))),
        place("[kube-dns,", format!("[{},", service.service)),
        place("value: kube-dns}", format!("value: {}}}", quoted(&service.service))),
        place("'kube-dns'", format!("'{}'", service.service)),
        place("{name: dns, containerPort: 53,", format!("{{name: {}, containerPort: {port},", names.udp)),
        place("{name: dns-tcp, containerPort: 53,", format!("{{name: {}, containerPort: {port},", names.tcp)),
        place("targetPort: 53,", format!("targetPort: {port},")),
        place("toPort.port == '53'", format!("toPort.port == '{port}'")),
        place("cluster_domain: cluster.local", format!("cluster_domain: {}", quoted(&args.cluster_domain))),
        place("image: doorstep:0.1.0", format!("image: {}", args.image)),
    ];
    if port != DNS_PORT {
        let config = "- --config=/etc/doorstep/doorstep.yaml";
        // Both families by name: one that is missing must be seen at the start, not by the clients of that family.
        let listen = format!("            - --listen=0.0.0.0:{port}\n            - --listen=[::]:{port}");
        places.push(place(config, format!("{config}\n{listen}")));
    }
    places
}

/// In quotes where YAML would take it for a number or a truth value.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic()) && (text.contains(['-', '.']) || text.len() > "false".len());
    if plain { text.to_owned() } else { format!("\"{text}\"") }
}

/// One pass, so that what was put in is not read again.
fn rewrite(file: &str, places: &[Place]) -> String {
    let mut written = String::with_capacity(file.len());
    let mut rest = file;
    while let Some(first) = rest.chars().next() {
        let length = match places.iter().find(|place| rest.starts_with(place.text)) {
            Some(place) => {
                written.push_str(&place.instead);
                place.text.len()
            }
            None => {
                written.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    written
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        args: ManifestArgs,
    }

    fn args(flags: &str) -> ManifestArgs {
        Flags::parse_from(["render"].into_iter().chain(flags.split_whitespace())).args
    }

    fn objects(flags: &str) -> Vec<Value> {
        serde_saphyr::from_multiple(&render(&args(flags))).unwrap()
    }

    fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
        objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
    }

    #[test]
    fn without_flags_the_files_stand_as_they_are() {
        assert_eq!(render(&args("")), FILES.join("---\n"));
    }

    #[test]
    fn every_place_is_found_in_the_files() {
        let all = FILES.concat();
        for place in places(&args("--target-port 5353")) {
            assert!(all.contains(place.text), "{} stands in no file", place.text);
        }
    }

    #[test]
    fn the_kustomization_lists_the_same_files_in_the_same_order() {
        let kustomization: Value = serde_saphyr::from_str(include_str!("../../../manifests/base/kustomization.yaml")).unwrap();
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/base");
        let listed = kustomization["resources"].as_array().unwrap().iter().map(|name| format!("{base}/{}", name.as_str().unwrap()));
        assert_eq!(listed.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>(), FILES);
    }

    #[test]
    fn another_cluster_is_named_wherever_the_standard_one_was() {
        let objects = objects(
            "--namespace openshift-dns --service dns-default --port-names udp-53,tcp-53 --target-port 5353 \
             --selector dns.example/daemonset=default --cluster-domain a.example --image registry.example/doorstep:2 --cilium-namespace cilium",
        );
        for object in objects.iter().filter(|object| !object["metadata"]["namespace"].is_null()) {
            let expected = if object["metadata"]["name"] == "doorstep-cilium" { "cilium" } else { "openshift-dns" };
            assert_eq!(object["metadata"]["namespace"], expected, "{object}");
        }
        for name in ["doorstep", "doorstep-cilium"] {
            assert_eq!(object(&objects, "RoleBinding", name)["subjects"][0]["namespace"], "openshift-dns");
        }
        assert_eq!(object(&objects, "ClusterRoleBinding", "doorstep")["subjects"][0]["namespace"], "openshift-dns");
        assert_eq!(object(&objects, "Role", "doorstep")["rules"][0]["resourceNames"], json!(["dns-default", "kube-dns-upstream"]));
        for name in ["kube-dns-upstream", "kube-dns-upstream-headless"] {
            let service = object(&objects, "Service", name);
            assert_eq!(service["spec"]["selector"], json!({ "dns.example/daemonset": "default" }));
            assert_eq!((&service["spec"]["ports"][0]["targetPort"], &service["spec"]["ports"][0]["port"]), (&json!(5353), &json!(53)));
        }
        let config = object(&objects, "ConfigMap", "doorstep")["data"]["doorstep.yaml"].as_str().unwrap();
        assert!(config.starts_with("cluster_domain: a.example\n"), "{config}");
        let container = &object(&objects, "DaemonSet", "doorstep")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.example/doorstep:2");
        assert_eq!(container["ports"][0], json!({ "name": "udp-53", "containerPort": 5353, "protocol": "UDP" }));
        assert_eq!(container["ports"][1], json!({ "name": "tcp-53", "containerPort": 5353, "protocol": "TCP" }));
        assert_eq!(container["env"][2], json!({ "name": "DOORSTEP_DNS_SERVICE", "value": "dns-default" }));
        let listen = ["serve", "--config=/etc/doorstep/doorstep.yaml", "--listen=0.0.0.0:5353", "--listen=[::]:5353"];
        assert_eq!(container["args"], json!(listen));
        let admission = object(&objects, "ValidatingAdmissionPolicy", "doorstep").to_string();
        for said in ["serviceName == 'dns-default'", "namespace == 'openshift-dns'", "openshift-dns:doorstep'", "port == '5353'"] {
            assert!(admission.contains(said), "{said} is missing in {admission}");
        }
    }

    #[test]
    fn nothing_of_the_standard_cluster_is_left() {
        let text = render(&args("--namespace elsewhere --service names --selector dns=core --cilium-namespace net"));
        assert!(!text.contains("kube-system"), "{text}");
        let left = text.lines().filter(|line| line.split('#').next().unwrap().contains("kube-dns"));
        assert!(left.clone().all(|line| line.contains("kube-dns-upstream")), "{:?}", left.collect::<Vec<_>>());
    }

    #[test]
    fn values_that_look_like_numbers_stay_text() {
        for text in ["1", "true", "no", "1e3", "0x1", "default"] {
            let read: Value = serde_saphyr::from_str(&format!("a: {}", quoted(text))).unwrap();
            assert_eq!(read["a"], text);
        }
    }
}
