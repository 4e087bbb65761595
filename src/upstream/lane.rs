//! Which connection a question takes: a pure choice over what each connection shows of itself.

use std::time::{Duration, Instant};

use super::Timing;

/// The two lanes. They never share a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Cluster names, answered from the upstream's memory: pipelined on a few connections.
    Cluster,
    /// Everything else: a connection each, dialled on demand, overflow to UDP; shared where the server answers out of order.
    Elastic,
}

impl Lane {
    /// Both.
    pub const ALL: [Lane; 2] = [Lane::Cluster, Lane::Elastic];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Lane::Cluster => "cluster",
            Lane::Elastic => "elastic",
        }
    }
}

/// Questions one connection holds at most.
pub(super) const MOST_PENDING: usize = 128;
/// Cluster lane: a second connection is dialled from here on, further ones when all hold `CROWDED`.
const SHARED: usize = 4;
const CROWDED: usize = 100;
/// Cluster connections of one server beyond which nothing is dialled for pipelining.
const MOST_CLUSTER: usize = 8;
/// Questions that may stand behind a young head.
const BEHIND_YOUNG: usize = 4;

/// What a connection shows of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Questions placed and not answered.
    pub(super) in_flight: usize,
    /// It has answered out of order: a slow question does not hold up the others.
    pub(super) multiplexes: bool,
    /// It stands: what is asked over it need not wait until it is dialled.
    pub(super) established: bool,
    /// Dialled for one question that must not wait behind another; shared once that is done.
    pub(super) alone: bool,
    /// When its oldest question was placed.
    pub(super) head_since: Option<Instant>,
}

impl Look {
    /// How long its oldest question has waited; nothing where none does.
    fn head_age(&self, now: Instant) -> Duration {
        self.head_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether another question may wait behind its oldest one.
    fn has_young_head(&self, young: Duration, now: Instant) -> bool {
        self.head_since.is_some() && self.head_age(now) < young && self.in_flight < BEHIND_YOUNG
    }
}

/// Where a question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this connection.
    Use(usize),
    /// On this connection; another is to be dialled for the questions that follow.
    UseAndDial(usize),
    /// On a new one; `or` where the process has no room for a new one.
    Dial {
        /// The best there is without dialling.
        or: Option<usize>,
    },
    /// Nowhere over TCP.
    Overflow,
}

/// Cluster lane: a second connection soon, further ones when crowded.
pub(super) fn place_cluster(looks: &[Look]) -> Place {
    let shared = |look: &Look| !look.alone || look.in_flight == 0;
    place_pipelined(looks, shared, |count| if count < 2 { SHARED } else { CROWDED }, MOST_CLUSTER)
}

/// A server whose connections have a stream a question: whatever the lane, one connection will do until it is crowded.
pub(super) fn place_multiplexed(looks: &[Look]) -> Place {
    place_pipelined(looks, |_| true, |_| CROWDED, usize::MAX)
}

/// The least busy connection that stands; nobody waits for one that is still being dialled while another has room. Of so many connections
/// each is to hold fewer than `enough` questions, else one more is dialled, unless there are `most` of them.
fn place_pipelined(looks: &[Look], shared: impl Fn(&Look) -> bool, enough: impl Fn(usize) -> usize, most: usize) -> Place {
    let count = looks.iter().filter(|look| shared(look)).count();
    let may_dial = count < most;
    if let Some(best) = least_busy(looks, |look| shared(look) && look.established && look.in_flight < MOST_PENDING) {
        let being_dialled = looks.iter().any(|look| shared(look) && !look.established);
        let crowded = looks[best].in_flight >= enough(count);
        return if crowded && may_dial && !being_dialled { Place::UseAndDial(best) } else { Place::Use(best) };
    }
    let Some(best) = least_busy(looks, &shared) else { return Place::Dial { or: None } };
    let load = looks[best].in_flight;
    let or = (load < MOST_PENDING).then_some(best);
    match or {
        Some(best) if load < enough(count) || !may_dial => Place::Use(best),
        None if !may_dial => Place::Overflow,
        or => Place::Dial { or },
    }
}

