//! The ways to a command's processes: what each asks of the Engine or of the kernel.

use std::time::Duration;

use super::{
    Command, Ending, helper,
    leftover::{Copy, is_removed, said_by, users},
    processes::{self, Among, Looker},
    wanted::{Answer, Ender, LOOKED, Target, Wanted},
};
use crate::{
    docker::{error::EngineError, execs::ExecState},
    run::unit::MARK,
};

/// How much older than its request a command may seem, because the one who looks may begin late.
const SLACK: Duration = Duration::from_secs(60);

/// At most this many places are tried for the helper.
const PLACES: usize = 4;

const FIND: &str = include_str!("find.sh");

impl Ending<'_> {
    fn mark(&self) -> String {
        format!("{MARK}={}", self.command.run)
    }

    /// What is wanted of those who look from within the container.
    async fn wanted(&self, signal: Ender, running: bool) -> Wanted {
        let age = self.command.since.elapsed() + SLACK;
        let age = u64::try_from(age.as_millis() / 10).unwrap_or(u64::MAX);
        // What does not run for the Engine is not asked for: of what Compose began, Compose alone knows the ID.
        let state = if running { self.inspect().await.ok() } else { None };
        let outer = match state {
            Some(ExecState::Running(pid)) => Some(pid),
            _ => None,
        };
        Wanted {
            mark: self.mark(),
            signal,
            age: outer.map(|_| age),
            outer: outer.flatten(),
            known: self.state().known.clone(),
        }
    }

    pub(super) async fn by_shell(
        &self,
        user: Option<&str>,
        signal: Ender,
        running: bool,
    ) -> Result<Answer, String> {
        let words = self.wanted(signal, running).await.words();
        let argv = ["/bin/sh", "-c", FIND, "watchbell"].map(str::to_owned).into_iter().chain(words);
        let said = said_by(self.command.engine, self.command.container, user, argv.collect(), LOOKED).await;
        Answer::read(&said.map_err(|error| error.to_string())?)
    }

    pub(super) async fn by_helper(&self, signal: Ender, running: bool) -> Result<Answer, String> {
        let Command { engine, container, user, .. } = self.command;
        let places = engine.writable_places(container).await.map_err(|error| error.to_string())?;
        let mut why = "its root is read-only, and no volume is writable".to_owned();
        for place in places.iter().take(PLACES) {
            let [first, second] = users(place, user);
            let answer = match self.by_helper_in(place, first, signal, running).await {
                Ok(answer) => answer,
                Err(error) => {
                    why = format!("in {place}: {error}");
                    continue;
                }
            };
            // Root without capabilities may not signal others, who themselves may.
            return if answer.denied.is_empty() || first == second {
                Ok(answer)
            } else {
                self.by_helper_in(place, second, signal, running).await
            };
        }
        Err(why)
    }

    async fn by_helper_in(
        &self,
        place: &str,
        user: Option<&str>,
        signal: Ender,
        running: bool,
    ) -> Result<Answer, String> {
        let Command { engine, container, program, run, .. } = self.command;
        let copy = {
            let mut state = self.state();
            state.copied += 1;
            let name = format!(".watchbell-{run}-{}", state.copied);
            Copy { directory: place.to_owned(), name }
        };
        let archive = program.archive(&copy.name).await?;
        // From here on there may be such a file, whatever comes in between.
        self.state().copies.push(copy.clone());
        let put = engine.put_archive(container, place, archive).await;
        if let Err(EngineError::Refused { status, message }) = &put {
            // It said no, so there is none.
            self.state().copies.retain(|it| *it != copy);
            return Err(format!("{message} (status {status})"));
        }
        put.map_err(|error| error.to_string())?;
        let words = self.wanted(signal, running).await.words();
        let files = self.state().copies.iter().map(Copy::path).collect::<Vec<_>>();
        let argv = [copy.path(), helper::END.to_owned()].into_iter().chain(words).chain(files);
        let said = said_by(engine, container, user, argv.collect(), LOOKED).await;
        let said = said.map_err(|error| error.to_string())?;
        self.state().copies.retain(|it| !is_removed(it, &said));
        Answer::read(&said)
    }

    pub(super) async fn outside(&self, signal: Ender, running: bool) -> Result<Answer, String> {
        let container = self.command.container.to_owned();
        let mut known = self.state().known_outside.clone();
        if running {
            known.push(self.first_process().await?);
        }
        let wanted = Wanted { mark: self.mark(), signal, age: None, outer: None, known };
        let looked = tokio::task::spawn_blocking(move || {
            let among = Among { container: Some(&container), but_group: None };
            processes::end(&wanted, Looker::this(), among)
        });
        let answer = looked.await.map_err(|error| error.to_string())?;
        answer.ok_or_else(|| "its processes cannot be seen from where the agent runs".to_owned())
    }

    /// The command's first process, if it can be seen and is surely no other.
    async fn first_process(&self) -> Result<Target, String> {
        let state = |answer: Result<ExecState, EngineError>| match answer {
            Ok(ExecState::Running(Some(pid))) => Ok(pid),
            Ok(_) => Err("the Engine does not tell its process ID".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let pid = state(self.inspect().await)?;
        let unseen = || format!("process {pid} of the Engine cannot be seen from where the agent runs");
        let target = processes::target_of(pid).ok_or_else(unseen)?;
        if !processes::is_of_container(pid, self.command.container) || !processes::is_seen_from_outside(pid) {
            return Err(unseen());
        }
        // It was the command's before and it is after: so it was when it was looked at.
        if state(self.inspect().await)? != pid || processes::target_of(pid) != Some(target) {
            return Err("the command ended meanwhile".to_owned());
        }
        Ok(target)
    }
}
