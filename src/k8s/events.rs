//! Events for `kubectl describe daemonset`: what was done to the redirect, what is in its way, and the cure.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

use super::account::{Account, Call};
use super::cluster::Cluster;
use super::reason::reason_of;
use crate::redirect::{self, Act, Because, Decision, Owner, Report, Rest, Surroundings};

/// An Event is a courtesy: it holds nothing up for longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two Events of one agent that say the same is in the way.
const REPEAT: Duration = Duration::from_secs(3600);
/// What the API server takes, in octets.
const LONGEST: usize = 1024;

/// Writes Events about the DaemonSet.
pub(super) struct Events {
    recorder: Recorder,
    namespace: String,
    /// What was last said to be in the way, and when.
    said: Option<(String, Instant)>,
    has_looked: bool,
}

impl Events {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let reporter = Reporter { controller: "doorstep".to_owned(), instance: Some(cluster.config.pod_name.clone()) };
        let recorder = Recorder::new(cluster.client.clone(), reporter);
        Self { recorder, namespace: cluster.config.namespace.clone(), said: None, has_looked: false }
    }

    /// Tells of an act that was done.
    pub(super) async fn acted(&self, act: &Act, owner: Option<&Owner>, account: &Account) {
        let Some((reason, kind, note)) = describe(act, &self.namespace) else { return };
        self.publish(owner, reason, kind, note, account).await;
    }

    /// Tells what is in the way, when that is new or an hour old, and this agent is one of the few that do.
    pub(super) async fn looked(&mut self, decision: &Decision, report: &Report, around: &Surroundings, account: &Account, now: Instant) {
        let first = !std::mem::replace(&mut self.has_looked, true);
        let reason = match decision {
            Decision::Rest(Rest::Blocked(_) | Rest::OtherSpec) => "RedirectBlocked",
            Decision::Rest(Rest::Live) if !report.reasons.is_empty() => "GateShut",
            _ => {
                self.said = None;
                return;
            }
        };
        let note = format!("{}. Cure: {}", report.reasons.join("; "), report.cures.join("; "));
        if self.said.as_ref().is_some_and(|(said, at)| *said == note && now < *at + REPEAT) {
            return;
        }
        if !redirect::tells(around.agents, first, rand::random()) {
            return;
        }
        self.publish(around.owner.as_ref(), reason, EventType::Warning, note.clone(), account).await;
        self.said = Some((note, now));
    }

    async fn publish(&self, owner: Option<&Owner>, reason: &str, kind: EventType, note: String, account: &Account) {
        // Without the DaemonSet there is nothing that an Event could be about.
        let Some(owner) = owner else { return };
        let regarding = ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("DaemonSet".to_owned()),
            name: Some(owner.name.clone()),
            namespace: Some(self.namespace.clone()),
            uid: Some(owner.uid.clone()),
            ..ObjectReference::default()
        };
        let note = Some(shortened(&note));
        let event = Event { type_: kind, reason: reason.to_owned(), note, action: "Redirect".to_owned(), secondary: None };
        match timeout(PATIENCE, self.recorder.publish(&event, &regarding)).await {
            Ok(Ok(())) => account.done(Call::Event),
            Ok(Err(error)) => account.failed(Call::Event, &reason_of(&error)),
            Err(_) => account.failed(Call::Event, "no answer in time"),
        }
    }
}

/// As much of it as the API server takes: whole characters, [`LONGEST`] octets.
fn shortened(note: &str) -> String {
    note.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= LONGEST).map(|(_, letter)| letter).collect()
}

/// Reason, kind and note; `None` for bookkeeping.
fn describe(act: &Act, namespace: &str) -> Option<(&'static str, EventType, String)> {
    let policy = "CiliumLocalRedirectPolicy doorstep";
    Some(match act {
        Act::Create(_) => ("RedirectCreated", EventType::Normal, format!("{policy} created: Cilium redirects DNS to the agents")),
        Act::Delete { because, .. } => {
            let why = match because {
                Because::Outdated => "its spec is of an earlier release; it is created anew",
                Because::Overtaken => "it was deleted by hand a moment before",
                _ => "the redirect is switched off, drained or held",
            };
            ("RedirectDeleted", EventType::Normal, format!("{policy} deleted: {why}"))
        }
        Act::Write { because: Because::DeletedByHand, .. } => {
            let note = format!("{policy} was deleted by hand, and is not created again. Cure: {}", redirect::resume(namespace));
            ("RedirectHeld", EventType::Warning, note)
        }
        Act::Write { because: Because::Harmful | Because::HarmfulToOutgoing | Because::Blackholed, state, .. } => {
            let reason = state.hold.as_ref().map_or("", |hold| hold.reason.as_str());
            ("RedirectHeld", EventType::Warning, format!("{reason}. Then: {}", redirect::resume(namespace)))
        }
        Act::Write { because: Because::Found, state, .. } => {
            let agent = state.blackholes.last().map_or("", |found| found.agent.as_str());
            ("BlackholeFound", EventType::Warning, format!("{agent} got no answer from the DNS Service on its node, and stepped aside"))
        }
        Act::Write { because: Because::Resumed, .. } => ("RedirectResumed", EventType::Normal, "a person ended the hold".to_owned()),
        Act::Write {
            because: Because::Unrecorded | Because::Unwanted | Because::Outdated | Because::Overtaken | Because::Collected,
            ..
        } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_keeps_its_cure_as_far_as_the_api_server_takes_it() {
        let cure = "x".repeat(LONGEST);
        assert_eq!(shortened(&cure), cure);
        assert_eq!(shortened(&format!("{cure}y")), cure);
        assert_eq!(shortened(&"é".repeat(LONGEST)).len(), LONGEST);
    }
}
