//! Kind `service-run` with an action: a service that is there is changed, and its new tasks are followed until they run,
//! or with `run` to their end.
//!
//! The service is its owner's: nothing of it is removed, and a change that someone else makes at the same time is not
//! lost.

mod plan;

use std::collections::BTreeSet;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{
        changes::{Rollout, ServiceNow, TaskOf},
        client::Engine,
        error::EngineError,
        tasks::TaskState,
    },
    model::{
        policy::SuccessCodes,
        run::{Outcome, StopCause, WorkHandle},
        service::{ServiceActionSpec, Tasks},
    },
    telemetry::report,
};

use super::{
    collect::Collect,
    interrupts::{Ending, Step},
    looks::{Looks, RESYNC, SOON},
    order::{RunOrder, TakenUp},
    outage::Outage,
    service::no_manager,
    tasks::{Meaning, Seen, name},
    unit::{Context, KindEnd, Leftover, Life},
};
use plan::{Plan, Wants, plan};

/// How often a change is tried that others get in the way of.
const ATTEMPTS: u32 = 10;

/// Runs it.
pub async fn run(order: &RunOrder, spec: &ServiceActionSpec, context: &Context, life: &mut Life) -> KindEnd {
    let engine = &context.engine;
    let began = Instant::now();
    let (now, plan, before) = match change(engine, spec).await {
        Ok(changed) => changed,
        Err(error) => return Outcome::NotStarted { error }.into(),
    };
    drop(life.is_called(WorkHandle::Change { service: now.id.clone(), back: plan.back }, None));
    life.started(began);
    let change = Change {
        engine,
        service: now.id.clone(),
        mark: now.mark + u64::from(plan.force),
        plan,
        before,
        good: &order.spec.policies.success_codes,
    };
    let (outcome, seen) = change.follow(life).await;
    if let Wants::Ended(_) = plan.wants {
        output(engine, &now.id, &seen, context, life).await;
    }
    let goes_on = matches!(
        &outcome,
        Outcome::TimedOut { still_running: Some(_), .. } | Outcome::Stopped { still_running: Some(_), .. }
    );
    let back = plan.back.filter(|_| !goes_on).map(|back| Leftover::Replicas(now.id, back));
    KindEnd { leftover: back, ..outcome.into() }
}

/// Takes up the service that the last agent followed. How its tasks do is told by the Swarm only; what the run gave it is
/// taken back once they have ended.
pub(super) async fn take_up(
    taken: &TakenUp,
    (service, back): (&str, Option<u64>),
    context: &Context,
    life: &mut Life,
) -> KindEnd {
    let reason = format!(
        "the agent ended while it followed the service {service}, which goes on by itself: docker service ps {service} tells \
         how its tasks did"
    );
    let Some(back) = back else { return Outcome::Lost { reason }.into() };
    life.goes_on(taken.began(), "its service has tasks for it");
    tokio::select! {
        () = until_gone(&context.engine, service) => {}
        // Asked to end before that, its tasks are ended by taking them back, where it had none.
        _ = life.interrupts.next() => {
            if back > 0 {
                return life.interrupts.given_up(Some("its tasks are left to the service".to_owned())).into();
            }
        }
    }
    let reason = format!("{reason}; it has {back} again");
    KindEnd {
        leftover: Some(Leftover::Replicas(service.to_owned(), back)),
        ..Outcome::Lost { reason }.into()
    }
}

/// Gives a service the number of tasks that it had.
pub(super) async fn scale_back(engine: &Engine, service: &str, replicas: u64) -> Result<(), EngineError> {
    let mut attempt = 1;
    loop {
        let Some(now) = engine.service_now(service).await? else { return Ok(()) };
        match engine.change_service(&now, Some(replicas), false).await {
            Err(error) if attempt < ATTEMPTS && (error.is_out_of_sequence() || error.is_outage()) => {}
            other => return other,
        }
        sleep(SOON * attempt).await;
        attempt += 1;
    }
}

/// Waits until no task of a run's service goes on: those that were not ended are left to it.
pub(super) async fn until_gone(engine: &Engine, service: &str) {
    loop {
        let tasks = engine.tasks_of(service, Tasks::EachNode).await;
        if tasks.is_ok_and(|tasks| tasks.iter().all(|it| it.task.state.is_over())) {
            return;
        }
        sleep(RESYNC).await;
    }
}

