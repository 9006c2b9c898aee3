//! An Engine for an agent that is a process: it has no containers, and can be made to accept and never to answer, as one
//! that is stuck does.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// What is asked of it, and how it answers.
#[derive(Default)]
struct How {
    silent: AtomicBool,
    /// Whether it refuses to tell its events.
    without_events: AtomicBool,
    ended: AtomicBool,
    /// Connections that are held: the streams of events, and those that are never answered.
    held: Mutex<Vec<UnixStream>>,
}

/// The Engine; it ends when it is dropped.
pub struct SilentEngine {
    path: PathBuf,
    how: Arc<How>,
    thread: Option<JoinHandle<()>>,
}

impl SilentEngine {
    /// It answers until it is made silent.
    pub fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let how = Arc::<How>::default();
        let there = how.clone();
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if there.ended.load(Ordering::SeqCst) {
                    return;
                }
                there.answer(stream);
            }
        };
        let thread = std::thread::Builder::new().spawn(serve).unwrap();
        Self { path: path.to_owned(), how, thread: Some(thread) }
    }

    /// From now on it accepts and never answers, or answers again.
    pub fn silent(&self, silent: bool) {
        self.how.silent.store(silent, Ordering::SeqCst);
    }

    /// It tells no events from now on.
    pub fn without_events(self) -> Self {
        self.how.without_events.store(true, Ordering::SeqCst);
        self
    }

    /// As `--docker-host` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }
}

impl Drop for SilentEngine {
    fn drop(&mut self) {
        self.how.ended.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl How {
    fn answer(&self, mut stream: UnixStream) {
        let hold = |stream| self.held.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        if self.silent.load(Ordering::SeqCst) {
            return hold(stream);
        }
        let path = asked(&mut stream);
        let json = |status: &str, body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n{body}"
            )
        };
        let events = path.ends_with("/events");
        let answer = match path.rsplit('/').next() {
            Some("_ping") => json("200 OK", "OK"),
            Some("events") if self.without_events.load(Ordering::SeqCst) => {
                json("403 Forbidden", "{\"message\":\"no events\"}")
            }
            Some("events") => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            Some("info") => json("200 OK", "{\"ServerVersion\":\"99.9\"}"),
            _ if path.ends_with("/containers/json") => json("200 OK", "[]"),
            _ => json("404 Not Found", "{\"message\":\"page not found\"}"),
        };
        // Who has gone meanwhile needs none.
        let _ = stream.write_all(answer.as_bytes());
        if events {
            hold(stream);
        }
    }
}

/// The path of a request, without what is behind its question mark.
fn asked(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(n) if n > 0 => head.extend_from_slice(&bytes[..n]),
            _ => break,
        }
    }
    let head = String::from_utf8_lossy(&head);
    head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned()
}
