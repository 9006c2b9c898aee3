//! One run from its order to its record.

use std::time::Duration;

use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{
    docker::{client::Engine, output::Output},
    history::keeper::{Keeper, Kept, Recorder},
    model::{
        job::Work,
        run::{Outcome, RunRecord, StopCause, StopForce, StopRequest, WorkHandle},
    },
    telemetry::{
        report::{self, RunTags},
        sink::LogSink,
    },
    time::Clock,
};

use super::{
    capture::{Capture, FINISH_LIMIT},
    in_container, new_container,
    order::RunOrder,
    process,
    reap::Children,
};

/// The variable that marks everything a run starts, with the run's ID.
pub const MARK: &str = "WATCHBELL_RUN";

/// How long a killed run has to be gone, before it is told as still running.
const GONE_LIMIT: Duration = Duration::from_secs(5);

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
}

/// How a run ended, and what is still to be cleared away.
#[derive(Debug)]
pub struct UnitEnd {
    /// The record.
    pub record: RunRecord,
    /// A container to remove, once the record is kept.
    pub leftover: Option<String>,
    /// A command in a container that could not be ended: the Engine's ID of it.
    pub goes_on: Option<String>,
}

/// How the kind's own part ended.
#[derive(Debug)]
pub struct KindEnd {
    /// The outcome.
    pub outcome: Outcome,
    /// A container to remove.
    pub leftover: Option<String>,
    /// A command in a container that could not be ended.
    pub goes_on: Option<String>,
}

impl From<Outcome> for KindEnd {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, leftover: None, goes_on: None }
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
    let delay = context.clock.now().duration_since(order.fires);
    let tags = RunTags {
        run: order.run.clone(),
        job: order.job().clone(),
        kind: order.kind(),
        trigger: order.trigger,
        container: order.container_name(),
    };
    let mut life = Life {
        capture: Capture::new(tags, context.sink.clone(), recorder.tap()),
        interrupts: Interrupts::new(&order, stop),
        recorder,
        clock: context.clock.clone(),
        occurrence: order.occurrence,
        delay,
        started: None,
    };
    let end = match &order.spec.work {
        Work::Exec(spec) => in_container::run(&order, spec, &context, &mut life).await,
        Work::Run(spec) => new_container::run(&order, spec, &context, &mut life).await,
        Work::Local(spec) => process::run(&order, spec, &context, &mut life).await.into(),
    };
    let duration = life.started.map(|(started, _)| started.elapsed());
    let ended = context.clock.now();
    life.recorder.attempt_ended(1, ended, end.outcome.clone());
    life.capture.finish().await;
    let record = order.record(life.started.map(|(_, at)| at), ended, duration, end.outcome);
    let record = RunRecord { printed: life.recorder.printed(), ..record };
    UnitEnd { record, leftover: end.leftover, goes_on: end.goes_on }
}

/// Waits until a command that could not be ended has ended by itself. Until then its job counts as running.
pub async fn until_gone(engine: Engine, exec: String) {
    in_container::until_gone(&engine, &exec).await;
}

/// Clears away what a run left, now that its record is kept.
pub async fn clear_away(engine: Engine, container: String, tags: RunTags) {
    new_container::remove(engine, container, tags).await;
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
    delay: jiff::SignedDuration,
    started: Option<(Instant, jiff::Timestamp)>,
}

impl Life {
    /// What carries the command out calls it this. Where that is known before the command begins, it is waited for
    /// until it is kept, so that the next agent finds it.
    pub async fn called(&mut self, handle: WorkHandle) {
        let kept = self.is_called(handle);
        self.recorder.settle(kept).await;
    }

    /// The same for a command that goes on already.
    pub fn is_called(&mut self, handle: WorkHandle) -> Kept {
        self.recorder.attempt_started(1, self.clock.now(), handle)
    }

    /// The command was started.
    pub fn started(&mut self, since: Instant) {
        self.started = Some((since, self.clock.now()));
        self.interrupts.started(since);
        report::run_started(self.capture.tags(), self.occurrence, self.delay);
    }
}

impl Life {
    /// Takes in what was printed before the end and is still on its way: waits for it, in all, no longer than
    /// `patience`, and takes no more than `most` bytes, because a child in the background may print for ever.
    pub async fn drain(&mut self, output: &mut Output, patience: Duration, most: usize) {
        let (mut patience, mut most) = (patience, most);
        let until = Instant::now() + patience + FINISH_LIMIT;
        // What a slow log has not taken by then is dropped and counted at the end.
        let mut taken = timeout_at(until, self.capture.work()).await.is_ok();
        while most > 0 && taken {
            let asked = Instant::now();
            let Ok(Some(Ok((channel, chunk)))) = timeout(patience, output.next()).await else { return };
            patience = patience.saturating_sub(asked.elapsed());
            most = most.saturating_sub(chunk.len());
            self.capture.put(channel, chunk);
            taken = timeout_at(until, self.capture.work()).await.is_ok();
        }
    }
}

/// How long the Engine may be gone before a run in it is told as lost.
const OUTAGE_LIMIT: Duration = Duration::from_secs(60);

/// The Engine's being gone, as a run sees it that waits for it.
#[derive(Debug, Default)]
pub struct Outage(Option<Instant>);

