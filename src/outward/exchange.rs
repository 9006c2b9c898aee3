//! One request over one connection, which ends with its answer.

use std::{
    io,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri, body::Incoming, client::conn::http1::handshake,
    header::PROXY_AUTHORIZATION,
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::spawn_blocking,
};

use super::{
    Stream,
    address::Address,
    believing,
    dial::{dial, may_be_proxied},
    http::Failed,
    over_tls,
    proxy::Proxy,
    words::Asked,
};

/// No longer head of an answer is read from a proxy that leads on.
const HEAD: usize = 8 << 10;

/// How a request gets there.
pub(super) struct Way<'a> {
    pub proxy: Option<&'a Proxy>,
    pub from_label: bool,
    /// Whose certificates are believed.
    pub believed: Option<&'a Path>,
    /// What that is called where it is written.
    pub authorities: &'a str,
}

/// A request whose answer has begun.
pub(super) struct Opened {
    response: Response<Incoming>,
    connection: Fuse<BoxFuture<'static, ()>>,
}

impl Opened {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Reads what it says, as far as it comes and up to a limit.
    pub async fn read(&mut self, into: &mut Vec<u8>, limit: usize) {
        let Self { response, connection } = self;
        let all = async {
            while let Some(Ok(frame)) = response.body_mut().frame().await {
                let Ok(data) = frame.into_data() else { continue };
                let room = limit - into.len();
                into.extend_from_slice(&data[..data.len().min(room)]);
                if into.len() == limit {
                    return;
                }
            }
        };
        alongside(connection, all).await;
    }
}

/// Sends it and waits for the head of the answer.
pub(super) async fn open(
    to: &Address,
    way: &Way<'_>,
    mut request: Request<Full<Bytes>>,
) -> Result<Opened, Failed> {
    let asked = Asked { host: &to.host, authorities: way.authorities };
    let stream = connect(to, way).await?;
    // To a proxy that is to fetch it, the whole address is said.
    let by_proxy = way.proxy.filter(|_| !to.tls);
    let uri = by_proxy.map_or_else(|| to.path.clone(), |_| format!("{}{}", to.place(), to.path));
    *request.uri_mut() =
        Uri::try_from(uri).map_err(|_| Failed::for_good("its address cannot be asked for: mend it"))?;
    if let Some(authorization) = by_proxy.and_then(Proxy::authorization) {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    let why = |error: hyper::Error| match by_proxy {
        Some(proxy) => Failed::for_now(format!("{proxy}: {}", of_proxy(proxy, way).why(&error))),
        None => Failed::for_now(asked.why(&error)),
    };
    let opened = send(stream, request).await.map_err(why)?;
    match by_proxy {
        Some(proxy) if opened.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(unwelcome(proxy, 407))
        }
        _ => Ok(opened),
    }
}

