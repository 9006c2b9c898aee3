//! Whether the agent is well, told truly: from what answers now, each part by itself, within a bounded time.

use std::time::{Duration, Instant};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};
use utoipa::ToSchema;

use crate::{
    agent::handle::Snapshot,
    docker::probe::Probe,
    history::keeper::Condition,
    model::connection::{Connection, Pulse},
};

use super::{about::all_problems, api::Api};

/// How long the agent may take to answer before it counts as stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// What there is to ask; cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    /// The agent, its history and its listeners.
    pub api: Api,
    /// The Engine, as the watcher sees it.
    pub connection: watch::Receiver<Connection>,
    /// When it was last heard of.
    pub pulse: watch::Receiver<Pulse>,
    /// Whether it answers now.
    pub probe: Probe,
}

/// How something does; each is worse than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is well.
    Ok,
    /// Jobs run, and something is to be mended.
    Degraded,
    /// Jobs do not run, or only some of them.
    Down,
}

impl Status {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// The answer of `/health`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthReport {
    /// The worst of the parts.
    pub status: Status,
    /// The agent itself.
    pub agent: AgentHealth,
    /// The Engine.
    pub engine: EngineHealth,
    /// The stream of the Engine's events.
    pub events: EventsHealth,
    /// Whether what happens is kept; `degraded` while it is not.
    pub history: PartHealth,
    /// Whether the API answers over TCP where the settings say; `degraded` while it does not.
    pub api: PartHealth,
    /// Whether what is to be told arrives; `degraded` while a channel does not take it.
    pub notifications: PartHealth,
    /// What is wrong with what was written, and besides: as many as `GET /api/problems` has.
    pub problems: ProblemsHealth,
}

/// How a part does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartHealth {
    /// How it does.
    pub status: Status,
    /// Why it is not `ok`.
    pub reason: Option<String>,
}

/// How the agent does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgentHealth {
    /// `down` if it has not answered for 2 s; `degraded` before its first plan.
    pub status: Status,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// Whether it has seen the Engine and carried out its first plan.
    pub ready: bool,
    /// How long ago it last carried out a plan, which it does when something has changed.
    pub reconciled_seconds_ago: Option<f64>,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many runs go on.
    pub running: usize,
    /// How many occurrences wait their turn.
    pub waiting: usize,
}

/// How the Engine does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EngineHealth {
    /// `down` unless it answers now.
    pub status: Status,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// `waiting` before its first answer, `connected`, `silent` where it accepts and does not answer, or `lost`.
    pub state: String,
    /// Its version, as it last said.
    pub version: Option<String>,
    /// How long ago all its containers were last listed, which is done every minute and when something has changed.
    pub listed_seconds_ago: Option<f64>,
}

/// How the stream of the Engine's events does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventsHealth {
    /// `degraded` while there is none though the Engine answers: changes are then seen later.
    pub status: Status,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// How long ago it last gave something, or was asked for anew, which is done every minute.
    pub seconds_ago: Option<f64>,
}

/// What is wrong.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProblemsHealth {
    /// `degraded` if there are errors.
    pub status: Status,
    /// Where they are listed.
    pub reason: Option<String>,
    /// How many have no effect that was written, or are as bad.
    pub errors: usize,
    /// How many have effect, and were probably meant otherwise.
    pub warnings: usize,
}

/// `/health`, `/live` and `/ready`.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/health", get(self::health))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(health)
}

fn code(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Whether the agent goes round, whatever the Engine does.
#[utoipa::path(
    get, path = "/live",
    responses(
        (status = 200, description = "It does"),
        (status = 503, description = "It has not answered for 2 s: it is to be started anew"),
    )
)]
pub async fn live(State(health): State<Health>) -> StatusCode {
    code(health.agent_answers().await)
}

/// Whether the Engine was seen, and is not lost, and the first plan was carried out.
#[utoipa::path(
    get, path = "/ready",
    responses((status = 200, description = "It was"), (status = 503, description = "Not yet, or it is lost"))
)]
pub async fn ready(State(health): State<Health>) -> StatusCode {
    let connected = matches!(&*health.connection.borrow(), Connection::Connected { .. });
    code(connected && health.api.agent.snapshot().ready)
}

/// How each part of the agent does, as the Engine and the agent answer now: within 4 s also where they do not.
#[utoipa::path(
    get, path = "/health",
    responses(
        (status = 200, description = "Jobs run; `degraded` where something is to be mended", body = HealthReport),
        (status = 503, description = "`down`: the agent or the Engine does not answer", body = HealthReport),
    )
)]
pub async fn health(State(health): State<Health>) -> (StatusCode, Json<HealthReport>) {
    let report = health.report().await;
    (code(report.status != Status::Down), Json(report))
}

fn ago(since: Option<Instant>) -> Option<f64> {
    let now = tokio::time::Instant::now().into_std();
    since.map(|it| now.saturating_duration_since(it).as_secs_f64())
}

fn part(status: Status, reason: Option<&str>) -> PartHealth {
    let status = if reason.is_some() { status } else { Status::Ok };
    PartHealth { status, reason: reason.map(str::to_owned) }
}

