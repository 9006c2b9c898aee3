//! What ends a run before its command does: its timeout and whoever asks, as steps that come one after the other.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    history::keeper::Tap,
    model::run::{Outcome, StopCause, StopForce, StopRequest},
};

use super::{order::RunOrder, unit::KindEnd};

/// How long a killed run has to be gone, before it is told as still running.
const GONE_LIMIT: Duration = Duration::from_secs(5);

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
    pub fn outcome(self, still_running: Option<String>) -> Outcome {
        match self {
            Self::TimedOut => Outcome::TimedOut { still_running, waited_for: None },
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
    /// Who keeps it that the timeout has come, and of which attempt.
    keeps: Option<(Tap, u32)>,
    /// The step that comes next, and when it comes by itself.
    next: Step,
    at: Option<Instant>,
}

impl Interrupts {
    pub(super) fn new(
        order: &RunOrder,
        stop: watch::Receiver<Option<StopRequest>>,
        (tap, number): (Tap, u32),
    ) -> Self {
        Self {
            keeps: Some((tap, number)),
            timeout: order.timeout(),
            grace: order.grace_period(),
            stop,
            ending: None,
            next: Step::Stop,
            at: None,
        }
    }

    /// The timeout counts from here.
    pub(super) fn started(&mut self, since: Instant) {
        if self.next == Step::Stop {
            self.at = self.timeout.map(|timeout| since + timeout);
        }
    }

    /// It was being ended for this when the last agent ended: the same steps come again, and however it ends, that is why.
    pub(super) fn was_ending(&mut self, ending: Option<Ending>) {
        self.ending = ending;
    }

    /// Why the run is being ended, if it is.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The outcome of a run that would not end.
    pub fn given_up(&self, still_running: Option<String>) -> Outcome {
        match self.ending {
            Some(ending) => ending.outcome(still_running),
            None => Outcome::Lost { reason: "it was given up without being asked to end".to_owned() },
        }
    }

    /// The grace period.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Who asked it to stop, if someone did.
    pub fn asked(&self) -> Option<StopCause> {
        (*self.stop.borrow()).filter(|it| it.force >= StopForce::Stop).map(|it| it.cause)
    }

    /// Waits until someone asks it to stop, before there is anything to end. May be dropped and asked again at any time.
    pub async fn is_asked(&mut self) -> StopCause {
        let asked = self.stop.wait_for(|it| it.is_some_and(|it| it.force >= StopForce::Stop)).await;
        let cause = asked.ok().and_then(|it| *it).map(|it| it.cause);
        match cause {
            Some(cause) => cause,
            // Nobody is left who could ask.
            None => std::future::pending().await,
        }
    }

    /// Waits for the next step. May be dropped and asked again at any time.
    pub async fn next(&mut self) -> Step {
        loop {
            let request = *self.stop.borrow_and_update();
            let forced = match (self.next, request) {
                (Step::Stop, Some(request)) => request.force >= StopForce::Stop,
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
        if self.ending.is_none()
            && ending == Ending::TimedOut
            && let Some((tap, number)) = &self.keeps
        {
            // The next agent would take what comes of it for the command's own end.
            tap.timed_out(*number);
        }
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

/// The end of a run that was asked to stop before its command was started.
pub fn stopped_before(by: StopCause) -> KindEnd {
    Outcome::Stopped { by, still_running: None }.into()
}

/// The outcome of a command that ended with this code.
pub fn ended(ending: Option<Ending>, exit_code: i64, reason: Option<String>) -> Outcome {
    match ending {
        Some(ending) => ending.outcome(None),
        None if exit_code == 0 => Outcome::Succeeded { exit_code: Some(exit_code) },
        None => {
            Outcome::Failed { exit_code: Some(exit_code), reason: reason.or_else(|| by_signal(exit_code)) }
        }
    }
}

/// What an exit code says by custom of a process that a signal ended, and nobody here had sent one.
fn by_signal(exit_code: i64) -> Option<String> {
    let number = i32::try_from(exit_code).ok()?.checked_sub(128).filter(|it| *it > 0)?;
    let signal = Signal::try_from(number).ok()?;
    Some(format!("that is the code of a process that {signal} ended, and watchbell did not send it"))
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
            keeps: None,
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
