//! No file is long, and none is forgotten.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::{Source, all_sources, expect_none};

const MOST_LINES: usize = 400;

fn too_long(sources: &[Source]) -> Vec<String> {
    let code = |source: &&Source| has_extension(source, &["rs", "go", "sh"]) || source.text.starts_with("#!");
    let long = |source: &Source| source.text.lines().count() > MOST_LINES;
    sources.iter().filter(code).filter(|source| long(source)).map(|source| format!("{}: over {MOST_LINES} lines", source.path)).collect()
}

fn has_extension(source: &Source, extensions: &[&str]) -> bool {
    Path::new(&source.path).extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

/// Rust files that no crate reaches by `mod`, from its root or from a target that a Cargo.toml names.
fn orphans(sources: &[Source]) -> Vec<String> {
    let mut queue: VecDeque<(PathBuf, bool)> = roots(sources).into_iter().map(|path| (path, true)).collect();
    let mut reached = BTreeSet::new();
    while let Some((path, root)) = queue.pop_front() {
        let Some(source) = sources.iter().find(|source| Path::new(&source.path) == path) else { continue };
        if !reached.insert(source.path.as_str()) {
            continue;
        }
        let door = root || path.ends_with("mod.rs");
        let below = if door { path.parent().unwrap_or(Path::new("")).to_owned() } else { path.with_extension("") };
        for module in modules(&source.text) {
            queue.push_back((below.join(format!("{module}.rs")), false));
            queue.push_back((below.join(module).join("mod.rs"), false));
        }
    }
    let orphan = |source: &&Source| has_extension(source, &["rs"]) && !reached.contains(source.path.as_str());
    sources.iter().filter(orphan).map(|source| format!("{}: no `mod` and no target names it", source.path)).collect()
}

fn roots(sources: &[Source]) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for manifest in sources.iter().filter(|source| source.path.ends_with("Cargo.toml")) {
        let package = Path::new(&manifest.path).parent().unwrap_or(Path::new(""));
        let named = manifest.text.lines().filter_map(|line| line.trim().strip_prefix("path = \"")?.strip_suffix('"'));
        roots.extend(["src/lib.rs", "src/main.rs", "build.rs"].into_iter().chain(named).map(|path| package.join(path)));
    }
    roots
}

/// Names after `mod` where a semicolon follows.
fn modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (visibility, name) = line.trim().strip_suffix(';')?.split_once("mod ")?;
        (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
    })
}

#[test]
fn no_file_is_longer_than_400_lines() {
    expect_none(&too_long(&all_sources()));
}

#[test]
fn every_rust_file_belongs_to_a_crate() {
    expect_none(&orphans(&all_sources()));
}

#[test]
fn a_long_file_is_found_in_each_language() {
    let long = "x\n".repeat(401);
    let script = format!("#!/bin/sh\n{long}");
    let sources = [
        Source::new("src/a.rs", &long),
        Source::new("b/main.go", &long),
        Source::new("c/run", &script),
        Source::new("d.rs", &"x\n".repeat(400)),
        Source::new("README.md", &long),
    ];
    assert_eq!(too_long(&sources).len(), 3);
}

#[test]
fn an_orphan_is_found() {
    let sources = [
        Source::new("Cargo.toml", "[[test]]\nname = \"t\"\npath = \"integration/main.rs\"\n"),
        Source::new("src/lib.rs", "pub mod room;\nmod single;\n// mod forgotten;\n"),
        Source::new("src/room/mod.rs", "mod inner;\n#[cfg(test)]\nmod tests;\n"),
        Source::new("src/room/inner.rs", ""),
        Source::new("src/room/tests/mod.rs", "mod deep;"),
        Source::new("src/room/tests/deep.rs", ""),
        Source::new("src/single.rs", "mod below;"),
        Source::new("src/single/below.rs", ""),
        Source::new("src/forgotten.rs", ""),
        Source::new("integration/main.rs", "mod house;"),
        Source::new("integration/house.rs", ""),
        Source::new("integration/attic.rs", ""),
    ];
    let found = orphans(&sources);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("src/forgotten.rs") && found[1].starts_with("integration/attic.rs"));
}
