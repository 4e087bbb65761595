//! The tour: a few queries asked and explained, each shown as it happened.

use std::net::SocketAddr;
use std::time::Duration;

use crate::command::terminal::print;
use anstyle::{AnsiColor, Style};

use super::ask::{Reply, ask};
use super::upstream::{OUTSIDE, SERVICE, SHORT_LIVED, Upstream};

/// A name that the demo's rule blackholes.
pub(super) const LEAK: &str = "_ldap._tcp.dc.corp.example.";

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const FAINT: Style = Style::new().dimmed();

/// Metrics worth a look: beginning of the line, what it says.
const METRICS: [(&str, &str); 6] = [
    ("coredns_cache_hits_total{type=\"success\"}", "positive answers from the cache"),
    ("coredns_cache_hits_total{type=\"denial\"}", "NXDOMAIN and NODATA from the cache"),
    ("coredns_cache_misses_total", "had to ask the upstream"),
    ("coredns_cache_served_stale_total", "served after expiry, the upstream being gone"),
    ("doorstep_rule_answers_total", "answered by a rule, nothing left the node"),
    ("coredns_cache_entries{type=\"success\"}", "positive answers kept"),
];

/// Walks through everything that can be shown without a cluster. The upstream is stopped on the way and comes back on its address.
///
/// # Errors
/// A query that got no reply, or an upstream that could not come back.
pub(super) fn walk(server: SocketAddr, upstream: Upstream, metrics: &dyn Fn() -> Result<String, String>) -> Result<Upstream, String> {
    let before = metrics()?;
    let guide = Guide { server };
    guide.miss_and_hit(&upstream)?;
    guide.blackhole(&upstream)?;
    guide.search_path(&upstream)?;
    let upstream = guide.stale(upstream)?;
    guide.identity()?;
    show_metrics(&before, &metrics()?);
    Ok(upstream)
}

struct Guide {
    server: SocketAddr,
}

impl Guide {
    fn miss_and_hit(&self, upstream: &Upstream) -> Result<(), String> {
        heading("A miss, then a hit", "The first ask travels to the upstream; the second is answered from this node's memory.");
        let asked = upstream.asked();
        let miss = self.show(SERVICE.0, "miss")?;
        let hit = self.show(SERVICE.0, "hit")?;
        let ratio = miss.took.as_secs_f64() / hit.took.as_secs_f64().max(1e-9);
        note(&format!("{} reached the upstream for two asks; the miss took {ratio:.1} times as long.", queries(upstream.asked() - asked)));
        Ok(())
    }

    fn blackhole(&self, upstream: &Upstream) -> Result<(), String> {
        heading(
            "A leak, stopped at the node",
            "A rule says that nothing below corp.example leaves: {suffix: corp.example, answer: nxdomain}.",
        );
        let asked = upstream.asked();
        self.show(LEAK, "rule")?;
        note(&format!("{} reached the upstream.", queries(upstream.asked() - asked)));
        Ok(())
    }

    fn search_path(&self, upstream: &Upstream) -> Result<(), String> {
        heading(
            "A search path, answered at the node",
            "With ndots:5 a pod that means www.example.org first tries every search domain. Each miss is remembered for a few seconds.",
        );
        let expansions = ["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local."].map(|domain| format!("{}{domain}", OUTSIDE.0));
        for name in &expansions {
            self.show(name, "first pod, miss")?;
        }
        self.show(OUTSIDE.0, "first pod, miss")?;
        let asked = upstream.asked();
        for name in &expansions {
            self.show(name, "second pod, hit")?;
        }
        self.show(OUTSIDE.0, "second pod, hit")?;
        note(&format!("{} reached the upstream for the second pod.", queries(upstream.asked() - asked)));
        Ok(())
    }

    fn stale(&self, upstream: Upstream) -> Result<Upstream, String> {
        heading("The upstream is stopped", "An answer that has expired is served all the same, marked as stale (RFC 8767), TTL 30 s.");
        self.show(SHORT_LIVED.0, "TTL 1 s")?;
        let address = upstream.address;
        drop(upstream);
        std::thread::sleep(Duration::from_millis(1500));
        let stale = self.show(SHORT_LIVED.0, "stale")?;
        note(&format!("Extended error: {}. Now the upstream comes back.", stale.extended_error.unwrap_or("none")));
        Upstream::start_on(address).map_err(|error| format!("the embedded upstream could not come back on {address}: {error}"))
    }

    fn identity(&self) -> Result<(), String> {
        heading(
            "Who answered?",
            "NSID (RFC 5001) names the pod: dig +nsid against the kube-dns address tells whether the redirect is live.",
        );
        let reply = self.show(SERVICE.0, "hit")?;
        note(&format!("NSID: {}.", reply.nsid));
        Ok(())
    }

    fn show(&self, name: &str, label: &str) -> Result<Reply, String> {
        let reply = ask(self.server, name)?;
        let content = if reply.answers.is_empty() { reply.rcode.clone() } else { reply.answers.join(", ") };
        let took = format!("{:.0} µs", reply.took.as_secs_f64() * 1e6);
        print(format_args!("  {GOOD}{took:>9}{GOOD:#}  {label:<16}  {name:<46}  {content}"));
        Ok(reply)
    }
}

pub(super) fn heading(title: &str, sentence: &str) {
    print(format_args!("\n{HEADING}{title}{HEADING:#}\n{FAINT}{sentence}{FAINT:#}"));
}

fn note(sentence: &str) {
    print(format_args!("  {FAINT}{sentence}{FAINT:#}"));
}

fn queries(count: u64) -> String {
    match count {
        0 => "No query".to_owned(),
        1 => "1 query".to_owned(),
        more => format!("{more} queries"),
    }
}

fn show_metrics(before: &str, after: &str) {
    heading("What the metrics say of it", "From /metrics: before the tour → after it.");
    for (line, meaning) in METRICS {
        print(format_args!("  {:<44} {:>3} → {:<3} {FAINT}{meaning}{FAINT:#}", line, read(before, line), read(after, line)));
    }
}

fn read<'a>(page: &'a str, metric: &str) -> &'a str {
    page.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')).unwrap_or("0")
}
