//! The runbook has the break-glass on its first line and a paragraph for each gate, where the gates' texts point.

use std::collections::BTreeSet;

use doorstep::redirect::Gate;

use super::{all_sources, expect_none};

const BREAK_GLASS: &str = "`kubectl -n kube-system delete clrp doorstep`";
const HEADING: &str = "### Gate: ";

/// What is wrong with this document as the runbook of these gates: the name of each, and where its text points.
fn mistakes(document: &str, path: &str, gates: &[(&str, String)]) -> Vec<String> {
    let Some((_, runbook)) = document.split_once("\n## Runbook\n") else { return vec![format!("{path}: no runbook")] };
    let mut wrong = Vec::new();
    let first = runbook.lines().find(|line| !line.is_empty()).unwrap_or_default();
    if !first.contains(BREAK_GLASS) {
        wrong.push(format!("{path}: the runbook does not begin with {BREAK_GLASS}"));
    }
    let told: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix(HEADING)).collect();
    let known: BTreeSet<&str> = gates.iter().map(|(gate, _)| *gate).collect();
    wrong.extend(known.difference(&told).map(|gate| format!("{path}: no paragraph for the gate {gate}")));
    wrong.extend(told.difference(&known).map(|gate| format!("{path}: there is no gate {gate}")));
    let astray = |(gate, paragraph): &&(&str, String)| *paragraph != format!("{path}#{}", anchor(&format!("{HEADING}{gate}")));
    wrong.extend(gates.iter().filter(astray).map(|(_, paragraph)| format!("{paragraph} is no anchor of {path}")));
    wrong
}

/// As forges make it of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn the_runbook_has_the_break_glass_first_and_a_paragraph_for_each_gate() {
    let path = "manifests/README.md";
    let document = all_sources().into_iter().find(|source| source.path == path).unwrap().text;
    expect_none(&mistakes(&document, path, &Gate::ALL.map(|gate| (gate.label(), gate.paragraph()))));
}

#[test]
fn a_gate_without_paragraph_and_a_paragraph_without_gate_are_found() {
    let path = "manifests/README.md";
    let document = format!("\n## Runbook\n\n{BREAK_GLASS}\n\n### Gate: one\n\n### Gate: three\n");
    let gate = |name| (name, format!("{path}#gate-{name}"));
    assert_eq!(
        mistakes(&document, path, &["one", "two"].map(gate)),
        ["manifests/README.md: no paragraph for the gate two", "manifests/README.md: there is no gate three"]
    );
    let told = ["one", "three"].map(gate);
    assert_eq!(mistakes(&document.replace(BREAK_GLASS, "first of all"), path, &told).len(), 1);
    assert_eq!(mistakes(&document, "README.md", &told).len(), 2, "the texts point elsewhere");
    assert_eq!(mistakes("no such chapter", path, &[]), ["manifests/README.md: no runbook"]);
}
