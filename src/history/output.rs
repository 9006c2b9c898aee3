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

use crate::model::run::{Printed, RunId, Stream};

/// The longest chunk.
const CHUNK: u64 = 16 * 1024;

/// So many full chunks a stream has room for while the store is busy.
const OWN: usize = 2;

/// So many more of the common stock the end of a stream may take: its beginning may take what there is, because it is
/// short, and an end can be endless.
const LENT_TO_END: usize = 4;

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

    /// What was printed and is not kept.
    fn skip(&mut self, length: u64, stock: &Stock) {
        self.printed += length;
        if !self.open.is_empty() || !self.full.is_empty() {
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
        if self.full.len() - self.lent.min(self.full.len()) >= OWN {
            if (head || self.lent < LENT_TO_END) && stock.take() {
                self.lent += 1;
            } else if head {
                return;
            } else {
                // Of an end the newest counts.
                self.full.pop_front();
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
