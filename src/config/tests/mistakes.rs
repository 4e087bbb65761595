use super::{args, join};
use crate::config::{ConfigError, File};

/// A wrong file, the line and column of its mistake, and words of what is said.
type Wrong = (&'static str, (usize, usize), &'static [&'static str]);

const FORM: &[Wrong] = &[
    ("upstrems: {}", (1, 1), &["`upstrems` is no key", "did you mean `upstreams`?"]),
    ("lissen:\n  addresses: []", (1, 1), &["did you mean `listen`?"]),
    ("cache:\n  sise: 32MiB", (2, 3), &["`sise` is no key of `cache`", "did you mean `size`?"]),
    ("telemetry: {}", (1, 1), &["there is `listen`, `admin`"]),
    ("log: { format: text, levl: info }", (1, 22), &["did you mean `level`?"]),
    ("limits:\n  waiting: 5\n  waiting: 6", (3, 3), &["`waiting` is given twice"]),
    ("log: {}\ncache: {}\nlog: {}", (3, 1), &["`log` is given twice"]),
    ("- listen", (1, 1), &["the file consists of keys", "a list"]),
    ("listen: [\"0.0.0.0:53\"]", (1, 9), &["`listen` takes keys, such as `addresses` and `workers`", "a list"]),
    ("listen:\n  addresses: \"0.0.0.0:53\"", (2, 14), &["takes a list", "[\"0.0.0.0:53\", \"[::]:53\"]"]),
    ("cache:\n  size: [32MiB]", (2, 9), &["one value is expected here, such as `32MiB`", "a list"]),
    ("cache:\n  size:", (2, 7), &["one value is expected here, such as `32MiB`", "nothing"]),
    ("listen:\n  workers: 2\n bad", (3, 2), &["no YAML", "; indent it as deep"]),
    ("listen:\n\tworkers: 2", (2, 2), &["no YAML", "; indent with spaces"]),
    ("cache: { size: 32MiB", (1, 8), &["no YAML", "{", "; close it"]),
    ("cache: { size: 32MiB ]", (1, 8), &["no YAML", "; close it with its like"]),
    ("log:\n  level: *y", (2, 10), &["no YAML", "unknown", "; put a text that begins with `*` in quotes"]),
    ("log:\n  level: a: b", (2, 11), &["no YAML", "; put a text with a colon in it in quotes"]),
    ("log: @x", (1, 6), &["no YAML", "; put a text that begins so in quotes"]),
    ("? [a]\n: b", (1, 3), &["no YAML", "; look at the indentation"]),
    ("log: {}\n---\nlog: {}", (3, 1), &["second document", "; leave out the `---`"]),
];

const LISTEN: &[Wrong] = &[
    ("listen: { addresses: [\"0.0.0.0\"] }", (1, 23), &["has no port", "`0.0.0.0:53`"]),
    ("listen: { addresses: [\"::1\"] }", (1, 23), &["has no port", "`[::1]:53`"]),
    ("listen: { addresses: [\":53\"] }", (1, 23), &["has no address", "`0.0.0.0:53` or `[::]:53`"]),
    ("listen: { addresses: [\"::1:x\"] }", (1, 23), &["in brackets"]),
    ("listen: { addresses: [\"localhost:53\"] }", (1, 23), &["`localhost` is a name", "an address of this machine"]),
    ("listen: { addresses: [\"127.0.0.1:99999\"] }", (1, 23), &["`99999` is no port", "`127.0.0.1:53`"]),
    ("listen: { addresses: [\"udp://127.0.0.1:53\"] }", (1, 23), &["is a URL", "`127.0.0.1:53`"]),
    ("listen: { addresses: [53] }", (1, 23), &["no address with a port"]),
    ("listen: { addresses: [] }", (1, 22), &["at least one address", "`addresses: [\"0.0.0.0:53\"]`"]),
    ("listen:\n  addresses:\n    - 127.0.0.1:53\n    - 127.0.0.1:53", (4, 7), &["covered by `127.0.0.1:53`"]),
    ("listen: { addresses: [\"0.0.0.0:53\", \"127.0.0.1:53\"] }", (1, 37), &["covered by `0.0.0.0:53`"]),
    ("listen: { addresses: [\"127.0.0.1:9253\"] }", (1, 23), &["where the admin server listens"]),
    ("listen: { workers: 0 }", (1, 20), &["from 1 to 64"]),
    ("listen: { workers: 65 }", (1, 20), &["from 1 to 64"]),
    ("listen: { workers: two }", (1, 20), &["no whole number; write one from 1 to 64"]),
    ("listen: { workers: -1 }", (1, 20), &["from 1 to 64"]),
    ("admin: { address: \"0.0.0.0\" }", (1, 19), &["has no port"]),
];

const AMOUNTS: &[Wrong] = &[
    ("cache: { size: 33554432 }", (1, 16), &["has no unit", "`32MiB`"]),
    ("cache: { size: 32 }", (1, 16), &["has no unit", "`32MiB`"]),
    ("cache: { size: 0 }", (1, 16), &["has no unit", "`1MiB`"]),
    ("cache: { size: 32Mi }", (1, 16), &["`32MiB`"]),
    ("cache: { size: 32M }", (1, 16), &["`32MiB`"]),
    ("cache: { size: 32MBi }", (1, 16), &["no unit of size", "did you mean `MB`?"]),
    ("cache: { size: 1.5GiB }", (1, 16), &["whole number"]),
    ("cache: { size: 512KiB }", (1, 16), &["from 1MiB to 4GiB"]),
    ("cache: { size: 5GiB }", (1, 16), &["from 1MiB to 4GiB"]),
    ("cache: { size: 99999999999999999GiB }", (1, 16), &["from 1MiB to 4GiB"]),
    ("cache: { size: much }", (1, 16), &["no size", "`32MiB`"]),
    ("limits: { waiting: 0 }", (1, 20), &["from 1 to"]),
    ("limits: { upstream_connections: yes }", (1, 33), &["no whole number; write one from 1 to 1000000"]),
    ("limits: { queries_per_second_per_client: 0 }", (1, 42), &["from 1 to"]),
    ("limits: { burst_per_client: 9 }", (1, 29), &["`queries_per_second_per_client`"]),
    ("limits: { queries_per_second_per_client: 9, exempt_clients: [node] }", (1, 62), &["`node`", "`10.0.0.0/24`"]),
    ("answers: { rotate: maybe }", (1, 20), &["`maybe`", "; write `true` or `false`"]),
    ("redirect: { accept_cilium: v1.18 }", (1, 28), &["`v1.18` is no release", "`1.19.5`"]),
    ("redirect: { cilium_version: 1.19.5-x }", (1, 29), &["no release"]),
    ("redirect: { on_red: alert }", (1, 21), &["nothing that agents do", "`hold` and `alarm`"]),
    ("redirect: { accept_network_policies: yes }", (1, 38), &["`yes`", "; write `true` or `false`"]),
    ("redirect: { cilium_namespace: Kube_System }", (1, 31), &["`Kube_System` is not a name in Kubernetes", "; write it like kube-system"]),
    ("log: { format: yaml }", (1, 16), &["no format", "`text` and `json`"]),
    ("log: { level: warning }", (1, 15), &["no level", "did you mean `warn`?"]),
    ("log: { level: \"info,doorstep=debgu\" }", (1, 15), &["did you mean `debug`?"]),
    ("cluster_domain: a..b", (1, 17), &["`a..b` is no domain name", "; write `a.b`"]),
    ("cluster_domain: .", (1, 17), &["the root", "; write `cluster.local`"]),
    (
        "cluster_domain: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        (1, 17),
        &["has 225 octets", "; write one of at most 224"],
    ),
];

const UPSTREAMS: &[Wrong] = &[
    ("upstreams:\n  default: { servers: [] }", (2, 23), &["at least one server"]),
    ("upstreams:\n  default: {}", (2, 3), &["`servers` is missing"]),
    ("upstreams:\n  default: { server: [\"tcp://192.0.2.1\"] }", (2, 14), &["did you mean `servers`?"]),
    ("upstreams:\n  default: [\"tcp://192.0.2.1\"]", (2, 12), &["`default: { servers:"]),
    ("upstreams:\n  default: { servers: \"tcp://192.0.2.1\" }", (2, 23), &["takes a list"]),
    ("upstreams: { default: { servers: [\"192.0.2.1\"] } }", (1, 35), &["`tcp://192.0.2.1`"]),
    (
        "upstreams: { default: { servers: [\"dns.example:53\"] } }",
        (1, 35),
        &["`dns.example` is a name", "an address is needed, like `tcp://10.96.0.20:53`"],
    ),
    ("upstreams: { default: { servers: [\"tpc://192.0.2.1\"] } }", (1, 35), &["did you mean `tcp`?"]),
    ("upstreams: { default: { servers: [\"tls://192.0.2.1#a b\"] } }", (1, 35), &["`a b` is no name"]),
    ("upstreams: { default: { servers: [\"tls://192.0.2.1#a.b..\"] } }", (1, 35), &["`a.b..` is no name"]),
    ("upstreams: { default: { servers: [\"quic://192.0.2.1:0\"] } }", (1, 35), &["`quic://192.0.2.1:853`"]),
    ("upstreams: { default: { servers: [\"tcp://192.0.2.1#a.b\"] } }", (1, 35), &["leave out `#a.b`"]),
    ("upstreams: { default: { servers: [\"tcp://192.0.2.1\"], tls: { ca_file: /ca } } }", (1, 60), &["write `tls://`"]),
    ("upstreams: { a: { servers: [\"tls://192.0.2.1#-\"], tls: { ca_file: /ca } } }", (1, 29), &["`-` is no name"]),
    ("upstreams: { a: { servers: [\"tls://192.0.2.1\"], tls: { ca_file: ca.crt } } }", (1, 65), &["not the whole path"]),
    ("upstreams: { a: { servers: [\"tls://192.0.2.1\"], tls: { pin_sha256: [\"AAAA\"] } } }", (1, 69), &["no SHA-256"]),
    ("upstreams: { a: { servers: [\"tls://192.0.2.1\"], tls: { pin_sha256: [] } } }", (1, 68), &["at least one key"]),
    ("upstreams: { a: { servers: [\"tls://192.0.2.1\"], tls: { pins: [] } } }", (1, 56), &["`pins` is no key"]),
    ("upstreams: { a: { servers: [\"tls://192.0.2.1\"], tls: /ca.crt } }", (1, 54), &["`tls: { ca_file:"]),
    ("upstreams: { default: { servers: [\"https://192.0.2.1\"] } }", (1, 35), &["not in this release", "`tls://192.0.2.1#dns.example`"]),
    ("upstreams: { default: { servers: [\"tcp://dns.example:53\"] } }", (1, 35), &["is a name", "an address is needed"]),
    ("upstreams: { default: { servers: [\"tcp://fd00::a\"] } }", (1, 35), &["`tcp://[fd00::a]:53`"]),
    ("upstreams: { default: { servers: [\"tcp://192.0.2.1:dns\"] } }", (1, 35), &["`dns` is no port", "`tcp://192.0.2.1:53`"]),
    ("upstreams: { default: { servers: [\"tcp://192.0.2.1:0\"] } }", (1, 35), &["`tcp://192.0.2.1:53`"]),
    ("upstreams: { default: { servers: [\"tcp://0.0.0.0:53\"] } }", (1, 35), &["no server's address", "`tcp://10.96.0.20:53`"]),
    ("upstreams: { default: { servers: [\"tcp://192.0.2.1\", \"tcp://192.0.2.1:53\"] } }", (1, 54), &["given twice"]),
    ("upstreams: { a: { servers: [\"tcp://192.0.2.1\"], endpoints: 192.0.2.2 } }", (1, 60), &["is an address", "add it to `servers`"]),
    ("upstreams: { a: { servers: [\"tcp://192.0.2.1\"], endpoints: a..b } }", (1, 60), &["`a..b` is no domain name"]),
    ("upstreams: { a: { servers: [\"tcp://192.0.2.1\"], endpoints: [a.b] } }", (1, 60), &["one value is expected"]),
    ("upstreams: { \"a b\": { servers: [\"tcp://192.0.2.1\"] } }", (1, 14), &["cannot name a group"]),
];

const QUERIES: &[Wrong] = &[
    (
        "upstreams:\n  vpc: { servers: [\"udp://192.0.2.1\"] }\nzones:\n  - { name: corp.example, upstream: vpx }",
        (4, 37),
        &["no group `vpx`", "did you mean `vpc`?"],
    ),
    ("zones: [{ upstream: default }]", (1, 9), &["`name` is missing", "`name: corp.example`"]),
    ("zones: [{ name: corp.example, profile: extern }]", (1, 40), &["`extern` is no profile", "did you mean `external`?"]),
    ("zones: [{ name: corp.example, max_ttl: 60 }]", (1, 40), &["has no unit", "`60s`"]),
    ("zones: [{ name: corp.example, max_ttl: 1.5 }]", (1, 40), &["no time; write it like"]),
    ("zones: [{ name: corp.example, max_ttl: .inf }]", (1, 40), &["no YAML", "; write one that is"]),
    ("zones: [{ name: corp.example, max_ttl: inf }]", (1, 40), &["no time; write it like"]),
    ("zones: [{ name: corp.example, max_ttl: -5 }]", (1, 40), &["no time; write it like"]),
    ("zones: [{ name: corp.example, max_ttl: 2days }]", (1, 40), &["out of range", "from 1s to 1day"]),
    ("zones: [{ name: corp.example, nxdomain: both }]", (1, 41), &["`both` is neither; write `name`"]),
    ("zones: [{ name: corp.example, max_negative_ttl: soon }]", (1, 49), &["no time; write it like"]),
    ("zones: { corp.example: vpc }", (1, 8), &["`zones` takes a list"]),
    ("zones: [corp.example]", (1, 9), &["keys are expected", "`{ name: corp.example"]),
    ("rules: [leak.example]", (1, 9), &["keys are expected", "`{ suffix: leak.example"]),
    ("zones:\n  - { name: corp.example }\n  - { name: Corp.Example. }", (3, 13), &["given twice; leave one out", "line 2"]),
    ("rules:\n  - { suffix: a.example, answer: nodata }\n  - { suffix: a.example, answer: nxdomain }", (3, 15), &["line 2"]),
    ("rules: [{ suffix: a.b, answer: nodata }]\nzones: [{ name: a.b }]", (1, 19), &["is a zone too (line 2)"]),
    ("rules: [{ suffix: cluster.local, answer: nodata }]", (1, 19), &["the cluster's own zone", "such as `leak.cluster.local.`"]),
    ("cluster_domain: k.b\nrules: [{ suffix: K.B., answer: nodata }]", (2, 19), &["the cluster's own zone"]),
    ("rules: [{ suffix: a.example }]", (1, 9), &["`answer` is missing"]),
    ("rules: [{ suffix: \"*.a.example\", answer: nodata }]", (1, 19), &["without `*`", "`a.example`"]),
    ("rules: [{ suffix: a.example, answer: nxdomian }]", (1, 38), &["did you mean `nxdomain`?"]),
    ("rules: [{ suffix: a.example, answer: refuse }]", (1, 38), &["`nxdomain` and `nodata`"]),
    ("rules: [{ suffix: a.example, answer: 192.0.2.1 }]", (1, 38), &["an address stands in a list"]),
    ("rules: [{ suffix: a.example, answer: {} }]", (1, 38), &["at least one address"]),
    ("rules: [{ suffix: a.example, answer: { a: [] } }]", (1, 38), &["at least one address"]),
    ("rules: [{ suffix: a.example, answer: { a: 192.0.2.1 } }]", (1, 43), &["takes a list"]),
    ("rules: [{ suffix: a.example, answer: { a: [\"2001:db8::1\"] } }]", (1, 44), &["IPv6", "under `aaaa`"]),
    ("rules: [{ suffix: a.example, answer: { aaaa: [\"192.0.2.1\"] } }]", (1, 47), &["IPv4", "under `a`"]),
    ("rules: [{ suffix: a.example, answer: { a: [host] } }]", (1, 44), &["no IPv4 address; write it like `192.0.2.1`"]),
    ("rules: [{ suffix: a.example, answer: { a: [\"192.0.2.1\"], ttl: 60 } }]", (1, 63), &["`60s`"]),
];

#[test]
fn what_has_the_wrong_form_is_pointed_at() {
    assert_all(FORM);
}

#[test]
fn addresses_that_cannot_be_listened_on_are_pointed_at() {
    assert_all(LISTEN);
}

#[test]
fn amounts_without_unit_or_out_of_range_are_pointed_at() {
    assert_all(AMOUNTS);
}

#[test]
fn servers_that_cannot_be_asked_are_pointed_at() {
    assert_all(UPSTREAMS);
}

#[test]
fn zones_and_rules_that_make_no_sense_are_pointed_at() {
    assert_all(QUERIES);
}

/// Where one value is expected.
const ONE_VALUE: [&str; 26] = [
    "admin: { address: @ }",
    "cache: { size: @ }",
    "cluster_domain: @",
    "listen: { workers: @ }",
    "listen: { addresses: [@] }",
    "answers: { rotate: @ }",
    "log: { level: @ }",
    "log: { format: @ }",
    "limits: { waiting: @ }",
    "limits: { queries_per_second_per_client: @ }",
    "limits: { queries_per_second_per_client: 9, burst_per_client: @ }",
    "limits: { queries_per_second_per_client: 9, exempt_clients: [@] }",
    "redirect: { cilium_namespace: @ }",
    "redirect: { cilium_version: @ }",
    "redirect: { accept_network_policies: @ }",
    "redirect: { on_red: @ }",
    "upstreams: { default: { servers: [@] } }",
    "upstreams: { default: { servers: [tcp://192.0.2.1], endpoints: @ } }",
    "upstreams: { default: { servers: [tls://192.0.2.1], tls: { ca_file: @ } } }",
    "upstreams: { default: { servers: [tls://192.0.2.1], tls: { pin_sha256: [@] } } }",
    "zones: [{ name: @ }]",
    "zones: [{ name: a.example, upstream: @ }]",
    "zones: [{ name: a.example, profile: @, max_ttl: 1s, nxdomain: name }]",
    "zones: [{ name: a.example, max_ttl: @, max_negative_ttl: 1s }]",
    "zones: [{ name: a.example, nxdomain: @ }]",
    "rules: [{ suffix: a.example, answer: { aaaa: [@] } }]",
];

#[test]
fn the_value_that_is_shown_where_one_is_expected_is_right() {
    for place in ONE_VALUE {
        let mistakes = File::parse(&place.replace('@', "[[]]")).expect_err(place);
        let example = mistakes[0].message.split('`').nth(1).unwrap_or_else(|| panic!("{place}: {}", mistakes[0]));
        let file = place.replace('@', &format!("\"{example}\""));
        assert!(File::parse(&file).is_ok(), "{file}: {:?}", File::parse(&file));
    }
}

#[test]
fn all_mistakes_of_meaning_are_told_in_the_order_of_the_file() {
    let text = "cache: { size: 1 }\nlisten: { workers: 0 }\nzones: [{ name: a.example, upstream: b }]\nlgo: {}";
    let mistakes = File::parse(text).unwrap_err();
    assert_eq!(mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_group_with_a_mistake_of_its_own_is_not_said_to_be_missing() {
    let mistakes = File::parse("upstreams: { vpc: {} }\nzones: [{ name: a.example, upstream: vpc }]").unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let mistakes = File::parse("upstreams: { vpc: { server: [] } }\nzones: [{ nmae: a.example }]").unwrap_err();
    assert_eq!(mistakes.len(), 2, "what is misspelt is not missing besides: {mistakes:?}");
}

#[test]
fn the_65th_server_of_a_group_is_one_too_many() {
    let file = |count: u32| {
        let servers: Vec<String> = (1..=count).map(|host| format!("    - tcp://192.0.2.{host}")).collect();
        format!("upstreams:\n  default:\n   servers:\n{}", servers.join("\n"))
    };
    assert!(File::parse(&file(64)).is_ok());
    let mistakes = File::parse(&file(65)).unwrap_err();
    assert_eq!((mistakes[0].line, mistakes[0].column), (68, 7), "{}", mistakes[0]);
}

#[test]
fn what_would_exhaust_the_parser_is_refused() {
    let deep = format!("log: {}", "[".repeat(100_000));
    let mistakes = File::parse(&deep).unwrap_err();
    assert!(mistakes[0].message.contains("limit") && mistakes[0].message.ends_with("; nest less"), "{}", mistakes[0]);
    let levels: Vec<String> =
        (1..10).map(|level| format!("l{level}: &l{level} [{}]", vec![format!("*l{}", level - 1); 10].join(","))).collect();
    let bomb = format!("l0: &l0 [x]\n{}", levels.join("\n"));
    let mistakes = File::parse(&bomb).unwrap_err();
    assert!(mistakes[0].message.contains("too large when its aliases"), "{}", mistakes[0]);
}

#[test]
fn logs_get_one_line_and_people_see_the_place() {
    let error = join(&args(), "log: { levl: info }\ncache: { size: 5 }").unwrap_err();
    let first = "doorstep.yaml:1:8: `levl` is no key of `log`; did you mean `level`?";
    assert_eq!(format!("{error}"), format!("{first} (and 1 more; `doorstep check` shows all)"));
    let shown = format!("{error:#}");
    assert!(shown.starts_with(&format!("{first}\n  1 | log: {{ levl: info }}\n    |        ^^^^\n\ndoorstep.yaml:2:16: ")), "{shown}");
    assert_eq!((error.exit_code(), error.mistakes().len()), (1, 2));
}

#[test]
fn the_mistake_that_readme_shows_is_shown_so() {
    let text = "upstreams:\n  vpc: { servers: [\"udp://192.0.2.1\"] }\nzones:\n  - name: corp.example\n    upstream: vpx";
    let shown = format!("{:#}\n", join(&args(), text).unwrap_err());
    assert!(include_str!("../../../README.md").contains(&shown), "{shown}");
}

#[test]
fn marks_stand_below_what_they_mean_where_letters_are_wide_in_octets() {
    let mistakes = File::parse("log: { level: \"größer\", format: txet }").unwrap_err();
    let shown = format!("{:#}", mistakes[1]);
    let (line, marks) = (shown.lines().nth(1).unwrap(), shown.lines().nth(2).unwrap());
    let at = marks.find('^').unwrap();
    assert_eq!(line.chars().skip(at).take(4).collect::<String>(), "txet", "{shown}");
}

#[test]
fn text_that_is_no_utf_8_is_refused_with_its_line() {
    let error = crate::config::join::understand(std::path::Path::new("f"), b"log: {}\n\xff").unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert_eq!(error.to_string(), "f: line 2 is not UTF-8; save the file as UTF-8");
}

fn assert_all(cases: &[Wrong]) {
    for (text, place, words) in cases {
        let mistakes = File::parse(text).expect_err(text);
        let first = &mistakes[0];
        assert_eq!((first.line, first.column), *place, "{text}\n{first:#}");
        // What is wrong, then the cure.
        assert!(first.message.contains("; "), "no cure is said of\n{text}\n{first:#}");
        for word in *words {
            assert!(first.message.contains(word), "{word:?} is not said of\n{text}\n{first:#}");
        }
    }
}
