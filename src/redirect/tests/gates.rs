//! Each gate with what shuts it, and with what does not.

use std::net::IpAddr;

use crate::redirect::*;

/// A cluster in which a policy may be created; a row changes some of it.
struct Scene {
    service: Result<SeenService, Unknown>,
    upstream: Result<SeenService, Unknown>,
    container_ports: Vec<(String, u16, Protocol)>,
    asks: Vec<IpAddr>,
    serves: Option<Families>,
    policies: Vec<SeenPolicy>,
    cilium: Result<SeenCilium, Unknown>,
    said: CiliumConfig,
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn service(name: &str, ips: &[&str]) -> SeenService {
    SeenService { dns: DnsService { name: name.to_owned(), ..DnsService::standard() }, addresses: addresses(ips) }
}

fn rival(name: &str, service: Option<&str>, address: Option<&str>) -> SeenPolicy {
    SeenPolicy {
        name: name.to_owned(),
        uid: "r1".to_owned(),
        owner: None,
        spec: None,
        service: service.map(str::to_owned),
        address: address.map(|text| text.parse().unwrap()),
        deleting: false,
        created: None,
    }
}

fn well() -> Scene {
    Scene {
        service: Ok(service("kube-dns", &["10.96.0.10"])),
        upstream: Ok(service(UPSTREAM_SERVICE, &["10.96.0.11"])),
        container_ports: DnsService::standard().ports,
        asks: addresses(&["10.96.0.11"]),
        serves: Some(Families { v4: true, v6: false }),
        policies: Vec::new(),
        cilium: Ok(SeenCilium { image: "quay.io/cilium/cilium:v1.19.5".to_owned(), rolling: false, enabled: Some("true".to_owned()) }),
        said: CiliumConfig::default(),
    }
}

impl Scene {
    /// The gates that are shut: name, and whether a policy that stands does harm.
    fn verdict(&self) -> Vec<(&'static str, bool)> {
        self.shut().into_iter().map(|shut| (shut.gate.label(), shut.grave)).collect()
    }

    fn shut(&self) -> Vec<Shut> {
        shut(&self.view())
    }

    /// The gates that do not pass; network policies are judged when they are read.
    fn judged(&self, has_crd: bool) -> Vec<(&'static str, GateVerdict)> {
        let gates = judge_gates(&self.view(), has_crd, &self.shut());
        assert_eq!(gates.iter().map(|gate| gate.name).collect::<Vec<_>>(), Gate::ALL);
        let is_told = |gate: &JudgedGate| gate.verdict != GateVerdict::Pass && gate.name != Gate::NetworkPolicies;
        gates.into_iter().filter(is_told).map(|gate| (gate.name.label(), gate.verdict)).collect()
    }

    fn view(&self) -> View<'_> {
        View {
            service_name: "kube-dns",
            service: self.service.as_ref(),
            upstream: self.upstream.as_ref(),
            container_ports: &self.container_ports,
            asks: &self.asks,
            serves: self.serves,
            policies: &self.policies,
            cilium: self.cilium.as_ref(),
            said: &self.said,
        }
    }
}

