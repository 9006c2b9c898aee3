//! What a run prints → lines for the log, as they come, and bytes for the history.
//!
//! At most one unfinished line a stream is held; whatever a job prints, no more memory is used.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::FutureExt;
use tokio::{
    task::coop::consume_budget,
    time::{Instant, timeout_at},
};

use crate::{
    docker::output::Channel,
    history::keeper::Tap,
    model::run::{Printed, Stream},
    telemetry::{
        report::{self, RunTags},
        sink::{LogSink, Ready},
    },
};

/// A longer line is told in pieces of this many bytes.
pub const LINE_LIMIT: usize = 16 * 1024;

/// Makes lines of one stream's bytes. A line ends at `\n`; a `\r` before it belongs to the end.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes in a chunk and gives every line that it completes.
    pub fn feed(&mut self, mut chunk: &[u8], mut line: impl FnMut(&[u8])) {
        while !chunk.is_empty() {
            let room = LINE_LIMIT - self.rest.len();
            match chunk.iter().take(room + 1).position(|b| *b == b'\n') {
                Some(end) => {
                    let (head, tail) = chunk.split_at(end);
                    chunk = &tail[1..];
                    if self.rest.is_empty() {
                        line(head.strip_suffix(b"\r").unwrap_or(head));
                    } else {
                        self.rest.extend_from_slice(head);
                        line(self.rest.strip_suffix(b"\r").unwrap_or(&self.rest));
                        self.rest.clear();
                    }
                }
                None if chunk.len() > room => {
                    // A character is not cut in two where the line is text.
                    self.rest.extend_from_slice(&chunk[..room]);
                    chunk = &chunk[room..];
                    let cut = boundary(&self.rest);
                    line(&self.rest[..cut]);
                    self.rest.drain(..cut);
                }
                None => {
                    self.rest.extend_from_slice(chunk);
                    return;
                }
            }
        }
    }

    /// What was told already: only the beginning of a line that had not ended is remembered.
    fn pass_over(&mut self, chunk: &[u8]) {
        let line = chunk.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        if line.is_some() {
            self.rest.clear();
        }
        self.rest.extend_from_slice(&chunk[line.unwrap_or(0)..]);
        // The pieces of a long line were told as they came.
        let told = self.rest.len().saturating_sub(1) / LINE_LIMIT * LINE_LIMIT;
        self.rest.drain(..told);
    }

    /// The stream has ended: what has no line end is a line too.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            line(&self.rest);
            self.rest = Vec::new();
        }
    }
}

/// Where a full line is cut: at its end, or up to three bytes before, in front of an unfinished character.
fn boundary(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to().max(1),
        _ => bytes.len(),
    }
}

/// How much is told between two looks at the log: short lines make records many times their own length.
const PIECE_BYTES: usize = 8 * 1024;
const PIECE_LINES: usize = 64;

/// How long a run that has ended waits for a slow log.
pub const FINISH_LIMIT: Duration = Duration::from_secs(5);

/// A run's output on its way to the log.
///
/// A chunk is [put](Self::put) here and then [worked](Self::work) off beside whatever else the run waits for, so that
/// a slow log never keeps a run from its timeout.
#[derive(Debug)]
pub struct Capture {
    tags: RunTags,
    sink: LogSink,
    tap: Tap,
    stdout: Lines,
    stderr: Lines,
    pending: Option<(Channel, Bytes)>,
    /// So much comes once more.
    again: Printed,
}

impl Capture {
    /// Nothing printed yet.
    pub fn new(tags: RunTags, sink: LogSink, tap: Tap) -> Self {
        let again = Printed::default();
        Self { tags, sink, tap, stdout: Lines::default(), stderr: Lines::default(), pending: None, again }
    }

    /// The output comes from its beginning, and so much of it was taken in by another agent.
    pub fn comes_again(&mut self, again: Printed) {
        self.again = again;
    }

    /// The tags of the run.
    pub fn tags(&self) -> &RunTags {
        &self.tags
    }

