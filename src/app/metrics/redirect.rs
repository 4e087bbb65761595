//! The redirect's side: where it stands, and what was asked of the API server.

use crate::app::proof::Proof;
use crate::k8s::{Account, Call};
use crate::redirect::{Gate, GateVerdict, Report, Standing};
use crate::telemetry::{Metric, Value};

/// What the agent's account says.
pub(super) fn of_redirect(account: &Account) -> Vec<Metric> {
    let report = account.report();
    let standing = report.standing;
    let stands = Standing::ALL.map(|one| (one.label().to_owned(), Value::Gauge((one == standing).into())));
    let calls = |of: fn((u64, u64)) -> u64| Call::ALL.map(|call| (call.label().to_owned(), Value::Counter(of(account.calls(call)))));
    vec![
        gates(&report),
        Metric::by("doorstep_redirect_standing", "1 where the redirect stands as this agent sees it", "standing", stands),
        Metric::by(
            "doorstep_redirect_calls",
            "Calls to the API server that were done; of a watch, each event",
            "call",
            calls(|(done, _)| done),
        ),
        Metric::by("doorstep_redirect_errors", "Calls to the API server that failed", "call", calls(|(_, failed)| failed)),
    ]
}

/// All rows are 0 until this agent has looked, and where there is no cluster.
fn gates(report: &Report) -> Metric {
    let verdict = |gate| report.gates.iter().find(|judged| judged.name == gate).map(|judged| judged.verdict);
    let row = |gate: Gate, judged: GateVerdict| {
        let labels = vec![("gate", gate.label().to_owned()), ("verdict", judged.label().to_owned())];
        (labels, Value::Gauge((verdict(gate) == Some(judged)).into()))
    };
    Metric {
        name: "doorstep_redirect_gate",
        help: "1 for each gate's verdict when this agent last looked",
        rows: Gate::ALL.iter().flat_map(|gate| GateVerdict::ALL.map(|judged| row(*gate, judged))).collect(),
    }
}

/// What the questions to the DNS Service have shown; a path without a row is one of which nothing is known.
pub(super) fn of_proof(proof: &Proof) -> Vec<Metric> {
    let rows = proof.live().into_iter().map(|(path, live)| {
        let labels = vec![("protocol", path.protocol.label().to_owned()), ("family", path.family.label().to_owned())];
        (labels, Value::Gauge(live.into()))
    });
    vec![
        Metric {
            name: "doorstep_redirect_live",
            help: "1: what this node asks of the DNS Service comes to this agent; 0: another server answers, or none",
            rows: rows.collect(),
        },
        Metric::plain(
            "doorstep_redirect_step_asides",
            "Times this agent turned not ready because redirected queries did not arrive",
            Value::Counter(proof.asides()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect::JudgedGate;

    fn lit(report: &Report) -> Vec<String> {
        let lit = gates(report).rows.into_iter().filter(|(_, value)| matches!(value, Value::Gauge(1)));
        lit.map(|(labels, _)| format!("{} {}", labels[0].1, labels[1].1)).collect()
    }

    #[test]
    fn a_gate_has_one_verdict_and_none_before_the_first_look() {
        let mut report = Report::default();
        assert_eq!((lit(&report).len(), gates(&report).rows.len()), (0, 3 * Gate::ALL.len()));
        let gate = |name, verdict| JudgedGate { name, verdict, saw: None, matters: None, cure: None };
        report.gates =
            vec![gate(Gate::Ports, GateVerdict::Pass), gate(Gate::Cilium, GateVerdict::Unknown), gate(Gate::Rival, GateVerdict::Red)];
        assert_eq!(lit(&report), ["cilium unknown", "ports pass", "rival red"]);
    }
}