/// What is changed, and what shuts then.
type Row = (&'static str, fn(&mut Scene), &'static [(&'static str, bool)]);

const ROWS: [Row; 28] = [
    ("all is well", |_| {}, &[]),
    ("the Service is missing", |scene| scene.service = Err(Unknown::Missing), &[("service", false)]),
    ("the Service is not read", |scene| scene.service = Err(Unknown::Unseen), &[("service", false)]),
    ("the Service is garbled", |scene| scene.service = Err(Unknown::Garbled("no spec".to_owned())), &[("service", false)]),
    ("no TCP at port 53", |scene| scene.ports().truncate(1), &[("ports", true)]),
    ("no UDP at port 53", |scene| drop(scene.ports().remove(0)), &[("ports", true)]),
    ("other names in the pods", |scene| scene.container_ports[0].0 = "dns-udp".to_owned(), &[("ports", true)]),
    ("another number in the pods", |scene| scene.container_ports[1].1 = 5353, &[("ports", true)]),
    ("another protocol in the pods", |scene| scene.container_ports[1].2 = Protocol::Udp, &[("ports", true)]),
    ("more ports in the pods", |scene| scene.container_ports.push(("metrics".to_owned(), 9253, Protocol::Tcp)), &[]),
    ("a second family that nobody answers", |scene| scene.has(&["10.96.0.10", "fd00::a"]), &[("families", false)]),
    ("IPv6 alone that nobody answers", |scene| scene.has(&["fd00::a"]), &[("families", false)]),
    ("a family more than the Service has", |scene| scene.serves = Some(Families { v4: true, v6: true }), &[]),
    ("two families, both answered", |scene| scene.has_both(), &[]),
    ("two families, seen from outside", |scene| (scene.has(&["10.96.0.10", "fd00::a"]), scene.serves = None).0, &[]),
    ("no upstream", |scene| scene.upstream = Err(Unknown::Missing), &[("upstream", false)]),
    ("an upstream not read", |scene| scene.upstream = Err(Unknown::Unseen), &[("upstream", false)]),
    ("a garbled upstream", |scene| scene.upstream = Err(Unknown::Garbled("no spec".to_owned())), &[("upstream", false)]),
    ("the upstream redirected itself", |scene| scene.service = scene.upstream.clone(), &[("upstream", false)]),
    (
        "the upstream at the Service's address",
        |scene| scene.upstream = Ok(service(UPSTREAM_SERVICE, &["10.96.0.10"])),
        &[("upstream", false)],
    ),
    ("the agent asks the Service", |scene| scene.asks = addresses(&["10.96.0.10"]), &[("upstream", false)]),
    ("a second policy for the Service", |scene| scene.policies.push(rival("zz", Some("kube-dns"), None)), &[("rival", true)]),
    ("a second policy for its address", |scene| scene.policies.push(rival("zz", None, Some("10.96.0.10"))), &[("rival", true)]),
    ("our name, made by somebody", |scene| scene.policies.push(rival(POLICY_NAME, None, None)), &[("rival", true)]),
    ("a policy for another Service", |scene| scene.policies.push(rival("zz", Some("web"), None)), &[]),
    ("local redirect policies switched off", |scene| scene.cilium().enabled = None, &[("local_redirect_policies", false)]),
    ("a Cilium that blackholes", |scene| scene.cilium().image = "cilium:v1.18.1".to_owned(), &[("cilium", true)]),
    ("a Cilium under way", |scene| scene.cilium().rolling = true, &[("cilium_rollout", false)]),
];

impl Scene {
    fn ports(&mut self) -> &mut Vec<(String, u16, Protocol)> {
        &mut self.service.as_mut().unwrap().dns.ports
    }

    fn has(&mut self, ips: &[&str]) {
        self.service.as_mut().unwrap().addresses = addresses(ips);
    }

    fn has_both(&mut self) {
        self.has(&["10.96.0.10", "fd00::a"]);
        self.serves = Some(Families { v4: true, v6: true });
    }

    fn cilium(&mut self) -> &mut SeenCilium {
        self.cilium.as_mut().unwrap()
    }
}

#[test]
fn each_gate_is_shut_by_its_own_reasons_and_by_no_others() {
    for (what, change, expected) in ROWS {
        let mut scene = well();
        change(&mut scene);
        assert_eq!(scene.verdict(), expected, "{what}");
    }
}

#[test]
fn every_gate_is_shut_by_some_row() {
    // That of the CRD is shut by the list of policies that fails, that of network policies by what is read later.
    let elsewhere = [Gate::Crd.label(), Gate::NetworkPolicies.label()];
    let shut = |gate: &str| ROWS.iter().any(|(_, _, expected)| expected.iter().any(|(name, _)| *name == gate));
    for gate in Gate::ALL.map(Gate::label) {
        assert!(elsewhere.contains(&gate) != shut(gate), "{gate}");
    }
}

#[test]
fn a_gate_that_is_shut_says_what_it_saw_why_it_matters_and_the_cure() {
    for (what, change, _) in ROWS {
        let mut scene = well();
        change(&mut scene);
        for shut in scene.shut() {
            assert!(!shut.saw.is_empty() && !shut.matters.is_empty() && !shut.cure.is_empty(), "{what}: {shut:?}");
        }
    }
}

#[test]
fn a_gate_of_which_nothing_was_read_is_unknown_and_not_passed() {
    use GateVerdict::{Red, Unknown as Dark};
    let all = |change: fn(&mut Scene)| {
        let mut scene = well();
        change(&mut scene);
        scene.judged(true)
    };
    assert_eq!(well().judged(true), []);
    assert_eq!(well().judged(false), [("crd", Red)]);
    let without_service = [("ports", Dark), ("families", Dark), ("upstream", Dark), ("rival", Dark)];
    assert_eq!(all(|scene| scene.service = Err(Unknown::Missing)), [&[("service", Red)][..], &without_service].concat());
    assert_eq!(all(|scene| scene.service = Err(Unknown::Unseen)), [&[("service", Dark)][..], &without_service].concat());
    assert_eq!(all(|scene| scene.upstream = Err(Unknown::Missing)), [("upstream", Red)]);
    assert_eq!(all(|scene| scene.upstream = Err(Unknown::Unseen)), [("upstream", Dark)]);
    assert_eq!(all(|scene| scene.serves = None), [("families", Dark)]);
    let unread = [("local_redirect_policies", Dark), ("cilium", Dark), ("cilium_rollout", Dark)];
    assert_eq!(all(|scene| scene.cilium = Err(Unknown::Garbled("forbidden".to_owned()))), unread);
    assert_eq!(all(|scene| scene.cilium().image = "cilium@sha256:00".to_owned()), [("cilium", Dark)]);
    assert_eq!(all(|scene| scene.cilium().image = "cilium:v1.18.1".to_owned()), [("cilium", Red)]);
}

/// Whoever names the version answers for it; what else could not be read is told, and keeps nothing.
#[test]
fn a_version_that_an_operator_says_passes_unread() {
    let mut scene = well();
    scene.cilium = Err(Unknown::Missing);
    scene.said.version = Version::parse("1.19.5");
    assert_eq!(scene.judged(true), [("local_redirect_policies", GateVerdict::Unknown), ("cilium_rollout", GateVerdict::Unknown)]);
    assert_eq!(scene.verdict(), []);
}

#[test]
fn a_gate_that_shuts_behind_a_policy_is_told_though_the_policy_stays() {
    let mut scene = well();
    scene.cilium().rolling = true;
    let (shut, gates) = (scene.shut(), judge_gates(&scene.view(), true, &scene.shut()));
    let around = Surroundings { shut, gates: gates.clone(), ..Surroundings::default() };
    let seen = Observation { people: Err(Unknown::Unseen), state: Err(Unknown::Unseen), policies: Err(Unknown::Unseen) };
    let report = Report::new(&Decision::Rest(Rest::Live), &seen, &around, "kube-system");
    assert!(report.standing == Standing::Live && report.reasons[0].starts_with("cilium_rollout: "), "{report:?}");
    assert!(report.cures[0].ends_with("(manifests/README.md#gate-cilium_rollout)"), "{report:?}");
    assert_eq!(report.gates, gates);
}

#[test]
fn an_agent_that_lacks_a_family_of_the_service_has_a_reason_not_to_be_ready() {
    let reason = |change: fn(&mut Scene)| {
        let mut scene = well();
        change(&mut scene);
        Surroundings { shut: scene.shut(), ..Surroundings::default() }.unanswered().map(str::to_owned)
    };
    let lacking = reason(|scene| scene.has(&["10.96.0.10", "fd00::a"]));
    assert_eq!(lacking.as_deref(), Some("Service kube-dns has the IPv6 address fd00::a, this agent does not answer IPv6"));
    assert_eq!(reason(|scene| scene.has_both()), None);
    assert_eq!(reason(|scene| scene.ports().truncate(1)), None, "what is wrong everywhere is not this agent's fault");
}
