//! When it is looked how the tasks of a service do. The Engine tells of containers on its own node only, so they are looked
//! at soon after something was heard of them, and every few seconds in any case.

use std::time::Duration;

use futures::{StreamExt, stream::BoxStream};
use tokio::time::{Instant, sleep_until};

use crate::docker::{client::Engine, error::EngineError};

/// The tasks are asked for this long after something was heard of them, then after twice as long each time. The Swarm
/// knows of a container's end a little later than the Engine tells of it.
pub(super) const SOON: Duration = Duration::from_millis(50);

/// No less often than this, whatever was heard: of other nodes nothing ever is.
pub(super) const RESYNC: Duration = Duration::from_secs(5);

/// Looks at the tasks of one service.
pub(super) struct Looks<'a> {
    engine: &'a Engine,
    service: String,
    hints: Option<BoxStream<'static, Result<(), EngineError>>>,
    pause: Duration,
    next: Instant,
}

impl<'a> Looks<'a> {
    /// `service` is its ID.
    pub(super) fn new(engine: &'a Engine, service: &str) -> Self {
        Self { engine, service: service.to_owned(), hints: None, pause: SOON, next: Instant::now() }
    }

    /// One begins: what happens from here on is heard.
    pub(super) fn begin(&mut self) {
        if self.hints.is_none() {
            self.hints = self.engine.service_hints(&self.service).ok().map(StreamExt::boxed);
        }
    }

    /// It is over.
    pub(super) fn over(&mut self) {
        self.next = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(RESYNC);
    }

    /// Something was heard of the tasks.
    pub(super) fn heard(&mut self) {
        self.next = self.next.min(Instant::now() + SOON);
        self.pause = SOON;
    }

    /// Waits until the next one. Whoever gives up waiting loses nothing of what was heard.
    pub(super) async fn due(&mut self) {
        loop {
            let hint = async {
                match &mut self.hints {
                    Some(hints) => hints.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep_until(self.next) => return,
                hint = hint => match hint {
                    Some(Ok(())) => self.heard(),
                    // It is listened again when the next one begins.
                    _ => self.hints = None,
                },
            }
        }
    }
}
