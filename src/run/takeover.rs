//! A run that another agent began, from where that one left it to its record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    docker::{containers::ContainerPhase, error::EngineError},
    history::keeper::Recorder,
    model::{
        container::RUN_LABEL,
        job::{JobSpec, Work},
        run::{Outcome, Printed, RunRecord, StopRequest, WorkHandle},
        service::Tasks,
        unfinished::{LastAttempt, printed_in},
    },
    telemetry::report,
};

use super::{
    action,
    adoption::Meaning,
    clearing::{self, Leftover},
    compose, existing, in_container, new_container,
    order::{JobNow, RunOrder, TakenUp},
    process,
    retry::{asked, may_be_tried_again},
    service, service_action,
    unit::{self, Attempt, Context, KindEnd, Life, UnitEnd},
};

/// An Engine that does not answer is asked again after this long, then after twice as long each time, up to the second.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long an Engine that answers may take to know its Swarm again.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// What a record says of a command whose output nobody read.
pub const OUTPUT_UNREAD: &str =
    "what it printed after the agent that began it had ended cannot be read, for the Engine does not keep it";

/// Carries it to its end. `job` is what its job is now, as far as that is known; `end` comes when the agent is to end its
/// runs.
///
/// Nothing comes back where the agent ends before anyone could say what has become of it: then it is left to the next.
pub async fn take_up(
    taken: TakenUp,
    mut job: watch::Receiver<JobNow>,
    context: Context,
    mut stop: watch::Receiver<Option<StopRequest>>,
    end: impl Future<Output = ()>,
) -> Option<UnitEnd> {
    let order = taken.order.clone();
    let recorder = context.keeper.recorder_after(order.run.clone(), taken.terms.max_output, &taken.output);
    let found = Arc::<AtomicBool>::default();
    let attempt = tokio::select! {
        attempt = attempt(&taken, &context, recorder, &stop, found.clone()) => attempt,
        () = left_behind(end, &found) => return None,
    };
    let began = taken.started.map(|at| (unit::instant_of(at, &context.clock), at)).or(attempt.started);
    let mut order = order;
    let mut given_up = None;
    if attempt.tags.attempt <= u32::from(taken.terms.retries) && may_be_tried_again(&attempt) {
        match job_now(&mut job, &mut stop).await {
            Ok(spec) => order = RunOrder { spec, ..order },
            Err(reason) => given_up = Some(reason),
        }
    }
    let end = unit::go_on(order, attempt, began, context, stop).await;
    let record = RunRecord { no_more: end.record.no_more.or(given_up), ..end.record };
    Some(UnitEnd { record, ..end })
}

