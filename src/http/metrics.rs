//! `/metrics`: what is counted and what there is, for Prometheus. Read off the agent's snapshot: it is not asked.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream;
use tokio::{sync::watch, task::spawn_blocking, time::timeout};

use crate::{
    agent::handle::Handle,
    history::keeper::{Condition, Keeper},
    model::{connection::Connection, diagnostic::Severity},
    telemetry::{
        metrics::{CONTENT_TYPE, Exposition, Metrics, Seen, SeenJob},
        otlp::Traces,
        sink::LogSink,
    },
    time::Clock,
};

use super::jobs::coming;

/// Where it all is read; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What is counted.
    pub metrics: Metrics,
    /// The agent.
    pub agent: Handle,
    /// The store of what happens.
    pub keeper: Keeper,
    /// The Engine, as the watcher sees it.
    pub connection: watch::Receiver<Connection>,
    /// The log.
    pub sink: LogSink,
    /// The traces that are exported.
    pub traces: Traces,
    /// The agent's clock.
    pub clock: Clock,
    /// Closed once it is known what earlier agents knew.
    pub remembered: watch::Receiver<()>,
}

/// How long an answer waits for that.
const REMEMBER_LIMIT: Duration = Duration::from_secs(2);

impl Sources {
    /// What there is now, as text in pieces. Takes its time where there are many jobs: not for a thread that others need.
    pub fn exposition(&self) -> Exposition {
        let (snapshot, now) = (self.agent.snapshot(), self.clock.now());
        let jobs = snapshot.catalog.iter().map(|(id, entry)| SeenJob {
            spec: entry.spec.clone(),
            paused: snapshot.paused.contains_key(id),
            next: coming(&snapshot, &entry.spec, now).next(),
        });
        let of = |severity| snapshot.diagnostics.iter().filter(|it| it.severity == severity).count();
        let seen = Seen {
            jobs: jobs.collect(),
            running: snapshot.running,
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            engine_connected: matches!(&*self.connection.borrow(), Connection::Connected { .. }),
            history_failing: matches!(&*self.keeper.condition().borrow(), Condition::Failing { .. }),
            history_lost: self.keeper.lost_so_far(),
            log_dropped: self.sink.dropped(),
            spans_dropped: self.traces.dropped(),
        };
        self.metrics.exposition(seen)
    }
}

/// `/metrics`.
pub fn routes(sources: Sources) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(sources)
}

/// What is counted and what there is, for Prometheus.
#[utoipa::path(
    get, path = "/metrics",
    responses((status = 200, description = "The text format of Prometheus", body = String, content_type = "text/plain"))
)]
pub async fn metrics(State(mut sources): State<Sources>) -> Response {
    // A disk that does not answer costs what it has, and not the rest.
    let _ = timeout(REMEMBER_LIMIT, sources.remembered.changed()).await;
    let first: Step = Box::new(move || sources.exposition());
    // A piece at a time, and each when the last one was taken: who reads slowly holds nothing but his own answer.
    let pieces = stream::try_unfold(first, |step| async {
        let made = spawn_blocking(move || {
            let mut exposition = step();
            exposition.next().map(|piece| (piece, exposition))
        });
        let made = made.await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(made.map(|(piece, rest)| (piece, Box::new(move || rest) as Step)))
    });
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from_stream(pieces)).into_response()
}

/// How the next piece is come by.
type Step = Box<dyn FnOnce() -> Exposition + Send>;
