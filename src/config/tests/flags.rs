use std::time::Duration;

use clap::error::ErrorKind;

use super::{args, environment, join};
use crate::config::args::{Environment, Invocation, Kubernetes, Output, ServeArgs, parse_from};
use crate::config::{ConfigError, File, join as joining};
use crate::k8s;
use crate::telemetry::Format;
use crate::upstream::Server;
use crate::wire::Name;

const README: &str = include_str!("../../../README.md");
const POLICIES: &str = include_str!("../../../policies/README.md");

fn serve(flags: &str) -> ServeArgs {
    match parse(flags) {
        Ok(Invocation::Serve(args)) => *args,
        other => panic!("{flags}: {other:?}"),
    }
}

fn parse(flags: &str) -> Result<Invocation, clap::Error> {
    parse_from(std::iter::once("doorstep").chain(flags.split_whitespace()), environment())
}

/// Joins flags without a file.
fn alone(args: &ServeArgs) -> Result<crate::config::Config, ConfigError> {
    joining::join(args, None)
}

#[test]
fn flags_override_the_file() {
    let file = "listen: { addresses: [\"127.0.0.1:1\"], workers: 3 }\nadmin: { address: \"127.0.0.1:2\" }\ncluster_domain: file.example\n\
        upstreams: { default: { servers: [\"tcp://192.0.2.1\", \"tcp://192.0.2.2\"] }, vpc: { servers: [\"udp://192.0.2.3\"] } }\n\
        log: { format: text, level: error }";
    let flags = serve(
        "--listen 127.0.0.1:11 --listen [::1]:11 --upstream udp://192.0.2.9:54 --admin 127.0.0.1:12 --workers 4 --cluster-domain k.example \
         --drain 7s --log-format json --log-level debug",
    );
    let config = join(&flags, file).unwrap();
    assert_eq!(config.listen.addresses, ["127.0.0.1:11".parse().unwrap(), "[::1]:11".parse().unwrap()]);
    assert_eq!(config.listen.workers, 4);
    assert_eq!(config.admin, "127.0.0.1:12".parse().unwrap());
    assert_eq!(config.queries.groups[0].servers, [Server::Udp("192.0.2.9:54".parse().unwrap())]);
    assert_eq!(config.queries.groups[1].name, "vpc", "--upstream replaces `default` alone");
    assert_eq!(config.cluster_domain, Name::parse("k.example").unwrap());
    assert_eq!(config.queries.rules.cluster_domain, config.cluster_domain);
    assert_eq!(config.drain.at_least, Duration::from_secs(7));
    assert_eq!((config.log.format, config.log.level.as_str()), (Format::Json, "debug"));

    let config = join(&args(), file).unwrap();
    assert_eq!(config.listen.addresses, ["127.0.0.1:1".parse().unwrap()]);
    assert_eq!((config.listen.workers, config.queries.groups[0].servers.len()), (3, 2));
    assert_eq!(config.cluster_domain, Name::parse("file.example").unwrap());
    assert_eq!((config.log.format, config.log.level.as_str()), (Format::Text, "error"));
}

#[test]
fn serve_may_be_left_out() {
    for flags in ["--workers 3", "serve --workers 3"] {
        assert_eq!(serve(flags).workers, Some(3), "{flags}");
        assert_eq!(serve(flags).environment, environment());
    }
}

#[test]
fn the_other_commands_have_their_own_flags() {
    assert!(matches!(parse("check a.yaml --output json"), Ok(Invocation::Check(args)) if args.output == Output::Json));
    assert!(matches!(parse("check a.yaml"), Ok(Invocation::Check(args)) if args.output == Output::Text));
    assert!(matches!(parse("demo --port 53 --once"), Ok(Invocation::Demo(args)) if args.port == 53 && args.once));
    assert!(parse("check").is_err());
    assert!(parse("check a.yaml --workers 2").is_err());
}

