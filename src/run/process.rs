//! Kind `local`: a process beside the agent, in a process group of its own.
//!
//! What holds for every process that the agent starts beside itself is here too: kind `compose` starts another program.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::BytesMut;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Fuse},
    stream,
};
use nix::sys::signal::Signal;
use tokio::{net::unix::pipe, process::Command, time::Instant};

use crate::{
    docker::output::{Channel, Output},
    model::{
        job::LocalSpec,
        run::{Outcome, RunId, WorkHandle},
    },
};

use super::{
    adoption,
    ending::{Beside, Ender},
    interrupts::{Step, ended},
    order::{RunOrder, TakenUp},
    reap::{self, OwnChild},
    takeover,
    unit::{Context, Life, MARK},
    user,
};

/// How long what the process printed before its end may take to arrive, and how much of it two pipes can hold. A child
/// in the background may hold them open, and print, for as long as it lives.
const LAST_OUTPUT: Duration = Duration::from_secs(1);
const LAST_BYTES: usize = 1024 * 1024;

const READ_CAPACITY: usize = 32 * 1024;

/// Runs it.
pub async fn run(order: &RunOrder, spec: &LocalSpec, context: &Context, life: &mut Life) -> Outcome {
    let [program, arguments @ ..] = &spec.argv[..] else {
        return Outcome::NotStarted { error: "the command is empty".to_owned() };
    };
    let mut command = match &spec.user {
        None => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        Some(name) => match user::command(name, &spec.argv).await {
            Ok(command) => command,
            Err(error) => return Outcome::NotStarted { error },
        },
    };
    context.own_variables.leave_out(&mut command);
    command.envs(spec.environment.0.iter().map(|(name, value)| (name, value)));
    if let Some(workdir) = &spec.workdir {
        command.current_dir(workdir);
    }
    let began = Instant::now();
    let mut child = match start(&mut command, order, context, life) {
        Ok(child) => child,
        Err(error) => return Outcome::NotStarted { error: why(&error, program, spec.workdir.as_deref()) },
    };
    life.started(began);
    match child.follow(life, None).await {
        Ok(status) => outcome(status, spec.user.is_some(), life),
        Err(outcome) => outcome,
    }
}

/// Signals what a process began where the kernel does not tell of it. The answer is whether there was anything.
pub(super) type Elsewhere<'a> = &'a (dyn Fn(Ender) -> BoxFuture<'a, bool> + Sync);

/// A process that was started, with what it prints.
pub(super) struct Started {
    own: OwnChild,
    output: Output,
    processes: Beside,
}

/// Starts a process in a group of its own, with the mark of its run and nothing to read.
pub(super) fn start(
    command: &mut Command,
    order: &RunOrder,
    context: &Context,
    life: &mut Life,
) -> io::Result<Started> {
    let (stdout, to_stdout) = printed(Channel::Stdout)?;
    let (stderr, to_stderr) = printed(Channel::Stderr)?;
    command
        .env(MARK, &*order.run.0)
        .stdin(Stdio::null())
        .stdout(to_stdout)
        .stderr(to_stderr)
        .process_group(0)
        .kill_on_drop(true);
    let own = context.children.spawn(command)?;
    // Its output ends when the process has closed it: here it is closed already.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(start) = reap::began(own.pid) {
        life.is_called(WorkHandle::Process { pid: own.pid, start }, None);
    }
    let output = stream::select(stdout, stderr).boxed();
    let processes = Beside::new(own.pid, &order.run);
    Ok(Started { own, output, processes })
}

impl Started {
    /// Only what it prints to the other stream is of use.
    pub fn without_stdout(&mut self) {
        let output = std::mem::replace(&mut self.output, stream::empty().boxed());
        self.output =
            output.filter(|chunk| std::future::ready(!matches!(chunk, Ok((Channel::Stdout, _))))).boxed();
    }

    /// Takes in what it prints until it has ended, and ends it when that is asked for; what it began `elsewhere` is asked
    /// to stop before it. An error is the outcome of one that would not end.
    pub async fn follow(
        &mut self,
        life: &mut Life,
        elsewhere: Option<Elsewhere<'_>>,
    ) -> Result<io::Result<ExitStatus>, Outcome> {
        let Self { own, output, processes } = self;
        let mut open = true;
        let mut stays = None;
        let mut asking: Fuse<BoxFuture<'_, bool>> = Fuse::terminated();
        let status = loop {
            let Life { capture, interrupts, .. } = &mut *life;
            tokio::select! {
                chunk = output.next(), if open && capture.is_idle() => match chunk {
                    Some(Ok((channel, bytes))) => capture.put(channel, bytes),
                    Some(Err(_)) | None => open = false,
                },
                () = capture.work(), if !capture.is_idle() => {}
                status = own.child.wait() => break status,
                reached = &mut asking => if !reached {
                    stays = processes.send(Ender::Term).await;
                },
                step = interrupts.next() => match (step, elsewhere) {
                    (Step::Stop, Some(signal)) => asking = signal(Ender::Term).fuse(),
                    (Step::Stop, None) => stays = processes.send(Ender::Term).await,
                    (Step::Kill, _) => stays = processes.send(Ender::Kill).await,
                    (Step::GiveUp, _) => return Err(interrupts.given_up(Some(stays.unwrap_or_default()))),
                },
            }
        };
        let mut outlived = None;
        if let Some(ending) = life.interrupts.ending() {
            // It has gone; children that ignored the request go with it.
            outlived = processes.send(Ender::Kill).await.map(|why| ending.outcome(Some(why)));
        }
        // What it left in the background by itself is its own affair.
        own.kill_group = false;
        life.drain(output, LAST_OUTPUT, LAST_BYTES).await;
        outlived.map_or(Ok(status), Err)
    }
}

