//! What stands before a real Engine: a listener that hands each connection on to the Engine's socket, over TLS or only
//! if a list allows its request.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, UnixListener, UnixStream},
    runtime::{Builder, Runtime},
};
use tokio_rustls::TlsAcceptor;
use watchbell::docker::endpoints::Allowed;

use super::certificates::{Authority, Certified};

/// Stands there until it is dropped; then every connection through it is cut.
pub struct Front {
    runtime: Option<Runtime>,
    denied: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Over TLS as `server`, for clients that `clients` has certified, at `address`; the answer has the true one.
    pub fn tls(address: &str, server: &Certified, clients: &Authority, engine: &str) -> (Self, SocketAddr) {
        let listener = StdTcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let acceptor = acceptor(server, clients);
        let (front, engine) = (Self::new(), PathBuf::from(engine));
        front.spawn(async move {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                let (acceptor, engine) = (acceptor.clone(), engine.clone());
                tokio::spawn(async move { hand_on(acceptor.accept(stream).await?, &engine).await });
            }
        });
        (front, address)
    }

    /// At the unix socket `path`, for what a list allows.
    pub fn filter(path: &Path, allowed: &[Allowed], engine: &str) -> Self {
        let _ = fs::remove_file(path);
        let listener = std::os::unix::net::UnixListener::bind(path).expect("the test's own directory");
        let allowed: Vec<(String, Vec<String>)> = allowed
            .iter()
            .map(|it| (it.method.to_owned(), it.path.split('/').map(str::to_owned).collect()))
            .collect();
        let (front, engine) = (Self::new(), PathBuf::from(engine));
        let denied = front.denied.clone();
        front.spawn(async move {
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                let (allowed, engine, denied) = (allowed.clone(), engine.clone(), denied.clone());
                tokio::spawn(async move { filtered(stream, &allowed, &engine, &denied).await });
            }
        });
        front
    }

    /// What was not let through: `METHOD /path`.
    pub fn denied(&self) -> Vec<String> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { runtime: Some(runtime.expect("a runtime")), denied: Arc::default() }
    }

    fn spawn(&self, serve: impl Future<Output = io::Result<()>> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(serve);
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        }
    }
}

fn acceptor(server: &Certified, clients: &Authority) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(clients.pem().as_bytes()).expect("it was just made");
    roots.add(authority).expect("it was just made");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let chain = CertificateDer::from_pem_slice(server.certificate.as_bytes()).expect("it was just made");
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).expect("it was just made");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the usual ones")
        .with_client_cert_verifier(verifier.expect("there is an authority"))
        .with_single_cert(vec![chain], key)
        .expect("they belong together");
    TlsAcceptor::from(Arc::new(config))
}

async fn hand_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, engine: &Path) -> io::Result<()> {
    let mut engine = UnixStream::connect(engine).await?;
    copy_bidirectional(&mut stream, &mut engine).await.map(drop)
}

/// The agent makes a connection for each request, so looking at the first line of each is enough.
async fn filtered(
    mut stream: UnixStream,
    allowed: &[(String, Vec<String>)],
    engine: &Path,
    denied: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.contains(&b'\n') {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let line = String::from_utf8_lossy(&head);
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let fits = |(known, parts): &(String, Vec<String>)| {
        let asked: Vec<&str> = path.split('/').collect();
        known == method
            && asked.len() == parts.len()
            && parts.iter().zip(asked).all(|(part, it)| part == it || part.starts_with('{'))
    };
    if !allowed.iter().any(fits) {
        denied.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        // As a proxy does: with no word of an Engine.
        let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\nConnection: close\r\n\r\nForbidden\n";
        stream.write_all(answer).await?;
        return stream.shutdown().await;
    }
    let mut engine = UnixStream::connect(engine).await?;
    engine.write_all(&head).await?;
    copy_bidirectional(&mut stream, &mut engine).await.map(drop)
}
