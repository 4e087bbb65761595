//! What the pod's routing table tells of its node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where the kernel shows routes, one a line.
const ROUTES: [&str; 2] = ["/proc/net/route", "/proc/net/ipv6_route"];

/// The gateways of the default routes. In a pod of Cilium's that is the node's own address on the pod network, from which the node and
/// its host-network pods ask.
pub(super) fn gateways() -> Vec<IpAddr> {
    let [v4, v6] = ROUTES.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    v4.lines().filter_map(gateway).chain(v6.lines().filter_map(gateway_v6)).collect()
}

/// Interface, destination, gateway, …: hexadecimal, as the octets lie in memory.
fn gateway(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (destination, gateway) = (words.next()?, words.next()?);
    let gateway = Ipv4Addr::from(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes());
    (destination == "00000000" && !gateway.is_unspecified()).then_some(gateway.into())
}

/// Destination, its length, source, its length, gateway, …: hexadecimal.
fn gateway_v6(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (length, gateway) = (words.next()?, words.nth(2)?);
    let gateway = Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?);
    (length == "00" && !gateway.is_unspecified()).then_some(gateway.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_of_a_default_route_is_found_and_nothing_else() {
        let octets = u32::from_ne_bytes([10, 244, 1, 7]);
        assert_eq!(gateway(&format!("eth0\t00000000\t{octets:08X}\t0003\t0\t0\t0\t00000000")), Some("10.244.1.7".parse().unwrap()));
        assert_eq!(gateway(&format!("eth0\t{octets:08X}\t00000000\t0005\t0\t0\t0\tFFFFFFFF")), None);
        assert_eq!(gateway("Iface\tDestination\tGateway \tFlags"), None);
        let zeros = "0".repeat(32);
        let route = |destination: &str, length: &str, gateway: &str| {
            format!("{destination} {length} {zeros} 00 {gateway} 00000400 1 0 00000003 eth0")
        };
        assert_eq!(gateway_v6(&route(&zeros, "00", "20010db8000000000000000000000001")), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(gateway_v6(&route("20010db8000000000000000000000001", "80", &zeros)), None);
        assert_eq!(gateway_v6(&route(&zeros, "00", &zeros)), None);
    }
}
