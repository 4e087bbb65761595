//! Every mistake has its place and its cure; flags override the file; what README shows is what is read.

mod flags;
mod mistakes;
mod reload;
mod well;

use std::path::PathBuf;

use super::args::{Environment, ServeArgs};
use super::{Config, ConfigError, join};

/// What the kubelet and the machine would say.
fn environment() -> Environment {
    Environment {
        pod_name: Some("doorstep-x7k2p".to_owned()),
        namespace: Some("kube-system".to_owned()),
        service_account: true,
        host_name: Some("node-1".to_owned()),
        upstream_host: Some("10.96.0.20".to_owned()),
        upstream_port: Some("53".to_owned()),
        pod_ips: None,
        host_ips: None,
        gateways: Vec::new(),
        template_generation: None,
        ipv6: true,
        cores: 8,
    }
}

fn args() -> ServeArgs {
    ServeArgs { environment: environment(), ..ServeArgs::default() }
}

/// `args` with a file of this content.
fn join(args: &ServeArgs, content: &str) -> Result<Config, ConfigError> {
    let args = ServeArgs { config: Some(PathBuf::from("doorstep.yaml")), ..args.clone() };
    join::join(&args, Some(content.as_bytes()))
}
