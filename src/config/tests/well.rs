use std::net::IpAddr;
use std::time::Duration;

use super::{args, join};
use crate::cache::Profile;
use crate::config::args::Environment;
use crate::config::{File, FileLimits};
use crate::k8s::{CiliumConfig, CiliumVersion, Families, OnRed};
use crate::rules::{RuleAnswer, RuleConfig, ZoneConfig};
use crate::telemetry::Format;
use crate::upstream::{Pin, Server, Trust};
use crate::wire::Name;

const README: &str = include_str!("../../../README.md");

/// The first YAML block of README.
fn example() -> &'static str {
    README.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).map(|(block, _)| block).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn the_example_in_readme_means_what_it_says() {
    let config = join(&args(), example()).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(config.listen.addresses, ["0.0.0.0:53".parse().unwrap(), "[::]:53".parse().unwrap()]);
    assert_eq!((config.listen.workers, config.listen.tcp_connections, config.listen.tcp_connections_per_client), (2, 1024, 64));
    assert_eq!(config.admin, "0.0.0.0:9253".parse().unwrap());
    assert_eq!(config.cache.capacity, 32 << 20);
    assert_eq!((config.limits.waiting.per_client, config.limits.waiting.total, config.limits.upstream_connections), (1000, 10_000, 64));
    assert_eq!((config.log.format, config.log.level.as_str()), (Format::Text, "info"));
    let groups = &config.queries.groups;
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["default", "vpc", "private"]);
    assert_eq!(groups[1].servers, [Server::Udp("169.254.169.253:53".parse().unwrap())]);
    let corp = ZoneConfig { name: name("corp.example"), group: "vpc".to_owned(), cluster: false, profile: Profile::EXTERNAL };
    assert_eq!(config.queries.rules.zones, [corp]);
    let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let rule = |suffix, answer| RuleConfig { suffix: name(suffix), answer };
    let rules = [
        rule("leak.example", RuleAnswer::NxDomain),
        rule("quiet.example", RuleAnswer::NoData),
        rule("static.example", RuleAnswer::Addresses { addresses, ttl: 60 }),
    ];
    assert_eq!(config.queries.rules.rules, rules);
}

#[test]
fn the_limits_in_readme_are_the_defaults() {
    let limits = File::parse(example()).unwrap().limits;
    assert_eq!(FileLimits { rate: None, ..limits }, FileLimits::default());
}

#[test]
fn what_is_left_out_has_its_default() {
    for empty in ["", "# nothing\n\n", "---\n", "{}", "listen:\nzones:\nrules:\nupstreams:\nlog:\n"] {
        let config = join(&args(), empty).unwrap_or_else(|error| panic!("{empty:?}: {error:#}"));
        assert_eq!(config.listen.addresses, ["0.0.0.0:53".parse().unwrap(), "[::]:53".parse().unwrap()]);
        assert_eq!((config.listen.workers, config.listen.tcp_idle), (2, Duration::from_secs(10)));
        assert_eq!(config.admin, "0.0.0.0:9253".parse().unwrap());
        assert_eq!(config.cache.capacity, 32 << 20);
        assert_eq!(config.cluster_domain, name("cluster.local"));
        assert_eq!(config.queries.groups[0].servers, [Server::Tcp("10.96.0.20:53".parse().unwrap())]);
        assert_eq!(config.drain, crate::lifecycle::Drain::default());
        assert_eq!(config.identity, "doorstep-x7k2p");
    }
}

#[test]
fn one_core_gets_one_worker_and_no_ipv6_no_ipv6_socket() {
    let mut args = args();
    args.environment = Environment { ipv6: false, cores: 1, pod_name: None, ..args.environment };
    let config = join(&args, "").unwrap();
    assert_eq!(config.listen.workers, 1);
    assert_eq!(config.listen.addresses, ["0.0.0.0:53".parse().unwrap()]);
    assert_eq!(config.identity, "node-1");
}

#[test]
fn the_default_group_comes_first_wherever_it_stands() {
    let text = "upstreams:\n  a: { servers: [\"udp://192.0.2.1\"] }\n  default: { servers: [\"tcp://[2001:db8::53]\"] }";
    let groups = join(&args(), text).unwrap().queries.groups;
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["default", "a"]);
    assert_eq!(groups[0].servers, [Server::Tcp("[2001:db8::53]:53".parse().unwrap())]);
}

