//! The policies as an agent reads them: without pods, of which large clusters have hundreds of thousands.

use tokio::task::spawn_blocking;

use super::list::Read;
use super::subjects::Subjects;
use crate::k8s::cluster::{CallError, Cluster};
use crate::redirect::Review;
use crate::redirect::network_policies::{self, Groups, harmful, pairs};

/// Octets of policies that an agent reads, some 15,000 of them: what it makes of them takes as much memory for a moment.
const MOST_OCTETS: u64 = 32 << 20;
/// Groups of pods that an agent imagines, some 800 octets each: one for each policy it reads and each namespace these are in, or fewer rules
/// about all namespaces.
const MOST_GROUPS: usize = 30_000;
/// Pairs of pods and rules that an agent judges, seldom and beside the threads that answer: 2,000 policies in one namespace, or far more in
/// many.
const MOST_PAIRS: usize = 5_000_000;

impl Cluster {
    /// Reads all policies, and judges each rule for pods with just its labels.
    ///
    /// # Errors
    /// The API server does not answer. What it refuses is told in the review.
    pub(in crate::k8s) async fn read_review(&self, subjects: &Subjects) -> Result<Review, CallError> {
        let read = self.read_policies(MOST_OCTETS).await?;
        let subjects = subjects.clone();
        // Thousands of policies take a while, and this thread answers the kubelet.
        let judged = spawn_blocking(move || judge(read, &subjects)).await;
        judged.map_err(|error| CallError::Access(format!("network policies were not judged: {error}")))
    }
}

fn judge(Read { policies, mut unknown, .. }: Read, subjects: &Subjects) -> Review {
    let namespaces = subjects.namespaces(&policies);
    // Whoever may write one policy may write thousands of rules into it.
    if Groups::most_imagined(&policies, namespaces.len()) > MOST_GROUPS {
        unknown.push("network policies tell more pods apart than an agent judges: doorstep preflight judges all".to_owned());
        return Review::new(policies.len(), Vec::new(), unknown);
    }
    let groups = Groups::imagined(&policies, &namespaces);
    let harm = |cluster: &network_policies::Cluster<'_>| -> Option<Vec<_>> {
        (pairs(cluster) <= MOST_PAIRS).then(|| harmful(cluster).into_iter().cloned().collect())
    };
    let harmful = subjects.judge(&policies, groups, None, &namespaces, harm).unwrap_or_else(|| {
        unknown.push("one namespace has more rules of network policies than an agent judges: doorstep preflight judges all".to_owned());
        Vec::new()
    });
    Review::new(policies.len(), harmful, unknown)
}
