//! Datagrams by the batch: recvmmsg and sendmmsg, the one place for `unsafe`.
//!
//! One system call moves up to a whole batch; everything it needs is allocated once, when a box is made.

#![expect(unsafe_code, reason = "recvmmsg(2), sendmmsg(2) and four socket options have no safe face")]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{c_int, iovec, mmsghdr};

use super::kernel_form::{CONTROL, NAME, read_destination, read_name, write_name, write_source};

/// Datagrams received together.
pub struct Inbox(Slots);

/// One datagram of an [`Inbox`].
pub struct Datagram<'a> {
    /// What came.
    pub octets: &'a [u8],
    /// From whom. Unspecified with port 0 where the kernel did not say, which no sender can be.
    pub peer: SocketAddr,
    /// To which of our addresses, where the socket was told to say so (IP_PKTINFO).
    pub local: Option<IpAddr>,
}

impl Inbox {
    /// Room for `messages` datagrams of at most `octets` each; longer ones are cut.
    pub fn new(messages: usize, octets: usize) -> Self {
        Self(Slots::new(messages, octets))
    }

    /// Waits for one datagram (as long as the socket's read timeout), then takes what else is there. Returns how many.
    ///
    /// # Errors
    /// WouldBlock after the read timeout; what the kernel says else.
    #[inline]
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        // Only the slots that the last batch used have been written by the kernel.
        for index in 0..mem::take(&mut self.0.used) {
            self.0.rearm(index);
        }
        loop {
            let received = self.0.recvmmsg(socket);
            if received >= 0 {
                self.0.used = usize::try_from(received).unwrap_or_default();
                return Ok(self.0.used);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Datagram `index` of the last batch.
    ///
    /// # Panics
    /// Beyond the batch.
    #[inline]
    pub fn datagram(&self, index: usize) -> Datagram<'_> {
        assert!(index < self.0.used, "datagram {index} of {}", self.0.used);
        let header = &self.0.headers[index];
        let length = (header.msg_len as usize).min(self.0.size);
        // controllen is size_t or socklen_t, by C library.
        let control = CONTROL.min(header.msg_hdr.msg_controllen as _);
        Datagram {
            octets: &self.0.octets[index * self.0.size..][..length],
            peer: read_name(&self.0.names[index]).unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
            local: if control == 0 { None } else { read_destination(&self.0.controls[index][..control]) },
        }
    }
}

/// Datagrams to be sent together.
pub struct Outbox(Slots);

impl Outbox {
    /// Room for `messages` datagrams of at most `octets` each.
    pub fn new(messages: usize, octets: usize) -> Self {
        Self(Slots::new(messages, octets))
    }

    /// The buffer of the next datagram; `None` when full.
    #[inline]
    pub fn buffer(&mut self) -> Option<&mut [u8]> {
        let Slots { octets, size, used, headers, .. } = &mut self.0;
        (*used < headers.len()).then(|| &mut octets[*used * *size..][..*size])
    }

    /// Queues the first `length` octets of that buffer. `peer`: to whom, `None` on a connected socket. `local`: from which address. Does
    /// nothing when the box is full.
    #[inline]
    pub fn push(&mut self, length: usize, peer: Option<SocketAddr>, local: Option<IpAddr>) {
        let index = self.0.used;
        if index == self.0.headers.len() {
            return;
        }
        self.0.rearm(index);
        let Slots { headers, iovecs, names, controls, size, used, .. } = &mut self.0;
        *used += 1;
        iovecs[index].iov_len = length.min(*size);
        let header = &mut headers[index].msg_hdr;
        match peer {
            Some(peer) => header.msg_namelen = write_name(peer, &mut names[index]) as _,
            None => {
                header.msg_name = ptr::null_mut();
                header.msg_namelen = 0;
            }
        }
        match local {
            Some(local) => header.msg_controllen = write_source(local, &mut controls[index]) as _,
            None => {
                header.msg_control = ptr::null_mut();
                header.msg_controllen = 0;
            }
        }
    }

    /// Sends all that is queued and empties the box. One that cannot be sent is skipped, the rest goes out; with the socket's buffer full
    /// what is left is dropped. Never waits. Returns how many went out and how many did not.
    #[inline]
    pub fn send(&mut self, socket: &UdpSocket) -> (usize, usize) {
        let (mut at, mut sent) = (0, 0);
        while at < self.0.used {
            let gone = self.0.sendmmsg(socket, at);
            if gone > 0 {
                let gone = usize::try_from(gone).unwrap_or_default();
                at += gone;
                sent += gone;
                continue;
            }
            // sendmmsg stops at the first message that fails, and says why only when that is the first of the call.
            match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::ENOBUFS) => break,
                _ => at += 1,
            }
        }
        let queued = mem::take(&mut self.0.used);
        (sent, queued - sent)
    }
}

