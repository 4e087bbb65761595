//! Whether the redirect is live on this node, and what an agent does where it is a blackhole: it steps aside, so that Cilium falls back
//! to CoreDNS here, and comes back after a while that grows. It asks the DNS Service who answers, and goes by nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::policy::Protocol;

/// Silent so often within [`SILENT_WITHIN`]: no lost packet, a blackhole.
const SILENCES: usize = 3;
/// A machine that slept between two questions has not heard the silence between them.
const SILENT_WITHIN: Duration = Duration::from_secs(5);
/// After a silence, until the next question.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long a question waits for its answer: three of them and two pauses are over within 5 s.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// The mean between two rounds of questions that we answer ourselves.
const ROUND: Duration = Duration::from_secs(5);
/// The same where others answer some of them: CoreDNS is not to hear each node every few seconds.
const OTHERS_ROUND: Duration = Duration::from_secs(60);
/// The same while something is new: a policy, or our own return.
const EARLY_ROUND: Duration = Duration::from_secs(1);
/// How long a policy, or our own return, is new.
const NEW_FOR: Duration = Duration::from_secs(10);
/// After stepping aside: by then Cilium has fallen back, or it never will.
const FALLEN_BACK: Duration = Duration::from_secs(5);
/// How long an agent stays aside: bounds, doubling between them.
const ASIDE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1800));
/// Live for so long after its return, an agent begins again with the shortest time.
const FORGET: Duration = Duration::from_secs(1800);

/// Address family of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// As labels have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

/// A way by which clients reach the DNS Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The family of the Service's address.
    pub family: Family,
    /// UDP or TCP.
    pub protocol: Protocol,
}

/// What came of a question to the DNS Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Our own name: the redirect is live.
    Own,
    /// An answer of another server: not redirected, which harms nobody.
    Other,
    /// No answer, or a network that says there is nobody: where the redirect has no backend Cilium says so.
    Silence,
    /// It could not be sent: this pod has no address of that family.
    Unsent,
}

/// One round of questions, and what it is judged by.
#[derive(Clone, Debug)]
pub struct Round<'a> {
    /// Each path's outcome.
    pub heard: &'a [(Path, Heard)],
    /// Whether the policy stands and this agent, but for having stepped aside, is ready: queries ought to come to us.
    pub expected: bool,
    /// Whether our own listeners answer us.
    pub listening: bool,
    /// Whether this Cilium brings a pod's own query back to it by every family: silence then means something from the start.
    pub hairpin: bool,
}

/// What to do after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// Turn not ready, for this long.
    StepAside(Duration),
    /// Stepping aside did not bring an answer: only the end of the policy would.
    StillSilent,
    /// Be ready again.
    Return,
}

/// One agent's knowledge of its node.
#[derive(Debug)]
pub struct Verification {
    paths: BTreeMap<Path, Known>,
    phase: Phase,
    /// Steps aside in a row.
    asides: u32,
    /// When the policy, or our readiness, was new.
    news: Instant,
}

#[derive(Debug)]
struct Known {
    last: Heard,
    /// Our own name has been heard here.
    worked: bool,
    silences: VecDeque<Instant>,
}

#[derive(Debug)]
enum Phase {
    Watching,
    Aside { since: Instant, until: Instant, checked: bool },
}

impl Verification {
    /// Nothing is known yet.
    pub fn begin(now: Instant) -> Self {
        Self { paths: BTreeMap::new(), phase: Phase::Watching, asides: 0, news: now }
    }

    /// Another policy stands: asked more often for a while.
    pub fn renewed(&mut self, now: Instant) {
        self.news = now;
    }

    /// Whether this agent has stepped aside.
    pub fn is_aside(&self) -> bool {
        matches!(self.phase, Phase::Aside { .. })
    }

