//! Datagrams by the batch: recvmmsg and sendmmsg, the one place for `unsafe`.
//!
//! Measured with a bare echo, a blocking recvmmsg costs less than any way through an event loop, and no safe crate offers both calls with
//! a source address for each message. Nothing is allocated after [`Inbox::new`] and [`Outbox::new`].
#![expect(unsafe_code, reason = "recvmmsg, sendmmsg and their ancillary data have no safe interface")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr::{NonNull, null_mut};

use libc::{c_int, c_void, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

/// Room for one ancillary message: IPV6_PKTINFO, the larger of the two. A multiple of its alignment.
const CONTROL: usize = 40;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// What the kernel reads and writes: for each message a buffer, an address, ancillary data, and the header that points to them. All
/// access goes through the pointers, never through references to the whole, so that those in the headers stay valid.
struct Ring {
    messages: usize,
    /// Octets of each buffer.
    size: usize,
    octets: NonNull<u8>,
    names: NonNull<sockaddr_storage>,
    controls: NonNull<Control>,
    iovecs: NonNull<iovec>,
    headers: NonNull<mmsghdr>,
}

// SAFETY: the ring owns what it points to, and nobody else has the pointers.
unsafe impl Send for Ring {}

impl Ring {
    fn new(messages: usize, size: usize) -> Self {
        // SAFETY: all zeroes are values of these plain C structures.
        let (name, header) = unsafe { (zeroed::<sockaddr_storage>(), zeroed::<mmsghdr>()) };
        let ring = Self {
            messages,
            size,
            octets: leak(vec![0; messages * size]),
            names: leak(vec![name; messages]),
            controls: leak(vec![Control([0; CONTROL]); messages]),
            iovecs: leak(vec![iovec { iov_base: null_mut(), iov_len: size }; messages]),
            headers: leak(vec![header; messages]),
        };
        for index in 0..messages {
            // SAFETY: each allocation has `messages` elements, the buffers `messages * size` octets.
            unsafe {
                let iovec = ring.iovecs.add(index);
                (*iovec.as_ptr()).iov_base = ring.octets.add(index * size).as_ptr().cast();
                let header = &mut (*ring.headers.add(index).as_ptr()).msg_hdr;
                header.msg_iov = iovec.as_ptr();
                header.msg_iovlen = 1;
            }
        }
        ring
    }

    fn header(&self, index: usize) -> *mut mmsghdr {
        assert!(index < self.messages, "an index within the batch");
        // SAFETY: within the allocation, as just checked.
        unsafe { self.headers.add(index).as_ptr() }
    }

    fn buffer(&self, index: usize) -> *mut u8 {
        assert!(index < self.messages, "an index within the batch");
        // SAFETY: within the allocation, as just checked.
        unsafe { self.octets.add(index * self.size).as_ptr() }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: these came from `leak` with these lengths, and are given back once.
        unsafe {
            reclaim(self.octets, self.messages * self.size);
            reclaim(self.names, self.messages);
            reclaim(self.controls, self.messages);
            reclaim(self.iovecs, self.messages);
            reclaim(self.headers, self.messages);
        }
    }
}

fn leak<T>(elements: Vec<T>) -> NonNull<T> {
    NonNull::from(Box::leak(elements.into_boxed_slice())).cast()
}

/// # Safety
/// `first` came from [`leak`] with `length` elements and is not used again.
unsafe fn reclaim<T>(first: NonNull<T>, length: usize) {
    // SAFETY: as promised by the caller.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(first.as_ptr(), length)) });
}

/// Datagrams received together.
pub struct Inbox {
    ring: Ring,
    /// Headers that the last batch has used and that must be made ready again.
    used: usize,
}

/// One datagram of an [`Inbox`].
pub struct Datagram<'a> {
    /// What came; cut at the inbox's size.
    pub octets: &'a [u8],
    /// From whom.
    pub peer: SocketAddr,
    /// To which of our addresses, where the socket was told to say so ([`tell_destination`]).
    pub local: Option<IpAddr>,
}

impl Inbox {
    /// Room for `messages` datagrams of at most `octets` each; longer ones are cut.
    pub fn new(messages: usize, octets: usize) -> Self {
        Self { ring: Ring::new(messages, octets), used: messages }
    }

