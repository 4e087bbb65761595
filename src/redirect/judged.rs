//! Every gate with its verdict, for `/status`, metrics and people: those that are shut, those that pass, and those of which nothing is known.

use serde::Serialize;

use super::gates::{Gate, Shut, View, no_crd};
use super::state::Unknown;

/// What there is to say of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Red,
    /// What it asks was not read, or does not tell.
    Unknown,
}

impl GateVerdict {
    /// All of them, for the metrics page.
    pub const ALL: [Self; 3] = [Self::Pass, Self::Red, Self::Unknown];

    /// Its name as labels and `/status` have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

/// A gate and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JudgedGate {
    /// Which.
    pub name: Gate,
    /// The verdict.
    pub verdict: GateVerdict,
    /// What was seen, where there is something to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saw: Option<String>,
    /// Why that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matters: Option<&'static str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// All gates, judged by what was seen and by which of them that shuts; network policies are judged when they are read, see
/// [`super::Surroundings::weigh`]. `has_crd`: whether the API server knows CiliumLocalRedirectPolicies.
pub fn judge_gates(view: &View<'_>, has_crd: bool, shut: &[Shut]) -> Vec<JudgedGate> {
    let crd = (!has_crd).then(no_crd);
    let judge = |name| {
        let found = shut.iter().chain(&crd).find(|shut| shut.gate == name);
        JudgedGate {
            name,
            verdict: match found {
                _ if is_unknown(name, view, found) => GateVerdict::Unknown,
                Some(_) => GateVerdict::Red,
                None => GateVerdict::Pass,
            },
            saw: found.map(|shut| shut.saw.clone()),
            matters: found.map(|shut| shut.matters),
            cure: found.map(|shut| shut.cure.clone()),
        }
    };
    Gate::ALL.map(judge).into()
}

fn is_unknown(gate: Gate, view: &View<'_>, found: Option<&Shut>) -> bool {
    let is_read = |service: Result<_, &Unknown>| matches!(service, Ok(_) | Err(Unknown::Missing));
    match gate {
        Gate::Crd => false,
        Gate::Cilium => found.is_some_and(|shut| !shut.grave),
        Gate::LocalRedirectPolicies | Gate::CiliumRollout => view.cilium.is_err(),
        Gate::Service => !is_read(view.service),
        Gate::Families => view.service.is_err() || view.serves.is_none(),
        Gate::Upstream => view.service.is_err() || !is_read(view.upstream),
        Gate::Ports | Gate::Rival => view.service.is_err(),
        Gate::NetworkPolicies => true,
    }
}
