//! Kind `exec`: a command in a running container.
//!
//! It is started with a mark in its environment, by which [`ending`](super::ending) finds it again.

use std::time::Duration;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    docker::{
        client::Engine,
        error::EngineError,
        execs::{ExecRequest, ExecState},
        output::Output,
    },
    model::{
        job::ExecSpec,
        run::{Outcome, WorkHandle},
        skip::Skip,
    },
    telemetry::legs::Leg,
};

use super::{
    adoption::{self, CUT, Meaning},
    clearing::Leftover,
    ending::{Command, Ender, Ending},
    environment::environment,
    interrupts::{Step, ended, stopped_before},
    order::{RunOrder, TakenUp},
    outage::Outage,
    prepare::{Prepared, Unprepared, prepare},
    takeover,
    unit::{Context, KindEnd, Life},
};

/// How often the Engine is asked whether the command goes on: a connection that was dropped on the way, or that a child
/// in the background holds open, looks just like it.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// How long what a command printed before its end may take to arrive, and how much of it there can be on the way: over
/// TCP the buffers of both ends are some MiB.
const LAST_OUTPUT: Duration = Duration::from_secs(2);
const LAST_BYTES: usize = 16 * 1024 * 1024;

/// How long the Engine may need to know the exit code of a command that has ended.
const CODE_LIMIT: Duration = Duration::from_secs(2);

/// How long, once the command has gone, what is left of it may take to be found and killed; a signal that is on its way
/// is waited for first.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);
const SIGNAL_LIMIT: Duration = Duration::from_secs(1);

/// Runs it.
pub async fn run(order: &RunOrder, spec: &ExecSpec, context: &Context, life: &mut Life) -> KindEnd {
    let Some(container) = &order.container else {
        return Outcome::NotStarted { error: "the order names no container".to_owned() }.into();
    };
    let environment = match environment(order, &spec.env_files, &spec.environment).await {
        Ok(environment) => environment,
        Err(error) => return Outcome::NotStarted { error }.into(),
    };
    let request = ExecRequest {
        argv: spec.argv.clone(),
        environment,
        user: spec.user.clone(),
        workdir: spec.workdir.clone(),
        privileged: spec.privileged,
        tty: spec.tty,
    };
    let not_started = |operation: &str, error: &EngineError| Outcome::NotStarted {
        error: format!("{operation} the command in container {}: {error}", container.name),
    };
    let engine = &context.engine;
    let Prepared { exec: id, container: place, since: began } =
        match prepare(engine, container, request, life).await {
            Ok(prepared) => prepared,
            Err(Unprepared::Error(error)) => return not_started("preparing", &error).into(),
            Err(Unprepared::Skipped(reason)) => {
                return Outcome::Skipped { by: Skip::Container, reason }.into();
            }
            Err(Unprepared::Stopped(by)) => return stopped_before(by),
        };
    life.called(WorkHandle::Exec { exec: id.clone(), container: place.clone() }).await;
    if let Some(by) = life.interrupts.asked() {
        return stopped_before(by);
    }
    life.enter(Leg::Start);
    let output = match engine.start_exec(&id).await {
        Ok(output) => output,
        // It may have begun, and only the answer was lost: the Engine can still tell.
        Err(error) if error.is_outage() => futures::stream::empty().boxed(),
        Err(error) => return not_started("starting", &error).into(),
    };
    life.started(began);
    let ending = Ending::new(Command {
        engine,
        program: &context.program,
        run: &order.run,
        container: &place,
        user: spec.user.as_deref(),
        exec: &id,
        since: began,
    });
    let outcome = Exec { engine, id: &id, container: &place, ending: &ending, outlived: false }
        .follow(output, life)
        .await;
    end(outcome, &ending)
}