#[test]
fn wrong_flags_name_the_cure() {
    let cases = [
        ("--lisen 127.0.0.1:53", "--listen"),
        ("serv", "serve"),
        ("--listen 127.0.0.1", "has no port"),
        ("--listen localhost:53", "an address of this machine"),
        ("--upstream 10.0.0.1", "`tcp://10.0.0.1`"),
        ("--upstream https://10.0.0.1", "not in this release"),
        ("--upstream tls://10.0.0.1#-", "no name"),
        ("--upstream tcp://dns.example", "an address is needed"),
        ("--workers 0", "from 1 to 64"),
        ("--drain 5", "`5s`"),
        ("--drain 1m", "from 0s to 25s"),
        ("--kubernetes on", "auto, off"),
        ("--cluster-domain a..b", "a..b"),
        ("--log-format xml", "text, json"),
        ("--log-level verbose", "`debug`"),
        ("--log-level wran", "did you mean `warn`?"),
    ];
    for (flags, cure) in cases {
        let error = parse(flags).expect_err(flags);
        assert!(error.use_stderr(), "{flags}");
        assert!(error.to_string().contains(cure), "{cure:?} is not said of {flags}: {error}");
    }
}

#[test]
fn flags_in_each_others_way_are_wrong_usage() {
    let cases = [
        ("--listen 127.0.0.1:53 --listen 127.0.0.1:53", "covered by 127.0.0.1:53"),
        ("--listen 0.0.0.0:53 --listen 127.0.0.1:53", "covered by 0.0.0.0:53"),
        ("--listen 127.0.0.1:5300 --admin 127.0.0.1:5300", "in each other's way"),
        ("--listen 127.0.0.1:9253", "in each other's way"),
    ];
    for (flags, words) in cases {
        let error = alone(&serve(flags)).expect_err(flags);
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains(words), "{flags}: {error}");
    }
    assert!(alone(&serve("--listen 127.0.0.1:0 --listen 127.0.0.1:0 --admin 127.0.0.1:0")).is_ok());
    assert!(alone(&serve("--listen 0.0.0.0:53 --listen [::]:53 --listen 127.0.0.1:54")).is_ok());
}

