//! What doorstep asked of the API server, from the API server's own audit log.

use std::fs::read_to_string;

use serde_json::Value;

use super::cluster::Cluster;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    /// `""` for the core group.
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) verb: String,
    /// The object; empty for a list or a creation without one.
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// HTTP status.
    pub(crate) status: u64,
}

impl Call {
    fn of(line: &str) -> Self {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        // A list or a watch that asks for one object by field selector is authorized by that object's name.
        let selected = text(&event["requestURI"]).split("metadata.name%3D").nth(1).map(|rest| rest.split('&').next().unwrap().to_owned());
        Self {
            group: text(&object["apiGroup"]),
            resource: text(&object["resource"]),
            verb: text(&event["verb"]),
            name: selected.unwrap_or_else(|| text(&object["name"])),
            namespace: text(&object["namespace"]),
            status: event["responseStatus"]["code"].as_u64().unwrap_or(0),
        }
    }

    /// Whether it changed something, or meant to.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// All calls so far.
pub(crate) fn calls(cluster: &Cluster) -> Vec<Call> {
    calls_since(cluster, 0)
}

/// All calls but the first `count`.
pub(crate) fn calls_since(cluster: &Cluster, count: usize) -> Vec<Call> {
    let log = read_to_string(cluster.file("audit.log")).unwrap();
    // The last line may be half written.
    let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().skip(count).map(Call::of).collect()
}
