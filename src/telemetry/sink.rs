//! The one way to stdout.
//!
//! Whoever logs appends to a shared buffer and goes on; a thread of its own swaps the buffer out and writes it.
//! Nothing in here may block a task on I/O, fail, or hold more than a few MiB: a log that nobody reads costs log
//! lines, never a run. What is lost is counted, and told as soon as the log moves again.

mod stall;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use stall::{LOOKS, Stall};

/// From this many waiting bytes on, [`LogSink::ready`] holds back whoever produces job output.
pub const HIGH_WATER: usize = 256 * 1024;
/// No more than this many bytes wait; a line beyond is dropped and counted.
pub const HARD_LIMIT: usize = 4 * 1024 * 1024;
/// How long a sink may make no progress at all before [`LogSink::ready`] gives up on it. On a busy machine disks and
/// readers stand still for a second or two.
pub const STALL_LIMIT: Duration = Duration::from_secs(3);

/// Buffers that grew past this in a burst are given back.
const KEEP: usize = 1024 * 1024;
/// Bytes in one write. Small, because a write to a pipe returns only when all of it fits: progress must be seen
/// even when the reader takes a few KiB a second.
const CHUNK: usize = 8 * 1024;
/// How long to leave a full disk or a non-blocking pipe alone before the same bytes are tried again.
const RETRY: Duration = Duration::from_millis(20);

/// A handle on the log; clones share it. When the last is gone, what still waits is written and the thread ends.
#[derive(Clone)]
pub struct LogSink(Target);

/// The text that a sink made by [`LogSink::memory`] was given.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog(Arc<Mutex<Vec<u8>>>);

/// Whether a line of job output is welcome now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a line pushed at a stalled sink takes the room that the agent's own lines need"]
pub enum Ready {
    /// Push it.
    Yes,
    /// Nobody reads the log: drop the line, tell [`LogSink::count_dropped`], and go on with the run.
    Stalled,
}

