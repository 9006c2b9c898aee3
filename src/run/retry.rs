//! What comes after an attempt: another one of the same run, or the run's end.

use std::time::Duration;

use futures::FutureExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    model::run::{Outcome, StopRequest},
    telemetry::report,
};

use super::{
    clearing::try_to_clear_away,
    order::RunOrder,
    unit::{Attempt, Context},
};

/// How long what an attempt left stays for a row that is not kept yet; the next one does not come later for that.
const KEEP_LIMIT: Duration = Duration::from_secs(1);

/// What comes after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, now.
    Attempt,
    /// The end of the run.
    End {
        /// Why a further attempt that was left is not made.
        no_more: Option<String>,
    },
}

/// Waits for the moment of the next attempt, if there is to be one. What the last one left is cleared away before.
/// Whoever asks the run to end, or the agent's end, takes the attempts that are left away at once; the run's outcome is
/// that of the attempt that was made.
pub(super) async fn next(
    order: &RunOrder,
    context: &Context,
    attempt: &mut Attempt,
    stop: &mut watch::Receiver<Option<StopRequest>>,
) -> Next {
    let delay = order.spec.policies.retry.delay_after(attempt.tags.attempt);
    let Some(delay) = delay.filter(|_| may_be_tried_again(attempt)) else {
        return Next::End { no_more: None };
    };
    if let Some(request) = *stop.borrow_and_update() {
        return ended_by(request);
    }
    let until = Instant::now() + delay;
    let next = context.clock.now().saturating_add(delay).unwrap_or(jiff::Timestamp::MAX);
    let took = attempt.started.map(|(started, _)| attempt.ended.duration_since(started));
    report::run_attempt_failed(&attempt.tags, &attempt.end.outcome, took, next);
    let wait = async {
        if let Some(leftover) = &attempt.end.leftover {
            // Its row first: until it is kept, what it left is what can still tell.
            let mut kept = attempt.recorder.now();
            kept.within(delay.min(KEEP_LIMIT)).await;
            attempt.recorder.settle(kept).await;
            // The next one has the same name: that is what guards against running it twice.
            try_to_clear_away(&context.engine, leftover, &attempt.tags).boxed().await?;
        }
        sleep_until(until).await;
        Ok::<(), String>(())
    };
    tokio::select! {
        request = asked(stop) => ended_by(request),
        waited = wait => match waited {
            Ok(()) => {
                attempt.end.leftover = None;
                Next::Attempt
            }
            Err(error) => {
                let no_more = format!("what the last attempt left could not be removed: {error}");
                Next::End { no_more: Some(no_more) }
            }
        },
    }
}

/// What has certainly ended, and not because someone wanted it to, and is not guarded against running twice.
pub(super) fn may_be_tried_again(attempt: &Attempt) -> bool {
    if attempt.end.guarded || attempt.end.outcome.goes_on() {
        return false;
    }
    match &attempt.end.outcome {
        Outcome::Failed { .. } | Outcome::NotStarted { .. } | Outcome::TimedOut { .. } => true,
        Outcome::Succeeded { .. }
        | Outcome::Stopped { .. }
        | Outcome::Skipped { .. }
        | Outcome::Missed { .. }
        | Outcome::Lost { .. } => false,
    }
}

fn ended_by(request: StopRequest) -> Next {
    Next::End { no_more: Some(request.cause.as_str().to_owned()) }
}

/// Waits until someone asks the run to end.
pub(super) async fn asked(stop: &mut watch::Receiver<Option<StopRequest>>) -> StopRequest {
    match stop.wait_for(Option::is_some).await.ok().and_then(|request| *request) {
        Some(request) => request,
        // Nobody is left who could ask.
        None => std::future::pending().await,
    }
}
