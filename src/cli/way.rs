//! The way to an agent: its socket, or an address with a token.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hyper::Uri;
use rustls::{CertificateError, ClientConfig, Error as TlsError};
use tokio::{net::UnixStream, time::timeout};

use crate::{
    http::socket,
    outward::{self, NoAuthority, Stream},
};

/// How long it may take until the other side agrees to talk.
const LIMIT: Duration = Duration::from_secs(10);

/// Where an agent is asked.
#[derive(Debug)]
pub enum Way {
    /// By the socket in this state directory.
    Socket(PathBuf),
    /// Over TCP.
    Address(Box<Address>),
    /// What was typed leads nowhere.
    Nowhere(String),
}

/// An agent's address.
pub struct Address {
    host: String,
    port: u16,
    authority: String,
    /// What comes before each path.
    prefix: String,
    token: Option<String>,
    /// Who may have signed its certificate; without TLS none is asked for.
    tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Way {
    /// To this address, with this token, which is only shown to who has a certificate of one of these authorities where
    /// the address is one of TLS.
    pub fn to(url: &str, token: Option<String>, authorities: Option<&Path>) -> Self {
        match address(url, token, authorities) {
            Ok(address) => Self::Address(Box::new(address)),
            Err(reason) => Self::Nowhere(reason),
        }
    }

    /// The place, for those who read what went wrong.
    pub fn place(&self) -> String {
        match self {
            Self::Socket(state_dir) => socket::path(state_dir).display().to_string(),
            Self::Address(it) => {
                format!("{}://{}", if it.tls.is_some() { "https" } else { "http" }, it.authority)
            }
            Self::Nowhere(_) => "the address".to_owned(),
        }
    }

    /// Why nobody answers, and what to look at.
    pub fn unanswered(&self, error: &(dyn Error + 'static)) -> String {
        let told = match self {
            Self::Address(it) => misunderstanding(error, &it.authority, it.tls.is_some()),
            Self::Socket(_) | Self::Nowhere(_) => None,
        };
        let advice = match self {
            Self::Socket(_) => "is it running with this --state-dir?",
            Self::Address(_) | Self::Nowhere(_) => "does its setting listen name this address?",
        };
        let why = told.unwrap_or_else(|| format!("{error}; {advice}"));
        format!("no agent answers at {}: {why}", self.place())
    }

    /// The name by which the agent is asked, what comes before each path, and the token.
    pub fn says(&self) -> (&str, &str, Option<&str>) {
        match self {
            Self::Address(it) => (&it.authority, &it.prefix, it.token.as_deref()),
            Self::Socket(_) | Self::Nowhere(_) => ("agent", "", None),
        }
    }

    /// Begins to talk.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let connect = async {
            let to = match self {
                Self::Socket(state_dir) => {
                    return Ok(
                        Box::new(UnixStream::connect(socket::path(state_dir)).await?) as Box<dyn Stream>
                    );
                }
                Self::Address(it) => it,
                Self::Nowhere(reason) => return Err(io::Error::other(reason.clone())),
            };
            outward::connect(&to.host, to.port, to.tls.clone()).await
        };
        timeout(LIMIT, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn address(url: &str, token: Option<String>, authorities: Option<&Path>) -> Result<Address, String> {
    // A password may stand in it, so no reason repeats it.
    let wrong = || {
        "--url is no address of an agent: write http://127.0.0.1:8080 or https://cron.example.org".to_owned()
    };
    let url: Uri = url.parse().map_err(|_| wrong())?;
    let (usual, tls) = match url.scheme_str() {
        Some("http") => (80, false),
        Some("https") => (443, true),
        _ => return Err(wrong()),
    };
    let authority = url.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let tls = if tls { Some(Arc::new(believing(authorities)?)) } else { None };
    Ok(Address {
        host,
        port: authority.port_u16().unwrap_or(usual),
        authority: authority.to_string(),
        prefix: url.path().trim_end_matches('/').to_owned(),
        token,
        tls,
    })
}

/// What somebody does answer there, and how he is asked instead.
fn misunderstanding(error: &(dyn Error + 'static), authority: &str, tls: bool) -> Option<String> {
    let in_clear = format!("it answers, and not in HTTP: if it speaks TLS there, ask https://{authority}");
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return (!tls && (error.is_parse() || error.is_incomplete_message())).then_some(in_clear);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    Some(match wrapped.and_then(|it| it.downcast_ref::<TlsError>())? {
        TlsError::InvalidMessage(_) => {
            format!("it answers, and not in TLS: if it is meant to, ask http://{authority}")
        }
        TlsError::InvalidCertificate(why) => match why {
            why if outward::is_about_its_signer(why) || *why == CertificateError::BadSignature => {
                "nobody who is believed signed its certificate: name a file with who did, or with the certificate \
                 itself, with --tls-ca"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: renew it there, or mend this machine's clock".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: mend the clock of this machine or of that one which made it"
                    .to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name: ask by a name that it has among its subjectAltName".to_owned()
            }
            other => format!("its certificate cannot be accepted: {other}"),
        },
        other => format!("TLS failed: {other}"),
    })
}

/// Those of a file, or else those of this machine.
fn believing(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    outward::believing(authorities).map_err(|NoAuthority(reason)| {
        format!(
            "--tls-ca {reason}: name a file in PEM with who signed the agent's certificate, or with it itself"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_port_and_what_comes_before_each_path() {
        for (url, host, port, authority, prefix) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080", ""),
            ("http://cron/", "cron", 80, "cron", ""),
            ("http://[::1]:1/a/b/", "::1", 1, "[::1]:1", "/a/b"),
        ] {
            let it = address(url, Some("hunter2".into()), None).unwrap();
            let read = (&*it.host, it.port, &*it.authority, &*it.prefix);
            assert_eq!(read, (host, port, authority, prefix));
            assert!(!format!("{it:?}").contains("hunter2"));
        }
        for wrong in ["cron:8080", "ftp://cron", "http://", "http://user:hunter2@cron", "/x", ""] {
            assert!(address(wrong, None, None).is_err_and(|it| !it.contains("hunter2")), "{wrong}");
        }
        let none = address("https://cron", None, Some(Path::new("/nowhere.pem")));
        assert!(none.is_err_and(|it| it.contains("--tls-ca /nowhere.pem")));
    }
}
