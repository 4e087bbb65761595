//! Three watches, each narrowed by field selector or namespace. What they last said goes on being true while the API server is away.
//! A fourth, of the upstream's Service, where the pod was there before it, until it is, and while this node does not get through to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watch_object, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::account::{Account, Call};
use super::cluster::{Cluster, is_not_found};
use super::read;
use super::reason::reason_of;
use crate::redirect::{Observation, PEOPLE, STATE, SeenPolicy, UPSTREAM_SERVICE, Unknown};

/// Between two looks whether the CRD is there by now: thousands of agents ask.
const CRD_PAUSE: Duration = Duration::from_secs(300);

/// What the watches last said.
pub(super) type Seen = watch::Sender<Observation>;

/// Nothing said yet.
pub(super) fn unseen() -> Seen {
    watch::Sender::new(Observation { people: Err(Unknown::Unseen), state: Err(Unknown::Unseen), policies: Err(Unknown::Unseen) })
}

/// Starts the watches; they end with the set.
pub(super) fn start(cluster: &Cluster, seen: &Seen, account: &Account) -> JoinSet<()> {
    let mut watches = JoinSet::new();
    watches.spawn(follow_map(cluster.maps.clone(), PEOPLE, account.clone(), seen.clone(), |seen, map| {
        seen.people = read::people(map);
    }));
    watches.spawn(follow_map(cluster.maps.clone(), STATE, account.clone(), seen.clone(), |seen, map| {
        seen.state = read::state(map);
    }));
    if cluster.config.asks.is_empty() {
        // The kubelet told this pod of no upstream, because its Service was not there yet.
        let (cluster, account) = (cluster.clone(), account.clone());
        watches.spawn(async move { follow_upstream(&cluster, &account, |addresses| !addresses.is_empty()).await });
    }
    watches.spawn(follow_policies(cluster.policies.clone(), account.clone(), seen.clone()));
    watches
}

async fn follow_map(maps: Api<ConfigMap>, name: &'static str, account: Account, seen: Seen, put: fn(&mut Observation, Option<&ConfigMap>)) {
    let mut events = backing_off(watch_object(maps, name)).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(map) => {
                account.done(Call::Watch);
                change(&seen, |seen| put(seen, map.as_ref()));
            }
            Err(error) => account.failed(Call::Watch, &format!("ConfigMap {name}: {}", reason_of(&error))),
        }
    }
}

/// Tells where the upstream's Service is whenever that is new, until `is_enough`.
pub(super) async fn follow_upstream(cluster: &Cluster, account: &Account, is_enough: fn(&[IpAddr]) -> bool) {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), &cluster.config.namespace);
    let mut events = backing_off(watch_object(services, UPSTREAM_SERVICE)).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(service) => {
                account.done(Call::Watch);
                let Ok(service) = read::service(service.as_ref(), &[]) else { continue };
                account.note_upstream(&service.addresses);
                if is_enough(&service.addresses) {
                    return;
                }
            }
            Err(error) => account.failed(Call::Watch, &format!("Service {UPSTREAM_SERVICE}: {}", reason_of(&error))),
        }
    }
}

async fn follow_policies(policies: Api<DynamicObject>, account: Account, seen: Seen) {
    let mut events = backing_off(watcher(policies, watcher::Config::default())).boxed();
    let mut known = Known::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                account.done(Call::Watch);
                if let Some(policies) = known.apply(event) {
                    change(&seen, |seen| seen.policies = Ok(policies));
                }
            }
            Err(watcher::Error::InitialListFailed(error)) if is_not_found(&error) => {
                change(&seen, |seen| seen.policies = Err(Unknown::Missing));
                sleep(CRD_PAUSE).await;
            }
            Err(error) => account.failed(Call::Watch, &format!("policies: {}", reason_of(&error))),
        }
    }
}

fn backing_off<T>(
    events: impl Stream<Item = Result<T, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<T, watcher::Error>> + Send {
    events.default_backoff()
}

/// Wakes the agent only where something it cares for has changed.
fn change(seen: &Seen, put: impl FnOnce(&mut Observation)) {
    seen.send_if_modified(|seen| {
        let before = seen.clone();
        put(seen);
        *seen != before
    });
}

/// The policies by name: those of the last complete list, and of one under way.
#[derive(Default)]
struct Known {
    policies: BTreeMap<String, SeenPolicy>,
    listing: BTreeMap<String, SeenPolicy>,
}

impl Known {
    /// All policies, where the event completes a picture of them.
    fn apply(&mut self, event: Event<DynamicObject>) -> Option<Vec<SeenPolicy>> {
        match event {
            Event::Init => {
                self.listing.clear();
                return None;
            }
            Event::InitApply(object) => {
                let policy = read::policy(&object);
                self.listing.insert(policy.name.clone(), policy);
                return None;
            }
            Event::InitDone => self.policies = std::mem::take(&mut self.listing),
            Event::Apply(object) => {
                let policy = read::policy(&object);
                self.policies.insert(policy.name.clone(), policy);
            }
            Event::Delete(object) => {
                self.policies.remove(&read::policy(&object).name);
            }
        }
        Some(self.policies.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> DynamicObject {
        DynamicObject::new(name, &read::policies())
    }

    fn names(policies: Option<Vec<SeenPolicy>>) -> Option<Vec<String>> {
        Some(policies?.into_iter().map(|policy| policy.name).collect())
    }

    #[test]
    fn a_list_counts_once_it_is_complete_and_forgets_what_it_does_not_name() {
        let mut known = Known::default();
        assert_eq!(names(known.apply(Event::Init)), None);
        assert_eq!(names(known.apply(Event::InitApply(object("a")))), None);
        assert_eq!(names(known.apply(Event::InitApply(object("b")))), None);
        assert_eq!(names(known.apply(Event::InitDone)), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(names(known.apply(Event::Delete(object("a")))), Some(vec!["b".to_owned()]));
        assert_eq!(names(known.apply(Event::Init)), None);
        assert_eq!(names(known.apply(Event::InitApply(object("c")))), None);
        assert_eq!(names(known.apply(Event::InitDone)), Some(vec!["c".to_owned()]), "b was deleted while nobody watched");
    }

    #[test]
    fn what_changes_nothing_wakes_nobody() {
        let seen = unseen();
        let woken = seen.subscribe();
        change(&seen, |seen| seen.policies = Err(Unknown::Unseen));
        assert!(!woken.has_changed().unwrap());
        change(&seen, |seen| seen.policies = Ok(Vec::new()));
        assert!(woken.has_changed().unwrap());
    }
}
