//! Connections to others than the Engine, over TLS where their address says so, and the requests that go over them. `given` is
//! who is believed then.

mod address;
mod dial;
mod exchange;
mod given;
pub mod http;
mod proxy;
mod words;

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

pub use address::decoded;
pub use dial::{Forbidden, dial};
pub use given::is_about_its_signer;

use address::bare;
use given::Given;

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why nobody's certificate would be believed: a file cannot be read, or holds none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAuthority(pub String);

/// Connects, over TLS where there is something to believe.
pub async fn connect(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<Box<dyn Stream>> {
    let stream = dial(host, port, false).await?;
    match tls {
        Some(tls) => over_tls(stream, host, tls).await,
        None => Ok(Box::new(stream)),
    }
}

/// Agrees on TLS over a connection to `host`, whose certificate has to be for that name.
pub async fn over_tls(
    stream: impl Stream + 'static,
    host: &str,
    config: Arc<ClientConfig>,
) -> io::Result<Box<dyn Stream>> {
    let name = ServerName::try_from(bare(host).to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
}

/// Believes the authorities of a file, and who shows one of its certificates; or else the authorities of this machine, and
/// where it has none, those that Mozilla believes, as they were when the agent was built.
pub fn believing(authorities: Option<&Path>) -> Result<ClientConfig, NoAuthority> {
    let unread = |error: &dyn ToString| NoAuthority(error.to_string());
    let found: Vec<CertificateDer<'static>> = match authorities {
        Some(path) => {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            read.map_err(|error| unread(&format!("{}: it cannot be read: {error}", path.display())))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found.iter().cloned());
    match authorities {
        Some(path) if known == 0 => {
            return Err(unread(&format!("{}: it holds no certificate in PEM", path.display())));
        }
        // An image of nothing but the agent has none of its own.
        None if known == 0 => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        _ => {}
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unread(&error))?;
    if authorities.is_none() {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let given = Given::new(found, roots);
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(given)).with_no_client_auth())
}

#[cfg(test)]
mod tests;
