//! Kind `service-run` with an action: a service that is there is changed, and its new tasks are followed until they run,
//! or with `run` to their end.
//!
//! The service is its owner's: nothing of it is removed, and a change that someone else makes at the same time is not
//! lost.

mod change;
mod plan;
mod shows;
mod take_up;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{
        changes::{Mode, Rollout},
        client::Engine,
        error::EngineError,
    },
    model::{
        policy::SuccessCodes,
        run::{Outcome, StopCause},
        service::{ServiceActionSpec, Tasks, Wants},
    },
    telemetry::report,
};

use super::{
    clearing::Leftover,
    collect::{Again, Collect},
    interrupts::{Ending, Step},
    looks::{Looks, RESYNC, SOON},
    order::RunOrder,
    outage::Outage,
    tasks::{Meaning, Seen},
    unit::{Context, KindEnd, Life},
};
use change::{Made, change};
use shows::{Look, gone, may_come, rolled_out, running};
pub(super) use take_up::take_up;

/// How often a change is tried that others get in the way of.
const ATTEMPTS: u32 = 10;

/// No more tasks come when none has for this long, and nothing of the run goes on.
const QUIET: Duration = Duration::from_secs(10);

/// Runs it.
pub async fn run(order: &RunOrder, spec: &ServiceActionSpec, context: &Context, life: &mut Life) -> KindEnd {
    let (made, began) = match change(order, spec, context, life).await {
        Ok(made) => made,
        Err(outcome) => return outcome.into(),
    };
    life.started(began);
    let good = &order.spec.policies.success_codes;
    let change = Change { engine: &context.engine, made, good, is_taken_up: false };
    change.to_the_end(Again::Nothing, context, life).await
}

/// Gives a service the number of tasks that it had, where it has the one that it was `given`; another one is from
/// someone else, and stays.
pub(super) async fn scale_back(
    engine: &Engine,
    service: &str,
    given: Option<u64>,
    replicas: u64,
) -> Result<(), EngineError> {
    let mut attempt = 1;
    loop {
        let Some(now) = engine.service_now(service).await? else { return Ok(()) };
        if now.mode == Mode::Replicated(replicas)
            || given.is_some_and(|given| now.mode != Mode::Replicated(given))
        {
            return Ok(());
        }
        match engine.change_service(&now, Some(replicas), None).await {
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
        match engine.tasks_of(service, Tasks::EachNode).await {
            Ok(tasks) if tasks.iter().all(|it| it.task.state.is_over()) => return,
            // With the service they go.
            Err(error) if error.is_not_found() => return,
            Ok(_) | Err(_) => {}
        }
        sleep(RESYNC).await;
    }
}

/// A change that was made.
struct Change<'a> {
    engine: &'a Engine,
    made: Made,
    good: &'a SuccessCodes,
    /// Whether another agent made it: tasks of it may have ended, and been forgotten, while nobody looked.
    is_taken_up: bool,
}

/// What was seen of it so far.
#[derive(Default)]
struct Watched {
    /// The tasks of a run.
    seen: Seen,
    /// Since when none of them goes on, and none that is missing may come.
    quiet: Option<Instant>,
}

