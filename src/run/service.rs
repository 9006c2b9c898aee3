//! Kind `service-run`: a service of a Swarm in job mode, whose tasks are followed to their end.
//!
//! The service is removed when the record is kept. Until then it is what can still tell how it ended.

mod removal;
mod request;

pub use removal::{remove, until_gone};
pub(super) use request::no_manager;
use request::{not_started, request};

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use crate::{
    docker::{client::Engine, error::EngineError},
    model::{
        container::RUN_LABEL,
        policy::SuccessCodes,
        run::{Outcome, Printed, WorkHandle},
        service::{ServiceRunSpec, Tasks},
    },
    telemetry::report::{self, RunTags},
};

use super::{
    adoption,
    clearing::Leftover,
    collect::{Again, Collect},
    interrupts::{Ending, Step},
    looks::{Looks, RESYNC},
    new_container::LAST_QUESTION,
    order::{RunOrder, TakenUp},
    outage::Outage,
    takeover,
    tasks::{Meaning, Seen},
    unit::{Context, KindEnd, Life},
};

/// Runs it.
pub async fn run(order: &RunOrder, spec: &ServiceRunSpec, context: &Context, life: &mut Life) -> KindEnd {
    let engine = &context.engine;
    let request = match request(order, spec, context).await {
        Ok(request) => request,
        Err(error) => return Outcome::NotStarted { error }.into(),
    };
    let began = Instant::now();
    let id = match engine.create_service(request).await {
        Ok(id) => id,
        Err(error) => {
            let made = half_made(order, &error, engine).await;
            let leftover = made.map(|id| Leftover::Service(id, spec.tasks));
            let guarded = matches!(error, EngineError::Refused { status: 409, .. });
            return KindEnd { leftover, guarded, ..not_started(&error, spec).into() };
        }
    };
    life.is_called(WorkHandle::Service { id: id.clone() }, None);
    life.started(began);
    to_the_end(id, order, spec.tasks, Again::Nothing, context, life).await
}

/// Takes up the service of a run that another agent began.
pub async fn take_up(taken: &TakenUp, spec: &ServiceRunSpec, context: &Context, life: &mut Life) -> KindEnd {
    let (engine, order) = (&context.engine, &taken.order);
    let name = match taken.handle() {
        Some(WorkHandle::Service { id }) => id.clone(),
        _ => order.service_name(),
    };
    let label = (RUN_LABEL, &*order.run.0);
    let found = match takeover::answer_of(|| engine.service_with_label(&name, label)).await {
        Ok(found) => found,
        Err(error) => return lost(life, format!("its service cannot be asked for: {error}")),
    };
    let meaning = adoption::of_service(taken.handle().is_some(), found.is_some());
    match (takeover::outcome(taken, &meaning), found) {
        (None, Some(id)) => {
            life.goes_on(taken.began(), "its service is there");
            life.is_called(WorkHandle::Service { id: id.clone() }, None);
            let again = comes_again(spec.tasks, takeover::known_output(taken), context, life);
            to_the_end(id, order, spec.tasks, again, context, life).await
        }
        (Some(outcome), _) => outcome.into(),
        (None, None) => lost(life, "its service is not there".to_owned()),
    }
}

/// What was taken in by another agent of what so many tasks printed.
pub(super) fn comes_again(tasks: Tasks, known: Printed, context: &Context, life: &mut Life) -> Again {
    if tasks == Tasks::Replicas(1) {
        return Again::Bytes(known);
    }
    // Pieces of several tasks come in another order each time.
    let reason = "what its tasks printed while no agent ran is not read";
    report::run_output_missing(life.capture.tags(), reason);
    life.note = Some(reason.to_owned());
    Again::Until(context.clock.now())
}

pub(super) fn lost(life: &Life, reason: String) -> KindEnd {
    report::run_leftover(life.capture.tags(), "how it ended cannot be told, so it is left as it is");
    Outcome::Lost { reason }.into()
}

/// Follows a service that was made.
async fn to_the_end(
    id: String,
    order: &RunOrder,
    tasks: Tasks,
    again: Again,
    context: &Context,
    life: &mut Life,
) -> KindEnd {
    let service = Service {
        engine: &context.engine,
        id: &id,
        label: run_label(order),
        tasks,
        good: &order.spec.policies.success_codes,
        asked: AtomicBool::new(false),
        poke: Notify::new(),
    };
    match service.follow(context, again, life).await {
        Ok(outcome) => KindEnd { leftover: Some(Leftover::Service(id, tasks)), ..outcome.into() },
        // It may well go on, and nobody but its owner should end it.
        Err(reason) => lost(life, reason),
    }
}

fn run_label(order: &RunOrder) -> String {
    format!("{RUN_LABEL}={}", order.run)
}

/// The service that the Engine may have made although its answer never came. It is known by the label of this run: what
/// has its name may belong to someone else.
async fn half_made(order: &RunOrder, error: &EngineError, engine: &Engine) -> Option<String> {
    if !error.is_outage() {
        return None;
    }
    let mut wait = Duration::from_secs(1);
    while wait <= LAST_QUESTION {
        let label = (RUN_LABEL, &*order.run.0);
        if let Ok(Some(found)) = engine.service_with_label(&order.service_name(), label).await {
            return Some(found);
        }
        sleep(wait).await;
        wait *= 2;
    }
    None
}

