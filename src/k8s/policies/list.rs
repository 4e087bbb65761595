//! Network policies, page by page. Anybody with a namespace writes them, and agents have little memory: no page is larger than
//! [`PAGE_OCTETS`], and what is kept of it is what matters for DNS.

use std::collections::BTreeMap;

use futures_util::AsyncReadExt;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind, Request};
use kube::{Error, Resource};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::k8s::cluster::{CallError, Cluster, is_forbidden, is_not_found, timely};
use crate::redirect::network_policies::{Garbled, Kind, NetworkPolicy};

/// Objects a page.
pub(super) const PAGE: u32 = 500;
/// Octets a page; where one has more it is asked for again, a tenth as long.
const PAGE_OCTETS: u64 = 4 << 20;

const KINDS: [Kind; 3] = [Kind::NetworkPolicy, Kind::CiliumNetworkPolicy, Kind::CiliumClusterwideNetworkPolicy];

/// What was read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) policies: Vec<NetworkPolicy>,
    /// What could not be read or understood.
    pub(super) unknown: Vec<String>,
    octets: u64,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<Item>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    token: Option<String>,
}

/// What is not here, such as managed fields, is most of an object.
#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    specs: Value,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Cluster {
    /// Reads all policies, but none after so many octets.
    ///
    /// # Errors
    /// The API server does not answer. What it refuses is told as unknown.
    pub(super) async fn read_policies(&self, most: u64) -> Result<Read, CallError> {
        let mut read = Read::default();
        for kind in KINDS {
            let resource = resource(kind);
            match self.read_kind(kind, &resource, most, &mut read).await {
                // Without Cilium's CRDs there are no such policies.
                Err(CallError::Api(error)) if is_not_found(&error) => {}
                done => drop(permitted(done, &resource.plural, &mut read.unknown)?),
            }
        }
        Ok(read)
    }

    async fn read_kind(&self, kind: Kind, resource: &ApiResource, most: u64, read: &mut Read) -> Result<(), CallError> {
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            let Some(text) = self.page(resource, &parameters).await? else {
                let limit = parameters.limit.unwrap_or(PAGE);
                if limit == 1 {
                    read.unknown.push(format!("one of the {} is larger than {PAGE_OCTETS} octets", resource.plural));
                    return Ok(());
                }
                parameters = parameters.limit((limit / 10).max(1));
                continue;
            };
            read.octets += text.len() as u64;
            let page: Page = serde_json::from_slice(&text).map_err(Error::SerdeError)?;
            for item in page.items {
                match understood(kind, item) {
                    Ok(policy) => read.policies.push(policy),
                    Err(garbled) => read.unknown.push(garbled.to_string()),
                }
            }
            match page.metadata.token.filter(|token| !token.is_empty()) {
                Some(_) if read.octets >= most => {
                    read.unknown.push(format!("there are more {} than an agent reads: doorstep preflight reads all", resource.plural));
                    return Ok(());
                }
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// `None`: it has more than [`PAGE_OCTETS`].
    async fn page(&self, resource: &ApiResource, parameters: &ListParams) -> Result<Option<Vec<u8>>, CallError> {
        let request = Request::new(DynamicObject::url_path(resource, None)).list(parameters).map_err(Error::BuildRequest)?;
        let whole = async {
            let mut text = Vec::new();
            let page = self.client.request_stream(request).await?;
            page.take(PAGE_OCTETS + 1).read_to_end(&mut text).await.map_err(Error::ReadEvents)?;
            Ok(text)
        };
        let text = timely(whole).await?;
        Ok((text.len() as u64 <= PAGE_OCTETS).then_some(text))
    }
}

/// What may not be read is not known; only an API server that does not answer is an error.
pub(super) fn permitted(done: Result<(), CallError>, what: &str, unknown: &mut Vec<String>) -> Result<bool, CallError> {
    match done {
        Ok(()) => Ok(true),
        Err(CallError::Api(error)) if is_forbidden(&error) => {
            unknown.push(format!("{what} may not be read: that takes the permission to list {what} in all namespaces"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn understood(kind: Kind, Item { metadata, spec, specs }: Item) -> Result<NetworkPolicy, Garbled> {
    let metadata = json!({ "name": metadata.name, "namespace": metadata.namespace, "annotations": metadata.annotations });
    NetworkPolicy::read(kind, &json!({ "metadata": metadata, "spec": spec, "specs": specs }))
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
