//! The repository's files, and Rust code without its comments and strings.

use std::fs::{read_dir, read_to_string};
use std::path::Path;

/// One file of the repository.
pub(super) struct Source {
    /// Relative to the repository, with `/`.
    pub(super) path: String,
    /// As it stands.
    pub(super) text: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The product's code in it: no comments, no contents of strings, no unit tests.
    pub(super) fn code(&self) -> String {
        let code = strip(&self.text);
        code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
    }

    /// Where in `src/` it lies, if it is the product's and no test of it.
    pub(super) fn in_src(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/").filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "rs"))?;
        let test = path.split('/').any(|part| part == "tests" || part == "tests.rs");
        (!test).then_some(path)
    }
}

/// Every text file of the repository, those that are built excepted.
pub(super) fn all_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    walk(root, root, &mut sources);
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the walk must find the crate");
    sources
}

fn walk(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    for entry in read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, sources);
        } else if let Ok(text) = read_to_string(&path) {
            sources.push(Source { path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text });
        }
    }
}

/// Takes comments and the contents of string literals out of Rust code; lines stay where they are.
fn strip(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = token(rest, code.chars().next_back());
        let (token, after) = rest.split_at(length);
        if length == first.len_utf8() {
            code.push(first);
        } else {
            code.extend(token.chars().filter(|letter| *letter == '\n'));
            code.push('"');
        }
        rest = after;
    }
    code
}

/// Length of what `rest` begins with: a comment, a literal, or one letter of code.
fn token(rest: &str, before: Option<char>) -> usize {
    let one = rest.chars().next().map_or(0, char::len_utf8);
    let through = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return through(2, "*/");
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with("'\\") || (rest.starts_with('\'') && rest.chars().nth(2) == Some('\'')) {
        return quoted(rest, '\'');
    }
    let word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if !word && let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return through(2 + hashes, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    one
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    rest.len()
}

#[test]
fn code_is_read_without_comments_strings_and_unit_tests() {
    let text = "use a; // use b\n/* use c */ let x = \"use \\\" d\"; let y = r#\"use \" e\"#; let z = ('\"', '\\'', &'static f);\n\
                #[cfg(test)]\nmod tests {\n    use g;\n}\n";
    let code = Source::new("src/x.rs", text).code();
    for kept in ["use a;", "let x", "let y", "let z", "'static f"] {
        assert!(code.contains(kept), "{kept} is missing in {code}");
    }
    for gone in ["use b", "use c", " d", " e", "use g"] {
        assert!(!code.contains(gone), "{gone} is left in {code}");
    }
}
