//! The network policies of a cluster and the pods they are about, page by page.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cluster::{CallError, Cluster, is_forbidden, is_not_found, timely};
use super::read;
use crate::redirect::network_policies::{
    self, Destination, Finding, Garbled, Groups, Kind, Labels, NetworkPolicy, Pod as Judged, Service as Named, findings,
};
use crate::redirect::{Protocol, SELECTOR_LABEL, SELECTOR_VALUE, UPSTREAM_SERVICE};

/// Objects a page: some megabytes of pods at most, whatever the cluster's size.
const PAGE: u32 = 500;

/// What network policies do to DNS.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PolicyReview {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be read or understood, so that more may be wrong.
    pub unknown: Vec<String>,
    /// Policies that were read.
    pub policies: usize,
    /// Pods that were read, those of the host's network excepted.
    pub pods: usize,
}

/// What was read, page by page.
#[derive(Default)]
struct Read {
    policies: Vec<NetworkPolicy>,
    unknown: Vec<String>,
}

impl Cluster {
    /// Reads policies, namespaces and pods, and judges them.
    ///
    /// # Errors
    /// There is no DNS Service, or the API server does not answer. What it refuses is told as unknown.
    pub(super) async fn review_policies(&self) -> Result<PolicyReview, CallError> {
        let sets = Api::namespaced(self.client.clone(), &self.config.namespace);
        let set = timely(sets.get_opt(&self.config.daemon_set)).await?;
        let fleet = read::fleet(set.as_ref());
        let (service, upstream) = (self.service(&self.config.dns_service).await?, self.service(UPSTREAM_SERVICE).await?);
        let seen = read::service(service.as_ref(), &fleet.ports).map_err(|_| {
            CallError::Access(format!("there is no Service {} in namespace {}", self.config.dns_service, self.config.namespace))
        })?;
        let mut read = Read::default();
        for kind in [Kind::NetworkPolicy, Kind::CiliumNetworkPolicy, Kind::CiliumClusterwideNetworkPolicy] {
            self.read_policies(kind, &mut read).await?;
        }
        let namespaces = self.namespaces(&mut read).await?;
        let (groups, pods) = self.groups(&namespaces, &mut read).await?;
        let services: Vec<Named> = [&service, &upstream].into_iter().flatten().map(named).collect();
        let own = set.and_then(|set| set.spec).map(|spec| spec.template).unwrap_or_default();
        let agent = Pod { metadata: own.metadata.unwrap_or_default(), spec: own.spec, status: None };
        let kube_dns = self.answering(services.first(), &mut read).await?;
        let declared = if fleet.ports.is_empty() { seen.dns.ports.clone() } else { fleet.ports };
        let found = findings(&network_policies::Cluster {
            policies: &read.policies,
            groups: &groups.into_groups(),
            kube_dns: &self.destination(kube_dns, seen.dns.ports, &namespaces),
            agents: &self.destination(as_installed(agent), declared, &namespaces),
            services: &services,
        });
        Ok(PolicyReview { findings: found, unknown: read.unknown, policies: read.policies.len(), pods })
    }

    /// One of the pods behind the DNS Service; where none may be read, one with the labels that the Service asks for.
    async fn answering(&self, service: Option<&Named>, read: &mut Read) -> Result<Pod, CallError> {
        let selector = service.map(|service| service.selector.clone()).unwrap_or_default();
        let asked: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let parameters = ListParams::default().labels(&asked.join(",")).limit(1);
        let list = timely(Api::<Pod>::namespaced(self.client.clone(), &self.config.namespace).list(&parameters)).await;
        let pod = match list {
            Ok(list) => list.items.into_iter().next(),
            Err(CallError::Api(error)) if is_forbidden(&error) => None,
            Err(error) => return Err(error),
        };
        if pod.as_ref().and_then(|pod| pod.spec.as_ref()?.host_network) == Some(true) {
            read.unknown.push("kube-dns' pods are on the host's network: policies that allow nodes are not judged".to_owned());
        }
        let asked_for = || Pod { metadata: ObjectMeta { labels: Some(selector), ..ObjectMeta::default() }, ..Pod::default() };
        Ok(pod.unwrap_or_else(asked_for))
    }

    fn destination(&self, pod: Pod, ports: Vec<(String, u16, Protocol)>, namespaces: &BTreeMap<String, Labels>) -> Destination {
        let namespace = &self.config.namespace;
        let labels = pod.metadata.labels.unwrap_or_default();
        let spec = pod.spec.unwrap_or_default();
        let judged = Judged {
            name: "",
            namespace,
            labels: &labels,
            namespace_labels: &labels_of(namespaces, namespace),
            service_account: spec.service_account_name.as_deref().unwrap_or("default"),
        };
        Destination { labels: judged.joined(), ports }
    }

