//! What the calls say to the API server, and what its refusals mean.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::config;
use crate::k8s::cluster::{Cluster, Outcome};
use crate::redirect::{Act, Because, Decision, DnsService, Emitted, Gate, Own, Owner, Rest, State, Unknown, decide, desired};

type Heard = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An API server that answers by path, and what it was told.
fn cluster(answer: fn(&str, &str) -> (u16, Value)) -> (Cluster, Heard) {
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    let service = tower::service_fn(move |request: Request<Body>| {
        let kept = Arc::clone(&kept);
        async move {
            let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
            let body = request.into_body().collect_bytes().await.unwrap();
            let (code, value) = answer(&method, &path);
            kept.lock().unwrap().push((method, path, serde_json::from_slice(&body).unwrap_or(Value::Null)));
            Ok::<_, Infallible>(Response::builder().status(code).body(Body::from(value.to_string().into_bytes())).unwrap())
        }
    });
    (Cluster::with(Client::new(service, "kube-system"), config()), heard)
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    (code, json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code }))
}

fn delete() -> Act {
    Act::Delete { uid: "u1".to_owned(), because: Because::Unwanted }
}

fn write() -> Act {
    let emitted = Emitted { uid: "u1".to_owned(), owner: "ds-1".to_owned(), spec: "s".to_owned() };
    Act::Write { state: State { emitted: Some(emitted), ..State::default() }, version: "42".to_owned(), because: Because::Unrecorded }
}

fn create() -> Act {
    let owner = Owner { name: "doorstep".to_owned(), uid: "ds-1".to_owned() };
    Act::Create(Box::new(desired(&DnsService::standard()).owned_by(&owner)))
}

#[tokio::test]
async fn a_delete_names_the_uid_and_a_write_the_version_they_were_decided_on() {
    let (cluster, heard) = cluster(|_, _| (200, json!({ "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": "x" } })));
    assert_eq!(cluster.act(&delete()).await.unwrap(), Outcome::Done(None));
    assert_eq!(cluster.act(&write()).await.unwrap(), Outcome::Done(None));
    let heard = heard.lock().unwrap();
    let (method, path, body) = &heard[0];
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("DELETE", "/apis/cilium.io/v2/namespaces/kube-system/ciliumlocalredirectpolicies/doorstep")
    );
    assert_eq!(body["preconditions"]["uid"], "u1");
    let (method, path, body) = &heard[1];
    assert_eq!((method.as_str(), path.as_str()), ("PATCH", "/api/v1/namespaces/kube-system/configmaps/doorstep-redirect-state"));
    assert_eq!(body["metadata"]["resourceVersion"], "42");
    assert_eq!(body["data"], json!({ "emitted": r#"{"uid":"u1","owner":"ds-1","spec":"s"}"#, "hold": null, "blackholes": null }));
}

#[tokio::test]
async fn what_is_created_comes_back_with_its_uid() {
    let created = |_: &str, _: &str| {
        (201, json!({ "apiVersion": "cilium.io/v2", "kind": "CiliumLocalRedirectPolicy", "metadata": { "name": "doorstep", "uid": "u7" } }))
    };
    let (cluster, heard) = cluster(created);
    assert_eq!(cluster.act(&create()).await.unwrap(), Outcome::Done(Some("u7".to_owned())));
    let body = &heard.lock().unwrap()[0].2;
    assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "ds-1");
    assert_eq!(body["spec"]["redirectFrontend"]["serviceMatcher"]["serviceName"], "kube-dns");
}

#[tokio::test]
async fn gone_there_already_and_conflict_are_overtaken_and_forbidden_is_an_error() {
    for answer in [
        |_: &str, _: &str| refusal(404, "NotFound"),
        |_: &str, _: &str| refusal(409, "AlreadyExists"),
        |_: &str, _: &str| refusal(409, "Conflict"),
    ] {
        let (cluster, _) = cluster(answer);
        for act in [create(), delete(), write()] {
            assert_eq!(cluster.act(&act).await.unwrap(), Outcome::Overtaken);
        }
    }
    let (cluster, _) = cluster(|_, _| refusal(403, "Forbidden"));
    let error = cluster.act(&create()).await.unwrap_err();
    assert!(error.to_string().contains("Forbidden"), "{error}");
}

#[tokio::test]
async fn a_look_reads_the_state_first_and_the_people_last_and_an_empty_cluster_is_no_error() {
    let (cluster, heard) = cluster(|_, _| refusal(404, "NotFound"));
    let look = cluster.look().await.unwrap();
    assert_eq!((&look.seen.people, &look.seen.policies), (&Err(Unknown::Missing), &Err(Unknown::Missing)));
    let decision = decide(&look.seen, &look.around, &Own::default(), std::time::Duration::ZERO);
    assert!(matches!(decision, Decision::Rest(Rest::Still(_))));
    let paths: Vec<String> = heard.lock().unwrap().iter().map(|(_, path, _)| path.clone()).collect();
    assert!(paths.first().unwrap().ends_with("configmaps/doorstep-redirect-state"), "{paths:?}");
    assert!(paths.last().unwrap().ends_with("configmaps/doorstep-redirect"), "{paths:?}");
    assert_eq!(paths.len(), 8);
}

#[tokio::test]
async fn a_cilium_that_may_not_be_read_shuts_its_gate_and_is_no_error() {
    let (cluster, _) = cluster(|_, path| match path {
        path if path.ends_with("/daemonsets/cilium") || path.ends_with("/cilium-config") => refusal(403, "Forbidden"),
        _ => refusal(404, "NotFound"),
    });
    let look = cluster.look().await.unwrap();
    let shut = look.around.shut.iter().find(|shut| shut.gate == Gate::Cilium).unwrap();
    assert!(shut.saw.contains("Forbidden") && !shut.grave, "{shut:?}");
}

#[tokio::test]
async fn a_look_that_fails_is_an_error_and_decides_nothing() {
    let (cluster, _) = cluster(|_, _| refusal(503, "ServiceUnavailable"));
    assert!(cluster.look().await.is_err());
}
