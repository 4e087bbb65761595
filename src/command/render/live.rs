//! `doorstep render … --live`: what the flags would say, asked of the cluster.

use crate::command::status::at_cluster;
use crate::config::args::Output;
use crate::config::operator::ClusterArgs;
use crate::config::render::{RenderArgs, ServiceArgs, live_port_names, live_selector};
use crate::k8s::{Operator, OperatorError};
use crate::redirect::{DnsService, Protocol, Texts};

/// The flags, those that the cluster knows filled in where it was to be asked.
///
/// # Errors
/// The cluster does not answer, or has a Service that the manifests cannot be written for.
pub(super) fn asked(args: &RenderArgs) -> Result<RenderArgs, String> {
    let mut args = args.clone();
    let (RenderArgs::Policy(service) | RenderArgs::Manifests(crate::config::render::ManifestArgs { service, .. })) = &args;
    if !service.live {
        return Ok(args);
    }
    let (dns, labels) = ask(service).map_err(|error| error.to_string())?;
    match &mut args {
        RenderArgs::Policy(service) => fill(service, &dns)?,
        RenderArgs::Manifests(args) => {
            fill(&mut args.service, &dns)?;
            let mut labels = labels.iter();
            let (Some((key, value)), None) = (labels.next(), labels.next()) else {
                return Err(format!("Service {} does not select by one label; say it with --selector, and the ports by flags", dns.name));
            };
            args.selector = live_selector(key, value)?;
        }
    }
    Ok(args)
}

fn ask(service: &ServiceArgs) -> Result<(DnsService, Texts), OperatorError> {
    let cluster = ClusterArgs {
        kubeconfig: service.kubeconfig.clone(),
        context: service.context.clone(),
        namespace: service.namespace.clone(),
        daemonset: String::new(),
        dns_service: service.service.clone(),
        output: Output::Text,
    };
    at_cluster(&cluster, async |operator: Operator| operator.dns_service().await)
}

fn fill(service: &mut ServiceArgs, dns: &DnsService) -> Result<(), String> {
    let port = |protocol| dns.ports.iter().find(|port| port.2 == protocol);
    let (Some(udp), Some(tcp)) = (port(Protocol::Udp), port(Protocol::Tcp)) else {
        return Err(format!("Service {} does not have port 53 over both UDP and TCP", dns.name));
    };
    if udp.1 != tcp.1 {
        return Err(format!("Service {} sends UDP to port {} and TCP to port {}; doorstep answers both on one", dns.name, udp.1, tcp.1));
    }
    service.port_names = live_port_names(&udp.0, &tcp.0)?;
    service.target_port = udp.1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::render::PortNames;

    fn service() -> ServiceArgs {
        let port_names = PortNames { udp: "dns".to_owned(), tcp: "dns-tcp".to_owned() };
        let (namespace, name) = ("kube-system".to_owned(), "kube-dns".to_owned());
        ServiceArgs { namespace, service: name, port_names, target_port: 53, live: true, kubeconfig: None, context: None }
    }

    fn dns(ports: &[(&str, u16, Protocol)]) -> DnsService {
        let ports = ports.iter().map(|(name, number, protocol)| ((*name).to_owned(), *number, *protocol)).collect();
        DnsService { name: "kube-dns".to_owned(), namespace: "kube-system".to_owned(), ports }
    }

    #[test]
    fn names_and_port_are_the_services_own() {
        let mut filled = service();
        fill(&mut filled, &dns(&[("tcp-53", 5353, Protocol::Tcp), ("udp-53", 5353, Protocol::Udp)])).unwrap();
        assert_eq!((filled.port_names.udp.as_str(), filled.port_names.tcp.as_str(), filled.target_port), ("udp-53", "tcp-53", 5353));
    }

    #[test]
    fn a_service_that_no_manifest_can_be_written_for_is_told() {
        for (ports, words) in [
            (&[("dns", 53, Protocol::Udp)][..], "both UDP and TCP"),
            (&[("dns", 53, Protocol::Udp), ("dns-tcp", 54, Protocol::Tcp)][..], "on one"),
            (&[("", 53, Protocol::Udp), ("dns-tcp", 53, Protocol::Tcp)][..], "no port name"),
        ] {
            let error = fill(&mut service(), &dns(ports)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
