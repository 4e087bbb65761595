//! argv and the environment: the only place where either is read.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::operator::{PreflightArgs, RedirectArgs, StatusArgs};
use super::render::RenderArgs;
use super::value;
use crate::lifecycle::Drain;
use crate::telemetry::Format;
use crate::upstream::Server;
use crate::wire::Name;

/// Where the kubelet mounts a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Wrong usage, as `sysexits.h` has it.
const USAGE: i32 = 64;

const ABOUT: &str = "\
A node-local DNS cache for Kubernetes clusters that run Cilium.

It answers the node's DNS queries from memory and asks the cluster's CoreDNS, over TCP, for what it does not know. It needs no \
privilege: it binds its ports, and that is all. Without a command it serves.";

const EXAMPLE: &str = "\
Example:
  doorstep --listen 127.0.0.1:5300 --upstream tcp://10.96.0.20:53 --admin 127.0.0.1:9253
  dig @127.0.0.1 -p 5300 kubernetes.default.svc.cluster.local

Each of these flags is a variable of the environment too: DOORSTEP_UPSTREAM for --upstream, several values with commas between.
A flag overrides the variable, the variable the file, the file the default.

Exit codes:
  0   well
  1   the thing asked failed: the file is wrong, a port is taken, …
  64  wrong usage: a flag, a value, a variable of the environment

Signals:
  SIGTERM, SIGINT  answer on for the time of --drain, then end; a second one ends at once
  SIGHUP           read the configuration file again";

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Answer DNS.
    Serve(Box<ServeArgs>),
    /// Check a file.
    Check(CheckArgs),
    /// Show the whole thing on one machine.
    Demo(DemoArgs),
    /// Print what is installed.
    Render(Box<RenderArgs>),
    /// What would go wrong.
    Preflight(PreflightArgs),
    /// What the cluster says.
    Status(StatusArgs),
    /// Switch the redirect, or see how it stands.
    Redirect(RedirectArgs),
}

#[derive(Debug, Parser)]
#[command(name = "doorstep", version, about = ABOUT, after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer DNS until told to stop (also without this word)
    #[command(after_help = EXAMPLE)]
    Serve(Box<ServeArgs>),
    /// Read a configuration file and name the line, the column and the cure of each mistake
    Check(CheckArgs),
    /// See it work on one machine: no cluster, nothing to install
    Demo(DemoArgs),
    /// Print YAML for kubectl apply -f -
    #[command(subcommand)]
    Render(Box<RenderArgs>),
    /// What would go wrong if DNS were redirected now: gates and network policies, each with its cure
    #[command(after_help = super::operator::PREFLIGHT)]
    Preflight(PreflightArgs),
    /// What the cluster says: switch, hold, policy, agents
    Status(StatusArgs),
    /// Switch the redirect of the whole cluster, or see how it stands
    Redirect(RedirectArgs),
}

/// Flags of `doorstep serve`; they override the file.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Configuration file (YAML); read again when its content changes
    #[arg(long, value_name = "FILE", env = "DOORSTEP_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Address to answer DNS on, UDP and TCP; may be given several times [default: port 53 of every address, IPv4 and, where there is any, IPv6]
    #[arg(long, value_name = "IP:PORT", value_parser = value::address, env = "DOORSTEP_LISTEN", value_delimiter = ',', hide_env = true)]
    pub listen: Vec<SocketAddr>,
    /// Server to ask, tcp://IP:PORT, udp://IP:PORT, tls://IP:PORT#NAME or quic://IP:PORT#NAME; may be given several times [default: Service kube-dns-upstream]
    #[arg(long, value_name = "URL", value_parser = value::server, env = "DOORSTEP_UPSTREAM", value_delimiter = ',', hide_env = true)]
    pub upstream: Vec<Server>,
    /// Address of /livez, /readyz, /status and /metrics [default: 0.0.0.0:9253]
    #[arg(long, value_name = "IP:PORT", value_parser = value::address, env = "DOORSTEP_ADMIN", hide_env = true)]
    pub admin: Option<SocketAddr>,
    /// Threads that answer, 1 to 64 [default: the cores there are, at most 2]
    #[arg(long, value_name = "N", value_parser = workers, env = "DOORSTEP_WORKERS", hide_env = true)]
    pub workers: Option<usize>,
    /// Whether to keep the redirect; auto: where the pod has a service account, or --kubeconfig is given
    #[arg(
        long,
        value_name = "auto|off",
        default_value = "auto",
        hide_possible_values = true,
        env = "DOORSTEP_KUBERNETES",
        hide_env = true
    )]
    pub kubernetes: Kubernetes,
    /// Reach the API server by this kubeconfig instead of the pod's service account
    #[arg(long, value_name = "FILE", env = "DOORSTEP_KUBECONFIG", hide_env = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The DaemonSet that owns the redirect [default: doorstep]
    #[arg(long, value_name = "NAME", env = "DOORSTEP_DAEMONSET", hide_env = true)]
    pub daemonset: Option<String>,
    /// The Service to redirect, in the pod's namespace [default: kube-dns]
    #[arg(long, value_name = "NAME", env = "DOORSTEP_DNS_SERVICE", hide_env = true)]
    pub dns_service: Option<String>,
    /// The cluster's own zone [default: cluster.local]
    #[arg(long, value_name = "NAME", value_parser = super::file::cluster_domain, env = "DOORSTEP_CLUSTER_DOMAIN", hide_env = true)]
    pub cluster_domain: Option<Name>,
    /// After SIGTERM, answer on for at least this long, at most 25s [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = drain, env = "DOORSTEP_DRAIN", hide_env = true)]
    pub drain: Option<Duration>,
    /// How a log line looks [default: text]
    #[arg(long, value_name = "text|json", value_enum, hide_possible_values = true, env = "DOORSTEP_LOG_FORMAT", hide_env = true)]
    pub log_format: Option<LogFormat>,
    /// error, warn, info, debug or trace, or directives such as info,doorstep::upstream=debug [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = value::log_level, env = "DOORSTEP_LOG_LEVEL", hide_env = true)]
    pub log_level: Option<String>,
    /// What the process finds around itself.
    #[clap(skip)]
    pub environment: Environment,
}

