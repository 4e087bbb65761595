//! The demo's stand-in for CoreDNS: hickory-server on a thread of its own, with a small cluster zone and a piece of the outside world.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hickory_proto::rr::rdata::{A, SOA};
use hickory_proto::rr::{Name, RData, Record};
use hickory_server::Server;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

/// What the demo can ask for: name, address, TTL in seconds. doorstep itself asks for the first on its way to readiness; the short-lived
/// one is there to expire while the reader looks on.
pub(super) const KUBERNETES: Named = ("kubernetes.default.svc.cluster.local.", Ipv4Addr::new(10, 96, 0, 1), 30);
pub(super) const SERVICE: Named = ("api.shop.svc.cluster.local.", Ipv4Addr::new(10, 96, 7, 6), 30);
pub(super) const SHORT_LIVED: Named = ("web.shop.svc.cluster.local.", Ipv4Addr::new(10, 96, 7, 7), 1);
pub(super) const OUTSIDE: Named = ("www.example.org.", Ipv4Addr::new(192, 0, 2, 80), 300);

type Named = (&'static str, Ipv4Addr, u32);

/// Seconds that NXDOMAIN may be kept (SOA MINIMUM), as CoreDNS says for cluster names.
const NEGATIVE_TTL: u32 = 5;
/// How long an idle TCP connection is kept, as CoreDNS does.
const IDLE: Duration = Duration::from_secs(10);

/// The running upstream. Dropping it stops it: its sockets close and nothing answers any more.
pub(super) struct Upstream {
    /// UDP and TCP.
    pub(super) address: SocketAddr,
    asked: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Upstream {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// What the operating system says against a socket or a thread.
    pub(super) fn start() -> std::io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts on `address`, to come back after a stop.
    ///
    /// # Errors
    /// As above, or somebody has taken the port meanwhile.
    pub(super) fn start_on(address: SocketAddr) -> std::io::Result<Self> {
        let udp = std::net::UdpSocket::bind(address)?;
        let address = udp.local_addr()?;
        let tcp = std::net::TcpListener::bind(address)?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = Arc::new(AtomicU64::new(0));
        let handler = Counting { zones: zones(), asked: Arc::clone(&asked) };
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            let (udp, tcp) = (UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?);
            let mut server = Server::new(handler);
            server.register_socket(udp);
            server.register_listener(tcp, IDLE, 64);
            drop(stopped.await);
            std::io::Result::Ok(())
        };
        let thread = std::thread::Builder::new().name("demo-upstream".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(serve) {
                tracing::error!(%error, "the embedded upstream failed");
            }
        })?;
        Ok(Self { address, asked, stop: Some(stop), thread: Some(thread) })
    }

    /// How many queries have reached it.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Counting {
    zones: Catalog,
    asked: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl RequestHandler for Counting {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, response: R) -> ResponseInfo {
        self.asked.fetch_add(1, Relaxed);
        self.zones.handle_request::<R, T>(request, response).await
    }
}

fn zones() -> Catalog {
    let mut catalog = Catalog::new();
    for (origin, records) in [("cluster.local.", &[KUBERNETES, SERVICE, SHORT_LIVED][..]), (".", &[OUTSIDE][..])] {
        let origin = name(origin);
        let mut zone = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
        let authority =
            RData::SOA(SOA::new(name("ns.dns.cluster.local."), name("hostmaster.cluster.local."), 1, 7200, 1800, 86400, NEGATIVE_TTL));
        zone.upsert_mut(Record::from_rdata(origin.clone(), NEGATIVE_TTL, authority), 0);
        for (owner, address, ttl) in records {
            zone.upsert_mut(Record::from_rdata(name(owner), *ttl, RData::A(A(*address))), 0);
        }
        catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    }
    catalog
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("the demo's names are well formed")
}
