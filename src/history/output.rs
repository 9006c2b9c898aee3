//! What one run prints, on its way to the store: of each stream the beginning and the end, in chunks.
//!
//! A run never waits here. What the store has not taken is held in a few chunks for each stream, and in a common stock of
//! them for bursts; what finds no room there is dropped. Each chunk says where in its stream it lies, so that what is
//! missing between two of them can always be told.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::model::{
    run::{Printed, RunId, Stream},
    unfinished::{KeptChunk, KeptOutput, printed},
};

/// The longest chunk.
const CHUNK: u64 = 16 * 1024;

/// So many full chunks a stream has room for while the store is busy.
const OWN: usize = 2;

/// No more chunks of an end wait than these, once it replaces its own beginning: it can be endless. What comes before may
/// take what there is of the common stock, for all of it is to be kept.
const END: usize = 6;

/// So many chunks there are in the common stock: 4 MiB.
const STOCK: usize = 256;

/// A piece of what a run printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The run.
    pub run: RunId,
    /// To which stream.
    pub stream: Stream,
    /// Which of the stream's chunks it is. A later one with the same number is the same with more in it.
    pub sequence: u32,
    /// In which attempt.
    pub attempt: u32,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// What was printed.
    pub bytes: Vec<u8>,
    /// The chunks that it takes the place of, from the first to before the second.
    pub instead_of: Option<(u32, u32)>,
}

/// The common stock of room.
#[derive(Debug, Default)]
pub(super) struct Stock(AtomicUsize);

impl Stock {
    fn take(&self) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lent| (lent < STOCK).then_some(lent + 1));
        taken.is_ok()
    }

    fn give_back(&self, chunks: usize) {
        self.0.fetch_sub(chunks, Ordering::Relaxed);
    }
}

/// How soon the store should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    /// There is nothing.
    NotAtAll,
    /// In its own time.
    Sometime,
    /// There is a full chunk.
    Now,
}

/// What a run has printed and the store has not taken.
pub(super) struct Spool {
    run: RunId,
    stock: Arc<Stock>,
    streams: Mutex<Streams>,
}

#[derive(Debug)]
struct Streams {
    stdout: Kept,
    stderr: Kept,
    attempt: u32,
    wanted: Wanted,
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let mut streams = self.streams();
        let lent = streams.stdout.lent + streams.stderr.lent;
        (streams.stdout.lent, streams.stderr.lent) = (0, 0);
        drop(streams);
        self.stock.give_back(lent);
    }
}

impl Spool {
    /// Keeps at most this many bytes of each stream.
    pub fn new(run: RunId, most: u64, stock: Arc<Stock>) -> Self {
        let kept = || Kept::new(most);
        let streams = Streams { stdout: kept(), stderr: kept(), attempt: 1, wanted: Wanted::NotAtAll };
        Self { run, stock, streams: Mutex::new(streams) }
    }

    /// The same for a run of which this is kept already.
    pub fn after(run: RunId, most: u64, stock: Arc<Stock>, kept: &KeptOutput) -> Self {
        let spool = Self::new(run, most, stock);
        let mut streams = spool.streams();
        streams.stdout.go_on_after(&kept.stdout);
        streams.stderr.go_on_after(&kept.stderr);
        drop(streams);
        spool
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was printed. The answer is how soon the store was to look before, and is now. While `holds` is not
    /// set nothing is held: nobody takes it.
    pub fn put(&self, stream: Stream, bytes: &[u8], holds: bool) -> (Wanted, Wanted) {
        let mut streams = self.streams();
        let Streams { stdout, stderr, wanted, attempt } = &mut *streams;
        let kept = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        if !holds {
            kept.skip(bytes.len() as u64, &self.stock);
            return (*wanted, *wanted);
        }
        let before = *wanted;
        *wanted = before.max(kept.put(bytes, *attempt, &self.stock));
        (before, *wanted)
    }

    /// What is printed from now on belongs to this attempt.
    pub fn attempt(&self, number: u32) {
        let mut streams = self.streams();
        let Streams { stdout, stderr, attempt, .. } = &mut *streams;
        for kept in [stdout, stderr] {
            kept.seal(*attempt, &self.stock);
        }
        *attempt = number;
    }

    /// Whose it is.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The attempt that prints now, and how much was printed to this stream so far.
    pub fn at(&self, stream: Stream) -> (u32, u64) {
        let streams = self.streams();
        let kept = match stream {
            Stream::Stdout => &streams.stdout,
            Stream::Stderr => &streams.stderr,
        };
        (streams.attempt, kept.printed)
    }

    /// What was printed so far, kept or not.
    pub fn printed(&self) -> Printed {
        let streams = self.streams();
        Printed { stdout: streams.stdout.printed, stderr: streams.stderr.printed }
    }

    /// What the store has not taken yet.
    pub fn take(&self) -> Vec<Chunk> {
        let mut streams = self.streams();
        let Streams { stdout, stderr, wanted, attempt } = &mut *streams;
        *wanted = Wanted::NotAtAll;
        let mut chunks = Vec::new();
        for (stream, kept) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            kept.take(*attempt, &self.stock, |sequence, piece, instead_of| {
                let Piece { attempt, place, bytes } = piece;
                chunks.push(Chunk {
                    run: self.run.clone(),
                    stream,
                    sequence,
                    attempt,
                    place,
                    bytes,
                    instead_of,
                });
            });
        }
        chunks
    }
}