/// Changes the service; an error is why it was not.
async fn change(
    engine: &Engine,
    spec: &ServiceActionSpec,
) -> Result<(ServiceNow, Plan, BTreeSet<String>), String> {
    let (service, word) = (&spec.service, spec.action.as_str());
    let failed = |error: &EngineError| format!("action={word} on {service}: {error}{}", no_manager(error));
    // A change of which no answer came may have been made.
    let mut unsure: Option<(ServiceNow, Plan, BTreeSet<String>)> = None;
    let mut attempt = 1;
    loop {
        let error = match engine.service_now(service).await {
            Ok(None) => {
                return Err(format!(
                    "action={word}: the Swarm has no service {service}: deploy it, or name another one"
                ));
            }
            Ok(Some(now)) => {
                if let Some(made) = unsure.take_if(|(before, plan, _)| plan.force && now.mark > before.mark) {
                    return Ok(made);
                }
                let plan = plan(now.mode, now.restarts, spec.action)
                    .map_err(|why| format!("action={word} on {service}: {why}"))?;
                let of = plan.wants.places();
                let before = engine.tasks_of(&now.id, of).await.map_err(|error| failed(&error))?;
                let before = before.into_iter().map(|it| it.task.id).collect();
                if plan.replicas.is_none() && !plan.force {
                    return Ok((now, plan, before));
                }
                match engine.change_service(&now, plan.replicas, plan.force).await {
                    Ok(()) => return Ok((now, plan, before)),
                    Err(error) => {
                        if error.is_outage() {
                            unsure = Some((now, plan, before));
                        }
                        error
                    }
                }
            }
            Err(error) => error,
        };
        if attempt == ATTEMPTS || !(error.is_outage() || error.is_out_of_sequence()) {
            return Err(failed(&error));
        }
        sleep(SOON * attempt).await;
        attempt += 1;
    }
}

/// A change that was made.
struct Change<'a> {
    engine: &'a Engine,
    service: String,
    /// What its new tasks carry.
    mark: u64,
    plan: Plan,
    /// The tasks that there were.
    before: BTreeSet<String>,
    good: &'a SuccessCodes,
}

impl Change<'_> {
    /// Follows the new tasks; gives those of a run with its outcome.
    async fn follow(&self, life: &mut Life) -> (Outcome, Seen) {
        let mut seen = Seen::default();
        let mut waits_for = None;
        let mut ending: Option<Ending> = None;
        let mut outage = Outage::default();
        let mut looks = Looks::new(self.engine, &self.service);
        let made = Instant::now();
        loop {
            looks.begin();
            match self.look(&mut seen, made).await {
                Ok(Look::Over(outcome)) => {
                    let outcome = match (ending, outcome) {
                        (None, outcome) => outcome,
                        (Some(Ending::TimedOut), _) => {
                            Outcome::TimedOut { still_running: None, waited_for: waits_for }
                        }
                        (Some(ending), _) => ending.outcome(None),
                    };
                    return (outcome, seen);
                }
                Ok(Look::Going(why)) => {
                    outage.over();
                    waits_for = why.or(waits_for);
                    if ending.is_some() && seen.is_over() {
                        return (life.interrupts.given_up(None), seen);
                    }
                }
                Err(error) => {
                    if outage.is_too_long(&error) {
                        return (Outcome::Lost { reason: error.to_string() }, seen);
                    }
                }
            }
            looks.over();
            tokio::select! {
                () = looks.due() => {}
                step = life.interrupts.next() => {
                    ending = life.interrupts.ending();
                    if let Some(outcome) = self.end(step, ending, waits_for.clone(), life).await {
                        return (outcome, seen);
                    }
                }
            }
        }
    }

    /// Takes a step of ending it; the outcome where nothing comes after.
    async fn end(
        &self,
        step: Step,
        ending: Option<Ending>,
        waited_for: Option<String>,
        life: &Life,
    ) -> Option<Outcome> {
        let Wants::Ended(_) = self.plan.wants else {
            // There is nothing to end: the Swarm goes on to do what it was told.
            return Some(match ending {
                Some(Ending::TimedOut) | None => Outcome::TimedOut { still_running: None, waited_for },
                Some(ending) => ending.outcome(None),
            });
        };
        let shutdown = ending == Some(Ending::Stopped(StopCause::Shutdown));
        let (Some(back @ 0), false) = (self.plan.back, shutdown) else {
            let why = format!("its tasks are those of the service {}, and are left to it", self.service);
            return Some(life.interrupts.given_up(Some(why)));
        };
        match step {
            // Whether it worked is seen in the tasks.
            Step::Stop => drop(scale_back(self.engine, &self.service, back).await),
            Step::Kill => drop(self.engine.kill_service_containers(&self.service).await),
            Step::GiveUp => {
                return Some(life.interrupts.given_up(Some("the Swarm did not end its tasks".to_owned())));
            }
        }
        None
    }

    async fn look(&self, seen: &mut Seen, made: Instant) -> Result<Look, EngineError> {
        let of = self.plan.wants.places();
        let tasks = self.engine.tasks_of(&self.service, of).await?;
        match self.plan.wants {
            Wants::Ended(wanted) => {
                seen.take(tasks.into_iter().filter(|it| it.mark == self.mark).map(|it| it.task).collect());
                Ok(match seen.meaning(wanted, self.good) {
                    Meaning::Over(outcome) => Look::Over(outcome),
                    Meaning::Going { waits_for } => Look::Going(waits_for),
                })
            }
            Wants::RolledOut => {
                let Some(now) = self.engine.service_now(&self.service).await? else { return Ok(gone()) };
                // The task for which it was stopped may have failed since they were looked at.
                let is_stopped = matches!(now.rollout, Rollout::Failed(_));
                let tasks = if is_stopped { self.engine.tasks_of(&self.service, of).await? } else { tasks };
                Ok(rolled_out(&tasks, &now, self.mark, made.elapsed() > RESYNC))
            }
            Wants::Running(wanted) => Ok(running(&tasks, &self.before, wanted)),
        }
    }
}

