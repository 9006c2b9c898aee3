//! Ends a command in a container, for which the Engine has no call.
//!
//! The command was started with a mark in its environment, which its children inherit. There are several means of
//! finding and signalling what belongs to it. They are tried in their order: the next when one has failed, and beside it
//! when it takes long. `processes` and `find.sh` say which processes belong to it; `wanted` is how they are asked.

mod beside;
mod helper;
mod leftover;
mod means;
mod processes;
mod wanted;

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::{
    leftover::Copy,
    wanted::{Answer, Target},
};
use crate::{
    docker::{client::Engine, error::EngineError, execs::ExecState},
    model::run::RunId,
};

pub use self::{
    beside::Beside,
    helper::{Program, answer as answer_as_helper},
    leftover::Leftover,
    processes::is_seen_from_outside,
    wanted::Ender,
};

/// How long one means may take.
const LIMIT: Duration = Duration::from_secs(3);

/// After this the next one is tried beside it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the Engine may need to notice that a command was killed.
const NOTICE: Duration = Duration::from_millis(500);

const ROOT: &str = "0";

/// A way to the processes, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// The container's shell, as the user of the command.
    Shell,
    /// The same as root, for what changed its user.
    ShellAsRoot,
    /// The agent's program, copied into the container.
    Helper,
    /// From beside the container, where the Engine's processes can be seen.
    Outside,
}

const ORDER: [Means; 4] = [Means::Shell, Means::ShellAsRoot, Means::Helper, Means::Outside];

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shell => "by /bin/sh in the container",
            Self::ShellAsRoot => "by /bin/sh as root",
            Self::Helper => "by a helper copied into the container",
            Self::Outside => "from outside the container",
        })
    }
}

/// Which command is to be ended, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The Engine.
    pub engine: &'a Engine,
    /// What can be copied as a helper.
    pub program: &'a Program,
    /// The run, whose ID is the mark.
    pub run: &'a RunId,
    /// The ID of the container.
    pub container: &'a str,
    /// The user of the command, where it is not the container's own.
    pub user: Option<&'a str>,
    /// The Engine's ID of the command.
    pub exec: &'a str,
    /// Just before it was started.
    pub since: Instant,
}

/// The ending of one command, over all its signals.
#[derive(Debug)]
pub struct Ending<'a> {
    command: Command<'a>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was found within the container, and from outside: the numbers differ.
    known: Vec<Target>,
    known_outside: Vec<Target>,
    /// Why each means failed when it was last tried.
    failed: Vec<(Means, String)>,
    /// The one that did what it should. It is tried first.
    worked: Option<Means>,
    /// Those that did not do what they should.
    useless: Vec<Means>,
    /// Those that took too long; nobody waits for them again.
    slow: Vec<Means>,
    /// Everything that could be found was killed.
    clean: bool,
    /// Processes that could not be killed, as the last look has it.
    survivors: bool,
    /// The helper's files.
    copies: Vec<Copy>,
    /// How many there were.
    copied: usize,
}

impl<'a> Ending<'a> {
    /// Nothing is done yet.
    pub fn new(command: Command<'a>) -> Self {
        Self { command, state: Mutex::default() }
    }

    /// Whether nothing of the command is left, as far as can be seen.
    pub fn is_clean(&self) -> bool {
        self.state().clean
    }

    /// Whether something was seen that could not be killed.
    pub fn has_survivors(&self) -> bool {
        let state = self.state();
        state.survivors && !state.clean
    }

    /// Whether anything of the command was found.
    pub fn has_found(&self) -> bool {
        let state = self.state();
        !state.known.is_empty() || !state.known_outside.is_empty()
    }

    /// Which means were tried, and why each failed.
    pub fn why(&self) -> String {
        let state = self.state();
        let failed = ORDER.iter().filter_map(|means| state.failed.iter().find(|it| it.0 == *means));
        let failed: Vec<String> = failed.map(|(means, why)| format!("{means}: {why}")).collect();
        failed.join("; ")
    }

    /// What is still to be removed from the container.
    pub fn leftover(&self) -> Option<Leftover> {
        let copies = self.state().copies.clone();
        (!copies.is_empty()).then(|| Leftover {
            container: self.command.container.to_owned(),
            user: self.command.user.map(str::to_owned),
            program: self.command.program.clone(),
            copies,
        })
    }

