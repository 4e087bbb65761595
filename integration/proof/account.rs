//! What became of the queries, and the table of it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Of one stream of queries.
#[derive(Default)]
pub(crate) struct Account {
    /// Queries sent.
    pub(crate) asked: usize,
    /// No answer within 5 s.
    pub(crate) unanswered: usize,
    /// SERVFAIL.
    pub(crate) failed: usize,
    /// Another answer than the name has; as text.
    pub(crate) wrong: Vec<String>,
    /// How long each right answer took.
    pub(crate) waits: Vec<Duration>,
    /// The longest that this machine kept the load itself from asking.
    longest_hold_up: Duration,
}

/// A machine that does not let the load run for so long lets nobody run: what is lost then is not the upstream's doing.
const MOST_HELD_UP: Duration = Duration::from_millis(250);

impl Account {
    /// The load was not run for this long.
    pub(crate) fn held_up(&mut self, time: Duration) {
        self.longest_hold_up = self.longest_hold_up.max(time);
    }

    /// What a client counts as lost.
    pub(crate) fn lost(&self) -> usize {
        self.unanswered + self.failed
    }

    /// Of the right answers.
    pub(crate) fn longest(&self) -> Duration {
        self.waits.iter().max().copied().unwrap_or_default()
    }

    /// The time below which 99 of 100 right answers lie.
    pub(crate) fn p99(&self) -> Duration {
        if self.waits.is_empty() { Duration::ZERO } else { crate::harness::p99(self.waits.clone()) }
    }

    /// Its line of the table.
    pub(crate) fn row(&self, scenario: &str, transport: &str) -> Row {
        Row {
            scenario: scenario.to_owned(),
            transport: transport.to_owned(),
            asked: self.asked,
            lost: self.lost(),
            p99: self.p99(),
            longest: self.longest(),
        }
    }

    /// Fails where an answer was wrong, or more were lost than this while the machine was there to answer.
    pub(crate) fn check(&self, what: &str, most_lost: usize) {
        assert!(self.asked > 0, "{what}: nothing was asked");
        assert!(self.wrong.is_empty(), "{what}: {} wrong answers: {:?}", self.wrong.len(), &self.wrong[..self.wrong.len().min(3)]);
        let (lost, failed) = (self.lost(), self.failed);
        if self.longest_hold_up > MOST_HELD_UP {
            println!("NOT JUDGED: {what}: {lost} of {} were lost, and this machine stood still for {:?}", self.asked, self.longest_hold_up);
            return;
        }
        assert!(lost <= most_lost, "{what}: {lost} of {} were lost, {failed} of them by SERVFAIL", self.asked);
    }
}

/// One line of the table.
pub(crate) struct Row {
    scenario: String,
    transport: String,
    asked: usize,
    lost: usize,
    p99: Duration,
    longest: Duration,
}

impl Row {
    /// As [`Display`] writes it, from another process.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [scenario, transport, asked, lost, p99, longest] = cells[..] else { return None };
        let millis = |text: &str| text.strip_suffix(" ms")?.parse::<f64>().ok().map(|millis| Duration::from_secs_f64(millis / 1e3));
        Some(Self {
            scenario: scenario.to_owned(),
            transport: transport.to_owned(),
            asked: asked.parse().ok()?,
            lost: lost.parse().ok()?,
            p99: millis(p99)?,
            longest: millis(longest)?,
        })
    }
}

impl Display for Row {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let Row { scenario, transport, asked, lost, .. } = self;
        write!(formatter, "| {scenario} | {transport} | {asked} | {lost} | {:.1} ms | {:.1} ms |", millis(self.p99), millis(self.longest))
    }
}

/// The whole table in Markdown, in the order of the scenarios' names.
pub(crate) fn table(mut rows: Vec<Row>) -> String {
    rows.sort_by(|one, other| (&one.scenario, &one.transport).cmp(&(&other.scenario, &other.transport)));
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!("| scenario | transport | asked | lost | 99th percentile | longest wait |\n|---|---|---:|---:|---:|---:|\n{lines}")
}
