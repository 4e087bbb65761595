//! The agents' pods.

use std::fs::{read, read_dir};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::cluster::{Cluster, NODES};
use super::install::OURS;
use super::within;

/// An agent's pod that is not on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) ready: bool,
    /// As the kubelet counts them.
    pub(crate) restarts: u64,
    /// Its IPv4 address; empty before it has one.
    pub(crate) address: String,
}

impl Agent {
    fn of(pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        Self {
            name: text(&pod["metadata"]["name"]),
            node: text(&pod["spec"]["nodeName"]),
            ready: conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
            restarts: pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0),
            address: text(&pod["status"]["podIP"]),
        }
    }
}

impl Cluster {
    /// All that are not being deleted.
    pub(crate) fn agents(&self) -> Vec<Agent> {
        let pods = self.list("pods", OURS);
        pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).map(Agent::of).collect()
    }

    /// The one of a node.
    pub(crate) fn agent(&self, node: &str) -> Agent {
        let found = self.agents().into_iter().find(|agent| agent.node == node);
        found.unwrap_or_else(|| panic!("no agent on {node}"))
    }

    /// Waits until the node's agent is ready, whichever pod that is.
    pub(crate) fn ready_agent(&self, node: &str) -> Agent {
        within(Duration::from_secs(60), "a ready agent", || {
            self.agents().into_iter().find(|agent| agent.node == node && agent.ready).ok_or_else(|| format!("none on {node}"))
        })
    }

    /// A page of its admin address, as a node sees it.
    pub(crate) fn page(&self, agent: &Agent, page: &str) -> String {
        self.expect(self.fetch(&agent.address, 9253, page))
    }

    /// Where the redirect stands, as the agent sees it.
    pub(crate) fn standing(&self, agent: &Agent) -> String {
        let page: Value = serde_json::from_str(&self.page(agent, "status")).unwrap();
        page["redirect"]["standing"].as_str().unwrap_or_default().to_owned()
    }

    /// Why it stands there, as the agent sees it.
    pub(crate) fn reasons(&self, agent: &Agent) -> Vec<String> {
        let page: Value = serde_json::from_str(&self.page(agent, "status")).unwrap();
        let reasons = page["redirect"]["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().filter_map(|reason| reason.as_str().map(str::to_owned)).collect()
    }

    /// Whether its admin address answers.
    pub(crate) fn runs(&self, agent: &Agent) -> bool {
        !agent.address.is_empty() && self.fetch(&agent.address, 9253, "livez").output().unwrap().status.success()
    }

    /// Sends its process a signal, as the machine's administrator.
    pub(crate) fn signal(&self, agent: &Agent, signal: &str) {
        let pid = pid_of(&agent.name);
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(sent.unwrap().success(), "kill -{signal} {pid}");
    }

    /// How many queries of this type CoreDNS has answered.
    pub(crate) fn coredns_queries(&self, qtype: &str) -> u64 {
        let pods = self.list("pods", "k8s-app=kube-dns");
        let addresses = pods.iter().filter_map(|pod| pod["status"]["podIP"].as_str());
        let pages = addresses.map(|address| self.expect(self.fetch(address, 9153, "metrics"))).collect::<String>();
        let of_type = format!("type=\"{qtype}\"");
        let counts = pages.lines().filter(|line| line.starts_with("coredns_dns_requests_total{") && line.contains(&of_type));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    fn fetch(&self, address: &str, port: u16, page: &str) -> Command {
        let url = format!("http://{address}:{port}/{page}");
        self.command(["in", NODES[0], "bed", "fetch", &url])
    }
}

/// The process that has this pod's name in its environment.
fn pid_of(pod: &str) -> String {
    let entry = format!("POD_NAME={pod}\0");
    let is_it = |pid: &str| {
        let has = |file: &str, text: &str| {
            let bytes = read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        has("environ", &entry) && has("cmdline", "/doorstep\0")
    };
    let processes = read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    processes.filter(|name| name.parse::<u32>().is_ok()).find(|pid| is_it(pid)).unwrap_or_else(|| panic!("no process of pod {pod}"))
}
