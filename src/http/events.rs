//! One stream of everything that happens: the records of the log, as server-sent events.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, stream};

use super::{api::Api, dto_runs::SentEvent};

/// Everything that happens from now on. Each event has the name of a record of the log, and its data is that record in
/// JSON; what runs print is not among them. Who takes too little is told by the event `missed` how many he missed.
#[utoipa::path(
    get, path = "/api/events",
    responses((status = 200, description = "Server-sent events, without end", body = SentEvent, content_type = "text/event-stream"))
)]
pub async fn events(State(api): State<Api>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(api.events.follow(), async |mut events| {
        let event = match events.next().await? {
            Ok(told) => Event::default().event(&*told.event).data(&*told.json),
            Err(missed) => Event::default().event("missed").data(format!("{{\"missed\":{missed}}}")),
        };
        Some((Ok(event), events))
    });
    // So that it is known at once that it has begun.
    let begin = stream::iter([Ok(Event::default().comment("what happens from now on"))]);
    Sse::new(futures::StreamExt::chain(begin, events)).keep_alive(KeepAlive::default())
}
