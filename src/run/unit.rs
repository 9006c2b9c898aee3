//! One run from its order to its record.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    docker::{client::Engine, output::Output},
    history::{
        installation::Installation,
        keeper::{Keeper, Kept, Recorder, Tap},
    },
    model::{
        compose::ComposeFinder,
        job::Work,
        run::{Outcome, RunRecord, StopRequest, WorkHandle},
    },
    telemetry::{
        legs::{Leg, Legs},
        report::{self, RunTags},
        sink::LogSink,
    },
    time::Clock,
};

pub use super::{clearing::clear_away, outage::Outage};

use super::{
    action,
    capture::{Capture, FINISH_LIMIT},
    clearing::{Leftover, give_back},
    compose,
    ending::Program,
    existing, halt,
    halts::Halts,
    in_container,
    interrupts::Interrupts,
    new_container,
    order::RunOrder,
    own_variables::OwnVariables,
    process,
    pull::Pulls,
    reap::Children,
    retry::{self, Next},
    service, service_action,
};

/// The variable that marks everything a run starts, with the run's ID.
pub const MARK: &str = "WATCHBELL_RUN";

/// What a run needs of the agent.
#[derive(Debug, Clone)]
pub struct Context {
    /// The Engine.
    pub engine: Engine,
    /// The wall clock.
    pub clock: Clock,
    /// Where output goes.
    pub sink: LogSink,
    /// The agent's own child processes.
    pub children: Children,
    /// Where what becomes of it is kept.
    pub keeper: Keeper,
    /// What tells what it makes on the Engine from what other agents make there.
    pub installation: Installation,
    /// The pulls of images that go on.
    pub pulls: Pulls,
    /// The file beside the agent with credentials for registries of images.
    pub registries: Option<PathBuf>,
    /// What finds Compose beside the agent.
    pub compose: ComposeFinder,
    /// What can be copied into a container as a helper.
    pub program: Program,
    /// What is stopped while runs go on.
    pub halts: Halts,
    /// What the agent was given for itself, and processes beside it do not get.
    pub own_variables: OwnVariables,
}

/// How a run ended, and what is still to be cleared away.
#[derive(Debug)]
pub struct UnitEnd {
    /// The record.
    pub record: RunRecord,
    /// What is to be removed, once the record is kept.
    pub leftover: Option<Leftover>,
    /// What could not be ended.
    pub goes_on: Option<WorkHandle>,
    /// What it went through.
    pub legs: Legs,
}

/// How the kind's own part ended.
#[derive(Debug)]
pub struct KindEnd {
    /// The outcome.
    pub outcome: Outcome,
    /// What is to be removed.
    pub leftover: Option<Leftover>,
    /// Whether the guard against running an occurrence twice stopped it.
    pub guarded: bool,
}

impl From<Outcome> for KindEnd {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, leftover: None, guarded: false }
    }
}

/// Carries out one order. The run is registered already and `kept` is its row in the history; `stop` is how it is asked to
/// end.
pub async fn run(
    order: RunOrder,
    kept: Kept,
    context: Context,
    stop: watch::Receiver<Option<StopRequest>>,
) -> UnitEnd {
    let mut recorder = context.keeper.recorder(order.run.clone(), order.spec.max_output);
    // Nothing begins that the next agent would not know of.
    recorder.settle(kept).await;
    let attempt = attempt(&order, &context, (recorder, Legs::default()), 1, stop.clone()).await;
    go_on(order, attempt, None, context, stop).await
}

/// From the end of an attempt to that of its run, which may have begun long before.
pub(super) async fn go_on(
    order: RunOrder,
    mut last: Attempt,
    began: Option<(Instant, jiff::Timestamp)>,
    context: Context,
    mut stop: watch::Receiver<Option<StopRequest>>,
) -> UnitEnd {
    let mut began = began.or(last.started);
    let mut number = last.tags.attempt;
    let no_more = loop {
        match retry::next(&order, &context, &mut last, &mut stop).await {
            Next::Attempt => {
                number += 1;
                let goes_along = (last.recorder, last.legs);
                last = attempt(&order, &context, goes_along, number, stop.clone()).await;
                began = began.or(last.started);
            }
            Next::End { no_more } => break no_more,
        }
    };
    let duration = began.map(|(began, _)| last.ended.saturating_duration_since(began));
    let KindEnd { outcome, leftover, .. } = last.end;
    let goes_on = last.handle.filter(|_| outcome.goes_on());
    let kept = |it: &Leftover| matches!(it, Leftover::Container { delete, .. } if delete.keeps(&outcome));
    let leftover = leftover.filter(|it| !kept(it));
    let record = order.record(began.map(|(_, at)| at), last.ended_at, duration, outcome);
    let printed = last.recorder.printed();
    let record = RunRecord { attempts: number, no_more, printed, note: last.note, ..record };
    UnitEnd { record, leftover, goes_on, legs: last.legs }
}

