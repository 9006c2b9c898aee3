//! Why nothing came of a connection, in words with the mend. What the other side wrote is in none of them: it may be
//! what it was sent.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::Forbidden;

/// What is asked, for those who read what went wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub host: &'a str,
    /// Where a file of authorities is named.
    pub authorities: &'a str,
}

impl Asked<'_> {
    /// Why there is no answer, whatever of TCP, TLS and HTTP it was.
    pub fn why(self, error: &(dyn Error + 'static)) -> String {
        if let Some(error) = within::<TlsError>(error) {
            return self.tls(error);
        }
        if let Some(error) = within::<Forbidden>(error) {
            return error.to_string();
        }
        if let Some(error) = within::<io::Error>(error) {
            return self.io(error);
        }
        match within::<hyper::Error>(error) {
            Some(it) if it.is_incomplete_message() || it.is_canceled() || it.is_closed() => {
                "it hung up without an answer: look at what it logs".to_owned()
            }
            Some(it) if it.is_parse() => "it does not speak HTTP: look at its scheme and its port".to_owned(),
            _ => error.to_string(),
        }
    }

    fn io(self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                "nobody listens there: see whether it runs, and look at its host and port".to_owned()
            }
            io::ErrorKind::TimedOut => {
                "it cannot be reached: see whether it runs, and look at its host".to_owned()
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                "it hung up without an answer: look at its scheme and port, and at what it logs".to_owned()
            }
            // Names that are not found have no kind of their own.
            _ if error.raw_os_error().is_none() && error.to_string().contains("lookup address") => {
                self.unknown_name(error)
            }
            _ => error.to_string(),
        }
    }

    fn unknown_name(self, error: &io::Error) -> String {
        format!(
            "\"{}\" is not found: look at how it is written, and at the DNS of this machine ({error})",
            self.host
        )
    }

    fn tls(self, error: &TlsError) -> String {
        let Self { host, authorities } = self;
        match error {
            TlsError::InvalidCertificate(error) => self.certificate(error),
            TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
                "it wants a certificate of this client, which has none: have it take requests without one"
                    .to_owned()
            }
            TlsError::AlertReceived(AlertDescription::UnrecognisedName) => {
                format!("it does not serve \"{host}\" over TLS: look at its host")
            }
            TlsError::AlertReceived(
                AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
            ) => "it and this client share no way to speak TLS: have it speak TLS 1.2 or 1.3".to_owned(),
            TlsError::InvalidMessage(_) => {
                "what listens there does not speak TLS: write http:// if that is meant, or another port"
                    .to_owned()
            }
            other => format!("TLS failed: {other}: look at what it logs, and at {authorities}"),
        }
    }

    fn certificate(self, error: &CertificateError) -> String {
        let Self { host, authorities } = self;
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                "its certificate is not signed by anybody who is believed here: name a file with the certificate of who \
                 signed it with {authorities}"
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: renew it, or mend this machine's clock".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: mend this machine's clock, or that of the machine which made it"
                    .to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "its certificate is not for \"{host}\": write the host as the certificate does, or have one made that has \
                 \"{host}\" among its subjectAltName"
            ),
            CertificateError::Revoked => "its certificate was revoked: have a new one made".to_owned(),
            // The name is all that tells it apart.
            CertificateError::Other(it) if it.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is one of an authority: have one made for a server (basicConstraints=CA:FALSE)"
                    .to_owned()
            }
            _ => "its certificate cannot be accepted: have a usual one for servers made".to_owned(),
        }
    }
}

/// The first error of a kind in an error.
fn within<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // What an I/O error wraps is not among its causes, only what is behind that.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