async fn send(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> hyper::Result<Opened> {
    let (mut sender, connection) = handshake(TokioIo::new(Heard::new(stream))).await?;
    let mut connection = connection.map(drop).boxed().fuse();
    let response = alongside(&mut connection, sender.send_request(request)).await?;
    Ok(Opened { response, connection })
}

/// Waits while the connection is worked on. Where that ends first, what it had to say was read by then.
async fn alongside<T>(connection: &mut Fuse<BoxFuture<'static, ()>>, what: impl Future<Output = T>) -> T {
    let mut what = pin!(what);
    tokio::select! {
        it = &mut what => it,
        () = connection => what.await,
    }
}

async fn connect(to: &Address, way: &Way<'_>) -> Result<Box<dyn Stream>, Failed> {
    let asked = Asked { host: &to.host, authorities: way.authorities };
    let unreached = |error: io::Error| Failed {
        again: error.kind() != io::ErrorKind::PermissionDenied,
        reason: asked.why(&error),
    };
    // A file that cannot be read costs no connection.
    let config = if to.tls { Some(config(way).await?) } else { None };
    let stream = match way.proxy {
        None => Box::new(dial(&to.host, to.port, way.from_label).await.map_err(unreached)?),
        Some(proxy) => {
            if way.from_label {
                may_be_proxied(&to.host).await.map_err(unreached)?;
            }
            by(proxy, to, way).await?
        }
    };
    match config {
        Some(config) => over_tls(stream, &to.host, config).await.map_err(unreached),
        None => Ok(stream),
    }
}

/// Authorities are read anew for each connection: a file may be renewed, and what is not held takes no room.
async fn config(way: &Way<'_>) -> Result<Arc<ClientConfig>, Failed> {
    let file = way.believed.map(Path::to_owned);
    let read = spawn_blocking(move || believing(file.as_deref())).await;
    let named = way.authorities;
    let read = read.map_err(|error| Failed::for_now(format!("reading the certificates: {error}")))?;
    read.map(Arc::new).map_err(|error| Failed::for_now(format!("{error}: check {named}")))
}

// --- By a proxy -----------------------------------------------------------------------------------------------------

fn of_proxy<'a>(proxy: &'a Proxy, way: &Way<'a>) -> Asked<'a> {
    Asked { host: &proxy.address.host, authorities: way.authorities }
}

/// A connection to a proxy, or through it where there is to be TLS with who is behind it.
async fn by(proxy: &Proxy, to: &Address, way: &Way<'_>) -> Result<Box<dyn Stream>, Failed> {
    let Address { host, port, .. } = &proxy.address;
    let unreached =
        |error: io::Error| Failed::for_now(format!("{proxy}: {}", of_proxy(proxy, way).why(&error)));
    let mut stream: Box<dyn Stream> = Box::new(dial(host, *port, false).await.map_err(unreached)?);
    if proxy.address.tls {
        stream = over_tls(stream, host, config(way).await?).await.map_err(unreached)?;
    }
    if !to.tls {
        return Ok(stream);
    }
    match tunnel(&mut stream, proxy, to).await.map_err(unreached)? {
        200..300 => Ok(stream),
        status => Err(unwelcome(proxy, status)),
    }
}

fn unwelcome(proxy: &Proxy, status: u16) -> Failed {
    let mend = match status {
        407 => "write user and password into it, as http://user:password@proxy:3128",
        403 | 405 => "have it let this host and port through, or name the host in NO_PROXY",
        _ => "look at what it logs",
    };
    let again = matches!(status, 408 | 429 | 500..);
    Failed { reason: format!("{proxy} answers with status {status}: {mend}"), again }
}

/// Has a proxy lead through to an address; the answer is its status.
async fn tunnel(stream: &mut Box<dyn Stream>, proxy: &Proxy, to: &Address) -> io::Result<u16> {
    let place = to.host_and_port();
    let mut head = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n").into_bytes();
    if let Some(authorization) = proxy.authorization() {
        head.extend_from_slice(b"proxy-authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Whoever is behind it says nothing before he is spoken to: all of this is the proxy's.
        let over = answer.len() >= HEAD || stream.read_buf(&mut answer).await? == 0;
        if over || status(&answer).is_some_and(|it| !(200..300).contains(&it)) {
            break;
        }
    }
    status(&answer).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The status of an answer, as soon as it is there.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|it| *it == b'\n').next().filter(|it| it.len() < answer.len())?;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

// --- What is heard all the same -------------------------------------------------------------------------------------

/// A connection whose other side is heard to its end, also where it no longer listens: it may have said before why it
/// does not.
struct Heard {
    stream: Box<dyn Stream>,
    deaf: bool,
}

impl Heard {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, deaf: false }
    }

    fn told<T>(&mut self, written: Poll<io::Result<T>>, instead: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(_)) => {
                self.deaf = true;
                Poll::Ready(Ok(instead))
            }
            other => other,
        }
    }
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        what: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(what.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, what);
        self.told(written, what.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.told(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that has answered and hung up when it is first written to.
    #[derive(Default)]
    struct Gone {
        answer: Option<&'static [u8]>,
    }

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(answer) = &mut self.answer else {
                context.waker().wake_by_ref();
                return Poll::Pending;
            };
            into.put_slice(answer);
            *answer = b"";
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            self.answer = Some(b"HTTP/1.1 413 x\r\ncontent-length: 3\r\n\r\nbig");
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The order that real ones have only now and then.
    #[tokio::test]
    async fn an_answer_that_comes_after_the_pipe_broke_is_heard() {
        let request = Request::post("/").body(Full::new(Bytes::from("what is sent"))).unwrap();
        let mut opened = send(Box::new(Gone::default()), request).await.unwrap();
        assert_eq!(opened.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let mut body = Vec::new();
        opened.read(&mut body, 10).await;
        assert_eq!(body, b"big");
    }
}