#[derive(Debug)]
struct Piece {
    attempt: u32,
    place: u64,
    bytes: Vec<u8>,
}

/// One stream: what is kept of it, and what of that the store has not taken.
#[derive(Debug)]
struct Kept {
    /// So much of the beginning, and of the end.
    head: u64,
    tail: u64,
    chunk: usize,
    printed: u64,
    /// The chunk that is being filled, with its number and where it begins, and how much of it the store has.
    open: Vec<u8>,
    place: u64,
    sequence: u32,
    taken: usize,
    full: VecDeque<(u32, Piece)>,
    /// Numbers and lengths of the chunks of the end.
    end: VecDeque<(u32, u64)>,
    end_length: u64,
    /// Those of them that went, from the first ever to before the second. The store may have some.
    gone: Option<(u32, u32)>,
    lent: usize,
}

impl Kept {
    fn new(most: u64) -> Self {
        let head = most / 2;
        let tail = most - head;
        let chunk = usize::try_from((tail / 4).clamp(1, CHUNK)).unwrap_or(1);
        Self {
            head,
            tail,
            chunk,
            printed: 0,
            open: Vec::new(),
            place: 0,
            sequence: 0,
            taken: 0,
            full: VecDeque::new(),
            end: VecDeque::new(),
            end_length: 0,
            gone: None,
            lent: 0,
        }
    }

    /// These are in the store.
    fn go_on_after(&mut self, chunks: &[KeptChunk]) {
        self.printed = printed(chunks);
        self.place = self.printed;
        self.sequence = chunks.iter().map(|it| it.sequence + 1).max().unwrap_or(0);
        self.end =
            chunks.iter().filter(|it| !self.is_head(it.place)).map(|it| (it.sequence, it.length)).collect();
        self.end_length = self.end.iter().map(|(_, length)| length).sum();
    }

    /// What was printed and is not kept.
    fn skip(&mut self, length: u64, stock: &Stock) {
        self.printed += length;
        if !self.open.is_empty() || !self.full.is_empty() {
            if self.taken > 0 && !self.is_head(self.place) {
                self.end.push_back((self.sequence, self.taken as u64));
                self.end_length += self.taken as u64;
            }
            self.open = Vec::new();
            self.full.clear();
            self.sequence += 1;
            stock.give_back(std::mem::take(&mut self.lent));
        }
        self.taken = 0;
        self.place = self.printed;
    }

    fn put(&mut self, mut bytes: &[u8], attempt: u32, stock: &Stock) -> Wanted {
        if self.tail == 0 {
            self.skip(bytes.len() as u64, stock);
            return Wanted::NotAtAll;
        }
        while !bytes.is_empty() {
            // A chunk lies in the beginning or in the end, never in both.
            let to_end = self.head.saturating_sub(self.printed);
            let room = self.chunk - self.open.len();
            let room = if to_end > 0 { room.min(usize::try_from(to_end).unwrap_or(room)) } else { room };
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            self.open.extend_from_slice(piece);
            self.printed += piece.len() as u64;
            bytes = rest;
            if self.open.len() == self.chunk || self.printed == self.head {
                self.seal(attempt, stock);
            }
            self.shorten(stock);
        }
        if self.full.is_empty() { Wanted::Sometime } else { Wanted::Now }
    }

    fn is_head(&self, place: u64) -> bool {
        place < self.head
    }