#[test]
fn the_service_beside_the_pod_is_the_default_upstream() {
    let with = |host: Option<&str>, port: Option<&str>| {
        let (upstream_host, upstream_port) = (host.map(str::to_owned), port.map(str::to_owned));
        let environment = Environment { upstream_host, upstream_port, service_account: false, ..environment() };
        alone(&ServeArgs { environment, ..ServeArgs::default() }).map(|config| config.queries.groups[0].servers.clone())
    };
    assert_eq!(with(Some("10.96.0.20"), None), Ok(vec![Server::Tcp("10.96.0.20:53".parse().unwrap())]));
    assert_eq!(with(Some("fd00::20"), Some("5353")), Ok(vec![Server::Tcp("[fd00::20]:5353".parse().unwrap())]));
    for (host, port, words) in [
        (None, None, "no upstream is known; give --upstream"),
        (Some("kube-dns"), None, "KUBE_DNS_UPSTREAM_SERVICE_HOST is `kube-dns`"),
        (Some("10.96.0.20"), Some("dns"), "KUBE_DNS_UPSTREAM_SERVICE_PORT is `dns`"),
    ] {
        let error = with(host, port).unwrap_err();
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_agent_that_is_there_before_its_upstreams_service_starts_without_one() {
    let mut args = serve("");
    args.environment = Environment { service_account: true, upstream_host: None, ..environment() };
    let queries = join(&args, "").unwrap().queries;
    assert!(queries.upstream_service && queries.groups[0].servers.is_empty());
    args.kubernetes = Kubernetes::Off;
    assert!(join(&args, "").is_err(), "nobody would ever tell");
    let given = join(&serve("--upstream tcp://192.0.2.2"), "").unwrap().queries;
    assert!(!given.upstream_service, "what an operator names is not changed");
}

#[test]
fn the_file_and_the_flag_come_before_the_service() {
    let file = "upstreams: { default: { servers: [\"tcp://192.0.2.1\"] } }";
    assert_eq!(join(&args(), file).unwrap().queries.groups[0].servers, [Server::Tcp("192.0.2.1:53".parse().unwrap())]);
    let flags = serve("--upstream tcp://192.0.2.2");
    assert_eq!(join(&flags, file).unwrap().queries.groups[0].servers, [Server::Tcp("192.0.2.2:53".parse().unwrap())]);
}

#[test]
fn the_redirect_is_kept_where_there_is_a_way_to_the_api_server_and_nobody_said_no() {
    let kubernetes = |flags: &str, service_account| {
        let mut args = serve(flags);
        args.environment.service_account = service_account;
        join(&args, "").unwrap().kubernetes
    };
    let kept = kubernetes("--dns-service coredns", true).unwrap();
    assert_eq!(kept.access, k8s::Access::ServiceAccount);
    assert_eq!((kept.namespace.as_str(), kept.daemon_set.as_str(), kept.dns_service.as_str()), ("kube-system", "doorstep", "coredns"));
    assert_eq!(kept.asks, ["10.96.0.20".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(kubernetes("", false), None);
    assert_eq!(kubernetes("--kubernetes off --kubeconfig f", true), None);
    let by_file = k8s::Access::Kubeconfig { path: Some("f".into()), context: None };
    assert_eq!(kubernetes("--kubeconfig f", false).unwrap().access, by_file);
}

#[test]
fn help_teaches() {
    for flags in ["--help", "serve --help"] {
        let error = parse(flags).unwrap_err();
        assert_eq!((error.kind(), error.use_stderr()), (ErrorKind::DisplayHelp, false));
        let help = error.to_string();
        for words in ["Example:", "Exit codes:", "64", "SIGHUP", "--kubeconfig", "DOORSTEP_UPSTREAM", "kube-dns-upstream"] {
            assert!(help.contains(words), "{flags} does not say {words:?}:\n{help}");
        }
    }
    assert_eq!(parse("--version").unwrap_err().kind(), ErrorKind::DisplayVersion);
}

#[test]
fn a_time_goes_with_a_drain_alone_and_keeps_to_its_bounds() {
    assert!(
        matches!(parse("redirect drain --over 10m").unwrap(), Invocation::Redirect(args) if args.over == Some(Duration::from_secs(600)))
    );
    for wrong in ["redirect off --over 10m", "redirect drain --over 5", "redirect drain --over 2days"] {
        assert!(parse(wrong).unwrap_err().use_stderr(), "{wrong}");
    }
}

#[test]
fn flags_of_preflight_override_what_the_agents_are_told_and_leave_the_rest() {
    let file = "redirect: { cilium_namespace: cilium, accept_cilium: 1.18.4, accept_network_policies: true }";
    let over = |flags: &str| {
        let Ok(Invocation::Preflight(args)) = parse(&format!("preflight {flags}")) else { panic!("{flags}") };
        args.over(File::parse(file).unwrap().cilium)
    };
    let told = over("");
    assert_eq!((told.namespace.as_str(), told.version, told.accept_network_policies), ("cilium", None, true));
    let said = over("--cilium-namespace other --cilium-version 1.18.4");
    assert_eq!((said.namespace.as_str(), said.version), ("other", k8s::CiliumVersion::parse("1.18.4")));
    assert_eq!((said.accept, said.accept_network_policies), (told.accept, true), "no flag says anything of these");
}

#[test]
fn readme_and_help_name_the_same_flags() {
    let commands = ["", "check ", "demo ", "preflight ", "status ", "redirect ", "render policy ", "render manifests "]
        .map(|command| format!("{command}--help"));
    let help: String = commands.iter().map(|flags| parse(flags).unwrap_err().to_string()).collect();
    // Flags of cargo and kubectl in README.
    let of_others = ["--release", "--cascade", "--ignore-not-found"];
    let (told, known) = (flags_in(&[README, POLICIES].concat()), flags_in(&help));
    let unknown: Vec<_> = told.iter().filter(|flag| !known.contains(flag) && !of_others.contains(&flag.as_str())).collect();
    assert!(unknown.is_empty(), "the documents name what --help does not know: {unknown:?}");
    let untold: Vec<_> = known.iter().filter(|flag| !told.contains(flag) && *flag != "--help" && *flag != "--version").collect();
    assert!(untold.is_empty(), "no document names {untold:?}");
}

fn flags_in(text: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '-').collect::<String>();
    let starts =
        text.match_indices("--").filter(|(at, _)| !text[..*at].ends_with(|before: char| before == '-' || before.is_alphanumeric()));
    let mut flags: Vec<String> =
        starts.map(|(at, _)| word(&text[at..])).filter(|flag| flag.len() > 2 && !flag.starts_with("---")).collect();
    flags.sort();
    flags.dedup();
    flags
}
