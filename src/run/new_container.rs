//! Kind `run`: a new container, in this order: create, attach, start, wait, record, remove.
//!
//! It is never removed by itself: until the record is kept, the container is what can still tell how it ended.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Fuse},
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::{
    docker::{
        client::Engine,
        containers::{ContainerFacts, ContainerPhase, CreateRequest},
        error::EngineError,
        output::Output,
    },
    model::{
        container::{RUN_LABEL, RUN_LABELS},
        job::RunSpec,
        kept::{KEEP_LABEL, Keep},
        options::Delete,
        run::{Outcome, WorkHandle},
    },
    telemetry::{legs::Leg, report},
};

use super::{
    adoption::{self, Meaning},
    clearing::Leftover,
    environment::environment,
    interrupts::{Step, ended, stopped_before},
    like,
    making::{Unmade, made},
    order::{RunOrder, TakenUp},
    outage::Outage,
    reasons::{can_do, guard, lack_of_memory, not_started},
    takeover,
    unit::{Context, KindEnd, Life},
};

/// How long what the command printed before its end may take to arrive.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// An Engine that did not say whether it made a container is asked again after 1, 2 and at last this many seconds.
pub(super) const LAST_QUESTION: Duration = Duration::from_secs(4);

/// A wait that held this long was answered in between, whatever ended it.
const HELD: Duration = Duration::from_secs(5);

/// Runs it.
pub async fn run(order: &RunOrder, spec: &RunSpec, context: &Context, life: &mut Life) -> KindEnd {
    let engine = &context.engine;
    let request = match request(order, spec, context).await {
        Ok(request) => request,
        Err(error) => return Outcome::NotStarted { error }.into(),
    };
    if let Err(error) = can_do(engine, spec).await {
        return Outcome::NotStarted { error }.into();
    }
    let image = request.image.clone();
    let tags = life.capture.tags().clone();
    let making = AtomicBool::new(false);
    let made = tokio::select! {
        made = made(request, spec, context, &tags, (&making, &life.legs)) => made,
        by = life.interrupts.is_asked() => {
            let mut leftover = None;
            if making.load(Ordering::Relaxed) {
                let half_made = half_made(order, &EngineError::TimedOut, context).await;
                leftover = half_made.map(|id| Leftover::Container { id, delete: Delete::Always });
            }
            return KindEnd { leftover, ..stopped_before(by) };
        }
    };
    let id = match made {
        Ok(id) => id,
        Err(Unmade::Unpulled(outcome)) => return outcome.into(),
        Err(Unmade::Refused(error)) => {
            let half_made = half_made(order, &error, context).await;
            let leftover = half_made.map(|id| Leftover::Container { id, delete: Delete::Always });
            // Whose it is cannot be told here, so it is neither removed nor tried again.
            let guarded = matches!(error, EngineError::Refused { status: 409, .. }) && leftover.is_none();
            let outcome = if guarded {
                let why = guard(order, context).await;
                Outcome::NotStarted { error: format!("making a container of {image}: {why}") }
            } else {
                not_started("making", &error, &image)
            };
            return KindEnd { leftover, guarded, ..outcome.into() };
        }
    };
    life.called(WorkHandle::Container { id: id.clone() }).await;
    if let Some(by) = life.interrupts.asked() {
        let leftover = Leftover::Container { id, delete: Delete::Always };
        return KindEnd { leftover: Some(leftover), ..stopped_before(by) };
    }
    let began = Instant::now();
    life.enter(Leg::Start);
    let started = async {
        let output = engine
            .attach_container(&id)
            .await
            .map_err(|error| not_started("attaching to", &error, &image))?;
        engine.start_container(&id).await.map_err(|error| not_started("starting", &error, &image))?;
        Ok(output)
    };
    let outcome = match started.await {
        Ok(output) => {
            life.started(began);
            follow(&id, output, context, life).await
        }
        Err(outcome) => outcome,
    };
    if let Outcome::Lost { reason } = outcome {
        return lost(life, reason);
    }
    let leftover = Some(Leftover::Container { id, delete: spec.delete });
    KindEnd { leftover, ..outcome.into() }
}

/// What the Engine is asked for; an error is why that cannot be said.
async fn request(order: &RunOrder, spec: &RunSpec, context: &Context) -> Result<CreateRequest, String> {
    let request = CreateRequest {
        name: order.created_name(),
        image: spec.image.clone().unwrap_or_default(),
        argv: spec.argv.clone(),
        entrypoint: spec.entrypoint.clone(),
        environment: environment(order, &spec.env_files, &spec.environment).await?,
        user: spec.user.clone(),
        workdir: spec.workdir.clone(),
        hostname: spec.hostname.clone(),
        networks: spec.networks.clone(),
        volumes: spec.volumes.iter().map(ToString::to_string).collect(),
        copied: Vec::new(),
        privileged: spec.privileged,
        labels: all_labels(order, spec, context),
        options: spec.options.as_deref().cloned().unwrap_or_default(),
    };
    let Some(like) = &spec.like else { return Ok(request) };
    let pattern = like::pattern(like, order.container.as_ref(), spec, context).await?;
    Ok(like::under(request, pattern))
}

