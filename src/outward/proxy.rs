//! The environment's proxies, by the variables that others read too: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`, in lower case first.
//!
//! What this machine itself serves is never asked for by a proxy, as programs in Go have it: a proxy's own `localhost`
//! is another.

use std::{fmt, net::IpAddr};

use hyper::header::HeaderValue;

use super::address::{Address, bare};

/// A variable that names a proxy and does not make sense; what it holds may be a password and is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct UnusableProxy {
    /// The variable.
    pub variable: String,
    /// What is wrong with it, and the mend.
    pub reason: &'static str,
}

/// Which requests go by which proxy.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    none: Vec<Rule>,
}

/// A proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    /// Who named it.
    pub variable: String,
    pub address: Address,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} of {}", self.address.place(), self.variable)
    }
}

impl Proxy {
    /// What says who asks.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.address.user.as_ref()
    }
}

/// What is asked for without a proxy.
#[derive(Debug, PartialEq, Eq)]
enum Rule {
    All,
    /// A name and what is below it.
    Name(String, Option<u16>),
    Ip(IpAddr, Option<u16>),
    Network(IpAddr, u32),
}

impl Proxies {
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, UnusableProxy> {
        let first = |names: &[&str]| {
            let names = names.iter().flat_map(|it| [(*it).to_owned(), it.to_ascii_uppercase()]);
            let mut set = names.filter_map(|name| {
                let value = variable(&name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            });
            set.next()
        };
        let proxy = |name| first(&[name, "all_proxy"]).map(|it| proxy(&it.0, &it.1)).transpose();
        let none = first(&["no_proxy"]).map(|(_, text)| rules(&text)).unwrap_or_default();
        Ok(Self { http: proxy("http_proxy")?, https: proxy("https_proxy")?, none })
    }

    /// By which an address is asked for, if by any.
    pub fn of(&self, to: &Address) -> Option<&Proxy> {
        let proxy = if to.tls { self.https.as_ref() } else { self.http.as_ref() };
        proxy.filter(|_| !self.is_direct(&to.host, to.port))
    }

    fn is_direct(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let ip = host.parse().ok().map(|it: IpAddr| it.to_canonical());
        if host == "localhost" || ip.is_some_and(|it| it.is_loopback()) {
            return true;
        }
        let at = |it: &Option<u16>| it.is_none_or(|it| it == port);
        self.none.iter().any(|rule| match (rule, ip) {
            (Rule::All, _) => true,
            (Rule::Name(name, only), None) => {
                let above = host.strip_suffix(name.as_str());
                at(only) && above.is_some_and(|it| it.is_empty() || it.ends_with('.'))
            }
            (Rule::Ip(it, only), Some(ip)) => at(only) && *it == ip,
            (Rule::Network(it, bits), Some(ip)) => is_within(ip, *it, *bits),
            (Rule::Name(..), Some(_)) | (Rule::Ip(..) | Rule::Network(..), None) => false,
        })
    }
}

fn proxy(variable: &str, text: &str) -> Result<Proxy, UnusableProxy> {
    let unusable = |reason| UnusableProxy { variable: variable.to_owned(), reason };
    let wrong = "is no address of a proxy: write http://proxy:3128";
    let url = match text.split_once("://") {
        Some((scheme, rest)) => match &*scheme.to_ascii_lowercase() {
            scheme @ ("http" | "https") => format!("{scheme}://{rest}"),
            it if it.starts_with("socks") => {
                return Err(unusable(
                    "names a SOCKS proxy, which is not spoken here: write http://proxy:3128",
                ));
            }
            _ => return Err(unusable(wrong)),
        },
        None => format!("http://{text}"),
    };
    let address = Address::read(&url).map_err(|_| unusable(wrong))?;
    Ok(Proxy { variable: variable.to_owned(), address })
}

/// What makes no sense there fits nothing.
fn rules(text: &str) -> Vec<Rule> {
    text.split([',', ' ', '\t']).filter(|it| !it.is_empty()).map(rule).collect()
}

fn rule(text: &str) -> Rule {
    if text == "*" {
        return Rule::All;
    }
    if let Some((Ok(ip), Ok(bits))) =
        text.split_once('/').map(|(ip, bits)| (bare(ip).parse::<IpAddr>(), bits.parse()))
    {
        return Rule::Network(ip, bits);
    }
    let ip = |text: &str| bare(text).parse().ok().map(|it: IpAddr| it.to_canonical());
    if let Some(ip) = ip(text) {
        return Rule::Ip(ip, None);
    }
    let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (text, None),
    };
    match ip(host) {
        Some(ip) => Rule::Ip(ip, port),
        None => {
            let name = host.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
            Rule::Name(name.to_ascii_lowercase(), port)
        }
    }
}