enum Look {
    /// It goes on; why it waits, where that is known.
    Going(Option<String>),
    Over(Outcome),
}

fn gone() -> Look {
    Look::Over(Outcome::Lost { reason: "the service was removed".to_owned() })
}

fn done() -> Look {
    Look::Over(Outcome::Succeeded { exit_code: None })
}

/// The first of these tasks that failed makes it failed.
fn failed<'a>(tasks: impl Iterator<Item = &'a TaskOf>) -> Option<Look> {
    let failed = tasks.filter(|it| matches!(it.task.state, TaskState::Failed | TaskState::Rejected));
    let first = failed.min_by_key(|it| it.task.since)?;
    let error = first.task.error.clone().unwrap_or_else(|| "the Swarm does not say why".to_owned());
    let reason = Some(format!("{}: {error}", name(&first.task, Tasks::Replicas(u16::MAX))));
    Some(Look::Over(Outcome::Failed { exit_code: first.task.exit_code, reason }))
}

/// Why the first that does not run yet does not.
fn waits<'a>(mut tasks: impl Iterator<Item = &'a TaskOf>) -> Look {
    let waits = tasks.find(|it| it.wanted && !it.running);
    Look::Going(waits.map(|it| {
        let why = it.task.error.clone().unwrap_or_else(|| "it does not run yet".to_owned());
        format!("{}: {why}", name(&it.task, Tasks::Replicas(u16::MAX)))
    }))
}

/// Whether new tasks have taken the place of all old ones.
fn rolled_out(tasks: &[TaskOf], now: &ServiceNow, mark: u64, settled: bool) -> Look {
    let new = || tasks.iter().filter(|it| it.mark == mark);
    if let Some(failed) = failed(new()) {
        return failed;
    }
    match &now.rollout {
        Rollout::Done => done(),
        Rollout::Failed(why) => Look::Over(Outcome::Failed {
            exit_code: None,
            reason: Some(format!("the Swarm stopped it: {why}")),
        }),
        // A service that wants no tasks has nothing to roll out, and the Swarm says nothing of it.
        Rollout::Untold if settled && tasks.iter().all(|it| !it.wanted) => done(),
        Rollout::Untold | Rollout::Going => waits(new()),
    }
}

/// Whether so many tasks run, and no other.
fn running(tasks: &[TaskOf], before: &BTreeSet<String>, wanted: u64) -> Look {
    if let Some(failed) = failed(tasks.iter().filter(|it| !before.contains(&it.task.id))) {
        return failed;
    }
    let is_wanted = |it: &&TaskOf| it.wanted && !it.task.state.is_over();
    let all = tasks.iter().filter(is_wanted).count();
    let run = tasks.iter().filter(is_wanted).filter(|it| it.running).count();
    let others = tasks.iter().filter(|it| !it.wanted && it.running).count();
    let is = |count: usize| u64::try_from(count) == Ok(wanted);
    if is(all) && is(run) && others == 0 { done() } else { waits(tasks.iter()) }
}

/// Reads what the tasks of a run printed.
async fn output(engine: &Engine, service: &str, seen: &Seen, context: &Context, life: &mut Life) {
    let tags = life.capture.tags().clone();
    let mut collect = Collect::new(engine, service, tags.clone(), context.sink.clone(), life.tap());
    for task in seen.over() {
        collect.rest(&task.id, &task.place).await;
    }
    collect.finish().await;
    if let Some(reason) = collect.trouble() {
        report::run_output_missing(&tags, reason);
    }
}