impl Outage {
    /// It has answered.
    pub fn over(&mut self) {
        self.0 = None;
    }

    /// It has not answered; `true` if it has been gone for too long.
    pub fn is_too_long(&mut self) -> bool {
        self.0.get_or_insert_with(Instant::now).elapsed() > OUTAGE_LIMIT
    }
}

/// The next step of ending a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask it to stop.
    Stop,
    /// Kill it.
    Kill,
    /// It cannot be ended; leave it.
    GiveUp,
}

/// Why a run is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It took longer than its timeout.
    TimedOut,
    /// Someone asked.
    Stopped(StopCause),
}

impl Ending {
    /// The outcome of a run that was ended for this.
    pub fn outcome(self, still_running: bool) -> Outcome {
        match self {
            Self::TimedOut => Outcome::TimedOut { still_running },
            Self::Stopped(by) => Outcome::Stopped { by, still_running },
        }
    }
}

/// Timeout and requests to stop, as steps that come one after the other and never back.
#[derive(Debug)]
pub struct Interrupts {
    timeout: Option<Duration>,
    grace: Duration,
    stop: watch::Receiver<Option<StopRequest>>,
    ending: Option<Ending>,
    /// The step that comes next, and when it comes by itself.
    next: Step,
    at: Option<Instant>,
}

impl Interrupts {
    fn new(order: &RunOrder, stop: watch::Receiver<Option<StopRequest>>) -> Self {
        Self {
            timeout: order.timeout(),
            grace: order.grace_period(),
            stop,
            ending: None,
            next: Step::Stop,
            at: None,
        }
    }

    /// The timeout counts from here.
    fn started(&mut self, since: Instant) {
        if self.next == Step::Stop {
            self.at = self.timeout.map(|timeout| since + timeout);
        }
    }

    /// Why the run is being ended, if it is.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether it was asked to stop, and not yet killed.
    pub fn was_only_asked(&self) -> bool {
        self.next == Step::Kill
    }

    /// The outcome of a run that would not end.
    pub fn given_up(&self, still_running: bool) -> Outcome {
        match self.ending {
            Some(ending) => ending.outcome(still_running),
            None => Outcome::Lost { reason: "it was given up without being asked to end".to_owned() },
        }
    }

    /// The grace period.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Waits for the next step. May be dropped and asked again at any time.
    pub async fn next(&mut self) -> Step {
        loop {
            let request = *self.stop.borrow_and_update();
            let forced = match (self.next, request) {
                (Step::Stop, Some(_)) => true,
                (Step::Kill, Some(request)) => request.force == StopForce::Kill,
                _ => false,
            };
            if forced {
                return self.advance(request.map(|it| it.cause));
            }
            let at = self.at;
            let due = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return self.advance(None),
                changed = self.stop.changed() => if changed.is_err() {
                    // Nobody is left who could ask: only the clock counts.
                    match at {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                    return self.advance(None);
                },
            }
        }
    }

    fn advance(&mut self, cause: Option<StopCause>) -> Step {
        let ending = cause.map_or(Ending::TimedOut, Ending::Stopped);
        self.ending.get_or_insert(ending);
        let step = self.next;
        let now = Instant::now();
        (self.next, self.at) = match step {
            Step::Stop => (Step::Kill, Some(now + self.grace)),
            Step::Kill => (Step::GiveUp, Some(now + GONE_LIMIT)),
            Step::GiveUp => (Step::GiveUp, None),
        };
        step
    }
}

/// The outcome of a command that ended with this code.
pub fn ended(ending: Option<Ending>, exit_code: i64, reason: Option<String>) -> Outcome {
    match ending {
        Some(ending) => ending.outcome(false),
        None if exit_code == 0 => Outcome::Succeeded,
        None => Outcome::Failed { exit_code, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interrupts(timeout: Option<u64>) -> (Interrupts, watch::Sender<Option<StopRequest>>) {
        let (sender, stop) = watch::channel(None);
        let it = Interrupts {
            timeout: timeout.map(Duration::from_secs),
            grace: Duration::from_secs(10),
            stop,
            ending: None,
            next: Step::Stop,
            at: None,
        };
        (it, sender)
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_asks_then_kills_then_gives_up() {
        let (mut it, _sender) = interrupts(Some(60));
        let start = Instant::now();
        it.started(start);
        let mut steps = Vec::new();
        for _ in 0..3 {
            steps.push((it.next().await, start.elapsed().as_secs()));
        }
        assert_eq!(steps, [(Step::Stop, 60), (Step::Kill, 70), (Step::GiveUp, 75)]);
        assert_eq!(it.ending(), Some(Ending::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_to_kill_goes_through_both_steps_at_once_and_the_first_cause_stays() {
        let (mut it, sender) = interrupts(Some(60));
        let start = Instant::now();
        it.started(start);
        let request = StopRequest { force: StopForce::Kill, cause: StopCause::Shutdown };
        sender.send_replace(Some(request));
        assert_eq!((it.next().await, it.next().await), (Step::Stop, Step::Kill));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(it.ending(), Some(Ending::Stopped(StopCause::Shutdown)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_nobody_can_make_any_more_leaves_the_timeout() {
        let (mut it, sender) = interrupts(Some(60));
        it.started(Instant::now());
        drop(sender);
        assert_eq!(it.next().await, Step::Stop);
    }
}