/// The outcome of a process that has ended so. One that is begun as another user is begun as by a shell.
pub(super) fn outcome(status: io::Result<ExitStatus>, as_by_a_shell: bool, life: &Life) -> Outcome {
    let ending = life.interrupts.ending();
    match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => {
            let reason = match code {
                126 if as_by_a_shell => {
                    Some("the command could not be executed: its output says why".to_owned())
                }
                127 if as_by_a_shell => Some("the command was not found: its output says what".to_owned()),
                _ => None,
            };
            ended(ending, code.into(), reason)
        }
        Ok((None, number)) => {
            let number = number.unwrap_or_default();
            ended(ending, 128 + i64::from(number), Some(format!("ended by signal {}", signal_name(number))))
        }
        Err(error) => Outcome::Lost { reason: format!("its end could not be seen: {error}") },
    }
}

/// A signal as people know it.
pub(super) fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| number.to_string(), |it| it.to_string())
}

/// A process that another agent began, if it goes on; the numbers of one that does not.
pub(super) fn left(taken: &TakenUp) -> Option<(i32, Option<reap::Watched>)> {
    match taken.handle() {
        Some(WorkHandle::Process { pid, start }) => Some((*pid, reap::Watched::of(*pid, *start))),
        // It is entered when it has begun already; its environment says whose it is.
        _ => reap::marked(&format!("{MARK}={}", taken.order.run))
            .map(|(pid, start)| (pid, reap::Watched::of(pid, start))),
    }
}

/// Takes up the process of a run that another agent began. Its output went to that one, and its exit code can be learned
/// by nobody else.
pub async fn take_up(taken: &TakenUp, life: &mut Life, elsewhere: Option<Elsewhere<'_>>) -> Outcome {
    let seen = left(taken);
    let alive = matches!(&seen, Some((_, Some(_))));
    let meaning = adoption::of_process(seen.is_some(), alive);
    let ending = taken.ending().filter(|_| seen.is_some());
    let (None, Some((pid, Some(watched)))) = (takeover::outcome(taken, &meaning), seen) else {
        // Whoever was asked to end and has gone has done so; nobody needs the exit code for that.
        let outcome = ending.map(|it| it.outcome(None)).or_else(|| takeover::outcome(taken, &meaning));
        return outcome.unwrap_or_else(|| Outcome::Lost { reason: "its process is gone".to_owned() });
    };
    if let Some(start) = reap::began(pid) {
        life.handle = Some(WorkHandle::Process { pid, start });
    }
    life.goes_on(taken.began(), "its process goes on");
    if let Err(outcome) = until_ended(taken, (pid, &watched), life, elsewhere).await {
        return outcome;
    }
    match life.interrupts.ending() {
        Some(ending) => ending.outcome(Beside::new(pid, &taken.order.run).send(Ender::Kill).await),
        None => Outcome::Lost {
            reason: "it outlived the agent that began it and has ended; its output and its exit code went to nobody"
                .to_owned(),
        },
    }
}

/// Waits until it has ended, and ends it when that is asked for. An error is the outcome of one that would not end.
pub(super) async fn until_ended(
    taken: &TakenUp,
    (pid, watched): (i32, &reap::Watched),
    life: &mut Life,
    elsewhere: Option<Elsewhere<'_>>,
) -> Result<(), Outcome> {
    let mut processes = Beside::new(pid, &taken.order.run);
    let mut stays = None;
    let mut asking: Fuse<BoxFuture<'_, bool>> = Fuse::terminated();
    let gone = watched.gone();
    tokio::pin!(gone);
    loop {
        let Life { interrupts, .. } = &mut *life;
        tokio::select! {
            () = &mut gone => return Ok(()),
            reached = &mut asking => if !reached {
                stays = processes.send(Ender::Term).await;
            },
            step = interrupts.next() => match (step, elsewhere) {
                (Step::Stop, Some(signal)) => asking = signal(Ender::Term).fuse(),
                (Step::Stop, None) => stays = processes.send(Ender::Term).await,
                (Step::Kill, _) => stays = processes.send(Ender::Kill).await,
                (Step::GiveUp, _) => return Err(interrupts.given_up(Some(stays.unwrap_or_default()))),
            },
        }
    }
}

/// Waits until a process that could not be ended has gone, and whatever it began.
pub async fn until_gone(pid: i32, start: u64, run: &RunId) {
    let mut seen = reap::Watched::of(pid, start);
    while let Some(watched) = seen {
        watched.gone().await;
        seen = reap::marked(&format!("{MARK}={run}")).and_then(|(pid, start)| reap::Watched::of(pid, start));
    }
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

/// What is written to a pipe, and the end to write to. An error of reading ends it.
fn printed(channel: Channel) -> io::Result<(Output, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let reader = pipe::Receiver::from_owned_fd(reader.into())?;
    let chunks = stream::unfold(reader, move |reader| async move {
        loop {
            // Runs are many at once and most of them silent: room is made for what there is, not for what may come.
            reader.readable().await.ok()?;
            let mut room = BytesMut::with_capacity(READ_CAPACITY);
            match reader.try_read_buf(&mut room) {
                Ok(0) => return None,
                Ok(_) => return Some((Ok((channel, room.freeze())), reader)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    });
    Ok((chunks.boxed(), writer))
}
