//! A command while it runs: it plays its script whether or not somebody listens, and whoever listens gets all of it.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::behaviour::{Held, Script, StdStream};

/// A command's output so far, and its end. Clones are the same process.
#[derive(Debug, Clone)]
pub struct Process(Arc<watch::Sender<Progress>>);

#[derive(Debug, Default)]
struct Progress {
    chunks: Vec<(StdStream, Bytes)>,
    exit: Option<i64>,
    /// Nobody holds the output's write end any more.
    closed: bool,
}

/// Which part of the output a listener wants, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    pub stdout: bool,
    pub stderr: bool,
    /// A terminal has one stream and no frames.
    pub tty: bool,
    /// Skip this many chunks.
    pub from: usize,
    pub extent: Extent,
}

/// How far a listener goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is there now.
    Present,
    /// Until the output is closed.
    Follow,
}

impl Extent {
    pub fn follow(follow: bool) -> Self {
        if follow { Self::Follow } else { Self::Present }
    }
}

impl Process {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Progress::default())))
    }

    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn exit(&self) -> Option<i64> {
        self.0.borrow().exit
    }

    pub fn chunks(&self) -> usize {
        self.0.borrow().chunks.len()
    }

    pub fn is_closed(&self) -> bool {
        self.0.borrow().closed
    }

    /// Ends the command; the first end counts. Its output stays open until [`Process::close`].
    pub fn end(&self, code: i64) {
        self.0.send_modify(|progress| {
            progress.exit.get_or_insert(code);
        });
    }

    /// Ends all output.
    pub fn close(&self) {
        self.0.send_modify(|progress| progress.closed = true);
    }

    /// Plays the script to the point where the command would exit. False when it was ended before.
    pub async fn play(&self, script: &Script) -> bool {
        let start = Instant::now();
        let mut killed = self.0.subscribe();
        let played = async {
            for (delay, stream, chunk) in &script.steps {
                wait(*delay).await;
                self.0.send_modify(|progress| progress.chunks.push((*stream, chunk.clone())));
            }
            if Instant::now() < start + script.takes {
                sleep_until(start + script.takes).await;
            }
            match &script.held {
                Held::No => {}
                Held::Until(gate) => gate.released().await,
                Held::UntilKilled => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = killed.wait_for(|progress| progress.exit.is_some()) => false,
            () = played => true,
        }
    }

    /// The output as the Engine sends it.
    pub fn listen(&self, listen: Listen) -> impl Stream<Item = Bytes> + Send + use<> {
        let receiver = self.0.subscribe();
        let chunks =
            futures::stream::unfold((receiver, listen.from), move |(mut receiver, next)| async move {
                loop {
                    {
                        let progress = receiver.borrow_and_update();
                        if let Some(chunk) = progress.chunks.get(next).cloned() {
                            drop(progress);
                            return Some((chunk, (receiver, next + 1)));
                        }
                        if progress.closed || listen.extent == Extent::Present {
                            return None;
                        }
                    }
                    // The process is gone with its container: no more output.
                    receiver.changed().await.ok()?;
                }
            });
        chunks.filter_map(move |(stream, chunk)| {
            let wanted = match stream {
                StdStream::Out => listen.stdout,
                StdStream::Err => listen.stderr,
            };
            std::future::ready(wanted.then(|| if listen.tty { chunk } else { frame(stream, &chunk) }))
        })
    }
}

/// `sleep`, except that no time is none: the smallest timer is a millisecond.
pub async fn wait(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

/// Sends output down a hijacked connection until its end, the client's, or the cut.
pub async fn pump(
    mut connection: impl AsyncWrite + Unpin,
    output: impl Stream<Item = Bytes>,
    cut: CancellationToken,
) {
    let sent = async {
        let mut output = std::pin::pin!(output);
        while let Some(bytes) = output.next().await {
            connection.write_all(&bytes).await?;
            connection.flush().await?;
        }
        connection.shutdown().await
    };
    tokio::select! {
        biased;
        () = cut.cancelled() => {}
        // A client that went away is no concern of the command.
        _ = sent => {}
    }
}

fn frame(stream: StdStream, chunk: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + chunk.len());
    frame.put_slice(&[stream as u8, 0, 0, 0]);
    frame.put_u32(u32::try_from(chunk.len()).expect("a chunk is smaller than 4 GiB"));
    frame.put_slice(chunk);
    frame.freeze()
}
