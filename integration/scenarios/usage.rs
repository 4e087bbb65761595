//! Mistakes are named with their cure.

use std::net::UdpSocket;
use std::process::Command;

use crate::harness::{Doorstep, Stage, run, seconds};

#[test]
fn a_misspelt_flag_is_told_the_nearest_one() {
    let (code, _, said) = run(&["serve", "--upstraem", "tcp://127.0.0.1:53"]);
    assert_eq!(code, 64);
    assert!(said.contains("--upstream"), "{said}");
}

#[test]
fn a_wrong_variable_is_named_and_a_flag_that_is_given_is_not_blamed_on_it() {
    let with_variable = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_doorstep")).args(arguments).env("DOORSTEP_WORKERS", "many").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = with_variable(&["serve"]);
    assert_eq!(code, Some(64));
    assert!(said.contains("DOORSTEP_WORKERS") && said.contains("--workers") && said.contains("`many`"), "{said}");
    for given in [&["serve", "--workers", "few"][..], &["--workers=few"]] {
        let (code, said) = with_variable(given);
        assert_eq!(code, Some(64));
        assert!(!said.contains("DOORSTEP_WORKERS") && said.contains("`few`"), "{said}");
    }
}

#[test]
fn without_an_upstream_the_ways_to_name_one_are_told() {
    let (code, _, said) = run(&["serve", "--kubernetes", "off"]);
    assert_eq!(code, 64);
    assert!(said.starts_with("error: ") && said.contains("--upstream tcp://"), "{said}");
}

#[test]
fn help_and_version_are_no_failures() {
    let (code, said, _) = run(&["--help"]);
    assert_eq!(code, 0);
    assert!(said.contains("--upstream") && said.contains("demo"), "{said}");
    let (code, said, _) = run(&["--version"]);
    assert_eq!((code, said.trim()), (0, concat!("doorstep ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_wrong_file_is_told_line_and_column_before_anything_is_served() {
    let stage = Stage::beside_others();
    let file = stage.file("doorstep.yaml", "cache:\n  size: 32MiB\nlimit:\n  waiting: 10\n");
    let path = file.to_str().unwrap();
    for arguments in [&["check", path][..], &["serve", "--config", path], &["--config", path]] {
        let (code, _, said) = run(arguments);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("doorstep.yaml:3:1") && said.contains("limits"), "{said}");
    }
}

#[test]
fn preflight_asks_no_cluster_on_a_wrong_file() {
    let stage = Stage::beside_others();
    let file = stage.file("doorstep.yaml", "redirect: { accept_cilium: some }\n");
    let (code, _, said) = run(&["preflight", "--config", file.to_str().unwrap(), "--kubeconfig", "/nowhere"]);
    assert!(code == 1 && said.contains("doorstep.yaml:1:28") && said.contains("`some`"), "{code} {said}");
}

#[test]
fn a_good_file_is_said_to_be_well() {
    let stage = Stage::beside_others();
    let file = stage.file("doorstep.yaml", "cache:\n  size: 32MiB\n");
    assert_eq!(run(&["check", file.to_str().unwrap()]).0, 0);
    assert_eq!(run(&["check", "/nowhere/doorstep.yaml"]).0, 1);
}

#[test]
fn a_port_that_is_taken_ends_it_with_the_cure() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut doorstep = Doorstep::on(port, &["--upstream", "tcp://127.0.0.1:1"]);
    assert_eq!(doorstep.exit(seconds(10)), Some(1));
    let said = doorstep.process.output();
    assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("--listen"), "{said}");
}

#[test]
fn a_port_that_another_doorstep_has_is_not_shared_with_it() {
    let first = Doorstep::with(&["--upstream", "tcp://127.0.0.1:1"]);
    first.says("answering DNS");
    let mut second = Doorstep::on(first.address().port(), &["--upstream", "tcp://127.0.0.1:1"]);
    assert_eq!(second.exit(seconds(10)), Some(1));
}