/// One attempt of a run, from its first request to its end.
#[derive(Debug)]
pub(super) struct Attempt {
    pub tags: RunTags,
    pub started: Option<(Instant, jiff::Timestamp)>,
    pub ended: Instant,
    pub ended_at: jiff::Timestamp,
    pub recorder: Recorder,
    pub end: KindEnd,
    /// What it is called by whoever carries it out.
    pub handle: Option<WorkHandle>,
    /// What there is to know of it beyond.
    pub note: Option<String>,
    pub legs: Legs,
}

async fn attempt(
    order: &RunOrder,
    context: &Context,
    (recorder, legs): (Recorder, Legs),
    number: u32,
    stop: watch::Receiver<Option<StopRequest>>,
) -> Attempt {
    // Before its moment it is only where the clock was set back since.
    let begins = context.clock.now();
    let delay = || begins.duration_since(order.fires).max(jiff::SignedDuration::ZERO);
    let delay = (number == 1).then(delay);
    recorder.attempt(number);
    legs.attempt(number, begins);
    let mut life = Life { delay, legs, ..Life::new(order, context, recorder, number, stop) };
    if let Err(outcome) = halt::halt(order, context, &mut life).boxed().await {
        return close(life, order, outcome.into(), context).boxed().await;
    }
    life.enter(if matches!(order.spec.work, Work::Exec(_) | Work::Run(_)) {
        Leg::Create
    } else {
        Leg::Start
    });
    // Each as large as it is itself: runs are many at once, and together they would all be as large as the largest.
    let end = match &order.spec.work {
        Work::Exec(spec) => in_container::run(order, spec, context, &mut life).boxed().await,
        Work::Run(spec) => new_container::run(order, spec, context, &mut life).boxed().await,
        Work::Start(spec) => existing::run(spec, context, &mut life).boxed().await,
        Work::Local(spec) => process::run(order, spec, context, &mut life).boxed().await.into(),
        Work::ServiceRun(spec) => service::run(order, spec, context, &mut life).boxed().await,
        Work::ServiceAction(spec) => service_action::run(order, spec, context, &mut life).boxed().await,
        Work::Compose(spec) => compose::run(order, spec, context, &mut life).boxed().await,
        Work::Container(spec) => action::run(order, spec, context, &mut life).boxed().await.into(),
    };
    close(life, order, end, context).boxed().await
}

/// The end of an attempt.
pub(super) async fn close(mut life: Life, order: &RunOrder, end: KindEnd, context: &Context) -> Attempt {
    let (ended, ended_at) = match life.ended_at {
        Some(at) => (instant_of(at, &context.clock), at),
        None => (Instant::now(), context.clock.now()),
    };
    let outcome = order.spec.policies.success_codes.judge(end.outcome);
    life.legs.end(ended_at, outcome.is_bad());
    life.recorder.attempt_ended(life.capture.tags().attempt, ended_at, outcome.clone());
    life.capture.finish().await;
    let mut leftover = end.leftover;
    if let Some(Leftover::Replicas { .. }) = leftover {
        // How it ended is known from then on without its tasks.
        let kept = life.recorder.now();
        life.recorder.settle(kept).await;
        leftover = give_back(&context.engine, leftover).await;
    }
    life.into_attempt((ended, ended_at), KindEnd { outcome, leftover, ..end })
}

/// When it was by the clock that counts lengths.
pub(super) fn instant_of(at: jiff::Timestamp, clock: &Clock) -> Instant {
    let now = Instant::now();
    let ago = Duration::try_from(clock.now().duration_since(at)).unwrap_or_default();
    now.checked_sub(ago).unwrap_or(now)
}

