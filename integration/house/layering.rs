//! Who may import whom: the table of the floor plan in `src/lib.rs`, by name.

use super::{Source, all_sources, expect_none};

/// A room and the rooms it may import besides itself. `main`, `app` and `command` may import everything.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("config", &["listen", "admin", "k8s", "cache", "coalesce", "upstream", "rules", "telemetry", "lifecycle", "wire"]),
    ("listen", &["wire", "lifecycle"]),
    ("admin", &["lifecycle", "telemetry"]),
    ("k8s", &["redirect", "lifecycle"]),
    ("resolve", &["rules", "cache", "coalesce", "upstream", "wire"]),
    ("upstream", &["wire", "lifecycle"]),
    ("rules", &["wire", "cache"]),
    ("cache", &["wire"]),
    ("coalesce", &["wire"]),
    ("wire", &[]),
    ("redirect", &[]),
    ("lifecycle", &[]),
    ("telemetry", &[]),
];
const SEES_EVERYTHING: [&str; 4] = ["main", "lib", "app", "command"];

/// Imports that the floor plan forbids.
fn forbidden_imports(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(path) = source.in_src() else { continue };
        let room = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        if SEES_EVERYTHING.contains(&room) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("src/{path}: no room of the floor plan is called {room}"));
            continue;
        };
        let code = source.code();
        for import in imports(&code).into_iter().filter(|import| import != room && !allowed.contains(&import.as_str())) {
            wrong.push(format!("src/{path}: {room} must not import {import}"));
        }
        if climbs(&code) >= depth(path) {
            wrong.push(format!("src/{path}: climbs to the crate's root by super; say crate::"));
        }
    }
    wrong
}

/// The rooms that follow `crate::` in the code, `crate::{a, b::{c, d}}` taken apart.
fn imports(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            rooms.push(word(after));
            continue;
        };
        let (mut level, mut expects) = (0, true);
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => level += 1,
                '}' if level == 0 => break,
                '}' => level -= 1,
                ',' if level == 0 => expects = true,
                letter if expects && letter.is_alphabetic() => {
                    rooms.push(word(&list[at..]));
                    expects = false;
                }
                _ => {}
            }
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// How many modules up the longest chain of `super::` goes.
fn climbs(code: &str) -> usize {
    (1..10).take_while(|length| code.contains(&"super::".repeat(*length))).count()
}

/// How many modules below the crate's root a file is.
fn depth(path: &str) -> usize {
    path.split('/').count() - usize::from(path.ends_with("/mod.rs"))
}

#[test]
fn rooms_import_only_what_the_floor_plan_allows() {
    expect_none(&forbidden_imports(&all_sources()));
}

#[test]
fn the_floor_plan_in_the_crates_documentation_names_the_rooms_that_are_there() {
    let sources = all_sources();
    let plan = &sources.iter().find(|source| source.path == "src/lib.rs").unwrap().text;
    let declared = plan.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing = declared.filter(|room| !plan.contains(&format!("[`{room}`] |")) && !plan.contains(&format!(", [`{room}`]")));
    expect_none(&missing.map(|room| format!("src/lib.rs: {room} has no row in the floor plan")).collect::<Vec<_>>());
}

#[test]
fn a_forbidden_import_is_found_in_each_of_its_forms() {
    let found = |path: &str, text: &str| forbidden_imports(&[Source::new(path, text)]).len();
    assert_eq!(found("src/wire/x.rs", "use crate::cache::Cache;"), 1);
    assert_eq!(found("src/cache/x.rs", "use crate::{wire::{Key, Name}, upstream::Group, resolve};"), 2);
    assert_eq!(found("src/cache/x.rs", "fn f(_: &crate::admin::Sources) {}"), 1);
    assert_eq!(found("src/redirect/x.rs", "use super::super::wire::Name;"), 1);
    assert_eq!(found("src/attic/mod.rs", ""), 1);
    assert_eq!(found("src/cache/x.rs", "use crate::{wire::{Key, upstream}, cache}; // crate::app\nuse super::Cache;"), 0);
    assert_eq!(found("src/cache/tests/x.rs", "use crate::upstream::Group;"), 0);
    assert_eq!(found("src/app/x.rs", "use crate::upstream::Group;"), 0);
}
