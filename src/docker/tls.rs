//! TLS to the Engine: both sides show a certificate, and every reason why they do not agree is told with its mend.

use std::{
    error::Error as StdError,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bollard::errors::Error;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::error::innermost;

/// The files of a directory of certificates, called as the docker command calls them: who signs the Engine's, and our
/// own with its key.
const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// What is needed to talk TLS with one Engine.
#[derive(Debug)]
pub struct Tls {
    name: ServerName<'static>,
    directory: PathBuf,
    current: Mutex<Current>,
}

/// What was read last, and what the files looked like then.
#[derive(Debug)]
struct Current {
    stamp: Stamp,
    config: Arc<ClientConfig>,
    /// Whether we have a certificate to show.
    shown: bool,
}

/// Inode, length and time of the last change of each file.
type Stamp = [Option<(u64, u64, i64, i64)>; 3];

impl Tls {
    /// TLS to the Engine called `host`, with the certificates in `directory`.
    pub fn new(host: &str, directory: &Path) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("\"{host}\" is no name that a certificate could have"))?;
        let current = read(directory)?;
        Ok(Self { name, directory: directory.to_owned(), current: Mutex::new(current) })
    }

    /// Agrees on TLS over a connection.
    pub async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(self.config());
        connector.connect(self.name.clone(), stream).await.map_err(|error| {
            let told = tls_error(&error).map(|it| self.words(it));
            told.map_or(error, io::Error::other)
        })
    }

    /// What went wrong after both had agreed: with the newest TLS the Engine says only then that it does not know us.
    pub fn told(&self, error: Error) -> Error {
        if let Some(words) = tls_error(&error).map(|it| self.words(it)) {
            return io::Error::other(words).into();
        }
        // It may have hung up before its reason was read.
        if self.shown() {
            error
        } else {
            io::Error::other(format!("{}; {}", innermost(&error), self.no_one())).into()
        }
    }

    /// As the files are now: a certificate that was renewed is taken without a restart. Files that do not fit each other,
    /// as while they are being replaced, leave it at what there was.
    fn config(&self) -> Arc<ClientConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp(&self.directory) != current.stamp
            && let Ok(newer) = read(&self.directory)
        {
            *current = newer;
        }
        current.config.clone()
    }

    fn shown(&self) -> bool {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).shown
    }

    fn no_one(&self) -> String {
        format!(
            "the Engine may want a certificate of this client: put cert.pem and key.pem into {}",
            self.directory.display()
        )
    }

    fn words(&self, error: &TlsError) -> String {
        let directory = self.directory.display();
        let name = self.name.to_str();
        match error {
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                format!(
                    "the Engine's certificate is not signed by an authority in {directory}/ca.pem: put the one there \
                     that signed it"
                )
            }
            TlsError::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => "the Engine's certificate has expired: renew it, or mend this machine's clock".to_owned(),
            TlsError::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => "the Engine's certificate is not valid yet: mend the clock of this machine or of that one which \
                  made it"
                .to_owned(),
            TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => format!(
                "the Engine's certificate is not for \"{name}\": name the Engine as its certificate does, or make one \
                 that has \"{name}\" among its subjectAltName"
            ),
            TlsError::InvalidCertificate(other) => {
                format!("the Engine's certificate cannot be accepted: {other}")
            }
            TlsError::AlertReceived(AlertDescription::CertificateRequired) => self.no_one(),
            TlsError::AlertReceived(_) if !self.shown() => self.no_one(),
            TlsError::AlertReceived(alert) => format!(
                "the Engine does not accept this client ({alert:?}): {directory}/cert.pem must be valid and signed by \
                 the authority that the Engine knows"
            ),
            TlsError::InvalidMessage(_) => {
                "what listens there does not speak TLS: look at the port, or have the Engine do it".to_owned()
            }
            other => format!("TLS failed: {other}"),
        }
    }
}

fn stamp(directory: &Path) -> Stamp {
    FILES.map(|name| {
        let facts = fs::metadata(directory.join(name)).ok()?;
        Some((facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec()))
    })
}

fn read(directory: &Path) -> Result<Current, String> {
    // Looked at first: what changes while it is read is then seen as a change.
    let stamp = stamp(directory);
    let [authority, certificate, key] = FILES.map(|name| directory.join(name));
    let wrong = |path: &Path, reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let mut roots = RootCertStore::empty();
    for it in certificates(&authority)? {
        roots.add(it).map_err(|error| wrong(&authority, &error))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let shown = stamp[1].is_some() || stamp[2].is_some();
    let config = if shown {
        let chain = certificates(&certificate)?;
        let private = PrivateKeyDer::from_pem_file(&key).map_err(|_| {
            wrong(&key, &"it is not there, cannot be read, or is no private key in PEM without a password")
        })?;
        builder
            .with_client_auth_cert(chain, private)
            .map_err(|error| wrong(&certificate, &format!("it does not go together with key.pem: {error}")))?
    } else {
        builder.with_no_client_auth()
    };
    Ok(Current { stamp, config: Arc::new(config), shown })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let pem = fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("{shown}: it holds no certificate in PEM")),
    }
}

/// What TLS says went wrong, wherever in an error it is.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TlsError>() {
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
