//! The calls to the API server, one function each.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Error};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::policies::Subjects;
use super::read::{self, Fleet};
use super::reason::reason_of;
use super::{Access, Config};
use crate::redirect::{
    self, Act, Observation, PEOPLE, Policy, STATE, SeenCilium, SeenPolicy, State, Surroundings, UPSTREAM_SERVICE, Unknown, View, desired,
};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// As `managedFields` name us.
const FIELD_MANAGER: &str = "doorstep";

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The API server, or the way to it. Boxed for its size.
    #[error("{}", reason_of(&**.0))]
    Api(Box<Error>),
    /// No answer in time.
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    /// There is no way to the API server.
    #[error("{0}")]
    Access(String),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// What became of an act.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done; the uid of what was created.
    Done(Option<String>),
    /// Not done: what it was decided on had changed.
    Overtaken,
}

/// Everything an agent sees at once.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) seen: Observation,
    pub(super) around: Surroundings,
    pub(super) fleet: Fleet,
    /// The ClusterIPs of the Service [`UPSTREAM_SERVICE`].
    pub(super) upstream: Vec<IpAddr>,
    /// Where clients ask.
    pub(super) frontend: Vec<SocketAddr>,
    /// Whom network policies are judged about; `None` without the DNS Service.
    pub(super) subjects: Option<Subjects>,
    /// Whether Cilium brings a pod's own query back to it.
    pub(super) hairpin: bool,
}

/// A namespace of a cluster, and the names in it.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) maps: Api<ConfigMap>,
    pub(super) policies: Api<DynamicObject>,
}

impl Cluster {
    /// Prepares the client; nothing is asked yet.
    ///
    /// # Errors
    /// No service account, or a kubeconfig that cannot be read.
    pub(super) async fn connect(config: Config) -> Result<Self, CallError> {
        let mut to = client_config(&config.access).await.map_err(CallError::Access)?;
        // A call is decided on what was just read: tried again, it would be an old decision.
        to.default_retry = false;
        Ok(Self::with(Client::try_from(to)?, config))
    }

    pub(super) fn with(client: Client, config: Config) -> Self {
        let maps = Api::namespaced(client.clone(), &config.namespace);
        let policies = Api::namespaced_with(client.clone(), &config.namespace, &read::policies());
        Self { client, config, maps, policies }
    }

    /// Looks at everything. The state first: a policy that the state names was there before it was read, so that its absence afterwards
    /// means that somebody deleted it. What people want last: a hold then answers all they had said when they deleted it.
    pub(super) async fn look(&self) -> Result<Look, CallError> {
        let state = read::state(timely(self.maps.get_opt(STATE)).await?.as_ref());
        let sets: Api<DaemonSet> = Api::namespaced(self.client.clone(), &self.config.namespace);
        let (policies, set, dns, upstream, cilium) = tokio::try_join!(
            self.list_policies(),
            timely(sets.get_opt(&self.config.daemon_set)),
            self.service(&self.config.dns_service),
            self.service(UPSTREAM_SERVICE),
            self.look_at_cilium(),
        )?;
        let people = read::people(timely(self.maps.get_opt(PEOPLE)).await?.as_ref());
        let fleet = read::fleet(set.as_ref());
        let subjects = Subjects::new(&self.config.namespace, set.as_ref(), dns.as_ref(), upstream.as_ref());
        let dns = read::service(dns.as_ref(), &fleet.ports);
        let upstream = read::service(upstream.as_ref(), &fleet.ports);
        let view = View {
            service_name: &self.config.dns_service,
            service: dns.as_ref(),
            upstream: upstream.as_ref(),
            container_ports: &fleet.ports,
            asks: &self.config.asks,
            serves: self.config.serves,
            policies: policies.as_deref().unwrap_or_default(),
            cilium: cilium.as_ref(),
            said: &self.config.cilium,
        };
        let policy = || Some(desired(&dns.as_ref().ok()?.dns).owned_by(fleet.owner.as_ref()?));
        let shut = redirect::shut(&view);
        let around = Surroundings {
            owner: fleet.owner.clone(),
            agents: fleet.wanted,
            settled: fleet.settled(),
            outgoing: matches!((&self.config.template, &fleet.template), (Some(own), Some(newest)) if own != newest),
            desired: policy(),
            gates: redirect::judge_gates(&view, policies.is_ok(), &shut),
            shut,
            on_red: self.config.cilium.on_red,
            unread: false,
        };
        let upstream = upstream.map(|service| service.addresses).unwrap_or_default();
        let frontend = dns.iter().flat_map(|service| &service.addresses).map(|address| SocketAddr::new(*address, read::DNS_PORT)).collect();
        let hairpin = redirect::hairpin(cilium.as_ref(), &self.config.cilium);
        Ok(Look { seen: Observation { people, state, policies }, around, fleet, upstream, frontend, subjects, hairpin })
    }