/// Waits until the agent ends while nothing of the run was found yet.
async fn left_behind(end: impl Future<Output = ()>, found: &AtomicBool) {
    end.await;
    if found.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// The job as it is now, if it does the same as before.
async fn job_now(
    job: &mut watch::Receiver<JobNow>,
    stop: &mut watch::Receiver<Option<StopRequest>>,
) -> Result<Arc<JobSpec>, String> {
    tokio::select! {
        request = asked(stop) => Err(request.cause.as_str().to_owned()),
        found = job.wait_for(|it| *it != JobNow::Unknown) => match found.as_deref() {
            Ok(JobNow::There(spec)) => Ok(spec.clone()),
            Ok(JobNow::Unknown | JobNow::Changed) | Err(_) => {
                Err("its job was removed or changed since the run began".to_owned())
            }
        },
    }
}

/// The attempt that the last agent left.
async fn attempt(
    taken: &TakenUp,
    context: &Context,
    recorder: Recorder,
    stop: &watch::Receiver<Option<StopRequest>>,
    found: Arc<AtomicBool>,
) -> Attempt {
    let further = begun_since(taken, context).await;
    let taken = further.as_ref().unwrap_or(taken);
    let number = taken.number();
    recorder.attempt(number);
    let mut life = Life::new(&taken.order, context, recorder, number, stop.clone());
    life.found = found;
    life.interrupts.was_ending(taken.ending());
    life.handle = taken.handle().cloned();
    if let Some((at, outcome)) = taken.last.as_ref().and_then(|it| it.ended.clone()) {
        report::run_adopted(life.capture.tags(), taken.order.occurrence, "its last attempt had ended");
        let leftover = leftover(taken, &outcome, context).await;
        let leftover = clearing::give_back(&context.engine, leftover).await;
        let end = KindEnd { leftover, ..outcome.into() };
        return life.into_attempt((unit::instant_of(at, &context.clock), at), end);
    }
    let end = match &taken.order.spec.work {
        Work::Exec(_) => in_container::take_up(taken, context, &mut life).await,
        Work::Run(_) => new_container::take_up(taken, context, &mut life).await,
        Work::Start(_) => existing::take_up(taken, context, &mut life).await,
        Work::Local(_) => process::take_up(taken, &mut life, None).await.into(),
        Work::ServiceRun(spec) => service::take_up(taken, spec, context, &mut life).await,
        Work::ServiceAction(_) => service_action::take_up(taken, context, &mut life).await,
        Work::Compose(spec) => compose::take_up(taken, spec, context, &mut life).await,
        Work::Container(_) => action::take_up(taken, context, &mut life).await.into(),
    };
    unit::close(life, &taken.order, end, context).await
}

/// The attempt after the last one that is known: the last agent may have ended between the making of its container and the
/// row of that. A container that was never started goes, and the attempt is made as if nothing had been.
async fn begun_since(taken: &TakenUp, context: &Context) -> Option<TakenUp> {
    let last = taken.last.as_ref().filter(|it| it.ended.is_some())?;
    if !matches!(taken.order.spec.work, Work::Run(_)) || last.number > u32::from(taken.terms.retries) {
        return None;
    }
    let label = format!("{RUN_LABEL}={}", taken.order.run);
    let labels = [&*label];
    let found = answer_of(|| context.engine.labelled_containers(&labels)).await.ok()?;
    let known = |it: &str| matches!(&last.handle, Some(WorkHandle::Container { id }) if id == it);
    for it in found.into_iter().filter(|it| !known(&it.id)) {
        let facts = context.engine.container_facts(&it.id).await.ok().flatten()?;
        if facts.phase != ContainerPhase::Created {
            let last = LastAttempt {
                number: last.number + 1,
                started: None,
                handle: None,
                timed_out: false,
                ended: None,
            };
            return Some(TakenUp { last: Some(last), ..taken.clone() });
        }
        // Where it stays, the attempt says so.
        let _ = new_container::remove(&context.engine, &it.id).await;
    }
    None
}

/// What an attempt that has ended left.
async fn leftover(taken: &TakenUp, outcome: &Outcome, context: &Context) -> Option<Leftover> {
    match taken.handle()? {
        WorkHandle::Container { id } => {
            // What became of it is known: only whether it stays is asked for, and one that is gone does not.
            let facts = answer_of(|| context.engine.container_facts(id)).await.ok()??;
            Some(Leftover::Container { id: facts.id, delete: new_container::delete_of(&facts.labels) })
        }
        WorkHandle::Service { id } => {
            Some(Leftover::Service(id.clone(), taken.terms.tasks.unwrap_or(Tasks::Replicas(1))))
        }
        WorkHandle::Change { service, back, followed } => {
            let back = back.filter(|_| !outcome.goes_on())?;
            let given = followed.and_then(|it| it.given());
            Some(Leftover::Replicas { service: service.clone(), given, back })
        }
        WorkHandle::Existing { .. }
        | WorkHandle::Action { .. }
        | WorkHandle::Exec { .. }
        | WorkHandle::Process { .. } => None,
    }
}

/// What comes of a run that does not go on; none where it does. What was being ended has been, whatever its exit code
/// is.
pub fn outcome(taken: &TakenUp, meaning: &Meaning) -> Option<Outcome> {
    match (meaning, taken.ending()) {
        (Meaning::Ended { .. }, Some(ending)) => Some(ending.outcome(None)),
        (meaning, _) => unasked(meaning),
    }
}

fn unasked(meaning: &Meaning) -> Option<Outcome> {
    match meaning {
        Meaning::GoesOn => None,
        Meaning::Ended { code: 0, .. } => Some(Outcome::Succeeded { exit_code: Some(0) }),
        Meaning::Ended { code, .. } => Some(Outcome::Failed { exit_code: Some(*code), reason: None }),
        Meaning::NeverBegan => {
            Some(Outcome::NotStarted { error: "the agent ended before its command was started".to_owned() })
        }
        Meaning::Lost(reason) => Some(Outcome::Lost { reason: (*reason).to_owned() }),
    }
}

/// How much of the attempt's output is kept already.
pub fn known_output(taken: &TakenUp) -> Printed {
    let number = taken.number();
    Printed {
        stdout: printed_in(&taken.output.stdout, number),
        stderr: printed_in(&taken.output.stderr, number),
    }
}

/// Asks until the Engine answers: until then nobody knows.
pub async fn answer_of<T, F: Future<Output = Result<T, EngineError>>>(
    ask: impl Fn() -> F,
) -> Result<T, EngineError> {
    let mut wait = ASK_AGAIN.0;
    let mut answers_since = None;
    loop {
        match ask().await {
            Err(error) if error.is_outage() => answers_since = None,
            // After its own start it does not know its Swarm for a while.
            Err(error @ EngineError::Refused { status: 500.., .. }) => {
                if answers_since.get_or_insert_with(Instant::now).elapsed() > SETTLE_LIMIT {
                    return Err(error);
                }
            }
            other => return other,
        }
        sleep(wait).await;
        wait = (wait * 2).min(ASK_AGAIN.1);
    }
}