/// What one system call reads or writes: for each message its octets, the peer's name and a control message, and the headers that point
/// at them.
struct Slots {
    octets: Box<[u8]>,
    /// Octets of one message.
    size: usize,
    names: Box<[[u8; NAME]]>,
    controls: Box<[[u8; CONTROL]]>,
    iovecs: Box<[iovec]>,
    headers: Box<[mmsghdr]>,
    /// Messages received or queued.
    used: usize,
}

// SAFETY: the pointers in `iovecs` and `headers` point only into this value's own boxes, which do not move with it, and are followed only
// by system calls made under `&mut self`.
unsafe impl Send for Slots {}

impl Slots {
    fn new(messages: usize, size: usize) -> Self {
        let empty = iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let mut slots = Self {
            octets: vec![0; messages * size].into(),
            size,
            names: vec![[0; NAME]; messages].into(),
            controls: vec![[0; CONTROL]; messages].into(),
            iovecs: vec![empty; messages].into(),
            // SAFETY: a header of zeros is a valid one: null pointers and lengths of 0.
            headers: (0..messages).map(|_| unsafe { mem::zeroed() }).collect(),
            used: 0,
        };
        for index in 0..messages {
            slots.rearm(index);
        }
        slots
    }

    /// Points a header at its whole slot.
    #[inline]
    fn rearm(&mut self, index: usize) {
        let octets = &mut self.octets[index * self.size..][..self.size];
        self.iovecs[index] = iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
        let header = &mut self.headers[index].msg_hdr;
        header.msg_iov = &raw mut self.iovecs[index];
        header.msg_iovlen = 1;
        header.msg_name = (&raw mut self.names[index]).cast();
        header.msg_namelen = NAME as _;
        header.msg_control = (&raw mut self.controls[index]).cast();
        header.msg_controllen = CONTROL as _;
        header.msg_flags = 0;
    }

    #[inline]
    fn recvmmsg(&mut self, socket: &UdpSocket) -> c_int {
        let count = self.headers.len() as _;
        // SAFETY: `headers` has `count` headers, each pointing at octets, a name and a control buffer of this value with their true
        // lengths (`rearm`); all outlive the call, and `&mut self` keeps everybody else away. No timeout is passed.
        unsafe { libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count, libc::MSG_WAITFORONE as _, ptr::null_mut()) }
    }

    /// From message `at` to the last one queued.
    #[inline]
    fn sendmmsg(&mut self, socket: &UdpSocket, at: usize) -> c_int {
        let queued = &mut self.headers[at..self.used];
        // SAFETY: each of the `queued` headers points at octets, and where not null at a name and a control message, of this value with
        // lengths within their buffers (`push`); all outlive the call, and `&mut self` keeps everybody else away.
        unsafe { libc::sendmmsg(socket.as_raw_fd(), queued.as_mut_ptr(), queued.len() as _, libc::MSG_DONTWAIT as _) }
    }
}

/// Makes the kernel say to which address each datagram came: needed where a socket is bound to a wildcard, so that the reply leaves from
/// there (RFC 2181 §4).
///
/// # Errors
/// What the kernel says against the option.
pub(super) fn report_destination(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Ignores what ICMP says about the path's MTU, which anybody can forge to make replies leave in fragments (RFC 9715 §3).
///
/// # Errors
/// What the kernel says against the option.
pub(super) fn ignore_path_mtu(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
        SocketAddr::V6(_) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT),
    }
}

/// # Errors
/// What the kernel says against the option.
pub(super) fn set_option(socket: &UdpSocket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the value is an int that lives through the call, and `length` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel dropped because the socket's receive buffer was full, since the socket was made (wraps at 2³²). `None` where
/// the kernel does not say.
pub(super) fn kernel_drops(socket: &UdpSocket) -> Option<u32> {
    /// The same on every architecture that Linux runs containers on; not named by libc.
    const SO_MEMINFO: c_int = 55;
    const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
    let mut counts = [0_u32; DROPS + 1];
    let mut length = size_of_val(&counts) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets into an array of that size, which lives through the call.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, (&raw mut counts).cast(), &raw mut length) };
    (result == 0 && length as usize == size_of_val(&counts)).then(|| counts[DROPS])
}
