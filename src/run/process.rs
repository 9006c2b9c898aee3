//! Kind `local`: a process beside the agent, in a process group of its own.

use std::{io, os::unix::process::ExitStatusExt, process::Stdio, time::Duration};

use futures::{StreamExt, stream};
use nix::sys::signal::Signal;
use tokio::{io::AsyncRead, process::Command, time::Instant};
use tokio_util::io::ReaderStream;

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
    reap, takeover,
    unit::{Context, Life, MARK},
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
    if let Some(start) = reap::began(own.pid) {
        life.is_called(WorkHandle::Process { pid: own.pid, start });
    }
    let stdout = own.child.stdout.take().map(|pipe| chunks(pipe, Channel::Stdout));
    let stderr = own.child.stderr.take().map(|pipe| chunks(pipe, Channel::Stderr));
    let mut output: Output = stream::select_all([stdout, stderr].into_iter().flatten()).boxed();
    let mut open = true;
    let mut processes = Beside::new(own.pid, &order.run);
    let mut stays = None;
    let status = loop {
        let Life { capture, interrupts, .. } = &mut *life;
        tokio::select! {
            chunk = output.next(), if open && capture.is_idle() => match chunk {
                Some(Ok((channel, bytes))) => capture.put(channel, bytes),
                Some(Err(_)) | None => open = false,
            },
            () = capture.work(), if !capture.is_idle() => {}
            status = own.child.wait() => break status,
            step = interrupts.next() => match step {
                Step::Stop => stays = processes.send(Ender::Term).await,
                Step::Kill => stays = processes.send(Ender::Kill).await,
                Step::GiveUp => return interrupts.given_up(Some(stays.unwrap_or_default())),
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
    life.drain(&mut output, LAST_OUTPUT, LAST_BYTES).await;
    if let Some(outlived) = outlived {
        return outlived;
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

/// Takes up the process of a run that another agent began. Its output went to that one, and its exit code can be learned
/// by nobody else.
pub async fn take_up(taken: &TakenUp, _: &Context, life: &mut Life) -> Outcome {
    let seen = match taken.handle() {
        Some(WorkHandle::Process { pid, start }) => Some((*pid, reap::Watched::of(*pid, *start))),
        // It is entered when it has begun already; its environment says whose it is.
        _ => reap::marked(&format!("{MARK}={}", taken.order.run))
            .map(|(pid, start)| (pid, reap::Watched::of(pid, start))),
    };
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
    let mut processes = Beside::new(pid, &taken.order.run);
    let mut stays = None;
    let gone = watched.gone();
    tokio::pin!(gone);
    loop {
        let Life { interrupts, .. } = &mut *life;
        tokio::select! {
            () = &mut gone => break,
            step = interrupts.next() => match step {
                Step::Stop => stays = processes.send(Ender::Term).await,
                Step::Kill => stays = processes.send(Ender::Kill).await,
                Step::GiveUp => return interrupts.given_up(Some(stays.unwrap_or_default())),
            },
        }
    }
    match life.interrupts.ending() {
        Some(ending) => ending.outcome(processes.send(Ender::Kill).await),
        None => Outcome::Lost {
            reason: "it outlived the agent that began it and has ended; its output and its exit code went to nobody"
                .to_owned(),
        },
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

/// What comes out of a pipe; an error ends it.
fn chunks(pipe: impl AsyncRead + Send + 'static, channel: Channel) -> Output {
    let chunks = ReaderStream::with_capacity(pipe, READ_CAPACITY);
    chunks
        .take_while(|chunk| std::future::ready(chunk.is_ok()))
        .filter_map(|chunk| std::future::ready(chunk.ok()))
        .map(move |chunk| Ok((channel, chunk)))
        .boxed()
}
