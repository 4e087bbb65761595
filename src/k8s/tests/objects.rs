//! What Kubernetes' objects are read as.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::k8s::read::{self, Fleet};
use crate::redirect::{Answer, Owner, Protocol, Switch, Unknown};

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_peoples_configmap_is_read_with_its_annotation_and_may_be_missing() {
    let map: ConfigMap = object(json!({ "metadata": { "annotations": { "doorstep.dev/resume": "2" } }, "data": { "redirect": "drain" } }));
    let people = read::people(Some(&map)).unwrap();
    assert_eq!(people.switch, Switch::Drain);
    assert_eq!(people.answer, Answer { redirect: Some("drain".to_owned()), resume: Some("2".to_owned()) });
    assert_eq!(read::people(Some(&ConfigMap::default())).unwrap().switch, Switch::On);
    assert_eq!(read::people(None), Err(Unknown::Missing));
}

#[test]
fn the_state_is_read_with_the_version_that_a_write_must_name() {
    let map: ConfigMap = object(json!({
        "metadata": { "resourceVersion": "42" },
        "data": { "emitted": r#"{"uid":"u1","owner":"ds-1","spec":"s"}"# },
    }));
    let recorded = read::state(Some(&map)).unwrap();
    assert_eq!((recorded.version.as_str(), recorded.state.emitted.unwrap().uid.as_str()), ("42", "u1"));
    let garbled: ConfigMap = object(json!({ "data": { "emitted": "u1" } }));
    assert!(matches!(read::state(Some(&garbled)), Err(Unknown::Garbled(_))));
}

#[test]
fn a_policy_is_ours_by_its_annotation_and_names_whom_it_redirects() {
    let ours: DynamicObject = object(json!({
        "metadata": {
            "name": "doorstep", "uid": "u1", "annotations": { "doorstep.dev/spec": "s" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "doorstep", "uid": "ds-1" }],
        },
        "spec": { "redirectFrontend": { "serviceMatcher": { "serviceName": "kube-dns", "namespace": "kube-system" } } },
    }));
    let seen = read::policy(&ours);
    assert!(seen.is_ours() && !seen.deleting);
    assert_eq!((seen.owner.as_deref(), seen.service.as_deref()), (Some("ds-1"), Some("kube-dns")));
    let other: DynamicObject = object(json!({
        "metadata": { "name": "doorstep", "uid": "u2", "deletionTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "redirectFrontend": { "addressMatcher": { "ip": "10.96.0.10" } } },
    }));
    let seen = read::policy(&other);
    assert!(!seen.is_ours() && seen.deleting);
    assert_eq!(seen.address, Some("10.96.0.10".parse().unwrap()));
}

fn declared() -> Vec<(String, u16, Protocol)> {
    vec![("dns".to_owned(), 5353, Protocol::Udp), ("dns-tcp".to_owned(), 5353, Protocol::Tcp)]
}

#[test]
fn a_services_dns_ports_are_read_with_their_target_as_number_or_name() {
    let service: Service = object(json!({
        "metadata": { "name": "kube-dns", "namespace": "kube-system" },
        "spec": {
            "clusterIPs": ["10.96.0.10", "fd00::a"],
            "ports": [
                { "name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns" },
                { "name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53 },
                { "name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153 },
            ],
        },
    }));
    let seen = read::service(Some(&service), &declared()).unwrap();
    assert_eq!(seen.dns.ports, [("dns".to_owned(), 5353, Protocol::Udp), ("dns-tcp".to_owned(), 53, Protocol::Tcp)]);
    assert_eq!(seen.addresses.len(), 2);
    assert_eq!(read::service(None, &[]), Err(Unknown::Missing));
}

fn set(status: &Value) -> Fleet {
    let set: DaemonSet = object(json!({
        "metadata": { "name": "doorstep", "uid": "ds-1", "generation": 3 },
        "spec": {
            "selector": {},
            "template": { "spec": { "containers": [{ "name": "doorstep", "ports": [
                { "name": "dns", "containerPort": 53, "protocol": "UDP" }, { "name": "dns-tcp", "containerPort": 53 },
            ] }] } },
        },
        "status": status,
    }));
    read::fleet(Some(&set))
}

#[test]
fn a_daemonset_is_settled_when_every_pod_is_of_the_newest_template_and_available() {
    let status = |updated: u32, observed: u32| {
        json!({
            "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 3,
            "updatedNumberScheduled": updated, "numberAvailable": 3, "observedGeneration": observed,
        })
    };
    let settled = set(&status(3, 3));
    assert_eq!(settled.owner, Some(Owner { name: "doorstep".to_owned(), uid: "ds-1".to_owned() }));
    assert_eq!(settled.ports, [("dns".to_owned(), 53, Protocol::Udp), ("dns-tcp".to_owned(), 53, Protocol::Tcp)]);
    assert!(settled.settled());
    assert!(!set(&status(2, 3)).settled(), "a rollout is under way");
    assert!(!set(&status(3, 2)).settled(), "these are the numbers of the template before");
    assert_eq!(read::fleet(None).owner, None);
}

#[test]
fn endpoints_are_those_that_are_ready_by_the_number_of_the_services_port() {
    let service: Service = object(json!({ "spec": { "ports": [
        { "name": "dns", "port": 53, "protocol": "UDP" }, { "name": "dns-tcp", "port": 53, "protocol": "TCP" },
        { "name": "metrics", "port": 9153, "protocol": "TCP" },
    ] } }));
    assert_eq!(read::port_name(Some(&service), Protocol::Udp).as_deref(), Some("dns"));
    let port = read::port_name(Some(&service), Protocol::Tcp).unwrap();
    let slice: EndpointSlice = object(json!({
        "addressType": "IPv4",
        "ports": [{ "name": "metrics", "port": 9153, "protocol": "TCP" }, { "name": "dns-tcp", "port": 5353, "protocol": "TCP" }],
        "endpoints": [
            { "addresses": ["10.0.0.1"], "conditions": { "ready": true } }, { "addresses": ["10.0.0.2"], "conditions": { "ready": false } },
            { "addresses": ["10.0.0.3"] }, { "addresses": ["coredns.example"] },
        ],
    }));
    let expected = ["10.0.0.1:5353", "10.0.0.3:5353"].map(|address| address.parse().unwrap());
    assert_eq!(read::endpoints(&slice, &port, Protocol::Tcp), expected);
    assert_eq!(read::endpoints(&slice, "dns", Protocol::Udp), [], "no pod says that it takes them");
    assert_eq!(read::port_name(None, Protocol::Tcp), None);
}