#[test]
fn a_server_over_tls_has_its_own_port_and_a_name_or_its_address_to_be_known_by() {
    let pin = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let text = format!(
        "upstreams:\n  default:\n    servers: [\"tls://192.0.2.1#dns.example\", \"quic://[2001:db8::53]:8853#dns.example\"]\n    \
         tls: {{ ca_file: /etc/tls/ca.crt, pin_sha256: [\"{pin}\"] }}"
    );
    let group = &join(&args(), &text).unwrap().queries.groups[0];
    let shown: Vec<String> = group.servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["tls://192.0.2.1:853#dns.example", "quic://[2001:db8::53]:8853#dns.example"]);
    assert_eq!(group.trust, Trust { ca_file: Some("/etc/tls/ca.crt".into()), pins: vec![Pin::parse(pin).unwrap()] });
    assert_eq!(group.trust.pins[0].to_string(), pin);

    let mut flags = args();
    flags.upstream = vec![group.servers[1].clone()];
    let replaced = &join(&flags, &text).unwrap().queries.groups[0];
    assert_eq!((&replaced.servers, &replaced.trust), (&flags.upstream, &group.trust), "a flag replaces the servers alone");
}

#[test]
fn on_a_cluster_the_pods_behind_the_service_are_looked_for_by_its_twin() {
    let mut args = args();
    args.environment.pod_ips = Some("10.0.0.7,fd00::7".to_owned());
    let endpoints = |args: &crate::config::args::ServeArgs, text| join(args, text).unwrap().queries.groups[0].endpoints.clone();
    let twin = endpoints(&args, "cluster_domain: corp.example\nlisten: { addresses: [\"0.0.0.0:8053\", \"127.0.0.1:53\"] }").unwrap();
    assert_eq!(twin.name, name("kube-dns-upstream-headless.kube-system.svc.corp.example"));
    assert_eq!(twin.port, Some(8053), "where the DNS Service's pods listen, and we");
    let own: Vec<String> = twin.own.iter().map(ToString::to_string).collect();
    assert_eq!(own, ["10.0.0.7:8053", "[fd00::7]:8053", "127.0.0.1:53"]);

    let given = "upstreams: { default: { servers: [\"tcp://192.0.2.1\"] } }";
    assert_eq!(endpoints(&args, given), None, "who names servers means those");
    let named = "upstreams: { default: { servers: [\"tcp://192.0.2.1\"], endpoints: pods.example } }";
    let twin = endpoints(&args, named).unwrap();
    assert_eq!((twin.name, twin.port, twin.own.len()), (name("pods.example"), None, 4));
    args.kubernetes = crate::config::args::Kubernetes::Off;
    assert_eq!(endpoints(&args, ""), None);
}

#[test]
fn a_zone_may_change_the_caps_of_its_profile() {
    let text = "zones: [{ name: corp.example, profile: cluster, max_ttl: 10s, max_negative_ttl: 1s }, { name: ., max_ttl: 5m }]";
    let zones = File::parse(text).unwrap().zones;
    let (second, seconds) = (Duration::from_secs(1), Duration::from_secs);
    assert_eq!(zones[0].profile, Profile { max_ttl: seconds(10), max_negative_ttl: second, ..Profile::CLUSTER });
    assert_eq!((zones[0].cluster, zones[0].group.as_str()), (true, "default"));
    assert_eq!(zones[1].profile, Profile { max_ttl: seconds(300), ..Profile::EXTERNAL });
}

#[test]
fn a_zone_may_have_nxdomain_for_the_type_alone() {
    for (text, for_name) in [("", true), (", nxdomain: name", true), (", nxdomain: type", false)] {
        let zones = File::parse(&format!("zones: [{{ name: corp.example{text} }}]")).unwrap().zones;
        assert_eq!(zones[0].profile.nxdomain_for_name, for_name, "{text}");
    }
}

#[test]
fn sizes_have_decimal_and_binary_units() {
    for (text, octets) in [("32MiB", 32 << 20), ("64MB", 64_000_000), ("1 GiB", 1 << 30), ("2000KB", 2_000_000), ("2097152B", 2 << 20)] {
        let file = File::parse(&format!("cache: {{ size: {text} }}")).unwrap();
        assert_eq!(file.cache.unwrap().capacity, octets, "{text}");
    }
}

#[test]
fn words_that_old_yaml_takes_for_flags_are_names_here() {
    let zones = File::parse("zones: [{ name: no }, { name: on }]").unwrap().zones;
    assert_eq!(zones[0].name, name("no"));
}

