//! `doorstep check`: reads a configuration file and tells what is wrong with it, or what it says.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::config::args::Output;
use crate::config::{self, ConfigError, File};
use crate::upstream::GroupConfig;

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Tells on standard output what `file` says, exit code 0; or on standard error what is wrong with it, exit code 1. As JSON both go to
/// standard output, in one line.
pub fn run(file: &Path, output: Output) -> ExitCode {
    let (text, code) = tell(file, output);
    let printed = match (code, output) {
        (0, _) | (_, Output::Json) => writeln!(anstream::stdout(), "{text}"),
        _ => writeln!(anstream::stderr(), "{text}"),
    };
    // A reader that has gone away still gets the exit code.
    printed.ok();
    ExitCode::from(code)
}

/// What is told, and the exit code.
fn tell(file: &Path, output: Output) -> (String, u8) {
    match (config::read(file), output) {
        (Ok((content, hash)), Output::Text) => (summary(file, &content, &hash), 0),
        (Ok((content, hash)), Output::Json) => (well(file, &content, &hash).to_string(), 0),
        (Err(error), Output::Text) => (complaint(&error), error.exit_code()),
        (Err(error), Output::Json) => (wrong(file, &error).to_string(), error.exit_code()),
    }
}

fn summary(path: &Path, file: &File, hash: &str) -> String {
    let or_default = |text: String| if text.is_empty() { "the default".to_owned() } else { text };
    let addresses: Vec<String> = file.listen.iter().map(ToString::to_string).collect();
    let groups: Vec<String> = file.groups.iter().map(|group| format!("{} ({})", group.name, urls(group).join(", "))).collect();
    let zones: Vec<String> = file.zones.iter().map(|zone| format!("{} → {}", zone.name, zone.group)).collect();
    let lines = [
        ("listen", or_default(addresses.join(", "))),
        ("admin", or_default(file.admin.map(|address| address.to_string()).unwrap_or_default())),
        ("upstreams", or_default(groups.join(", "))),
        ("zones", if zones.is_empty() { "the built-in ones".to_owned() } else { format!("{}, and the built-in ones", zones.join(", ")) }),
        ("rules", file.rules.len().to_string()),
        ("hash", hash.to_owned()),
    ];
    let body: String = lines.iter().map(|(key, text)| format!("\n  {FAINT}{key:<9}{FAINT:#}  {text}")).collect();
    format!("{}: {GOOD}well{GOOD:#}{body}", path.display())
}

fn complaint(error: &ConfigError) -> String {
    let count = match error.mistakes().len() {
        0 => String::new(),
        1 => format!("\n\n{BAD}1 mistake{BAD:#}"),
        more => format!("\n\n{BAD}{more} mistakes{BAD:#}"),
    };
    format!("{error:#}{count}")
}

fn well(path: &Path, file: &File, hash: &str) -> Value {
    let groups: Vec<Value> = file.groups.iter().map(|group| json!({ "name": group.name, "servers": urls(group) })).collect();
    let zones: Vec<Value> =
        file.zones.iter().map(|zone| json!({ "name": zone.name.to_string(), "upstream": zone.group, "cluster": zone.cluster })).collect();
    json!({
        "file": path.display().to_string(),
        "well": true,
        "hash": hash,
        "listen": file.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "admin": file.admin.map(|address| address.to_string()),
        "upstreams": groups,
        "zones": zones,
        "rules": file.rules.len(),
    })
}

fn wrong(path: &Path, error: &ConfigError) -> Value {
    let mistakes: Vec<Value> = error
        .mistakes()
        .iter()
        .map(|mistake| json!({ "line": mistake.line, "column": mistake.column, "message": mistake.message, "source": mistake.source }))
        .collect();
    json!({ "file": path.display().to_string(), "well": false, "error": error.to_string(), "mistakes": mistakes })
}

fn urls(group: &GroupConfig) -> Vec<String> {
    group.servers.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: &str = "listen: { addresses: [\"127.0.0.1:53\"] }\nupstreams: { default: { servers: [\"tcp://192.0.2.1\"] } }\n\
        zones: [{ name: corp.example, profile: cluster }]\nrules: [{ suffix: a.example, answer: nodata }]";

    fn understand(text: &str) -> Result<File, ConfigError> {
        File::parse(text).map_err(|mistakes| ConfigError::Wrong { path: "f.yaml".into(), mistakes })
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_good_file_is_summed_up() {
        let file = understand(WELL).unwrap();
        let shown = plain(&summary(Path::new("f.yaml"), &file, "0123456789abcdef"));
        let first = shown.lines().next().unwrap();
        assert_eq!(first, "f.yaml: well");
        for line in [
            "  listen     127.0.0.1:53",
            "  admin      the default",
            "  upstreams  default (tcp://192.0.2.1:53)",
            "  zones      corp.example. → default, and the built-in ones",
            "  rules      1",
            "  hash       0123456789abcdef",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line:?} is missing in\n{shown}");
        }
    }

    #[test]
    fn all_mistakes_are_shown_and_counted() {
        let error = understand("cahe: {}\nrules: 5").unwrap_err();
        let shown = plain(&complaint(&error));
        assert!(
            shown.starts_with("f.yaml:1:1: `cahe` is no key; did you mean `cache`?\n  1 | cahe: {}\n    | ^^^^\n\nf.yaml:2:8: "),
            "{shown}"
        );
        assert!(shown.ends_with("\n\n2 mistakes"), "{shown}");
    }

    #[test]
    fn scripts_get_json() {
        let said = well(Path::new("f.yaml"), &understand(WELL).unwrap(), "abc");
        assert_eq!((said["well"].as_bool(), said["hash"].as_str(), said["rules"].as_u64()), (Some(true), Some("abc"), Some(1)));
        assert_eq!(said["upstreams"][0]["servers"][0], "tcp://192.0.2.1:53");
        assert_eq!(said["zones"][0], json!({ "name": "corp.example.", "upstream": "default", "cluster": true }));
        let said = wrong(Path::new("f.yaml"), &understand("log: { levl: info }").unwrap_err());
        assert_eq!((said["well"].as_bool(), said["mistakes"][0]["line"].as_u64()), (Some(false), Some(1)));
        assert_eq!(said["mistakes"][0]["column"], 8);
    }

    #[test]
    fn the_exit_code_tells_good_from_bad() {
        let path = std::env::temp_dir().join(format!("doorstep-check-{}.yaml", std::process::id()));
        for (content, code) in [(WELL, 0), ("lgo: {}", 1)] {
            std::fs::write(&path, content).unwrap();
            for output in [Output::Text, Output::Json] {
                assert_eq!(tell(&path, output).1, code, "{content}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        let (text, code) = tell(&path, Output::Text);
        assert!(text.contains("there is no such file; look how") && code == 1, "{text}");
    }
}