/// Takes up the container of a run that another agent began.
pub async fn take_up(taken: &TakenUp, context: &Context, life: &mut Life) -> KindEnd {
    let engine = &context.engine;
    let found = match takeover::answer_of(|| find(taken, engine)).await {
        Ok(found) => found,
        Err(error) => return lost(life, format!("its container cannot be asked for: {error}")),
    };
    let known = matches!(taken.handle(), Some(WorkHandle::Container { .. }));
    let meaning = adoption::of_container(known, found.as_ref());
    let leftover = found.as_ref().map(|it| (it.id.clone(), delete_of(&it.labels)));
    let end = carry_on(taken, (found, &meaning), None, context, life).await;
    let stays = matches!(end.outcome, Outcome::Lost { .. });
    let leftover = leftover.filter(|_| !stays).map(|(id, delete)| Leftover::Container { id, delete });
    KindEnd { leftover, ..end }
}

/// Follows a container that another agent began to its end, or tells how it ended. Of what it printed, what came before
/// `since` is not the run's.
pub(super) async fn carry_on(
    taken: &TakenUp,
    (found, meaning): (Option<ContainerFacts>, &Meaning),
    since: Option<Timestamp>,
    context: &Context,
    life: &mut Life,
) -> KindEnd {
    let engine = &context.engine;
    let outcome = takeover::outcome(taken, meaning);
    let Some(facts) = found else {
        return outcome.map_or_else(|| lost(life, "it is not there".to_owned()), Into::into);
    };
    // What its row says of it is known already.
    if taken.handle().is_none() {
        let handle = WorkHandle::Container { id: facts.id.clone() };
        if facts.phase == ContainerPhase::Created {
            life.handle = Some(handle);
        } else {
            life.is_called(handle, facts.started);
        }
    }
    let started = taken.began().or(facts.started);
    match (outcome, meaning) {
        (None, _) => {
            life.goes_on(started, "its container goes on");
            let output = output_again(taken, &facts, since, engine, life).await;
            match follow(&facts.id, output, context, life).await {
                Outcome::Lost { reason } => lost(life, reason),
                outcome => outcome.into(),
            }
        }
        (Some(outcome), Meaning::Ended { at, .. }) => {
            life.was_begun(started, "its container has ended");
            let mut output = output_again(taken, &facts, since, engine, life).await;
            life.drain(&mut output, LAST_OUTPUT, usize::MAX).await;
            if let Some(at) = at {
                life.ended_at(*at);
            }
            let outcome = match outcome {
                Outcome::Failed { exit_code, .. } => Outcome::Failed {
                    exit_code,
                    reason: exit_code.and_then(|code| lack_of_memory(code, &facts)),
                },
                other => other,
            };
            outcome.into()
        }
        (Some(outcome), _) => outcome.into(),
    }
}

/// The container of a run that another agent began: where its row does not name it, by the run's label.
async fn find(taken: &TakenUp, engine: &Engine) -> Result<Option<ContainerFacts>, EngineError> {
    let id = match taken.handle() {
        Some(WorkHandle::Container { id }) => Some(id.clone()),
        _ => engine.container_with_label(&format!("{RUN_LABEL}={}", taken.order.run)).await?,
    };
    match id {
        Some(id) => engine.container_facts(&id).await,
        None => Ok(None),
    }
}

/// What it printed from its beginning, of which what is kept is passed over; from now on only where the Engine keeps
/// nothing.
async fn output_again(
    taken: &TakenUp,
    facts: &ContainerFacts,
    since: Option<Timestamp>,
    engine: &Engine,
    life: &mut Life,
) -> Output {
    let output = if facts.readable {
        life.capture.comes_again(takeover::known_output(taken));
        engine.container_output(&facts.id, since)
    } else {
        life.note = Some(takeover::OUTPUT_UNREAD.to_owned());
        engine.attach_container(&facts.id).await
    };
    output.unwrap_or_else(|error| {
        report::run_output_missing(life.capture.tags(), &error.to_string());
        futures::stream::empty().boxed()
    })
}

/// It may well go on, and nobody but its owner should end it.
pub(super) fn lost(life: &Life, reason: String) -> KindEnd {
    report::run_leftover(life.capture.tags(), "how it ended cannot be told, so it is left as it is");
    Outcome::Lost { reason }.into()
}

