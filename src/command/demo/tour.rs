//! The tour: a few queries asked and explained, each shown as it happened.

use std::net::SocketAddr;
use std::time::Duration;

use anstream::println;
use anstyle::{AnsiColor, Style};

use super::ask::{Reply, ask};
use super::upstream::{KUBERNETES, OUTSIDE, SHORT_LIVED, Upstream};

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

/// Walks through everything that can be shown without a cluster. The upstream is stopped on the way and is gone afterwards.
///
/// # Errors
/// A query that got no reply.
pub(super) fn walk(server: SocketAddr, upstream: Upstream, metrics: &dyn Fn() -> String) -> Result<(), String> {
    let before = metrics();
    let guide = Guide { server };
    guide.miss_and_hit(&upstream)?;
    guide.blackhole(&upstream)?;
    guide.search_path(&upstream)?;
    guide.stale(upstream)?;
    guide.identity()?;
    show_metrics(&before, &metrics());
    Ok(())
}

struct Guide {
    server: SocketAddr,
}

impl Guide {
    fn miss_and_hit(&self, upstream: &Upstream) -> Result<(), String> {
        heading("A miss, then a hit", "The first ask travels to the upstream; the second is answered from this node's memory.");
        let asked = upstream.asked();
        let miss = self.show(KUBERNETES.0, "miss")?;
        let hit = self.show(KUBERNETES.0, "hit")?;
        let ratio = miss.took.as_secs_f64() / hit.took.as_secs_f64().max(1e-9);
        note(&format!("{} query reached the upstream for two asks; the hit took 1/{ratio:.0} of the time.", upstream.asked() - asked));
        Ok(())
    }

    fn blackhole(&self, upstream: &Upstream) -> Result<(), String> {
        heading("A leak, stopped at the node", "A rule says that nothing below corp.example leaves: {suffix: corp.example, answer: nxdomain}.");
        let asked = upstream.asked();
        self.show(LEAK, "rule")?;
        note(&format!("{} queries reached the upstream.", upstream.asked() - asked));
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
        note(&format!("{} queries reached the upstream for the second pod.", upstream.asked() - asked));
        Ok(())
    }

    fn stale(&self, upstream: Upstream) -> Result<(), String> {
        heading("The upstream is stopped", "An answer that has expired is served all the same, marked as stale (RFC 8767), TTL 30 s.");
        self.show(SHORT_LIVED.0, "TTL 1 s")?;
        drop(upstream);
        std::thread::sleep(Duration::from_millis(1500));
        let stale = self.show(SHORT_LIVED.0, "stale")?;
        note(&format!("Extended error: {}.", stale.extended_error.unwrap_or("none")));
        Ok(())
    }

    fn identity(&self) -> Result<(), String> {
        heading("Who answered?", "NSID (RFC 5001) names the pod: dig +nsid against the kube-dns address tells whether the redirect is live.");
        let reply = self.show(KUBERNETES.0, "hit")?;
        note(&format!("NSID: {}.", reply.nsid));
        Ok(())
    }

    fn show(&self, name: &str, label: &str) -> Result<Reply, String> {
        let reply = ask(self.server, name)?;
        let content = if reply.answers.is_empty() { reply.rcode.clone() } else { reply.answers.join(", ") };
        let took = format!("{:.0} µs", reply.took.as_secs_f64() * 1e6);
        println!("  {GOOD}{took:>9}{GOOD:#}  {label:<16}  {name:<46}  {content}");
        Ok(reply)
    }
}

pub(super) fn heading(title: &str, sentence: &str) {
    println!("\n{HEADING}{title}{HEADING:#}\n{FAINT}{sentence}{FAINT:#}");
}

fn note(sentence: &str) {
    println!("  {FAINT}{sentence}{FAINT:#}");
}

fn show_metrics(before: &str, after: &str) {
    heading("What the metrics say of it", "From /metrics: before the tour → after it.");
    for (line, meaning) in METRICS {
        println!("  {:<44} {:>3} → {:<3} {FAINT}{meaning}{FAINT:#}", line, read(before, line), read(after, line));
    }
}

fn read<'a>(page: &'a str, metric: &str) -> &'a str {
    page.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')).unwrap_or("0")
}
