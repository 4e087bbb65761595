//! The cluster of `integration/cluster`, with a state of its own beside the one that people play with.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The nodes; `client-NODE` is a pod on each.
pub(crate) const NODES: [&str; 2] = ["node1", "node2"];

/// Releases of Cilium that scenarios put in the place of the first one: a harmful one, and the newest.
pub(crate) const OTHER_CILIUMS: [&str; 2] = ["1.18.4", "1.20.2"];

/// Runs until it is dropped.
pub(crate) struct Cluster {
    state: PathBuf,
}

impl Cluster {
    /// Starts one, with doorstep's image on its nodes and nothing of doorstep applied.
    pub(crate) fn up() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let cluster = Self { state: target.join("integration/cluster-tests") };
        // Built now, where it may take minutes, and not under load.
        for release in OTHER_CILIUMS {
            let mut build = Command::new(root().join("integration/testbed/build"));
            build.args(["cilium", release]).stdin(Stdio::null());
            cluster.expect(build);
        }
        // What an interrupted run has left.
        cluster.expect(cluster.command(["down"]));
        cluster.expect(cluster.command(["up"]));
        cluster.expect(cluster.command(["load-image"]));
        // The level that the pods claim to need no more than.
        cluster.kubectl(&["label", "namespace", "kube-system", "pod-security.kubernetes.io/enforce=restricted"]);
        cluster
    }

    /// `integration/cluster` with these arguments.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(root().join("integration/cluster"));
        command.args(arguments).env("BED_STATE", &self.state).stdin(Stdio::null());
        command
    }

    /// doorstep's command line under the administrator's kubeconfig, on a node: from outside the API server is not to be reached.
    pub(crate) fn doorstep(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(["in", NODES[0], "env"]);
        command.arg(format!("KUBECONFIG={}", self.file("admin.kubeconfig").display()));
        command.arg(env!("CARGO_BIN_EXE_doorstep")).args(arguments);
        command
    }

    /// The output of `kubectl`, which must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
    }

    /// The output of `kubectl`, or what it complains of.
    pub(crate) fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(["kubectl"]).args(arguments).output().unwrap();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// `kubectl` in the namespace of DNS.
    pub(crate) fn system(&self, arguments: &[&str]) -> String {
        self.kubectl(&[&["--namespace", "kube-system"], arguments].concat())
    }

    /// Objects of the namespace of DNS.
    pub(crate) fn list(&self, resource: &str, selector: &str) -> Vec<Value> {
        let mut found: Value = serde_json::from_str(&self.system(&["get", resource, "--selector", selector, "--output", "json"])).unwrap();
        match found["items"].take() {
            Value::Array(items) => items,
            other => panic!("{resource}: no list but {other}"),
        }
    }

    /// Applies objects given as YAML.
    pub(crate) fn apply(&self, objects: &str) {
        let path = self.state.join("apply.yaml");
        std::fs::write(&path, objects).unwrap();
        self.kubectl(&["apply", "--filename", path.to_str().unwrap()]);
    }

    /// Runs to its good end.
    pub(crate) fn expect(&self, mut command: Command) -> String {
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success(), "{command:?}: {status}\n{}\n{}", text(&stdout), text(&stderr));
        text(&stdout)
    }

    /// A file of the cluster's state.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// Tells whoever runs the scenarios, and keeps it.
    pub(crate) fn note(&self, line: &str) {
        eprintln!("{line}");
        let mut losses = OpenOptions::new().create(true).append(true).open(self.file("losses.md")).unwrap();
        writeln!(losses, "{line}").unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What it leaves, the next run removes.
        drop(self.command(["down"]).output());
    }
}

/// Where the project is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
