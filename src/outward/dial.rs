//! A connection by TCP, and where nobody is led who only wrote a label.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::address::bare;

/// So long an address has that is not the last one of its name.
const PATIENCE: Duration = Duration::from_secs(3);

/// By these names clouds serve a machine's credentials. Where a proxy looks a name up, only the name is known here.
const METADATA_NAMES: [&str; 4] = ["metadata.google.internal", "metadata.goog", "metadata", "instance-data"];

/// Where a label may not lead.
#[derive(Debug, thiserror::Error)]
#[error(
    "a label may not lead to {place}, {why}: name it in the operator's file or environment if it is meant, or write \
     another address"
)]
pub struct Forbidden {
    place: String,
    why: &'static str,
}

impl From<Forbidden> for io::Error {
    fn from(it: Forbidden) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, it)
    }
}

/// Connects to the first address of a host that takes it. What a label named may not lead to link-local addresses,
/// to a cloud's metadata, or to what is no single machine: the addresses themselves are looked at, for a name may lead
/// elsewhere the next time it is looked up.
pub async fn dial(host: &str, port: u16, from_label: bool) -> io::Result<TcpStream> {
    let host = bare(host);
    let found = lookup_host((host, port)).await?.collect();
    first(host, found, from_label).await
}

async fn first(host: &str, found: Vec<SocketAddr>, from_label: bool) -> io::Result<TcpStream> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in found {
        match forbidden(address.ip()).filter(|_| from_label) {
            Some(why) => refused = Some(Forbidden { place: named(host, address.ip()), why }),
            None => allowed.push(address),
        }
    }
    let mut failed = None;
    let last = allowed.len().saturating_sub(1);
    for (index, address) in allowed.into_iter().enumerate() {
        let connected = if index == last {
            TcpStream::connect(address).await
        } else {
            timeout(PATIENCE, TcpStream::connect(address)).await.unwrap_or_else(|it| Err(it.into()))
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    Err(failed.or_else(|| refused.map(io::Error::from)).unwrap_or_else(nothing))
}

/// Whether a proxy may be asked for this host because of a label. Where a name leads is for the proxy to find out, whose
/// network it is; numbers and the names by which clouds call their metadata are seen here.
pub(super) async fn may_be_proxied(host: &str) -> io::Result<()> {
    let host = bare(host).trim_end_matches('.').to_ascii_lowercase();
    if METADATA_NAMES.contains(&&*host) {
        let why = "by which clouds serve a machine's credentials";
        return Err(Forbidden { place: format!("\"{host}\""), why }.into());
    }
    // Such as 2852039166 or 0xa9fea9fe: whoever reads numbers so is not asked over the network for it.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|it: char| it.is_ascii_digit()) || host.contains(':');
    if is_number && let Ok(found) = lookup_host((&*host, 0)).await {
        for address in found {
            if let Some(why) = forbidden(address.ip()) {
                return Err(Forbidden { place: named(&host, address.ip()), why }.into());
            }
        }
    }
    Ok(())
}

fn named(host: &str, ip: IpAddr) -> String {
    let ip = ip.to_string();
    if host == ip { ip } else { format!("{ip} (\"{host}\")") }
}

/// Why a label may not lead there, if so.
fn forbidden(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => forbidden_v4(ip),
        IpAddr::V6(ip) => match embedded(ip) {
            Some(ip) => forbidden_v4(ip),
            None => forbidden_v6(ip),
        },
    }
}

const METADATA: &str = "where clouds serve a machine's credentials";
const LINK_LOCAL: &str = "which is link-local: clouds serve a machine's credentials there";
const NONE: &str = "which is the address of no machine";
const MANY: &str = "which is the address of many machines";

fn forbidden_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        // Alibaba, Azure and Oracle have theirs outside the link-local ones.
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Some(METADATA),
        [169, 254, ..] => Some(LINK_LOCAL),
        [0, ..] => Some(NONE),
        [224..=239, ..] | [255, 255, 255, 255] => Some(MANY),
        _ => None,
    }
}

fn forbidden_v6(ip: Ipv6Addr) -> Option<&'static str> {
    match ip.segments() {
        // Amazon's and Google's.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Some(METADATA),
        [0xfe80..=0xfebf, ..] => Some(LINK_LOCAL),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(NONE),
        [0xff00..=0xffff, ..] => Some(MANY),
        _ => None,
    }
}

/// The address of IPv4 that one of IPv6 stands for: mapped, translated (NAT64), tunnelled (6to4), or compatible.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_label_leads_to_no_metadata_and_to_nothing_that_is_no_single_machine() {
        for refused in [
            "169.254.169.254",
            "169.254.0.1",
            "169.254.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "fe80::1",
            "febf::1",
            "::",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::ffff:100.100.100.200",
        ] {
            assert!(forbidden(refused.parse().unwrap()).is_some(), "{refused}");
        }
        for taken in [
            "127.0.0.1",
            "10.0.0.1",
            "172.17.0.1",
            "192.168.0.1",
            "169.253.0.1",
            "169.255.0.1",
            "100.100.100.201",
            "1.1.1.1",
            "223.255.255.255",
            "::1",
            "fd00::1",
            "fd00:ec2::253",
            "fec0::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
        ] {
            assert_eq!(forbidden(taken.parse().unwrap()), None, "{taken}");
        }
    }

    async fn refusal(host: &str) -> String {
        let error = dial(host, 80, true).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{host}: {error}");
        error.to_string()
    }

    /// However it is written, it is looked at as what the machine makes of it.
    #[tokio::test]
    async fn an_address_is_known_in_every_notation() {
        let told = refusal("169.254.169.254").await;
        assert_eq!(
            told,
            "a label may not lead to 169.254.169.254, which is link-local: clouds serve a machine's credentials there: \
             name it in the operator's file or environment if it is meant, or write another address"
        );
        for host in ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376"] {
            assert!(refusal(host).await.contains(&format!("169.254.169.254 (\"{host}\")")), "{host}");
            assert!(may_be_proxied(host).await.is_err(), "{host}");
        }
        for host in ["[::ffff:169.254.169.254]", "fe80::1", "[::]", "0"] {
            refusal(host).await;
            assert!(may_be_proxied(host).await.is_err(), "{host}");
        }
        for host in ["metadata.google.internal", "METADATA.google.internal.", "instance-data"] {
            let told = may_be_proxied(host).await.unwrap_err().to_string();
            assert!(told.contains("by which clouds serve"), "{told}");
        }
        for host in ["example.org", "127.0.0.1", "[::1]", "web", "3com.example"] {
            may_be_proxied(host).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_one_that_is_forbidden_never() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let forbidden: SocketAddr = "169.254.169.254:80".parse().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let stream = first("x", vec![forbidden, closed, there], true).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        let error = first("x", vec![forbidden, closed], true).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first("x", vec![forbidden], true).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        assert_eq!(first("x", vec![], true).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_host_is_a_name_or_an_address_with_brackets_or_without() {
        for (bound, hosts) in
            [("127.0.0.1:0", &["127.0.0.1", "localhost"][..]), ("[::1]:0", &["::1", "[::1]"])]
        {
            let listener = TcpListener::bind(bound).await.unwrap();
            let there = listener.local_addr().unwrap();
            for host in hosts {
                let stream = dial(host, there.port(), true).await.unwrap();
                assert_eq!(stream.peer_addr().unwrap(), there, "{host}");
            }
        }
    }
}
