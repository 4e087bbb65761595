//! Connections and packets between a forwarder and its upstream, counted by nftables in the network namespace that this program has to
//! itself.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Counts until dropped.
pub(crate) struct Tap(());

/// What was counted.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    /// TCP connections that were asked for.
    pub(crate) connections: f64,
    /// Packets both ways, acknowledgements included.
    pub(crate) packets: f64,
}

impl Tap {
    /// Counts what goes to `port` and comes from it, from now on.
    ///
    /// # Errors
    /// nft cannot be run, or the kernel has no nftables.
    pub(crate) fn on(port: u16) -> io::Result<Self> {
        let rules = format!(
            "table inet figures {{
                counter opened {{ }}
                counter passed {{ }}
                chain output {{
                    type filter hook output priority 0
                    tcp dport {port} tcp flags & (syn | ack) == syn counter name opened
                    meta l4proto {{ tcp, udp }} th dport {port} counter name passed
                    meta l4proto {{ tcp, udp }} th sport {port} counter name passed
                }}
            }}\n"
        );
        nft(&["-f", "-"], &rules).map(|_| Self(()))
    }

    /// Since the tap was put on.
    ///
    /// # Errors
    /// nft does not say.
    pub(crate) fn read(&self) -> io::Result<Counted> {
        let listed: Value = serde_json::from_slice(&nft(&["-j", "list", "counters", "table", "inet", "figures"], "")?)?;
        let objects = listed["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = |name: &str| {
            let named = objects.iter().find(|object| object["counter"]["name"] == name);
            named.and_then(|object| object["counter"]["packets"].as_f64()).unwrap_or(f64::NAN)
        };
        Ok(Counted { connections: count("opened"), packets: count("passed") })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // Left behind it would only cost time, and the namespace ends with the program.
        nft(&["delete", "table", "inet", "figures"], "").ok();
    }
}

fn nft(arguments: &[&str], rules: &str) -> io::Result<Vec<u8>> {
    let mut child = Command::new("nft").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() { Ok(output.stdout) } else { Err(io::Error::other("nft counts nothing here")) }
}
