//! Label selectors as Cilium reads them: a pod's labels, its namespace and that namespace's labels in one space of keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Labels by key.
pub type Labels = BTreeMap<String, String>;

/// The key under which Cilium has a pod's namespace.
pub(super) const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// What Cilium puts before the keys of a namespace's labels.
pub(super) const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
/// The label by which each namespace has its own name.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The key under which Cilium has a pod's service account.
pub(super) const SERVICE_ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";
/// The key under which Cilium has the cluster's name: all pods we see are of one cluster.
const CLUSTER: &str = "io.cilium.k8s.policy.cluster";
/// Identities that are no pods'.
const RESERVED: &str = "reserved:";

/// `metav1.LabelSelector`, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Written {
    match_labels: Labels,
    match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expression {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// What a pod's labels must be. No requirement: every pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector(Vec<Expression>);

impl Selector {
    /// Of a pod's own labels.
    pub(super) fn of(written: Written) -> Self {
        let mut requirements = Self::default();
        requirements.demand(written, "");
        requirements
    }

    /// Of the labels of a pod's namespace besides.
    pub(super) fn and_namespace(mut self, written: Written) -> Self {
        self.demand(written, NAMESPACE_LABELS);
        self
    }

    /// Of one namespace.
    pub(super) fn within(mut self, namespace: &str) -> Self {
        self.0.push(is(NAMESPACE.to_owned(), namespace.to_owned()));
        self
    }

    /// Of this namespace, whatever the selector itself says of namespaces.
    pub(super) fn bound_to(mut self, namespace: &str) -> Self {
        self.0.retain(|requirement| requirement.key != NAMESPACE);
        self.within(namespace)
    }

    /// Whether it says of which namespaces.
    pub(super) fn names_namespaces(&self) -> bool {
        self.0.iter().any(|requirement| requirement.key == NAMESPACE || requirement.key.starts_with(NAMESPACE_LABELS))
    }

    /// Namespaces that it names.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = String> {
        let names = |key: &str| key == NAMESPACE || key.strip_prefix(NAMESPACE_LABELS) == Some(NAMESPACE_NAME);
        let named = self.0.iter().filter(move |requirement| requirement.operator == Operator::In && names(&requirement.key));
        named.flat_map(|requirement| requirement.values.iter().cloned())
    }

    /// Whether it selects what is no pod.
    pub(super) fn is_reserved(&self) -> bool {
        self.0.iter().any(|requirement| requirement.key.starts_with(RESERVED))
    }

    /// Whether a pod with these labels is selected.
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Adds the keys it asks for.
    pub(super) fn keys(&self, keys: &mut BTreeSet<String>) {
        keys.extend(self.0.iter().map(|requirement| requirement.key.clone()));
    }

    /// The fewest labels that it selects; a key may have any value where it says none.
    pub(super) fn example(&self) -> Labels {
        let value = |requirement: &Expression| match requirement.operator {
            Operator::In => requirement.values.first().cloned(),
            Operator::Exists => Some(String::new()),
            Operator::NotIn | Operator::DoesNotExist => None,
        };
        self.0.iter().filter_map(|requirement| Some((requirement.key.clone(), value(requirement)?))).collect()
    }

    fn demand(&mut self, written: Written, prefix: &str) {
        let key = |key: &str| format!("{prefix}{}", without_source(key));
        self.0.extend(written.match_labels.into_iter().map(|(name, value)| is(key(&name), value)));
        self.0.extend(written.match_expressions.into_iter().map(|expression| Expression { key: key(&expression.key), ..expression }));
    }
}

impl Expression {
    fn holds(&self, labels: &Labels) -> bool {
        if self.key == CLUSTER {
            return true;
        }
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

fn is(key: String, value: String) -> Expression {
    Expression { key, operator: Operator::In, values: vec![value] }
}

/// Cilium writes where a label comes from before its key; pods' labels come from Kubernetes, or from anywhere.
fn without_source(key: &str) -> &str {
    key.strip_prefix("k8s:").or_else(|| key.strip_prefix("any:")).unwrap_or(key)
}
