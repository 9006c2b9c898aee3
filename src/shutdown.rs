//! The end, in stages that only ever go forward.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Between asking what still runs to stop, and killing it: what is left of the time after the grace.
pub const STOP_TIME: Duration = Duration::from_secs(1);

/// Between killing what still runs, and leaving without it.
pub const KILL_TIME: Duration = Duration::from_millis(700);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not at all.
    Run,
    /// Nothing begins any more; what runs goes on.
    Drain,
    /// What runs is asked to stop.
    Stop,
    /// What runs is killed.
    Kill,
    /// What still runs is left.
    Leave,
}

/// Goes through the stages, beginning with the first of `signals`: [`Stage::Stop`] comes after `grace`, and at once
/// with a second signal. Ends when it has come to [`Stage::Leave`] or nobody listens any more. What `grace` is at the
/// first signal counts.
pub async fn drive<S: AsyncFnMut()>(
    stage: watch::Sender<Stage>,
    grace: watch::Receiver<Duration>,
    mut signals: S,
) {
    signals().await;
    let grace = *grace.borrow();
    stage.send_replace(Stage::Drain);
    let begun = Instant::now();
    tokio::select! {
        () = sleep_until(begun + grace) => {
            stage.send_replace(Stage::Stop);
            tokio::select! {
                () = sleep_until(begun + grace + STOP_TIME) => {}
                () = signals() => {}
                () = stage.closed() => return,
            }
        }
        () = signals() => {}
        () = stage.closed() => return,
    }
    stage.send_replace(Stage::Kill);
    let killed = Instant::now();
    tokio::select! {
        () = sleep_until(killed + KILL_TIME) => {}
        () = stage.closed() => return,
    }
    stage.send_replace(Stage::Leave);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stages(signals_at: &[u64]) -> Vec<(Stage, u128)> {
        let (sender, mut stage) = watch::channel(Stage::Run);
        let start = Instant::now();
        let mut at =
            signals_at.iter().map(|ms| start + Duration::from_millis(*ms)).collect::<Vec<_>>().into_iter();
        let signals = async || match at.next() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        };
        let (_grace, grace) = watch::channel(Duration::from_secs(8));
        let drive = drive(sender, grace, signals);
        let watch = async {
            let mut seen = Vec::new();
            while stage.changed().await.is_ok() {
                seen.push((*stage.borrow_and_update(), start.elapsed().as_millis()));
            }
            seen
        };
        tokio::join!(drive, watch).1
    }

    #[tokio::test(start_paused = true)]
    async fn the_stages_follow_each_other_within_two_seconds_after_the_grace() {
        let seen = stages(&[100]).await;
        assert_eq!(
            seen,
            [(Stage::Drain, 100), (Stage::Stop, 8100), (Stage::Kill, 9100), (Stage::Leave, 9800)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_is_immediate() {
        let seen = stages(&[0, 500]).await;
        assert_eq!(seen[..2], [(Stage::Drain, 0), (Stage::Kill, 500)]);
    }
}
