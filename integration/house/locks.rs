//! A package beside the product's is built of what the product is built of.

use std::collections::BTreeSet;

use super::{Source, all_sources, expect_none};

/// Packages of other Cargo.lock files in versions that the product's does not have, where it has the package.
fn apart(sources: &[Source]) -> Vec<String> {
    let (own, others): (Vec<&Source>, Vec<&Source>) =
        sources.iter().filter(|source| source.path.ends_with("Cargo.lock")).partition(|source| source.path == "Cargo.lock");
    let ours: BTreeSet<(&str, &str)> = own.iter().flat_map(|lock| packages(&lock.text)).collect();
    let is_ours = |name: &str| ours.iter().any(|(known, _)| *known == name);
    let mut wrong = Vec::new();
    for lock in others {
        let differs = packages(&lock.text).filter(|package| is_ours(package.0) && !ours.contains(package));
        wrong.extend(differs.map(|(name, version)| format!("{}: {name} {version} is not in the product's Cargo.lock", lock.path)));
    }
    wrong
}

/// Name and version of each package.
fn packages(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    lock.split("[[package]]\n").skip(1).filter_map(|package| {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        value("name").zip(value("version"))
    })
}

#[test]
fn every_cargo_lock_names_the_versions_that_the_product_is_built_of() {
    let sources = all_sources();
    let locks = sources.iter().filter(|source| source.path.ends_with("Cargo.lock")).count();
    assert!(locks > 1, "{locks} Cargo.lock");
    expect_none(&apart(&sources));
}

#[test]
fn a_version_apart_is_found() {
    let ours = Source::new("Cargo.lock", "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n");
    let lock = |text: &str| apart(&[Source::new("Cargo.lock", &ours.text), Source::new("x/Cargo.lock", text)]);
    assert!(lock("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n").is_empty());
    assert_eq!(lock("[[package]]\nname = \"a\"\nversion = \"1.0.1\"\n"), ["x/Cargo.lock: a 1.0.1 is not in the product's Cargo.lock"]);
}
