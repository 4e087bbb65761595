//! Clients that ask at a fixed rate, whatever becomes of the queries, and know who answered each.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Stdio};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use serde::Deserialize;

use super::cluster::Cluster;

/// kube-dns.
const IPV4: &str = "10.96.0.10:53";
const IPV6: &str = "[fd00:96::a]:53";
/// What a line of `bed ask` covers.
const WINDOW: Duration = Duration::from_millis(100);

/// What is asked, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    /// `client-node1`, or `node1` for the host itself.
    pub(crate) from: String,
    pub(crate) name: &'a str,
    pub(crate) qtype: &'a str,
    pub(crate) transport: &'a str,
    pub(crate) server: &'a str,
    /// Queries per second.
    pub(crate) rate: u32,
    /// Seconds.
    pub(crate) seconds: u32,
}

impl Ask<'_> {
    /// A pod of this node: 200 UDP queries a second to kube-dns' IPv4 address.
    pub(crate) fn from_pod_of(node: &str) -> Self {
        let name = "kubernetes.default.svc.cluster.local.";
        Self { from: format!("client-{node}"), name, qtype: "A", transport: "udp", server: IPV4, rate: 200, seconds: 1 }
    }

    /// The node itself.
    pub(crate) fn from_host(node: &str) -> Self {
        Self { from: node.to_owned(), ..Self::from_pod_of(node) }
    }

    pub(crate) fn over_tcp(self) -> Self {
        Self { transport: "tcp", ..self }
    }

    pub(crate) fn over_ipv6(self) -> Self {
        Self { server: IPV6, ..self }
    }

    pub(crate) fn at_rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    pub(crate) fn for_seconds(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// Asks all of it.
    pub(crate) fn outcome(&self, cluster: &Cluster) -> Outcome {
        self.start(cluster).outcome()
    }

    /// Begins to ask.
    pub(crate) fn start(&self, cluster: &Cluster) -> Asking {
        let (rate, time) = (self.rate.to_string(), format!("{}s", self.seconds));
        let mut command = cluster.command(["in", &self.from, "bed", "ask", "--json"]);
        command.args(["--server", self.server, "--transport", self.transport, "--name", self.name, "--type", self.qtype]);
        command.args(["--rate", &rate, "--for", &time]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let lines = spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text).unwrap()
        });
        Asking { child, lines }
    }
}

/// Queries under way.
pub(crate) struct Asking {
    child: Child,
    lines: JoinHandle<String>,
}

impl Asking {
    /// Waits for the last one.
    pub(crate) fn outcome(mut self) -> Outcome {
        let text = self.lines.join().unwrap();
        // Its exit code tells of lost queries, as the outcome does.
        self.child.wait().unwrap();
        let mut windows: Vec<Window> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let all = windows.pop().unwrap_or_else(|| panic!("nothing was asked"));
        assert_eq!(all.label, "all");
        Outcome { windows, all }
    }
}

/// A tenth of a second, or all of it.
#[derive(Clone, Debug, Deserialize)]
struct Window {
    #[serde(default)]
    label: String,
    asked: u32,
    answered: BTreeMap<String, u32>,
    lost: BTreeMap<String, u32>,
    /// Seconds until the last of the answers.
    slowest: f64,
}

/// What became of the queries.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    windows: Vec<Window>,
    all: Window,
}

impl Outcome {
    /// What became of queries that were asked one outcome after the other.
    pub(crate) fn sum(outcomes: impl IntoIterator<Item = Self>) -> Self {
        let all = Window { label: "all".to_owned(), asked: 0, answered: BTreeMap::new(), lost: BTreeMap::new(), slowest: 0.0 };
        outcomes.into_iter().fold(Self { windows: Vec::new(), all }, |mut sum, mut outcome| {
            sum.windows.append(&mut outcome.windows);
            sum.all.asked += outcome.all.asked;
            sum.all.slowest = sum.all.slowest.max(outcome.all.slowest);
            for (total, counts) in [(&mut sum.all.answered, outcome.all.answered), (&mut sum.all.lost, outcome.all.lost)] {
                counts.into_iter().for_each(|(who, count)| *total.entry(who).or_default() += count);
            }
            sum
        })
    }

    pub(crate) fn asked(&self) -> u32 {
        self.all.asked
    }

    pub(crate) fn lost(&self) -> u32 {
        self.all.lost.values().sum()
    }

    /// Answered with SERVFAIL: whoever answered with an rcode has it behind the name.
    pub(crate) fn failed(&self) -> u32 {
        self.all.answered.iter().filter(|(who, _)| who.ends_with("/SERVFAIL")).map(|(_, count)| count).sum()
    }

    /// The longest time in a row, in tenths of a second, of which every tenth lost something.
    pub(crate) fn longest_gap(&self) -> usize {
        self.windows.split(|window| window.lost.is_empty()).map(<[Window]>::len).max().unwrap_or(0)
    }

    /// Who answered, and how many.
    pub(crate) fn answered(&self) -> &BTreeMap<String, u32> {
        &self.all.answered
    }

    /// How many were answered by those whose pod's name begins so.
    pub(crate) fn answered_by(&self, prefix: &str) -> u32 {
        self.all.answered.iter().filter(|(who, _)| who.starts_with(prefix)).map(|(_, count)| count).sum()
    }

    /// Whether all were answered by those whose pod's name begins so.
    pub(crate) fn all_by(&self, prefix: &str) -> bool {
        self.answered_by(prefix) == self.asked()
    }

    /// Whether all were that were asked in the first part of the time.
    pub(crate) fn all_by_within(&self, prefix: &str, time: Duration) -> bool {
        let first = self.windows.iter().take((time.as_millis() / WINDOW.as_millis()) as usize);
        first.flat_map(|window| window.answered.keys().chain(window.lost.keys())).all(|who| who.starts_with(prefix))
    }

    /// For whoever runs the scenarios: asked, lost, longest gap, slowest answer, answers by agents, by CoreDNS.
    pub(crate) fn row(&self, case: &str, whose: &str) -> String {
        let by = |prefix| self.answered_by(prefix);
        let gap = self.longest_gap();
        format!(
            "| {case} | {whose} | {} | {} | {}.{} s | {:.3} s | {} | {} |",
            self.asked(),
            self.lost(),
            gap / 10,
            gap % 10,
            self.all.slowest,
            by("doorstep-"),
            by("coredns-")
        )
    }
}
