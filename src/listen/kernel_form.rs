//! Addresses as the kernel reads and writes them beside a datagram, octet by octet: `sockaddr_in`, `sockaddr_in6` (ip(7), ipv6(7)) and the
//! control message that carries our own address (`IP_PKTINFO`, `IPV6_PKTINFO`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of the longer of the two address structures, `sockaddr_in6`.
pub(super) const NAME: usize = 28;
/// Octets of the longer of the two control messages, padded as the kernel pads them.
pub(super) const CONTROL: usize = padded(CONTROL_HEADER + PACKET_INFO_V6);

const NAME_V4: usize = 16;
/// `cmsg_len` (a `size_t` in the kernel, whatever the C library says), `cmsg_level`, `cmsg_type`.
const CONTROL_HEADER: usize = size_of::<usize>() + 8;
const PACKET_INFO_V4: usize = 12;
const PACKET_INFO_V6: usize = 20;

const fn padded(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}

/// Writes `address`; returns the octets taken.
pub(super) fn write_name(address: SocketAddr, name: &mut [u8; NAME]) -> usize {
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            name[..2].copy_from_slice(&family(libc::AF_INET));
            name[4..8].copy_from_slice(&address.ip().octets());
            name[8..NAME_V4].fill(0);
            NAME_V4
        }
        SocketAddr::V6(address) => {
            name[..2].copy_from_slice(&family(libc::AF_INET6));
            name[4..8].fill(0);
            name[8..24].copy_from_slice(&address.ip().octets());
            name[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
            NAME
        }
    }
}

/// Reads an address; `None` for a family that is not IP.
pub(super) fn read_name(name: &[u8; NAME]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([name[2], name[3]]);
    if name[..2] == family(libc::AF_INET) {
        let ip = Ipv4Addr::from(octets::<4>(name, 4)?);
        return Some(SocketAddr::V4(SocketAddrV4::new(ip, port)));
    }
    if name[..2] == family(libc::AF_INET6) {
        let ip = Ipv6Addr::from(octets::<16>(name, 8)?);
        let scope_id = u32::from_ne_bytes(octets::<4>(name, 24)?);
        return Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope_id)));
    }
    None
}

/// Writes the control message "send from `local`"; returns the octets taken. The interface is left to the routing table.
pub(super) fn write_source(local: IpAddr, control: &mut [u8; CONTROL]) -> usize {
    control.fill(0);
    let (level, kind, length) = match local {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO, CONTROL_HEADER + PACKET_INFO_V4),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, CONTROL_HEADER + PACKET_INFO_V6),
    };
    let (head, body) = control.split_at_mut(CONTROL_HEADER);
    let (length_field, kind_field) = head.split_at_mut(size_of::<usize>());
    length_field.copy_from_slice(&length.to_ne_bytes());
    kind_field[..4].copy_from_slice(&level.to_ne_bytes());
    kind_field[4..].copy_from_slice(&kind.to_ne_bytes());
    match local {
        // ipi_ifindex, ipi_spec_dst, ipi_addr: the second is the source.
        IpAddr::V4(local) => body[4..8].copy_from_slice(&local.octets()),
        IpAddr::V6(local) => body[..16].copy_from_slice(&local.octets()),
    }
    padded(length)
}

/// The address of ours that a datagram was sent to, from the control message that came first; `None` where there is none.
pub(super) fn read_destination(control: &[u8]) -> Option<IpAddr> {
    let length = usize::from_ne_bytes(octets(control, 0)?);
    let level = i32::from_ne_bytes(octets(control, size_of::<usize>())?);
    let kind = i32::from_ne_bytes(octets(control, size_of::<usize>() + 4)?);
    let body = control.get(CONTROL_HEADER..length)?;
    match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => Some(Ipv4Addr::from(octets::<4>(body, 4)?).into()),
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => Some(Ipv6Addr::from(octets::<16>(body, 0)?).into()),
        _ => None,
    }
}

fn family(family: i32) -> [u8; 2] {
    libc::sa_family_t::try_from(family).unwrap_or_default().to_ne_bytes()
}

fn octets<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_kernels_form() {
        for text in ["192.0.2.1:53", "[2001:db8::1]:65535", "[fe80::1%7]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut name = [0xff; NAME];
            let length = write_name(address, &mut name);
            assert_eq!(length, if address.is_ipv4() { size_of::<libc::sockaddr_in>() } else { size_of::<libc::sockaddr_in6>() });
            assert_eq!(read_name(&name), Some(address));
        }
    }

    #[test]
    fn a_family_that_is_not_ip_is_no_address() {
        assert_eq!(read_name(&[0; NAME]), None);
    }

    #[test]
    fn a_control_message_that_is_cut_or_of_another_kind_says_nothing() {
        let mut control = [0; CONTROL];
        let length = write_source("2001:db8::1".parse().unwrap(), &mut control);
        assert_eq!(read_destination(&control[..length]), Some("2001:db8::1".parse().unwrap()));
        for cut in 0..CONTROL_HEADER + PACKET_INFO_V6 {
            assert_eq!(read_destination(&control[..cut]), None, "cut at {cut}");
        }
        control[size_of::<usize>() + 4] = 99;
        assert_eq!(read_destination(&control), None);
    }
}