/// Elastic lane: a connection that answers out of order, an idle one, or a new one. Behind another question on a serial connection only
/// when nothing else is left, and only while that one is young: it is probably answered from memory. `reorders`: the server answers out of order
/// elsewhere; then this is how a connection gets the chance to do so too.
pub(super) fn place_elastic(looks: &[Look], reorders: bool, timing: &Timing, now: Instant) -> Place {
    // An old head may be a slow name, or a connection that is stuck. The first one there is: one segment then carries many questions.
    let is_shared = |look: &Look| look.multiplexes && look.in_flight < CROWDED && look.head_age(now) < timing.silence;
    let may_try = |look: &Look| reorders && look.established && look.has_young_head(timing.young_head, now);
    let tried = || least_busy(looks, may_try);
    if let Some(index) = looks.iter().position(is_shared).or_else(tried) {
        return Place::Use(index);
    }
    // The last used first: the others may fall idle and close.
    if let Some(idle) = (0..looks.len()).rev().find(|index| looks[*index].in_flight == 0) {
        return Place::Use(idle);
    }
    Place::Dial { or: least_busy(looks, |look| look.multiplexes && look.in_flight < MOST_PENDING) }
}

/// A question that is not to wait behind another: a new connection. Where the process has no room for one, the cluster lane's best will do; so it
/// will where the server has as many as it gets there, for other servers are to find room too when this one falls silent.
pub(super) fn place_alone(lane: Lane, looks: &[Look]) -> Place {
    let or = match (lane, place_cluster(looks)) {
        (Lane::Elastic, _) => None,
        (_, Place::Use(index) | Place::UseAndDial(index)) => Some(index),
        (_, Place::Dial { or }) => or,
        (_, Place::Overflow) => return Place::Overflow,
    };
    match or {
        Some(index) if looks.len() >= MOST_CLUSTER => Place::Use(index),
        or => Place::Dial { or },
    }
}

/// Elastic lane, no connection free, none to be dialled, no room over UDP.
pub(super) fn behind_young_head(looks: &[Look], young: Duration, now: Instant) -> Option<usize> {
    least_busy(looks, |look| look.has_young_head(young, now))
}

