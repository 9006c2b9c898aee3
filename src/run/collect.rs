//! The output of a service's tasks: followed as it comes, read to its end when they have ended, no line twice.
//!
//! A Swarm's stream of output never ends by itself and may be cut at any time, so every piece is known by its time, and
//! what was taken already is passed over when it comes again.

use std::{collections::HashMap, time::Duration};

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::{
    docker::{
        client::Engine,
        error::EngineError,
        output::Channel,
        task_output::{Piece, TaskOutput},
        tasks::Place,
    },
    history::keeper::Tap,
    model::run::Printed,
    telemetry::{report::RunTags, sink::LogSink},
};

use super::capture::Capture;

/// How long after the end of the stream it is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How long the next piece of what an ended task printed may take to come.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// Nothing more comes of tasks that are no more when nothing came for this long.
const QUIET: Duration = Duration::from_millis(500);

/// Two streams of one task are in order each by itself; the one may be this much behind the other.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// How far one of the two streams of one task was taken.
#[derive(Debug, Default)]
struct Taken {
    /// The time of the last piece.
    last: Timestamp,
    /// How many pieces had that time.
    count: u32,
    /// How many of those have come again; `None` while nothing comes again.
    again: Option<u32>,
}

impl Taken {
    /// Whether a piece of this time is a new one.
    fn is_new(&mut self, at: Timestamp) -> bool {
        if let Some(again) = &mut self.again {
            if at < self.last {
                return false;
            }
            if at == self.last && *again < self.count {
                *again += 1;
                return false;
            }
            self.again = None;
        }
        self.count = if at == self.last { self.count + 1 } else { 1 };
        self.last = at;
        true
    }
}

/// What of the output was taken in by another agent.
#[derive(Debug, Clone, Copy)]
pub enum Again {
    /// Nothing.
    Nothing,
    /// So much of the only task's.
    Bytes(Printed),
    /// All until then, as far as anyone knows.
    Until(Timestamp),
}

/// The output of all tasks of a run.
pub struct Collect<'a> {
    engine: &'a Engine,
    service: &'a str,
    stream: Option<TaskOutput>,
    ask_at: Instant,
    taken: HashMap<(String, bool), Taken>,
    captures: HashMap<String, Capture>,
    /// The task whose chunk is being worked off.
    busy: Option<String>,
    tags: RunTags,
    sink: LogSink,
    tap: Tap,
    again: Again,
    /// Why output may be missing.
    trouble: Option<String>,
}

impl<'a> Collect<'a> {
    /// Nothing printed yet. `tags` are those of the run as a whole.
    pub fn new(engine: &'a Engine, service: &'a str, tags: RunTags, sink: LogSink, tap: Tap) -> Self {
        Self {
            engine,
            service,
            stream: None,
            ask_at: Instant::now(),
            taken: HashMap::new(),
            captures: HashMap::new(),
            busy: None,
            tags,
            sink,
            tap,
            again: Again::Nothing,
            trouble: None,
        }
    }

    /// This was taken in before.
    pub fn comes_again(&mut self, again: Again) {
        self.again = again;
    }

    /// Why output may be missing, if it may.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Works the last piece off, and gives the next that was not taken yet. May be dropped and asked again at any time.
    pub async fn next(&mut self) -> Piece {
        self.work().await;
        loop {
            let Some(stream) = &mut self.stream else {
                sleep_until(self.ask_at).await;
                self.again();
                self.stream = self.engine.service_output(self.service).ok();
                self.ask_at = Instant::now() + ASK_AGAIN;
                continue;
            };
            match stream.next().await {
                Some(Ok(piece)) => {
                    if self.is_new(&piece) {
                        return piece;
                    }
                }
                // Whatever it is, it is asked again, and in the end once more.
                Some(Err(error)) if !error.is_outage() => {}
                Some(Err(_)) | None => self.stream = None,
            }
        }
    }

