//! What a person sees of the redirect, and does to it, under a kubeconfig of their own.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;

use super::Config;
use super::cluster::{CallError, Cluster, Look, is_forbidden, timely};
use super::policies::PolicyReview;
use super::read;
use crate::redirect::{
    CiliumConfig, DRAIN_OVER_KEY, DnsService, Gate, Own, PEOPLE, REDIRECT_KEY, RESUME_ANNOTATION, Report, Shut, Switch, Texts, Unknown,
    decide, no_crd,
};

/// The ConfigMap with the agents' configuration, and its key.
const CONFIGURATION: &str = "doorstep";
const CONFIGURATION_KEY: &str = "doorstep.yaml";

/// A person at the cluster.
pub struct Operator(Cluster);

/// Why the cluster did not do or say what a person asked.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No kubeconfig, or none that can be read.
    #[error("no way to a cluster: {0}; name a kubeconfig with --kubeconfig or KUBECONFIG")]
    Access(String),
    /// The API server refuses or does not answer.
    #[error("the API server: {0}")]
    Call(String),
    /// The people's ConfigMap is not there.
    #[error("there is no ConfigMap {PEOPLE} in namespace {0}; apply doorstep's manifests, or name its namespace with --namespace")]
    NotInstalled(String),
}

/// What the cluster says.
#[derive(Clone, Debug, Serialize)]
pub struct Sight {
    /// The redirect.
    pub redirect: Report,
    /// The agents.
    pub pods: Pods,
}

/// The DaemonSet's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pods {
    /// Whether there is a DaemonSet.
    pub installed: bool,
    /// Nodes that are to have one.
    pub wanted: u32,
    /// Of the newest template.
    pub updated: u32,
    /// Ready for some time.
    pub available: u32,
}

impl Operator {
    /// Prepares the client; nothing is asked yet.
    ///
    /// # Errors
    /// No kubeconfig that can be read.
    pub async fn connect(config: Config) -> Result<Self, OperatorError> {
        Cluster::connect(config).await.map(Self).map_err(|error| OperatorError::Access(error.to_string()))
    }

    /// The agents' configuration file, as the ConfigMap of the manifests has it; `None` where it is kept elsewhere or may not be read.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn configuration(&self) -> Result<Option<String>, OperatorError> {
        match timely(self.0.maps.get_opt(CONFIGURATION)).await {
            Ok(map) => Ok(map.and_then(|map| map.data?.remove(CONFIGURATION_KEY))),
            Err(CallError::Api(error)) if is_forbidden(&error) => Ok(None),
            Err(error) => Err(call(error)),
        }
    }

    /// Judges Cilium as the agents do who were told this.
    #[must_use]
    pub fn knowing(mut self, cilium: CiliumConfig) -> Self {
        self.0.config.cilium = cilium;
        self
    }

    /// Asks the cluster, at `now` since the epoch.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub async fn look(&self, now: Duration) -> Result<Sight, OperatorError> {
        let Look { seen, mut around, fleet, subjects, .. } = self.0.look().await.map_err(call)?;
        if let Some(subjects) = subjects {
            // What else there is to say does not depend on them: where they are not read, their gate is unknown.
            let review = self.0.read_review(&subjects).await.ok();
            around.weigh(review.as_ref(), self.0.config.cilium.accept_network_policies);
        }
        // As an agent that is ready would decide.
        let decision = decide(&seen, &around, &Own { ready: true, ..Own::default() }, now);
        let pods = Pods { installed: fleet.owner.is_some(), wanted: fleet.wanted, updated: fleet.updated, available: fleet.available };
        Ok(Sight { redirect: Report::new(&decision, &seen, &around, &self.0.config.namespace), pods })
    }

    /// Judges the cluster's network policies.
    ///
    /// # Errors
    /// There is no DNS Service, or the API server does not answer. What it refuses is told in the review.
    pub async fn review_policies(&self) -> Result<PolicyReview, OperatorError> {
        self.0.review_policies().await.map_err(call)
    }

    /// The gates that are shut, those excepted that an install opens where there is none yet.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub async fn gates(&self) -> Result<Vec<Shut>, OperatorError> {
        let look = self.0.look().await.map_err(call)?;
        let crd = (look.seen.policies == Err(Unknown::Missing)).then(no_crd);
        let opens = |shut: &Shut| look.fleet.owner.is_none() && matches!(shut.gate, Gate::Ports | Gate::Upstream);
        Ok(crd.into_iter().chain(look.around.shut.into_iter().filter(|shut| !opens(shut))).collect())
    }

    /// The DNS Service as it is, and the labels by which it selects pods.
    ///
    /// # Errors
    /// It is not there, or the API server refuses or does not answer.
    pub async fn dns_service(&self) -> Result<(DnsService, Texts), OperatorError> {
        let Config { dns_service, namespace, .. } = &self.0.config;
        let service = self.0.service(dns_service).await.map_err(call)?;
        let seen = read::service(service.as_ref(), &[])
            .map_err(|_| OperatorError::Call(format!("there is no Service {dns_service} in namespace {namespace}")))?;
        let selector = service.and_then(|service| service.spec?.selector).unwrap_or_default();
        Ok((seen.dns, selector))
    }

    /// Writes what people want. `on` ends a hold too; a drain takes `drain_over`.
    ///
    /// # Errors
    /// The ConfigMap is not there, or the API server refuses.
    pub async fn switch(&self, switch: Switch, drain_over: Duration, now: Duration) -> Result<(), OperatorError> {
        let data = json!({ REDIRECT_KEY: switch.word() });
        let patch = match switch {
            Switch::On => {
                let resume = humantime::format_rfc3339_millis(UNIX_EPOCH + now).to_string();
                json!({ "metadata": { "annotations": { RESUME_ANNOTATION: resume } }, "data": data })
            }
            Switch::Off => json!({ "data": data }),
            Switch::Drain => {
                let over = humantime::format_duration(drain_over).to_string();
                json!({ "data": { REDIRECT_KEY: switch.word(), DRAIN_OVER_KEY: over } })
            }
        };
        match self.0.patch(PEOPLE, &patch).await {
            Err(CallError::Api(error)) if super::cluster::is_not_found(&error) => {
                Err(OperatorError::NotInstalled(self.0.config.namespace.clone()))
            }
            done => done.map_err(call),
        }
    }
}

fn call(error: CallError) -> OperatorError {
    OperatorError::Call(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use tokio::time::Instant;

    use super::*;
    use crate::k8s::tests::config;

    /// At an API server that takes a connection and never answers.
    fn at_a_silent_server() -> Operator {
        let silence = |_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>();
        Operator(Cluster::with(Client::new(tower::service_fn(silence), "kube-system"), config()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_told_of_within_seconds() {
        let (operator, asked) = (at_a_silent_server(), Instant::now());
        let error = operator.configuration().await.unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
        assert!(asked.elapsed().as_secs() <= 10, "{:?}", asked.elapsed());
    }
}
