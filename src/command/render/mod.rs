//! `doorstep render`: prints YAML that `kubectl apply -f -` takes.

mod live;
mod manifests;

use std::process::ExitCode;

use super::terminal::{complain, print};
use crate::config::render::{RenderArgs, ServiceArgs};
use crate::redirect::{DnsService, Protocol, desired};

/// Prints the policy or the manifests. Exit codes: 0, and 1 where the cluster was to be asked and does not say.
pub fn run(args: &RenderArgs) -> ExitCode {
    let args = match live::asked(args) {
        Ok(args) => args,
        Err(error) => {
            complain(format_args!("doorstep: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match render(&args) {
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
