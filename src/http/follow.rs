//! What a run prints, as it comes: first what the history has, then what comes, without a gap and nothing twice. Each
//! piece is known by its place in its stream, and what is missing between two of them is told.

use std::{collections::VecDeque, convert::Infallible};

use axum::{
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream;

use crate::{
    history::{
        live::{Follower, News},
        query::Extent,
    },
    model::run::{RunId, Stream},
};

use super::{
    api::Api,
    dto_runs::{DroppedPiece, PrintedPiece, RunItem, StreamChoice},
    output::{WINDOW, read},
    problem::Problem,
    runs,
};

/// Someone who follows, and how far he has come.
struct Following {
    api: Api,
    run: RunId,
    streams: &'static [Stream],
    /// How many bytes of standard output and of standard error he was told of.
    places: [u64; 2],
    /// What the history has and he was not told yet.
    backlog: VecDeque<(Stream, Extent)>,
    pending: VecDeque<Event>,
    /// None where the run has ended.
    follower: Option<Follower>,
    done: bool,
}

/// The events of a run from `last` on.
pub(super) async fn answer(
    api: Api,
    run: RunId,
    streams: StreamChoice,
    last: Option<&str>,
) -> Result<Response, Problem> {
    // In this order: what is printed before the one is found by the other.
    let follower = api.keeper.follow(&run);
    if follower.is_none() && !api.keeper.live_beginning(&run.0).is_empty() {
        let detail = "too many follow already: ask without follow, or try again later";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    api.settle().await;
    let (id, streams) = (run.clone(), streams.streams());
    let extents = api.read(move |reader| {
        let of = streams.iter().map(|stream| {
            let extents = reader.extents(&id, *stream)?.into_iter();
            Ok(extents.map(|it| (*stream, it)).collect::<Vec<_>>())
        });
        Ok(of.collect::<Result<Vec<_>, _>>()?.concat())
    });
    // Without the history there is still what comes.
    let backlog = match extents.await {
        Ok(extents) => extents.unwrap_or_default().into(),
        Err(_) if follower.is_some() || !api.keeper.ended_beginning(&run.0).is_empty() => VecDeque::new(),
        Err(error) => return Err(error),
    };
    let places = last.and_then(places_of).unwrap_or_default();
    let following =
        Following { api, run, streams, places, backlog, pending: VecDeque::new(), follower, done: false };
    let events = stream::unfold(following, async |mut it| {
        let event = it.next().await?;
        Some((Ok::<_, Infallible>(event), it))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// `123-45`: so many bytes of standard output and of standard error.
fn places_of(id: &str) -> Option<[u64; 2]> {
    let (stdout, stderr) = id.split_once('-')?;
    Some([stdout.parse().ok()?, stderr.parse().ok()?])
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.done {
                return None;
            }
            if let Some((stream, extent)) = self.backlog.pop_front() {
                self.of_history(stream, extent).await;
                continue;
            }
            let Some(follower) = &mut self.follower else {
                let ended = runs::details(&self.api, &self.run).await;
                self.end(ended.ok().map(|it| it.run));
                continue;
            };
            match follower.next().await {
                News::Printed(line) => self.printed(line.stream, line.attempt, line.place, &line.bytes),
                News::Ended(record) => self.end(Some(runs::ended(&record))),
                News::TooSlow => {
                    self.say(
                        "lagged",
                        &serde_json::json!({ "reason": "what was printed was not taken in time" }),
                    );
                    self.done = true;
                }
            }
        }
    }

    fn end(&mut self, item: Option<RunItem>) {
        if let Some(item) = item {
            // What was printed while nothing was kept, and before this one followed.
            self.dropped(Stream::Stdout, item.stdout_bytes);
            self.dropped(Stream::Stderr, item.stderr_bytes);
            self.say("end", &item);
        }
        self.done = true;
    }

    async fn of_history(&mut self, stream: Stream, extent: Extent) {
        let Extent { attempt, place, length } = extent;
        let end = place + length;
        let from = place.max(self.place(stream));
        if from >= end {
            return;
        }
        let to = end.min(from + WINDOW);
        // What cannot be read now is told as dropped by what follows it.
        if let Ok(bytes) = read(&self.api, &self.run, stream, from..to).await {
            self.printed(stream, attempt, from, &bytes);
        }
        if to < end {
            self.backlog.push_front((stream, Extent { attempt, place: to, length: end - to }));
        }
    }

    fn place(&self, stream: Stream) -> u64 {
        self.places[stream as usize]
    }

    /// Something was printed; what he was told of already is passed over.
    fn printed(&mut self, stream: Stream, attempt: u32, place: u64, bytes: &[u8]) {
        if !self.streams.contains(&stream) {
            return;
        }
        self.dropped(stream, place);
        let known = usize::try_from(self.place(stream) - place).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(known..).filter(|it| !it.is_empty()) else { return };
        let from = self.place(stream);
        self.places[stream as usize] = from + bytes.len() as u64;
        let (text, base64) = match str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(bytes))),
        };
        self.say(name(stream), &PrintedPiece { attempt, place: from, text, base64 });
    }

    /// The next that is known begins here.
    fn dropped(&mut self, stream: Stream, place: u64) {
        let from = self.place(stream);
        if place > from && self.streams.contains(&stream) {
            self.places[stream as usize] = place;
            let stream = name(stream).to_owned();
            self.say("dropped", &DroppedPiece { stream, place: from, bytes: place - from });
        }
    }

    fn say(&mut self, event: &str, data: &impl serde::Serialize) {
        let [stdout, stderr] = self.places;
        let data = serde_json::to_string(data).unwrap_or_default();
        let event = Event::default().event(event).id(format!("{stdout}-{stderr}")).data(data);
        self.pending.push_back(event);
    }
}
