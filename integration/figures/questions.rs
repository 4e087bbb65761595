//! What is asked: a hot set under Zipf's law, or names that nobody asked before.

/// Zone of the hot set, and of misses outside the cluster.
pub(crate) const OUTSIDE: &str = "bench.example";
/// Zone of misses inside the cluster.
pub(crate) const CLUSTER: &str = "bench.svc.cluster.local";

/// Room that any question of ours fits into.
pub(crate) const QUESTION: usize = 64;

/// QTYPE A, QCLASS IN.
const A_IN: [u8; 4] = [0, 1, 0, 1];

/// A sequence of questions.
pub(crate) enum Questions {
    /// Popular names, in an order drawn beforehand.
    Hot {
        /// Question sections.
        sections: Vec<Box<[u8]>>,
        /// Which section the n-th query asks; begun again at its end.
        order: Vec<u32>,
    },
    /// A name of its own for every query.
    Unique {
        /// Tells the names of one run from those of all others.
        run: u32,
        /// The zone and the question's type and class, in wire format.
        tail: Vec<u8>,
    },
}

impl Questions {
    /// `names` popular names, each once: what warms a cache.
    pub(crate) fn each_once(names: u32) -> Self {
        Self::Hot { sections: (0..names).map(hot_section).collect(), order: (0..names).collect() }
    }

    /// `names` popular names, the n-th asked 1/n as often as the first. The draw is the same every time: multiples of the golden
    /// ratio, which fill the unit interval evenly without a period.
    pub(crate) fn zipf(names: u32) -> Self {
        const DRAWS: u32 = 65_536;
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let cumulated = shares(names);
        let reached = cumulated.last().copied().unwrap_or_default();
        let order = (0..DRAWS)
            .map(|draw| {
                let point = (f64::from(draw) * GOLDEN).fract() * reached;
                let rank = cumulated.partition_point(|&edge| edge <= point);
                u32::try_from(rank).unwrap_or(names).min(names - 1)
            })
            .collect();
        Self::Hot { sections: (0..names).map(hot_section).collect(), order }
    }

    /// Names below `zone` that no other `run` asks.
    pub(crate) fn unique(zone: &str, run: u32) -> Self {
        let mut tail = Vec::new();
        push_name(&mut tail, zone);
        tail.extend_from_slice(&A_IN);
        Self::Unique { run, tail }
    }

    /// The name that the query `serial` asks, as a number for [`Self::write`].
    pub(crate) fn pick(&self, serial: u64) -> u32 {
        match self {
            Self::Hot { order, .. } => order[usize::try_from(serial % order.len() as u64).unwrap_or(0)],
            Self::Unique { .. } => u32::try_from(serial & u64::from(u32::MAX)).unwrap_or(0),
        }
    }

    /// Writes the question section of `name`; returns its octets. `out` holds at least [`QUESTION`].
    pub(crate) fn write(&self, name: u32, out: &mut [u8]) -> usize {
        match self {
            Self::Hot { sections, .. } => {
                let section = &sections[name as usize];
                out[..section.len()].copy_from_slice(section);
                section.len()
            }
            Self::Unique { run, tail } => {
                out[..2].copy_from_slice(&[17, b'u']);
                write_hex(*run, &mut out[2..10]);
                write_hex(name, &mut out[10..18]);
                out[18..18 + tail.len()].copy_from_slice(tail);
                18 + tail.len()
            }
        }
    }
}

fn hot_section(name: u32) -> Box<[u8]> {
    let mut section = Vec::with_capacity(QUESTION);
    push_name(&mut section, &format!("host-{name:04}.{OUTSIDE}"));
    section.extend_from_slice(&A_IN);
    section.into_boxed_slice()
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn write_hex(number: u32, out: &mut [u8]) {
    for (at, digit) in out.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (28 - 4 * at) & 15) as usize];
    }
}

/// What the n-th of so many names and all before it are asked for, where it is asked 1/n as often as the first.
pub(crate) fn shares(names: u32) -> Vec<f64> {
    let share = |reached: &mut f64, rank: u32| {
        *reached += 1.0 / f64::from(rank);
        Some(*reached)
    };
    (1..=names).scan(0.0, share).collect()
}
