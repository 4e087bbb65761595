//! What the manifests promise: privileges, probes, names that must be equal in several files.

use serde_json::{Value, json};

use super::kustomize::kustomize;
use super::{Source, all_sources};
use crate::harness::run;
use doorstep::redirect::{DnsService, SELECTOR_LABEL, SELECTOR_VALUE, desired};

/// Every directory that kubectl apply -k takes.
const KUSTOMIZATIONS: [&str; 5] = [
    "manifests/base",
    "manifests/overlays/node-pool",
    "manifests/overlays/dual-stack",
    "manifests/overlays/rke2",
    "manifests/overlays/openshift",
];

/// The documents of a YAML file of the repository.
fn documents(path: &str) -> Vec<Value> {
    let sources = all_sources();
    let source = sources.iter().find(|source| source.path == path).unwrap_or_else(|| panic!("{path} is missing"));
    read(&source.text)
}

fn read(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let same = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(same).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// In an order that does not depend on who wrote them.
fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    objects
}

fn rendered(flags: &str) -> Vec<Value> {
    let arguments: Vec<&str> = ["render"].into_iter().chain(flags.split_whitespace()).collect();
    let (code, yaml, said) = run(&arguments);
    assert_eq!(code, 0, "{said}");
    read(&yaml)
}

#[test]
fn every_file_under_manifests_and_policies_is_yaml_that_names_its_kind() {
    let sources = all_sources();
    let yaml =
        |source: &&Source| ["manifests/", "policies/"].iter().any(|place| source.path.starts_with(place)) && source.path.ends_with(".yaml");
    let files: Vec<&Source> = sources.iter().filter(yaml).collect();
    assert!(files.len() > 15, "{} files", files.len());
    for file in files {
        for document in read(&file.text) {
            assert!(document["kind"].is_string() && document["apiVersion"].is_string(), "{}: {document}", file.path);
        }
    }
}

#[test]
fn pods_have_no_privilege_and_nothing_of_the_host_in_any_overlay() {
    for directory in KUSTOMIZATIONS {
        let objects = kustomize(directory);
        let pod = &find(&objects, "DaemonSet", "doorstep")["spec"]["template"]["spec"];
        for host in ["hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers"] {
            assert!(pod[host].is_null(), "{directory}: {host}");
        }
        let expected = json!({
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": { "type": "RuntimeDefault" },
            "sysctls": [{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" }],
        });
        assert_eq!(pod["securityContext"], expected, "{directory}");
        let expected = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
        let containers = pod["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1, "{directory}");
        assert_eq!(containers[0]["securityContext"], expected, "{directory}");
        assert!(containers[0]["ports"].as_array().unwrap().iter().all(|port| port["hostPort"].is_null()), "{directory}");
        assert!(pod["volumes"].as_array().unwrap().iter().all(|volume| volume["configMap"].is_object()), "{directory}");
    }
}

#[test]
fn a_rollout_never_leaves_a_node_without_an_agent_and_probes_see_one_that_fails() {
    let objects = documents("manifests/base/daemonset.yaml");
    let spec = &find(&objects, "DaemonSet", "doorstep")["spec"];
    assert_eq!(spec["updateStrategy"], json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "10%", "maxUnavailable": 0 } }));
    assert_eq!(spec["minReadySeconds"], 5);
    let pod = &spec["template"]["spec"];
    // The longest drain is 25 s.
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    let container = &pod["containers"][0];
    let ready =
        json!({ "httpGet": { "path": "/readyz", "port": "metrics" }, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1 });
    assert_eq!(container["readinessProbe"], ready);
    let live = &container["livenessProbe"];
    assert_eq!(live["httpGet"], json!({ "path": "/livez", "port": "metrics" }));
    assert_eq!(live["periodSeconds"].as_u64().unwrap() * live["failureThreshold"].as_u64().unwrap(), 10);
    assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError");
    let resources = &container["resources"];
    assert_eq!(resources["limits"], json!({ "memory": resources["requests"]["memory"] }), "memory is bounded as requested, CPU is not");
    assert!(resources["requests"]["cpu"].is_string());
}

