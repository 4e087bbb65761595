//! Against small servers on 127.0.0.1, with short limits.

mod certificates;
mod faults;
mod lanes;
mod quic;
mod servers;
mod tls;
mod twin;
mod udp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Bounds, FailureClass, Group, GroupConfig, Lane, Metrics, Server, Timing, Trust};
use crate::wire::{FoldedName, Key};

const MS: fn(u64) -> Duration = Duration::from_millis;
pub(super) const S: fn(u64) -> Duration = Duration::from_secs;

/// Where virtual time begins; the tests of what takes `now` add to it.
#[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
pub(super) fn base() -> Instant {
    Instant::now()
}

/// A question whose first label says what the server does.
fn key(label: &str) -> Key {
    let mut wire = vec![label.len() as u8];
    wire.extend(label.as_bytes());
    wire.extend(b"\x04test\x00");
    Key { name: FoldedName::fold(&wire), qtype: 1, qclass: 1, dnssec_ok: false, checking_disabled: false }
}

fn quick() -> Timing {
    Timing {
        exchange: MS(900),
        dial: MS(150),
        redial: MS(10),
        silence: MS(100),
        udp_resend: MS(120),
        patience: MS(150),
        idle: MS(300),
        ..Timing::default()
    }
}

struct Rig {
    group: Arc<Group>,
    metrics: Arc<Metrics>,
}

fn rig(servers: &[Server]) -> Rig {
    rig_with(servers, quick(), Bounds::default())
}

fn rig_with(servers: &[Server], timing: Timing, bounds: Bounds) -> Rig {
    let metrics = Arc::new(Metrics::default());
    let config = GroupConfig { name: "test".into(), servers: servers.to_vec(), endpoints: None, trust: Trust::default(), timing };
    Rig { group: Group::new(config, Arc::new(bounds), metrics.clone()), metrics }
}

impl Rig {
    /// The octets after the question: the server's own mark.
    async fn ask(&self, label: &str, lane: Lane) -> Result<(), FailureClass> {
        match self.group.exchange(&key(label), lane).await {
            Ok(answer) => {
                let name = key(label).name;
                assert_eq!(&answer.image().octets()[12..][..name.as_wire().len()], name.as_wire(), "the answer to this question");
                Ok(())
            }
            Err(failure) => Err(failure.class),
        }
    }

    /// Asks all at once.
    async fn ask_all(&self, labels: &[String], lane: Lane) -> Vec<Result<(), FailureClass>> {
        let tasks: Vec<_> = labels
            .iter()
            .map(|label| {
                let (rig, label) = (Rig { group: self.group.clone(), metrics: self.metrics.clone() }, label.clone());
                tokio::spawn(async move { rig.ask(&label, lane).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }
}

fn labels(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("q{index}")).collect()
}
