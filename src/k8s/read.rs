//! Kubernetes' objects as the redirect side's own types. Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};

use crate::redirect::{
    DnsService, ENABLE_KEY, Owner, People, Protocol, SPEC_ANNOTATION, SeenCilium, SeenPolicy, SeenService, State, Texts, Unknown, Versioned,
};

/// The annotation by which a DaemonSet counts its templates, and its controller the label of its pods.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Where clients ask.
pub(super) const DNS_PORT: u16 = 53;

/// The resource of CiliumLocalRedirectPolicy.
pub(super) fn policies() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("cilium.io", "v2", "CiliumLocalRedirectPolicy"), "ciliumlocalredirectpolicies")
}

pub(super) fn people(map: Option<&ConfigMap>) -> Result<People, Unknown> {
    let map = map.ok_or(Unknown::Missing)?;
    let none = Texts::new();
    People::read(map.data.as_ref().unwrap_or(&none), map.metadata.annotations.as_ref().unwrap_or(&none))
}

pub(super) fn state(map: Option<&ConfigMap>) -> Result<Versioned, Unknown> {
    let map = map.ok_or(Unknown::Missing)?;
    let namespace = map.metadata.namespace.as_deref().unwrap_or_default();
    let state = State::read(map.data.as_ref().unwrap_or(&Texts::new()), namespace)?;
    Ok(Versioned { state, version: map.metadata.resource_version.clone().unwrap_or_default() })
}

pub(super) fn policy(object: &DynamicObject) -> SeenPolicy {
    let frontend = &object.data["spec"]["redirectFrontend"];
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let owners = object.metadata.owner_references.iter().flatten();
    SeenPolicy {
        name: object.metadata.name.clone().unwrap_or_default(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        owner: owners.filter(|owner| owner.kind == "DaemonSet").map(|owner| owner.uid.clone()).next(),
        spec: object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(SPEC_ANNOTATION).cloned()),
        service: text(&frontend["serviceMatcher"]["serviceName"]),
        address: text(&frontend["addressMatcher"]["ip"]).and_then(|ip| ip.parse().ok()),
        deleting: object.metadata.deletion_timestamp.is_some(),
        created: object
            .metadata
            .creation_timestamp
            .as_ref()
            .and_then(|time| u64::try_from(time.0.as_second()).ok())
            .map(Duration::from_secs),
    }
}

/// The agents as their DaemonSet describes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fleet {
    /// `None`: gone or going.
    pub(super) owner: Option<Owner>,
    /// Pods wanted, pods of the newest template, pods available.
    pub(super) wanted: u32,
    pub(super) updated: u32,
    pub(super) available: u32,
    /// Whether the numbers are of the newest template.
    pub(super) observed: bool,
    /// The newest template's generation, as the pods' label has it.
    pub(super) template: Option<String>,
    /// What the containers declare.
    pub(super) ports: Vec<(String, u16, Protocol)>,
}

impl Fleet {
    pub(super) fn settled(&self) -> bool {
        self.observed && self.updated == self.wanted && self.available == self.wanted
    }
}

pub(super) fn fleet(set: Option<&DaemonSet>) -> Fleet {
    let Some(set) = set else { return Fleet::default() };
    let (name, uid) = (set.metadata.name.clone().unwrap_or_default(), set.metadata.uid.clone().unwrap_or_default());
    let pod = set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let declared = pod.iter().flat_map(|pod| &pod.containers).flat_map(|container| container.ports.iter().flatten());
    let count = |count: i32| u32::try_from(count).unwrap_or(0);
    let status = set.status.clone().unwrap_or_default();
    Fleet {
        owner: set.metadata.deletion_timestamp.is_none().then_some(Owner { name, uid }),
        wanted: count(status.desired_number_scheduled),
        updated: count(status.updated_number_scheduled.unwrap_or(0)),
        available: count(status.number_available.unwrap_or(0)),
        observed: status.observed_generation == set.metadata.generation,
        template: set.metadata.annotations.as_ref().and_then(|annotations| annotations.get(TEMPLATE_GENERATION).cloned()),
        ports: declared
            .filter_map(|port| {
                let number = u16::try_from(port.container_port).ok()?;
                Some((port.name.clone().unwrap_or_default(), number, protocol(port.protocol.as_deref())?))
            })
            .collect(),
    }
}