fn least_busy(looks: &[Look], may: impl Fn(&Look) -> bool) -> Option<usize> {
    (0..looks.len()).filter(|index| may(&looks[*index])).min_by_key(|index| looks[*index].in_flight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::base;

    fn look(in_flight: usize) -> Look {
        Look { in_flight, multiplexes: false, established: true, alone: false, head_since: None }
    }

    fn dialled(in_flight: usize) -> Look {
        Look { established: false, ..look(in_flight) }
    }

    #[test]
    fn cluster_questions_pipeline_on_two_connections_until_crowded() {
        assert_eq!(place_cluster(&[]), Place::Dial { or: None });
        assert_eq!(place_cluster(&[look(3)]), Place::Use(0));
        assert_eq!(place_cluster(&[look(4)]), Place::UseAndDial(0));
        assert_eq!(place_cluster(&[look(99), look(98)]), Place::Use(1));
        assert_eq!(place_cluster(&[look(100), look(101)]), Place::UseAndDial(0));
        assert_eq!(place_cluster(&[look(128), look(128)]), Place::Dial { or: None });
        assert_eq!(place_cluster(&[look(120); 8]), Place::Use(0));
        assert_eq!(place_cluster(&[look(128); 8]), Place::Overflow);
    }

    #[test]
    fn nobody_waits_for_a_connection_that_is_being_dialled_while_another_has_room() {
        assert_eq!(place_cluster(&[look(90), dialled(0)]), Place::Use(0));
        assert_eq!(place_cluster(&[look(127), dialled(0)]), Place::Use(0), "nor is a third dialled meanwhile");
        assert_eq!(place_cluster(&[look(128), dialled(0)]), Place::Use(1));
        assert_eq!(place_cluster(&[look(128), dialled(100)]), Place::Dial { or: Some(1) });
        assert_eq!(place_multiplexed(&[look(110), dialled(3)]), Place::Use(0));
    }

    #[test]
    fn before_any_connection_stands_questions_spread_over_those_that_are_being_dialled() {
        assert_eq!(place_cluster(&[dialled(3)]), Place::Use(0));
        assert_eq!(place_cluster(&[dialled(4)]), Place::Dial { or: Some(0) });
        assert_eq!(place_cluster(&[dialled(9), dialled(7)]), Place::Use(1));
        assert_eq!(place_cluster(&[dialled(127); 8]), Place::Use(0));
        assert_eq!(place_cluster(&[dialled(128); 8]), Place::Overflow);
    }

    #[test]
    fn a_connection_dialled_for_one_question_is_shared_only_when_idle() {
        let alone = |in_flight| Look { alone: true, ..look(in_flight) };
        assert_eq!(place_cluster(&[alone(1)]), Place::Dial { or: None });
        assert_eq!(place_cluster(&[alone(0)]), Place::Use(0));
    }

    #[test]
    fn a_question_that_is_to_be_alone_shares_in_the_cluster_lane_where_it_cannot_be() {
        assert_eq!(place_alone(Lane::Cluster, &[]), Place::Dial { or: None });
        assert_eq!(place_alone(Lane::Cluster, &[look(3), look(2)]), Place::Dial { or: Some(1) });
        assert_eq!(place_alone(Lane::Cluster, &[look(128)]), Place::Dial { or: None });
        assert_eq!(place_alone(Lane::Cluster, &[look(3); 7]), Place::Dial { or: Some(0) });
        assert_eq!(place_alone(Lane::Cluster, &[look(3); 8]), Place::Use(0));
        assert_eq!(place_alone(Lane::Cluster, &[look(128); 8]), Place::Overflow);
        assert_eq!(place_alone(Lane::Elastic, &[look(0); 8]), Place::Dial { or: None });
    }

    #[test]
    fn an_elastic_question_never_waits_behind_another_while_a_connection_can_be_had() {
        let now = base();
        let place = |looks: &[Look]| place_elastic(looks, false, &Timing::default(), now);
        let placed = Look { head_since: Some(now), ..look(1) };
        assert_eq!(place(&[placed]), Place::Dial { or: None });
        assert_eq!(place(&[placed, look(0)]), Place::Use(1));
        let full = Look { multiplexes: true, ..look(MOST_PENDING) };
        assert_eq!(place(&[full]), Place::Dial { or: None });
    }

    #[test]
    fn elastic_questions_share_a_connection_that_answers_out_of_order_until_its_head_is_old() {
        let start = base();
        let timing = Timing::default();
        let multiplexing = Look { multiplexes: true, head_since: Some(start), ..look(50) };
        let place = |looks: &[Look], age| place_elastic(looks, false, &timing, start + age);
        let almost = timing.silence - Duration::from_millis(1);
        assert_eq!(place(&[look(0), multiplexing, Look { in_flight: 0, ..multiplexing }], almost), Place::Use(1));
        assert_eq!(place(&[look(0), multiplexing], timing.silence), Place::Use(0));
        assert_eq!(place(&[multiplexing], timing.silence), Place::Dial { or: Some(0) });
    }

    #[test]
    fn where_the_server_answers_out_of_order_elsewhere_a_connection_with_a_young_head_is_tried() {
        let start = base();
        let timing = Timing::default();
        let looks = [look(0), Look { head_since: Some(start), ..look(1) }];
        let place = |reorders, age| place_elastic(&looks, reorders, &timing, start + age);
        assert_eq!(place(true, Duration::ZERO), Place::Use(1));
        assert_eq!(place(true, timing.young_head), Place::Use(0));
        assert_eq!(place(false, Duration::ZERO), Place::Use(0));
        let dialled = looks.map(|look| Look { established: look.in_flight == 0, ..look });
        assert_eq!(place_elastic(&dialled, true, &timing, start), Place::Use(0));
    }

    #[test]
    fn where_every_question_has_a_stream_one_connection_is_enough_until_crowded() {
        assert_eq!(place_multiplexed(&[]), Place::Dial { or: None });
        assert_eq!(place_multiplexed(&[look(99)]), Place::Use(0));
        assert_eq!(place_multiplexed(&[look(101), look(100)]), Place::UseAndDial(1));
        assert_eq!(place_multiplexed(&[look(128)]), Place::Dial { or: None });
    }

    #[test]
    fn behind_another_only_while_that_is_young() {
        let start = base();
        let young = Duration::from_millis(20);
        let placed = Look { head_since: Some(start), ..look(1) };
        assert_eq!(behind_young_head(&[placed], young, start + Duration::from_millis(19)), Some(0));
        assert_eq!(behind_young_head(&[placed], young, start + Duration::from_millis(20)), None);
        assert_eq!(behind_young_head(&[Look { in_flight: BEHIND_YOUNG, ..placed }], young, start), None);
    }
}
