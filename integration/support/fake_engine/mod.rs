//! A Docker Engine without Docker: an HTTP router over state, served to the real bollard client through in-memory pipes.
//!
//! It answers in the shapes, with the error texts and in the event order of Engine 20.10 (API 1.41), so that the code under
//! test meets what it will meet outside. It uses no socket, thread or file, and only Tokio's clock: under
//! `#[tokio::test(start_paused = true)]` a day of Engine time passes in milliseconds, and every fault happens at exactly
//! the point where the test staged it.
//!
//! Reading order: this file (the handle and the transport), `spec` and `behaviour` (what a test can ask for), `world`,
//! `running` and `events` (what the Engine knows), `process` (what a command does), `faults`, `routes` (what it says).
#![expect(
    clippy::disallowed_methods,
    reason = "an Engine's connections and commands outlive any caller; the runtime ends them"
)]

mod behaviour;
mod control;
mod events;
mod faults;
mod process;
mod query;
mod routes;
mod running;
mod shapes;
mod spec;
mod stack;
mod swarm;
mod world;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bollard::{BollardRequest, ClientVersion, Docker, errors::Error};
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use jiff::Timestamp;
use tokio::net::UnixListener;

pub use self::{
    behaviour::{ExecBehaviour, Gate, RunBehaviour},
    faults::Hold,
    spec::{ContainerSpec, CreateRecord, ExecRecord, ExecRequest, Health},
    swarm::TaskBehaviour,
};
use self::{faults::Verdict, world::World};

/// How long a client made by [`FakeEngine::docker`] waits for response headers, in seconds (bollard's own default).
const CLIENT_TIMEOUT: u64 = 120;

/// Bytes that fit into a connection before the writer has to wait for the reader.
const PIPE: usize = 64 * 1024;

/// The Engine, and the hand that moves it. Clones are the same Engine.
#[derive(Clone)]
pub struct FakeEngine {
    world: Arc<Mutex<World>>,
}

impl FakeEngine {
    /// An Engine with no containers, whose own time is `clock`. It may differ from the agent's.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(Box::new(clock)))) }
    }

    /// A client of this Engine: the real one, on a transport of in-memory pipes, one pipe a request.
    pub fn docker(&self) -> Docker {
        let engine = self.clone();
        Docker::connect_with_custom_transport(
            move |request: BollardRequest| {
                let engine = engine.clone();
                async move { engine.serve(request).await }
            },
            Some("http://engine"),
            CLIENT_TIMEOUT,
            &ClientVersion { major_version: 1, minor_version: 41 },
        )
        .expect("a custom transport has nothing to connect to")
    }

    /// Answers at a unix socket as well, to a client that is another process.
    pub fn listen(&self, path: &Path) {
        let listener = UnixListener::bind(path).expect("the folder is the test's own");
        let engine = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let engine = engine.clone();
                let answer = service_fn(move |mut request: Request<Incoming>| {
                    let line = query::strip_version(&mut request);
                    let verdict = {
                        let mut world = engine.world();
                        world
                            .requests
                            .push((line.clone(), request.uri().query().unwrap_or_default().to_owned()));
                        world.faults.judge(&line)
                    };
                    TowerToHyperService::new(routes::router(engine.clone(), verdict)).call(request)
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
    }

    /// Decides what each new exec does. Called when the exec is created, without any lock held, so it may use the Engine.
    pub fn on_exec(&self, rule: impl Fn(&ExecRequest) -> ExecBehaviour + Send + Sync + 'static) {
        self.world().exec_rule = Arc::new(rule);
    }

    /// Decides what each container created through the API does. Called when it is created, without any lock held.
    pub fn on_run(&self, rule: impl Fn(&CreateRecord) -> RunBehaviour + Send + Sync + 'static) {
        self.world().run_rule = Arc::new(rule);
    }

    /// Every request that reached the Engine, in order, as `METHOD /path` without version prefix and query.
    pub fn requests(&self) -> Vec<String> {
        self.world().requests.iter().map(|(line, _)| line.clone()).collect()
    }

    /// How many requests match `pattern`: `METHOD /path`, where a segment `*` matches any one segment.
    pub fn count(&self, pattern: &str) -> usize {
        self.world().requests.iter().filter(|(line, _)| query::line_matches(pattern, line)).count()
    }

    /// The decoded query parameters of every request that matches `pattern`, in order.
    pub fn queries(&self, pattern: &str) -> Vec<BTreeMap<String, String>> {
        let world = self.world();
        world
            .requests
            .iter()
            .filter(|(line, _)| query::line_matches(pattern, line))
            .map(|(_, query)| query::parameters(query))
            .collect()
    }

    /// Requests for which this Engine has no answer. A test that finds any has found a hole here, not in the product.
    pub fn unknown_requests(&self) -> Vec<String> {
        self.world().unknown.clone()
    }

    /// How many connections were refused because the Engine was down.
    pub fn refused(&self) -> usize {
        self.world().refused
    }

    /// Every exec ever created, in order, also of containers that are gone.
    pub fn execs(&self) -> Vec<ExecRecord> {
        self.world().exec_records()
    }

    /// Every container ever created through the API, in order, also those that are gone.
    pub fn created(&self) -> Vec<CreateRecord> {
        self.world().created.clone()
    }

    /// The names of all containers that exist, in any state, in order of creation.
    pub fn container_names(&self) -> Vec<String> {
        self.world().containers.iter().map(|container| container.name.clone()).collect()
    }

    /// A container's state as the Engine calls it ("running", "exited", …), if it exists.
    pub fn container_state(&self, name: &str) -> Option<String> {
        self.world().find(name).map(|container| container.shown_state().to_owned())
    }

    /// How many `/events` streams are open, wedged ones included.
    pub fn event_streams(&self) -> usize {
        self.world().events.open_streams()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request on one connection.
    async fn serve(self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let line = query::strip_version(&mut request);
        let (connection, verdict) = {
            let mut world = self.world();
            if !world.up {
                world.refused += 1;
                return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
            }
            let query = request.uri().query().unwrap_or_default().to_owned();
            world.requests.push((line.clone(), query));
            (world.connections.clone(), world.faults.judge(&line))
        };

        let (client, server) = tokio::io::duplex(PIPE);
        let router = routes::router(self.clone(), verdict.clone());
        tokio::spawn(async move {
            let connection_served = http1::Builder::new()
                .serve_connection(TokioIo::new(server), TowerToHyperService::new(router))
                .with_upgrades();
            tokio::select! {
                biased;
                () = connection.cancelled() => {}
                // What a broken connection means is for the client to say.
                _ = connection_served => {}
            }
        });
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
        tokio::spawn(driver.with_upgrades());
        let response = sender.send_request(request).await?;
        if matches!(verdict, Verdict::LoseAnswer) {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        Ok(response)
    }
}
