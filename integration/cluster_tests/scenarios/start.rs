//! From nothing to a redirect.

use std::time::{Duration, Instant};

use crate::harness::{Ask, Cluster, NODES, OURS, calls, calls_since, holds, throughout, within};

/// How often it is begun anew, in both ways by turns.
const ROUNDS: u32 = 10;

/// What agents find missing.
#[derive(Clone, Copy, Debug)]
enum Lacks {
    /// The Service kube-dns-upstream.
    Service,
    /// Its backends: the Service selects nobody.
    Backends,
}

/// Agents that start together, without their upstream and then with it.
pub(super) fn one_policy_once_agents_are_ready(cluster: &Cluster) {
    expect_coredns(cluster);
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let lacks = if round % 2 == 0 { Lacks::Service } else { Lacks::Backends };
        let before = calls(cluster).len();
        begin(cluster, lacks);
        if round < 2 {
            throughout(Duration::from_secs(6), "no policy without an upstream", || {
                holds(cluster.agents().iter().all(|agent| !agent.ready), || format!("{:?}", cluster.agents()))?;
                cluster.policy().map_or(Ok(()), Err)
            });
            expect_coredns(cluster);
        }
        assert_eq!(cluster.policy(), None, "round {round}");
        provide(cluster, lacks);
        let begun = Instant::now();
        cluster.live();
        slowest = slowest.max(begun.elapsed());
        let made: Vec<_> = calls_since(cluster, before).into_iter().filter(|call| call.verb == "create" && call.status == 201).collect();
        let policies = made.iter().filter(|call| call.resource == "ciliumlocalredirectpolicies").count();
        assert_eq!(policies, 1, "round {round}, {lacks:?}: {made:?}");
        if round + 1 < ROUNDS {
            end(cluster);
        }
    }
    cluster.note(&format!("From the upstream to a policy and ready agents: at most {:.1} s in {ROUNDS} starts.", slowest.as_secs_f64()));
}

fn expect_coredns(cluster: &Cluster) {
    for node in NODES {
        let outcome = Ask::from_pod_of(node).outcome(cluster);
        assert!(outcome.all_by("coredns-"), "{node}: {outcome:?}");
    }
}

/// Everything but the upstream, until the agents run.
fn begin(cluster: &Cluster, lacks: Lacks) {
    cluster.apply(&cluster.base_without("Service", "kube-dns-upstream"));
    if let Lacks::Backends = lacks {
        cluster.apply(&service("nobody"));
    }
    within(Duration::from_secs(40), "agents that run", || {
        let agents = cluster.agents();
        let run = agents.iter().filter(|agent| cluster.runs(agent)).count();
        holds(run == NODES.len(), || format!("{agents:?}"))
    });
}

fn provide(cluster: &Cluster, lacks: Lacks) {
    match lacks {
        Lacks::Service => cluster.apply(&service("kube-dns")),
        Lacks::Backends => {
            let patch = r#"{"spec":{"selector":{"k8s-app":"kube-dns"}}}"#;
            cluster.system(&["patch", "service", "kube-dns-upstream", "--patch", patch]);
        }
    }
}

/// The base's Service, over other pods.
fn service(selects: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: kube-dns-upstream\n  namespace: kube-system\n  labels: {{app.kubernetes.io/name: doorstep}}\n\
         spec:\n  selector: {{k8s-app: {selects}}}\n  ports:\n  - {{name: dns-tcp, port: 53, targetPort: 53, protocol: TCP}}\n  - {{name: dns, port: 53, targetPort: 53, protocol: UDP}}\n"
    )
}

/// The agents at once, without their drain, and the upstream; the policy goes with the DaemonSet.
fn end(cluster: &Cluster) {
    cluster.system(&["delete", "daemonset", "doorstep"]);
    cluster.system(&["delete", "pods", "--selector", OURS, "--grace-period", "0", "--force"]);
    cluster.system(&["delete", "service", "kube-dns-upstream"]);
    cluster.expect_no_policy();
}
