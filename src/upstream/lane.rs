//! Which connection a question takes: a pure choice over what each connection shows of itself.

use std::time::{Duration, Instant};

/// The two lanes. They never share a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Cluster names, answered from the upstream's memory: pipelined on a few connections.
    Cluster,
    /// Everything else: serial connections, dialled on demand, overflow to UDP.
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
/// Cluster lane: a second connection from here on, further ones when all hold `CROWDED`.
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
    /// Dialled for one question that must not wait behind another; shared once that is done.
    pub(super) alone: bool,
    /// When its oldest question was placed.
    pub(super) head_since: Option<Instant>,
}

/// Where a question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this connection.
    Use(usize),
    /// On a new one; `or` where the process has no room for a new one.
    Dial {
        /// The best there is without dialling.
        or: Option<usize>,
    },
    /// Nowhere over TCP.
    Overflow,
}

/// Cluster lane: the least busy connection; a second one soon, further ones when crowded.
pub(super) fn place_cluster(looks: &[Look]) -> Place {
    let shared = |look: &Look| !look.alone || look.in_flight == 0;
    let count = looks.iter().filter(|look| shared(look)).count();
    let best = (0..looks.len()).filter(|index| shared(&looks[*index])).min_by_key(|index| looks[*index].in_flight);
    let Some(best) = best else { return Place::Dial { or: None } };
    let load = looks[best].in_flight;
    let enough = if count < 2 { SHARED } else { CROWDED };
    if load < enough {
        return Place::Use(best);
    }
    let or = (load < MOST_PENDING).then_some(best);
    if count < MOST_CLUSTER { Place::Dial { or } } else { or.map_or(Place::Overflow, Place::Use) }
}

/// Elastic lane: an idle connection, one that answers out of order, or a new one. Behind another question on a serial connection only
/// when nothing else is left, and only while that one is young: it is probably answered from memory.
pub(super) fn place_elastic(looks: &[Look]) -> Place {
    // The last used first: the others may fall idle and close.
    if let Some(idle) = (0..looks.len()).rev().find(|index| looks[*index].in_flight == 0) {
        return Place::Use(idle);
    }
    let multiplexing = (0..looks.len())
        .filter(|index| looks[*index].multiplexes && looks[*index].in_flight < MOST_PENDING)
        .min_by_key(|index| looks[*index].in_flight);
    if let Some(index) = multiplexing {
        return Place::Use(index);
    }
    Place::Dial { or: None }
}

/// A question that is not to wait behind another: a new connection. Where the process has no room for one, the cluster lane's best will do.
pub(super) fn place_alone(lane: Lane, looks: &[Look]) -> Place {
    let or = match (lane, place_cluster(looks)) {
        (Lane::Elastic, _) | (_, Place::Overflow) => None,
        (_, Place::Use(index)) => Some(index),
        (_, Place::Dial { or }) => or,
    };
    Place::Dial { or }
}

/// A server whose connections have a stream a question: the least busy one, whatever the lane; another when all are crowded.
pub(super) fn place_multiplexed(looks: &[Look]) -> Place {
    let Some(best) = (0..looks.len()).min_by_key(|index| looks[*index].in_flight) else { return Place::Dial { or: None } };
    match looks[best].in_flight {
        load if load < CROWDED => Place::Use(best),
        load => Place::Dial { or: (load < MOST_PENDING).then_some(best) },
    }
}

/// Elastic lane, no connection free, none to be dialled, no room over UDP.
pub(super) fn behind_young_head(looks: &[Look], young: Duration, now: Instant) -> Option<usize> {
    let is_young = |look: &Look| look.head_since.is_some_and(|since| now.saturating_duration_since(since) < young);
    (0..looks.len())
        .filter(|index| is_young(&looks[*index]) && looks[*index].in_flight < BEHIND_YOUNG)
        .min_by_key(|index| looks[*index].in_flight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(in_flight: usize) -> Look {
        Look { in_flight, multiplexes: false, alone: false, head_since: None }
    }

    #[test]
    fn cluster_questions_pipeline_on_two_connections_until_crowded() {
        assert_eq!(place_cluster(&[]), Place::Dial { or: None });
        assert_eq!(place_cluster(&[look(3)]), Place::Use(0));
        assert_eq!(place_cluster(&[look(4)]), Place::Dial { or: Some(0) });
        assert_eq!(place_cluster(&[look(99), look(98)]), Place::Use(1));
        assert_eq!(place_cluster(&[look(100), look(101)]), Place::Dial { or: Some(0) });
        assert_eq!(place_cluster(&[look(128), look(128)]), Place::Dial { or: None });
        assert_eq!(place_cluster(&[look(120); 8]), Place::Use(0));
        assert_eq!(place_cluster(&[look(128); 8]), Place::Overflow);
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
        assert_eq!(place_alone(Lane::Elastic, &[look(0)]), Place::Dial { or: None });
    }

    #[test]
    fn an_elastic_question_never_waits_behind_another_while_a_connection_can_be_had() {
        assert_eq!(place_elastic(&[look(1)]), Place::Dial { or: None });
        assert_eq!(place_elastic(&[look(1), look(0)]), Place::Use(1));
        let multiplexing = Look { multiplexes: true, ..look(50) };
        assert_eq!(place_elastic(&[look(1), multiplexing]), Place::Use(1));
        let full = Look { multiplexes: true, ..look(MOST_PENDING) };
        assert_eq!(place_elastic(&[full]), Place::Dial { or: None });
    }

    #[test]
    fn where_every_question_has_a_stream_one_connection_is_enough_until_crowded() {
        assert_eq!(place_multiplexed(&[]), Place::Dial { or: None });
        assert_eq!(place_multiplexed(&[look(99)]), Place::Use(0));
        assert_eq!(place_multiplexed(&[look(101), look(100)]), Place::Dial { or: Some(1) });
        assert_eq!(place_multiplexed(&[look(128)]), Place::Dial { or: None });
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
    fn behind_another_only_while_that_is_young() {
        let start = Instant::now();
        let young = Duration::from_millis(20);
        let placed = Look { head_since: Some(start), ..look(1) };
        assert_eq!(behind_young_head(&[placed], young, start + Duration::from_millis(19)), Some(0));
        assert_eq!(behind_young_head(&[placed], young, start + Duration::from_millis(20)), None);
        assert_eq!(behind_young_head(&[Look { in_flight: BEHIND_YOUNG, ..placed }], young, start), None);
    }
}
