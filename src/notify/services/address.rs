//! What a channel's values may bring into addresses and headers.
//!
//! Errors name the key, never the value: it may be a secret.

use std::fmt::Write;

use crate::model::channel::Channel;

/// An address whose path and query are still being added to.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    query: String,
}

/// It may hold a secret: it shows nothing.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(…)")
    }
}

impl Address {
    /// What a key says.
    pub fn of(channel: &Channel, key: &str) -> Result<Self, String> {
        Self::parse(required(channel, key)?, key)
    }

    /// What a key says, or else the service's own.
    pub fn or(channel: &Channel, key: &str, usual: &str) -> Result<Self, String> {
        Self::parse(channel.text(key).unwrap_or(usual), key)
    }

    fn parse(text: &str, key: &str) -> Result<Self, String> {
        let rest = ["https://", "http://"].iter().find_map(|scheme| {
            text.get(..scheme.len()).filter(|it| it.eq_ignore_ascii_case(scheme)).map(|it| &text[it.len()..])
        });
        let Some(rest) = rest else {
            return Err(format!("{key}: it is no web address: begin it with https:// or http://"));
        };
        if rest.is_empty() || rest.starts_with(['/', '?', '#']) {
            return Err(format!("{key}: it names no host: write one behind https://"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{key}: it contains a blank, a line end or another character that no address has: leave it out or \
                 percent-encode it"
            ));
        }
        // What is behind `#` is for a browser and is never sent.
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        Ok(Self { base: base.to_owned(), query: query.to_owned() })
    }

    /// With further parts of the path, each percent-encoded.
    #[must_use]
    pub fn path(mut self, parts: &[&str]) -> Self {
        if !parts.is_empty() {
            self.base.truncate(self.base.trim_end_matches('/').len());
        }
        for part in parts {
            self.base.push('/');
            self.base.push_str(&percent(part));
        }
        self
    }

    /// With a further parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        let _ = write!(self.query, "{}={}", percent(name), percent(value));
        self
    }

    /// Without the last part of its path, and that part.
    pub fn split_last(mut self) -> Option<(Self, String)> {
        self.base.truncate(self.base.trim_end_matches('/').len());
        let host = self.base.find("://")? + 3;
        let at = host + self.base[host..].rfind('/')?;
        let last = self.base.split_off(at)[1..].to_owned();
        (!last.is_empty()).then_some((self, last))
    }

    /// Its host, without the port.
    pub fn host(&self) -> &str {
        let rest = self.base.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        host.split(':').next().unwrap_or_default()
    }

    /// The whole address. Without a path it is the root, which some clients do not add by themselves.
    pub fn whole(self) -> String {
        let mut whole = self.base;
        if whole.matches('/').count() == 2 {
            whole.push('/');
        }
        if !self.query.is_empty() {
            whole.push('?');
            whole.push_str(&self.query);
        }
        whole
    }
}

/// The value of a key that there must be.
pub fn required<'a>(channel: &'a Channel, key: &str) -> Result<&'a str, String> {
    let missing = || format!("{key}: it is missing: write it, or {key}-file");
    channel.text(key).filter(|value| !value.is_empty()).ok_or_else(missing)
}

/// A value that becomes (part of) a header's value. `RFC 9110` has more; servers differ on all but ASCII.
pub fn header_value<'a>(value: &'a str, key: &str) -> Result<&'a str, String> {
    if value.bytes().all(|byte| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic()) {
        return Ok(value);
    }
    Err(format!(
        "{key}: it contains a line end or another character that no HTTP header has: write it in one line of ASCII"
    ))
}

/// A header's name.
pub fn header_name<'a>(name: &'a str, key: &str) -> Result<&'a str, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        return Ok(name);
    }
    Err(format!("{key}: a name is none that an HTTP header can have: write \"Name: value\""))
}

/// A part of a path, or of a query: everything percent-encoded but the unreserved characters of RFC 3986, and the colon,
/// which means nothing there and is in each token of Telegram.
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    // These two would be taken for steps in the path even when they are encoded.
    if matches!(text, "." | "..") {
        return text.replace('.', "%2E");
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{model::channel::ChannelKind, notify::services::tests::fixtures::channel};

    fn address(url: &str) -> Result<Address, String> {
        Address::of(&channel(ChannelKind::Webhook, &[("url", url)]), "url")
    }

    #[test]
    fn a_path_and_a_query_are_added_where_they_belong() {
        let of = |url: &str| address(url).unwrap();
        assert_eq!(of("https://a").whole(), "https://a/");
        assert_eq!(of("https://a/b/?x").whole(), "https://a/b/?x");
        assert_eq!(of("https://a/?x=1#y").path(&["b c", "é/"]).whole(), "https://a/b%20c/%C3%A9%2F?x=1");
        assert_eq!(of("HTTP://a/b?x=1").query("r d", "&=").whole(), "HTTP://a/b?x=1&r%20d=%26%3D");
        assert_eq!(of("https://a").path(&[".."]).whole(), "https://a/%2E%2E");
        let (server, topic) = of("https://a:8/b/topic/").split_last().unwrap();
        assert_eq!((server.whole().as_str(), topic.as_str()), ("https://a:8/b", "topic"));
        assert!(of("https://a").split_last().is_none() && of("https://a//").split_last().is_none());
        assert_eq!(of("https://user:x@hc-ping.com:443/b").host(), "hc-ping.com");
    }

    #[test]
    fn what_is_no_address_is_told_by_its_key_only() {
        let bad = [
            "",
            "hunter2",
            "ftp://hunter2",
            "https://",
            "https:///hunter2",
            "https://hunter2/\r\nx: y",
            "http://ü/hunter2",
            "é",
        ];
        for url in bad {
            let error = address(url).unwrap_err();
            assert!(error.starts_with("url: ") && !error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_an_address(part in any::<String>()) {
            let whole = address("https://a").unwrap().path(&[&part]).query(&part, &part).whole();
            prop_assert!(whole.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(whole.matches(['/', '?', '&', '#']).count(), 4);
        }

        #[test]
        fn an_accepted_header_is_one_line(value in any::<String>()) {
            if let Ok(value) = header_value(&value, "token") {
                prop_assert!(value.is_ascii() && !value.contains(['\r', '\n', '\0']));
            }
        }
    }

    #[test]
    fn a_header_is_told_by_its_key_only() {
        for value in ["hunter2\r\nX: y", "hunter2\n", "hünter2", "\0hunter2"] {
            let error = header_value(value, "token").unwrap_err();
            assert!(error.starts_with("token: ") && !error.contains("unter2"), "{error}");
        }
        assert!(header_name("X-Name", "header").is_ok());
        assert!(header_name("X Name", "header").is_err() && header_name("", "header").is_err());
    }
}
