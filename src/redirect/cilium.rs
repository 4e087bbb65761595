//! Which Cilium runs, and whether a policy may be trusted to it. What each version does was measured on Cilium's own control plane.

use super::gates::{Gate, Shut};
use super::state::Unknown;

/// The key of Cilium's ConfigMap that switches local redirect policies on.
pub const ENABLE_KEY: &str = "enable-local-redirect-policy";

/// What is done about a gate that turns red behind a standing policy, and makes it harmful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRed {
    /// A hold: the policy goes, until a person resumes.
    #[default]
    Hold,
    /// It is told, and the policy stays.
    Alarm,
}

/// What operators say of their Cilium, of network policies, and of a gate that turns red.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumConfig {
    /// Where the DaemonSet `cilium` and the ConfigMap `cilium-config` are.
    pub namespace: String,
    /// Which version it is, where the image's tag does not tell, or nothing may be read.
    pub version: Option<Version>,
    /// A version whose faults are known and accepted.
    pub accept: Option<Version>,
    /// Network policies that are found harmful do not keep a policy from being created.
    pub accept_network_policies: bool,
    /// What is done behind a standing policy.
    pub on_red: OnRed,
}

impl Default for CiliumConfig {
    fn default() -> Self {
        Self { namespace: "kube-system".to_owned(), version: None, accept: None, accept_network_policies: false, on_red: OnRed::Hold }
    }
}

/// What the cluster says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCilium {
    /// The image of its DaemonSet.
    pub image: String,
    /// Pods of two versions run.
    pub rolling: bool,
    /// What [`ENABLE_KEY`] says.
    pub enabled: Option<String>,
}

/// A release of Cilium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u16, u16, u16);

