use std::fs;
use std::path::{Path, PathBuf};

use super::args;
use crate::config::args::ServeArgs;
use crate::config::{Config, Look, Reload, load};
use crate::upstream::Server;

const GOOD: &str = "upstreams: { default: { servers: [\"tcp://192.0.2.1\"] } }";

/// A directory as the kubelet mounts a ConfigMap: the file is a link into `..data`, which is a link that is swapped.
struct Mount {
    path: PathBuf,
    written: u32,
}

impl Mount {
    fn new(test: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("doorstep-reload-{}-{test}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        std::os::unix::fs::symlink("..data/doorstep.yaml", path.join("doorstep.yaml")).unwrap();
        let mut mount = Self { path, written: 0 };
        mount.write(content);
        mount
    }

    fn file(&self) -> PathBuf {
        self.path.join("doorstep.yaml")
    }

    fn write(&mut self, content: &str) {
        self.written += 1;
        let directory = format!("..{}", self.written);
        fs::create_dir(self.path.join(&directory)).unwrap();
        fs::write(self.path.join(&directory).join("doorstep.yaml"), content).unwrap();
        std::os::unix::fs::symlink(&directory, self.path.join("..data_tmp")).unwrap();
        fs::rename(self.path.join("..data_tmp"), self.path.join("..data")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).ok();
    }
}

fn start(mount: &Mount, flags: ServeArgs) -> (Config, Reload) {
    let flags = ServeArgs { config: Some(mount.file()), ..flags };
    let config = load(&flags).unwrap();
    let reload = Reload::new(flags, &config);
    (config, reload)
}

fn changed(look: Look) -> (Config, Vec<&'static str>) {
    match look {
        Look::Changed(config, restart) => (*config, restart),
        other => panic!("{other:?}"),
    }
}

#[test]
fn new_content_is_found_once_behind_the_links_of_a_config_map() {
    let mut mount = Mount::new("links", GOOD);
    let (config, mut reload) = start(&mount, args());
    assert!(matches!(reload.look(), Look::Unchanged), "what the process started with is not new");
    mount.write(GOOD);
    assert!(matches!(reload.look(), Look::Unchanged), "the same content at another place is not new");
    mount.write(&GOOD.replace("192.0.2.1", "192.0.2.2"));
    let (now, restart) = changed(reload.look());
    assert_eq!(now.queries.groups[0].servers, [Server::Tcp("192.0.2.2:53".parse().unwrap())]);
    assert!(restart.is_empty(), "{restart:?}");
    assert_ne!(now.hash, config.hash);
    assert!(matches!(reload.look(), Look::Unchanged));
}

#[test]
fn a_wrong_file_is_told_once_for_each_content_and_a_good_one_heals() {
    let mut mount = Mount::new("wrong", GOOD);
    let (_, mut reload) = start(&mount, args());
    mount.write("upstrems: {}");
    assert!(matches!(reload.look(), Look::Wrong(error) if error.to_string().contains("doorstep.yaml:1:1: ")));
    assert!(matches!(reload.look(), Look::Unchanged));
    mount.write("upstrams: {}");
    assert!(matches!(reload.look(), Look::Wrong(_)));
    mount.write(GOOD);
    assert!(changed(reload.look()).1.is_empty());
}

#[test]
fn a_file_that_is_gone_is_told_once() {
    let mount = Mount::new("gone", GOOD);
    let (_, mut reload) = start(&mount, args());
    fs::remove_file(mount.path.join("..data")).unwrap();
    assert!(matches!(reload.look(), Look::Wrong(error) if error.to_string().contains("no such file")));
    assert!(matches!(reload.look(), Look::Unchanged));
}

#[test]
fn a_signal_is_answered_though_nothing_is_new() {
    let mut mount = Mount::new("signal", GOOD);
    let (_, mut reload) = start(&mount, args());
    assert!(matches!(reload.look_anew(), Look::Changed(..)));
    mount.write("upstrems: {}");
    assert!(matches!(reload.look_anew(), Look::Wrong(_)));
    assert!(matches!(reload.look_anew(), Look::Wrong(_)));
    assert!(matches!(reload.look(), Look::Unchanged));
}

#[test]
fn keys_that_need_a_restart_are_named_as_long_as_they_differ_from_what_runs() {
    let mut mount = Mount::new("restart", GOOD);
    let (_, mut reload) = start(&mount, args());
    let all =
        "listen: { workers: 9 }\nadmin: { address: \"127.0.0.1:1\" }\ncache: { size: 2MiB }\nlimits: { waiting: 5 }\nlog: { level: debug }";
    mount.write(&format!("{GOOD}\n{all}"));
    assert_eq!(changed(reload.look()).1, ["listen", "admin", "cache", "limits", "log"]);
    mount.write(&format!("{GOOD}\nlimits: {{ tcp_connections: 7 }}"));
    assert_eq!(changed(reload.look()).1, ["limits"], "connections are limits to people, though the listener keeps them");
    mount.write(GOOD);
    assert!(changed(reload.look()).1.is_empty());
}

#[test]
fn flags_override_after_a_reload_too() {
    let mut mount = Mount::new("flags", GOOD);
    let flag = Server::Udp("192.0.2.9:53".parse().unwrap());
    let (_, mut reload) = start(&mount, ServeArgs { upstream: vec![flag.clone()], workers: Some(2), ..args() });
    mount.write(&format!("{}\nlisten: {{ workers: 9 }}", GOOD.replace("192.0.2.1", "192.0.2.2")));
    let (config, restart) = changed(reload.look());
    assert_eq!(config.queries.groups[0].servers, [flag]);
    assert!(restart.is_empty(), "the flag decides, so nothing waits for a restart: {restart:?}");
}

#[test]
fn without_a_file_there_is_nothing_to_look_at() {
    let flags = args();
    let config = load(&flags).unwrap();
    assert_eq!(config.hash, "none");
    let mut reload = Reload::new(flags, &config);
    assert!(matches!(reload.look(), Look::Unchanged));
    assert!(matches!(reload.look_anew(), Look::Unchanged));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let mount = Mount::new("unreadable", GOOD);
    let at = |path: &Path| load(&ServeArgs { config: Some(path.to_owned()), ..args() }).unwrap_err();
    assert!(at(&mount.path.join("nothing")).to_string().contains("nothing: there is no such file; look how"));
    assert!(at(&mount.path).to_string().ends_with("this is a directory; name the file in it"));
    fs::write(mount.path.join("large"), "#".repeat((1 << 20) + 1)).unwrap();
    assert!(at(&mount.path.join("large")).to_string().contains("larger than 1 MiB"));
    assert_eq!(at(&mount.path).exit_code(), 1);
}
