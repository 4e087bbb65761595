//! Flags of the commands that ask a cluster, under a person's own rights.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::args::Output;
use crate::k8s::{CiliumConfig, CiliumVersion, read_drain_over};

pub(super) const PREFLIGHT: &str = "\
Network policies are enforced after the redirect, against the pod that answers. A policy that lets pods reach kube-dns by its labels \
alone takes DNS from them once it is redirected. Policies add up for each pod, so it is pods that are judged, before and after.

It reads, with your own rights: network policies, CiliumNetworkPolicies, CiliumClusterwideNetworkPolicies, namespaces and pods of all \
namespaces. What it may not read is told as unknown. It changes nothing.

It judges as the agents do, by the section `redirect` of their configuration: the one in ConfigMap doorstep, or of --config. What \
`accept_network_policies: true` accepts there is told and is not in the way.

Who knows what a policy does to DNS, and wants it so, annotates it: doorstep.dev/acknowledged=true

Exit codes:
  0   nothing is in the way
  1   something is, or may be; or the cluster does not answer
  64  wrong usage";

/// Which cluster a person means.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// The kubeconfig [default: KUBECONFIG, else the one in the home directory]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in it [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace of doorstep and the DNS Service
    #[arg(long, short, value_name = "NAME", default_value = "kube-system")]
    pub namespace: String,
    /// The agents' DaemonSet
    #[arg(long, value_name = "NAME", default_value = "doorstep")]
    pub daemonset: String,
    /// The Service that is redirected
    #[arg(long, value_name = "NAME", default_value = "kube-dns")]
    pub dns_service: String,
    /// For people or for scripts
    #[arg(long, value_enum, value_name = "text|json", default_value = "text", hide_possible_values = true)]
    pub output: Output,
}

/// Flags of `doorstep preflight`.
#[derive(Args, Clone, Debug)]
pub struct PreflightArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// The agents' configuration file, where the cluster does not have it yet [default: ConfigMap doorstep, where it may be read]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The namespace of Cilium [default: what the configuration says, else kube-system]
    #[arg(long, value_name = "NAME")]
    pub cilium_namespace: Option<String>,
    /// Cilium's version, where neither the image's tag nor the configuration tells
    #[arg(long, value_name = "VERSION", value_parser = cilium_version)]
    pub cilium_version: Option<CiliumVersion>,
}

impl PreflightArgs {
    /// What the agents are told, these flags laid over it.
    #[must_use]
    pub fn over(&self, told: CiliumConfig) -> CiliumConfig {
        CiliumConfig {
            namespace: self.cilium_namespace.clone().unwrap_or(told.namespace),
            version: self.cilium_version.or(told.version),
            ..told
        }
    }
}

/// Flags of `doorstep status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Flags of `doorstep redirect`.
#[derive(Args, Clone, Debug)]
pub struct RedirectArgs {
    /// on: redirect, and end a hold; off: no policy; drain: no policy once the agents have left one by one; status: see how it stands
    #[arg(value_name = "on|off|drain|status", value_enum, hide_possible_values = true)]
    pub what: RedirectWish,
    /// With drain: the time in which the agents leave, 10s to 1day [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = read_drain_over)]
    pub over: Option<Duration>,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl RedirectArgs {
    /// Refuses a time where nothing takes any.
    pub(super) fn checked(self) -> Result<Self, clap::Error> {
        if self.over.is_some() && self.what != RedirectWish::Drain {
            let wrong = "--over says how long a drain takes; it goes with `redirect drain` alone\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, wrong));
        }
        Ok(self)
    }
}

/// What a person wants of the redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RedirectWish {
    /// Redirect, and end a hold
    On,
    /// No policy
    Off,
    /// No policy, once the agents have left one by one
    Drain,
    /// See how it stands
    Status,
}

fn cilium_version(text: &str) -> Result<CiliumVersion, String> {
    CiliumVersion::parse(text).ok_or_else(|| "a version is three numbers, such as 1.19.5".to_owned())
}
