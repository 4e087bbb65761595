//! Flags of `doorstep render`, each checked before it comes near YAML.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Longest label of RFC 1123 §2.1, which names of namespaces and Services are.
const LONGEST_LABEL: usize = 63;
/// Longest service name of RFC 6335 §5.1, which names of ports are.
const LONGEST_PORT_NAME: usize = 15;

/// What to print.
#[derive(Clone, Debug, Subcommand)]
pub enum RenderArgs {
    /// The CiliumLocalRedirectPolicy that agents create
    Policy(ServiceArgs),
    /// Everything to install, for kubectl apply -f -
    Manifests(ManifestArgs),
}

/// Flags that say what the DNS Service is like.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs {
    /// Namespace of the DNS Service; doorstep must run there too
    #[arg(long, value_name = "NAME", value_parser = label, default_value = "kube-system")]
    pub namespace: String,
    /// Name of the DNS Service
    #[arg(long, value_name = "NAME", value_parser = label, default_value = "kube-dns")]
    pub service: String,
    /// Names of its UDP and its TCP port
    #[arg(long, value_name = "UDP,TCP", value_parser = port_names, default_value = "dns,dns-tcp")]
    pub port_names: PortNames,
    /// Its targetPort as a number: the port of CoreDNS' container, where doorstep listens as well
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 53)]
    pub target_port: u16,
    /// Ask the cluster for the Service's ports, and for its selector
    #[arg(long, conflicts_with_all = ["port_names", "target_port"])]
    pub live: bool,
    /// With --live: the kubeconfig [default: KUBECONFIG, else the one in the home directory]
    #[arg(long, value_name = "FILE", requires = "live")]
    pub kubeconfig: Option<PathBuf>,
    /// With --live: the context in it [default: the current one]
    #[arg(long, value_name = "NAME", requires = "live")]
    pub context: Option<String>,
}

/// Flags of `doorstep render manifests`.
#[derive(Args, Clone, Debug)]
pub struct ManifestArgs {
    /// The DNS Service.
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Label by which the DNS Service selects CoreDNS' pods
    #[arg(long, value_name = "KEY=VALUE", value_parser = selector, default_value = "k8s-app=kube-dns", conflicts_with = "live")]
    pub selector: Selector,
    /// The cluster's own zone
    #[arg(long, value_name = "NAME", value_parser = zone, default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Image to run
    #[arg(long, value_name = "IMAGE", value_parser = image, default_value = concat!("doorstep:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Namespace where Cilium runs
    #[arg(long, value_name = "NAME", value_parser = label, default_value = "kube-system")]
    pub cilium_namespace: String,
}

/// Names of the DNS Service's ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNames {
    /// Of the UDP port.
    pub udp: String,
    /// Of the TCP port.
    pub tcp: String,
}

/// A label: key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// With its prefix, if any.
    pub key: String,
    /// Never empty.
    pub value: String,
}

pub(super) fn label(text: &str) -> Result<String, String> {
    let edges = !text.starts_with('-') && !text.ends_with('-');
    let letters = text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if text.is_empty() || text.len() > LONGEST_LABEL || !edges || !letters {
        return Err(format!(
            "not a name in Kubernetes, which has 1 to {LONGEST_LABEL} of a-z, 0-9 and inner hyphens; write it like kube-system"
        ));
    }
    Ok(text.to_owned())
}

/// What a live Service selects by, as the flag would say it.
///
/// # Errors
/// What is wrong with it.
pub fn live_selector(key: &str, value: &str) -> Result<Selector, String> {
    selector(&format!("{key}={value}"))
}

/// What a live Service calls its ports, as the flag would say it.
///
/// # Errors
/// What is wrong with the names.
pub fn live_port_names(udp: &str, tcp: &str) -> Result<PortNames, String> {
    port_names(&format!("{udp},{tcp}"))
}

fn port_names(text: &str) -> Result<PortNames, String> {
    let name = |text: &str| {
        let known = label(text).ok().filter(|name| name.len() <= LONGEST_PORT_NAME && name.contains(|letter: char| letter.is_alphabetic()));
        known.ok_or_else(|| {
            format!("`{text}` is no port name: 1 to {LONGEST_PORT_NAME} of a-z, 0-9 and inner hyphens, with a letter; write it like `dns`")
        })
    };
    let (udp, tcp) = text.split_once(',').ok_or("two names with a comma between, the UDP port's first: dns,dns-tcp")?;
    if udp == tcp {
        return Err("the two ports of a Service have different names, such as dns,dns-tcp".to_owned());
    }
    Ok(PortNames { udp: name(udp)?, tcp: name(tcp)? })
}

fn selector(text: &str) -> Result<Selector, String> {
    let well = |part: &str, inner: &str| {
        let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        edge(part.chars().next())
            && edge(part.chars().next_back())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || inner.contains(letter))
    };
    match text.split_once('=') {
        Some((key, value)) if well(key, "-_./") && well(value, "-_.") => Ok(Selector { key: key.to_owned(), value: value.to_owned() }),
        _ => Err("a label and its value, such as k8s-app=kube-dns".to_owned()),
    }
}

fn zone(text: &str) -> Result<String, String> {
    let name = super::file::cluster_domain(text)?.to_string();
    let zone = name.trim_end_matches('.');
    // What a Service's name may contain, so that nothing in it means anything to YAML.
    zone.split('.').try_for_each(|part| label(part).map(drop))?;
    Ok(zone.to_owned())
}

fn image(text: &str) -> Result<String, String> {
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if !starts || text.ends_with(':') || !text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./:@".contains(letter)) {
        return Err("not an image, such as registry.example/doorstep:0.1.0".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_would_refuse_is_refused_before_it_is_printed() {
        for bad in ["", "-a", "a-", "Kube", "a.b", "a b", "a\nb", &"a".repeat(64)] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
        for bad in ["dns", "dns,dns", "dns,", "53,54", "dns,dns-over-tcp-port", "dns,a: b"] {
            assert!(port_names(bad).is_err(), "{bad:?}");
        }
        for bad in ["a", "a=", "=b", "a=b/c", "a=b c", "a: b=c"] {
            assert!(selector(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "doorstep:", "door step", "doorstep # x", "\"doorstep\""] {
            assert!(image(bad).is_err(), "{bad:?}");
        }
        for bad in ["a b", "a: b.c", "."] {
            assert!(zone(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_clusters_really_use_is_taken() {
        assert_eq!(label("rke2-coredns-rke2-coredns").unwrap(), "rke2-coredns-rke2-coredns");
        assert_eq!(port_names("udp-53,tcp-53").unwrap(), PortNames { udp: "udp-53".to_owned(), tcp: "tcp-53".to_owned() });
        let daemonset = Selector { key: "dns.operator.openshift.io/daemonset-dns".to_owned(), value: "default".to_owned() };
        assert_eq!(selector("dns.operator.openshift.io/daemonset-dns=default").unwrap(), daemonset);
        assert_eq!(zone("Cluster.Example.").unwrap(), "cluster.example");
        assert_eq!(image("registry.example:5000/dns/doorstep@sha256:00ff").unwrap(), "registry.example:5000/dns/doorstep@sha256:00ff");
    }
}
