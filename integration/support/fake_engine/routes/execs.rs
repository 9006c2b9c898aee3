//! Commands in running containers.

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use super::{answer, body, empty, hijack, refuse, strings};
use crate::support::fake_engine::{
    FakeEngine,
    process::{Extent, Listen, Process},
    shapes,
    spec::ExecRequest,
    world::{self, Exec, no_such_container},
};

pub async fn create(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    mut request: Request,
) -> Response {
    let body = match body(&mut request).await {
        Ok(body) => body,
        Err(message) => return refuse(400, &message),
    };
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let flag = |name: &str| body[name].as_bool().unwrap_or_default();
    let (wanted, rule) = {
        let mut world = engine.world();
        let (container, container_id) = match world.find(&reference) {
            None => return refuse(404, &no_such_container(&reference)),
            Some(container) if container.state == world::State::Paused => {
                return refuse(
                    409,
                    &format!("Container {reference} is paused, unpause the container before exec"),
                );
            }
            Some(container) if !container.is_running() => {
                return refuse(409, &format!("Container {} is not running", container.id));
            }
            Some(container) => (container.name.clone(), container.id.clone()),
        };
        let cmd = strings(&body["Cmd"]);
        if cmd.is_empty() {
            return refuse(400, "No exec command specified");
        }
        let (id, env) = (world.next_id(), strings(&body["Env"]));
        let user = text("User");
        let workdir = text("WorkingDir");
        (ExecRequest { id, container, container_id, cmd, env, user, workdir }, world.exec_rule.clone())
    };
    // The rule is the test's code, and may use the Engine.
    let behaviour = rule(&wanted);
    if let Some((status, message)) = &behaviour.create_error {
        return refuse(*status, message);
    }
    let mut world = engine.world();
    let (id, container_id) = (wanted.id.clone(), wanted.container_id.clone());
    if world.find(&container_id).is_none() {
        return refuse(404, &no_such_container(&reference));
    }
    let listen = Listen {
        stdout: flag("AttachStdout"),
        stderr: flag("AttachStderr"),
        tty: flag("Tty"),
        from: 0,
        extent: Extent::Follow,
    };
    let action = format!("exec_create: {}", wanted.cmd.join(" "));
    world.execs.push(Exec {
        request: wanted,
        behaviour,
        listen,
        process: Process::new(),
        started: None,
        ended: None,
        forgotten: false,
    });
    world.emit(&container_id, action, &[("execID", &id)]);
    answer(201, &json!({ "Id": id }))
}

pub async fn start(
    State(engine): State<FakeEngine>,
    Path(id): Path<String>,
    mut request: Request,
) -> Response {
    let body = match body(&mut request).await {
        Ok(body) => body,
        Err(message) => return refuse(400, &message),
    };
    let detached = body["Detach"].as_bool().or(body["detach"].as_bool()).unwrap_or_default();
    let output = {
        let mut world = engine.world();
        let cut = world.outputs.clone();
        let Some(exec) = world.find_exec(&id) else {
            return no_such_exec(&id);
        };
        if exec.started.is_some() {
            return refuse(409, &format!("Error: Exec command {id} has already run"));
        }
        if let Some((status, message)) = &exec.behaviour.start_error {
            return refuse(*status, message);
        }
        let listen = exec.listen;
        let (process, container) = (exec.process.clone(), exec.request.container_id.clone());
        if !world.find(&container).is_some_and(world::Container::is_running) {
            return refuse(409, &format!("Container {container} is not running"));
        }
        (process.listen(listen), cut)
    };
    engine.begin_exec(&id);
    if detached {
        return empty(StatusCode::OK);
    }
    let (output, cut) = output;
    hijack(&mut request, output, cut)
}

pub async fn inspect(State(engine): State<FakeEngine>, Path(id): Path<String>) -> Response {
    let inspected: Option<Value> = engine.world().find_exec(&id).map(shapes::exec_inspection);
    inspected.map_or_else(|| no_such_exec(&id), |body| answer(200, &body))
}

fn no_such_exec(id: &str) -> Response {
    refuse(404, &format!("No such exec instance: {id}"))
}
