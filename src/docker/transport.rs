//! How a request gets to the Engine and its answer back: over a unix socket, over TCP, or over TLS.
//!
//! Each request has a connection of its own, which ends with its answer; so nothing is left over from an Engine that was
//! restarted.

use std::{io, path::Path, sync::Arc, time::Duration};

use bollard::{BollardRequest, errors::Error};
use hyper::{
    Method, Response, StatusCode,
    body::Incoming,
    client::conn::http1::handshake,
    header::{HOST, HeaderValue},
    http::uri::PathAndQuery,
};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{endpoints, error::Denied, tls::Tls};

/// How long it may take until the Engine's machine takes a connection and TLS is agreed on.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// After this long without a word on a connection the other machine is asked whether it is still there, then so often,
/// so many times: a command may be silent for hours, but a machine that is gone must not keep its run going.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 6);

/// The way to an Engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Way(Arc<Transport>);

#[derive(Debug)]
enum Transport {
    Unix(Box<Path>),
    Tcp {
        host: Box<str>,
        port: u16,
        /// Both as they were written, for the header: what stands before an Engine may go by it.
        written: HeaderValue,
        tls: Option<Tls>,
    },
}

impl Way {
    /// The way to the Engine at `host`; with `certificates` it is TLS, and never anything else.
    pub fn to(host: &str, certificates: Option<&Path>) -> Result<Self, String> {
        let no_address = || format!("{host} is no address of an Engine");
        let (scheme, address) = host.split_once("://").ok_or_else(no_address)?;
        let transport = match (scheme, certificates) {
            ("unix", None) => Transport::Unix(Path::new(address).into()),
            ("tcp" | "https", Some(_)) | ("tcp" | "http", None) => {
                let usual = match scheme {
                    "https" => 443,
                    "http" => 80,
                    _ if certificates.is_some() => 2376,
                    _ => 2375,
                };
                let (name, port) = host_and_port(address, usual);
                Transport::Tcp {
                    host: name.into(),
                    port: port.ok_or_else(no_address)?,
                    written: HeaderValue::from_str(address).map_err(|_| no_address())?,
                    tls: certificates.map(|directory| Tls::new(name, directory)).transpose()?,
                }
            }
            (_, Some(_)) => return Err(format!("there is no TLS to {host}")),
            (_, None) => return Err(no_address()),
        };
        Ok(Self(Arc::new(transport)))
    }

    /// Sends a request and waits for the beginning of its answer.
    pub async fn exchange(self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let path = request.uri().path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let (method, asked) = (request.method().clone(), path.path().to_owned());
        *request.uri_mut() = path.into();
        let host = match &*self.0 {
            Transport::Unix(_) => HeaderValue::from_static("docker"),
            Transport::Tcp { written, .. } => written.clone(),
        };
        request.headers_mut().insert(HOST, host);
        let answer = match &*self.0 {
            Transport::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| {
                    // The kernel's words alone would not say what is not there.
                    let place = path.display();
                    io::Error::new(error.kind(), format!("{place}: {error}"))
                })?;
                send(stream, request).await?
            }
            Transport::Tcp { host, port, tls: None, .. } => {
                send(connect(host, *port).await?, request).await?
            }
            Transport::Tcp { host, port, tls: Some(tls), .. } => {
                let secure = async { tls.over(connect(host, *port).await?).await };
                let stream = timeout(CONNECT_LIMIT, secure).await.map_err(|_| too_late())??;
                send(stream, request).await.map_err(|error| tls.told(error))?
            }
        };
        denied(&method, &asked, &answer).map_or(Ok(answer), Err)
    }
}

/// Host and port of an address; the port is `None` where what stands there is none.
fn host_and_port(address: &str, usual: u16) -> (&str, Option<u16>) {
    let (host, port) = match address.rsplit_once(':') {
        // What follows the last colon of a bare IPv6 address is no port.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (address, Some(usual)),
    };
    (host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host), port)
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let connected = timeout(CONNECT_LIMIT, TcpStream::connect((host, port))).await;
    let stream = connected.map_err(|_| too_late())??;
    stream.set_nodelay(true)?;
    let (idle, interval, probes) = KEEPALIVE;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, idle)?;
    sockopt::set_tcp_keepintvl(&stream, interval)?;
    sockopt::set_tcp_keepcnt(&stream, probes)?;
    Ok(stream)
}

fn too_late() -> io::Error {
    let words = format!("no connection within {} s", CONNECT_LIMIT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, words)
}

async fn send<S>(stream: S, request: BollardRequest) -> Result<Response<Incoming>, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the request and the answer that it carries, and whoever waits for those ends them"
    )]
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

/// The refusal of somebody who stands before the Engine. The Engine itself says in every answer which version its API
/// has; who does not is not the Engine.
fn denied(method: &Method, path: &str, answer: &Response<Incoming>) -> Option<Error> {
    let refused = matches!(answer.status(), StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED);
    if !refused || answer.headers().contains_key("api-version") {
        return None;
    }
    let endpoint = endpoints::known(method.as_str(), path)
        .map_or_else(|| format!("{method} {path}"), |it| format!("{} {}", it.method, it.path));
    Some(io::Error::other(Denied { status: answer.status().as_u16(), endpoint }).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_usual_port_unless_it_says_another() {
        for (address, host, port) in [
            ("engine", "engine", Some(2376)),
            ("engine:1", "engine", Some(1)),
            ("10.0.0.1:99999", "10.0.0.1", None),
            ("[::1]", "::1", Some(2376)),
            ("[fe80::2]:7", "fe80::2", Some(7)),
        ] {
            assert_eq!(host_and_port(address, 2376), (host, port), "{address}");
        }
    }

    #[test]
    fn where_tls_is_asked_for_there_is_no_other_way() {
        let directory = Some(Path::new("/nowhere"));
        for host in ["unix:///run/docker.sock", "http://engine:2375", "tcp://engine:2376", "https://engine"] {
            assert!(Way::to(host, directory).is_err(), "{host}");
        }
        for host in ["https://engine", "ssh://engine", "engine:2375", "tcp://engine:x"] {
            assert!(Way::to(host, None).is_err(), "{host}");
        }
    }
}