/// Takes up the command of a run that another agent began.
pub async fn take_up(taken: &TakenUp, context: &Context, life: &mut Life) -> KindEnd {
    let engine = &context.engine;
    let order = &taken.order;
    let (Some(container), Some(WorkHandle::Exec { exec: id, .. })) = (&order.container, taken.handle())
    else {
        return takeover::outcome(taken, &adoption::of_command(None, None, None))
            .unwrap_or_else(|| lost("it has no container"))
            .into();
    };
    let asked = takeover::answer_of(async || {
        let state = match state_of(engine, id).await {
            Ok(state) => Some(state),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        Ok((state, engine.container_facts(&container.id.0).await?))
    });
    let (state, facts) = match asked.await {
        Ok(found) => found,
        Err(error) => return lost(&format!("the Engine cannot be asked for it: {error}")).into(),
    };
    let meaning = adoption::of_command(taken.began(), Some(state), facts.as_ref());
    match (takeover::outcome(taken, &meaning), meaning) {
        (None, _) => {
            life.goes_on(taken.began(), "its command goes on");
            life.note = Some(takeover::OUTPUT_UNREAD.to_owned());
            let ending = Ending::new(Command {
                engine,
                program: &context.program,
                run: &order.run,
                container: &container.id.0,
                user: taken.terms.user.as_deref(),
                exec: id,
                since: life.since().unwrap_or_else(Instant::now),
            });
            let exec = Exec { engine, id, container: &container.id.0, ending: &ending, outlived: true };
            let outcome = exec.follow(futures::stream::empty().boxed(), life).await;
            end(outcome, &ending)
        }
        (Some(outcome), Meaning::Ended { code, .. }) => {
            life.was_begun(taken.began(), "its command has ended");
            life.note = Some(takeover::OUTPUT_UNREAD.to_owned());
            match outcome {
                Outcome::Failed { exit_code, .. } => {
                    Outcome::Failed { exit_code, reason: meaning_of(code) }.into()
                }
                other => other.into(),
            }
        }
        (Some(outcome), _) => outcome.into(),
    }
}

/// Where a command stands. One that has just ended may have no code for a moment.
async fn state_of(engine: &Engine, id: &str) -> Result<ExecState, EngineError> {
    let until = Instant::now() + CODE_LIMIT;
    loop {
        let state = engine.inspect_exec(id).await?;
        if state != ExecState::Ended(None) || Instant::now() >= until {
            return Ok(state);
        }
        sleep(CODE_LIMIT / 8).await;
    }
}

fn end(outcome: Outcome, ending: &Ending<'_>) -> KindEnd {
    KindEnd { leftover: ending.leftover().map(Leftover::Helper), ..outcome.into() }
}

/// Signals on their way.
type Signals<'a> = FuturesUnordered<BoxFuture<'a, ()>>;

/// A command that was started.
struct Exec<'a> {
    engine: &'a Engine,
    id: &'a str,
    container: &'a str,
    ending: &'a Ending<'a>,
    /// Whether the connection on which it was started is gone.
    outlived: bool,
}

