//! What is done to containers that are there already.

use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
};

use super::{containers, empty, refuse};
use crate::support::fake_engine::{
    FakeEngine,
    world::{State as Standing, no_such_container},
};

pub async fn restart(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let stopped = containers::stop(State(engine.clone()), Path(reference.clone()), RawQuery(query)).await;
    if stopped.status() == StatusCode::NOT_FOUND {
        return stopped;
    }
    let started = containers::start(State(engine.clone()), Path(reference.clone())).await;
    if started.status().is_success() {
        let mut world = engine.world();
        if let Some(id) = world.find(&reference).map(|it| it.id.clone()) {
            world.emit(&id, "restart", &[]);
        }
    }
    started
}

pub async fn pause(State(engine): State<FakeEngine>, Path(reference): Path<String>) -> Response {
    change(&engine, &reference, Standing::Running, Standing::Paused, "pause")
}

pub async fn unpause(State(engine): State<FakeEngine>, Path(reference): Path<String>) -> Response {
    change(&engine, &reference, Standing::Paused, Standing::Running, "unpause")
}

fn change(engine: &FakeEngine, reference: &str, from: Standing, to: Standing, event: &str) -> Response {
    let mut world = engine.world();
    let Some(container) = world.find_mut(reference) else {
        return refuse(404, &no_such_container(reference));
    };
    let id = container.id.clone();
    match container.state {
        state if state == from => {
            container.state = to;
            world.emit(&id, event, &[]);
            empty(StatusCode::NO_CONTENT)
        }
        Standing::Paused => refuse(409, &format!("Container {id} is already paused")),
        Standing::Running => refuse(409, &format!("Container {id} is not paused")),
        Standing::Created | Standing::Exited => refuse(409, &format!("Container {id} is not running")),
    }
}