    /// Whether the last chunk is worked off, and the next may come.
    pub fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// Takes in a chunk; only while [idle](Self::is_idle).
    pub fn put(&mut self, channel: Channel, mut chunk: Bytes) {
        debug_assert!(self.is_idle());
        let (stream, again, lines) = match channel {
            Channel::Stdout => (Stream::Stdout, &mut self.again.stdout, &mut self.stdout),
            Channel::Stderr => (Stream::Stderr, &mut self.again.stderr, &mut self.stderr),
        };
        if *again > 0 {
            let known = usize::try_from(*again).unwrap_or(usize::MAX).min(chunk.len());
            *again -= known as u64;
            lines.pass_over(&chunk.split_to(known));
            if chunk.is_empty() {
                return;
            }
        }
        self.tap.put(stream, &chunk);
        self.pending = Some((channel, chunk));
    }

    /// Works the chunk off. Waits for a log that is slow, so that nothing is lost; does not wait for one that stands
    /// still, so that the run goes on. May be dropped and asked again at any time.
    pub async fn work(&mut self) {
        while self.pending.is_some() {
            // A chunk of short lines is much work, and others have theirs.
            consume_budget().await;
            let ready = self.sink.ready().await;
            self.piece(ready);
        }
    }

    /// The same, no longer than until then: what a slow log has not taken by then is dropped and counted. Whether all was
    /// taken.
    pub async fn work_until(&mut self, until: Instant) -> bool {
        let taken = timeout_at(until, self.work()).await.is_ok();
        while self.pending.is_some() {
            let ready = self.sink.ready().now_or_never();
            self.piece(ready.unwrap_or(Ready::Stalled));
        }
        taken
    }

    fn piece(&mut self, ready: Ready) {
        let Self { tags, sink, tap: _, stdout, stderr, pending, again: _ } = self;
        let Some((channel, mut chunk)) = pending.take() else { return };
        let most = &chunk[..chunk.len().min(PIECE_BYTES)];
        let ends = most.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let length = ends.map(|(at, _)| at + 1).nth(PIECE_LINES - 1).unwrap_or(most.len());
        let piece = chunk.split_to(length);
        if !chunk.is_empty() {
            *pending = Some((channel, chunk));
        }
        let lines = match channel {
            Channel::Stdout => stdout,
            Channel::Stderr => stderr,
        };
        lines.feed(&piece, |line| tell(tags, sink, ready, channel, line));
    }

    /// The output has ended. A run that printed nothing waits for no log, and none waits for long: what a slow log has
    /// not taken by then is dropped and counted, so that the run's record is not kept waiting.
    pub async fn finish(&mut self) {
        let until = Instant::now() + FINISH_LIMIT;
        let mut ready = if self.work_until(until).await { Ready::Yes } else { Ready::Stalled };
        let Self { tags, sink, tap: _, stdout, stderr, pending: _, again: _ } = self;
        if ready == Ready::Yes && !(stdout.rest.is_empty() && stderr.rest.is_empty()) {
            ready = timeout_at(until, sink.ready()).await.unwrap_or(Ready::Stalled);
        }
        stdout.finish(|line| tell(tags, sink, ready, Channel::Stdout, line));
        stderr.finish(|line| tell(tags, sink, ready, Channel::Stderr, line));
    }
}