    /// The chunk that is being filled is full, or ends here for another reason.
    fn seal(&mut self, attempt: u32, stock: &Stock) {
        if self.open.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.open);
        let length = bytes.len() as u64;
        let (place, sequence) = (self.place, self.sequence);
        self.place += length;
        self.sequence += 1;
        self.taken = 0;
        let head = self.is_head(place);
        if !head {
            self.end.push_back((sequence, length));
            self.end_length += length;
        }
        if self.full.len() >= OWN + self.lent {
            let of_end = |(_, piece): &(u32, Piece)| piece.place >= self.head;
            let many = self.gone.is_some() && self.full.iter().filter(|it| of_end(it)).count() >= END;
            if (head || !many) && stock.take() {
                self.lent += 1;
            } else if head {
                return;
            } else {
                // Of an end the newest counts.
                let oldest = self.full.iter().position(of_end).unwrap_or(self.full.len() - 1);
                self.full.remove(oldest);
            }
        }
        self.full.push_back((sequence, Piece { attempt, place, bytes }));
    }

    /// An end that has become too long loses its oldest.
    fn shorten(&mut self, stock: &Stock) {
        let open = if self.is_head(self.place) { 0 } else { self.open.len() as u64 };
        while self.end_length + open > self.tail {
            let Some((sequence, length)) = self.end.pop_front() else { return };
            self.end_length -= length;
            self.gone = Some((self.gone.map_or(sequence, |(first, _)| first), sequence + 1));
            let before = self.full.len();
            self.full.retain(|(it, _)| *it != sequence);
            if self.full.len() < before && self.lent > 0 {
                self.lent -= 1;
                stock.give_back(1);
            }
        }
    }

    fn take(&mut self, attempt: u32, stock: &Stock, mut give: impl FnMut(u32, Piece, Option<(u32, u32)>)) {
        let mut instead_of = self.gone;
        for (sequence, piece) in std::mem::take(&mut self.full) {
            give(sequence, piece, instead_of.take());
        }
        stock.give_back(std::mem::take(&mut self.lent));
        if self.open.len() > self.taken {
            let piece = Piece { attempt, place: self.place, bytes: self.open.clone() };
            give(self.sequence, piece, instead_of.take());
            self.taken = self.open.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spool(most: u64) -> (Spool, Arc<Stock>) {
        let stock = Arc::<Stock>::default();
        (Spool::new(RunId("01".into()), most, stock.clone()), stock)
    }

    /// What the store would have after all these chunks.
    fn stored(chunks: impl IntoIterator<Item = Chunk>) -> Vec<Chunk> {
        let mut rows = std::collections::BTreeMap::new();
        for it in chunks {
            let gone = it.instead_of;
            rows.insert(it.sequence, it);
            if let Some((from, to)) = gone {
                rows.retain(|sequence, _| !(from..to).contains(sequence));
            }
        }
        rows.into_values().collect()
    }

    fn length(chunks: &[Chunk]) -> u64 {
        chunks.iter().map(|it| it.bytes.len() as u64).sum()
    }

    /// Bytes that differ wherever they stand.
    fn text(from: u64, length: u64) -> Vec<u8> {
        (from..from + length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
    }

    #[test]
    fn of_a_long_stream_the_beginning_and_the_end_are_kept_and_nothing_of_a_short_one_is_lost() {
        for (most, printed) in
            [(1 << 20, 1 << 20), (1 << 20, 5 << 20), (4_096, 100_000), (10, 11), (1, 5), (100_000, 7)]
        {
            let (it, _) = spool(most);
            let mut chunks = Vec::new();
            let mut place = 0;
            while place < printed {
                let next = (printed - place).min(10_000);
                it.put(Stream::Stdout, &text(place, next), true);
                place += next;
                chunks.extend(it.take());
            }
            let kept = stored(chunks);
            let (total, dropped) = (length(&kept), printed - length(&kept));
            assert_eq!(it.printed().stdout, printed);
            assert!(total <= most, "{most} of {printed}: {total}");
            assert_eq!(dropped > 0, printed > most, "{most} of {printed}: {dropped}");
            assert!(kept.iter().all(|it| it.bytes == text(it.place, it.bytes.len() as u64)), "{most}");
            if printed > most {
                let last = kept.last().unwrap();
                assert_eq!(last.place + last.bytes.len() as u64, printed, "up to the end");
                let gaps = kept
                    .windows(2)
                    .filter(|it| it[0].place + it[0].bytes.len() as u64 != it[1].place)
                    .count();
                assert!(
                    gaps <= 1 && total + most / 4 + 1 >= most,
                    "{most} of {printed}: {gaps} gaps, {total}"
                );
            }
        }
    }

    #[test]
    fn what_the_store_does_not_take_is_bounded_and_the_end_is_the_newest() {
        let stock = Arc::<Stock>::default();
        let runs: Vec<Spool> =
            (0..20).map(|_| Spool::new(RunId("01".into()), 1 << 20, stock.clone())).collect();
        for it in &runs {
            for place in (0..10 << 20).step_by(32 << 10) {
                it.put(Stream::Stdout, &text(place, 32 << 10), true);
            }
        }
        let taken: Vec<Vec<Chunk>> = runs.iter().map(Spool::take).collect();
        let held: u64 = taken.iter().map(|it| length(it)).sum();
        let bound = CHUNK * (STOCK as u64 + 20 * (OWN as u64 + 1));
        assert!(held <= bound, "{held} of {bound}");
        for chunks in &taken {
            let last = chunks.last().unwrap();
            assert_eq!(last.place + last.bytes.len() as u64, 10 << 20);
        }
        let whole_heads = taken.iter().filter(|it| length(it) >= 1 << 19).count();
        assert!(whole_heads >= 3, "bursts are kept as far as the stock goes: {whole_heads}");
        drop(runs);
        assert_eq!(stock.0.load(Ordering::Relaxed), 0, "what was lent came back");
    }

    #[test]
    fn a_chunk_that_grows_is_given_again_with_its_number_and_one_that_does_not_is_not() {
        let (it, _) = spool(1 << 20);
        assert_eq!(it.put(Stream::Stderr, b"one", true), (Wanted::NotAtAll, Wanted::Sometime));
        assert_eq!(it.put(Stream::Stderr, b" two", true), (Wanted::Sometime, Wanted::Sometime));
        let first = it.take();
        assert_eq!((first[0].sequence, &first[0].bytes[..], it.take().len()), (0, &b"one two"[..], 0));
        it.put(Stream::Stderr, b" three", true);
        let again = it.take();
        assert_eq!((again[0].sequence, &again[0].bytes[..]), (0, &b"one two three"[..]));
        it.attempt(2);
        it.put(Stream::Stderr, b"four", true);
        let chunks = it.take();
        let of: Vec<_> = chunks.iter().map(|it| (it.sequence, it.attempt, it.place)).collect();
        assert_eq!(of, [(0, 1, 0), (1, 2, 13)], "no chunk belongs to two attempts");
        let full = it.put(Stream::Stderr, &vec![0; 20_000], true);
        assert_eq!(full, (Wanted::NotAtAll, Wanted::Now));
    }

    #[test]
    fn what_nobody_takes_is_counted_and_not_held() {
        let (it, stock) = spool(1 << 20);
        it.put(Stream::Stdout, &text(0, 100_000), true);
        it.put(Stream::Stdout, &text(0, 1 << 20), false);
        assert_eq!((it.take(), stock.0.load(Ordering::Relaxed)), (vec![], 0));
        it.put(Stream::Stdout, b"again", true);
        let chunks = it.take();
        assert_eq!((chunks[0].place, &chunks[0].bytes[..]), ((1 << 20) + 100_000, &b"again"[..]));
        let (none, _) = spool(0);
        none.put(Stream::Stdout, b"nothing is kept", true);
        assert_eq!((none.take(), none.printed().stdout), (vec![], 15));
    }

    proptest! {
        #[test]
        fn however_it_comes_and_is_taken_each_byte_is_where_it_was_printed(
            most in 0_u64..200_000,
            steps in prop::collection::vec((0_u64..60_000, 0..6_u8), 0..40),
        ) {
            let (it, _) = spool(most);
            let (mut chunks, mut place) = (Vec::new(), 0);
            for (next, what) in steps {
                it.put(Stream::Stdout, &text(place, next), what != 5);
                place += next;
                match what {
                    0 | 1 => chunks.extend(it.take()),
                    2 => it.attempt(2),
                    _ => {}
                }
            }
            chunks.extend(it.take());
            let kept = stored(chunks);
            prop_assert_eq!(it.printed().stdout, place);
            prop_assert!(length(&kept) <= most);
            let mut end = 0;
            for chunk in kept {
                prop_assert!(chunk.place >= end, "in order and never twice");
                end = chunk.place + chunk.bytes.len() as u64;
                prop_assert_eq!(&chunk.bytes, &text(chunk.place, chunk.bytes.len() as u64));
            }
            prop_assert!(end <= place);
        }
    }
}
