//! Whom policies are judged about: who answers before the redirect, and who answers after it.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::k8s::read;
use crate::redirect::network_policies::{
    self, Destination, Groups, Labels, NAMESPACE_NAME, NetworkPolicy, Pod as Judged, Service as Named,
};
use crate::redirect::{Protocol, SELECTOR_LABEL, SELECTOR_VALUE};

type Ports = Vec<(String, u16, Protocol)>;

/// Before and after, and the Services by which policies may name them.
#[derive(Clone, Debug)]
pub(in crate::k8s) struct Subjects {
    /// Where they all are.
    namespace: String,
    /// The DNS Service first.
    services: Vec<Named>,
    /// An agent, with its labels and service account.
    agent: Pod,
    /// Where kube-dns' pods answer, and where agents do.
    ports: (Ports, Ports),
}

impl Subjects {
    /// From the agents' DaemonSet, the DNS Service and the upstream's; `None` without the DNS Service.
    pub(in crate::k8s) fn new(
        namespace: &str,
        set: Option<&DaemonSet>,
        service: Option<&Service>,
        upstream: Option<&Service>,
    ) -> Option<Self> {
        let declared = read::fleet(set).ports;
        let asked = read::service(service, &declared).ok()?.dns.ports;
        let template = set.and_then(|set| set.spec.as_ref()).map(|spec| spec.template.clone()).unwrap_or_default();
        let agent = Pod { metadata: template.metadata.unwrap_or_default(), spec: template.spec, status: None };
        let answered = if declared.is_empty() { asked.clone() } else { declared };
        Some(Self {
            namespace: namespace.to_owned(),
            services: [service, upstream].into_iter().flatten().map(named).collect(),
            agent: as_installed(agent),
            ports: (asked, answered),
        })
    }

    /// The labels by which the DNS Service finds its pods.
    pub(super) fn selector(&self) -> Labels {
        self.services.first().map(|service| service.selector.clone()).unwrap_or_default()
    }

    /// Judges the policies for these groups of pods. `kube_dns`: a pod that answers now; `None`: one that has the labels its Service asks for.
    pub(super) fn judge<T>(
        &self,
        policies: &[NetworkPolicy],
        groups: Groups,
        kube_dns: Option<&Pod>,
        namespaces: &BTreeMap<String, Labels>,
        judge: impl FnOnce(&network_policies::Cluster<'_>) -> T,
    ) -> T {
        let asked_for = Pod { metadata: ObjectMeta { labels: Some(self.selector()), ..ObjectMeta::default() }, ..Pod::default() };
        judge(&network_policies::Cluster {
            policies,
            groups: &groups.into_groups(),
            kube_dns: &self.destination(kube_dns.unwrap_or(&asked_for), &self.ports.0, namespaces),
            agents: &self.destination(&self.agent, &self.ports.1, namespaces),
            services: &self.services,
        })
    }

    fn destination(&self, pod: &Pod, ports: &Ports, namespaces: &BTreeMap<String, Labels>) -> Destination {
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let judged = Judged {
            name: "",
            namespace: &self.namespace,
            labels: &labels,
            namespace_labels: &labels_of(namespaces, &self.namespace),
            service_account: account.unwrap_or("default"),
        };
        Destination { labels: judged.joined(), ports: ports.clone() }
    }

    /// Namespaces as they are known from policies alone. `default` is in every cluster, and stands for those without any.
    pub(super) fn namespaces(&self, policies: &[NetworkPolicy]) -> BTreeMap<String, Labels> {
        let known = network_policies::namespaces(policies).into_iter().chain([self.namespace.clone(), "default".to_owned()]);
        known.map(|name| (name.clone(), own_name(&name))).collect()
    }
}

/// A namespace has its own name for a label, also where namespaces may not be read.
pub(super) fn labels_of(namespaces: &BTreeMap<String, Labels>, namespace: &str) -> Labels {
    namespaces.get(namespace).cloned().unwrap_or_else(|| own_name(namespace))
}

fn own_name(namespace: &str) -> Labels {
    Labels::from([(NAMESPACE_NAME.to_owned(), namespace.to_owned())])
}

/// Agents that are not installed yet, as the manifests have them.
fn as_installed(mut agent: Pod) -> Pod {
    agent.metadata.labels.get_or_insert_default().entry(SELECTOR_LABEL.to_owned()).or_insert_with(|| SELECTOR_VALUE.to_owned());
    agent.spec.get_or_insert_default().service_account_name.get_or_insert_with(|| SELECTOR_VALUE.to_owned());
    agent
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