/// The container that the Engine may have made although its answer never came. It may lack networks, so it is not run.
/// It is known by the label of this run: what has its name may belong to someone else.
async fn half_made(order: &RunOrder, error: &EngineError, context: &Context) -> Option<String> {
    let label = format!("{RUN_LABEL}={}", order.run);
    let mut wait = Duration::from_secs(1);
    while wait <= LAST_QUESTION {
        match context.engine.container_with_label(&label).await {
            Ok(Some(found)) => {
                // One that was started is not ours to remove here, whoever did that.
                let facts = context.engine.container_facts(&found).await.ok().flatten();
                return facts.is_some_and(|it| it.phase == ContainerPhase::Created).then_some(found);
            }
            // It has said what it did; a making that was given up may still be going on.
            Ok(None) if !error.is_outage() => return None,
            Ok(None) | Err(_) => {}
        }
        sleep(wait).await;
        wait *= 2;
    }
    None
}

/// What says whose it is, on everything that a run makes.
pub(super) fn labels(order: &RunOrder, context: &Context) -> HashMap<String, String> {
    let values = [
        context.installation.id.to_string(),
        order.job().to_string(),
        order.run.to_string(),
        order.occurrence.to_string(),
    ];
    RUN_LABELS.map(str::to_owned).into_iter().zip(values).collect()
}

/// The same, and whether it stays.
fn all_labels(order: &RunOrder, spec: &RunSpec, context: &Context) -> HashMap<String, String> {
    let keep = Keep { delete: spec.delete, retention: order.spec.history };
    let mut labels = labels(order, context);
    labels.extend(keep.label().map(|it| (KEEP_LABEL.to_owned(), it)));
    labels
}

/// When a container goes, by what stands on it.
pub(super) fn delete_of(labels: &HashMap<String, String>) -> Delete {
    Keep::of(labels).map_or(Delete::Always, |keep| keep.delete)
}

pub(super) async fn follow(id: &str, mut output: Output, context: &Context, life: &mut Life) -> Outcome {
    let exit = exit_code(id, context);
    tokio::pin!(exit);
    let mut open = true;
    let mut asking: Fuse<BoxFuture<'_, ()>> = Fuse::terminated();
    let code = loop {
        let Life { capture, interrupts, .. } = &mut *life;
        tokio::select! {
            chunk = output.next(), if open && capture.is_idle() => match chunk {
                Some(Ok((channel, bytes))) => capture.put(channel, bytes),
                // The exit code still comes; the Engine keeps it until the container is removed.
                Some(Err(_)) | None => open = false,
            },
            () = capture.work(), if !capture.is_idle() => {}
            code = &mut exit => break code,
            step = interrupts.next() => {
                // Asking goes on beside the rest: the answer to a stop comes only when it has ended, and a harder
                // step may come before that. Whether it worked is seen in the container itself.
                let grace = interrupts.grace();
                asking = match step {
                    Step::Stop => context.engine.stop_container(id, grace).map(drop).boxed().fuse(),
                    Step::Kill => context.engine.kill_container(id).map(drop).boxed().fuse(),
                    Step::GiveUp => {
                        return interrupts.given_up(Some("the Engine did not end its container".to_owned()));
                    }
                };
            }
            () = &mut asking => {}
        }
    };
    if open {
        // The container is gone, so its output ends by itself.
        life.drain(&mut output, LAST_OUTPUT, usize::MAX).await;
    }
    match code {
        Ok(code) => {
            let ending = life.interrupts.ending();
            // Only the Engine can tell this kill from another.
            let facts = match (code, ending) {
                (0, _) | (_, Some(_)) => None,
                (_, None) => context.engine.container_facts(id).await.ok().flatten(),
            };
            ended(ending, code, facts.and_then(|facts| lack_of_memory(code, &facts)))
        }
        Err(reason) => Outcome::Lost { reason },
    }
}

/// Waits for the exit code, over interruptions of the connection.
async fn exit_code(id: &str, context: &Context) -> Result<i64, String> {
    let mut outage = Outage::default();
    loop {
        let asked = Instant::now();
        match context.engine.wait_container(id).await {
            Ok(code) => return Ok(code),
            Err(error) if error.is_not_found() => {
                return Err("its container was removed by someone else".to_owned());
            }
            Err(error) => {
                if asked.elapsed() > HELD {
                    outage.over();
                }
                if outage.is_too_long(&error) {
                    return Err(error.to_string());
                }
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// How often removing a run's container is tried.
const REMOVE_ATTEMPTS: u32 = 3;

/// Removes a container, over a short absence of the Engine.
pub async fn remove(engine: &Engine, container: &str) -> Result<(), EngineError> {
    let mut attempt = 1;
    loop {
        match engine.remove_container(container).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == REMOVE_ATTEMPTS => return Err(error),
            Err(_) => sleep(Duration::from_secs(attempt.into())).await,
        }
        attempt += 1;
    }
}