#[test]
fn anchors_and_aliases_mean_what_they_mean_in_yaml() {
    let text = "upstreams:\n  default: &one { servers: [\"tcp://192.0.2.1\"] }\n  other: *one";
    let groups = File::parse(text).unwrap().groups;
    assert_eq!(groups[0].servers, groups[1].servers);
}

#[test]
fn no_slip_of_the_finger_breaks_the_reader() {
    let (text, slips) = (example(), ["", "é", "\t", "\n", ":", "{", "\"", "&", "*", "- ", "9"]);
    for ((at, letter), slip) in text.char_indices().zip(slips.iter().cycle()) {
        let wrong = format!("{}{slip}{}", &text[..at], &text[at + letter.len_utf8()..]);
        for mistake in File::parse(&wrong).err().unwrap_or_default() {
            let line = wrong.lines().nth(mistake.line - 1).unwrap_or_default().chars().count();
            assert!(mistake.column + mistake.width <= line + 2, "{mistake:#}\n{wrong}");
        }
    }
}

#[test]
fn the_hash_names_the_content() {
    let of = |text| join(&args(), text).unwrap().hash;
    assert_eq!(of("log: {}"), of("log: {}"));
    assert_ne!(of("log: {}"), of("log: {} "));
    assert_eq!(of("").len(), 16);
}

#[test]
fn a_family_is_answered_that_is_listened_to_and_that_the_pod_has() {
    let mut args = args();
    args.environment.service_account = true;
    let serves = |args: &crate::config::args::ServeArgs| join(args, "").unwrap().kubernetes.unwrap().serves.unwrap();
    assert_eq!(serves(&args), Families { v4: true, v6: true }, "nothing is known of the pod");
    args.environment.pod_ips = Some("10.0.0.7".to_owned());
    assert_eq!(serves(&args), Families { v4: true, v6: false });
    args.environment.pod_ips = Some("10.0.0.7, fd00::7".to_owned());
    assert_eq!(serves(&args), Families { v4: true, v6: true });
    args.listen = vec!["[::]:53".parse().unwrap()];
    assert_eq!(serves(&args), Families { v4: false, v6: true });
}

#[test]
fn what_is_said_of_cilium_reaches_the_side_that_keeps_the_redirect() {
    let mut args = args();
    args.environment.service_account = true;
    let cilium = |file: &str| join(&args, file).unwrap().kubernetes.unwrap().cilium;
    assert_eq!(cilium(""), CiliumConfig::default());
    let said = cilium(
        "redirect: { cilium_namespace: cilium-system, cilium_version: 1.19.5, accept_cilium: 1.18.4, on_red: alarm, accept_network_policies: true }",
    );
    assert_eq!((said.namespace.as_str(), said.on_red, said.accept_network_policies), ("cilium-system", OnRed::Alarm, true));
    assert_eq!((said.version, said.accept), (CiliumVersion::parse("1.19.5"), CiliumVersion::parse("1.18.4")));
}

#[test]
fn a_clients_rate_is_a_second_of_burst_unless_given_and_spares_the_node() {
    let mut args = args();
    args.environment.pod_ips = Some("10.244.1.9,2001:db8::9".to_owned());
    args.environment.host_ips = Some("192.0.2.11".to_owned());
    args.environment.gateways = vec!["10.244.1.1".parse().unwrap()];
    let rate = |text: &str| join(&args, &format!("limits: {{ {text} }}")).unwrap().listen.rate;
    assert_eq!(rate("waiting: 7"), None);
    let rate_of_50 = rate("queries_per_second_per_client: 50, exempt_clients: [198.51.100.0/24]").unwrap();
    assert_eq!((rate_of_50.per_second, rate_of_50.burst), (50, 50));
    let is_exempt = |client: &str| rate_of_50.exempt.iter().any(|network| network.contains(client.parse().unwrap()));
    for client in ["127.0.0.9", "::1", "10.244.1.9", "2001:db8::9", "192.0.2.11", "10.244.1.1", "198.51.100.7"] {
        assert!(is_exempt(client), "{client}");
    }
    assert!(!is_exempt("10.244.1.10"));
    assert_eq!(rate("queries_per_second_per_client: 50, burst_per_client: 200").unwrap().burst, 200);
}

#[test]
fn addresses_take_turns_unless_they_must_not() {
    for (text, rotates) in [("", true), ("answers: { rotate: true }", true), ("answers: { rotate: false }", false)] {
        assert_eq!(join(&args(), text).unwrap().queries.rotate, rotates, "{text}");
    }
}
