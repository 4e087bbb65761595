//! Where kube-dns itself answers: asked for only where this node's way to the upstream seems cut.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};

use super::Config;
use super::account::{Account, Call};
use super::cluster::{CallError, Cluster, timely};
use super::{read, watches};
use crate::redirect::{Protocol, UPSTREAM_SERVICE};

/// The label of an EndpointSlice by which its Service is found.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// The API server, as an agent asks it that does not get through to its upstream.
pub struct Endpoints {
    cluster: Cluster,
    account: Account,
}

impl Endpoints {
    /// Prepares a client; nothing is asked yet. `None`: there is no way to the API server, which the account tells.
    pub async fn connect(config: &Config, account: &Account) -> Option<Self> {
        match Cluster::connect(config.clone()).await {
            Ok(cluster) => Some(Self { cluster, account: account.clone() }),
            Err(error) => {
                account.failed(Call::Endpoints, &error.to_string());
                None
            }
        }
    }

    /// Where the DNS Service's own pods that are ready take queries over this protocol, in both families; the Service
    /// `kube-dns-upstream` is looked at too, for it may have been made anew. `None`: the API server did not answer, which the account tells.
    pub async fn find(&self, protocol: Protocol) -> Option<Vec<SocketAddr>> {
        match self.cluster.endpoints(protocol).await {
            Ok((upstream, endpoints)) => {
                self.account.done(Call::Endpoints);
                self.account.note_upstream(&upstream);
                Some(endpoints)
            }
            Err(error) => {
                self.account.failed(Call::Endpoints, &error.to_string());
                None
            }
        }
    }

    /// Tells the account where the Service `kube-dns-upstream` is, whenever that changes, until dropped.
    pub async fn follow_upstream(self) {
        watches::follow_upstream(&self.cluster, &self.account, |_| false).await;
    }
}

impl Cluster {
    /// The addresses of the Service `kube-dns-upstream`, and those of the DNS Service's endpoints.
    pub(super) async fn endpoints(&self, protocol: Protocol) -> Result<(Vec<IpAddr>, Vec<SocketAddr>), CallError> {
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.config.namespace);
        // From the API server's memory: many agents may ask at once, and none of them acts on the cluster.
        let of_service = ListParams::default().labels(&format!("{SERVICE_LABEL}={}", self.config.dns_service)).match_any();
        let (slices, dns, upstream) =
            tokio::try_join!(timely(slices.list(&of_service)), self.service(&self.config.dns_service), self.service(UPSTREAM_SERVICE))?;
        let upstream = read::service(upstream.as_ref(), &[]).map(|service| service.addresses).unwrap_or_default();
        let port = read::port_name(dns.as_ref(), protocol);
        let endpoints = port.map(|port| slices.items.iter().flat_map(|slice| read::endpoints(slice, &port, protocol)).collect());
        Ok((upstream, endpoints.unwrap_or_default()))
    }
}
