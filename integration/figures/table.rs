//! The tables of hits and misses: Markdown, ratios first.

use crate::rounds::{Figures, median, spread};

/// What the value of a column is measured against.
#[derive(Clone, Copy)]
enum Base {
    /// The floor's value.
    Floor,
    /// The largest of all.
    Most,
    /// The smallest of all.
    Least,
    /// Nothing: no ratio.
    None,
}

/// Where nothing was measured.
const DASH: &str = "–";

/// Heading, decimals, base, and the value of a contender.
type Column = (&'static str, usize, Base, fn(&Figures) -> f64);

const HITS: [Column; 8] = [
    ("hits/s at saturation", 0, Base::Floor, |figures| median(&figures.saturation)),
    ("CPU µs a hit, 20,000 q/s", 2, Base::Floor, |figures| median(&figures.cpu)),
    ("p50 µs, 10,000 q/s", 1, Base::Floor, |figures| median(&figures.latency[0][0])),
    ("p90 µs, 10,000 q/s", 1, Base::Floor, |figures| median(&figures.latency[0][1])),
    ("p50 µs, 50,000 q/s", 1, Base::Floor, |figures| median(&figures.latency[1][0])),
    ("p90 µs, 50,000 q/s", 1, Base::Floor, |figures| median(&figures.latency[1][1])),
    ("p99 µs, 10,000 q/s", 0, Base::None, |figures| median(&figures.latency[0][2])),
    ("p99 µs, 50,000 q/s", 0, Base::None, |figures| median(&figures.latency[1][2])),
];

const OTHERS: [Column; 9] = [
    ("TCP hits/s", 0, Base::Most, |figures| median(&figures.tcp)),
    ("cluster misses/s", 0, Base::Most, |figures| median(&figures.cluster)),
    ("other misses/s", 0, Base::Most, |figures| median(&figures.outside)),
    ("CPU µs a miss", 1, Base::Least, |figures| median(&figures.cpu_miss)),
    ("octets a cached A answer", 0, Base::None, |figures| figures.weight.resident),
    ("by its own account", 0, Base::None, |figures| figures.weight.accounted),
    ("MiB idle", 1, Base::None, |figures| figures.idle),
    ("MiB, 100,000 answers", 1, Base::None, |figures| figures.weight.full),
    ("ms to the first answer", 1, Base::None, |figures| median(&figures.start)),
];

/// Hits over UDP. `names` and `figures` go together, the floor first.
pub(crate) fn hits(names: &[&str], figures: &[Figures]) -> String {
    let mut headings = headings(&HITS);
    headings.extend(["hits/s, least to most", "lost at saturation", "core at saturation"].map(str::to_owned));
    let rows = names.iter().zip(figures).map(|(name, row)| {
        let mut cells = cells(name, &HITS, row, figures);
        let (least, most) = spread(&row.saturation);
        cells.push(if least.is_nan() { DASH.to_owned() } else { format!("{} to {}", grouped(least, 0), grouped(most, 0)) });
        cells.extend([&row.overload, &row.busy].map(|share| percent(median(share), 0)));
        cells
    });
    markdown(&headings, &rows.collect::<Vec<_>>())
}

/// TCP, misses, memory, start. A floor has no row.
pub(crate) fn others(names: &[&str], figures: &[Figures]) -> String {
    let mut headings = headings(&OTHERS);
    headings.push("failed".to_owned());
    let rows = names.iter().zip(figures).filter(|(_, row)| row.forwards).map(|(name, row)| {
        let mut cells = cells(name, &OTHERS, row, figures);
        cells.push(percent(row.failed as f64 / row.asked.max(1) as f64, 3));
        cells
    });
    markdown(&headings, &rows.collect::<Vec<_>>())
}

/// A table: the first column of words, the others of numbers.
pub(crate) fn markdown(headings: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let ruler = format!("|---|{}\n", "---:|".repeat(headings.len() - 1));
    let mut text = line(headings).replacen("|  |", "| |", 1) + &ruler;
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// A number in a cell; a dash where nothing was measured, `lost` where what was waited for never came.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    match value {
        _ if value.is_nan() => DASH.to_owned(),
        _ if value.is_infinite() => "lost".to_owned(),
        _ => grouped(value, decimals),
    }
}

/// `ratio (absolute)` of the value `here` to that `there`, or the value alone where there is no ratio.
pub(crate) fn ratio(here: f64, there: f64, decimals: usize) -> String {
    let ratio = here / there;
    if ratio.is_finite() { format!("{ratio:.2} × ({})", grouped(here, decimals)) } else { number(here, decimals) }
}

/// A share in a cell.
pub(crate) fn percent(share: f64, decimals: usize) -> String {
    if share.is_nan() { DASH.to_owned() } else { format!("{:.decimals$} %", 100.0 * share) }
}

/// `1234567.8` as `1,234,568`.
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

fn headings(columns: &[Column]) -> Vec<String> {
    std::iter::once("").chain(columns.iter().map(|(heading, ..)| *heading)).map(str::to_owned).collect()
}

/// The name, and `ratio (absolute)` for each column that has a base.
fn cells(name: &str, columns: &[Column], row: &Figures, all: &[Figures]) -> Vec<String> {
    let value_of = |(_, decimals, base, value): &Column| {
        let (here, there) = (value(row), base.of(*value, all));
        ratio(here, there, *decimals)
    };
    std::iter::once(name.to_owned()).chain(columns.iter().map(value_of)).collect()
}

impl Base {
    fn of(self, value: fn(&Figures) -> f64, figures: &[Figures]) -> f64 {
        let values = figures.iter().map(value);
        match self {
            Self::Floor => values.take(1).fold(f64::NAN, f64::max),
            Self::Most => values.fold(f64::NAN, f64::max),
            Self::Least => values.fold(f64::NAN, f64::min),
            Self::None => f64::NAN,
        }
    }
}
