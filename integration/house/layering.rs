//! Who may import whom: the table of the floor plan in `src/lib.rs`.

use super::{Source, all_sources, expect_none};

/// These may import everything.
const SEES_EVERYTHING: [&str; 4] = ["main", "lib", "app", "command"];

/// The rows of the floor plan: a room, and the rooms it may import besides itself.
fn floor_plan(document: &str) -> Vec<(String, Vec<String>)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("//! | ")?.split(" | ").collect();
        let [level, rooms, _, may_import] = cells.as_slice() else { return None };
        let imports = linked(may_import);
        level.parse::<u8>().ok().map(|_| linked(rooms).into_iter().map(move |room| (room, imports.clone())))
    };
    document.lines().filter_map(row).flatten().collect()
}

/// The names in brackets and backquotes, as rustdoc links them.
fn linked(text: &str) -> Vec<String> {
    text.split("[`").skip(1).filter_map(|after| Some(after.split_once("`]")?.0.to_owned())).collect()
}

/// Imports that the floor plan forbids.
fn forbidden_imports(sources: &[Source], plan: &[(String, Vec<String>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(path) = source.in_src() else { continue };
        let room = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        if SEES_EVERYTHING.contains(&room) {
            continue;
        }
        let Some((_, allowed)) = plan.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("src/{path}: no room of the floor plan is called {room}"));
            continue;
        };
        let code = source.code();
        for import in imports(&code).into_iter().filter(|import| import != room && !allowed.contains(import)) {
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

fn plan_of(sources: &[Source]) -> Vec<(String, Vec<String>)> {
    floor_plan(&sources.iter().find(|source| source.path == "src/lib.rs").unwrap().text)
}

#[test]
fn rooms_import_only_what_the_floor_plan_allows() {
    let sources = all_sources();
    expect_none(&forbidden_imports(&sources, &plan_of(&sources)));
}

#[test]
fn the_floor_plan_in_the_crates_documentation_names_the_rooms_that_are_there() {
    let sources = all_sources();
    let plan = plan_of(&sources);
    let lib = &sources.iter().find(|source| source.path == "src/lib.rs").unwrap().text;
    let declared: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let missing = declared.iter().filter(|room| plan.iter().all(|(name, _)| name != *room));
    let gone = plan.iter().filter(|(name, _)| !declared.contains(&name.as_str()));
    expect_none(&missing.map(|room| format!("src/lib.rs: {room} has no row in the floor plan")).collect::<Vec<_>>());
    expect_none(&gone.map(|(room, _)| format!("src/lib.rs: there is no {room}")).collect::<Vec<_>>());
}

#[test]
fn a_row_of_the_floor_plan_names_its_rooms_and_whom_they_may_import() {
    let text = "//! | level | room | what it holds | may import |\n//! |---|---|---|---|\n\
                //! | 6 | `main`, [`app`], [`command`] | commands | everything |\n\
                //! | 1 | [`rules`] | names | [`wire`], profiles of [`cache`] |\n//! | what | where |\n";
    let plan = floor_plan(text);
    let row = |room: &str, imports: &[&str]| (room.to_owned(), imports.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(plan, [row("app", &[]), row("command", &[]), row("rules", &["wire", "cache"])]);
}

#[test]
fn a_forbidden_import_is_found_in_each_of_its_forms() {
    let plan = floor_plan("//! | 1 | [`cache`] | memory | [`wire`] |\n//! | 0 | [`wire`], [`redirect`] | words | – |\n");
    let found = |path: &str, text: &str| forbidden_imports(&[Source::new(path, text)], &plan).len();
    assert_eq!(found("src/wire/x.rs", "use crate::cache::Cache;"), 1);
    assert_eq!(found("src/cache/x.rs", "use crate::{wire::{Key, Name}, upstream::Group, resolve};"), 2);
    assert_eq!(found("src/cache/x.rs", "fn f(_: &crate::admin::Sources) {}"), 1);
    assert_eq!(found("src/redirect/x.rs", "use super::super::wire::Name;"), 1);
    assert_eq!(found("src/attic/mod.rs", ""), 1);
    assert_eq!(found("src/cache/x.rs", "use crate::{wire::{Key, upstream}, cache}; // crate::app\nuse super::Cache;"), 0);
    assert_eq!(found("src/cache/tests/x.rs", "use crate::upstream::Group;"), 0);
    assert_eq!(found("src/app/x.rs", "use crate::upstream::Group;"), 0);
}
