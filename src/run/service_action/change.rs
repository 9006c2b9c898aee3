//! The change itself. What it is to be is in the store before it is made, so that the next agent can tell from the service
//! whether it was.

use tokio::time::{Instant, sleep};

use crate::{
    docker::{changes::TaskOf, error::EngineError},
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
    shows::until_settled,
};

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
enum Not<'a> {
    /// The run ends with that.
    AtAll(Outcome),
    /// The Engine did not; it may be asked again.
    Now(EngineError),
    /// The tasks before it have to be gone first.
    Yet(Looks<'a>),
}

/// What is known from one try to the next.
struct Tries<'a> {
    /// Since when the run wants to change it.
    since: Instant,
    /// Once something is waited for.
    looks: Option<Looks<'a>>,
    /// A change of which no answer came may have been made.
    unsure: Option<(Made, Instant)>,
}

/// Changes the service, and since when it is being changed; else the outcome of a run that did not.
pub(super) async fn change(
    order: &RunOrder,
    spec: &ServiceActionSpec,
    context: &Context,
    life: &mut Life,
) -> Result<(Made, Instant), Outcome> {
    let (service, word) = (&spec.service, spec.action.as_str());
    let mut tries = Tries { since: Instant::now(), looks: None, unsure: None };
    let mut attempt = 1;
    loop {
        let error = match try_once(order, spec, context, &mut tries, life).await {
            Ok(made) => return Ok(made),
            Err(Not::AtAll(outcome)) => return Err(outcome),
            Err(Not::Now(error)) => error,
            Err(Not::Yet(mut looks)) => {
                looks.over();
                tokio::select! {
                    () = looks.due() => {}
                    _ = life.interrupts.is_asked(), if tries.unsure.is_none() => {}
                }
                tries.looks = Some(looks);
                continue;
            }
        };
        if attempt == ATTEMPTS || !(error.is_outage() || error.is_out_of_sequence()) {
            let error = format!("action={word} on {service}: {error}{}", no_manager(&error));
            return Err(Outcome::NotStarted { error });
        }
        sleep(SOON * attempt).await;
        attempt += 1;
    }
}

async fn try_once<'a>(
    order: &RunOrder,
    spec: &ServiceActionSpec,
    context: &'a Context,
    tries: &mut Tries<'a>,
    life: &mut Life,
) -> Result<(Made, Instant), Not<'a>> {
    let (engine, service, word) = (&context.engine, &spec.service, spec.action.as_str());
    let not_started = |error: String| Not::AtAll(Outcome::NotStarted { error });
    let Some(now) = engine.service_now(service).await.map_err(Not::Now)? else {
        let why =
            format!("action={word}: the Swarm has no service {service}: deploy it, or name another one");
        return Err(not_started(why));
    };
    let was_made = |it: &mut (Made, _)| it.0.followed.wants.is_forced() && now.mark >= it.0.followed.mark;
    if let Some(made) = tries.unsure.take_if(was_made) {
        return Ok(made);
    }
    let Plan { replicas, wants, back } = plan(now.mode, now.restarts, spec.action)
        .map_err(|why| not_started(format!("action={word} on {service}: {why}")))?;
    let force = wants.is_forced();
    if let Wants::Ended(_) = wants {
        let mine = context.halts.runs_service(&now.id, &order.run, order.job());
        mine.map_err(|why| not_started(format!("action={word} on {service}: {why}")))?;
    }
    let mut looks = tries.looks.take().unwrap_or_else(|| Looks::new(engine, &now.id));
    looks.begin();
    let before = engine.tasks_of(&now.id, wants.places()).await.map_err(Not::Now)?;
    let newest = before.iter().map(|it| it.task.created).max();
    let mark = if force { next_mark(now.mark, &before) } else { now.mark };
    let followed = Followed { mark, version: now.version, newest, wants };
    let made = Made { service: now.id.clone(), back, followed };
    // Each time anew: what someone else changed meanwhile has changed what it will be.
    let handle = WorkHandle::Change { service: now.id.clone(), back, followed: Some(followed) };
    life.called(handle).await;
    if let Some(by) = life.interrupts.asked().filter(|_| tries.unsure.is_none()) {
        return Err(Not::AtAll(stopped_before(by).outcome));
    }
    if let Wants::Ended(_) = wants
        && tries.since.elapsed() < until_settled(now.mode, &before)
    {
        return Err(Not::Yet(looks));
    }
    let began = Instant::now();
    if replicas.is_none() && !force {
        return Ok((made, began));
    }
    match engine.change_service(&now, replicas, force.then_some(mark)).await {
        Ok(()) => Ok((made, began)),
        Err(error) => {
            if error.is_outage() {
                tries.unsure = Some((made, began));
            }
            Err(Not::Now(error))
        }
    }
}

/// A number that no task has. A service that was rolled back has a lower one than tasks of it that have ended.
fn next_mark(now: u64, tasks: &[TaskOf]) -> u64 {
    tasks.iter().map(|it| it.mark).chain([now]).max().unwrap_or(now) + 1
}