impl Change<'_> {
    /// Follows it to its end.
    async fn to_the_end(&self, again: Again, context: &Context, life: &mut Life) -> KindEnd {
        let (outcome, seen) = self.follow(life).await;
        if let Wants::Ended(_) = self.made.followed.wants {
            self.output(&seen, again, context, life).await;
        }
        let back = self.made.back.filter(|_| !outcome.goes_on());
        let leftover = back.map(|back| Leftover::Replicas {
            service: self.made.service.clone(),
            given: self.made.followed.given(),
            back,
        });
        KindEnd { leftover, ..outcome.into() }
    }

    /// Follows the new tasks; gives those of a run with its outcome.
    async fn follow(&self, life: &mut Life) -> (Outcome, Seen) {
        let mut watched = Watched::default();
        let mut waits_for = None;
        let mut asked = false;
        let mut outage = Outage::default();
        let mut looks = Looks::new(self.engine, &self.made.service);
        let since = Instant::now();
        loop {
            looks.begin();
            match self.look(&mut watched, since).await {
                Ok(Look::Over(outcome)) => {
                    let outcome = match (life.interrupts.ending(), outcome) {
                        (None, outcome) => outcome,
                        (Some(Ending::TimedOut), _) => {
                            Outcome::TimedOut { still_running: None, waited_for: waits_for }
                        }
                        (Some(ending), _) => ending.outcome(None),
                    };
                    return (outcome, watched.seen);
                }
                Ok(Look::Going(why)) => {
                    outage.over();
                    waits_for = why.or(waits_for);
                    if asked && watched.seen.is_over() {
                        return (life.interrupts.given_up(None), watched.seen);
                    }
                }
                Err(error) => {
                    if outage.is_too_long(&error) {
                        return (Outcome::Lost { reason: error.to_string() }, watched.seen);
                    }
                }
            }
            looks.over();
            tokio::select! {
                () = looks.due() => {}
                step = life.interrupts.next() => {
                    asked = true;
                    if let Some(outcome) = self.end(step, waits_for.clone(), life).await {
                        return (outcome, watched.seen);
                    }
                }
            }
        }
    }

    /// Takes a step of ending it; the outcome where nothing comes after.
    async fn end(&self, step: Step, waited_for: Option<String>, life: &Life) -> Option<Outcome> {
        let (ending, service) = (life.interrupts.ending(), &self.made.service);
        let Wants::Ended(_) = self.made.followed.wants else {
            // There is nothing to end: the Swarm goes on to do what it was told.
            return Some(match ending {
                Some(Ending::TimedOut) | None => Outcome::TimedOut { still_running: None, waited_for },
                Some(ending) => ending.outcome(None),
            });
        };
        let shutdown = ending == Some(Ending::Stopped(StopCause::Shutdown));
        let (Some(back @ 0), false) = (self.made.back, shutdown) else {
            let why = format!("its tasks are those of the service {service}, and are left to it");
            return Some(life.interrupts.given_up(Some(why)));
        };
        match step {
            // Whether it worked is seen in the tasks.
            Step::Stop => drop(scale_back(self.engine, service, self.made.followed.given(), back).await),
            Step::Kill => drop(self.engine.kill_service_containers(service).await),
            Step::GiveUp => {
                return Some(life.interrupts.given_up(Some("the Swarm did not end its tasks".to_owned())));
            }
        }
        None
    }

    async fn look(&self, watched: &mut Watched, since: Instant) -> Result<Look, EngineError> {
        let (service, followed) = (&self.made.service, &self.made.followed);
        let of = followed.wants.places();
        let tasks = self.engine.tasks_of(service, of).await?;
        match followed.wants {
            Wants::Ended(wanted) => {
                let ours = tasks.into_iter().filter(|it| it.mark == followed.mark).map(|it| it.task);
                watched.seen.take(ours.collect());
                match watched.seen.meaning(wanted, self.good) {
                    Meaning::Over(outcome) => Ok(Look::Over(outcome)),
                    Meaning::Going { waits_for } => {
                        let forgotten = self.forgotten(watched).await?;
                        Ok(forgotten.map_or(Look::Going(waits_for), Look::Over))
                    }
                }
            }
            Wants::RolledOut => {
                let Some(now) = self.engine.service_now(service).await? else { return Ok(gone()) };
                // The task for which it was stopped may have failed since they were looked at.
                let is_stopped = matches!(now.rollout, Rollout::Failed(_));
                let tasks = if is_stopped { self.engine.tasks_of(service, of).await? } else { tasks };
                Ok(rolled_out(&tasks, &now, followed.mark, since.elapsed() > RESYNC))
            }
            Wants::Running(wanted) => Ok(running(&tasks, followed.newest, wanted)),
        }
    }

    /// The outcome of a run of which the Swarm knows too few tasks, and makes no more: it keeps a few of those that have
    /// ended only.
    async fn forgotten(&self, watched: &mut Watched) -> Result<Option<Outcome>, EngineError> {
        if !self.is_taken_up {
            return Ok(None);
        }
        let Made { service, followed, .. } = &self.made;
        if !watched.seen.is_over()
            || may_come(self.engine.service_now(service).await?.as_ref(), followed.mark)
        {
            watched.quiet = None;
            return Ok(None);
        }
        let is_quiet = watched.quiet.get_or_insert_with(Instant::now).elapsed() > QUIET;
        let known = watched.seen.over().count();
        let reason = format!(
            "the Swarm knows {known} of its tasks, and no more: what has ended while no agent ran it may have forgotten"
        );
        Ok(is_quiet.then_some(Outcome::Lost { reason }))
    }

    /// Reads what the tasks of a run printed.
    async fn output(&self, seen: &Seen, again: Again, context: &Context, life: &mut Life) {
        let tags = life.capture.tags().clone();
        let (service, sink) = (&self.made.service, context.sink.clone());
        let mut collect = Collect::new(self.engine, service, tags.clone(), sink, life.tap());
        collect.comes_again(again);
        for task in seen.over() {
            collect.rest(&task.id, &task.place).await;
        }
        collect.finish().await;
        if let Some(reason) = collect.trouble() {
            report::run_output_missing(&tags, reason);
        }
    }
}
