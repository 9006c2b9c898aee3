//! What stands before a real Engine: a listener that hands each connection on to the Engine's socket, over TLS or only
//! if a list allows its request.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use regex::Regex;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional, sink},
    net::{TcpListener, UnixListener, UnixStream},
    runtime::{Builder, Runtime},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Certified};

/// What ends a head.
const END: &str = "\r\n\r\n";

/// A method, and the paths that are let through with it.
type Rule = (String, Regex);

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
            let mut tasks = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await?;
                let (acceptor, engine) = (acceptor.clone(), engine.clone());
                tasks.spawn(async move { hand_on(acceptor.accept(stream).await?, &engine).await });
            }
        });
        (front, address)
    }

    /// At the unix socket `path`, for what a list allows: methods, each with a regular expression for the whole path.
    pub fn filter<M: AsRef<str>, P: AsRef<str>>(
        path: &Path,
        allowed: impl IntoIterator<Item = (M, P)>,
        engine: &str,
    ) -> Self {
        let _ = fs::remove_file(path);
        let listener = std::os::unix::net::UnixListener::bind(path).expect("the test's own directory");
        let rule = |(method, pattern): (M, P)| {
            let pattern = Regex::new(&format!("^(?:{})$", pattern.as_ref())).expect("a regular expression");
            (method.as_ref().to_owned(), pattern)
        };
        let allowed: Arc<[Rule]> = allowed.into_iter().map(rule).collect();
        let (front, engine) = (Self::new(), PathBuf::from(engine));
        let denied = front.denied.clone();
        front.spawn(async move {
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            let mut tasks = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await?;
                let (allowed, engine, denied) = (allowed.clone(), engine.clone(), denied.clone());
                tasks.spawn(async move { filtered(stream, &allowed, &engine, &denied).await });
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

/// Looks at the one request of a connection. Who would send more has to make another connection: the answer to the first
/// one ends this one, and whatever goes over it until then belongs to that request.
async fn filtered(
    mut stream: UnixStream,
    allowed: &[Rule],
    engine: &Path,
    denied: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let (head, rest) = read_head(&mut stream).await?;
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    if !allowed.iter().any(|(known, pattern)| known == method && pattern.is_match(path)) {
        denied.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        // As a proxy does: with no word of an Engine.
        let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\nConnection: close\r\n\r\nForbidden\n";
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        // Who is still sending would hear of a broken connection instead.
        return copy(&mut stream, &mut sink()).await.map(drop);
    }
    let upgrade = has(&head, "upgrade");
    let request = if upgrade { format!("{head}{END}") } else { alone(&head) };
    let (mut asks, mut hears) = stream.into_split();
    let (mut answers, mut is_asked) = UnixStream::connect(engine).await?.into_split();
    let there = async {
        is_asked.write_all(request.as_bytes()).await?;
        is_asked.write_all(&rest).await?;
        copy(&mut asks, &mut is_asked).await?;
        is_asked.shutdown().await
    };
    let back = async {
        if upgrade {
            let (head, rest) = read_head(&mut answers).await?;
            let head = String::from_utf8_lossy(&head);
            // Who is refused may not send more; who is not has the connection for himself.
            let taken = head.split_whitespace().nth(1).is_some_and(|it| ["101", "200"].contains(&it));
            let answer = if taken { format!("{head}{END}") } else { alone(&head) };
            hears.write_all(answer.as_bytes()).await?;
            hears.write_all(&rest).await?;
        }
        copy(&mut answers, &mut hears).await?;
        hears.shutdown().await
    };
    tokio::try_join!(there, back).map(drop)
}

/// The head of what comes, without its end, and what came after it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(at) = read.windows(END.len()).position(|it| it == END.as_bytes()) {
            let rest = read.split_off(at + END.len());
            read.truncate(at);
            return Ok((read, rest));
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn named(line: &str, name: &str) -> bool {
    line.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case(name))
}

fn has(head: &str, name: &str) -> bool {
    head.lines().any(|line| named(line, name))
}

/// The head of a request or an answer after which the connection is closed.
fn alone(head: &str) -> String {
    let kept: Vec<&str> = head.lines().filter(|line| !named(line, "connection")).collect();
    format!("{}\r\nConnection: close{END}", kept.join("\r\n"))
}

#[test]
fn a_request_is_the_only_one_of_its_connection() {
    let plain = alone("GET /version HTTP/1.1\r\nHost: x\r\nconnection: keep-alive");
    assert_eq!(plain, "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(has("POST /grpc HTTP/1.1\r\nupgrade: h2c", "upgrade") && !has(&plain, "upgrade"));
}