    /// Waits for one datagram (as long as the socket's read timeout), then takes what else is there. Returns how many.
    ///
    /// # Errors
    /// WouldBlock after the read timeout; what the kernel says else. An interrupted call is repeated.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for index in 0..self.used {
            // SAFETY: header and the memory it points to belong to the ring, which is borrowed mutably.
            unsafe {
                let header = &mut (*self.ring.header(index)).msg_hdr;
                header.msg_name = self.ring.names.add(index).as_ptr().cast();
                header.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
                header.msg_control = self.ring.controls.add(index).as_ptr().cast();
                header.msg_controllen = CONTROL;
            }
        }
        self.used = 0;
        loop {
            // SAFETY: `messages` headers, each pointing to memory of the ring with the lengths it states.
            let count = unsafe {
                libc::recvmmsg(socket.as_raw_fd(), self.ring.header(0), self.ring.messages as u32, libc::MSG_WAITFORONE, null_mut())
            };
            if let Ok(count) = usize::try_from(count) {
                self.used = count;
                return Ok(count);
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
    /// `index` is not below what [`Inbox::receive`] returned.
    pub fn datagram(&self, index: usize) -> Datagram<'_> {
        assert!(index < self.used, "an index within the batch");
        // SAFETY: the kernel has filled this header, its address, its ancillary data and `msg_len` octets, cut at the buffer's size;
        // nothing writes them while `self` is borrowed.
        unsafe {
            let message = &*self.ring.header(index);
            let length = (message.msg_len as usize).min(self.ring.size);
            Datagram {
                octets: std::slice::from_raw_parts(self.ring.buffer(index), length),
                peer: address_of(&*self.ring.names.add(index).as_ptr()),
                local: if message.msg_hdr.msg_controllen == 0 { None } else { destination_of(message) },
            }
        }
    }
}

/// Datagrams to be sent together.
pub struct Outbox {
    ring: Ring,
    queued: usize,
}

impl Outbox {
    /// Room for `messages` datagrams of at most `octets` each.
    pub fn new(messages: usize, octets: usize) -> Self {
        Self { ring: Ring::new(messages, octets), queued: 0 }
    }

    /// The buffer of the next datagram; `None` when full.
    pub fn buffer(&mut self) -> Option<&mut [u8]> {
        if self.queued == self.ring.messages {
            return None;
        }
        // SAFETY: the buffer has `size` octets that are always initialised, and is borrowed with `self`.
        Some(unsafe { std::slice::from_raw_parts_mut(self.ring.buffer(self.queued), self.ring.size) })
    }

    /// Queues the first `length` octets of that buffer. `peer`: to whom, `None` on a connected socket. `local`: from which address.
    ///
    /// # Panics
    /// The box is full.
    pub fn push(&mut self, length: usize, peer: Option<SocketAddr>, local: Option<IpAddr>) {
        let index = self.queued;
        // SAFETY: header, iovec, address and ancillary data at `index` belong to the ring, which is borrowed mutably.
        unsafe {
            let header = &mut (*self.ring.header(index)).msg_hdr;
            (*self.ring.iovecs.add(index).as_ptr()).iov_len = length.min(self.ring.size);
            let name = self.ring.names.add(index).as_ptr();
            header.msg_namelen = peer.map_or(0, |peer| put_address(&mut *name, peer));
            header.msg_name = if peer.is_some() { name.cast() } else { null_mut() };
            let control = self.ring.controls.add(index).as_ptr();
            header.msg_controllen = local.map_or(0, |local| put_source(control, local));
            header.msg_control = if local.is_some() { control.cast() } else { null_mut() };
        }
        self.queued += 1;
    }

    /// Sends all that is queued and empties the box. One that cannot be sent is skipped, the rest goes out; with the socket's buffer full
    /// what is left is dropped: a client asks again, a loop that waits answers nobody. Returns how many went out and how many did not.
    pub fn send(&mut self, socket: &UdpSocket) -> (usize, usize) {
        let (total, mut at, mut failed) = (std::mem::take(&mut self.queued), 0, 0);
        while at < total {
            // SAFETY: the headers from `at` to `total` were made ready by `push`.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), self.ring.header(at), (total - at) as u32, libc::MSG_DONTWAIT) };
            if sent > 0 {
                at += sent as usize;
                continue;
            }
            match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::ENOBUFS) => {
                    failed += total - at;
                    break;
                }
                // EPERM of a policy, an address without a route: this one's own trouble.
                _ => {
                    failed += 1;
                    at += 1;
                }
            }
        }
        (total - failed, failed)
    }
}

/// Makes a socket bound to every address tell to which of them each datagram came, so that the reply comes from there (RFC 2181 §4).
///
/// # Errors
/// What the kernel says.
pub fn tell_destination(socket: &UdpSocket, ipv6: bool) -> io::Result<()> {
    let (level, option) = if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    set_option(socket, level, option, 1)
}

