//! The records of the log for who follows them: as JSON, whatever the log's own format is.
//!
//! Nothing is made while nobody follows. Who takes too little misses some and is told how many; nobody waits for him. What
//! runs print is not among it: that is followed run by run.

use std::{fmt, sync::Arc};

use tokio::sync::broadcast::{self, error::RecvError};
use tracing::{Event, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    line::{LogFormat, Style},
    logging::{Buffers, is_own},
};
use crate::time::Clock;

/// So many records wait for the slowest.
const WAITING: usize = 512;

/// The event that is left out.
const OUTPUT: &str = "run.output";

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The event's name.
    pub event: Box<str>,
    /// The whole record, one line of JSON.
    pub json: Box<str>,
}

/// Where records can be followed; cheap to clone.
#[derive(Clone)]
pub struct EventStream(broadcast::Sender<Arc<Told>>);

impl Default for EventStream {
    fn default() -> Self {
        Self(broadcast::channel(WAITING).0)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

/// Who follows.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Arc<Told>>);

impl EventStream {
    /// Everything from now on.
    pub fn follow(&self) -> Events {
        Events(self.0.subscribe())
    }

    /// Tells those who follow.
    pub fn layer<S: Subscriber>(&self, clock: Clock) -> impl Layer<S> + Send + Sync + use<S> {
        StreamLayer { stream: self.clone(), clock }
    }
}

impl Events {
    /// The next record, or how many were missed; `None` when nothing comes any more.
    pub async fn next(&mut self) -> Option<Result<Arc<Told>, u64>> {
        match self.0.recv().await {
            Ok(told) => Some(Ok(told)),
            Err(RecvError::Lagged(missed)) => Some(Err(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

struct StreamLayer {
    stream: EventStream,
    clock: Clock,
}

impl<S: Subscriber> Layer<S> for StreamLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.stream.0.receiver_count() == 0 || !is_own(event.metadata().target()) {
            return;
        }
        let mut buffers = Buffers::default();
        let style = Style { format: LogFormat::Json, colour: false };
        let json = String::from_utf8_lossy(buffers.read(style, event, &self.clock)).trim_end().into();
        let event: Box<str> = buffers.line.event().into();
        if &*event != OUTPUT {
            // Whoever followed may have gone meanwhile.
            let _ = self.stream.0.send(Arc::new(Told { event, json }));
        }
    }
}
