//! A list of everything there is lists everything: metrics, `/status` and the runbook are made from such lists, and what one forgets is
//! nowhere to be seen.

use super::{Source, all_sources, expect_none};

/// Variants that the `ALL` of their enum does not name. It stands in the enum's own file, in the `impl` that begins with it.
fn unlisted(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.in_src().is_some()) {
        let code = source.code();
        for (at, _) in code.match_indices("const ALL: [") {
            let Some(name) = code[..at].rsplit_once("impl ").map(|(_, of)| word(of)) else { continue };
            let Some(list) = code[at..].split(';').nth(1) else { continue };
            let Some(body) = code.split(&format!("enum {name} {{\n")).nth(1).and_then(|body| body.split("\n}").next()) else {
                wrong.push(format!("{}: no enum {name} beside its ALL", source.path));
                continue;
            };
            let listed: Vec<&str> = list.split("::").skip(1).map(word).collect();
            let variants = body.lines().map(|line| word(line.trim_start())).filter(|name| name.starts_with(char::is_uppercase));
            wrong.extend(variants.filter(|one| !listed.contains(one)).map(|one| format!("{}: {name}::ALL lacks {one}", source.path)));
        }
    }
    wrong
}

/// The letters, digits and underscores that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    &text[..end]
}

#[test]
fn every_enum_that_lists_itself_lists_all_of_itself() {
    expect_none(&unlisted(&all_sources()));
}

#[test]
fn a_variant_that_is_in_no_list_is_found() {
    let text = "/// X.\n#[derive(Clone)]\npub enum Of {\n    /// A: [Self::B]\n    A,\n    #[default]\n    B,\n    C,\n}\n\n\
                impl Of {\n    /// All; not [`Other::ALL`].\n    pub const ALL: [Self; 2] = [Self::A, Of::C];\n}\n";
    assert_eq!(unlisted(&[Source::new("src/x.rs", text)]), ["src/x.rs: Of::ALL lacks B"]);
    assert_eq!(unlisted(&[Source::new("src/x.rs", &text.replace("Of::C]", "Of::C, Self::B]"))]), [""; 0]);
    assert_eq!(unlisted(&[Source::new("src/x.rs", &text.replace("enum Of", "enum Else"))]).len(), 1, "an enum that is elsewhere");
}
