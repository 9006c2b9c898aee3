//! Ends a process beside the agent with everything that it began: its process group, and what left that.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{
    counted,
    processes::{self, Among, Looker},
    wanted::{Answer, Ender, Target, Wanted},
};
use crate::{model::run::RunId, run::unit::MARK};

/// The processes of a run beside the agent.
#[derive(Debug)]
pub struct Beside {
    group: i32,
    mark: String,
    known: Vec<Target>,
}

impl Beside {
    /// The run whose first process this is; it leads a group of its own.
    pub fn new(first: i32, run: &RunId) -> Self {
        let known = processes::target_of(first).into_iter().collect();
        Self { group: first, mark: format!("{MARK}={run}"), known }
    }

    /// Signals all of them. The answer is why some of them stay, if they do.
    pub async fn send(&mut self, signal: Ender) -> Option<String> {
        let all_at_once = match signal {
            Ender::Term => Signal::SIGTERM,
            Ender::Kill => Signal::SIGKILL,
        };
        // The group may be gone already, which is what is wanted.
        let _ = killpg(Pid::from_raw(self.group), all_at_once);
        let (mark, known) = (self.mark.clone(), self.known.clone());
        let wanted = Wanted { mark, signal, age: None, outer: None, known };
        let but_group = Some(self.group);
        let looked = tokio::task::spawn_blocking(move || {
            processes::end(&wanted, Looker::this(), Among { container: None, but_group })
        });
        let answer: Answer = looked.await.ok().flatten().unwrap_or_default();
        let new: Vec<Target> = answer.found().filter(|it| !self.known.contains(it)).collect();
        self.known.extend(new);
        match (answer.denied.len(), answer.left.len()) {
            (0, 0) => None,
            (0, left) => Some(format!("{} did not go away", counted(left))),
            (denied, _) => Some(format!("{} may not be signalled", counted(denied))),
        }
    }
}