    /// Each path that something is known of: whether the redirect is live there.
    pub fn live(&self) -> impl Iterator<Item = (Path, bool)> {
        self.paths.iter().filter(|(_, known)| known.last != Heard::Unsent).map(|(path, known)| (*path, known.last == Heard::Own))
    }

    /// The paths that were silent when last asked.
    pub fn silent(&self) -> impl Iterator<Item = Path> {
        self.paths.iter().filter(|(_, known)| known.last == Heard::Silence).map(|(path, _)| *path)
    }

    /// Takes a round in, at `now`. `dice`, uniform in [0, 1), keeps agents that stepped aside together from coming back together.
    pub fn judge(&mut self, round: &Round<'_>, now: Instant, dice: f64) -> Verdict {
        self.paths.retain(|path, _| round.heard.iter().any(|(asked, _)| asked == path));
        for (path, heard) in round.heard {
            self.hear(*path, *heard, round, now);
        }
        match self.phase {
            Phase::Watching => self.watch(now, dice),
            // Nothing is redirected any more: there is nothing to keep out of the way of.
            Phase::Aside { .. } if !round.expected => self.come_back(now),
            Phase::Aside { until, .. } if now >= until => self.come_back(now),
            Phase::Aside { since, until, checked: false } if now >= since + FALLEN_BACK => {
                self.phase = Phase::Aside { since, until, checked: true };
                if self.paths.values().any(Known::is_blackhole) { Verdict::StillSilent } else { Verdict::Stay }
            }
            Phase::Aside { .. } => Verdict::Stay,
        }
    }

    /// The time until the next round.
    pub fn until_round(&self, now: Instant, dice: f64) -> Duration {
        let around = |mean: Duration| mean.mul_f64(0.5 + dice);
        match self.phase {
            Phase::Watching if self.paths.values().any(|known| !known.silences.is_empty()) => ASK_AGAIN,
            Phase::Watching if now < self.news + NEW_FOR => around(EARLY_ROUND),
            Phase::Watching if self.live().all(|(_, live)| live) => around(ROUND),
            Phase::Watching => around(OTHERS_ROUND),
            Phase::Aside { since, checked: false, .. } => (since + FALLEN_BACK).saturating_duration_since(now),
            Phase::Aside { until, .. } => around(OTHERS_ROUND).min(until.saturating_duration_since(now)),
        }
    }

    fn hear(&mut self, path: Path, heard: Heard, round: &Round<'_>, now: Instant) {
        let aside = self.is_aside();
        let known = self.paths.entry(path).or_insert_with(Known::new);
        known.last = heard;
        known.worked |= heard == Heard::Own;
        let counts = heard == Heard::Silence && round.expected && round.listening && (known.worked || round.hairpin);
        if !counts {
            known.silences.clear();
        } else if !aside {
            known.silences.push_back(now);
            known.silences.retain(|at| now.saturating_duration_since(*at) <= SILENT_WITHIN);
        }
    }

    fn watch(&mut self, now: Instant, dice: f64) -> Verdict {
        if self.paths.values().any(Known::is_blackhole) {
            let stay = (ASIDE.0 * 2_u32.saturating_pow(self.asides.min(16))).min(ASIDE.1).mul_f64(1.0 + dice / 4.0);
            self.asides += 1;
            self.phase = Phase::Aside { since: now, until: now + stay, checked: false };
            return Verdict::StepAside(stay);
        }
        if now >= self.news + FORGET {
            self.asides = 0;
        }
        Verdict::Stay
    }

    fn come_back(&mut self, now: Instant) -> Verdict {
        self.phase = Phase::Watching;
        self.news = now;
        for known in self.paths.values_mut() {
            known.silences.clear();
        }
        Verdict::Return
    }
}

impl Known {
    fn new() -> Self {
        Self { last: Heard::Unsent, worked: false, silences: VecDeque::with_capacity(SILENCES) }
    }

    fn is_blackhole(&self) -> bool {
        self.silences.len() >= SILENCES
    }
}
