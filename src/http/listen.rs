//! Answers over TCP, where the settings say, for as long as they say so. Nothing that anyone sends, or does not send,
//! takes more than its share: how many connections there are, how long a header may be and take, and how long an answer
//! may lie untaken has its bound, and all of it runs beside the jobs.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, middleware::from_fn_with_state};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinError, JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    settings::{access::TlsFiles, resolve::Sources},
    telemetry::report,
};

use super::{
    guard::{Guard, guard},
    opened::{self, Told, tell_obstacle},
    peer::Peer,
    shares::{Refused, Shares},
    tls::Certificate,
};

/// How long the head of a request may take to come; also how long a connection may be idle.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How long what is sent may lie untaken, in milliseconds.
const TAKE_LIMIT: u32 = 30_000;

/// How long the head of a request may be.
const HEAD_SIZE: usize = 16 << 10;

/// After a try that failed, the time until the next: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// So often the files of a certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long to wait where no connection can be accepted, because there are no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers until dropped. Wherever it listens, or not, sessions end with what the settings say of users.
pub async fn serve(by: Guard, routes: Router, told: Told) {
    let swept = by.sessions.clone().follow(by.sources.clone());
    let opened = opened::follow(by.sources.clone(), &told);
    tokio::join!(swept, opened, listen(by, &routes, &told));
}

async fn listen(by: Guard, routes: &Router, told: &Told) {
    let mut sources = by.sources.clone();
    loop {
        let access = sources.borrow_and_update().settings.access.clone();
        let refused = access.refused();
        let place = access.listen.filter(|_| refused.is_none());
        tell_obstacle(told, refused);
        let routes = routes.clone().layer(from_fn_with_state((by.clone(), place), guard));
        let is_other = |sources: &Arc<Sources>| {
            let now = &sources.settings.access;
            (now.listen, &now.tls) != (access.listen, &access.tls)
                || now.refused().is_some() != access.refused().is_some()
        };
        let read = sources.clone();
        let changed = async { sources.wait_for(is_other).await.is_ok() };
        tokio::select! {
            changed = changed => if !changed {
                return std::future::pending().await;
            },
            () = listen_at(place, access.tls.as_ref(), read, (&routes, told)) => {}
        }
    }
}

/// What is read again is looked at with `sources` too.
async fn listen_at(
    address: Option<SocketAddr>,
    tls: Option<&TlsFiles>,
    sources: watch::Receiver<Arc<Sources>>,
    (routes, told): (&Router, &Told),
) {
    let Some(address) = address else { return std::future::pending().await };
    let mut pause = RETRY.0;
    loop {
        match open(address, tls).await {
            Ok((listener, certificate)) => {
                tell_obstacle(told, None);
                let bound = listener.local_addr().unwrap_or(address);
                report::api_listening(&bound.to_string(), certificate.is_some());
                let renewed = renew(certificate.clone(), sources.clone(), told);
                tokio::select! {
                    () = renewed => {}
                    () = accept(listener, certificate, &sources, routes) => {}
                }
                return;
            }
            Err(reason) => tell_obstacle(told, Some(reason)),
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// Never in the clear where there should be TLS.
async fn open(
    address: SocketAddr,
    tls: Option<&TlsFiles>,
) -> Result<(TcpListener, Option<Arc<Certificate>>), Diagnostic> {
    let certificate = match tls.cloned() {
        None => None,
        Some(files) => {
            let read = spawn_blocking(move || Certificate::read(&files)).await;
            let failed = |error: JoinError| Err(not_bound(address, &io::Error::other(error)));
            Some(Arc::new(read.unwrap_or_else(failed)?))
        }
    };
    let listener = TcpListener::bind(address).await.map_err(|error| not_bound(address, &error))?;
    Ok((listener, certificate))
}

/// Looks at the certificate's files for as long as it is shown.
async fn renew(
    certificate: Option<Arc<Certificate>>,
    mut sources: watch::Receiver<Arc<Sources>>,
    told: &Told,
) {
    let Some(certificate) = certificate else { return std::future::pending().await };
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            Ok(()) = sources.changed() => {}
        }
        let looked = certificate.clone();
        match spawn_blocking(move || looked.look()).await {
            Ok(Ok(true)) => {
                tell_obstacle(told, None);
                report::api_certificate();
            }
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(reason)) => tell_obstacle(told, Some(reason)),
        }
    }
}

fn not_bound(address: SocketAddr, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there: end that one, or write another port into listen".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: write one of its own into listen".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "the agent may not listen there: write a port from 1024 into listen".to_owned()
        }
        _ => error.to_string(),
    };
    let reason = format!("nobody answers at {address}: {why}; it is tried until it can be, and jobs run");
    Diagnostic::error(Origin::Place("setting listen".into()), reason)
}

/// Its connections end with it.
async fn accept(
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    sources: &watch::Receiver<Arc<Sources>>,
    routes: &Router,
) {
    let mut connections = JoinSet::new();
    let (shares, mut refused) = (Shares::default(), Refused::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let access = &sources.borrow().settings.access;
                    match shares.take(access, from.ip()) {
                        Some(share) => {
                            let acceptor = certificate.as_ref().map(|it| it.acceptor());
                            let answer = answer(stream, from.ip(), acceptor, routes.clone());
                            connections.spawn(async move {
                                let _share = share;
                                answer.await;
                            });
                        }
                        None => refused.add(from.ip()),
                    }
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = refused.tell() => {}
        }
    }
}

/// How it ends is the other side's affair.
async fn answer(stream: TcpStream, address: IpAddr, tls: Option<TlsAcceptor>, routes: Router) {
    // Without these it is answered all the same.
    let _ = set_tcp_user_timeout(&stream, TAKE_LIMIT);
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(stream, Peer { address, secure: false }, routes).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HEAD_LIMIT, acceptor.accept(stream)).await {
                converse(stream, Peer { address, secure: true }, routes).await;
            }
        }
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, routes: Router) {
    let routes = TowerToHyperService::new(routes);
    let ask = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        hyper::service::Service::call(&routes, request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), ask);
    let _ = connection.await;
}
