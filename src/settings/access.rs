//! Where the agent is asked over the network, and by whom: what its settings say of that.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::{path::PathBuf, time::Duration};

use crate::model::{diagnostic::Diagnostic, origin::Origin};

use super::ini::RawCaller;
pub use super::{
    callers::{CallerSection, Role, Token, User, own_token_name, token},
    network::{Network, networks},
};

/// Where it listens if nobody says so.
pub const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The files with which it speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead to whom others believe.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What the settings say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Where it listens, beside its socket.
    pub listen: Option<SocketAddr>,
    /// Whether it speaks TLS there.
    pub tls: Option<TlsFiles>,
    /// Whether it does so on an address of the network although nobody has to say who he is.
    pub insecure_no_auth: bool,
    /// Whether who asks for health and metrics has to say who he is.
    pub metrics_auth: bool,
    /// Who is let in by a token: those of the settings, then those of the file.
    pub tokens: Vec<Token>,
    /// Who is let in by a password.
    pub users: Vec<User>,
    /// How long he is then.
    pub session_lifetime: Duration,
    /// Who says for whom he asks.
    pub trusted_proxies: Vec<Network>,
    /// How it is called from outside.
    pub public_url: Option<PublicUrl>,
    /// The names by which it may be asked besides.
    pub allowed_hosts: Vec<String>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            listen: Some(USUAL),
            tls: None,
            insecure_no_auth: false,
            metrics_auth: false,
            tokens: Vec::new(),
            users: Vec::new(),
            session_lifetime: Duration::from_secs(7 * 24 * 3600),
            trusted_proxies: Vec::new(),
            public_url: None,
            allowed_hosts: Vec::new(),
        }
    }
}

impl Access {
    /// Whether who asks has to say who he is.
    pub fn asks_who(&self) -> bool {
        !(self.tokens.is_empty() && self.users.is_empty())
    }

    /// What whoever asks may, where nobody has to say who he is. Who makes jobs is root on the machine, and whoever can
    /// reach an address of it need not be: without the operator's word he may no more than with what is there.
    pub fn role_of_anyone(&self) -> Role {
        if self.insecure_no_auth { Role::Admin } else { Role::Operator }
    }

    /// The token of the settings for a role.
    pub fn own_token(&self, role: Role) -> Option<&Token> {
        self.tokens.iter().find(|it| !it.is_section() && it.name == own_token_name(role))
    }

    /// Those whom the files let in.
    pub fn sections(&self) -> Vec<CallerSection> {
        super::callers::sections(&self.tokens, &self.users)
    }

    /// Takes in those whom the files let in, and says what is wrong with them.
    pub fn take(&mut self, callers: &[RawCaller]) -> Vec<Diagnostic> {
        let (tokens, users, diagnostics) = super::callers::read(callers);
        self.tokens.extend(tokens);
        self.users.extend(users);
        diagnostics
    }

    /// Why it does not listen where it should: anyone there could have jobs run.
    pub fn refused(&self) -> Option<Diagnostic> {
        let safe = |it: &SocketAddr| it.ip().is_loopback() || self.asks_who() || self.insecure_no_auth;
        let address = self.listen.filter(|it| !safe(it))?;
        let reason = format!(
            "the agent does not listen on {address}: whoever reaches it could have jobs run, and nobody would have to \
             say who he is; set a token (admin-token-file) or a [user \"name\"], write listen = 127.0.0.1:{}, or insecure-no-auth = true \
             where a network keeps all others out; jobs run",
            address.port()
        );
        Some(Diagnostic::error(Origin::Place("setting listen".into()), reason))
    }

    /// Whether it may be asked by this name: not by one that somebody has only just let point here, whose pages could
    /// then ask as if they were ours. An address is no such name.
    pub fn is_called(&self, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let host = rooted(host).to_ascii_lowercase();
        host.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || self.public_url.as_ref().is_some_and(|it| rooted(name(&it.authority)) == host)
            || self.allowed_hosts.contains(&host)
    }
}

/// `http://` or `https://`, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// As it was written.
    pub text: String,
    /// Host, and port where one was written, in lower case.
    pub authority: String,
}

impl PublicUrl {
    /// Whether nobody can read along on the way there.
    pub fn is_secure(&self) -> bool {
        self.text.starts_with("https://")
    }
}

