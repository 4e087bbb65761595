//! As much of kustomize as the overlays use, so that they are tested where there is no kubectl: resources, and JSON patches (RFC 6902) that
//! add or replace, aimed by kind, name and namespace. Whatever else an overlay said would fail here.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    resources: Vec<String>,
    #[serde(default)]
    patches: Vec<Patch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    target: Target,
    patch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    op: String,
    path: String,
    value: Value,
}

/// What kubectl apply -k would apply.
pub(super) fn kustomize(directory: &str) -> Vec<Value> {
    build(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory))
}

fn build(directory: &Path) -> Vec<Value> {
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let kustomization: Kustomization = serde_saphyr::from_str(&read(directory.join("kustomization.yaml"))).unwrap();
    let mut objects: Vec<Value> = Vec::new();
    for resource in &kustomization.resources {
        let path = directory.join(resource);
        objects.extend(if path.is_dir() { build(&path) } else { serde_saphyr::from_multiple(&read(path)).unwrap() });
    }
    // Targets are matched by what an object was called before any patch.
    let original = objects.clone();
    for patch in &kustomization.patches {
        let operations: Vec<Operation> = serde_saphyr::from_str(&patch.patch).unwrap();
        let aimed: Vec<usize> = (0..objects.len()).filter(|index| patch.target.matches(&original[*index])).collect();
        assert!(!aimed.is_empty(), "{}: a patch hits nothing:\n{}", directory.display(), patch.patch);
        for index in aimed {
            operations.iter().for_each(|operation| operation.apply(&mut objects[index]));
        }
    }
    objects
}

impl Target {
    fn matches(&self, object: &Value) -> bool {
        let same = |wanted: &Option<String>, found: &Value| match wanted.as_deref().map(|wanted| (wanted, wanted.strip_suffix(".*"))) {
            None => true,
            Some((_, Some(start))) => found.as_str().is_some_and(|found| found.starts_with(start)),
            Some((wanted, None)) => found == wanted,
        };
        let metadata = &object["metadata"];
        same(&self.kind, &object["kind"]) && same(&self.name, &metadata["name"]) && same(&self.namespace, &metadata["namespace"])
    }
}

impl Operation {
    fn apply(&self, object: &mut Value) {
        let (parent, last) = self.path.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{} is not there", self.path));
        match (self.op.as_str(), parent) {
            ("add", Value::Array(list)) if last == "-" => list.push(self.value.clone()),
            ("add", Value::Object(map)) => drop(map.insert(last.to_owned(), self.value.clone())),
            ("replace", parent) => {
                let key = parent.pointer_mut(&format!("/{last}")).unwrap_or_else(|| panic!("{} is not there", self.path));
                *key = self.value.clone();
            }
            (op, _) => panic!("{op} at {} is not understood", self.path),
        }
    }
}

#[test]
fn patches_add_and_replace_where_they_are_aimed() {
    let objects = kustomize("manifests/overlays/rke2");
    let daemonset = objects.iter().find(|object| object["kind"] == "DaemonSet").unwrap();
    let pod = &daemonset["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["ports"][0]["name"], "udp-53");
    assert_eq!(pod["tolerations"].as_array().unwrap().last().unwrap()["key"], "node-role.kubernetes.io/etcd");
    assert_ne!(objects, kustomize("manifests/base"));
}