/// Never sets DF by what was learned of a path: a reply of at most 1,232 octets is not fragmented, and a forged "too big" changes nothing
/// (RFC 9715 §3).
///
/// # Errors
/// What the kernel says.
pub fn ignore_path_mtu(socket: &UdpSocket, ipv6: bool) -> io::Result<()> {
    let (level, option, value) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)
    };
    set_option(socket, level, option, value)
}

fn set_option(socket: &UdpSocket, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as socklen_t;
    // SAFETY: the option takes one int, which lives until the call returns.
    let outcome = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast::<c_void>(), length) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn address_of(name: &sockaddr_storage) -> SocketAddr {
    let name: *const sockaddr_storage = name;
    // SAFETY: the family says which of the two structures the storage, larger and aligned for both, holds.
    unsafe {
        if c_int::from((*name).ss_family) == libc::AF_INET6 {
            let v6 = &*name.cast::<sockaddr_in6>();
            return SocketAddrV6::new(v6.sin6_addr.s6_addr.into(), u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into();
        }
        let v4 = &*name.cast::<sockaddr_in>();
        SocketAddrV4::new(u32::from_be(v4.sin_addr.s_addr).into(), u16::from_be(v4.sin_port)).into()
    }
}

fn put_address(name: &mut sockaddr_storage, peer: SocketAddr) -> socklen_t {
    let name: *mut sockaddr_storage = name;
    // SAFETY: the storage is larger than both structures and aligned for them.
    unsafe {
        match peer {
            SocketAddr::V4(peer) => {
                let v4 = &mut *name.cast::<sockaddr_in>();
                v4.sin_family = libc::AF_INET as u16;
                v4.sin_port = peer.port().to_be();
                v4.sin_addr.s_addr = u32::from(*peer.ip()).to_be();
                size_of::<sockaddr_in>() as socklen_t
            }
            SocketAddr::V6(peer) => {
                let v6 = &mut *name.cast::<sockaddr_in6>();
                v6.sin6_family = libc::AF_INET6 as u16;
                v6.sin6_port = peer.port().to_be();
                v6.sin6_flowinfo = peer.flowinfo();
                v6.sin6_addr.s6_addr = peer.ip().octets();
                v6.sin6_scope_id = peer.scope_id();
                size_of::<sockaddr_in6>() as socklen_t
            }
        }
    }
}

/// # Safety
/// The kernel has filled `message`, whose ancillary data still stands where it points.
unsafe fn destination_of(message: &mmsghdr) -> Option<IpAddr> {
    // SAFETY: the macros walk within `msg_controllen`; PKTINFO data is read unaligned and only where its header announces it.
    unsafe {
        let mut entry: *const cmsghdr = libc::CMSG_FIRSTHDR(&raw const message.msg_hdr);
        while let Some(header) = entry.as_ref() {
            let data = libc::CMSG_DATA(entry);
            match (header.cmsg_level, header.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<in_pktinfo>().read_unaligned();
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<in6_pktinfo>().read_unaligned();
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => entry = libc::CMSG_NXTHDR(&raw const message.msg_hdr, entry),
            }
        }
    }
    None
}

/// Writes PKTINFO with `local` as the source, any interface; returns how long it is.
///
/// # Safety
/// `control` may be written.
unsafe fn put_source(control: *mut Control, local: IpAddr) -> usize {
    // SAFETY: [`CONTROL`] octets hold a header and either structure, and are aligned for the header; the data is written unaligned.
    unsafe {
        let header = control.cast::<cmsghdr>();
        let data = libc::CMSG_DATA(header);
        let (level, kind, length) = match local {
            IpAddr::V4(v4) => {
                let mut info: in_pktinfo = zeroed();
                info.ipi_spec_dst.s_addr = u32::from(v4).to_be();
                data.cast::<in_pktinfo>().write_unaligned(info);
                (libc::IPPROTO_IP, libc::IP_PKTINFO, size_of::<in_pktinfo>())
            }
            IpAddr::V6(v6) => {
                let mut info: in6_pktinfo = zeroed();
                info.ipi6_addr.s6_addr = v6.octets();
                data.cast::<in6_pktinfo>().write_unaligned(info);
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of::<in6_pktinfo>())
            }
        };
        *header = cmsghdr { cmsg_len: libc::CMSG_LEN(length as u32) as usize, cmsg_level: level, cmsg_type: kind };
        libc::CMSG_SPACE(length as u32) as usize
    }
}
