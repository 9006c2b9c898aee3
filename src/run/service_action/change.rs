//! The change itself. What it is to be is in the store before it is made, so that the next agent can tell from the service
//! whether it was.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{changes::TaskOf, client::Engine, error::EngineError},
    model::{
        run::{Outcome, WorkHandle},
        service::{Followed, ServiceActionSpec, Wants},
    },
};

use super::super::{
    interrupts::stopped_before,
    looks::{Looks, SOON},
    order::RunOrder,
    service::no_manager,
    unit::{Context, Life},
};
use super::{
    ATTEMPTS,
    plan::{Plan, plan},
};

/// How long tasks that the Swarm removes may take to be gone. On a node that is away they stay for a day, and no run can
/// wait for that.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

/// A change that was made.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// The service's ID.
    pub service: String,
    /// How many tasks it is given back when the run is over.
    pub back: Option<u64>,
    /// How it is followed.
    pub followed: Followed,
}

/// Why it was not made.
enum Not {
    /// The run ends with that.
    AtAll(Outcome),
    /// The Engine did not; it may be asked again.
    Now(EngineError),
}

/// Changes the service; else the outcome of a run that did not.
pub(super) async fn change(
    order: &RunOrder,
    spec: &ServiceActionSpec,
    context: &Context,
    life: &mut Life,
) -> Result<Made, Outcome> {
    let (service, word) = (&spec.service, spec.action.as_str());
    // A change of which no answer came may have been made.
    let mut unsure = None;
    let mut attempt = 1;
    loop {
        let error = match try_once(order, spec, context, &mut unsure, life).await {
            Ok(made) => return Ok(made),
            Err(Not::AtAll(outcome)) => return Err(outcome),
            Err(Not::Now(error)) => error,
        };
        if attempt == ATTEMPTS || !(error.is_outage() || error.is_out_of_sequence()) {
            let error = format!("action={word} on {service}: {error}{}", no_manager(&error));
            return Err(Outcome::NotStarted { error });
        }
        sleep(SOON * attempt).await;
        attempt += 1;
    }
}

async fn try_once(
    order: &RunOrder,
    spec: &ServiceActionSpec,
    context: &Context,
    unsure: &mut Option<Made>,
    life: &mut Life,
) -> Result<Made, Not> {
    let (engine, service, word) = (&context.engine, &spec.service, spec.action.as_str());
    let not_started = |error: String| Not::AtAll(Outcome::NotStarted { error });
    let Some(now) = engine.service_now(service).await.map_err(Not::Now)? else {
        let why =
            format!("action={word}: the Swarm has no service {service}: deploy it, or name another one");
        return Err(not_started(why));
    };
    if let Some(made) = unsure.take_if(|it| it.followed.wants.is_forced() && now.mark >= it.followed.mark) {
        return Ok(made);
    }
    let Plan { replicas, wants, back } = plan(now.mode, now.restarts, spec.action)
        .map_err(|why| not_started(format!("action={word} on {service}: {why}")))?;
    let force = wants.is_forced();
    if let Wants::Ended(_) = wants {
        let mine = context.halts.runs_service(&now.id, &order.run, order.job());
        mine.map_err(|why| not_started(format!("action={word} on {service}: {why}")))?;
    }
    let before = tasks_before(engine, &now.id, wants, life).await.map_err(Not::Now)?;
    let newest = before.iter().map(|it| it.task.created).max();
    let mark = if force { next_mark(now.mark, &before) } else { now.mark };
    let followed = Followed { mark, version: now.version, newest, wants };
    let made = Made { service: now.id.clone(), back, followed };
    // Each time anew: what someone else changed meanwhile has changed what it will be.
    let handle = WorkHandle::Change { service: now.id.clone(), back, followed: Some(followed) };
    life.called(handle).await;
    if let Some(by) = life.interrupts.asked().filter(|_| unsure.is_none()) {
        return Err(Not::AtAll(stopped_before(by).outcome));
    }
    if replicas.is_none() && !force {
        return Ok(made);
    }
    match engine.change_service(&now, replicas, force.then_some(mark)).await {
        Ok(()) => Ok(made),
        Err(error) => {
            if error.is_outage() {
                *unsure = Some(made);
            }
            Err(Not::Now(error))
        }
    }
}

/// The tasks that there are. Where the run is to have its own, those of the run before have to be gone first: a Swarm that
/// forgets one just when it begins to update the service makes two in its place (seen on 20.10), and the command would run
/// twice.
async fn tasks_before(
    engine: &Engine,
    service: &str,
    wants: Wants,
    life: &Life,
) -> Result<Vec<TaskOf>, EngineError> {
    let (mut looks, since) = (Looks::new(engine, service), Instant::now());
    loop {
        looks.begin();
        let tasks = engine.tasks_of(service, wants.places()).await?;
        let too_soon = matches!(wants, Wants::Ended(_)) && tasks.iter().any(|it| it.leaves);
        if !too_soon || since.elapsed() > REMOVAL_LIMIT || life.interrupts.asked().is_some() {
            return Ok(tasks);
        }
        looks.over();
        looks.due().await;
    }
}

/// A number that no task has. A service that was rolled back has a lower one than tasks of it that have ended.
fn next_mark(now: u64, tasks: &[TaskOf]) -> u64 {
    tasks.iter().map(|it| it.mark).chain([now]).max().unwrap_or(now) + 1
}
