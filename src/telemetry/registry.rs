//! The metrics page. A source is a closure that is asked at each scrape, so the hot path only ever touches its own counters.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;

/// One value of a metric.
#[derive(Clone, Debug)]
pub enum Value {
    /// Counts up from the start of the process; the page adds `_total` to its name.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// Sum in seconds, and per bucket its upper bound in seconds and how many fell into it (not cumulated; the last bound is infinite).
    Histogram {
        /// Sum of all observations, in seconds.
        sum: f64,
        /// Upper bound in seconds, observations.
        buckets: Vec<(f64, u64)>,
    },
}

/// A metric with all its values: one per set of labels.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Name without `_total`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Labels and value; a metric without labels has one row with none.
    pub rows: Vec<(Vec<(&'static str, String)>, Value)>,
}

impl Metric {
    /// A metric without labels.
    pub fn plain(name: &'static str, help: &'static str, value: Value) -> Self {
        Self { name, help, rows: vec![(Vec::new(), value)] }
    }

    /// A metric with one label: a row for each of its values.
    pub fn by(name: &'static str, help: &'static str, label: &'static str, rows: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self { name, help, rows: rows.into_iter().map(|(text, value)| (vec![(label, text)], value)).collect() }
    }
}

/// All metrics of the process.
#[derive(Debug, Default)]
pub struct Registry(prometheus_client::registry::Registry);

impl Registry {
    /// Adds a source. Its metrics must be the same at each scrape, or the page changes shape.
    pub fn register(&mut self, source: impl Fn() -> Vec<Metric> + Send + Sync + 'static) {
        self.0.register_collector(Box::new(Source(Box::new(source))));
    }

    /// The page in OpenMetrics text.
    pub fn page(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.0).expect("writing to a String does not fail");
        page
    }
}

struct Source(Box<dyn Fn() -> Vec<Metric> + Send + Sync>);

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Source")
    }
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in (self.0)() {
            let kind = match metric.rows.first() {
                Some((_, Value::Counter(_))) => MetricType::Counter,
                Some((_, Value::Gauge(_))) => MetricType::Gauge,
                Some((_, Value::Histogram { .. })) => MetricType::Histogram,
                // Nothing is known now; the page names the metric all the same.
                None => MetricType::Unknown,
            };
            let mut descriptor = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for (labels, value) in &metric.rows {
                if labels.is_empty() {
                    encode(&mut descriptor, value)?;
                } else {
                    let labels: Vec<(&str, &str)> = labels.iter().map(|(key, text)| (*key, text.as_str())).collect();
                    encode(&mut descriptor.encode_family(&labels)?, value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::Gauge(level) => encoder.encode_gauge(level),
        Value::Histogram { sum, buckets } => {
            let count = buckets.iter().map(|(_, observed)| observed).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_each_metric_once_and_cumulates_buckets() {
        let mut registry = Registry::default();
        registry.register(|| {
            let rows = [("a".to_owned(), Value::Counter(3)), ("b".to_owned(), Value::Counter(4))];
            vec![
                Metric::by("doorstep_things", "Things seen", "kind", rows),
                Metric::plain("doorstep_level", "Level now", Value::Gauge(7)),
                Metric::by("doorstep_later", "Known later", "kind", []),
                Metric::plain("doorstep_wait_seconds", "Waits", Value::Histogram { sum: 1.5, buckets: vec![(1.0, 2), (f64::INFINITY, 1)] }),
            ]
        });
        let page = registry.page();
        for line in [
            "# TYPE doorstep_things counter",
            "doorstep_things_total{kind=\"a\"} 3",
            "doorstep_things_total{kind=\"b\"} 4",
            "doorstep_level 7",
            "# HELP doorstep_later Known later",
            "doorstep_wait_seconds_bucket{le=\"1.0\"} 2",
            "doorstep_wait_seconds_bucket{le=\"+Inf\"} 3",
            "doorstep_wait_seconds_count 3",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
        }
        assert_eq!(page.matches("# TYPE doorstep_things").count(), 1);
    }
}