/// Flags of `doorstep check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The configuration file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// For people or for scripts
    #[arg(long, value_enum, value_name = "text|json", default_value = "text", hide_possible_values = true)]
    pub output: Output,
}

/// Flags of `doorstep demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Port on 127.0.0.1 to answer DNS on [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// End after the tour instead of serving on
    #[arg(long)]
    pub once: bool,
}

/// Whether to keep the redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Kubernetes {
    /// Where there is a way to the API server
    #[default]
    Auto,
    /// No cluster is needed, and none is asked
    Off,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For machines
    Json,
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        }
    }
}

/// How a command's result looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For scripts
    Json,
}

/// What the process finds around itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `POD_NAME`.
    pub pod_name: Option<String>,
    /// `POD_NAMESPACE`, else the service account's.
    pub namespace: Option<String>,
    /// `POD_IPS`, as the downward API has them: with commas.
    pub pod_ips: Option<String>,
    /// `HOST_IPS`: the node's, likewise.
    pub host_ips: Option<String>,
    /// Gateways of the pod's default routes; empty where no pod is known.
    pub gateways: Vec<IpAddr>,
    /// `POD_TEMPLATE_GENERATION`, as the DaemonSet's controller labels its pods.
    pub template_generation: Option<String>,
    /// Whether a service account is mounted.
    pub service_account: bool,
    /// The machine's name.
    pub host_name: Option<String>,
    /// `KUBE_DNS_UPSTREAM_SERVICE_HOST`: the kubelet sets it for the Service `kube-dns-upstream` of the pod's namespace.
    pub upstream_host: Option<String>,
    /// `KUBE_DNS_UPSTREAM_SERVICE_PORT`.
    pub upstream_port: Option<String>,
    /// Whether the kernel has IPv6.
    pub ipv6: bool,
    /// Cores the process may use; 0 where that is not known.
    pub cores: usize,
}

impl Environment {
    fn read() -> Self {
        let first_line = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            pod_name: variable("POD_NAME"),
            namespace: variable("POD_NAMESPACE").or_else(|| first_line(&format!("{SERVICE_ACCOUNT}/namespace"))),
            pod_ips: variable("POD_IPS"),
            host_ips: variable("HOST_IPS"),
            gateways: variable("POD_IPS").map_or_else(Vec::new, |_| super::node::gateways()),
            template_generation: variable("POD_TEMPLATE_GENERATION"),
            service_account: std::path::Path::new(SERVICE_ACCOUNT).join("token").exists(),
            host_name: first_line("/proc/sys/kernel/hostname").filter(|name| !name.is_empty()),
            upstream_host: variable("KUBE_DNS_UPSTREAM_SERVICE_HOST"),
            upstream_port: variable("KUBE_DNS_UPSTREAM_SERVICE_PORT"),
            ipv6: std::path::Path::new("/proc/net/if_inet6").exists(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads argv and the environment. `--help` and `--version` print and exit with 0; wrong usage says what is wrong, with the nearest
/// right spelling, and exits with 64.
pub fn parse() -> Invocation {
    match parse_from(std::env::args_os(), Environment::read()) {
        Ok(invocation) => invocation,
        Err(error) => {
            // Nobody is left to tell where the terminal is gone.
            error.print().ok();
            process::exit(if error.use_stderr() { USAGE } else { 0 })
        }
    }
}

pub(super) fn parse_from(
    argv: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Environment,
) -> Result<Invocation, clap::Error> {
    let argv: Vec<OsString> = argv.into_iter().map(Into::into).collect();
    let cli = Cli::try_parse_from(&argv).map_err(|error| naming_the_variable(error, &argv))?;
    let serve = |args: ServeArgs| Invocation::Serve(Box::new(ServeArgs { environment, ..args }));
    Ok(match cli.command {
        None => serve(cli.serve),
        Some(Command::Serve(args)) => serve(*args),
        Some(Command::Check(args)) => Invocation::Check(args),
        Some(Command::Demo(args)) => Invocation::Demo(args),
        Some(Command::Render(args)) => Invocation::Render(args),
        Some(Command::Preflight(args)) => Invocation::Preflight(args),
        Some(Command::Status(args)) => Invocation::Status(args),
        Some(Command::Redirect(args)) => Invocation::Redirect(args.checked()?),
    })
}

/// A wrong value that is not in argv came from the environment: there people have to look for it.
fn naming_the_variable(mut error: clap::Error, argv: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return error };
    let flag = argument.split(' ').next().unwrap_or_default();
    let is_given = argv.iter().filter_map(|word| word.to_str()).any(|word| word.split('=').next() == Some(flag));
    let name = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
    let name = format!("DOORSTEP_{name}");
    if !is_given && variable(&name).is_some() {
        let place = ContextValue::String(format!("{name}, which stands for {argument}"));
        error.insert(ContextKind::InvalidArg, place);
    }
    error
}

fn workers(text: &str) -> Result<usize, String> {
    value::number(text, super::file::WORKERS.0, super::file::WORKERS.1)
}

fn drain(text: &str) -> Result<Duration, String> {
    value::duration(text, Duration::ZERO, Drain::MOST)
}