    /// Takes in a piece; only when the last one is worked off.
    pub fn put(&mut self, piece: Piece, place: Option<&Place>) {
        let Self { captures, tags, sink, tap, again, .. } = self;
        let capture = captures.entry(piece.task.clone()).or_insert_with(|| {
            let part = match place {
                // The Engine calls the container of the first, and of one on each node, by its node.
                Some(Place::Slot(slot)) if *slot > 0 => slot.to_string(),
                _ => piece.node.clone(),
            };
            let name = |service: &String| format!("{service}.{part}.{}", piece.task);
            let container = tags.container.as_ref().map(name);
            let tags = RunTags { container, task: place.map(ToString::to_string), ..tags.clone() };
            let mut capture = Capture::new(tags, sink.clone(), tap.clone());
            if let Again::Bytes(known) = *again {
                *again = Again::Nothing;
                capture.comes_again(known);
            }
            capture
        });
        capture.put(piece.channel, piece.bytes);
        self.busy = Some(piece.task);
    }

    async fn work(&mut self) {
        if let Some(capture) = self.busy.as_ref().and_then(|task| self.captures.get_mut(task)) {
            capture.work().await;
        }
        self.busy = None;
    }

    /// Reads what an ended task printed and has not come yet.
    pub async fn rest(&mut self, task: &str, place: &Place) {
        self.stream = None;
        self.again();
        let of_task = |channel| self.taken.get(&(task.to_owned(), channel)).map(|taken| taken.last);
        let last = of_task(false).max(of_task(true));
        let since = last.and_then(|last| last.checked_sub(SLACK).ok());
        let mut stream = match self.engine.task_output(task, since) {
            Ok(stream) => stream,
            Err(error) => return self.note(&error),
        };
        loop {
            self.work().await;
            match timeout(REST_LIMIT, stream.next()).await {
                Ok(Some(Ok(piece))) if self.is_new(&piece) => self.put(piece, Some(place)),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => {
                    self.note(&error);
                    if error.is_outage() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) => return self.note(&EngineError::TimedOut),
            }
        }
    }

    /// Takes in what is still on its way from tasks that were ended, and are no more.
    pub async fn last(&mut self, place: impl Fn(&str) -> Option<Place>) {
        let until = Instant::now() + REST_LIMIT;
        while Instant::now() < until {
            // A slow log is no reason to think that nothing more comes.
            let _ = timeout_at(until, self.work()).await;
            let Ok(piece) = timeout(QUIET, self.next()).await else { return };
            let place = place(&piece.task);
            self.put(piece, place.as_ref());
        }
    }

    /// The output has ended.
    pub async fn finish(&mut self) {
        for capture in self.captures.values_mut() {
            capture.finish().await;
        }
    }

    fn note(&mut self, error: &EngineError) {
        self.trouble = Some(error.to_string());
    }

    /// From here on everything comes again.
    fn again(&mut self) {
        for taken in self.taken.values_mut() {
            taken.again = Some(0);
        }
    }

    fn is_new(&mut self, piece: &Piece) -> bool {
        if matches!(self.again, Again::Until(at) if piece.at <= at) {
            return false;
        }
        let key = (piece.task.clone(), piece.channel == Channel::Stderr);
        let fresh = || Taken { last: Timestamp::MIN, ..Taken::default() };
        self.taken.entry(key).or_insert_with(fresh).is_new(piece.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_comes_again_is_passed_over_and_what_is_new_is_not() {
        let mut it = Taken { last: Timestamp::MIN, ..Taken::default() };
        // The parts of a long line have one time.
        assert!([1, 2, 2].map(|second| it.is_new(at(second))).iter().all(|new| *new));
        it.again = Some(0);
        assert_eq!([1, 2, 2, 2, 3].map(|second| it.is_new(at(second))), [false, false, false, true, true]);
        // A clock that is set back costs no output while nothing comes again.
        assert!(it.is_new(at(1)));
        it.again = Some(0);
        assert_eq!([1, 1].map(|second| it.is_new(at(second))), [false, true]);
    }
}
