//! When many agents find a blackhole, the redirect itself is at fault, not their nodes. One bad node never takes the redirect from a
//! cluster: it takes a quorum, and only while the policy is new, for what breaks later is a node's own trouble or a gate's business.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::gates::SeenPolicy;
use super::own::Own;

/// After a policy's creation: blackholes found in this time count against the policy.
pub const PROBATION: Duration = Duration::from_secs(60);
/// A report that is older counts no more.
const EXPIRES: Duration = Duration::from_secs(300);
/// The end of the year 9999, the last that RFC 3339 can say.
const LATEST: u64 = 253_402_300_799;
/// Few agents must all find one.
const FEWEST: usize = 3;

/// A blackhole that an agent found on its node, and stepped out of. The state keeps at most a quorum of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blackhole {
    /// The agent's pod.
    pub agent: String,
    /// The uid of the policy that stood.
    pub policy: String,
    /// When it was found, in seconds since the epoch.
    pub at: u64,
}

impl Blackhole {
    /// For people.
    pub(super) fn sentence(&self) -> String {
        let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.at.min(LATEST)));
        format!("{}, {at}: the DNS Service did not answer on this agent's node", self.agent)
    }
}

/// What the reports come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing to do.
    Nothing,
    /// This agent's report is to be written beside those that still count.
    Report(Vec<Blackhole>),
    /// The policy is at fault; why.
    Fault(String),
}

/// How many agents must find a blackhole: 1 %, at least three, all where there are fewer. `None`: how many there are is not known.
pub fn quorum(agents: u32) -> Option<usize> {
    let agents = usize::try_from(agents).ok().filter(|agents| *agents > 0)?;
    Some(agents.div_ceil(100).max(FEWEST).min(agents))
}

/// Weighs what is recorded, and what this agent found itself. `now`: since the epoch.
pub(super) fn weigh(recorded: &[Blackhole], policy: &SeenPolicy, own: &Own, agents: u32, now: Duration) -> Weight {
    let (Some(quorum), Some(created)) = (quorum(agents), policy.created) else { return Weight::Nothing };
    let counts = |report: &Blackhole| {
        let at = Duration::from_secs(report.at);
        // Clocks differ by a little; one that differs by more has no say.
        report.policy == policy.uid && at.abs_diff(created) <= PROBATION && now.abs_diff(at) <= EXPIRES
    };
    let mut reports: Vec<Blackhole> = recorded.iter().filter(|report| counts(report)).cloned().collect();
    let own = own.blackhole.as_ref().filter(|own| counts(own) && reports.iter().all(|report| report.agent != own.agent));
    reports.extend(own.cloned());
    if reports.len() >= quorum {
        let names: Vec<&str> = reports.iter().take(FEWEST).map(|report| report.agent.as_str()).collect();
        return Weight::Fault(format!(
            "{} of {agents} agents, among them {}, got no answer from the DNS Service within a minute of the policy's creation: the \
             redirect leads nowhere. Look at what lies between Cilium and the agents' pods (kubectl describe pod, cilium-dbg lrp list)",
            reports.len(),
            names.join(", ")
        ));
    }
    if own.is_some() { Weight::Report(reports) } else { Weight::Nothing }
}
