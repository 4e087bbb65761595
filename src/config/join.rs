//! Flags over environment over file over defaults.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::args::{Environment, Kubernetes, ServeArgs};
use super::error::ConfigError;
use super::file::{ADMIN, DEFAULT_GROUP, File, MOST_OCTETS};
use super::{Config, Limits, Queries, value};
use crate::k8s::{CiliumConfig, Families};
use crate::lifecycle::Drain;
use crate::listen::{Network, RateLimit};
use crate::telemetry::LogConfig;
use crate::upstream::{GroupConfig, Server, Timing, Trust, Twin};
use crate::wire::Name;
use crate::{k8s, listen, rules, upstream};

/// Where DNS is served by default.
const DNS_PORT: u16 = 53;
/// Data workers by default: DNS needs no more of a node.
const MOST_DEFAULT_WORKERS: usize = 2;
/// This machine, to itself.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];
/// The headless Service with the pods behind `kube-dns-upstream`, in the same namespace.
const TWIN: &str = "kube-dns-upstream-headless";
/// Where doorstep and the DNS Service are unless the pod says otherwise.
const NAMESPACE: &str = "kube-system";
/// RFC 7766 §6.2.3: some seconds; what [`crate::resolve::KEEPALIVE`] promises.
const TCP_IDLE: Duration = Duration::from_secs(10);

/// Reads the file, if there is one, and lays the flags over it.
///
/// # Errors
/// The file cannot be read or is wrong, flags contradict each other, or no upstream is known.
pub fn load(args: &ServeArgs) -> Result<Config, ConfigError> {
    let content = args.config.as_deref().map(content).transpose()?;
    join(args, content.as_deref())
}

/// Reads a file for its own sake, and names its content as [`Config::hash`] does.
///
/// # Errors
/// The file cannot be read or is wrong.
pub fn read(path: &Path) -> Result<(File, String), ConfigError> {
    let content = content(path)?;
    Ok((understand(path, &content)?, hash(&content)))
}

/// The file's content.
pub(super) fn content(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
    let mut content = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MOST_OCTETS as u64 + 1).read_to_end(&mut content)).map_err(|error| {
        unreadable(match error.kind() {
            io::ErrorKind::NotFound => "there is no such file; look how its name is spelt, and in a pod whether it is mounted".to_owned(),
            io::ErrorKind::IsADirectory => "this is a directory; name the file in it".to_owned(),
            _ => format!("cannot be read: {error}; look at its owner and its mode"),
        })
    })?;
    if content.len() > MOST_OCTETS {
        return Err(unreadable(
            "larger than 1 MiB, which is more than a ConfigMap holds; name the file that is meant, or shorten it".to_owned(),
        ));
    }
    Ok(content)
}

/// Makes sense of the content of the file that the flags name, and lays the flags over it.
pub(super) fn join(args: &ServeArgs, content: Option<&[u8]>) -> Result<Config, ConfigError> {
    let file = match (&args.config, content) {
        (Some(path), Some(content)) => understand(path, content)?,
        _ => File::default(),
    };
    let environment = &args.environment;
    let cluster_domain = args.cluster_domain.clone().unwrap_or_else(|| file.cluster_domain());
    let upstream_service = args.upstream.is_empty() && !file.groups.iter().any(|group| group.name == DEFAULT_GROUP);
    let addresses = first_given([&args.listen, &file.listen]).unwrap_or_else(|| everywhere(environment));
    let mut groups = groups(args, file.groups)?;
    if upstream_service && access(args).is_some() {
        groups[0].endpoints = twin(&cluster_domain, &namespace(environment), &addresses);
    }
    let own = own_places(environment, &addresses);
    groups.iter_mut().flat_map(|group| &mut group.endpoints).for_each(|twin| twin.own.clone_from(&own));
    let config = Config {
        kubernetes: kubernetes(args, &groups, &addresses, file.cilium),
        listen: listen::Config {
            addresses,
            workers: args.workers.or(file.workers).unwrap_or(environment.cores.clamp(1, MOST_DEFAULT_WORKERS)),
            tcp_connections: file.limits.tcp_connections,
            tcp_connections_per_client: file.limits.tcp_connections_per_client,
            tcp_idle: TCP_IDLE,
            rate: file.limits.rate.map(|limit| exempt_own(limit, environment)),
        },
        admin: args.admin.or(file.admin).unwrap_or(ADMIN),
        cache: file.cache.unwrap_or_default(),
        limits: Limits { waiting: file.limits.waiting, upstream_connections: file.limits.upstream_connections },
        queries: Queries {
            groups,
            upstream_service,
            rules: rules::Config { zones: file.zones, rules: file.rules, cluster_domain: cluster_domain.clone() },
            rotate: file.rotate.unwrap_or(true),
        },
        log: log(args, file.log_format, file.log_level),
        drain: args.drain.map_or_else(Drain::default, Drain::at_least),
        identity: identity(environment),
        cluster_domain,
        source: args.config.clone(),
        hash: content.map_or_else(|| "none".to_owned(), hash),
    };
    refuse_clashes(&config)?;
    Ok(config)
}