impl Health {
    async fn agent_answers(&self) -> bool {
        timeout(ANSWER_LIMIT, self.api.agent.ping()).await.unwrap_or(false)
    }

    async fn report(&self) -> HealthReport {
        let (answers, engine) = tokio::join!(self.agent_answers(), self.engine());
        let agent = agent(answers, engine.status == Status::Ok, &self.api.agent.snapshot());
        let pulse = self.pulse.borrow().clone();
        // Without an Engine there are no events, which is told of it.
        let broken = pulse.broken.filter(|_| engine.status == Status::Ok);
        let PartHealth { status, reason } = part(Status::Degraded, broken.as_deref());
        let events = EventsHealth { status, reason, seconds_ago: ago(pulse.heard) };
        let history = match &*self.api.keeper.condition().borrow() {
            Condition::Well | Condition::Absent => part(Status::Ok, None),
            Condition::Failing { reason } => part(Status::Degraded, Some(reason)),
        };
        // Where files are is not for everyone who may ask this.
        let obstacle = "nobody is answered where the settings say, or with an old certificate: GET /api/problems says why";
        let api = part(Status::Degraded, self.api.concerns.borrow().obstacle.as_ref().map(|_| obstacle));
        let failing = "messages do not arrive at a channel: GET /api/channels says at which and why";
        let failing = self.api.notifications.is_failing().then_some(failing);
        let notifications = part(Status::Degraded, failing);
        let problems = self.problems();
        let parts = [
            agent.status,
            engine.status,
            events.status,
            history.status,
            api.status,
            notifications.status,
            problems.status,
        ];
        let status = parts.into_iter().max().unwrap_or(Status::Ok);
        HealthReport { status, agent, engine, events, history, api, notifications, problems }
    }

    async fn engine(&self) -> EngineHealth {
        let connection = self.connection.borrow().clone();
        let (state, reason, version) = match connection {
            Connection::Waiting => ("waiting", Some("it has not answered yet".to_owned()), None),
            Connection::Lost { reason } => ("lost", Some(reason), None),
            Connection::Connected { version } => match self.probe.answers().await {
                Ok(()) => ("connected", None, Some(version)),
                Err(reason) => ("silent", Some(reason), Some(version)),
            },
        };
        let PartHealth { status, reason } = part(Status::Down, reason.as_deref());
        let listed_seconds_ago = ago(self.pulse.borrow().listed);
        EngineHealth { status, reason, state: state.to_owned(), version, listed_seconds_ago }
    }

    fn problems(&self) -> ProblemsHealth {
        let all = all_problems(&self.api);
        let errors = all.iter().filter(|it| it.severity == "error").count();
        let reason = (errors > 0).then_some("GET /api/problems has them with their places");
        let PartHealth { status, reason } = part(Status::Degraded, reason);
        ProblemsHealth { status, reason, errors, warnings: all.len() - errors }
    }
}

fn agent(answers: bool, engine: bool, snapshot: &Snapshot) -> AgentHealth {
    let PartHealth { status, reason } = match () {
        () if !answers => part(Status::Down, Some("it does not answer: start it anew")),
        () if engine && !snapshot.ready => {
            part(Status::Degraded, Some("its first plan is not carried out yet"))
        }
        () => part(Status::Ok, None),
    };
    let &Snapshot { ready, jobs, running, waiting, reconciled, .. } = snapshot;
    AgentHealth { status, reason, ready, reconciled_seconds_ago: ago(reconciled), jobs, running, waiting }
}

impl HealthReport {
    /// The parts that are not well, with their reasons.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let parts = [
            ("agent", &self.agent.reason),
            ("engine", &self.engine.reason),
            ("events", &self.events.reason),
            ("history", &self.history.reason),
            ("api", &self.api.reason),
            ("notifications", &self.notifications.reason),
            ("problems", &self.problems.reason),
        ];
        parts.into_iter().filter_map(|(part, reason)| Some((part, reason.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::handle,
        docker::client::Engine,
        history::keeper::Keeper,
        http::opened::Concerns,
        notify::handle::Notifications,
        telemetry::{otlp::Condition as ExportCondition, stream::EventStream},
        time::Clock,
    };

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_does_not_go_round_is_neither_live_nor_well() {
        let (agent, ends) = handle::handle();
        let concerns = watch::channel(Concerns::default()).1;
        let (events, told) =
            (EventStream::default(), (concerns, ExportCondition::default(), Notifications::none()));
        let api = Api::new(agent, Keeper::none(), "/nowhere".into(), Clock::System, events, told);
        let health = Health {
            api,
            connection: watch::channel(Connection::Waiting).1,
            pulse: watch::channel(Pulse::default()).1,
            probe: Probe::of(Engine::at("unix:///no/such/engine.sock", None)),
        };
        assert_eq!(live(State(health.clone())).await, StatusCode::SERVICE_UNAVAILABLE);
        let report = health.report().await;
        assert_eq!((report.status, report.agent.status), (Status::Down, Status::Down));
        assert_eq!(report.history, part(Status::Ok, None));
        drop(ends);
    }
}
