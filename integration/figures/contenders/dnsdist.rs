//! dnsdist: one UDP thread, one TCP thread, a packet cache (its unit is the answer), the upstream over TCP. It passes a query on as it
//! came, so the cache is by the octets of the query.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::contender::{Site, text};
use crate::transport::Transport;

pub(super) fn command(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    let file = site.file("dnsdist.conf", address);
    let configuration = format!(
        r#"setLocal("{address}", {{ reusePort = false, tcpListenQueueSize = 256, maxConcurrentTCPConnections = 256 }})
setACL({{ "127.0.0.0/8" }})
setMaxTCPClientThreads(1)
setMaxTCPConnectionsPerClient(0)
setMaxUDPOutstanding(65535)
setVerboseHealthChecks(false)
setSecurityPollSuffix("")
newServer({{ address = "{upstream}", tcpOnly = {tcp}, sockets = 1, maxInFlight = 100 }}):setUp()
getPool(""):setCache(newPacketCache({room}, {{ maxTTL = 3600, numberOfShards = 1 }}))
"#,
        upstream = site.forward.address,
        tcp = site.forward.transport == Transport::Tcp,
        room = site.room.answers(),
    );
    fs::write(&file, configuration)?;
    let flags = ["--supervised", "--disable-syslog", "--config"].map(str::to_owned);
    Ok(std::iter::once("dnsdist".to_owned()).chain(flags).chain([text(&file)]).collect())
}
