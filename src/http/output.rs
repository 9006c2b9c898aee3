//! What a run printed: as a text, of which parts can be asked for, or, by `follow`, as it comes.

use std::{io, ops::Range};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;

use crate::{
    history::query::{Extent, Piece},
    model::run::{RunId, Stream},
};

use super::{
    api::Api,
    dto::ProblemDetails,
    dto_runs::{OutputQuery, RunItem, SentEvent, StreamChoice},
    follow,
    problem::{Asked, Named, Problem},
    runs,
};

/// So much is read from the history at once.
pub(super) const WINDOW: u64 = 256 << 10;

/// How many bytes were printed and are not in the answer.
const DROPPED: &str = "watchbell-dropped-bytes";

impl StreamChoice {
    /// The streams, in the order of the text.
    pub(super) fn streams(self) -> &'static [Stream] {
        match self {
            Self::Stdout => &[Stream::Stdout],
            Self::Stderr => &[Stream::Stderr],
            Self::Both => &[Stream::Stdout, Stream::Stderr],
        }
    }
}

/// What a run printed. As a text: all that was kept, standard output before standard error, and where something was
/// dropped a line that says how much; the header `Watchbell-Dropped-Bytes` has the sum. Parts can be asked for with
/// `Range`. With `follow=true` or `Accept: text/event-stream`: what there is and then what comes, as the events `stdout`,
/// `stderr` (both with a `PrintedPiece`), `dropped` (a `DroppedPiece`), and at last `end` (a `RunItem`), or `lagged` for who
/// takes too little and is given up. Each event's ID says how far it goes: with `Last-Event-ID` it goes on from there.
#[utoipa::path(
    get, path = "/api/runs/{id}/output",
    params(OutputQuery, ("id" = String, Path, description = "The run's ID, or a beginning that no other has")),
    responses(
        (status = 200, description = "All of it, or what comes", content((String = "text/plain"), (SentEvent = "text/event-stream"))),
        (status = 206, description = "The part that was asked for", body = String, content_type = "text/plain"),
        (status = 400, description = "Several begin like that, or the question makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 416, description = "It is shorter than that", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The history cannot be read, or too many follow already", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn run_output(
    State(api): State<Api>,
    Named(id): Named,
    Asked(query): Asked<OutputQuery>,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, Problem> {
    let run = runs::find(&api, &id).await?;
    let streams = query.stream.unwrap_or_default();
    let text = |name| headers.get(name).and_then(|it: &HeaderValue| it.to_str().ok());
    let wants_events = text(header::ACCEPT).is_some_and(|it| it.contains("text/event-stream"));
    if query.follow.unwrap_or(wants_events) {
        return follow::answer(api, run, streams, text(header::HeaderName::from_static("last-event-id")))
            .await;
    }
    let item = runs::details(&api, &run).await?.run;
    let id = run.clone();
    let extents = api.read(move |reader| {
        let of = streams.streams().iter().map(|it| Ok((*it, reader.extents(&id, *it)?)));
        of.collect::<Result<Vec<_>, _>>()
    });
    let extents = extents.await?.unwrap_or_default();
    let parts = parts(&extents, &item);
    let total = parts.iter().map(Part::length).sum();
    let dropped: u64 = parts.iter().map(|it| if let Part::Gap(bytes, _) = it { *bytes } else { 0 }).sum();
    // A range means something for GET alone (RFC 9110, 14.2): HEAD is answered as if none were asked for.
    let range = text(header::RANGE).filter(|_| method == Method::GET);
    let (status, part) = match range.and_then(|it| asked_range(it, total)) {
        None => (StatusCode::OK, 0..total),
        Some(part) if part.is_empty() => return Ok(not_so_long(total)),
        Some(part) => (StatusCode::PARTIAL_CONTENT, part),
    };
    let length = part.end - part.start;
    let place = format!("bytes {}-{}/{total}", part.start, part.end.saturating_sub(1));
    let body = Body::from_stream(stream::try_unfold(
        (api, run, cut(parts, &part).into_iter()),
        async |(api, run, mut parts)| -> io::Result<_> {
            let Some(part) = parts.next() else { return Ok(None) };
            let bytes = part.read(&api, &run).await?;
            Ok(Some((bytes, (api, run, parts))))
        },
    ));
    let mut response = (status, body).into_response();
    let mut set = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CONTENT_LENGTH, &length.to_string());
    set(header::CONTENT_DISPOSITION, &disposition(&item, streams, query.download.unwrap_or(false)));
    set(header::HeaderName::from_static(DROPPED), &dropped.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, &place);
    }
    Ok(response)
}

fn not_so_long(total: u64) -> Response {
    let detail = format!("the output has {total} bytes, and the range begins behind them");
    let mut response = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{total}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn disposition(item: &RunItem, streams: StreamChoice, download: bool) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let job: String = item.job.chars().map(plain).collect();
    let stream = match streams {
        StreamChoice::Stdout => "-stdout",
        StreamChoice::Stderr => "-stderr",
        StreamChoice::Both => "",
    };
    let how = if download { "attachment" } else { "inline" };
    format!("{how}; filename=\"{job}-{}{stream}.log\"", item.run)
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// These bytes of a stream.
    Kept(Stream, Range<u64>),
    /// So many bytes were dropped; and this of what is said of it.
    Gap(u64, Range<u64>),
}

fn gap(bytes: u64) -> String {
    format!("\n[watchbell: {bytes} bytes were dropped here]\n")
}

impl Part {
    fn range(&self) -> &Range<u64> {
        let (Self::Kept(_, range) | Self::Gap(_, range)) = self;
        range
    }

    fn length(&self) -> u64 {
        self.range().end - self.range().start
    }

    async fn read(&self, api: &Api, run: &RunId) -> io::Result<Bytes> {
        let (stream, range) = match self {
            Self::Gap(bytes, range) => {
                let text = gap(*bytes);
                let at = |it: u64| usize::try_from(it).unwrap_or(text.len()).min(text.len());
                return Ok(Bytes::copy_from_slice(&text.as_bytes()[at(range.start)..at(range.end)]));
            }
            Self::Kept(stream, range) => (*stream, range.clone()),
        };
        let bytes = read(api, run, stream, range).await.map_err(|_| gone())?;
        // What was promised is not there any more: the answer ends here, and it is seen that it is not all.
        if bytes.len() as u64 == self.length() { Ok(bytes.into()) } else { Err(gone()) }
    }
}

fn gone() -> io::Error {
    io::Error::other("the output was removed while it was read")
}

/// These bytes of a stream, as far as they were kept.
pub(super) async fn read(
    api: &Api,
    run: &RunId,
    stream: Stream,
    range: Range<u64>,
) -> Result<Vec<u8>, Problem> {
    let id = run.clone();
    let pieces = api.read(move |reader| reader.output(&id, stream, range.start, range.end)).await?;
    let pieces: Vec<Piece> = pieces.unwrap_or_default();
    Ok(pieces.into_iter().flat_map(|it| it.bytes).collect())
}

/// The whole text.
fn parts(extents: &[(Stream, Vec<Extent>)], item: &RunItem) -> Vec<Part> {
    let mut parts = Vec::new();
    for (stream, extents) in extents {
        let mut at = 0;
        let missing = |bytes: u64| (bytes > 0).then(|| Part::Gap(bytes, 0..gap(bytes).len() as u64));
        for extent in extents {
            parts.extend(missing(extent.place.saturating_sub(at)));
            at = extent.place + extent.length;
            parts.push(Part::Kept(*stream, extent.place..at));
        }
        let printed = match stream {
            Stream::Stdout => item.stdout_bytes,
            Stream::Stderr => item.stderr_bytes,
        };
        parts.extend(missing(printed.saturating_sub(at)));
    }
    parts
}

/// What of the text lies in a range, in pieces that are read at once.
fn cut(parts: Vec<Part>, wanted: &Range<u64>) -> Vec<Part> {
    let mut place = 0;
    let mut cut: Vec<Part> = Vec::new();
    for part in parts {
        let length = part.length();
        let from = wanted.start.saturating_sub(place).min(length);
        let to = wanted.end.saturating_sub(place).min(length);
        place += length;
        if from >= to {
            continue;
        }
        match part {
            Part::Gap(bytes, range) => cut.push(Part::Gap(bytes, range.start + from..range.start + to)),
            Part::Kept(stream, range) => {
                let range = range.start + from..range.start + to;
                match cut.last_mut() {
                    Some(Part::Kept(last, it))
                        if *last == stream && it.end == range.start && range.end - it.start <= WINDOW =>
                    {
                        it.end = range.end;
                    }
                    _ => cut.push(Part::Kept(stream, range)),
                }
            }
        }
    }
    cut
}

/// The range that a header asks for: none where it is nothing that we understand, which then counts for nothing, and an
/// empty one where it lies behind the end.
fn asked_range(header: &str, total: u64) -> Option<Range<u64>> {
    let (from, to) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>();
    Some(match (from.trim(), to.trim()) {
        ("", last) => total.saturating_sub(number(last).ok()?)..total,
        (from, "") => number(from).ok()?..total,
        (from, to) => {
            let (from, to) = (number(from).ok()?, number(to).ok()?);
            if to < from {
                return None;
            }
            from..to.saturating_add(1).min(total)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_part_that_it_says() {
        for (header, expected) in [
            ("bytes=0-4", Some(0..5)),
            ("bytes=2-", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-30", Some(0..10)),
            ("bytes=8-99", Some(8..10)),
            ("bytes=10-", Some(10..10)),
            ("bytes=-0", Some(10..10)),
            ("bytes=4-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(asked_range(header, 10), expected, "{header}");
        }
    }

    #[test]
    fn what_is_missing_is_a_line_of_the_text_and_can_be_cut_like_the_rest() {
        let kept = |range| Part::Kept(Stream::Stdout, range);
        let all = vec![kept(0..4), Part::Gap(6, 0..gap(6).len() as u64), kept(10..14), kept(14..16)];
        assert_eq!(cut(all.clone(), &(0..2)), [kept(0..2)]);
        let line = gap(6).len() as u64;
        assert_eq!(cut(all, &(3..line + 9)), [kept(3..4), Part::Gap(6, 0..line), kept(10..15)]);
    }
}
