//! `doorstep preflight`: what would go wrong if DNS were redirected now, each with its cure.

mod text;

use std::process::ExitCode;

use serde_json::{Value, json};

use super::status::{at_cluster, fail, told};
use super::terminal::print;
use crate::config;
use crate::config::args::Output;
use crate::config::operator::PreflightArgs;
use crate::k8s::PolicyReview;
use crate::redirect::Shut;

/// Asks the cluster. Exit codes: 0 nothing is in the way; 1 something is, or may be, or the cluster does not answer.
pub fn run(args: &PreflightArgs) -> ExitCode {
    let output = args.cluster.output;
    let file = match args.config.as_deref().map(config::read).transpose() {
        Ok(read) => read.map(|(file, _)| file),
        Err(error) => return fail(&error, output),
    };
    let asked = at_cluster(&args.cluster, async |operator| {
        let told = match file {
            Some(file) => file.cilium,
            None => told(&operator).await?,
        };
        let said = args.over(told);
        let accepted = said.accept_network_policies;
        let operator = operator.knowing(said);
        let gates = operator.gates().await?;
        Ok(Preflight { gates, policies: operator.review_policies().await?, accepted })
    });
    match asked {
        Ok(preflight) => {
            match output {
                Output::Text => print(format_args!("{}", text::text(&preflight))),
                Output::Json => print(format_args!("{}", preflight.json())),
            }
            if preflight.verdict() == Verdict::Pass { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&error, output),
    }
}

/// All that was found.
struct Preflight {
    gates: Vec<Shut>,
    policies: PolicyReview,
    /// The agents are told to redirect whatever the policies do.
    accepted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// Something is in the way.
    Red,
    /// Nothing is, as far as could be seen.
    Unknown,
}

impl Verdict {
    fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

impl Preflight {
    fn verdict(&self) -> Verdict {
        let harmful = self.policies.findings.iter().any(|finding| !finding.acknowledged);
        if !self.gates.is_empty() || harmful && !self.accepted {
            Verdict::Red
        } else if !self.policies.unknown.is_empty() && !self.accepted {
            Verdict::Unknown
        } else {
            Verdict::Pass
        }
    }

    fn json(&self) -> Value {
        let gate = |shut: &Shut| json!({ "gate": shut.gate, "saw": shut.saw, "matters": shut.matters, "cure": shut.cure });
        json!({
            "verdict": self.verdict().label(),
            "gates": self.gates.iter().map(gate).collect::<Vec<_>>(),
            "network_policies": self.policies,
            "accept_network_policies": self.accepted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect::network_policies::{Finding, Harm, Kind, Reference};
    use crate::redirect::{Gate, Protocol};

    pub(super) fn finding(acknowledged: bool) -> Finding {
        Finding {
            harm: Harm::CutOff,
            policies: vec![Reference { kind: Kind::NetworkPolicy, namespace: Some("app".to_owned()), name: "allow-dns".to_owned() }],
            protocols: vec![Protocol::Udp, Protocol::Tcp],
            pods: vec!["app/web-1".to_owned(), "app/web-2".to_owned()],
            count: 40,
            cures: vec!["kubectl patch".to_owned()],
            acknowledged,
        }
    }

    pub(super) fn preflight(findings: Vec<Finding>, unknown: &[&str]) -> Preflight {
        let unknown = unknown.iter().map(|what| (*what).to_owned()).collect();
        Preflight { gates: Vec::new(), policies: PolicyReview { findings, unknown, policies: 3, pods: 50 }, accepted: false }
    }

    #[test]
    fn a_finding_is_red_until_its_owner_knows_and_what_was_not_seen_is_unknown() {
        assert_eq!(preflight(vec![], &[]).verdict(), Verdict::Pass);
        assert_eq!(preflight(vec![finding(true)], &[]).verdict(), Verdict::Pass);
        assert_eq!(preflight(vec![finding(true), finding(false)], &["x"]).verdict(), Verdict::Red);
        assert_eq!(preflight(vec![finding(true)], &["pods may not be read"]).verdict(), Verdict::Unknown);
    }

    #[test]
    fn what_the_agents_are_told_to_accept_is_not_in_the_way_and_a_gate_is() {
        let accepted = Preflight { accepted: true, ..preflight(vec![finding(false)], &["x"]) };
        assert_eq!(accepted.verdict(), Verdict::Pass);
        let shut = Shut { gate: Gate::Ports, saw: "x".to_owned(), matters: "x", cure: "x".to_owned(), grave: false };
        assert_eq!(Preflight { gates: vec![shut], ..accepted }.verdict(), Verdict::Red);
    }

    #[test]
    fn scripts_read_verdict_policies_and_cures() {
        let said = preflight(vec![finding(false)], &[]).json();
        assert_eq!((said["verdict"].as_str(), said["gates"].as_array().map(Vec::len)), (Some("red"), Some(0)));
        let finding = &said["network_policies"]["findings"][0];
        assert_eq!((finding["harm"].as_str(), finding["count"].as_u64()), (Some("cut_off"), Some(40)));
        assert_eq!(finding["policies"][0], json!({ "kind": "NetworkPolicy", "namespace": "app", "name": "allow-dns" }));
    }
}