/// A service that was made.
struct Service<'a> {
    engine: &'a Engine,
    id: &'a str,
    /// What its tasks' containers have among their labels.
    label: String,
    tasks: Tasks,
    /// The exit codes with which a task has succeeded.
    good: &'a SuccessCodes,
    /// Whether the Swarm has taken the request to end it.
    asked: AtomicBool,
    /// Something was heard.
    poke: Notify,
}

impl Service<'_> {
    /// Follows it to its end; an error is why that cannot be told.
    async fn follow(&self, context: &Context, again: Again, life: &mut Life) -> Result<Outcome, String> {
        let (seen, mut told) = watch::channel(Seen::default());
        let end = self.end(seen);
        tokio::pin!(end);
        let mut collect =
            Collect::new(self.engine, self.id, life.capture.tags().clone(), context.sink.clone(), life.tap());
        collect.comes_again(again);
        // A piece of a task that no list has told of yet.
        let mut held = None;
        let mut waited_for = None;
        let mut asking: Fuse<BoxFuture<'_, ()>> = Fuse::terminated();
        let outcome = loop {
            tokio::select! {
                piece = collect.next(), if held.is_none() => {
                    held = Some(piece);
                    self.poke.notify_one();
                }
                // Whoever tells is polled here as well.
                _ = told.changed(), if held.is_some() => {}
                outcome = &mut end => break outcome,
                step = life.interrupts.next() => {
                    asking = match step {
                        Step::Stop => {
                            waited_for = waits_for(&told.borrow(), self.tasks);
                            self.ask_to_end().boxed().fuse()
                        }
                        Step::Kill => async {
                            self.ask_to_end().await;
                            // Whether it worked is seen in the tasks.
                            let _ = self.engine.kill_service_containers(self.id).await;
                        }.boxed().fuse(),
                        Step::GiveUp => break Ok(life.interrupts.given_up(Some("the Swarm did not end its tasks".to_owned()))),
                    };
                }
                () = &mut asking => {}
            }
            let place = held.as_ref().and_then(|piece| told.borrow().place(&piece.task).cloned());
            if let Some(place) = place
                && let Some(piece) = held.take()
            {
                collect.put(piece, Some(&place));
            }
        };
        drop(asking);
        let seen = told.borrow().clone();
        if let Some(piece) = held {
            collect.put(piece, None);
        }
        let ending = life.interrupts.ending();
        self.last_output(&mut collect, &seen, ending, life.capture.tags()).await;
        Ok(match (outcome?, ending) {
            (Outcome::TimedOut { still_running, .. }, _) => Outcome::TimedOut { still_running, waited_for },
            (outcome @ Outcome::Stopped { .. }, _) | (outcome, None) => outcome,
            (_, Some(Ending::TimedOut)) => Outcome::TimedOut { still_running: None, waited_for },
            (_, Some(ending)) => ending.outcome(None),
        })
    }

    async fn last_output(
        &self,
        collect: &mut Collect<'_>,
        seen: &Seen,
        ending: Option<Ending>,
        tags: &RunTags,
    ) {
        if ending.is_some() {
            // Their containers are gone, and with them what the nodes kept.
            collect.last(|task| seen.place(task).cloned()).await;
        } else {
            for task in seen.over() {
                collect.rest(&task.id, &task.place).await;
            }
        }
        collect.finish().await;
        if let Some(reason) = collect.trouble() {
            report::run_output_missing(tags, reason);
        }
    }

    /// Asks for its end until that is taken.
    async fn ask_to_end(&self) {
        while !self.asked.load(Ordering::Relaxed) {
            match self.engine.end_service(self.id).await {
                Ok(()) => self.asked.store(true, Ordering::Relaxed),
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
        }
        self.poke.notify_one();
    }

    /// Waits until all of its tasks are over, over interruptions of the connection; tells of each list on the way.
    async fn end(&self, seen: watch::Sender<Seen>) -> Result<Outcome, String> {
        let mut outage = Outage::default();
        let mut looks = Looks::new(self.engine, self.id);
        let made = Instant::now();
        loop {
            looks.begin();
            let asked = self.asked.load(Ordering::Relaxed);
            match self.engine.tasks_with_label(&self.label, self.tasks).await {
                Ok(list) => {
                    outage.over();
                    let none = list.is_empty();
                    seen.send_modify(|seen| seen.take(list));
                    let meaning = seen.borrow().meaning(self.tasks, self.good);
                    if let Meaning::Over(outcome) = meaning {
                        return Ok(outcome);
                    }
                    if asked && seen.borrow().is_over() {
                        return Ok(gone("it was ended before it had tasks"));
                    }
                    if none && made.elapsed() > RESYNC && !self.is_there().await {
                        return Ok(gone("its service was removed by someone else"));
                    }
                }
                Err(error) => {
                    if outage.is_too_long(&error) {
                        return Err(error.to_string());
                    }
                }
            }
            looks.over();
            loop {
                tokio::select! {
                    () = looks.due() => break,
                    () = self.poke.notified() => looks.heard(),
                }
            }
        }
    }

    /// Whether the Swarm has it still. Not to know is not to know that it is gone.
    async fn is_there(&self) -> bool {
        let (name, value) = self.label.split_once('=').unwrap_or((&self.label, ""));
        !matches!(self.engine.service_with_label(self.id, (name, value)).await, Ok(None))
    }
}

fn gone(reason: &str) -> Outcome {
    Outcome::Lost { reason: reason.to_owned() }
}

fn waits_for(seen: &Seen, tasks: Tasks) -> Option<String> {
    match seen.meaning(tasks, &SuccessCodes::default()) {
        Meaning::Going { waits_for } => waits_for,
        Meaning::Over(_) => None,
    }
}
