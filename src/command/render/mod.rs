//! `doorstep render`: prints YAML that `kubectl apply -f -` takes.

mod manifests;

use std::process::ExitCode;

use super::terminal::{complain, print};
use crate::config::render::{RenderArgs, ServiceArgs};
use crate::redirect::{DnsService, Protocol, desired};

/// Prints the policy or the manifests. Exit code 0.
pub fn run(args: &RenderArgs) -> ExitCode {
    match render(args) {
        Ok(yaml) => {
            print(format_args!("{}", yaml.trim_end()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(format_args!("doorstep: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn render(args: &RenderArgs) -> Result<String, serde_saphyr::ser::Error> {
    match args {
        RenderArgs::Policy(service) => serde_saphyr::to_string(&desired(&dns_service(service))),
        RenderArgs::Manifests(args) => Ok(manifests::render(args)),
    }
}

fn dns_service(args: &ServiceArgs) -> DnsService {
    let names = &args.port_names;
    DnsService {
        name: args.service.clone(),
        namespace: args.namespace.clone(),
        ports: vec![(names.udp.clone(), args.target_port, Protocol::Udp), (names.tcp.clone(), args.target_port, Protocol::Tcp)],
    }
}
