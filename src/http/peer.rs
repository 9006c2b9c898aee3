//! From where someone asks: what the connection says, and behind a proxy that is trusted what that says.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

use crate::settings::access::Access;

/// The other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether nobody in between can read along.
    pub secure: bool,
}

impl Peer {
    /// Who stands behind it. What is nearest in `X-Forwarded-For` was written by who is nearest: whoever is not trusted
    /// himself is the one who asks, and what he says of others counts for nothing.
    #[must_use]
    pub fn seen_through(self, access: &Access, headers: &HeaderMap) -> Self {
        let is_trusted = |it: IpAddr| access.trusted_proxies.iter().any(|network| network.has(it));
        if !is_trusted(self.address) {
            return self;
        }
        let values = |name: &str| {
            let all =
                headers.get_all(name).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
            all.map(|it| it.trim().to_owned()).collect::<Vec<_>>()
        };
        let mut address = self.address;
        for it in values("x-forwarded-for").iter().rev() {
            let Some(next) = written(it) else { break };
            address = next;
            if !is_trusted(address) {
                break;
            }
        }
        let secure =
            values("x-forwarded-proto").last().map_or(self.secure, |it| it.eq_ignore_ascii_case("https"));
        Self { address, secure }
    }

    /// Who shares his allowance: in version 6 everyone has as many addresses as he likes.
    pub fn neighbourhood(self) -> IpAddr {
        match self.address.to_canonical() {
            IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & (u128::MAX << 64)).into(),
            it @ IpAddr::V4(_) => it,
        }
    }
}

/// An address as proxies write it: some with the port, and those of version 6 in brackets then.
fn written(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|it: SocketAddr| it.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::settings::access::networks;

    #[test]
    fn only_a_proxy_that_is_trusted_is_believed_and_no_further_than_it_can_know() {
        let access = Access { trusted_proxies: networks("10.0.0.0/8, ::1").unwrap(), ..Access::default() };
        for (peer, forwarded, expected) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("::1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.1", "198.51.100.7:5555", "198.51.100.7"),
            ("10.0.0.1", "[2001:db8::1]:99", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            let peer = Peer { address: peer.parse().unwrap(), secure: false };
            let mut headers = HeaderMap::new();
            headers.append(
                HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_str(forwarded).unwrap(),
            );
            let seen = peer.seen_through(&access, &headers).address;
            assert_eq!(seen, expected.parse::<IpAddr>().unwrap(), "{peer:?} {forwarded}");
        }
    }

    #[test]
    fn that_the_way_to_the_proxy_is_secure_is_believed_like_the_rest() {
        let access = Access { trusted_proxies: networks("10.0.0.1").unwrap(), ..Access::default() };
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-proto", HeaderValue::from_static("https"));
        for (address, secure) in [("10.0.0.1", true), ("10.0.0.2", false)] {
            let peer = Peer { address: address.parse().unwrap(), secure: false };
            assert_eq!(peer.seen_through(&access, &headers).secure, secure);
        }
        let peer = |text: &str| Peer { address: text.parse().unwrap(), secure: false };
        assert_eq!(peer("2001:db8::1").neighbourhood(), peer("2001:db8::ffff").neighbourhood());
        assert_ne!(peer("192.0.2.1").neighbourhood(), peer("192.0.2.2").neighbourhood());
    }
}
