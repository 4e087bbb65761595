//! The policies as an agent reads them: without pods, of which large clusters have hundreds of thousands.

use tokio::task::spawn_blocking;

use super::list::Read;
use super::subjects::Subjects;
use crate::k8s::cluster::{CallError, Cluster};
use crate::redirect::Review;
use crate::redirect::network_policies::Groups;

/// Octets of policies that an agent reads, some 15,000 of them: what it makes of them takes as much memory for a moment.
const MOST: u64 = 32 << 20;

impl Cluster {
    /// Reads all policies, and judges each rule for pods with just its labels.
    ///
    /// # Errors
    /// The API server does not answer. What it refuses is told in the review.
    pub(in crate::k8s) async fn read_review(&self, subjects: &Subjects) -> Result<Review, CallError> {
        let Read { policies, unknown, .. } = self.read_policies(MOST).await?;
        let subjects = subjects.clone();
        let judge = move || {
            let namespaces = subjects.namespaces(&policies);
            let groups = Groups::imagined(&policies, &namespaces);
            Review::new(policies.len(), &subjects.findings(&policies, groups, None, &namespaces), unknown)
        };
        // Thousands of policies take a while, and this thread answers the kubelet.
        spawn_blocking(judge).await.map_err(|error| CallError::Access(format!("network policies were not judged: {error}")))
    }
}
