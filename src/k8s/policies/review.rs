//! The policies as an operator reads them: with all pods.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ListParams};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::list::{PAGE, Read, permitted};
use super::subjects::{Subjects, labels_of};
use crate::k8s::cluster::{CallError, Cluster, is_forbidden, timely};
use crate::redirect::UPSTREAM_SERVICE;
use crate::redirect::network_policies::{Finding, Groups, Labels, Pod as Judged, findings};

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

impl Cluster {
    /// Reads policies, namespaces and pods, and judges them.
    ///
    /// # Errors
    /// There is no DNS Service, or the API server does not answer. What it refuses is told as unknown.
    pub(in crate::k8s) async fn review_policies(&self) -> Result<PolicyReview, CallError> {
        let (namespace, service) = (&self.config.namespace, &self.config.dns_service);
        let sets = Api::namespaced(self.client.clone(), namespace);
        let set = timely(sets.get_opt(&self.config.daemon_set)).await?;
        let (dns, upstream) = (self.service(service).await?, self.service(UPSTREAM_SERVICE).await?);
        let subjects = Subjects::new(namespace, set.as_ref(), dns.as_ref(), upstream.as_ref())
            .ok_or_else(|| CallError::Access(format!("there is no Service {service} in namespace {namespace}")))?;
        let mut read = self.read_policies(u64::MAX).await?;
        let namespaces = self.namespaces(&mut read).await?;
        let (groups, pods) = self.groups(&namespaces, &mut read).await?;
        let kube_dns = self.answering(&subjects, &mut read).await?;
        let findings = subjects.judge(&read.policies, groups, kube_dns.as_ref(), &namespaces, findings);
        Ok(PolicyReview { findings, unknown: read.unknown, policies: read.policies.len(), pods })
    }

    /// One of the pods behind the DNS Service; `None` where none may be read.
    async fn answering(&self, subjects: &Subjects, read: &mut Read) -> Result<Option<Pod>, CallError> {
        let asked: Vec<String> = subjects.selector().iter().map(|(key, value)| format!("{key}={value}")).collect();
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
        Ok(pod)
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
