//! Plays a scenario: the resolver between a client's octets and the upstream's sockets, in time that the scenario makes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorstep::cache::{Cache, Config as CacheConfig};
use doorstep::coalesce::Limits;
use doorstep::config::File;
use doorstep::resolve::{Client, Identity, Resolver, Snapshot, Walk};
use doorstep::rules::{Config, Ruleset};
use doorstep::upstream::{Bounds, Group, GroupConfig, Metrics, Server, Timing, Trust};
use doorstep::wire::Name;

use super::octets::Query;
use super::reply::show;
use super::text::{Scenario, Step};
use super::upstream::Upstream;

/// Time that passed while a reply was waited for is told from here on.
const NOTICED: Duration = Duration::from_millis(100);

struct Play {
    resolver: Resolver,
    group: Arc<Group>,
    upstream: Upstream,
}

/// Plays it to its end, or to the first thing that is wrong.
pub(super) fn play(scenario: &Scenario) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut play = Play::new().await;
        for step in &scenario.steps {
            play.step(step).await.map_err(|wrong| format!("line {}: {}: {wrong}", step.line, step.text))?;
        }
        Ok(())
    })
}

impl Play {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let servers = vec![Server::Udp(upstream.address)];
        let config =
            GroupConfig { name: "default".to_owned(), servers, endpoints: None, trust: Trust::default(), timing: Timing::default() };
        let group = Group::new(config, Arc::new(Bounds::default()), Arc::new(Metrics::default()));
        let snapshot = snapshot(&File::parse("").unwrap(), &group);
        let cache = Cache::new(CacheConfig::default().capacity, now());
        Self { resolver: Resolver::new(snapshot, cache, Limits::default(), Identity::new("pod-1", "1.2.3"), 1), group, upstream }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let (word, rest) = step.text.split_once(' ').unwrap_or((&step.text, ""));
        match word {
            "config" => {
                let file = File::parse(rest).map_err(|error| format!("{error:?}"))?;
                self.resolver.replace(snapshot(&file, &self.group));
                self.resolver.rotate(file.rotate.unwrap_or(true));
            }
            "upstream" => self.upstream.say(rest, &step.below)?,
            "wait" => jump(rest.parse().map_err(|_| "seconds are asked for")?).await,
            "ask" => expect(&step.below, &self.ask(&Query::read(rest)?).await)?,
            "send" => expect(&step.below, &self.ask(&Query::raw(rest)?).await)?,
            "asked" => self.asked(rest)?,
            _ => return Err(format!("no step: {word}")),
        }
        Ok(())
    }

    async fn ask(&self, query: &Query) -> Vec<String> {
        let client = Client { address: query.client, tcp: query.tcp };
        let mut out = vec![0; if query.tcp { 65_535 } else { 1232 }];
        if self.upstream.is_silent() {
            tokio::time::pause();
        }
        let asked = now();
        let (octets, who) = match self.resolver.answer(0, &query.octets, client, now(), &mut out) {
            Walk::Silence => return vec!["nothing".to_owned()],
            Walk::Reply(length) => (out[..length].to_vec(), "memory"),
            Walk::ReplyAndRenew(length, pending) => {
                drop(self.resolver.look_up(0, pending).await);
                (out[..length].to_vec(), "memory, to be renewed")
            }
            Walk::LookUp(pending) => match self.resolver.look_up(0, pending).await {
                Some(octets) => (octets, "upstream"),
                None => return vec!["nothing".to_owned()],
            },
        };
        let waited = now() - asked;
        if self.upstream.is_silent() {
            tokio::time::resume();
        }
        let mut lines = show(query, &octets);
        if octets.len() > 512 {
            lines.push(format!("{} octets", octets.len()));
        }
        let after = if waited >= NOTICED { format!(" after {:.1} s", waited.as_secs_f64()) } else { String::new() };
        lines.push(format!("{who}{after}"));
        lines
    }

    /// `N`, or `N` and the words of the last one.
    fn asked(&self, expected: &str) -> Result<(), String> {
        let asked = self.upstream.asked();
        let (count, last) = expected.split_once(' ').unwrap_or((expected, ""));
        let found = format!("{} {}", asked.len(), if last.is_empty() { "" } else { asked.last().map_or("", String::as_str) });
        if found.trim() == format!("{count} {last}").trim() { Ok(()) } else { Err(format!("the upstream was asked {found}: {asked:?}")) }
    }
}

/// `… 3 more` stands for as many lines that are not spelled out.
fn expect(expected: &[String], found: &[String]) -> Result<(), String> {
    let mut rest = found;
    for line in expected {
        let more = line.strip_prefix("... ").and_then(|more| more.strip_suffix(" more")?.parse().ok());
        match more {
            Some(count) if rest.len() >= count => rest = &rest[count..],
            _ if rest.first() == Some(line) => rest = &rest[1..],
            _ => return Err(difference(expected, found)),
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(difference(expected, found)) }
}

fn difference(expected: &[String], found: &[String]) -> String {
    format!("\n  expected\n    {}\n  but got\n    {}", expected.join("\n    "), found.join("\n    "))
}

fn snapshot(file: &File, group: &Arc<Group>) -> Snapshot {
    let cluster_domain = Name::parse("cluster.local").unwrap();
    let config = Config { zones: file.zones.clone(), rules: file.rules.clone(), cluster_domain };
    Snapshot { rules: Ruleset::new(&config, &["default"], &[], None), groups: vec![group.clone()] }
}

/// Moves the clock. Timers that fall into the time passed over go off.
async fn jump(seconds: f64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs_f64(seconds)).await;
    tokio::time::resume();
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