/// What goes along with a run through its kind's part.
#[derive(Debug)]
pub struct Life {
    /// Its output.
    pub capture: Capture,
    /// What may end it.
    pub interrupts: Interrupts,
    recorder: Recorder,
    clock: Clock,
    occurrence: jiff::Timestamp,
    /// Of the first attempt: how late it began.
    delay: Option<jiff::SignedDuration>,
    started: Option<(Instant, jiff::Timestamp)>,
    /// When it ended, where that was before it was known.
    ended_at: Option<jiff::Timestamp>,
    /// What it is called by whoever carries it out.
    pub(super) handle: Option<WorkHandle>,
    /// What its record is to say beyond its outcome.
    pub note: Option<String>,
    /// Whether it is known what has become of a run that another agent began.
    pub(super) found: Arc<AtomicBool>,
    /// What the run goes through.
    pub legs: Legs,
}

impl Life {
    /// Nothing has happened yet.
    pub(super) fn new(
        order: &RunOrder,
        context: &Context,
        recorder: Recorder,
        number: u32,
        stop: watch::Receiver<Option<StopRequest>>,
    ) -> Self {
        Self {
            capture: Capture::new(order.tags(number), context.sink.clone(), recorder.tap()),
            interrupts: Interrupts::new(order, stop, (recorder.tap(), number)),
            recorder,
            clock: context.clock.clone(),
            occurrence: order.occurrence,
            delay: None,
            started: None,
            ended_at: None,
            handle: None,
            note: None,
            found: Arc::default(),
            legs: Legs::default(),
        }
    }

    /// The next leg begins.
    pub fn enter(&self, leg: Leg) {
        self.legs.enter(leg, self.clock.now());
    }

    /// Its command goes on, and was started by another agent at this moment.
    pub fn goes_on(&mut self, started: Option<jiff::Timestamp>, found: &str) {
        self.was_begun(started, found);
        if let Some((since, at)) = self.started {
            self.interrupts.started(since);
            self.legs.enter(Leg::Wait, at);
        }
    }

    /// Its command was started by another agent, and has ended.
    pub fn was_begun(&mut self, started: Option<jiff::Timestamp>, found: &str) {
        self.found.store(true, Ordering::Relaxed);
        let started = started.unwrap_or_else(|| self.clock.now());
        self.started = Some((instant_of(started, &self.clock), started));
        report::run_adopted(self.capture.tags(), self.occurrence, found);
    }

    /// Since when its command goes on.
    pub fn since(&self) -> Option<Instant> {
        self.started.map(|(since, _)| since)
    }

    /// It ended then, and not when that was known.
    pub fn ended_at(&mut self, at: jiff::Timestamp) {
        self.ended_at = Some(at);
    }

    pub(super) fn into_attempt(self, (ended, ended_at): (Instant, jiff::Timestamp), end: KindEnd) -> Attempt {
        let Self { recorder, started, handle, note, capture, legs, .. } = self;
        Attempt { tags: capture.tags().clone(), started, ended, ended_at, recorder, end, handle, note, legs }
    }

    /// What carries the command out calls it this. Where that is known before the command begins, it is waited for
    /// until it is kept, so that the next agent finds it.
    pub async fn called(&mut self, handle: WorkHandle) {
        let kept = self.is_called(handle, None);
        self.recorder.settle(kept).await;
    }

    /// The same for a command that goes on already, since this moment or a moment ago.
    pub fn is_called(&mut self, handle: WorkHandle, at: Option<jiff::Timestamp>) -> Kept {
        self.handle = Some(handle.clone());
        let at = at.unwrap_or_else(|| self.clock.now());
        self.recorder.attempt_started(self.capture.tags().attempt, at, handle)
    }

    /// Where what it prints is kept, for a kind that prints in parts.
    pub fn tap(&self) -> Tap {
        self.recorder.tap()
    }

    /// The command was started.
    pub fn started(&mut self, since: Instant) {
        self.started = Some((since, self.clock.now()));
        self.enter(Leg::Wait);
        self.interrupts.started(since);
        report::run_started(self.capture.tags(), self.occurrence, self.delay);
    }

    /// Takes in what was printed before the end and is still on its way: waits for it, in all, no longer than
    /// `patience`, and takes no more than `most` bytes, because a child in the background may print for ever.
    pub async fn drain(&mut self, output: &mut Output, patience: Duration, most: usize) {
        let (mut patience, mut most) = (patience, most);
        let until = Instant::now() + patience + FINISH_LIMIT;
        self.capture.work_until(until).await;
        while most > 0 {
            let asked = Instant::now();
            let Ok(Some(Ok((channel, chunk)))) = timeout(patience, output.next()).await else { return };
            patience = patience.saturating_sub(asked.elapsed());
            most = most.saturating_sub(chunk.len());
            self.capture.put(channel, chunk);
            self.capture.work_until(until).await;
        }
    }
}