impl Exec<'_> {
    async fn follow(&self, mut output: Output, life: &mut Life) -> Outcome {
        // Signals go out beside the rest: a slow one holds up neither the output nor a harder one.
        let mut signals = Signals::new();
        let mut ask_at = Instant::now() + ASK_EVERY;
        loop {
            let Life { capture, interrupts, .. } = &mut *life;
            tokio::select! {
                chunk = output.next(), if capture.is_idle() => match chunk {
                    Some(Ok((channel, bytes))) => capture.put(channel, bytes),
                    // However the stream ended, the Engine knows how the command did.
                    Some(Err(_)) | None => break,
                },
                () = capture.work(), if !capture.is_idle() => {}
                Some(()) = signals.next() => {}
                step = interrupts.next() => match self.signal_for(step) {
                    Some(signal) => signals.push(signal),
                    None => return self.given_up(life).await,
                },
                () = sleep_until(ask_at) => {
                    ask_at = Instant::now() + ASK_EVERY;
                    if let Ok(ExecState::Ended(_)) = self.engine.inspect_exec(self.id).await {
                        life.drain(&mut output, LAST_OUTPUT, LAST_BYTES).await;
                        break;
                    }
                }
            }
        }
        self.exit(life, signals).await
    }

    /// Waits until the command has ended and its code is known.
    async fn exit<'a>(&'a self, life: &mut Life, mut signals: Signals<'a>) -> Outcome {
        // Its output ends a moment before the Engine knows that the command did; to wait longer than that moment
        // would be most of what a run costs over the bare calls.
        let mut wait = Duration::from_millis(1);
        let mut code_missing = None;
        let mut outage = Outage::default();
        let silent_since = Instant::now();
        let mut outlived = self.outlived;
        loop {
            match self.engine.inspect_exec(self.id).await {
                Ok(ExecState::Ended(Some(CUT))) if outlived && self.is_there().await => {
                    // This is what an Engine says of one whose connection was cut, and that goes on.
                    outage.over();
                }
                Ok(ExecState::Ended(Some(CUT))) if outlived && life.interrupts.ending().is_none() => {
                    return lost(
                        "the connection to the Engine was cut while the command went on, and the Engine does not know \
                         its exit code any more",
                    );
                }
                Ok(ExecState::Ended(Some(code))) => {
                    if let Some(ending) = life.interrupts.ending()
                        && let Some(why) = self.sweep(signals).await
                    {
                        return ending.outcome(Some(why));
                    }
                    return ended(life.interrupts.ending(), code, meaning_of(code));
                }
                Ok(ExecState::Ended(None)) => {
                    let since = *code_missing.get_or_insert_with(Instant::now);
                    if since.elapsed() > CODE_LIMIT {
                        return lost("the Engine does not know the exit code");
                    }
                }
                Ok(ExecState::Running(_)) => {
                    outlived |= silent_since.elapsed() > CODE_LIMIT / 2;
                    code_missing = None;
                    outage.over();
                }
                Err(error) if error.is_not_found() => {
                    return lost(
                        "the Engine no longer knows the command: it was restarted, or the container was removed",
                    );
                }
                Err(error) => {
                    if outage.is_too_long(&error) {
                        return lost(&error.to_string());
                    }
                }
            }
            tokio::select! {
                () = sleep(wait) => wait = (wait * 2).min(Duration::from_secs(1)),
                Some(()) = signals.next() => {}
                step = life.interrupts.next() => match self.signal_for(step) {
                    Some(signal) => signals.push(signal),
                    None => return self.given_up(life).await,
                },
            }
        }
    }

    /// Whether it goes on whatever the Engine says of it.
    async fn is_there(&self) -> bool {
        self.engine.is_exec_there(self.container, self.id).await.unwrap_or(false)
    }

    /// The signal of a step of ending it; none where it is to be given up.
    fn signal_for(&self, step: Step) -> Option<BoxFuture<'_, ()>> {
        let signal = match step {
            Step::Stop => Ender::Term,
            Step::Kill => Ender::Kill,
            Step::GiveUp => return None,
        };
        // Whether it worked is seen in the command itself, and the next step comes anyway.
        Some(self.ending.send(signal, true).boxed())
    }

    /// It has gone, and what it began and left goes with it. The answer is why something of it stays.
    async fn sweep(&self, mut signals: Signals<'_>) -> Option<String> {
        // What they find is known later on, when its parents have gone.
        let _ = timeout(SIGNAL_LIMIT, async { while signals.next().await.is_some() {} }).await;
        if !self.ending.is_clean() {
            let _ = timeout(SWEEP_LIMIT, self.ending.send(Ender::Kill, false)).await;
        }
        self.ending.has_survivors().then(|| self.ending.why())
    }

    /// It would not end, or it ended in the last moment.
    async fn given_up(&self, life: &Life) -> Outcome {
        let running = !matches!(self.engine.inspect_exec(self.id).await, Ok(ExecState::Ended(_)));
        life.interrupts.given_up(running.then(|| self.ending.why()))
    }
}

/// Waits until the command has ended, asking ever so often.
pub async fn until_gone(engine: &Engine, container: &str, id: &str) {
    loop {
        sleep(ASK_EVERY).await;
        match engine.inspect_exec(id).await {
            // The connection to it was cut when it was given up; whether it has ended the Engine then does not know.
            Ok(ExecState::Ended(Some(CUT))) if engine.is_exec_there(container, id).await.unwrap_or(true) => {}
            Ok(ExecState::Ended(_)) => return,
            Err(error) if error.is_not_found() => return,
            Ok(ExecState::Running(_)) | Err(_) => {}
        }
    }
}

fn lost(reason: &str) -> Outcome {
    Outcome::Lost { reason: reason.to_owned() }
}

/// What these codes mean by custom. The Engine's own words, or the shell's, are in the output.
fn meaning_of(code: i64) -> Option<String> {
    match code {
        126 => Some("the command could not be executed: its output says why".to_owned()),
        127 => Some("the command was not found: its output says what".to_owned()),
        _ => None,
    }
}
