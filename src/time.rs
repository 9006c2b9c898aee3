//! The wall clock, so that a test can say what time it is.
//!
//! Everything that needs "now" is given a [`Clock`]; nothing else in the crate may read the system's time.
//! Lengths of time are measured with `tokio::time::Instant`, which a test can pause. An [`Alarm`] waits for a moment
//! of the wall clock.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use nix::{
    sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    unistd::read,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep},
};

/// The wall clock is read again at least this often, also where nobody tells that it was set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Where the present wall-clock time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock; it can be set, stand still during suspend and jump.
    System,
    /// A wall clock that starts at `wall` when Tokio's clock shows `at`, and advances with Tokio's clock. Under
    /// `tokio::time::pause` a day passes in milliseconds.
    Anchored {
        /// The wall-clock time at the anchor.
        wall: Timestamp,
        /// Tokio's time at the anchor.
        at: Instant,
        /// By how many milliseconds it was set since, forward or back.
        steps: Arc<AtomicI64>,
    },
}

impl Clock {
    /// A clock that shows `wall` now and advances with Tokio's clock.
    pub fn anchored(wall: Timestamp) -> Self {
        Self::Anchored { wall, at: Instant::now(), steps: Arc::default() }
    }

    /// Sets an anchored clock, and all its clones, forward or back; the machine's is not ours to set.
    pub fn step(&self, by: SignedDuration) {
        if let Self::Anchored { steps, .. } = self {
            steps.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the system clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Anchored { wall, at, steps } => {
                *wall + at.elapsed() + SignedDuration::from_millis(steps.load(Ordering::Relaxed))
            }
        }
    }
}

/// Waits for moments of the wall clock.
///
/// With the system's clock the kernel keeps the time: to the microsecond, where Tokio's own timers may be two
/// milliseconds late, and it tells at once when someone sets the clock.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    timer: Option<AsyncFd<Timer>>,
}

impl Alarm {
    /// An alarm on `clock`. Must be made inside a runtime.
    pub fn new(clock: Clock) -> Self {
        let timer = match clock {
            // Without such a timer Tokio's serve, a little less exactly.
            Clock::System => timer().ok(),
            Clock::Anchored { .. } => None,
        };
        Self { clock, timer }
    }

    /// Returns at `at`, and in any case soon enough to notice that the clock was set: whoever asked looks at the
    /// clock again. May be dropped and asked again at any time.
    pub async fn until(&mut self, at: Option<Timestamp>) {
        let now = self.clock.now();
        let longest = now + LONGEST_SLEEP;
        let at = at.map_or(longest, |at| at.min(longest));
        if at <= now {
            return;
        }
        if let Some(timer) = &self.timer
            && wait(timer, at).await.is_ok()
        {
            return;
        }
        sleep(Duration::try_from(at.duration_since(now)).unwrap_or(LONGEST_SLEEP)).await;
    }
}

/// The kernel's timer, in the shape in which Tokio takes it.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe code; the timer owns its descriptor, which is what that asks for"
)]
fn timer() -> io::Result<AsyncFd<Timer>> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = Timer(TimerFd::new(ClockId::CLOCK_REALTIME, flags)?);
    AsyncFd::with_interest(timer, Interest::READABLE)
}

async fn wait(timer: &AsyncFd<Timer>, at: Timestamp) -> io::Result<()> {
    let at = TimeSpec::new(at.as_second(), at.subsec_nanosecond().into());
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    // Setting it also takes back an expiry that nobody has read.
    match timer.get_ref().0.set(Expiration::OneShot(at), flags) {
        Ok(()) => {}
        // The clock was set since the last time.
        Err(nix::Error::ECANCELED) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match read(&timer.get_ref().0, &mut count) {
            Err(nix::Error::EAGAIN) => ready.clear_ready(),
            // It has come, or the clock was set.
            Ok(_) | Err(nix::Error::ECANCELED) => {
                ready.clear_ready();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_never_rings_before_its_moment() {
        let clock = Clock::System;
        let mut alarm = Alarm::new(clock.clone());
        assert!(alarm.timer.is_some(), "the kernel has such timers");
        for millis in [0, 1, 5, 20] {
            let at = clock.now() + Duration::from_millis(millis);
            while clock.now() < at {
                alarm.until(Some(at)).await;
            }
        }
        // Given up in the middle and asked again.
        let at = clock.now() + Duration::from_millis(30);
        let early = tokio::time::timeout(Duration::from_millis(5), alarm.until(Some(at))).await;
        assert!(early.is_err() || clock.now() >= at);
        alarm.until(Some(at)).await;
        assert!(clock.now() >= at);
    }

    #[tokio::test(start_paused = true)]
    async fn an_anchored_alarm_follows_the_paused_clock() {
        let clock = Clock::anchored(Timestamp::UNIX_EPOCH);
        let mut alarm = Alarm::new(clock.clone());
        alarm.until(None).await;
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + LONGEST_SLEEP);
    }
}
