//! The address of a request, read once. What may be secret in it, its path and its user, is in no error and not shown.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{Uri, header::HeaderValue};

const WRONG: &str = "it is no address of http:// or https://, or has characters that must be written as %20";

/// Where a request goes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub tls: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// Host and port, as they were written.
    pub authority: String,
    /// With the question behind it.
    pub path: String,
    /// Its user and password, as the header that says them.
    pub user: Option<HeaderValue>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host)
}

impl Address {
    pub fn read(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.trim().parse().map_err(|_| WRONG)?;
        let (tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(WRONG),
        };
        let whole = uri.authority().ok_or(WRONG)?;
        let (user, authority) = match whole.as_str().rsplit_once('@') {
            Some((user, rest)) => (Some(basic(user).ok_or(WRONG)?), rest),
            None => (None, whole.as_str()),
        };
        let port = match authority.strip_prefix(whole.host()).map(|it| it.trim_start_matches(':')) {
            Some("") => usual,
            Some(port) => {
                port.parse().ok().filter(|it| *it != 0).ok_or("its port is none: write 1 to 65535")?
            }
            None => return Err(WRONG),
        };
        let host = bare(whole.host()).to_owned();
        if host.is_empty() {
            return Err(WRONG);
        }
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        Ok(Self { tls, host, port, authority: authority.to_owned(), path, user })
    }

    /// As it may be shown.
    pub fn place(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// Host and port, whichever way they were written.
    pub fn host_and_port(&self) -> String {
        let bracketed = self.host.contains(':');
        let (before, after) = if bracketed { ("[", "]") } else { ("", "") };
        format!("{before}{}{after}:{}", self.host, self.port)
    }

    /// Where an answer leads that came from here.
    pub fn led(&self, location: &str) -> Option<Self> {
        let scheme = if self.tls { "https:" } else { "http:" };
        let has_scheme = location.split_once(':').is_some_and(|(it, _)| {
            it.starts_with(|it: char| it.is_ascii_alphabetic()) && !it.contains(['/', '?', '#'])
        });
        let whole = if has_scheme {
            location.to_owned()
        } else if location.starts_with("//") {
            format!("{scheme}{location}")
        } else if location.starts_with('/') {
            format!("{}{location}", self.place())
        } else {
            let path = self.path.split('?').next().unwrap_or_default();
            let folder = path.rsplit_once('/').map_or("", |(it, _)| it);
            let before = if location.starts_with('?') { path.to_owned() } else { format!("{folder}/") };
            format!("{}{before}{location}", self.place())
        };
        let led = Self::read(&whole).ok()?;
        // Who knows the user is the one that it was written for.
        Some(Self { user: self.user.clone(), ..led })
    }

    /// Whether both are one server, or `other` is the same over TLS.
    pub fn is_same_server(&self, other: &Self) -> bool {
        let host = self.host.eq_ignore_ascii_case(&other.host);
        host && ((self.tls, self.port) == (other.tls, other.port) || (!self.tls && other.tls))
    }
}

/// What stands behind percent signs as the bytes that it means; `None` where that is none.
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (hex, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

/// `user:password`, percent-encoded, as the header that says it.
pub(super) fn basic(user: &str) -> Option<HeaderValue> {
    let mut bytes = decoded(user)?;
    if !bytes.contains(&b':') {
        bytes.push(b':');
    }
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(bytes))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_port_its_path_and_its_user() {
        for (url, tls, host, port, authority, path) in [
            ("http://a", false, "a", 80, "a", "/"),
            ("https://a", true, "a", 443, "a", "/"),
            ("https://a:8443/x/y?z=1#f", true, "a", 8443, "a:8443", "/x/y?z=1"),
            ("http://[::1]:81/x", false, "::1", 81, "[::1]:81", "/x"),
            ("https://[fd00::1]", true, "fd00::1", 443, "[fd00::1]", "/"),
            ("http://user:hunter2@a:82/x", false, "a", 82, "a:82", "/x"),
            ("http://a?x=1", false, "a", 80, "a", "/?x=1"),
            ("http://a:/x", false, "a", 80, "a:", "/x"),
        ] {
            let it = Address::read(url).unwrap();
            let read = (it.tls, &*it.host, it.port, &*it.authority, &*it.path);
            assert_eq!(read, (tls, host, port, authority, path), "{url}");
            assert!(!format!("{it:?}").contains("hunter2"));
        }
        let user = |url| Address::read(url).unwrap().user.map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(user("http://user:p%40ss@a").as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(user("http://user@a").as_deref(), Some("Basic dXNlcjo="));
        assert_eq!(user("http://a"), None);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for url in [
            "hunter2",
            "ftp://hunter2",
            "http://",
            "/hunter2",
            "",
            "http://a b/hunter2",
            "https://hunter2:x",
            "http://a:0/hunter2",
            "http://a:65536/hunter2",
            "http://a:hunter2@",
            "http://u:%zz@hunter2",
            "http://a/hunter2\r\nx: y",
        ] {
            let error = Address::read(url).unwrap_err();
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn an_answer_leads_from_where_it_came() {
        let from = Address::read("http://u:p@a:81/x/y?z").unwrap();
        for (location, place, path) in [
            ("/b", "http://a:81", "/b"),
            ("b?c", "http://a:81", "/x/b?c"),
            ("?c", "http://a:81", "/x/y?c"),
            ("//b/c", "http://b", "/c"),
            ("https://a/b", "https://a", "/b"),
            ("b?at=http://c", "http://a:81", "/x/b?at=http://c"),
        ] {
            let led = from.led(location).unwrap();
            assert_eq!((&*led.place(), &*led.path), (place, path), "{location}");
            assert_eq!(led.user, from.user);
        }
        assert_eq!(from.led("ftp://a/b"), None);
        assert_eq!(from.led("mailto:a"), None);
    }

    #[test]
    fn one_server_is_the_same_host_and_port_or_the_same_host_over_tls() {
        let same = |a: &str, b: &str| Address::read(a).unwrap().is_same_server(&Address::read(b).unwrap());
        assert!(same("http://a/x", "http://A:80/y") && same("http://a", "https://a"));
        assert!(same("http://a:8080", "https://a:8443"));
        for (a, b) in [("http://a", "http://b"), ("https://a", "http://a"), ("http://a", "http://a:81")] {
            assert!(!same(a, b), "{a} {b}");
        }
        assert!(!same("https://a", "https://a:444"));
    }
}