/// Cilium's DaemonSet and ConfigMap.
pub(super) fn cilium(set: Option<&DaemonSet>, map: Option<&ConfigMap>) -> Result<SeenCilium, Unknown> {
    let set = set.ok_or(Unknown::Missing)?;
    let containers = set.spec.iter().filter_map(|spec| spec.template.spec.as_ref()).flat_map(|pod| &pod.containers);
    let named = containers.filter(|container| container.name == "cilium-agent").find_map(|container| container.image.clone());
    let status = set.status.clone().unwrap_or_default();
    Ok(SeenCilium {
        image: named.ok_or_else(|| Unknown::Garbled("DaemonSet cilium has no container cilium-agent".to_owned()))?,
        rolling: status.observed_generation != set.metadata.generation
            || status.updated_number_scheduled.unwrap_or(0) < status.desired_number_scheduled,
        enabled: map.and_then(|map| map.data.as_ref()?.get(ENABLE_KEY).cloned()),
    })
}

/// `declared`: the agents' container ports, among which a targetPort that is a name finds its number.
pub(super) fn service(service: Option<&Service>, declared: &[(String, u16, Protocol)]) -> Result<SeenService, Unknown> {
    let service = service.ok_or(Unknown::Missing)?;
    let spec = service.spec.as_ref().ok_or_else(|| Unknown::Garbled("it has no spec".to_owned()))?;
    let ports = spec.ports.iter().flatten().filter(|port| port.port == i32::from(DNS_PORT)).filter_map(|port| {
        let (name, protocol) = (port.name.clone().unwrap_or_default(), protocol(port.protocol.as_deref())?);
        let named = || declared.iter().find(|(declared, _, of)| *declared == name && *of == protocol).map(|(_, number, _)| *number);
        let number = match &port.target_port {
            Some(IntOrString::Int(number)) => u16::try_from(*number).ok()?,
            Some(IntOrString::String(_)) => named().unwrap_or(DNS_PORT),
            None => DNS_PORT,
        };
        Some((name, number, protocol))
    });
    let dns = DnsService {
        name: service.metadata.name.clone().unwrap_or_default(),
        namespace: service.metadata.namespace.clone().unwrap_or_default(),
        ports: ports.collect(),
    };
    let addresses = spec.cluster_ips.iter().flatten().filter_map(|ip| ip.parse::<IpAddr>().ok()).collect();
    Ok(SeenService { dns, addresses })
}

/// The name of the DNS Service's port 53 of this protocol, by which its endpoints have their own number.
pub(super) fn port_name(service: Option<&Service>, protocol: Protocol) -> Option<String> {
    let is_it = |port: &&ServicePort| port.port == i32::from(DNS_PORT) && self::protocol(port.protocol.as_deref()) == Some(protocol);
    let port = service?.spec.as_ref()?.ports.iter().flatten().find(is_it)?;
    Some(port.name.clone().unwrap_or_default())
}

/// Where the endpoints that are ready take queries. Not said counts as ready, as the API has it.
pub(super) fn endpoints(slice: &EndpointSlice, port: &str, protocol: Protocol) -> Vec<SocketAddr> {
    let is_it =
        |of: &&EndpointPort| of.name.as_deref().unwrap_or_default() == port && self::protocol(of.protocol.as_deref()) == Some(protocol);
    let number = slice.ports.iter().flatten().find(is_it).and_then(|port| u16::try_from(port.port?).ok());
    let Some(number) = number else { return Vec::new() };
    let is_ready = |endpoint: &&Endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false);
    let addresses = slice.endpoints.iter().filter(is_ready).flat_map(|endpoint| &endpoint.addresses);
    addresses.filter_map(|address| Some(SocketAddr::new(address.parse().ok()?, number))).collect()
}

/// TCP where nothing is said; others are none of ours.
fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        Some("UDP") => Some(Protocol::Udp),
        None | Some("TCP") => Some(Protocol::Tcp),
        Some(_) => None,
    }
}
