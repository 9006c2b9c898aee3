//! TLS to those who ask: the certificate and its key, read again when they change. What cannot be used leaves it at what
//! there was.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    settings::access::TlsFiles,
};

/// Inode, length and time of the last change of each file.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

/// What is shown to those who ask.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: Mutex<(Stamp, Arc<ServerConfig>)>,
}

impl Certificate {
    /// As the files have it. Reads them, so it is nothing for a thread that others need.
    pub fn read(files: &TlsFiles) -> Result<Self, Diagnostic> {
        // Looked at first: what changes while it is read is then seen as a change.
        let stamp = stamp(files);
        let config =
            read(files).map_err(|reason| wrong(&reason, "nobody answers over TCP until they are right"))?;
        Ok(Self { files: files.clone(), current: Mutex::new((stamp, Arc::new(config))) })
    }

    /// Looks at the files, and reads them if they are others. The answer is whether they were read, or why what there
    /// was goes on.
    pub fn look(&self) -> Result<bool, Diagnostic> {
        let now = stamp(&self.files);
        if self.lock().0 == now {
            return Ok(false);
        }
        let config =
            read(&self.files).map_err(|reason| wrong(&reason, "the one that was read before goes on"))?;
        *self.lock() = (now, Arc::new(config));
        Ok(true)
    }

    /// Agrees on TLS with the next who asks.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.lock().1.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Stamp, Arc<ServerConfig>)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrong(reason: &str, meanwhile: &str) -> Diagnostic {
    Diagnostic::error(
        Origin::Place("setting tls-cert".into()),
        format!("{reason}; {meanwhile}, and jobs run"),
    )
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let facts = fs::metadata(path).ok()?;
        Some((facts.ino(), facts.len(), facts.ctime(), facts.ctime_nsec()))
    })
}

fn read(files: &TlsFiles) -> Result<ServerConfig, String> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| {
        let path = files.key.display();
        format!(
            "tls-key {path}: it is not there, cannot be read, or is no private key in PEM without a password"
        )
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(|error| {
        format!("tls-cert {}: it does not go together with tls-key: {error}", files.certificate.display())
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let pem = fs::read(path).map_err(|error| format!("tls-cert {shown}: it cannot be read: {error}"))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("tls-cert {shown}: it holds no certificate in PEM")),
    }
}
