//! Which outside crates, and which words of the language, stand where.

use super::{Source, all_sources, expect_none};

/// Crates that are named in these places of `src/` alone.
const AT_HOME: [(&str, &[&str]); 15] = [
    ("kube", &["k8s/"]),
    ("k8s_openapi", &["k8s/"]),
    ("libc", &["listen/batch.rs", "listen/kernel_form.rs", "upstream/failure.rs"]),
    ("hickory_proto", &["wire/", "command/demo/"]),
    ("hickory_server", &["command/demo/"]),
    ("axum", &["admin/"]),
    ("clap", &["config/"]),
    ("quinn", &["upstream/"]),
    ("ring", &["upstream/"]),
    ("rustix", &["app/descriptors.rs"]),
    ("rustls", &["upstream/"]),
    ("tokio_rustls", &["upstream/"]),
    ("webpki_roots", &["upstream/"]),
    ("serde_saphyr", &["config/", "command/"]),
    ("tracing_subscriber", &["telemetry/"]),
];

/// What pure code does not name: the runtime, sockets, clocks.
const IMPURE: [&str; 9] =
    ["tokio", "async", "await", "UdpSocket", "TcpStream", "TcpListener", "Instant::now", "SystemTime", "thread::sleep"];

/// `unsafe` stands in this file alone.
const UNSAFE: &str = "listen/batch.rs";

/// Pure code, bytes and `now` in and a decision out, as the second invariant in `src/lib.rs` names it: rooms, and files of others.
fn pure_places(document: &str) -> Vec<String> {
    let sentence = document.split("//! 2. ").nth(1).and_then(|after| after.split(" hold no async").next()).unwrap_or_default();
    let place = |name: &str| match name.split_once("::") {
        Some((room, file)) => format!("{room}/{file}.rs"),
        None => format!("{name}/"),
    };
    sentence.split('`').skip(1).step_by(2).map(place).collect()
}

fn misplaced(sources: &[Source], pure: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(path) = source.in_src() else { continue };
        let code = source.code();
        for (name, places) in AT_HOME {
            if contains_word(&code, &format!("{name}::")) && !starts_with_any(path, places) {
                wrong.push(format!("src/{path}: {name} is named only in {}", places.join(", ")));
            }
        }
        if pure.iter().any(|place| path.starts_with(place.as_str())) {
            wrong.extend(IMPURE.iter().filter(|word| contains_word(&code, word)).map(|word| format!("src/{path}: pure code names {word}")));
        }
        if contains_word(&code, "unsafe") && path != UNSAFE {
            wrong.push(format!("src/{path}: unsafe stands in src/{UNSAFE} alone"));
        }
        wrong.extend(statics(&code).map(|line| format!("src/{path}: a static: {line}")));
    }
    wrong
}

fn starts_with_any(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// `word` with no letter, digit, underscore, colon or apostrophe before it and, where it ends in a letter, none after it.
fn contains_word(code: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let begins = before.is_none_or(|letter| !part(letter) && letter != '\'') && !(word.ends_with("::") && code[..at].ends_with("::"));
        begins && (word.ends_with(':') || after.is_none_or(|letter| !part(letter)))
    })
}

/// Lines that declare a static which is not the allocator.
fn statics(code: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = code.lines().collect();
    let allocator = |index: usize| index > 0 && lines[index - 1].trim() == "#[global_allocator]";
    let declares = |line: &str| contains_word(line, "static") && line.contains(':') || line.contains("thread_local!");
    (0..lines.len())
        .filter(|index| declares(lines[*index]) && !allocator(*index))
        .map(|index| lines[index].trim())
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn crates_unsafe_clocks_and_statics_stand_only_where_they_belong() {
    let sources = all_sources();
    let pure = pure_places(&sources.iter().find(|source| source.path == "src/lib.rs").unwrap().text);
    let is_there = |place: &&String| sources.iter().any(|source| source.path.starts_with(&format!("src/{place}")));
    let gone: Vec<&String> = pure.iter().filter(|place| !is_there(place)).collect();
    assert!(pure.len() > 3 && gone.is_empty(), "{pure:?}: {gone:?} is not there");
    expect_none(&misplaced(&sources, &pure));
}

#[test]
fn what_is_misplaced_is_found() {
    let pure = pure_places("//! 1. [`app`].\n//! 2. [`wire`], [`rules`] and\n//!    `upstream::select` hold no async, no `x`.\n");
    assert_eq!(pure, ["wire/", "rules/", "upstream/select.rs"]);
    let found = |path: &str, text: &str| misplaced(&[Source::new(path, text)], &pure).len();
    for (path, text) in [
        ("src/cache/x.rs", "use hickory_proto::op::Message;"),
        ("src/listen/udp.rs", "let n = libc::EPERM;"),
        ("src/app/x.rs", "use axum::Router;"),
        ("src/admin/x.rs", "#[derive(clap::Parser)]"),
        ("src/wire/x.rs", "async fn f() {}"),
        ("src/rules/x.rs", "let now = Instant::now();"),
        ("src/upstream/select.rs", "use tokio::time::Instant;"),
        ("src/listen/tcp.rs", "unsafe { f() }"),
        ("src/app/x.rs", "static COUNT: AtomicU64 = AtomicU64::new(0);"),
        ("src/app/x.rs", "thread_local! { }"),
    ] {
        assert_eq!(found(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/wire/x.rs", "use hickory_proto::op::Message; // async"),
        ("src/listen/batch.rs", "unsafe { libc::recvmmsg() }"),
        ("src/upstream/tcp.rs", "use tokio::net::TcpStream;"),
        ("src/main.rs", "#[global_allocator]\nstatic ALLOCATOR: A = A;"),
        ("src/wire/x.rs", "fn f(text: &'static str, asynchronous: bool) {}"),
        ("src/wire/x.rs", "const fn f() -> T where T: 'static {}"),
        ("src/cache/tests/x.rs", "static COUNT: AtomicU64 = AtomicU64::new(0);"),
    ] {
        assert_eq!(found(path, text), 0, "{path}: {text}");
    }
}
