//! The findings for people: what, by whom, why it matters, the cure.

use anstyle::{AnsiColor, Style};

use super::{Preflight, Verdict};
use crate::redirect::Shut;
use crate::redirect::network_policies::{ACKNOWLEDGED, Finding, Harm, Reference};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

pub(super) fn text(preflight: &Preflight) -> String {
    let policies = &preflight.policies;
    let mut blocks: Vec<String> = preflight.gates.iter().map(gate).collect();
    blocks.extend(policies.findings.iter().map(|found| finding(found, preflight.accepted)));
    blocks.extend(policies.unknown.iter().map(|what| format!("{BAD}unknown{BAD:#}   {what}")));
    let seen = format!("{} network policies and {} pods were looked at", policies.policies, policies.pods);
    blocks.push(match preflight.verdict() {
        Verdict::Pass if preflight.accepted => {
            format!("{GOOD}pass{GOOD:#}      network policies are accepted by the agents' `accept_network_policies: true`, and nothing else is in the way; {seen}")
        }
        Verdict::Pass => format!("{GOOD}pass{GOOD:#}      nothing is in the way; {seen}"),
        Verdict::Red => {
            format!("{BAD}red{BAD:#}       cure what is above, or have it acknowledged by the annotation {ACKNOWLEDGED}: \"true\"; {seen}")
        }
        Verdict::Unknown => format!("{BAD}unknown{BAD:#}   nothing is in the way as far as could be seen; {seen}"),
    });
    blocks.join("\n\n")
}

fn gate(shut: &Shut) -> String {
    format!("{BAD}gate{BAD:#}      {}: {}\nmatters   {}\n{FAINT}cure{FAINT:#}      {}", shut.gate, shut.saw, shut.matters, shut.cure)
}

fn finding(finding: &Finding, accepted: bool) -> String {
    let protocols: Vec<String> = finding.protocols.iter().map(ToString::to_string).collect();
    let policies: Vec<String> = finding.policies.iter().map(Reference::to_string).collect();
    let known = match (finding.acknowledged, accepted) {
        (true, _) => " (acknowledged)",
        (false, true) => " (accepted)",
        (false, false) => "",
    };
    let mut lines =
        vec![format!("{BAD}policy{BAD:#}    {} over {}: {}{known}", says(finding.harm), protocols.join(" and "), policies.join(", "))];
    if finding.count > 0 {
        let more = if finding.count > finding.pods.len() { ", …" } else { "" };
        lines.push(format!("pods      {}: {}{more}", finding.count, finding.pods.join(", ")));
    }
    lines.push(format!("matters   {}", finding.harm.matters()));
    lines.extend(finding.cures.iter().map(|cure| format!("{FAINT}cure{FAINT:#}      {cure}")));
    lines.join("\n")
}

fn says(harm: Harm) -> &'static str {
    match harm {
        Harm::CutOff => "lets pods reach kube-dns and not doorstep",
        Harm::Denied => "denies pods doorstep",
        Harm::KeptOut => "keeps pods out of doorstep",
        Harm::FewerNames => "lets pods ask kube-dns for more names than doorstep",
        Harm::Unseen => "has names (toFQDNs) that Cilium's DNS proxy would not see",
        Harm::NoUpstream => "keeps doorstep from kube-dns' pods",
        Harm::UpstreamKeepsOut => "keeps doorstep out of kube-dns' pods",
        Harm::NoApiServer => "keeps doorstep from the API server",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{finding, preflight};
    use super::*;

    #[test]
    fn what_is_accepted_goes_on_being_told() {
        let accepted = Preflight { accepted: true, ..preflight(vec![finding(false)], &[]) };
        let shown = anstream::adapter::strip_str(&text(&accepted)).to_string();
        assert_eq!(shown.lines().next().map(|line| line.ends_with("networkpolicy app/allow-dns (accepted)")), Some(true), "{shown}");
        assert!(shown.contains("\npass      network policies are accepted"), "{shown}");
    }

    #[test]
    fn people_read_what_by_whom_why_and_the_cure() {
        let shown = anstream::adapter::strip_str(&text(&preflight(vec![finding(false)], &["pods may not be read"]))).to_string();
        let expected = "policy    lets pods reach kube-dns and not doorstep over UDP and TCP: networkpolicy app/allow-dns\n\
            pods      40: app/web-1, app/web-2, …\n\
            matters   policies are enforced after the redirect, against the pod that answers: these pods lose DNS\n\
            cure      kubectl patch\n\n\
            unknown   pods may not be read\n\n\
            red       cure what is above, or have it acknowledged by the annotation doorstep.dev/acknowledged: \"true\"; \
            3 network policies and 50 pods were looked at";
        assert_eq!(shown, expected);
    }
}