pub(super) fn understand(path: &Path, content: &[u8]) -> Result<File, ConfigError> {
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content[..error.valid_up_to()].iter().filter(|octet| **octet == b'\n').count() + 1;
        ConfigError::Unreadable { path: path.to_owned(), reason: format!("line {line} is not UTF-8; save the file as UTF-8") }
    })?;
    File::parse(text).map_err(|mistakes| ConfigError::Wrong { path: path.to_owned(), mistakes })
}

/// FNV-1a, 64 bits: the same on every node and in every release, so that people can compare.
pub(super) fn hash(content: &[u8]) -> String {
    let hash = content.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

fn first_given(candidates: [&Vec<SocketAddr>; 2]) -> Option<Vec<SocketAddr>> {
    candidates.into_iter().find(|addresses| !addresses.is_empty()).cloned()
}

fn everywhere(environment: &Environment) -> Vec<SocketAddr> {
    let v6 = environment.ipv6.then_some(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), DNS_PORT));
    [SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), DNS_PORT)].into_iter().chain(v6).collect()
}

fn log(args: &ServeArgs, format: Option<crate::telemetry::Format>, level: Option<String>) -> LogConfig {
    let defaults = LogConfig::default();
    LogConfig {
        format: args.log_format.map(Into::into).or(format).unwrap_or(defaults.format),
        level: args.log_level.clone().or(level).unwrap_or(defaults.level),
    }
}

/// All groups, `default` first.
fn groups(args: &ServeArgs, mut groups: Vec<GroupConfig>) -> Result<Vec<GroupConfig>, ConfigError> {
    let configured = groups.iter().position(|group| group.name == DEFAULT_GROUP).map(|index| groups.remove(index));
    let default = match configured {
        // How its certificates are checked no flag says.
        Some(group) if !args.upstream.is_empty() => GroupConfig { servers: args.upstream.clone(), ..group },
        None if !args.upstream.is_empty() => default_group(args.upstream.clone()),
        Some(group) => group,
        None => default_group(upstream_of_environment(args)?.into_iter().collect()),
    };
    groups.insert(0, default);
    Ok(groups)
}

/// The pod's name, else the machine's.
fn identity(environment: &Environment) -> String {
    environment.pod_name.clone().or_else(|| environment.host_name.clone()).unwrap_or_else(|| "doorstep".to_owned())
}

/// Where there is a way to the API server, and nobody said no.
fn kubernetes(args: &ServeArgs, groups: &[GroupConfig], listen: &[SocketAddr], cilium: CiliumConfig) -> Option<k8s::Config> {
    let environment = &args.environment;
    let access = access(args)?;
    let servers = groups.first().into_iter().flat_map(|group| &group.servers);
    Some(k8s::Config {
        access,
        namespace: namespace(environment),
        daemon_set: args.daemonset.clone().unwrap_or_else(|| "doorstep".to_owned()),
        dns_service: args.dns_service.clone().unwrap_or_else(|| "kube-dns".to_owned()),
        pod_name: identity(environment),
        asks: servers.map(|server| server.address().ip()).collect(),
        serves: Some(families(environment, listen)),
        template: environment.template_generation.clone(),
        cilium,
    })
}

fn namespace(environment: &Environment) -> String {
    environment.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned())
}

/// The pods listen where we do: our port is the DNS Service's targetPort. `None`: the namespace is no label.
fn twin(domain: &Name, namespace: &str, listen: &[SocketAddr]) -> Option<Twin> {
    let name = Name::parse(&format!("{TWIN}.{namespace}.svc.{domain}")).ok()?;
    let port = listen.first().map(SocketAddr::port).filter(|port| *port != 0);
    Some(Twin { name, port, own: Vec::new() })
}

