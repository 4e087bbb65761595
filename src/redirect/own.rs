//! What an agent remembers of its own acts. Between two calls others act too; with this memory it corrects what it did on a state that
//! had just changed.

use super::decide::{Act, Decision, Observation, Surroundings};
use super::quorum::Blackhole;
use super::state::Emitted;

/// What an agent knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Whether it would answer what is redirected to it.
    pub ready: bool,
    /// Whether the time is over in which agents leave one by one.
    pub drained: bool,
    /// A policy it created and has not seen recorded.
    pub created: Option<Emitted>,
    /// The last policy it deleted, by uid.
    pub removed: Option<String>,
    /// A blackhole that it found on its node.
    pub blackhole: Option<Blackhole>,
}

impl Own {
    /// After a fresh look and the decision made on it.
    pub fn looked(&mut self, seen: &Observation, decision: &Decision) {
        let Some(created) = &self.created else { return };
        let is_recorded =
            seen.state.as_ref().is_ok_and(|recorded| recorded.state.emitted.as_ref().is_some_and(|emitted| emitted.uid == created.uid));
        let is_gone = seen.policies.as_ref().is_ok_and(|policies| policies.iter().all(|policy| policy.uid != created.uid));
        if is_recorded || (is_gone && matches!(decision, Decision::Rest(_))) {
            self.created = None;
        }
    }

    /// After an act that the API server has done. `uid`: of the policy it created.
    pub fn acted(&mut self, act: &Act, around: &Surroundings, uid: Option<String>) {
        match act {
            Act::Create(policy) => {
                let owner = around.owner.as_ref().map(|owner| owner.uid.clone()).unwrap_or_default();
                self.created = uid.map(|uid| Emitted { uid, owner, spec: policy.spec_hash() });
            }
            Act::Delete { uid, .. } => {
                self.created = self.created.take().filter(|created| created.uid != *uid);
                self.removed = Some(uid.clone());
            }
            Act::Write { state, .. } => {
                let recorded = state.emitted.as_ref().map(|emitted| &emitted.uid);
                self.created = self.created.take().filter(|created| recorded != Some(&created.uid));
            }
        }
    }
}
