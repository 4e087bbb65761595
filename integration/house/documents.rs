//! What README and manifests say of flags, metrics and keys is what the program knows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, all_sources, expect_none};
use crate::harness::{CoreDns, Doorstep, Stage, run};

/// Flags of other programs that our documents mention.
const FOREIGN: [&str; 4] = ["--release", "--cascade", "--ignore-not-found", "--type"];
/// Flags every program has.
const UNIVERSAL: [&str; 2] = ["--help", "--version"];
const COMMANDS: [&[&str]; 9] = [
    &["--help"],
    &["serve", "--help"],
    &["check", "--help"],
    &["demo", "--help"],
    &["preflight", "--help"],
    &["status", "--help"],
    &["redirect", "--help"],
    &["render", "policy", "--help"],
    &["render", "manifests", "--help"],
];

/// Everything that looks like a long flag.
fn flags(text: &str) -> BTreeSet<String> {
    let flag = |(at, _): (usize, &str)| {
        let before = text[..at].chars().next_back();
        let name: String = text[at..].chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '-').collect();
        let name = name.trim_end_matches('-').to_owned();
        (name.len() > 3 && before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '-')).then_some(name)
    };
    text.match_indices("--").filter_map(flag).collect()
}

/// Flags in the one that the other does not know, both ways.
fn flags_apart(documents: &[&Source], help: &str) -> Vec<String> {
    let known = flags(help);
    let mut named = BTreeSet::new();
    let mut wrong = Vec::new();
    for document in documents {
        let here = flags(&document.text);
        let foreign = |flag: &&String| FOREIGN.contains(&flag.as_str()) || UNIVERSAL.contains(&flag.as_str());
        let unknown = here.iter().filter(|flag| !foreign(flag) && !known.contains(*flag));
        wrong.extend(unknown.map(|flag| format!("{}: the program knows no {flag}", document.path)));
        named.extend(here);
    }
    let unnamed = known.iter().filter(|flag| !UNIVERSAL.contains(&flag.as_str()) && !named.contains(*flag));
    wrong.extend(unnamed.map(|flag| format!("{flag} is in no document")));
    wrong
}

/// Metrics in the one that the other does not know, both ways, and labels that differ. A table row begins with the metric's name in
/// backquotes, and its second cell has the labels in backquotes.
fn metrics_apart(readme: &str, page: &str) -> Vec<String> {
    let exposed: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let documented: BTreeMap<&str, BTreeSet<&str>> = readme.lines().filter_map(metric_of_row).collect();
    let mut wrong = Vec::new();
    for (name, labels) in &documented {
        match labels_of(name, page) {
            _ if !exposed.contains(name) => wrong.push(format!("README.md: the program has no metric {name}")),
            Some(shown) if shown != *labels => wrong.push(format!("README.md: {name} has the labels {shown:?}")),
            _ => {}
        }
    }
    let unknown = exposed.iter().filter(|name| !documented.contains_key(*name));
    wrong.extend(unknown.map(|name| format!("README.md: no row for the metric {name}")));
    wrong
}

fn metric_of_row(line: &str) -> Option<(&str, BTreeSet<&str>)> {
    let name = line.strip_prefix("| `")?.split(['`', '{']).next()?;
    let name = name.strip_suffix("_total").unwrap_or(name);
    let labels = line.split(" | ").nth(1)?.split('`').skip(1).step_by(2).collect();
    (name.starts_with("coredns_") || name.starts_with("doorstep_")).then_some((name, labels))
}

/// The labels of a metric's first sample; `None` while it has none. A histogram's bounds are no label of ours.
fn labels_of<'p>(name: &str, page: &'p str) -> Option<BTreeSet<&'p str>> {
    let rest = page.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = ["_total", "_count"].iter().find_map(|suffix| rest.strip_prefix(suffix)).unwrap_or(rest);
        rest.starts_with(['{', ' ']).then_some(rest)
    })?;
    let (labels, _) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).unwrap_or_default();
    Some(labels.split(',').filter_map(|label| Some(label.split_once("=\"")?.0)).collect())
}

/// Where README tells another number of series than the page has: a tenth more or less is the same.
fn series_apart(readme: &str, page: &str) -> Option<String> {
    let told: usize = readme.split_once(" series with one upstream group")?.0.rsplit(' ').next()?.parse().ok()?;
    let shown = page.lines().filter(|line| !line.starts_with('#')).count();
    (told.abs_diff(shown) * 10 > told).then(|| format!("README.md: about {told} series; there are {shown}"))
}

/// The contents of fenced blocks of this language.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    markdown.split(fence.as_str()).skip(1).filter_map(|after| after.split("```").next()).collect()
}

#[test]
fn documents_and_program_know_the_same_flags() {
    let help: String = COMMANDS.iter().map(|arguments| run(arguments).1).collect();
    let sources = all_sources();
    let says_flags = |source: &&Source| ["README.md", "manifests/", "policies/"].iter().any(|at| source.path.starts_with(at));
    expect_none(&flags_apart(&sources.iter().filter(says_flags).collect::<Vec<_>>(), &help));
}

#[test]
fn readme_and_metrics_page_know_the_same_metrics_and_labels() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let page = Doorstep::before(&coredns).page("/metrics").unwrap().1;
    expect_none(&metrics_apart(&readme(), &page));
    assert!(readme().contains(" series with one upstream group"));
    expect_none(&series_apart(&readme(), &page).into_iter().collect::<Vec<_>>());
}

#[test]
fn the_configuration_in_the_readme_is_well() {
    let stage = Stage::beside_others();
    let readme = readme();
    let examples = blocks(&readme, "yaml");
    assert!(!examples.is_empty(), "README.md shows a configuration");
    for example in examples {
        let file = stage.file("readme.yaml", example);
        let (code, _, said) = run(&["check", file.to_str().unwrap()]);
        assert_eq!(code, 0, "{said}\n{example}");
    }
}

fn readme() -> String {
    all_sources().into_iter().find(|source| source.path == "README.md").unwrap().text
}

#[test]
fn a_difference_in_flags_metrics_or_examples_is_found() {
    let document = Source::new("README.md", "`--listen IP`, `cargo run --release -- demo`, `--lisen`, a -- dash, | --- |");
    assert_eq!(
        flags_apart(&[&document], "  --listen <IP>\n  --workers <N>\n  --help"),
        ["README.md: the program knows no --lisen", "--workers is in no document"]
    );
    let page = "# HELP doorstep_a x\n# TYPE doorstep_a counter\ndoorstep_a_total{kind=\"x, y\",of=\"z\"} 1\n\
                # TYPE doorstep_b gauge\ndoorstep_b 1\n# TYPE doorstep_d histogram\ndoorstep_d_count{lane=\"x\"} 1\n";
    assert_eq!(
        metrics_apart("| `doorstep_a_total` | `kind` | x |\n| `doorstep_c` | | x |\n| `doorstep_d` | `lane` | `x` |\n", page),
        [
            "README.md: doorstep_a has the labels {\"kind\", \"of\"}",
            "README.md: the program has no metric doorstep_c",
            "README.md: no row for the metric doorstep_b",
        ]
    );
    assert_eq!(
        series_apart("there are about 4 series with one upstream group", page).as_deref(),
        Some("README.md: about 4 series; there are 3")
    );
    assert_eq!(series_apart("there are about 3 series with one upstream group", page), None);
    assert_eq!(blocks("```sh\nx\n```\n```yaml\na: 1\n```\n", "yaml"), ["a: 1\n"]);
}
