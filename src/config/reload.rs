//! Whether the file says something new.

use super::args::ServeArgs;
use super::error::ConfigError;
use super::{Config, join};

/// Remembers what the file said. A good file takes effect, a bad one is told once and the old one stays.
pub struct Reload {
    args: ServeArgs,
    /// What the process started with: what is not read again while it runs.
    started: Config,
    /// What the last look found.
    seen: Seen,
}

/// What a look found.
#[derive(Debug)]
pub enum Look {
    /// Nothing new.
    Unchanged,
    /// A good file, and the top keys whose change needs a restart: what they say now is not what the process runs with.
    Changed(Box<Config>, Vec<&'static str>),
    /// A bad file; told once for each content.
    Wrong(ConfigError),
}

/// What was found where the file should be.
#[derive(PartialEq, Eq)]
enum Seen {
    /// Not looked at: whatever comes is new.
    Nothing,
    /// Its hash, as [`Config::hash`] has it.
    Hash(String),
    /// It could not be read, for this reason.
    Unreadable(ConfigError),
}

impl Reload {
    /// `started` is what [`super::load`] made of `args`.
    pub fn new(args: ServeArgs, started: &Config) -> Self {
        Self { args, started: started.clone(), seen: Seen::Hash(started.hash.clone()) }
    }

    /// Looks at the file: on a timer. A ConfigMap's new content comes by a swapped symbolic link, which every look follows.
    pub fn look(&mut self) -> Look {
        let Some(path) = self.args.config.clone() else { return Look::Unchanged };
        self.weigh(join::content(&path))
    }

    /// Looks at the file as if for the first time: at SIGHUP, where a person waits for an answer.
    pub fn look_anew(&mut self) -> Look {
        self.seen = Seen::Nothing;
        self.look()
    }

    fn weigh(&mut self, content: Result<Vec<u8>, ConfigError>) -> Look {
        let content = match content {
            Ok(content) => content,
            Err(error) => {
                let seen = Seen::Unreadable(error.clone());
                return if self.is_new(seen) { Look::Wrong(error) } else { Look::Unchanged };
            }
        };
        if !self.is_new(Seen::Hash(join::hash(&content))) {
            return Look::Unchanged;
        }
        match join::join(&self.args, Some(&content)) {
            Ok(config) => {
                let restart = needs_restart(&self.started, &config);
                Look::Changed(Box::new(config), restart)
            }
            Err(error) => Look::Wrong(error),
        }
    }

    fn is_new(&mut self, seen: Seen) -> bool {
        let new = self.seen != seen;
        self.seen = seen;
        new
    }
}

/// Top keys that say something else than what runs, and are read at the start alone.
fn needs_restart(started: &Config, now: &Config) -> Vec<&'static str> {
    let clients = |config: &Config| {
        let listen = &config.listen;
        (listen.tcp_connections, listen.tcp_connections_per_client, listen.rate.clone())
    };
    let listen = |config: &Config| (config.listen.addresses.clone(), config.listen.workers);
    let cilium = |config: &Config| config.kubernetes.as_ref().map(|kubernetes| kubernetes.cilium.clone());
    let keys = [
        ("listen", listen(started) != listen(now)),
        ("admin", started.admin != now.admin),
        ("cache", started.cache != now.cache),
        ("limits", started.limits != now.limits || clients(started) != clients(now)),
        ("redirect", cilium(started) != cilium(now)),
        ("log", started.log != now.log),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
