//! The trace: look-ups by Zipf's law, each with the queries that a resolver makes of it under `ndots:5`.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Where pods look a name up before they take it as it is. Their own namespace is the first.
pub(super) const SEARCH: [&str; 3] = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
/// The namespace of services that pods ask for by `NAME.NAMESPACE`.
pub(super) const NEIGHBOUR: &str = "neighbour";
/// Domain of the names outside the cluster.
pub(super) const DOMAIN: &str = "example.com";
/// One name in so many is outside the cluster.
pub(super) const OUTSIDE: u32 = 4;
/// The draw is the same every time.
const SEED: u64 = 1;

/// What a pod looks up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A Service of the pod's own namespace, by its name.
    Sibling(u32),
    /// A Service of another namespace, as `NAME.NAMESPACE`.
    Neighbour(u32),
    /// A name outside the cluster.
    Outside(u32),
}

/// One question of the trace, asked for A and AAAA at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    /// The name.
    pub(super) qname: String,
    /// Whether it exists.
    pub(super) exists: bool,
}

impl Name {
    /// The `rank`-th most popular name.
    pub(super) fn of_rank(rank: u32) -> Self {
        match rank % OUTSIDE {
            1 => Self::Outside(rank),
            2 => Self::Neighbour(rank),
            _ => Self::Sibling(rank),
        }
    }

    /// As the pod's program says it.
    fn spelled(self) -> String {
        match self {
            Self::Sibling(rank) => format!("svc-{rank:04}"),
            Self::Neighbour(rank) => format!("svc-{rank:04}.{NEIGHBOUR}"),
            Self::Outside(rank) => format!("api-{rank:04}.{DOMAIN}"),
        }
    }

    /// The queries of one look-up: through the search list, since no name here has five dots, up to the first that exists.
    fn queries(self) -> Vec<Asked> {
        let denied = match self {
            Self::Sibling(_) => 0,
            Self::Neighbour(_) => 1,
            Self::Outside(_) => SEARCH.len(),
        };
        let spelled = self.spelled();
        let below = |domain: &str| format!("{spelled}.{domain}");
        let mut queries: Vec<Asked> = SEARCH[..denied].iter().map(|domain| Asked { qname: below(domain), exists: false }).collect();
        queries.push(Asked { qname: SEARCH.get(denied).map_or(spelled.clone(), |domain| below(domain)), exists: true });
        queries
    }
}

/// `pairs` questions of look-ups among `names` names, the n-th asked for 1/n as often as the first.
pub(super) fn draw(names: u32, pairs: usize) -> Vec<Asked> {
    let cumulated = crate::questions::shares(names);
    let reached = cumulated.last().copied().unwrap_or_default();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut trace = Vec::with_capacity(pairs);
    while trace.len() < pairs {
        let point = random.random::<f64>() * reached;
        let rank = cumulated.partition_point(|&edge| edge <= point).min(cumulated.len() - 1);
        trace.extend(Name::of_rank(rank as u32).queries());
    }
    trace.truncate(pairs);
    trace
}