    /// Sends a signal to everything that belongs to the command. `running`: the Engine says that it goes on. Ends when
    /// a means has done what it should, or none is left; until then it may take as long as they do.
    pub async fn send(&self, signal: Ender, running: bool) {
        let mut under_way = FuturesUnordered::new();
        for means in self.order() {
            under_way.push(self.attempt(means, signal, running).map(move |worked| (means, worked)).boxed());
            let patience = if self.state().slow.contains(&means) { Duration::ZERO } else { PATIENCE };
            let turn = Instant::now() + patience;
            loop {
                tokio::select! {
                    biased;
                    Some((ended, worked)) = under_way.next() => {
                        if worked {
                            return;
                        }
                        if ended == means {
                            break;
                        }
                    }
                    () = sleep_until(turn) => {
                        self.state().slow.push(means);
                        break;
                    }
                }
            }
        }
        while let Some((_, worked)) = under_way.next().await {
            if worked {
                return;
            }
        }
    }

    fn order(&self) -> Vec<Means> {
        let user_is_root = self.command.user.is_some_and(is_root);
        let mut order: Vec<Means> =
            ORDER.into_iter().filter(|it| *it != Means::ShellAsRoot || !user_is_root).collect();
        let state = self.state();
        // What did nothing for one signal will hardly do more for the next.
        order.sort_by_key(|it| (Some(*it) != state.worked, state.useless.contains(it)));
        order
    }

    /// Whether this means did what it should; if not, the reason is kept.
    async fn attempt(&self, means: Means, signal: Ender, running: bool) -> bool {
        self.failed(means, "it has not answered yet".to_owned());
        let tried = async {
            match means {
                Means::Shell => self.by_shell(self.command.user, signal, running).await,
                Means::ShellAsRoot => self.by_shell(Some(ROOT), signal, running).await,
                Means::Helper => self.by_helper(signal, running).await,
                Means::Outside => self.outside(signal, running).await,
            }
        };
        let result = match timeout(LIMIT, tried).await {
            Ok(Ok(answer)) => self.judge(means, &answer, signal, running).await,
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        };
        match result {
            Ok(()) => {
                let mut state = self.state();
                state.failed.retain(|it| it.0 != means);
                state.useless.retain(|it| *it != means);
                state.worked = Some(means);
                state.clean = signal == Ender::Kill;
                true
            }
            Err(why) => {
                self.failed(means, why);
                self.state().useless.push(means);
                false
            }
        }
    }

    fn failed(&self, means: Means, why: String) {
        let mut state = self.state();
        state.failed.retain(|it| it.0 != means);
        state.failed.push((means, why));
    }

    async fn judge(&self, means: Means, answer: &Answer, signal: Ender, running: bool) -> Result<(), String> {
        {
            let mut state = self.state();
            let State { known, known_outside, .. } = &mut *state;
            let known = if means == Means::Outside { known_outside } else { known };
            known.extend(answer.found().filter(|it| !known.contains(it)).collect::<Vec<_>>());
            state.survivors = !answer.denied.is_empty() || !answer.left.is_empty();
        }
        if !answer.denied.is_empty() {
            return Err(format!("{} may not be signalled", counted(answer.denied.len())));
        }
        if !answer.left.is_empty() {
            return Err(format!("{} did not go away", counted(answer.left.len())));
        }
        if !running {
            return Ok(());
        }
        if answer.signalled.is_empty() {
            return Err("none of its processes can be told from others".to_owned());
        }
        if signal == Ender::Kill && !self.has_ended().await {
            return Err(format!("{} ended and the command went on", counted(answer.signalled.len())));
        }
        Ok(())
    }

    /// Whether the Engine notices soon that the command has ended.
    async fn has_ended(&self) -> bool {
        let until = Instant::now() + NOTICE;
        let mut wait = Duration::from_millis(5);
        loop {
            if !matches!(self.inspect().await, Ok(ExecState::Running(_))) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            sleep(wait).await;
            wait *= 2;
        }
    }

    async fn inspect(&self) -> Result<ExecState, EngineError> {
        self.command.engine.inspect_exec(self.command.exec).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 process".to_owned() } else { format!("{number} processes") }
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("0" | "root"))
}
