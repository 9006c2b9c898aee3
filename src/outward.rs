//! Connections to others than the Engine, over TLS where their address says so. `given` is who is believed then.

mod given;

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use given::Given;
pub use given::is_about_its_signer;

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why nobody's certificate would be believed.
#[derive(Debug, thiserror::Error)]
pub enum NoAuthority {
    /// A file cannot be read.
    #[error("{0}")]
    Unread(String),
    /// There is none.
    #[error("nobody is known here who signs certificates")]
    None,
}

/// Connects, over TLS where there is something to believe.
pub async fn connect(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((host, port)).await?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(tls).connect(name, stream).await?))
}

/// Believes the authorities of a file, and who shows one of its certificates; or else the authorities of this machine.
pub fn believing(authorities: Option<&Path>) -> Result<ClientConfig, NoAuthority> {
    let unread = |error: &dyn ToString| NoAuthority::Unread(error.to_string());
    let found: Vec<CertificateDer<'static>> = match authorities {
        Some(path) => {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            read.map_err(|error| unread(&format!("{}: it cannot be read: {error}", path.display())))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found.iter().cloned());
    if known == 0 {
        return Err(match authorities {
            Some(path) => unread(&format!("{}: it holds no certificate in PEM", path.display())),
            None => NoAuthority::None,
        });
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