fn tell(tags: &RunTags, sink: &LogSink, ready: Ready, channel: Channel, line: &[u8]) {
    if ready == Ready::Stalled {
        sink.count_dropped(1);
        return;
    }
    if let Ok(line) = std::str::from_utf8(line) {
        report::run_output(tags, channel.as_str(), line, None);
    } else {
        // JSON has no place for bytes that are no text: they are told as far as they can be read, and exactly.
        let readable = String::from_utf8_lossy(line);
        report::run_output(tags, channel.as_str(), &readable, Some(&STANDARD.encode(line)));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Result, Write},
        sync::mpsc::{Receiver, channel},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::{
        history::keeper::Keeper,
        model::{
            name::{JobId, JobKind},
            run::{RunId, Trigger},
        },
        telemetry::sink::HIGH_WATER,
    };

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let mut it = Lines::default();
        for chunk in chunks {
            it.feed(chunk, |line| out.push(line.to_vec()));
        }
        it.finish(|line| out.push(line.to_vec()));
        out
    }

    #[test]
    fn lines_come_whole_however_they_were_cut() {
        assert_eq!(lines(&[b"a\nb", b"c\r", b"\n\nd"]), [&b"a"[..], b"bc", b"", b"d"]);
        assert_eq!(lines(&[b"x\n"]), [b"x"]);
        assert_eq!(lines(&[]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_long_line_is_told_in_pieces_and_no_character_is_cut() {
        let text = format!("a{}", "é".repeat(LINE_LIMIT));
        let pieces = lines(&[text.as_bytes()]);
        assert!(pieces.iter().all(|piece| piece.len() <= LINE_LIMIT && std::str::from_utf8(piece).is_ok()));
        assert_eq!(pieces.concat(), text.as_bytes());
        assert_eq!(lines(&[&[b'x'; LINE_LIMIT], b"\n"]), [[b'x'; LINE_LIMIT]]);
    }

    #[test]
    fn what_comes_again_is_not_told_again_but_for_the_beginning_of_a_line_that_had_not_ended() {
        for (whole, again, told) in
            [("a\nb\nc\n", 4, &["c"][..]), ("a\nbb\nc\n", 3, &["bb", "c"]), ("a\nb", 3, &["b"]), ("", 0, &[])]
        {
            for cut in 1..=whole.len().max(1) {
                let mut it = Lines::default();
                let mut out = Vec::new();
                let (before, after) = whole.as_bytes().split_at(again);
                before.chunks(cut).for_each(|chunk| it.pass_over(chunk));
                it.feed(after, |line| out.push(String::from_utf8_lossy(line).into_owned()));
                it.finish(|line| out.push(String::from_utf8_lossy(line).into_owned()));
                assert_eq!(out, told, "{whole:?} from {again}");
            }
        }
        let mut it = Lines::default();
        it.pass_over(&vec![b'x'; LINE_LIMIT * 2 + 3]);
        assert_eq!(it.rest.len(), 3);
    }

    /// Takes nothing until the other end is gone.
    struct Closed(Receiver<()>);

    impl Write for Closed {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_log_does_not_take_in_time_is_counted_and_goes_to_the_history_with_what_follows() {
        let (open, closed) = channel();
        let sink = LogSink::start(Closed(closed));
        sink.push(&vec![b'x'; HIGH_WATER]);
        let run = RunId("1".into());
        let recorder = Keeper::none().recorder(run.clone(), 1000);
        let tags = RunTags {
            run,
            job: JobId::plain("job"),
            kind: JobKind::Exec,
            trigger: Trigger::Schedule,
            container: None,
            task: None,
            attempt: 1,
        };
        let mut it = Capture::new(tags, sink.clone(), recorder.tap());
        let until = Instant::now() + Duration::from_secs(1);
        for (chunk, dropped) in [("a\nb\nc", 2), ("d\n", 3)] {
            it.put(Channel::Stdout, Bytes::from_static(chunk.as_bytes()));
            assert!(!it.work_until(until).await);
            assert!(it.is_idle());
            assert_eq!(sink.dropped(), dropped);
        }
        assert_eq!(recorder.printed(), Printed { stdout: 7, stderr: 0 });
        assert_eq!(until.elapsed(), Duration::ZERO);
        drop(open);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_made_up(chunks in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'x'), any::<u8>()], 0..2_000), 0..4)) {
            let whole: Vec<u8> = chunks.concat().into_iter().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let told: Vec<u8> = lines(&chunks).concat().into_iter().filter(|b| *b != b'\r').collect();
            prop_assert_eq!(whole, told);
        }
    }
}