#[test]
fn memory_follows_from_the_cache() {
    let mebibytes = |text: &str, unit: &str| text.split(unit).next().unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let configuration = documents("manifests/base/configuration.yaml");
    let file = text(&configuration[0]["data"]["doorstep.yaml"]);
    let daemonset = documents("manifests/base/daemonset.yaml");
    let limit = &daemonset[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"];
    assert_eq!(mebibytes(text(limit), "Mi"), mebibytes(file.split("size:").nth(1).unwrap(), "MiB") + 160);
}

#[test]
fn pods_run_where_they_should_and_find_what_they_need() {
    for directory in KUSTOMIZATIONS {
        let objects = kustomize(directory);
        let pod = &find(&objects, "DaemonSet", "doorstep")["spec"]["template"]["spec"];
        assert_eq!((&pod["dnsPolicy"], &pod["enableServiceLinks"]), (&json!("Default"), &json!(true)), "{directory}");
        assert_eq!((&pod["priorityClassName"], &pod["serviceAccountName"]), (&json!("system-node-critical"), &json!("doorstep")));
        assert_eq!(pod["nodeSelector"], json!({ "kubernetes.io/os": "linux" }), "{directory}");
        for toleration in pod["tolerations"].as_array().unwrap() {
            let key = toleration["key"].as_str().unwrap_or_default();
            assert!(!key.is_empty() && key != "node.cilium.io/agent-not-ready", "{directory}: {toleration}");
        }
        let fields: Vec<&Value> = pod["containers"][0]["env"].as_array().unwrap().iter().collect();
        for (name, path) in [
            ("POD_NAME", "metadata.name"),
            ("POD_NAMESPACE", "metadata.namespace"),
            ("POD_IPS", "status.podIPs"),
            ("HOST_IPS", "status.hostIPs"),
            ("POD_TEMPLATE_GENERATION", "metadata.labels['pod-template-generation']"),
        ] {
            let expected = json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
            assert!(fields.contains(&&expected), "{directory}: {name}");
        }
    }
    let image = format!("doorstep:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(documents("manifests/base/daemonset.yaml")[0]["spec"]["template"]["spec"]["containers"][0]["image"], image);
}

/// Cilium compares labels, port names and port numbers of policy and pod; the upstream must be CoreDNS and nothing else.
#[test]
fn policy_pods_and_services_agree_in_every_overlay() {
    for (directory, name, namespace, ports) in [
        ("manifests/base", "kube-dns", "kube-system", ["dns 53 UDP", "dns-tcp 53 TCP"]),
        ("manifests/overlays/rke2", "rke2-coredns-rke2-coredns", "kube-system", ["udp-53 53 UDP", "tcp-53 53 TCP"]),
        ("manifests/overlays/openshift", "dns-default", "openshift-dns", ["dns 5353 UDP", "dns-tcp 5353 TCP"]),
    ] {
        let objects = kustomize(directory);
        let daemonset = find(&objects, "DaemonSet", "doorstep");
        let template = &daemonset["spec"]["template"];
        let labels = json!({ SELECTOR_LABEL: SELECTOR_VALUE });
        assert_eq!((&template["metadata"]["labels"], &daemonset["spec"]["selector"]["matchLabels"]), (&labels, &labels), "{directory}");
        let port = |port: &Value| format!("{} {} {}", text(&port["name"]), port["containerPort"], text(&port["protocol"]));
        let declared: Vec<String> = template["spec"]["containers"][0]["ports"].as_array().unwrap().iter().map(port).collect();
        assert_eq!(declared, [ports[0], ports[1], "metrics 9253 TCP"], "{directory}");
        assert_eq!(daemonset["metadata"]["namespace"], namespace);
        let number: u64 = ports[0].split(' ').nth(1).unwrap().parse().unwrap();
        for service in ["kube-dns-upstream", "kube-dns-upstream-headless"] {
            let service = find(&objects, "Service", service);
            assert_ne!(service["spec"]["selector"], labels, "{directory}");
            for port in service["spec"]["ports"].as_array().unwrap() {
                assert_eq!((port["port"].as_u64(), port["targetPort"].as_u64()), (Some(53), Some(number)), "{directory}");
            }
        }
        let service = json!({ "name": "DOORSTEP_DNS_SERVICE", "value": name });
        assert!(template["spec"]["containers"][0]["env"].as_array().unwrap().contains(&service), "{directory}");
        let allowed = &find(&objects, "Role", "doorstep")["rules"][0]["resourceNames"];
        assert_eq!(allowed, &json!([name, "kube-dns-upstream"]), "{directory}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn agents_may_do_what_is_listed_here_and_no_more() {
    let rows_of = |kind: &str, file: &str, role: &str| -> Vec<String> {
        let words = |value: &Value| value.as_array().map_or(String::new(), |list| list.iter().map(text).collect::<Vec<_>>().join(","));
        let row =
            |rule: &Value| ["apiGroups", "resources", "resourceNames", "verbs"].map(|key| words(&rule[key])).join(" ").trim().to_owned();
        find(&documents(file), kind, role)["rules"].as_array().unwrap().iter().map(row).collect()
    };
    let rows = |file: &str, role: &str| rows_of("Role", file, role);
    let expected = [
        "services kube-dns,kube-dns-upstream get",
        "services kube-dns-upstream list,watch",
        "configmaps doorstep-redirect,doorstep-redirect-state get,list,watch",
        "configmaps doorstep-redirect-state patch",
        "cilium.io ciliumlocalredirectpolicies  list,watch",
        "cilium.io ciliumlocalredirectpolicies  create",
        "cilium.io ciliumlocalredirectpolicies doorstep delete",
        "apps daemonsets doorstep get",
        "discovery.k8s.io endpointslices  list",
        "events.k8s.io events  create,patch",
    ];
    assert_eq!(rows("manifests/base/rbac.yaml", "doorstep"), expected);
    let expected = ["apps daemonsets cilium get", "configmaps cilium-config get"];
    assert_eq!(rows("manifests/base/rbac-cilium.yaml", "doorstep-cilium"), expected);
    let expected = ["networking.k8s.io networkpolicies  list", "cilium.io ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies  list"];
    assert_eq!(rows_of("ClusterRole", "manifests/base/rbac-network-policies.yaml", "doorstep"), expected);
    for directory in KUSTOMIZATIONS {
        let objects = kustomize(directory);
        let cluster_wide = |object: &&Value| text(&object["kind"]).starts_with("Cluster");
        assert_eq!(objects.iter().filter(cluster_wide).count(), 2, "{directory}: that role and its binding");
        let namespace = &find(&objects, "DaemonSet", "doorstep")["metadata"]["namespace"];
        for (kind, name) in [("RoleBinding", "doorstep"), ("RoleBinding", "doorstep-cilium"), ("ClusterRoleBinding", "doorstep")] {
            assert_eq!(find(&objects, kind, name)["subjects"][0]["namespace"], *namespace, "{directory}: {kind} {name}");
        }
    }
}

#[test]
fn the_switch_is_on_by_default_and_nothing_in_the_state_is_ever_overwritten() {
    let objects = documents("manifests/base/redirect.yaml");
    for name in ["doorstep-redirect", "doorstep-redirect-state"] {
        assert!(find(&objects, "ConfigMap", name)["data"].is_null(), "{name}");
    }
}

#[test]
fn render_prints_what_the_files_say() {
    assert_eq!(sorted(rendered("manifests")), sorted(kustomize("manifests/base")));
    assert_eq!(rendered("policy"), documents("policies/redirect.yaml"));
    assert_eq!(rendered("policy"), [serde_json::to_value(desired(&DnsService::standard())).unwrap()]);
}

#[test]
fn render_comes_to_the_same_as_the_overlays() {
    let openshift = "manifests --namespace openshift-dns --service dns-default --target-port 5353 --cilium-namespace cilium \
                     --selector dns.operator.openshift.io/daemonset-dns=default";
    let scc = |object: &Value| object["metadata"]["name"] == "doorstep-scc";
    let overlay: Vec<Value> = kustomize("manifests/overlays/openshift").into_iter().filter(|object| !scc(object)).collect();
    assert_eq!(sorted(rendered(openshift)), sorted(overlay));

    let mut overlay = kustomize("manifests/overlays/rke2");
    let daemonset = overlay.iter_mut().find(|object| object["kind"] == "DaemonSet").unwrap();
    // RKE2 taints its etcd nodes; nothing that render has a flag for.
    daemonset["spec"]["template"]["spec"]["tolerations"].as_array_mut().unwrap().pop();
    assert_eq!(sorted(rendered("manifests --service rke2-coredns-rke2-coredns --port-names udp-53,tcp-53")), sorted(overlay));
}

#[test]
fn the_arguments_are_flags_that_the_program_knows() {
    let help = run(&["serve", "--help"]).1;
    for directory in KUSTOMIZATIONS {
        let objects = kustomize(directory);
        let arguments = &find(&objects, "DaemonSet", "doorstep")["spec"]["template"]["spec"]["containers"][0]["args"];
        let (command, flags) = arguments.as_array().unwrap().split_first().unwrap();
        assert_eq!(command, "serve", "{directory}");
        for flag in flags {
            let name = text(flag).split('=').next().unwrap();
            assert!(help.contains(&format!("{name} <")), "{directory}: {flag}");
        }
    }
}

#[test]
fn the_shipped_configuration_is_well() {
    let stage = crate::harness::Stage::beside_others();
    let objects = documents("manifests/base/configuration.yaml");
    let file = stage.file("doorstep.yaml", text(&objects[0]["data"]["doorstep.yaml"]));
    let (code, _, said) = run(&["check", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn client_policies_name_doorstep_wherever_they_name_kube_dns() {
    for path in ["policies/clients-network-policy.yaml", "policies/clients-cilium-network-policy.yaml", "policies/clients-fqdn.yaml"] {
        for policy in documents(path) {
            let rule = policy["spec"]["egress"][0].to_string();
            assert!(rule.contains(r#"k8s-app":"kube-dns""#), "{path}: {rule}");
            assert!(rule.contains(&format!(r#"{SELECTOR_LABEL}":"{SELECTOR_VALUE}""#)), "{path}: {rule}");
        }
    }
}