/// A name without the dot at its end, with which it is the same.
fn rooted(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The name before the port.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// Reads `listen`.
pub fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = local.as_deref().unwrap_or(text).parse();
    address.map(Some).map_err(|_| {
        format!("\"{text}\" is no address with a port: write 127.0.0.1:8080, 0.0.0.0:8080, [::]:8080 or none")
    })
}

/// Reads `tls-cert` and `tls-key`.
pub fn tls_file(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        "" => Err("the path is empty: write one, or none".to_owned()),
        it if it.eq_ignore_ascii_case("none") => Ok(None),
        it => Ok(Some(it.into())),
    }
}

/// Reads `public-url`.
pub fn public_url(text: &str) -> Result<Option<PublicUrl>, String> {
    if text.is_empty() || text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    // A password may stand in it, so no reason repeats it.
    let wrong = "it is no address of a server: write https://cron.example.org, without user and password";
    let (scheme, rest) = text.split_once("://").ok_or(wrong)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let host = name(&authority);
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_host = bare.map_or_else(|| is_host(host), |it| it.parse::<IpAddr>().is_ok());
    if !matches!(scheme, "http" | "https") || !is_host {
        return Err(wrong.to_owned());
    }
    Ok(Some(PublicUrl { text: text.to_owned(), authority }))
}

/// Reads `allowed-hosts`.
pub fn hosts(text: &str) -> Result<Vec<String>, String> {
    let words = text.split([',', ' ', '\n']).map(str::trim);
    words
        .filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("none"))
        .map(|word| match word.to_ascii_lowercase() {
            host if is_host(&host) => Ok(rooted(&host).to_owned()),
            _ => Err(format!(
                "\"{word}\" is no host's name: write it without scheme and port, such as watchbell"
            )),
        })
        .collect()
}

/// Whether it is a host, and behind a colon, if there is one, a port.
pub(super) fn is_authority(text: &str) -> bool {
    let host = name(text);
    let port = text[host.len()..].strip_prefix(':');
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    bare.map_or_else(|| is_host(host), |it| it.parse::<IpAddr>().is_ok())
        && port.is_none_or(|it| it.parse::<u16>().is_ok_and(|it| it > 0))
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_".contains(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_this_machine_or_where_the_operator_says_that_it_is_safe() {
        for (text, insecure, refused) in [
            ("127.0.0.1:8080", false, false),
            ("localhost:80", false, false),
            ("[::1]:8080", false, false),
            ("127.9.9.9:1", false, false),
            ("none", false, false),
            ("", false, false),
            ("0.0.0.0:8080", false, true),
            ("[::]:8080", false, true),
            ("192.168.1.2:8080", false, true),
            ("0.0.0.0:8080", true, false),
        ] {
            let access =
                Access { listen: listen(text).unwrap(), insecure_no_auth: insecure, ..Access::default() };
            assert_eq!(access.refused().is_some(), refused, "{text}");
        }
        for wrong in ["8080", ":8080", "example.org:80", "127.0.0.1", "127.0.0.1:99999", "tcp://127.0.0.1:1"]
        {
            assert!(listen(wrong).is_err_and(|it| it.contains("write 127.0.0.1:8080")), "{wrong}");
        }
    }

    #[test]
    fn it_is_asked_by_address_or_by_a_name_of_its_own() {
        let access = Access {
            public_url: public_url("https://Cron.example.org:8443/x").unwrap(),
            allowed_hosts: hosts("watchbell, OTHER.example\nthird").unwrap(),
            ..Access::default()
        };
        for host in [
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "[::1]",
            "10.1.2.3",
            "cron.example.org",
            "watchbell",
            "other.example",
        ] {
            assert!(access.is_called(host), "{host}");
        }
        for host in
            ["", "evil.example", "example.org", "a.watchbell", "127.0.0.1.evil.example", "localhost.evil"]
        {
            assert!(!access.is_called(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_url_and_no_name_is_told_without_repeating_a_password() {
        for wrong in
            ["cron", "ftp://cron", "https://user:hunter2@cron", "https://", "https://a b", "http://[x]"]
        {
            assert!(public_url(wrong).is_err_and(|it| !it.contains("hunter2")), "{wrong}");
        }
        assert_eq!(public_url("http://[::1]:8080").unwrap().unwrap().authority, "[::1]:8080");
        for wrong in ["http://a", "a:80", "*", "-a"] {
            assert!(hosts(wrong).is_err(), "{wrong}");
        }
    }
}
