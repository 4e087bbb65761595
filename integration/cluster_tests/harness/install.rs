//! doorstep installed and removed, as README says it.

use std::time::Duration;

use serde_json::Value;

use super::cluster::{Cluster, NODES, root};
use super::{holds, within};

const BASE: &str = "manifests/base";
/// The label of all that the manifests bring.
pub(crate) const OURS: &str = "app.kubernetes.io/name=doorstep";
/// For agents to be ready, with their image on the nodes, and for what follows from that.
const SOON: Duration = Duration::from_secs(40);

impl Cluster {
    /// `kubectl apply -k`, then waits until the redirect stands and each node has a ready agent of the newest template.
    pub(crate) fn install(&self) {
        self.apply_kustomization(BASE);
        self.switch("on");
        self.live();
    }

    /// Applies a folder of the repository.
    pub(crate) fn apply_kustomization(&self, folder: &str) {
        self.kubectl(&["apply", "--kustomize", root().join(folder).to_str().unwrap()]);
    }

    /// The objects of the base, but not those of this kind and name.
    pub(crate) fn base_without(&self, kind: &str, name: &str) -> String {
        let all = self.kubectl(&["kustomize", root().join(BASE).to_str().unwrap()]);
        let is_it = |object: &&str| object.contains(&format!("kind: {kind}\n")) && object.contains(&format!("\n  name: {name}\n"));
        let kept: Vec<&str> = all.split("\n---\n").filter(|object| !is_it(object)).collect();
        assert_eq!(kept.len() + 1, all.split("\n---\n").count(), "{kind} {name} is in the base once");
        kept.join("\n---\n")
    }

    /// Waits until the redirect stands and each node has one ready agent; installs doorstep first where a scenario is played alone.
    pub(crate) fn live(&self) -> String {
        if self.system(&["get", "daemonset", "doorstep", "--ignore-not-found", "--output", "name"]).is_empty() {
            self.apply_kustomization(BASE);
        }
        self.system(&["rollout", "status", "daemonset/doorstep", "--timeout", "60s"]);
        within(SOON, "one ready agent a node", || {
            let agents = self.agents();
            holds(agents.len() == NODES.len() && agents.iter().all(|agent| agent.ready), || format!("{agents:?}"))
        });
        within(SOON, "a policy", || self.policy().ok_or_else(|| self.why()))
    }

    /// Sets the switch by the command that README tells.
    pub(crate) fn switch(&self, to: &str) {
        let patch = format!(r#"{{"data":{{"redirect":"{to}"}}}}"#);
        self.system(&["patch", "configmap", "doorstep-redirect", "--type", "merge", "--patch", &patch]);
    }

    /// Ends a hold by the command that README tells.
    pub(crate) fn resume(&self, why: &str) {
        self.system(&["annotate", "configmap", "doorstep-redirect", "--overwrite", &format!("doorstep.dev/resume={why}")]);
    }

    /// The uid of the policy.
    pub(crate) fn policy(&self) -> Option<String> {
        let found = self.system(&["get", "clrp", "doorstep", "--ignore-not-found", "--output", "jsonpath={.metadata.uid}"]);
        (!found.is_empty()).then_some(found)
    }

    /// Waits until there is no policy.
    pub(crate) fn expect_no_policy(&self) {
        within(SOON, "no policy", || self.policy().map_or(Ok(()), Err));
    }

    /// A ConfigMap's data.
    pub(crate) fn data(&self, map: &str) -> Value {
        let found = self.system(&["get", "configmap", map, "--output", "json"]);
        serde_json::from_str::<Value>(&found).unwrap()["data"].take()
    }

    /// What is left that the manifests brought, of any namespace and of none.
    pub(crate) fn leftovers(&self) -> String {
        let kinds = "daemonset,controllerrevision,pod,service,endpointslice,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,\
                     configmap,ciliumlocalredirectpolicy,validatingadmissionpolicy,validatingadmissionpolicybinding";
        self.kubectl(&["get", kinds, "--all-namespaces", "--selector", OURS, "--output", "name"])
    }

    /// What each agent that runs says of the redirect.
    pub(crate) fn why(&self) -> String {
        let agents = self.agents().into_iter().filter(|agent| self.runs(agent));
        agents.map(|agent| format!("{}: {}\n", agent.name, self.page(&agent, "status"))).collect()
    }

    /// Removes it, as README says.
    pub(crate) fn uninstall(&self) {
        self.kubectl(&["delete", "--kustomize", root().join(BASE).to_str().unwrap(), "--ignore-not-found", "--timeout", "60s"]);
    }
}
