//! Kind `local`: a process beside the agent, in a process group of its own.

use std::{io, os::unix::process::ExitStatusExt, process::Stdio, time::Duration};

use bytes::BytesMut;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::{Instant, timeout},
};

use crate::{
    docker::output::Channel,
    model::{job::LocalSpec, run::Outcome},
};

use super::{
    order::RunOrder,
    unit::{Context, Life, MARK, Step, ended},
};

/// How long what the process printed before its end may take to arrive. A child in the background may hold the pipe
/// open for as long as it lives.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

const READ_CAPACITY: usize = 32 * 1024;

/// Runs it.
pub async fn run(order: &RunOrder, spec: &LocalSpec, context: &Context, life: &mut Life) -> Outcome {
    let [program, arguments @ ..] = &spec.argv[..] else {
        return Outcome::NotStarted { error: "the command is empty".to_owned() };
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(spec.environment.0.iter().map(|(name, value)| (name, value)))
        .env(MARK, &*order.run.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(workdir) = &spec.workdir {
        command.current_dir(workdir);
    }
    let began = Instant::now();
    let mut own = match context.children.spawn(&mut command) {
        Ok(own) => own,
        Err(error) => return Outcome::NotStarted { error: why(&error, program, spec.workdir.as_deref()) },
    };
    life.started(began);
    let mut stdout = Pipe::new(own.child.stdout.take());
    let mut stderr = Pipe::new(own.child.stderr.take());
    let status = loop {
        tokio::select! {
            more = stdout.read() => if more { life.capture.feed(Channel::Stdout, &stdout.take()).await },
            more = stderr.read() => if more { life.capture.feed(Channel::Stderr, &stderr.take()).await },
            status = own.child.wait() => break status,
            step = life.interrupts.next() => match step {
                Step::Stop => signal(own.pid, Signal::SIGTERM),
                Step::Kill => signal(own.pid, Signal::SIGKILL),
                Step::GiveUp => {
                    return match life.interrupts.ending() {
                        Some(ending) => ending.outcome(true),
                        None => Outcome::Lost { reason: "it was given up without being asked to end".to_owned() },
                    };
                }
            },
        }
    };
    if life.interrupts.ending().is_some() {
        // Its leader has gone; children that ignored the request go with it.
        signal(own.pid, Signal::SIGKILL);
    }
    loop {
        tokio::select! {
            more = timeout(LAST_OUTPUT, stdout.read()), if stdout.is_open() => match more {
                Ok(true) => life.capture.feed(Channel::Stdout, &stdout.take()).await,
                Ok(false) => {}
                Err(_) => break,
            },
            more = timeout(LAST_OUTPUT, stderr.read()), if stderr.is_open() => match more {
                Ok(true) => life.capture.feed(Channel::Stderr, &stderr.take()).await,
                Ok(false) => {}
                Err(_) => break,
            },
            else => break,
        }
    }
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => ended(life.interrupts.ending(), code.into(), None),
            (None, number) => {
                let number = number.unwrap_or_default();
                let name = Signal::try_from(number).map_or_else(|_| number.to_string(), |it| it.to_string());
                let reason = Some(format!("ended by signal {name}"));
                ended(life.interrupts.ending(), 128 + i64::from(number), reason)
            }
        },
        Err(error) => Outcome::Lost { reason: format!("its end could not be seen: {error}") },
    }
}

/// The group may be gone already, which is what was wanted.
fn signal(group: i32, signal: Signal) {
    let _ = killpg(Pid::from_raw(group), signal);
}

fn why(error: &io::Error, program: &str, workdir: Option<&str>) -> String {
    match (error.kind(), workdir) {
        (io::ErrorKind::NotFound, Some(workdir)) if !std::path::Path::new(workdir).is_dir() => {
            format!("the working directory {workdir} does not exist beside the agent")
        }
        (io::ErrorKind::NotFound, _) => format!("there is no program \"{program}\" beside the agent"),
        _ => format!("starting \"{program}\": {error}"),
    }
}

/// One end of a pipe; reading it may be given up and taken up again.
struct Pipe<R> {
    reader: Option<R>,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(reader: Option<R>) -> Self {
        Self { reader, buffer: BytesMut::with_capacity(READ_CAPACITY) }
    }

    fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// Waits for more; `false` at the end. After the end it waits for ever.
    async fn read(&mut self) -> bool {
        let Some(reader) = &mut self.reader else { return std::future::pending().await };
        self.buffer.reserve(READ_CAPACITY);
        match reader.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => {
                self.reader = None;
                false
            }
            Ok(_) => true,
        }
    }

    fn take(&mut self) -> BytesMut {
        self.buffer.split()
    }
}
