//! The table: Markdown, ratios first.

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
}

/// Heading, decimals, base, and the value of a contender.
type Column = (&'static str, usize, Base, fn(&Figures) -> f64);

const COLUMNS: [Column; 7] = [
    ("hits/s at saturation", 0, Base::Floor, |figures| median(&figures.saturation)),
    ("CPU µs a hit, 20,000 q/s", 2, Base::Floor, |figures| median(&figures.cpu)),
    ("p50 µs, 10,000 q/s", 1, Base::Floor, |figures| median(&figures.p50)),
    ("p90 µs, 10,000 q/s", 1, Base::Floor, |figures| median(&figures.p90)),
    ("cluster misses/s", 0, Base::Most, |figures| median(&figures.cluster)),
    ("other misses/s", 0, Base::Most, |figures| median(&figures.outside)),
    ("CPU µs a miss", 1, Base::Least, |figures| median(&figures.cpu_miss)),
];

/// The columns without a ratio.
const PLAIN: [&str; 6] =
    ["MiB idle", "MiB, 1,000 names", "hits/s at saturation, least to most", "lost at saturation", "core at saturation", "failed"];

/// The whole table. `names` and `figures` go together, the floor first.
pub(crate) fn render(names: &[&str], figures: &[Figures]) -> String {
    let mut text = String::from("|");
    let headings = COLUMNS.iter().map(|(heading, ..)| *heading).chain(PLAIN);
    for heading in std::iter::once("").chain(headings) {
        text.push_str(&format!(" {heading} |"));
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(COLUMNS.len() + PLAIN.len()));
    for (name, row) in names.iter().zip(figures) {
        text.push_str(&format!("\n| {name} |"));
        for (_, decimals, base, value) in COLUMNS {
            text.push_str(&cell(value(row), base.of(value, figures), decimals));
        }
        let [idle, warm] = row.resident;
        let failed = 100.0 * row.failed as f64 / row.asked.max(1) as f64;
        let busy = 100.0 * median(&row.busy);
        let (least, most) = spread(&row.saturation);
        let (least, most, lost) = (grouped(least, 0), grouped(most, 0), 100.0 * median(&row.overload));
        text.push_str(&format!(" {idle:.1} | {warm:.1} | {least} to {most} | {lost:.1} % | {busy:.0} % | {failed:.3} % |"));
    }
    text.push('\n');
    text
}

impl Base {
    fn of(self, value: fn(&Figures) -> f64, figures: &[Figures]) -> f64 {
        let values = figures.iter().map(value);
        match self {
            Self::Floor => values.take(1).fold(f64::NAN, f64::max),
            Self::Most => values.fold(f64::NAN, f64::max),
            Self::Least => values.fold(f64::NAN, f64::min),
        }
    }
}

/// `ratio (absolute)`, or a dash where nothing was measured.
fn cell(value: f64, base: f64, decimals: usize) -> String {
    if value.is_nan() { " – |".to_owned() } else { format!(" {:.2} × ({}) |", value / base, grouped(value, decimals)) }
}

/// `1234567.8` as `1,234,568`.
fn grouped(value: f64, decimals: usize) -> String {
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
