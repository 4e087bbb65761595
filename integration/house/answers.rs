//! Each row of what clients are owed has somebody who shows it, by a name that exists.

use std::collections::HashSet;

use super::{Source, all_sources, expect_none};
use crate::answers::text;

const ROWS: &str = "integration/answers/rows.txt";
const SCENARIOS: &str = "integration/answers/scenarios/";

/// Rows without anybody, names of nobody, and scenarios that no row names.
fn unshown(sources: &[Source]) -> Vec<String> {
    let rows = sources.iter().find(|source| source.path == ROWS).map_or("", |source| &source.text);
    let files = sources.iter().filter(|source| source.path.starts_with(SCENARIOS));
    let titles: HashSet<String> = files.flat_map(|file| text::scenarios(&file.text)).map(|scenario| scenario.title).collect();
    let tests: HashSet<&str> =
        sources.iter().filter(|source| source.path.ends_with(".rs")).flat_map(|source| tests(&source.text)).collect();
    let (mut wrong, mut named, mut shown) = (Vec::new(), HashSet::new(), true);
    let mut row = "";
    for line in rows.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).chain(["[end]"]) {
        if line.starts_with('[') {
            wrong.extend((!shown).then(|| format!("{ROWS}: nobody shows {row}")));
            (row, shown) = (line, false);
            continue;
        }
        let (kind, name) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let exists = match kind {
            "scenario" => titles.contains(name),
            "test" => tests.contains(name),
            "not" => name.strip_prefix("here: ").is_some_and(|why| !why.is_empty()),
            _ => false,
        };
        wrong.extend((!exists).then(|| format!("{ROWS}: there is no {line:?} for {row}")));
        named.insert(name.to_owned());
        shown = true;
    }
    wrong.extend(titles.iter().filter(|title| !named.contains(*title)).map(|title| format!("{SCENARIOS}: no row names {title:?}")));
    wrong
}

/// Names of functions that are tests.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let function = |after: &'_ str| -> Option<usize> { after.find("fn ") };
    text.split("test]\n").chain(text.split("start_paused = true)]\n")).skip(1).filter_map(move |after| {
        let rest = &after[function(after)? + 3..];
        rest.split('(').next()
    })
}

#[test]
fn every_row_of_what_clients_are_owed_is_shown_by_somebody() {
    expect_none(&unshown(&all_sources()));
}

#[test]
fn a_row_without_anybody_and_names_of_nobody_are_found() {
    let sources = |rows: &str| {
        [
            Source::new(ROWS, rows),
            Source::new("integration/answers/scenarios/a.txt", "== It holds\nasked 0\n"),
            Source::new("src/a.rs", "#[test]\nfn it_is_shown() {}\nfn it_is_not() {}\n"),
            Source::new("src/b.rs", "#[tokio::test(start_paused = true)]\nasync fn in_time() {}\n"),
        ]
    };
    let found = |rows: &str| unshown(&sources(rows)).len();
    let all = "[1 §1] x\n    scenario It holds\n[1 §2] y\n    test it_is_shown\n    test in_time\n[1 §3] z\n    not here: why\n";
    assert_eq!(found(all), 0);
    for more in ["[1 §4] nobody\n", "[1 §4] a\n    test it_is_not\n", "[1 §4] a\n    scenario It fails\n", "[1 §4] a\n    not here: \n"]
    {
        assert_eq!(found(&format!("{all}{more}")), 1, "{more}");
    }
    assert_eq!(found("[1 §2] y\n    test it_is_shown\n"), 1, "a scenario that shows nothing asked for");
}
