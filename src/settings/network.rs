//! Addresses that belong together: `10.0.0.0/8`, `fd00::/8`, or one by itself.

use core::net::IpAddr;
use std::fmt;

/// The addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(it, bits)| (it, Some(bits)));
        let first: IpAddr = address.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |it| it.parse().ok()).filter(|it| *it <= most)?;
        Some(Self { first, bits })
    }

    /// Whether the address is one of them; one of version 4 is the same in the clothes of version 6.
    pub fn has(&self, address: IpAddr) -> bool {
        let high = |bits: u32| u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        match (self.first.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(it)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits.min(32))).unwrap_or(0);
                (first.to_bits() ^ it.to_bits()) & mask == 0
            }
            (IpAddr::V6(first), IpAddr::V6(it)) => {
                (first.to_bits() ^ it.to_bits()) & high(u32::from(self.bits)) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Reads `trusted-proxies`.
pub fn networks(text: &str) -> Result<Vec<Network>, String> {
    let words = text.split([',', ' ', '\n']).map(str::trim);
    words
        .filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("none"))
        .map(|word| {
            let wrong =
                || format!("\"{word}\" is no address and no network: write 172.18.0.1 or 172.16.0.0/12");
            Network::parse(word).ok_or_else(wrong)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_what_begins_alike() {
        for (network, address, has) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "::1", true),
            ("::/0", "1.2.3.4", false),
            ("fd00::1/128", "fd00::1", true),
        ] {
            let it = Network::parse(network).unwrap();
            assert_eq!(it.has(address.parse().unwrap()), has, "{network} {address}");
        }
        for wrong in ["10.0.0.0/33", "10.0.0", "fd00::/129", "example.org", "10.0.0.0/x"] {
            assert!(networks(wrong).is_err_and(|it| it.contains(wrong)), "{wrong}");
        }
        let two = networks("10.0.0.0/8, ::1\n").unwrap();
        assert_eq!(two.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    }
}