/// Where this process can be reached, as far as it is known: every address of the pod, where it listens on all.
fn own_places(environment: &Environment, listen: &[SocketAddr]) -> Vec<SocketAddr> {
    let pod = environment.pod_ips.as_deref().map(addresses).unwrap_or_default();
    let places = |address: &SocketAddr| match address.ip().is_unspecified() {
        true => pod.iter().map(|ip| SocketAddr::new(*ip, address.port())).collect(),
        false => vec![*address],
    };
    listen.iter().flat_map(places).collect()
}

/// Addresses of the pod that are none are left to the API server to be right about.
fn families(environment: &Environment, listen: &[SocketAddr]) -> Families {
    let listen: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
    let pod = environment.pod_ips.as_deref().map(addresses);
    Families::answered(&listen, pod.as_deref())
}

/// As the downward API has them: with commas.
fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(',').filter_map(|ip| ip.trim().parse().ok()).collect()
}

/// No limit for the machine itself: neither the pod's own questions nor those of its node, which stands for all its host-network pods.
fn exempt_own(mut limit: RateLimit, environment: &Environment) -> RateLimit {
    let given = [&environment.pod_ips, &environment.host_ips].into_iter().flatten().flat_map(|text| addresses(text));
    limit.exempt.extend(LOOPBACK.iter().filter_map(|network| Network::parse(network)));
    limit.exempt.extend(given.chain(environment.gateways.iter().copied()).map(Network::from));
    limit
}

fn access(args: &ServeArgs) -> Option<k8s::Access> {
    match &args.kubeconfig {
        _ if args.kubernetes == Kubernetes::Off => None,
        Some(path) => Some(k8s::Access::Kubeconfig { path: Some(path.clone()), context: None }),
        None => args.environment.service_account.then_some(k8s::Access::ServiceAccount),
    }
}

fn default_group(servers: Vec<Server>) -> GroupConfig {
    GroupConfig { name: DEFAULT_GROUP.to_owned(), servers, endpoints: None, trust: Trust::default(), timing: Timing::default() }
}

/// The Service `kube-dns-upstream`, as the kubelet tells it to every pod of its namespace that starts later than the Service is made.
/// `None`: the API server will tell.
fn upstream_of_environment(args: &ServeArgs) -> Result<Option<Server>, ConfigError> {
    let environment = &args.environment;
    let Some(host) = &environment.upstream_host else {
        if access(args).is_some() {
            return Ok(None);
        }
        return Err(ConfigError::Usage(
            "no upstream is known; give --upstream tcp://IP:53, or `upstreams: { default: { servers: [\"tcp://IP:53\"] } }` in the file, \
             or run in the namespace of the Service kube-dns-upstream, whose address the kubelet then puts into \
             KUBE_DNS_UPSTREAM_SERVICE_HOST"
                .to_owned(),
        ));
    };
    let ip = host.parse::<IpAddr>().map_err(|_| {
        ConfigError::Usage(format!("KUBE_DNS_UPSTREAM_SERVICE_HOST is `{host}`, which is no address; unset it or give --upstream"))
    })?;
    let port = environment.upstream_port.as_deref().map_or(Ok(DNS_PORT), str::parse).map_err(|_| {
        let port = environment.upstream_port.as_deref().unwrap_or_default();
        ConfigError::Usage(format!("KUBE_DNS_UPSTREAM_SERVICE_PORT is `{port}`, which is no port; unset it or give --upstream"))
    })?;
    Ok(Some(upstream::Server::Tcp(SocketAddr::new(ip, port))))
}

/// What neither the flags nor the file show alone.
fn refuse_clashes(config: &Config) -> Result<(), ConfigError> {
    let addresses = &config.listen.addresses;
    for (index, address) in addresses.iter().enumerate() {
        if let Some(other) = addresses[..index].iter().find(|other| value::overlap(*address, **other)) {
            return Err(ConfigError::Usage(format!("--listen {address} is covered by {other} already; leave one out")));
        }
        if value::overlap(*address, config.admin) {
            let message = format!("DNS at {address} and the admin server at {} are in each other's way; choose another port", config.admin);
            return Err(ConfigError::Usage(message));
        }
    }
    Ok(())
}