    /// A Service of the namespace.
    pub(super) async fn service(&self, name: &str) -> Result<Option<Service>, CallError> {
        timely(Api::<Service>::namespaced(self.client.clone(), &self.config.namespace).get_opt(name)).await
    }

    /// What may not be read is not known; only an API server that does not answer is an error.
    async fn look_at_cilium(&self) -> Result<Result<SeenCilium, Unknown>, CallError> {
        let namespace = &self.config.cilium.namespace;
        let (sets, maps) =
            (Api::<DaemonSet>::namespaced(self.client.clone(), namespace), Api::<ConfigMap>::namespaced(self.client.clone(), namespace));
        let read = async { tokio::try_join!(timely(sets.get_opt("cilium")), timely(maps.get_opt("cilium-config"))) };
        match read.await {
            Ok((set, map)) => Ok(read::cilium(set.as_ref(), map.as_ref())),
            Err(CallError::Api(error)) if is_forbidden(&error) => Ok(Err(Unknown::Garbled(reason_of(&*error)))),
            Err(error) => Err(error),
        }
    }

    /// A consistent list; `Missing` where there is no CRD.
    async fn list_policies(&self) -> Result<Result<Vec<SeenPolicy>, Unknown>, CallError> {
        match timely(self.policies.list(&ListParams::default())).await {
            Ok(list) => Ok(Ok(list.items.iter().map(read::policy).collect())),
            Err(CallError::Api(error)) if is_not_found(&error) => Ok(Err(Unknown::Missing)),
            Err(error) => Err(error),
        }
    }

    /// Does one act.
    pub(super) async fn act(&self, act: &Act) -> Result<Outcome, CallError> {
        let done = match act {
            Act::Create(policy) => self.create(policy).await.map(Some),
            Act::Delete { uid, .. } => self.delete(uid).await.map(|()| None),
            Act::Write { state, version, .. } => self.write(state, version).await.map(|()| None),
        };
        match done {
            Ok(uid) => Ok(Outcome::Done(uid)),
            Err(CallError::Api(error)) if is_overtaken(&error) => Ok(Outcome::Overtaken),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, policy: &Policy) -> Result<String, CallError> {
        let body = serde_json::to_value(policy).and_then(serde_json::from_value).map_err(Error::SerdeError)?;
        let created: DynamicObject =
            timely(self.policies.create(&PostParams { field_manager: manager(), ..PostParams::default() }, &body)).await?;
        Ok(created.metadata.uid.unwrap_or_default())
    }

    async fn delete(&self, uid: &str) -> Result<(), CallError> {
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        timely(self.policies.delete(redirect::POLICY_NAME, &parameters)).await.map(drop)
    }

    async fn write(&self, state: &State, version: &str) -> Result<(), CallError> {
        let data: Map<String, Value> = state.texts().into_iter().map(|(key, text)| (key.to_owned(), json!(text))).collect();
        let patch = json!({ "metadata": { "resourceVersion": version }, "data": data });
        self.patch(STATE, &patch).await
    }

    /// Merges into a ConfigMap.
    pub(super) async fn patch(&self, name: &str, patch: &Value) -> Result<(), CallError> {
        let parameters = PatchParams { field_manager: manager(), ..PatchParams::default() };
        timely(self.maps.patch(name, &parameters, &Patch::Merge(patch))).await.map(drop)
    }
}

async fn client_config(access: &Access) -> Result<kube::Config, String> {
    match access {
        Access::ServiceAccount => kube::Config::incluster().map_err(|error| error.to_string()),
        Access::Kubeconfig { path, context } => {
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let file = path.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(|error| error.to_string())?;
            kube::Config::from_custom_kubeconfig(file, &options).await.map_err(|error| error.to_string())
        }
    }
}

fn manager() -> Option<String> {
    Some(FIELD_MANAGER.to_owned())
}

pub(super) async fn timely<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, CallError> {
    Ok(timeout(PATIENCE, call).await.map_err(|_| CallError::Silent)??)
}

pub(super) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.is_not_found())
}

pub(super) fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.is_forbidden())
}

/// Gone, there already, or another version.
fn is_overtaken(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.is_not_found() || status.is_already_exists() || status.is_conflict())
}