impl LogSink {
    /// A sink that writes to the process's standard output.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        // The descriptor itself, because the standard library's handle would look for line ends and buffer again.
        match stdout.as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::start(std::fs::File::from(descriptor)),
            Err(_) => Self::start(stdout),
        }
    }

    /// A sink that writes to `writer` from a thread of its own, which ends on the first error that is not known to
    /// pass. From then on all lines are discarded.
    pub fn start(writer: impl Write + Send + 'static) -> Self {
        Self::start_with(writer, Limits { high_water: HIGH_WATER, hard: HARD_LIMIT, stall: STALL_LIMIT })
    }

    /// A sink without a thread that keeps everything it is given, for tests.
    pub fn memory() -> (Self, MemoryLog) {
        let log = MemoryLog::default();
        (Self(Target::Memory(log.clone())), log)
    }

    /// Appends one line, its line end included. Never blocks on I/O and never fails: with [`HARD_LIMIT`] bytes
    /// waiting the line is dropped and counted.
    pub fn push(&self, line: &[u8]) {
        match &self.0 {
            Target::Memory(log) => log.lock().extend_from_slice(line),
            Target::Writer(handle) => handle.0.push(line),
        }
    }

    /// To be awaited before a line of job output is pushed. Returns at once while fewer than [`HIGH_WATER`] bytes
    /// wait, so that a reader that is only slow loses nothing. A sink that makes no progress at all for
    /// [`STALL_LIMIT`] is [`Ready::Stalled`], and stays so, without further waiting, until it moves again.
    pub async fn ready(&self) -> Ready {
        match &self.0 {
            Target::Memory(_) => Ready::Yes,
            Target::Writer(handle) => handle.0.ready().await,
        }
    }

    /// Waits until everything that was pushed before is written, at most for `limit`; false if it is not.
    pub async fn flush(&self, limit: Duration) -> bool {
        match &self.0 {
            Target::Memory(_) => true,
            Target::Writer(handle) => handle.0.flush(limit).await,
        }
    }

    /// Counts lines that a caller left out because the sink was [`Ready::Stalled`].
    pub fn count_dropped(&self, lines: u64) {
        if let Target::Writer(handle) = &self.0 {
            handle.0.lock().lose(lines);
            handle.0.wake.notify_one();
        }
    }

    /// How many lines were turned away since the start, or counted as left out.
    pub fn dropped(&self) -> u64 {
        match &self.0 {
            Target::Memory(_) => 0,
            Target::Writer(handle) => handle.0.lock().dropped,
        }
    }

    /// Says how the line that tells of `n` lost lines reads; without it, they are only counted. The first call
    /// counts. `notice` runs under the sink's lock, so it must not log.
    pub fn tell_dropped(&self, notice: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) {
        if let Target::Writer(handle) = &self.0 {
            // A second layer on the same sink would tell the same thing twice.
            let _ = handle.0.notice.set(Box::new(notice));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the log writer is the one thread of its own")]
    fn start_with(writer: impl Write + Send + 'static, limits: Limits) -> Self {
        let shared = Arc::new(Shared {
            limits,
            state: Mutex::default(),
            wake: Condvar::new(),
            moved: Notify::new(),
            notice: OnceLock::new(),
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || write_batches(&for_thread, writer));
        Self(Target::Writer(Arc::new(Handle(shared))))
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSink").finish_non_exhaustive()
    }
}

impl MemoryLog {
    /// Everything logged so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    /// Everything logged since the last call.
    pub fn take(&self) -> String {
        String::from_utf8_lossy(&mem::take(&mut *self.lock())).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
enum Target {
    Writer(Arc<Handle>),
    Memory(MemoryLog),
}

/// Shared by the clones of a sink but not by the thread, so that the thread learns when the last clone is gone.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    high_water: usize,
    hard: usize,
    stall: Duration,
}

type Notice = Box<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

struct Shared {
    limits: Limits,
    state: Mutex<State>,
    /// Tells the thread that there is something to do.
    wake: Condvar,
    /// Tells tasks that bytes went out, or never will.
    moved: Notify,
    notice: OnceLock<Notice>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes that the thread swapped out and has not written yet.
    in_flight: usize,
    /// Bytes ever accepted and ever written: what a flush compares, and how progress is seen.
    accepted: u64,
    written: u64,
    /// Lines ever lost, and those of them that the log does not tell of yet.
    dropped: u64,
    untold: u64,
    stall: Stall,
    broken: bool,
    closed: bool,
}

impl State {
    fn backlog(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    fn append(&mut self, line: &[u8]) {
        self.waiting.extend_from_slice(line);
        self.accepted += line.len() as u64;
    }

    fn lose(&mut self, lines: u64) {
        self.dropped += lines;
        self.untold += lines;
    }
}

impl Shared {
    /// A panic elsewhere is no reason to stop logging, and no update here can be left half done by one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.broken || state.backlog() + line.len() > self.limits.hard {
            state.lose(1);
            return;
        }
        let idle = state.waiting.is_empty();
        state.append(line);
        drop(state);
        if idle {
            self.wake.notify_one();
        }
    }

    async fn ready(&self) -> Ready {
        let interval = self.limits.stall / LOOKS;
        loop {
            // Listen before looking, or progress between the two would go unnoticed.
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            {
                let mut state = self.lock();
                if state.broken || state.backlog() < self.limits.high_water {
                    return Ready::Yes;
                }
                let written = state.written;
                if state.stall.is_there(written, interval) {
                    return Ready::Stalled;
                }
            }
            // Only a drained backlog wakes; progress on the way there is looked for now and then.
            let _ = timeout(interval, moved).await;
        }
    }

    async fn flush(&self, limit: Duration) -> bool {
        let target = self.lock().accepted;
        let done = || self.lock().written >= target;
        let written = async {
            loop {
                let moved = self.moved.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                if done() || self.lock().broken {
                    return;
                }
                moved.await;
            }
        };
        let _ = timeout(limit, written).await;
        done()
    }

    /// Waits for something to write and swaps it into `batch`, which must be empty. False when nothing can come.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        loop {
            if state.untold > 0
                && let Some(notice) = self.notice.get()
            {
                // After what waits: those lines were there before there was no room.
                let lost = mem::take(&mut state.untold);
                state.append(&notice(lost));
            }
            if !state.waiting.is_empty() {
                mem::swap(&mut state.waiting, batch);
                state.in_flight = batch.len();
                return true;
            }
            if state.closed {
                return false;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wrote(&self, bytes: usize) {
        let mut state = self.lock();
        let before = state.backlog();
        state.in_flight -= bytes;
        state.written += bytes as u64;
        let high = self.limits.high_water;
        let tell = state.in_flight == 0 || (before >= high && state.backlog() < high);
        drop(state);
        if tell {
            self.moved.notify_waiters();
        }
    }
}

/// Whatever ends the thread, a panic in the writer included, nobody may wait for it afterwards.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.broken = true;
        state.in_flight = 0;
        state.waiting = Vec::new();
        drop(state);
        self.0.moved.notify_waiters();
    }
}

fn write_batches(shared: &Shared, mut writer: impl Write) {
    let _ending = Ending(shared);
    let mut batch = Vec::new();
    while shared.next_batch(&mut batch) {
        // There is nowhere left to report an error to: the log is what failed.
        if write_batch(shared, &batch, &mut writer).is_err() {
            return;
        }
        batch.clear();
        if batch.capacity() > KEEP {
            batch = Vec::new();
        }
    }
}

fn write_batch(shared: &Shared, batch: &[u8], writer: &mut impl Write) -> io::Result<()> {
    let mut rest = batch;
    while !rest.is_empty() {
        let written = patiently(|| writer.write(&rest[..rest.len().min(CHUNK)]))?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
        if rest.is_empty() {
            patiently(|| writer.flush())?;
        }
        shared.wrote(written);
    }
    Ok(())
}

/// Tries again, without spinning, while the error is one that passes: a full disk is tidied up, and a pipe that
/// another process made non-blocking is read.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                ) =>
            {
                std::thread::park_timeout(RETRY);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures::FutureExt as _;
    use tokio::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn small(high_water: usize, hard: usize) -> Limits {
        Limits { high_water, hard, stall: LONG }
    }

    /// Writes into memory once for every permit it gets; without a sender left, at will.
    struct Gated {
        permits: mpsc::Receiver<()>,
        entered: mpsc::Sender<()>,
        out: MemoryLog,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.entered.send(());
            let _ = self.permits.recv();
            self.out.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The writer, the way to let it write, the word that it tries to, and what it wrote.
    fn gated() -> (Gated, mpsc::Sender<()>, mpsc::Receiver<()>, MemoryLog) {
        let (permit, permits) = mpsc::channel();
        let (enter, entered) = mpsc::channel();
        let out = MemoryLog::default();
        (Gated { permits, entered: enter, out: out.clone() }, permit, entered, out)
    }

    fn shared(sink: &LogSink) -> &Shared {
        match &sink.0 {
            Target::Writer(handle) => &handle.0,
            Target::Memory(_) => panic!("a sink in memory shares nothing"),
        }
    }

    fn wait_until(what: impl Fn() -> bool) {
        for _ in 0..30_000 {
            if what() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        panic!("what was waited for did not happen");
    }

    #[test]
    fn a_memory_sink_shows_what_was_pushed() {
        let (sink, log) = LogSink::memory();
        sink.push(b"one\n");
        sink.clone().push(b"two\n");
        assert_eq!(log.text(), "one\ntwo\n");
        assert_eq!(log.take(), "one\ntwo\n");
        assert_eq!(log.text(), "");
    }

    #[tokio::test]
    async fn flush_waits_for_everything_pushed_before() {
        let (writer, permit, _entered, out) = gated();
        let sink = LogSink::start(writer);
        sink.push(b"one\n");
        assert!(!sink.flush(Duration::ZERO).await);
        drop(permit);
        sink.push(b"two\n");
        assert!(sink.flush(LONG).await);
        assert_eq!(out.text(), "one\ntwo\n");
        assert!(sink.flush(Duration::ZERO).await);
    }

    #[tokio::test]
    async fn lines_beyond_the_hard_limit_are_dropped_counted_and_told() {
        let (writer, permit, entered, out) = gated();
        let sink = LogSink::start_with(writer, small(4, 8));
        sink.tell_dropped(|lines| format!("lost {lines}\n").into_bytes());
        sink.push(b"in\n");
        entered.recv().unwrap();
        sink.push(b"wait\n");
        sink.push(b"x\n");
        sink.push(b"y\n");
        sink.count_dropped(3);
        assert_eq!(sink.dropped(), 5);
        drop(permit);
        assert!(sink.flush(LONG).await);
        wait_until(|| shared(&sink).lock().untold == 0 && shared(&sink).lock().backlog() == 0);
        assert_eq!(out.text(), "in\nwait\nlost 5\n");
        sink.push(b"on\n");
        assert!(sink.flush(LONG).await);
        assert_eq!(out.text(), "in\nwait\nlost 5\non\n");
    }

    #[tokio::test]
    async fn losses_are_told_even_when_nothing_else_waits() {
        let (writer, permit, _entered, out) = gated();
        drop(permit);
        let sink = LogSink::start(writer);
        sink.tell_dropped(|lines| format!("lost {lines}\n").into_bytes());
        sink.count_dropped(2);
        wait_until(|| out.text() == "lost 2\n");
    }

    #[tokio::test]
    async fn a_slow_reader_loses_nothing() {
        struct Slow(MemoryLog);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                std::thread::park_timeout(Duration::from_millis(1));
                let taken = bytes.len().min(700);
                self.0.lock().extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let out = MemoryLog::default();
        let sink = LogSink::start_with(Slow(out.clone()), small(2_000, 4_000));
        let mut expected = String::new();
        for number in 0..5_000 {
            let line = format!("line {number}\n");
            assert_eq!(sink.ready().await, Ready::Yes);
            sink.push(line.as_bytes());
            expected.push_str(&line);
        }
        assert!(sink.flush(LONG).await);
        assert_eq!(sink.dropped(), 0);
        assert_eq!(out.text(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_nobody_reads_holds_a_producer_up_once() {
        let (writer, permit, entered, _out) = gated();
        let sink = LogSink::start(writer);
        assert_eq!(sink.ready().await, Ready::Yes);
        sink.push(&b"x".repeat(2 * CHUNK));
        entered.recv().unwrap();
        sink.push(&b"x".repeat(HIGH_WATER));

        let start = Instant::now();
        assert_eq!(sink.ready().await, Ready::Stalled);
        let waited = start.elapsed();
        assert!(waited >= STALL_LIMIT && waited < 2 * STALL_LIMIT, "{waited:?}");
        let start = Instant::now();
        assert_eq!(sink.ready().await, Ready::Stalled);
        assert_eq!(start.elapsed(), Duration::ZERO);

        // It moves a little, so it is given the same time again.
        permit.send(()).unwrap();
        entered.recv().unwrap();
        let start = Instant::now();
        assert_eq!(sink.ready().await, Ready::Stalled);
        assert!(start.elapsed() >= STALL_LIMIT);

        drop(permit);
        wait_until(|| shared(&sink).lock().backlog() == 0);
        assert_eq!(sink.ready().await, Ready::Yes);
        assert_eq!(sink.dropped(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_could_do_anything_makes_no_sink_stall() {
        let (writer, permit, entered, _out) = gated();
        let sink = LogSink::start(writer);
        sink.push(&b"x".repeat(2 * CHUNK));
        entered.recv().unwrap();
        sink.push(&b"x".repeat(HIGH_WATER));
        let mut ready = Box::pin(sink.ready());
        assert_eq!((&mut ready).now_or_never(), None);
        // The clock goes on by more than the limit, and the writer had no time for anything.
        tokio::time::advance(STALL_LIMIT * 3).await;
        assert_eq!((&mut ready).now_or_never(), None);
        drop(permit);
        wait_until(|| shared(&sink).lock().backlog() == 0);
        assert_eq!(ready.await, Ready::Yes);
    }

    #[tokio::test]
    async fn a_broken_pipe_ends_the_writing_and_nothing_else() {
        struct Broken(Arc<AtomicUsize>);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                self.0.fetch_add(1, Ordering::SeqCst);
                Err(ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let attempts = Arc::new(AtomicUsize::new(0));
        let sink = LogSink::start(Broken(Arc::clone(&attempts)));
        sink.push(b"one\n");
        assert!(!sink.flush(LONG).await);
        for _ in 0..1_000 {
            sink.push(&b"x".repeat(HIGH_WATER / 10));
            assert_eq!(sink.ready().await, Ready::Yes);
        }
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
        assert_eq!(shared(&sink).lock().backlog(), 0);
        assert_eq!(sink.dropped(), 1_000);
    }

    #[tokio::test]
    async fn a_writer_that_panics_holds_nobody_up() {
        struct Panics;
        impl Write for Panics {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                panic!("on purpose")
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = LogSink::start(Panics);
        sink.push(b"one\n");
        assert!(!sink.flush(LONG).await);
        assert_eq!(sink.ready().await, Ready::Yes);
    }

    #[tokio::test]
    async fn a_full_disk_that_is_tidied_up_loses_nothing() {
        struct Full(usize, MemoryLog);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.0 > 0 {
                    self.0 -= 1;
                    return Err(ErrorKind::StorageFull.into());
                }
                self.1.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let out = MemoryLog::default();
        let sink = LogSink::start(Full(3, out.clone()));
        sink.push(b"one\n");
        assert!(sink.flush(LONG).await);
        assert_eq!(out.text(), "one\n");
    }

    #[tokio::test]
    async fn buffers_shrink_after_a_burst() {
        let (writer, permit, entered, _out) = gated();
        let sink = LogSink::start(writer);
        sink.push(b"first\n");
        entered.recv().unwrap();
        for _ in 0..32 {
            sink.push(&b"x".repeat(HARD_LIMIT / 64));
        }
        assert!(shared(&sink).lock().waiting.capacity() > KEEP);
        drop(permit);
        assert!(sink.flush(LONG).await);
        for _ in 0..3 {
            sink.push(b"after\n");
            assert!(sink.flush(LONG).await);
        }
        assert!(shared(&sink).lock().waiting.capacity() <= KEEP);
    }

    #[test]
    fn what_waits_is_written_when_the_last_handle_is_gone() {
        let (writer, permit, _entered, out) = gated();
        let sink = LogSink::start(writer);
        sink.push(b"last words\n");
        drop(sink);
        drop(permit);
        wait_until(|| out.text() == "last words\n");
    }
}
