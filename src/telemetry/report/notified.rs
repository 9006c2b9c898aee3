//! What became of what someone was to be told.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::{
    model::{
        channel::Channels,
        name::{JobId, JobKind},
        notification::{Cause, Notification},
    },
    telemetry::metrics::{Notified, count},
};

/// As much of a message as its records say.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The name of its channel.
    pub channel: &'a str,
    /// Why it was to be told, where that is known.
    pub cause: Option<Cause>,
    /// About which job.
    pub job: Option<&'a JobId>,
    /// The job's kind.
    pub kind: Option<JobKind>,
    /// About which run.
    pub run: Option<&'a str>,
}

impl<'a> From<&'a Notification> for Notice<'a> {
    fn from(it: &'a Notification) -> Self {
        Self {
            channel: &it.channel,
            cause: Some(it.cause),
            job: it.job.as_ref(),
            kind: it.kind,
            run: it.run.as_ref().map(|run| &*run.run),
        }
    }
}

macro_rules! tell {
    ($level:ident, $event:literal, $notice:expr, $($further:tt)+) => {{
        let Notice { channel, cause, job, kind, run } = $notice;
        $level!(
            event = $event,
            job = job.map(tracing::field::display),
            kind = kind.map(tracing::field::display),
            run,
            channel,
            cause = cause.map(Cause::as_str),
            $($further)+
        )
    }};
}

/// A message has arrived, at this try, counted from 1.
pub fn notify_sent(notice: Notice<'_>, attempt: u32, took: Duration) {
    count(|it| it.notified(notice.channel, Notified::Sent));
    let seconds = took.as_secs_f64();
    tell!(info, "notify.sent", notice, attempt, duration_seconds = seconds, "{} was told", notice.channel);
}

/// A try failed, and another one comes at `next`. `reason` holds no secret.
pub fn notify_failed(notice: Notice<'_>, attempt: u32, reason: &str, next: Timestamp) {
    count(|it| it.notified(notice.channel, Notified::Failed));
    tell!(warn, "notify.failed", notice,
        attempt,
        next_attempt = %next,
        reason,
        "{} could not be told, and is tried again at {next}: {reason}",
        notice.channel
    );
}

/// A message will not arrive. `reason` holds no secret.
pub fn notify_given_up(notice: Notice<'_>, reason: &str) {
    count(|it| it.notified(notice.channel, Notified::GivenUp));
    tell!(warn, "notify.given_up", notice, reason, "{} is not told any more: {reason}", notice.channel);
}

/// These are the channels that there are: their counters are there before anyone is told.
pub fn notify_channels(channels: &Channels) {
    count(|it| it.channels(channels.keys().map(|name| &**name)));
}