    async fn read_policies(&self, kind: Kind, read: &mut Read) -> Result<(), CallError> {
        let (policies, unknown) = (&mut read.policies, &mut read.unknown);
        let take = |object: DynamicObject| match understood(kind, object) {
            Ok(policy) => policies.push(policy),
            Err(garbled) => unknown.push(garbled.to_string()),
        };
        let resource = resource(kind);
        match pages(&Api::all_with(self.client.clone(), &resource), take).await {
            // Without Cilium's CRDs there are no such policies.
            Err(CallError::Api(error)) if is_not_found(&error) => Ok(()),
            done => permitted(done, &resource.plural, &mut read.unknown).map(|_| ()),
        }
    }

    async fn namespaces(&self, read: &mut Read) -> Result<BTreeMap<String, Labels>, CallError> {
        let mut found = BTreeMap::new();
        let take = |namespace: Namespace| {
            found.insert(namespace.metadata.name.unwrap_or_default(), namespace.metadata.labels.unwrap_or_default());
        };
        let done = pages(&Api::<Namespace>::all(self.client.clone()), take).await;
        permitted(done, "namespaces", &mut read.unknown)?;
        Ok(found)
    }

    /// The groups of the pods, and how many there are; where pods may not be read, groups imagined.
    async fn groups(&self, namespaces: &BTreeMap<String, Labels>, read: &mut Read) -> Result<(Groups, usize), CallError> {
        let (mut groups, mut count) = (Groups::new(&read.policies), 0);
        let take = |pod: Pod| {
            let spec = pod.spec.unwrap_or_default();
            let over = pod.status.and_then(|status| status.phase).is_some_and(|phase| phase == "Succeeded" || phase == "Failed");
            if spec.host_network == Some(true) || over {
                return;
            }
            let namespace = pod.metadata.namespace.unwrap_or_default();
            groups.add(&Judged {
                name: &pod.metadata.name.unwrap_or_default(),
                labels: &pod.metadata.labels.unwrap_or_default(),
                namespace_labels: &labels_of(namespaces, &namespace),
                namespace: &namespace,
                service_account: spec.service_account_name.as_deref().unwrap_or("default"),
            });
            count += 1;
        };
        let done = pages(&Api::<Pod>::all(self.client.clone()), take).await;
        match permitted(done, "pods", &mut read.unknown)? {
            true => Ok((groups, count)),
            false => Ok((Groups::imagined(&read.policies, namespaces), 0)),
        }
    }
}

/// Reads all pages of a list, and keeps one at a time.
async fn pages<K: Clone + Debug + DeserializeOwned>(api: &Api<K>, mut take: impl FnMut(K)) -> Result<(), CallError> {
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = timely(api.list(&parameters)).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// What may not be read is not known; only an API server that does not answer is an error.
fn permitted(done: Result<(), CallError>, what: &str, unknown: &mut Vec<String>) -> Result<bool, CallError> {
    match done {
        Ok(()) => Ok(true),
        Err(CallError::Api(error)) if is_forbidden(&error) => {
            unknown.push(format!("{what} may not be read: that takes the permission to list {what} in all namespaces"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A namespace has its own name for a label, also where namespaces may not be read.
fn labels_of(namespaces: &BTreeMap<String, Labels>, namespace: &str) -> Labels {
    let named = || Labels::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    namespaces.get(namespace).cloned().unwrap_or_else(named)
}

/// Agents that are not installed yet, as the manifests have them.
fn as_installed(mut agent: Pod) -> Pod {
    agent.metadata.labels.get_or_insert_default().entry(SELECTOR_LABEL.to_owned()).or_insert_with(|| SELECTOR_VALUE.to_owned());
    agent.spec.get_or_insert_default().service_account_name.get_or_insert_with(|| SELECTOR_VALUE.to_owned());
    agent
}

fn understood(kind: Kind, object: DynamicObject) -> Result<NetworkPolicy, Garbled> {
    let mut value = object.data;
    value["metadata"] = serde_json::json!({
        "name": object.metadata.name,
        "namespace": object.metadata.namespace,
        "annotations": object.metadata.annotations.unwrap_or_default(),
    });
    NetworkPolicy::read(kind, &value)
}

fn named(service: &Service) -> Named {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
    Named {
        name: service.metadata.name.clone().unwrap_or_default(),
        namespace: service.metadata.namespace.clone().unwrap_or_default(),
        labels: service.metadata.labels.clone().unwrap_or_default(),
        selector,
    }
}

fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::NetworkPolicy => {
            let gvk = GroupVersionKind::gvk("networking.k8s.io", "v1", "NetworkPolicy");
            ApiResource::from_gvk_with_plural(&gvk, "networkpolicies")
        }
        Kind::CiliumNetworkPolicy => {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("cilium.io", "v2", "CiliumNetworkPolicy"), "ciliumnetworkpolicies")
        }
        Kind::CiliumClusterwideNetworkPolicy => {
            let gvk = GroupVersionKind::gvk("cilium.io", "v2", "CiliumClusterwideNetworkPolicy");
            ApiResource::from_gvk_with_plural(&gvk, "ciliumclusterwidenetworkpolicies")
        }
    }
}