fn is_within(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) if bits <= 32 => {
            let apart = u32::from(ip) ^ u32::from(network);
            apart.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) if bits <= 128 => {
            let apart = u128::from(ip) ^ u128::from(network);
            apart.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Proxies, UnusableProxy> {
        let found = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        Proxies::read(&found)
    }

    fn by(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&Address::read(url).unwrap()).map(|it| it.address.place())
    }

    #[test]
    fn a_proxy_is_named_by_its_scheme_or_for_all_and_in_lower_case_first() {
        let both = with(&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "b:2"), ("ALL_PROXY", "https://c:3")]);
        let both = both.unwrap();
        assert_eq!(by(&both, "http://x").as_deref(), Some("http://b:2"));
        assert_eq!(by(&both, "https://x").as_deref(), Some("https://c:3"));
        let one = with(&[("https_proxy", "http://a"), ("HTTP_PROXY", " ")]).unwrap();
        assert_eq!((by(&one, "http://x"), by(&one, "https://x")), (None, Some("http://a".to_owned())));
        assert_eq!(one.https.unwrap().address.port, 80);
    }

    #[test]
    fn an_unusable_one_is_told_by_its_variable_alone() {
        for value in
            ["ftp://hunter2", "http://", "http://user:hunter2@", "://hunter2", "a b hunter2", "x:hunter2"]
        {
            let error = with(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "HTTPS_PROXY is no address of a proxy: write http://proxy:3128",
                "{value}"
            );
        }
        let socks = with(&[("all_proxy", "socks5h://user:hunter2@a")]).unwrap_err();
        assert!(socks.to_string().starts_with("all_proxy names a SOCKS proxy"), "{socks}");
        let shown = format!("{:?}", with(&[("all_proxy", "http://user:hunter2@a")]).unwrap());
        assert!(shown.contains("the proxy http://a of all_proxy") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_no_proxy_names_is_asked_for_directly() {
        for (rules, url, direct) in [
            ("", "http://example.org", false),
            ("*", "http://example.org", true),
            ("example.org", "http://example.org", true),
            ("example.org", "http://EXAMPLE.org./", true),
            ("Example.Org", "http://a.b.example.org", true),
            (".example.org", "http://a.example.org", true),
            (".example.org", "http://example.org", true),
            ("*.example.org", "http://a.example.org", true),
            ("example.org", "http://badexample.org", false),
            ("example.org", "http://example.org.evil", false),
            ("a, example.org b", "http://example.org", true),
            ("a,example.org b", "http://b", true),
            ("example.org:8080", "http://example.org:8080", true),
            ("example.org:8080", "http://example.org", false),
            ("example.org:443", "https://example.org", true),
            ("10.1.2.3", "http://10.1.2.3:99", true),
            ("10.1.2.3:80", "http://10.1.2.3", true),
            ("10.1.2.3:81", "http://10.1.2.3", false),
            ("10.1.2.3", "http://10.1.2.30", false),
            ("10.0.0.0/8", "http://10.200.0.1", true),
            ("10.0.0.0/8", "http://11.0.0.1", false),
            ("10.0.0.0/31", "http://10.0.0.1", true),
            ("10.0.0.0/31", "http://10.0.0.2", false),
            ("0.0.0.0/0", "http://9.9.9.9", true),
            ("0.0.0.0/0", "http://example.org", false),
            ("10.0.0.0/99", "http://10.0.0.1", false),
            ("fd00::/8", "http://[fd12::1]", true),
            ("fd00::/8", "http://[fe00::1]", false),
            ("::/0", "http://[2001:db8::1]", true),
            ("fd00::1", "http://[fd00::1]:81", true),
            ("[fd00::1]:81", "http://[fd00::1]:81", true),
            ("[fd00::1]:81", "http://[fd00::1]", false),
            ("10.1.2.3", "http://[::ffff:10.1.2.3]", true),
            ("2.3", "http://10.1.2.3", false),
            // Without a word: this machine.
            ("", "http://localhost:1", true),
            ("", "http://127.9.9.9", true),
            ("", "http://[::1]", true),
            ("", "http://localhost.example.org", false),
        ] {
            let proxies = with(&[("all_proxy", "http://proxy"), ("NO_PROXY", rules)]).unwrap();
            assert_eq!(by(&proxies, url).is_none(), direct, "{rules}: {url}");
        }
    }
}
