//! The resolvers that pods have, asked as pods ask them: `ndots:5`, three search domains, both families, port 53. The upstream is gone;
//! every name used a moment ago resolves. musl ends its search at the first SERVFAIL, so that denials must outlive the outage as well;
//! before 1.2.4 it asks nothing over TCP, so that a truncated answer must hold what fits.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, seconds};

const RESOLV_CONF: &str = "\
nameserver 127.0.0.1
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
";

/// In both zones all expires after a second. `api` lacks an AAAA, the last address is what changes while the upstream is gone.
const CLUSTER: &str = "\
$ORIGIN cluster.local.
@ 1 IN SOA ns.dns hostmaster 1 7200 1800 86400 1
@ 1 IN NS ns.dns
ns.dns 1 IN A 10.96.0.10
kubernetes.default.svc 1 IN A 10.96.0.1
kubernetes.default.svc 1 IN AAAA 2001:db8::1
fresh.default.svc 1 IN A 10.96.1.9
api.default.svc 1 IN A ";

const ROOT: &str = "\
$ORIGIN .
@ 1 IN SOA a.root.example. hostmaster.example. 1 7200 1800 86400 1
@ 1 IN NS a.root.example.
a.root.example. 1 IN A 192.0.2.53
www.example.com. 1 IN A ";

/// A name below `default`, with more addresses than 512 octets carry: asked without EDNS over UDP, its answer is truncated.
const MANY: &str = "many.default";
/// Its addresses; musl's `getaddrinfo` takes no more than 48.
const ADDRESSES: usize = 40;
/// Names that it makes on the wire.
const MANY_NAMES: usize = 2;

type Row = (&'static str, usize, &'static str, &'static str);

/// What pods ask for, how many names that makes on the wire, and addresses of before and after.
const NAMES: [Row; 3] = [
    ("kubernetes", 1, "10.96.0.1", "10.96.0.1"),
    ("api.default", 2, "10.96.1.2", "10.96.1.22"),
    ("www.example.com", 4, "192.0.2.80", "192.0.2.88"),
];

/// Set inside the namespaces in which the scenarios play.
const INSIDE: &str = "DOORSTEP_TEST_NAMESPACES";

/// How the upstream is gone.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Stopped,
    Silent,
}

#[test]
fn pods_resolve_every_name_while_coredns_is_stopped() {
    in_a_pod("pods_resolve_every_name_while_coredns_is_stopped", |stage| outage(stage, Gone::Stopped));
}

#[test]
fn pods_resolve_every_name_while_coredns_is_silent() {
    in_a_pod("pods_resolve_every_name_while_coredns_is_silent", |stage| outage(stage, Gone::Silent));
}

fn outage(stage: &Stage, gone: Gone) {
    let zones = |api, www| (format!("{CLUSTER}{api}\n{}", many()), format!("{ROOT}{www}\n"));
    let (cluster, root) = zones(NAMES[1].2, NAMES[2].2);
    let mut coredns = CoreDns::start_knowing(stage, &cluster, &root);
    let doorstep = Doorstep::on(53, &["--upstream", &coredns.tcp()]).ready();
    let resolvers = resolvers();
    resolve_all(&resolvers, |(name, _, before, _)| (name, before));
    match gone {
        Gone::Stopped => coredns.stop(),
        Gone::Silent => coredns.freeze(),
    }
    sleep(Duration::from_millis(1_300));
    let slowest = ask_for(seconds(12), &doorstep, &resolvers);
    tell(&format!("CoreDNS {gone:?}, the slowest of each: {slowest:?}"));

    coredns.stop();
    let (cluster, root) = zones(NAMES[1].3, NAMES[2].3);
    coredns.learn(stage, &cluster, &root);
    coredns.run();
    assert_eq!(doorstep.ask(&a("fresh.default.svc.cluster.local.")).rcode(), Rcode::NoError, "the first success");
    resolve_all(&resolvers, |(name, _, _, after)| (name, after));
}

/// The records of [`MANY`].
fn many() -> String {
    (1..=ADDRESSES).map(|host| format!("many.default.svc 1 IN A 10.1.2.{host}\n")).collect()
}

/// Every resolver finds every name at the address that `expected` takes from its row.
fn resolve_all(resolvers: &[Resolver], expected: fn(Row) -> (&'static str, &'static str)) {
    for resolver in resolvers {
        for (name, address) in NAMES.map(expected) {
            resolver.resolve(name, address);
        }
        resolver.resolve_many();
    }
}

/// Every resolver asks for every name, over and over; how long the slowest took. Meanwhile the upstream is asked less than once a second
/// for each name.
fn ask_for<'a>(outage: Duration, doorstep: &Doorstep, resolvers: &'a [Resolver]) -> BTreeMap<&'a str, Duration> {
    let attempts = || doorstep.metric("doorstep_upstream_attempts_total");
    let (begun, before) = (Instant::now(), attempts());
    let mut slowest = BTreeMap::new();
    while begun.elapsed() < outage {
        for resolver in resolvers {
            let slow: &mut Duration = slowest.entry(resolver.of.as_str()).or_default();
            for (name, _, address, _) in NAMES {
                *slow = resolver.resolve(name, address).max(*slow);
            }
            *slow = resolver.resolve_many().max(*slow);
        }
    }
    let names = MANY_NAMES + NAMES.iter().map(|(_, names, ..)| names).sum::<usize>();
    let most = names as f64 * begun.elapsed().as_secs_f64();
    let asked = attempts() - before;
    assert!(asked > 0.0 && asked < most, "{asked} attempts, {most:.0} may be");
    assert!(doorstep.metric("coredns_cache_served_stale_total") > 0.0);
    tell(&format!("{asked} attempts for {names} names in {:.1?}", begun.elapsed()));
    slowest
}