impl Version {
    /// Reads `1.19.5` or `v1.19.5`; `None` for anything more or less, because builds of others may behave as they like.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(|number| {
            let plain = !number.is_empty() && number.len() <= 4 && number.bytes().all(|octet| octet.is_ascii_digit());
            plain.then(|| number.parse().ok())?
        });
        let version = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(version)
    }

    /// Of an image's tag.
    fn of_image(image: &str) -> Option<Self> {
        let name = image.split('@').next()?.rsplit('/').next()?;
        Self::parse(name.split_once(':')?.1)
    }

    fn conduct(self) -> Conduct {
        match (self.0, self.1, self.2) {
            (1, 18, 0..=1) => Conduct::Blackholes,
            // The fix that the notes of 1.18.6 list is not in its source.
            (1, 18, 2..=6) => Conduct::IgnoresReadiness,
            (1, 9..=u16::MAX, _) => Conduct::FallsBack,
            _ => Conduct::Unheard,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What a version does on a node whose agent is not ready, or not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    /// It asks the DNS Service's own backends.
    FallsBack,
    /// It falls back where there is no pod, and sends to one that is not ready.
    IgnoresReadiness,
    /// It sends to nobody where there is no pod.
    Blackholes,
    /// It has no local redirect policies, or is of another age.
    Unheard,
}

/// Whether a pod's own query to the DNS Service comes back to it by every family: without socket load balancing, IPv6 has that only from
/// 1.19 on. A version that is not known may be an older one.
pub fn hairpin(seen: Result<&SeenCilium, &Unknown>, said: &CiliumConfig) -> bool {
    let version = said.version.or_else(|| Version::of_image(&seen.ok()?.image));
    version.is_some_and(|version| version >= Version(1, 19, 0))
}

/// The gates that Cilium shuts.
pub(super) fn shut(seen: Result<&SeenCilium, &Unknown>, said: &CiliumConfig) -> Vec<Shut> {
    let seen = match (seen, said.version) {
        (Ok(seen), _) => seen,
        // Whoever names the version answers for the rest.
        (Err(_), Some(version)) => return conduct(version, said).into_iter().collect(),
        (Err(unknown), None) => return vec![unread(unknown, said)],
    };
    let version = said.version.or_else(|| Version::of_image(&seen.image));
    [enabled(seen, said), version.map_or_else(|| Some(untold(seen)), |version| conduct(version, said)), rolling(seen, said)]
        .into_iter()
        .flatten()
        .collect()
}

fn unread(unknown: &Unknown, said: &CiliumConfig) -> Shut {
    let namespace = &said.namespace;
    Shut {
        gate: Gate::Cilium,
        saw: match unknown {
            Unknown::Missing => format!("there is no DaemonSet cilium in namespace {namespace}"),
            Unknown::Unseen => "Cilium has not been read".to_owned(),
            Unknown::Garbled(reason) => format!("Cilium in namespace {namespace}: {reason}"),
        },
        matters: MATTERS,
        cure: "name Cilium's namespace in `redirect: { cilium_namespace: … }` and let the agents read it there (manifests/base/rbac-cilium.yaml), \
               or name the version yourself in `redirect: { cilium_version: … }`"
            .to_owned(),
        grave: false,
    }
}

const MATTERS: &str = "some versions of Cilium take DNS from nodes whose agent is not ready (cilium#41450, cilium#43080)";

fn untold(seen: &SeenCilium) -> Shut {
    Shut {
        gate: Gate::Cilium,
        saw: format!("the image {} does not tell its version", seen.image),
        matters: MATTERS,
        cure: "find out with `cilium version`, and say it in the configuration: redirect: { cilium_version: … }".to_owned(),
        grave: false,
    }
}

fn conduct(version: Version, said: &CiliumConfig) -> Option<Shut> {
    let (saw, cure) = match version.conduct() {
        Conduct::FallsBack => return None,
        Conduct::IgnoresReadiness if said.accept == Some(version) => return None,
        Conduct::IgnoresReadiness => (
            format!("Cilium {version} goes on sending to an agent that is not ready"),
            format!("upgrade to 1.18.7 or later; or accept what an agent that dies then costs: redirect: {{ accept_cilium: {version} }}"),
        ),
        Conduct::Blackholes => {
            (format!("Cilium {version} sends to nobody on nodes without an agent"), "upgrade Cilium to 1.18.7 or later".to_owned())
        }
        Conduct::Unheard => (
            format!("Cilium {version} is not among the versions that have local redirect policies"),
            "upgrade Cilium to 1.18.7 or later".to_owned(),
        ),
    };
    Some(Shut { gate: Gate::Cilium, saw, matters: MATTERS, cure, grave: true })
}

fn enabled(seen: &SeenCilium, said: &CiliumConfig) -> Option<Shut> {
    let is_on = seen.enabled.as_deref() == Some("true");
    (!is_on).then(|| Shut {
        gate: Gate::LocalRedirectPolicies,
        saw: match &seen.enabled {
            Some(value) => format!("{ENABLE_KEY} is {value:?} in ConfigMap cilium-config of namespace {}", said.namespace),
            None => format!("{ENABLE_KEY} is not in ConfigMap cilium-config of namespace {}", said.namespace),
        },
        matters: "Cilium takes no notice of a policy otherwise",
        cure: "set localRedirectPolicies.enabled=true in Cilium's values, then restart deployment cilium-operator and daemonset cilium"
            .to_owned(),
        grave: false,
    })
}

fn rolling(seen: &SeenCilium, said: &CiliumConfig) -> Option<Shut> {
    seen.rolling.then(|| Shut {
        gate: Gate::CiliumRollout,
        saw: "DaemonSet cilium is being rolled out".to_owned(),
        matters: "until it is complete, nodes follow two versions of Cilium",
        cure: format!("wait for it: kubectl -n {} rollout status daemonset/cilium", said.namespace),
        grave: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tag: &str) -> SeenCilium {
        SeenCilium { image: format!("quay.io/cilium/cilium:{tag}"), rolling: false, enabled: Some("true".to_owned()) }
    }

    /// The gates' names, and whether each is grave.
    fn verdict(seen: &SeenCilium, said: &CiliumConfig) -> Vec<(&'static str, bool)> {
        shut(Ok(seen), said).into_iter().map(|shut| (shut.gate.label(), shut.grave)).collect()
    }

    #[test]
    fn silence_means_something_from_1_19_on() {
        let said = |version| CiliumConfig { version: Version::parse(version), ..CiliumConfig::default() };
        for (tag, expected) in [("v1.18.10", false), ("v1.19.0", true), ("v1.20.2", true), ("latest", false)] {
            assert_eq!(hairpin(Ok(&seen(tag)), &CiliumConfig::default()), expected, "{tag}");
        }
        assert!(hairpin(Err(&Unknown::Missing), &said("1.19.5")));
        assert!(!hairpin(Ok(&seen("v1.19.0")), &said("1.18.7")), "what operators say comes first");
    }

    #[test]
    fn versions_that_fall_back_pass_and_the_others_are_grave() {
        let none = CiliumConfig::default();
        for good in
            ["v1.9.0", "v1.13.18", "v1.17.16", "v1.18.7", "v1.18.10", "v1.19.0", "1.19.5", "v1.20.2", "v1.31.0", "v1.19.5@sha256:0a1b"]
        {
            assert_eq!(verdict(&seen(good), &none), [], "{good}");
        }
        for bad in ["v1.8.13", "v1.18.0", "v1.18.1", "v1.18.2", "v1.18.4", "v1.18.6", "v2.0.0"] {
            assert_eq!(verdict(&seen(bad), &none), [("cilium", true)], "{bad}");
        }
    }

    #[test]
    fn what_ignores_readiness_may_be_accepted_by_its_very_version_and_a_blackhole_never() {
        let accept = |version| CiliumConfig { accept: Version::parse(version), ..CiliumConfig::default() };
        assert_eq!(verdict(&seen("v1.18.4"), &accept("1.18.4")), []);
        assert_eq!(verdict(&seen("v1.18.5"), &accept("1.18.4")), [("cilium", true)], "another version has been installed since");
        assert_eq!(verdict(&seen("v1.18.1"), &accept("1.18.1")), [("cilium", true)]);
    }

    #[test]
    fn a_tag_that_is_no_release_waits_until_an_operator_says_which_it_is() {
        for tag in ["latest", "v1.19", "v1.19.5-vendor.1", "v1.19.0-rc.1", "v1.19.", "v1..5", "v1.19.+5", "v1.19.5.1"] {
            assert_eq!(verdict(&seen(tag), &CiliumConfig::default()), [("cilium", false)], "{tag}");
        }
        let said = CiliumConfig { version: Version::parse("1.19.5"), ..CiliumConfig::default() };
        let digest = SeenCilium { image: "localhost:5000/cilium@sha256:00".to_owned(), ..seen("") };
        assert_eq!(verdict(&digest, &CiliumConfig::default()), [("cilium", false)]);
        assert_eq!(verdict(&digest, &said), []);
        let wrong = CiliumConfig { version: Version::parse("1.18.1"), ..CiliumConfig::default() };
        assert_eq!(verdict(&seen("latest"), &wrong), [("cilium", true)]);
    }

    #[test]
    fn without_sight_of_cilium_nothing_is_created_unless_an_operator_says_the_version() {
        for unknown in [Unknown::Missing, Unknown::Unseen, Unknown::Garbled("forbidden".to_owned())] {
            let shut = shut(Err(&unknown), &CiliumConfig::default());
            assert!(shut.len() == 1 && !shut[0].grave && shut[0].cure.contains("rbac-cilium.yaml"), "{shut:?}");
        }
        let said = CiliumConfig { version: Version::parse("1.19.5"), ..CiliumConfig::default() };
        assert_eq!(super::shut(Err(&Unknown::Missing), &said), []);
    }

    #[test]
    fn a_rollout_is_waited_for_and_a_switch_that_is_off_is_told() {
        let none = CiliumConfig::default();
        assert_eq!(verdict(&SeenCilium { rolling: true, ..seen("v1.19.5") }, &none), [("cilium_rollout", false)]);
        for enabled in [None, Some("false".to_owned())] {
            assert_eq!(verdict(&SeenCilium { enabled, ..seen("v1.19.5") }, &none), [("local_redirect_policies", false)]);
        }
    }
}
