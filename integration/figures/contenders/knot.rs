//! Knot Resolver: one instance. `STUB` forwards and caches without validation; the modules that ask questions of their own are unloaded.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::contender::{Site, text};
use crate::transport::Transport;

/// Octets of cache for an answer: its file is LMDB's, of pages half full.
const ANSWER: u32 = 1_024;
/// Octets of the smallest cache: kresd keeps room for an emergency.
const LEAST: u32 = 16 << 20;

pub(super) fn command(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    let (file, directory) = (site.file("kresd.conf", address), site.file("kresd", address));
    fs::create_dir_all(&directory)?;
    let configuration = format!(
        r#"net.listen("{ip}", {port}, {{ kind = "dns" }})
net.ipv6 = false
for _, module in ipairs({{ "ta_update", "ta_signal_query", "priming", "detect_time_skew", "detect_time_jump" }}) do
    modules.unload(module)
end
trust_anchors.remove(".")
cache.open({size}, "lmdb://{directory}/cache")
log_level("err")
{tcp}policy.add(policy.all(policy.STUB("{upstream_ip}@{upstream_port}")))
"#,
        ip = address.ip(),
        port = address.port(),
        size = LEAST.max(site.room.answers() * ANSWER),
        directory = directory.display(),
        tcp = if site.forward.transport == Transport::Tcp { "policy.add(policy.all(policy.FLAGS({ \"TCP\" })))\n" } else { "" },
        upstream_ip = site.forward.address.ip(),
        upstream_port = site.forward.address.port(),
    );
    fs::write(&file, configuration)?;
    Ok(vec!["kresd".to_owned(), "-n".to_owned(), "-c".to_owned(), text(&file), text(&directory)])
}
