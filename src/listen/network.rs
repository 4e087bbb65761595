//! An address with a length: those that begin alike.

use std::net::IpAddr;

/// All addresses of one family whose first bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Bits that count.
    length: u32,
}

impl Network {
    /// `IP/LENGTH`, or an address for itself; `None` for anything else. Bits beyond the length do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let whole = Self::from(address.parse::<IpAddr>().ok()?);
        let Some(length) = length else { return Some(whole) };
        let plain = length.bytes().all(|octet| octet.is_ascii_digit());
        let length = length.parse().ok().filter(|length| plain && *length <= whole.length)?;
        Some(Self { length, ..whole })
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= self.length
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { u32::BITS } else { u128::BITS } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_of_its_family_that_begin_as_it_does() {
        for (network, within, without) in [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "::a00:1"]),
            ("192.0.2.7", ["192.0.2.7", "192.0.2.7"], ["192.0.2.6", "2001:db8::7"]),
            ("192.0.2.7/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "192.0.1.255"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("2001:db8::/33", ["2001:db8::", "2001:db8:7fff::1"], ["2001:db8:8000::", "10.0.0.1"]),
            ("::1/128", ["::1", "::1"], ["::2", "127.0.0.1"]),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(within.iter().all(|address| network.contains(address.parse().unwrap())), "{network:?}");
            assert!(!without.iter().any(|address| network.contains(address.parse().unwrap())), "{network:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in ["", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/-1", "node", "10.0.0.1:53"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
