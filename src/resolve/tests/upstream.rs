//! An upstream that says what it is told to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

/// What every question is answered with.
#[derive(Clone, Copy)]
pub(super) enum Says {
    /// 192.0.2.`last`.
    Addresses { ttl: u32, last: u8 },
    /// So many addresses.
    Many(u8),
    /// A CNAME to `web.cluster.local`, and its address 192.0.2.1.
    ChainIntoCluster { ttl: u32 },
    /// NODATA, the SOA's TTL and MINIMUM.
    NoData { ttl: u32 },
    /// NXDOMAIN, likewise.
    NxDomain { ttl: u32 },
    /// An rcode and nothing else.
    Rcode(u8),
    /// Nothing.
    Nothing,
    /// Nothing to names of the cluster, 192.0.2.1 to all others.
    NothingOfCluster,
}

/// A UDP server on 127.0.0.1.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    says: Arc<Mutex<Says>>,
    held: Arc<Mutex<bool>>,
    released: Arc<Notify>,
}

impl Upstream {
    pub(super) async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: socket.local_addr().unwrap(),
            asked: Arc::default(),
            says: Arc::new(Mutex::new(says)),
            held: Arc::default(),
            released: Arc::default(),
        };
        let (asked, says) = (upstream.asked.clone(), upstream.says.clone());
        let (held, released) = (upstream.held.clone(), upstream.released.clone());
        tokio::spawn(async move {
            let mut datagram = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut datagram).await {
                asked.fetch_add(1, SeqCst);
                let reply = compose(&datagram[..length], *says.lock());
                while *held.lock() {
                    released.notified().await;
                }
                if let Some(reply) = reply {
                    socket.send_to(&reply, peer).await.unwrap();
                }
            }
        });
        upstream
    }

    /// From now on.
    pub(super) fn say(&self, says: Says) {
        *self.says.lock() = says;
    }

    /// Keeps what was decided on until the release.
    pub(super) fn hold(&self) {
        *self.held.lock() = true;
    }

    pub(super) fn release(&self) {
        *self.held.lock() = false;
        self.released.notify_one();
    }

    /// Questions that arrived.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// Waits until so many have.
    pub(super) async fn until_asked(&self, count: usize) {
        while self.asked() < count {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

fn compose(query: &[u8], says: Says) -> Option<Vec<u8>> {
    let name_end = 12 + query[12..].iter().position(|octet| *octet == 0)? + 1;
    let question = &query[12..name_end + 4];
    let qtype = &question[question.len() - 4..][..2];
    let record = |owner: &[u8], rtype: &[u8], ttl: u32, rdata: &[u8]| {
        [owner, rtype, &[0, 1], &ttl.to_be_bytes(), &(rdata.len() as u16).to_be_bytes(), rdata].concat()
    };
    let of_qname = |ttl, last| record(&[0xC0, 12], qtype, ttl, &[192, 0, 2, last]);
    let soa = |ttl: u32| record(&[0xC0, 12], &[0, 6], ttl, &[&[0, 0][..], &[0; 16], &ttl.to_be_bytes()].concat());
    let (rcode, answers, authority, records) = match says {
        Says::Addresses { ttl, last } => (0, 1, 0, of_qname(ttl, last)),
        Says::Many(count) => (0, count, 0, (0..count).flat_map(|last| of_qname(300, last)).collect()),
        Says::ChainIntoCluster { ttl } => {
            let target = b"\x03web\x07cluster\x05local\x00";
            (0, 2, 0, [record(&[0xC0, 12], &[0, 5], ttl, target), record(target, qtype, ttl, &[192, 0, 2, 1])].concat())
        }
        Says::NoData { ttl } => (0, 0, 1, soa(ttl)),
        Says::NxDomain { ttl } => (3, 0, 1, soa(ttl)),
        Says::Rcode(rcode) => (rcode, 0, 0, vec![]),
        Says::NothingOfCluster if question.ends_with(&[b"\x07cluster\x05local\x00", qtype, &[0, 1]].concat()) => return None,
        Says::NothingOfCluster => (0, 1, 0, of_qname(60, 1)),
        Says::Nothing => return None,
    };
    let header = [query[0], query[1], 0x81, 0x80 | rcode, 0, 1, 0, answers, 0, authority, 0, 0];
    Some([&header[..], question, &records].concat())
}