/// A way to look a name up.
struct Resolver {
    of: String,
    command: Vec<PathBuf>,
    /// Takes a truncated answer for all there is.
    heeds_no_tc: bool,
}

impl Resolver {
    /// How long it takes until the name has this address.
    fn resolve(&self, name: &str, address: &str) -> Duration {
        let (took, addresses, output) = self.look_up(name);
        assert!(addresses.contains(&address.parse().unwrap()), "{} cannot resolve {name} to {address} in {took:?}: {output:?}", self.of);
        took
    }

    /// How long it takes until [`MANY`] has all its addresses, or those of a truncated answer.
    fn resolve_many(&self) -> Duration {
        let (took, addresses, output) = self.look_up(MANY);
        let is_enough = if self.heeds_no_tc { addresses.len() > ADDRESSES / 2 } else { addresses.len() == ADDRESSES };
        assert!(is_enough, "{} finds {} of {ADDRESSES} addresses in {took:?}: {output:?}", self.of, addresses.len());
        took
    }

    /// How long it takes, and what is found; no address where it fails.
    fn look_up(&self, name: &str) -> (Duration, BTreeSet<IpAddr>, Output) {
        let begun = Instant::now();
        let output = Command::new(&self.command[0]).args(&self.command[1..]).arg(name).output().unwrap();
        let took = begun.elapsed();
        let text = if output.status.success() { String::from_utf8_lossy(&output.stdout) } else { "".into() };
        (took, text.split_whitespace().filter_map(|word| word.parse().ok()).collect(), output)
    }
}

/// Those of this machine.
fn resolvers() -> Vec<Resolver> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/resolvers/build");
    let output = Command::new(build).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let built = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
    let java = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp"].map(PathBuf::from).into_iter();
    let all = [
        ("glibc", ["getent", "ahosts"].map(PathBuf::from).to_vec(), PathBuf::from("/usr/bin/getent")),
        ("Go", vec![built.join("go")], built.join("go")),
        ("the system's musl", vec![built.join("musl")], built.join("musl")),
        ("Rust's musl", vec![built.join("rust-musl")], built.join("rust-musl")),
        ("Java", java.chain([built.clone(), PathBuf::from("Lookup")]).collect(), built.join("Lookup.class")),
    ];
    let there = |(of, command, needs): (&str, Vec<PathBuf>, PathBuf)| {
        if !needs.exists() {
            tell(&format!("NOT PLAYED: the resolver of {of}, which is not on this machine"));
            return None;
        }
        let version = of.ends_with("musl").then(|| musl_version(&needs));
        let heeds_no_tc = version.as_ref().is_some_and(|version| *version < [1, 2, 4]);
        let of = version.map_or(of.to_owned(), |[major, minor, patch]| format!("musl {major}.{minor}.{patch}"));
        Some(Resolver { of, command, heeds_no_tc })
    };
    all.into_iter().filter_map(there).collect()
}

/// Which musl it is that `lookup.c` was built with.
fn musl_version(lookup: &Path) -> [u32; 3] {
    let output = Command::new(lookup).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u32> = text.trim_end().split('.').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// Plays a test of this file in namespaces of its own, where port 53 and `/etc/resolv.conf` are a pod's.
fn in_a_pod(test: &str, play: impl FnOnce(&Stage)) {
    let stage = Stage::beside_others();
    if std::env::var_os(INSIDE).is_some() {
        return play(&stage);
    }
    let available = Command::new("unshare").args(["--net", "--mount", "ip", "link", "set", "lo", "up"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        return tell(&format!("NOT PLAYED: {test}, which needs root, CAP_SYS_ADMIN, unshare and ip"));
    }
    let output = inside(&stage, test);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    said.lines().filter(|line| line.starts_with(TOLD)).for_each(|line| tell(&line[TOLD.len()..]));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// This program again, to play that test alone.
fn inside(stage: &Stage, test: &str) -> Output {
    let conf = [("resolv.conf", RESOLV_CONF), ("nsswitch.conf", "hosts: files dns\n")].map(|(name, text)| stage.file(name, text));
    let script = "ip link set lo up; mount --bind \"$1\" /etc/resolv.conf; \
                  [ ! -e /etc/nsswitch.conf ] || mount --bind \"$2\" /etc/nsswitch.conf; shift 2; exec \"$@\"";
    let module = module_path!().split_once("::").map_or("", |(_, module)| module);
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-ec", script, "sh"]).args(conf).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).env(INSIDE, "1").output().unwrap()
}

const TOLD: &str = "resolvers: ";

/// Says something that is seen where the test passes, too.
fn tell(text: &str) {
    std::io::stderr().write_all(format!("{TOLD}{text}\n").as_bytes()).unwrap();
}
