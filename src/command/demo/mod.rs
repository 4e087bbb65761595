//! `doorstep demo`: the whole thing on one machine, explained as it goes, then left running to be asked with dig.

mod ask;
mod pages;
mod tour;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::app::{self, App, StartError};
use crate::command::terminal::{complain, print};
use crate::config::args::DemoArgs;
use crate::config::{Config, Limits, Queries};
use crate::lifecycle::Drain;
use crate::listen;
use crate::redirect::{DnsService, desired};
use crate::rules::{self, RuleAnswer, RuleConfig};
use crate::telemetry::{self, Format, LogConfig};
use crate::upstream::{Bounds, GroupConfig, Server, Timing, Trust};
use crate::wire::Name;
use crate::{cache, coalesce};
use tour::{LEAK, heading};
use upstream::{KUBERNETES, OUTSIDE, Upstream};

/// Shows itself, then serves until Ctrl-C.
pub fn run(args: &DemoArgs) -> ExitCode {
    let outcome = show(args);
    outcome.unwrap_or_else(|error| {
        complain(format_args!("doorstep demo: {error}"));
        ExitCode::FAILURE
    })
}

fn show(args: &DemoArgs) -> Result<ExitCode, String> {
    // What the tour provokes is no news; only what is really wrong should break into it.
    let log = LogConfig { format: Format::Text, level: "error".to_owned() };
    telemetry::init(&log).map_err(|error| error.to_string())?;
    let upstream = Upstream::start().map_err(|error| format!("the embedded upstream does not start: {error}"))?;
    let app = app::start(configuration(args.port, upstream.address), None).map_err(|error| explain(error, args.port))?;
    let (server, admin, once) = (listener(&app), app.admin(), args.once);
    // Beside the main thread, which waits for Ctrl-C: the tour may be left at any moment.
    thread::Builder::new()
        .name("tour".to_owned())
        .spawn(move || match guide(server, admin, upstream, once) {
            Ok(_) if once => std::process::exit(0),
            // Kept until the process ends: dig is answered through it.
            Ok(upstream) => std::mem::forget(upstream),
            Err(error) => {
                complain(format_args!("doorstep demo: {error}"));
                std::process::exit(1);
            }
        })
        .map_err(|error| error.to_string())?;
    let code = app.wait();
    print(format_args!("\nStopped."));
    Ok(code)
}

fn guide(server: SocketAddr, admin: SocketAddr, upstream: Upstream, once: bool) -> Result<Upstream, String> {
    print(format_args!("doorstep answers on {server}; behind it, in place of CoreDNS, an embedded server on {}.", upstream.address));
    pages::await_readiness(admin)?;
    let upstream = tour::walk(server, upstream, &|| pages::page(admin, "/metrics"))?;
    show_policy()?;
    if !once {
        show_next_steps(server, admin);
    }
    Ok(upstream)
}

fn show_policy() -> Result<(), String> {
    heading(
        "The policy it would emit",
        "On a cluster, once ready: Cilium then redirects kube-dns on each node to the doorstep pod of that node, and back where it fails.",
    );
    let yaml = serde_saphyr::to_string(&desired(&DnsService::standard())).map_err(|error| error.to_string())?;
    for line in yaml.lines() {
        print(format_args!("  {line}"));
    }
    Ok(())
}

fn show_next_steps(server: SocketAddr, admin: SocketAddr) {
    heading("Your turn", "It keeps serving; Ctrl-C ends it.");
    let port = server.port();
    for (name, meaning) in [
        (KUBERNETES.0, "a cluster name, and who answered it"),
        (OUTSIDE.0, "a name of the outside world"),
        (LEAK, "blackholed by a rule"),
        ("nowhere.cluster.local.", "NXDOMAIN, remembered for 5 s"),
    ] {
        print(format_args!("  dig @127.0.0.1 -p {port} +nsid {name:<40} # {meaning}"));
    }
    print(format_args!("  curl http://{admin}/status"));
    print(format_args!("  curl http://{admin}/metrics"));
}

fn configuration(port: u16, upstream: SocketAddr) -> Config {
    let root = |text: &str| Name::parse(text).expect("the demo's names are well formed");
    let leaks = root(LEAK_SUFFIX);
    let rule = RuleConfig { suffix: leaks, answer: RuleAnswer::NxDomain };
    let cluster_domain = root("cluster.local.");
    Config {
        listen: listen::Config {
            addresses: vec![(Ipv4Addr::LOCALHOST, port).into()],
            workers: 1,
            tcp_connections: 64,
            tcp_connections_per_client: 64,
            tcp_idle: Duration::from_secs(10),
            rate: None,
        },
        admin: (Ipv4Addr::LOCALHOST, 0).into(),
        cache: cache::Config::default(),
        limits: Limits { waiting: coalesce::Limits::default(), upstream_connections: Bounds::CONNECTIONS },
        queries: Queries {
            upstream_service: false,
            rotate: true,
            groups: vec![GroupConfig {
                name: "default".to_owned(),
                servers: vec![Server::Tcp(upstream)],
                endpoints: None,
                trust: Trust::default(),
                timing: Timing::default(),
            }],
            rules: rules::Config { zones: Vec::new(), rules: vec![rule], cluster_domain: cluster_domain.clone() },
        },
        log: LogConfig::default(),
        // Nobody else asks the demo: Ctrl-C ends it at once.
        drain: Drain { at_least: Duration::ZERO, quiet: Duration::ZERO, at_most: Duration::ZERO },
        identity: "doorstep-demo".to_owned(),
        cluster_domain,
        kubernetes: None,
        source: None,
        hash: String::new(),
    }
}

/// The suffix that the demo's rule blackholes.
const LEAK_SUFFIX: &str = "corp.example.";

fn listener(app: &App) -> SocketAddr {
    *app.addresses().first().expect("the demo configures one address")
}

fn explain(error: StartError, port: u16) -> String {
    match error {
        StartError::Listen(error) if port != 0 => {
            format!("port {port} cannot be had: {}; choose another with --port, or leave --port out to be given a free one", error.source)
        }
        other => other.to_string(),
    }
}
