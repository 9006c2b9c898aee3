//! Scenario files: the whole pure core as text. Labels, file, flags, environment and events go in, effects come out.
//!
//! A file is a list of steps, one a line; lines indented below a step belong to it. The effects of a step stand below
//! it as lines that begin with `->`, and are what the test compares. `UPDATE_EXPECT=1` writes them anew.
//!
//! ```text
//! # a comment
//! ini                          the INI file, indented below
//! flag --set JOB.X=Y           arguments of `watchbell daemon`
//! env NAME=VALUE               a variable
//! at 2026-03-29T00:59:00Z      sets the clock
//! start                        reads the sources, as the agent does before it has seen the Engine; again: the agent
//!                              was killed, and another one begins with what it had kept
//! container NAME KEY=VALUE…    makes a container, or makes it anew; its labels are indented below. Keys: project,
//!                              service, number, state (running, paused, stopped), health (good, bad), and the words
//!                              own (the agent's) and oneoff
//! set NAME KEY=VALUE…          changes one: state, health, name
//! remove NAME                  removes one
//! reload                       reads the sources again while the agent runs
//! observe                      the agent sees all containers that there are
//! engine lost                  the Engine does not answer any more; also: engine back
//! tick [+LENGTH]               the clock goes forward at one stroke, as after a sleep, and the agent looks at it
//! wait LENGTH                  time passes as it does: the agent wakes at each occurrence
//! end RUN exit CODE            a run ends; also: end RUN stopped, timed-out or lost, and behind it: after LENGTH
//! channel NAME KIND [on=WORDS] there is a channel of this kind
//! tell JOB CHANNELS KEY=VALUE… who is told of a job, from the next look on; keys: on, after, cooldown, over, expect. Without
//!                              channels: nobody
//! endure LENGTH exit CODE      time passes, and each run ends a second after it began; only messages are shown
//! pause JOB [until TIME]       an operator pauses a job; also: resume JOB, run JOB, stop RUN
//! drain, stop, kill            the stages of the end
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use jiff::Timestamp;
use watchbell::{
    agent::state::{Effect, Event, State, Told},
    cli::{
        args::{Cli, Command, SettingFlags},
        load,
    },
    model::{
        channel::Channels,
        container::{Container, ContainerId, ContainerState, Inventory},
        diagnostic::Diagnostic,
        duration,
        memory::Memory,
        name::JobId,
        notification::Notify,
        notify_memory::NotifyMemory,
        run::{Admitted, Item, Outcome, RunId, RunRecord, StopCause, StopForce, StopRequest, Trigger},
        swarm::Services,
        unfinished::{KeptOutput, Legacy, Unfinished},
    },
    plan,
    run::order::RunOrder,
    settings::resolve::{Sources, View, resolve},
};

mod told;

/// Plays the file's steps and gives its text with the effects as they are.
pub fn play(text: &str) -> Result<String, String> {
    let mut scenario = Scenario::default();
    let mut out = String::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("->")).collect();
    let mut rest = &lines[..];
    while let [line, tail @ ..] = rest {
        let body = tail.iter().take_while(|line| line.starts_with("  ")).count();
        let (block, tail) = tail.split_at(body);
        rest = tail;
        for line in std::iter::once(line).chain(block) {
            writeln!(out, "{line}").map_err(|error| error.to_string())?;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let block: Vec<&str> = block.iter().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        let effects = scenario.step(line, &block).map_err(|reason| format!("{line}: {reason}"))?;
        for effect in effects {
            let effect =
                if scenario.folder.is_empty() { effect } else { effect.replace(&scenario.folder, "") };
            writeln!(out, "-> {effect}").map_err(|error| error.to_string())?;
        }
    }
    Ok(out)
}

/// The world and the agent in it.
#[derive(Debug, Default)]
struct Scenario {
    ini: String,
    flags: Vec<String>,
    environment: BTreeMap<String, String>,
    now: Option<Timestamp>,
    containers: BTreeMap<String, Container>,
    own: Option<ContainerId>,
    made: i64,
    agent: Option<Agent>,
    /// What is kept of the jobs.
    memory: HashMap<JobId, Memory>,
    /// What is kept of occurrences that have no record.
    unfinished: BTreeMap<RunId, Unfinished>,
    /// What is kept of what was told of them.
    notify_memory: HashMap<JobId, NotifyMemory>,
    channels: Channels,
    tells: BTreeMap<JobId, Notify>,
    /// The IDs of all messages: no two have the same, whichever agent made them.
    told: BTreeSet<String>,
    /// Where the INI file is: no two runs of the test have it in the same place, so it is not shown.
    folder: String,
}

#[derive(Debug)]
struct Agent {
    sources: Sources,
    state: State,
    runs: u32,
    /// What runs, and how it was asked to end.
    running: BTreeMap<RunId, (RunOrder, Option<StopRequest>)>,
    /// Runs whose record was told: each has one.
    recorded: BTreeSet<RunId>,
}

impl Scenario {
    fn step(&mut self, line: &str, block: &[&str]) -> Result<Vec<String>, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("ini", "") => self.ini = block.join("\n"),
            ("flag", rest) => {
                self.flags.extend(shell_words::split(rest).map_err(|error| error.to_string())?);
            }
            ("env", rest) => {
                let (name, value) = rest.split_once('=').ok_or("write env NAME=VALUE")?;
                self.environment.insert(name.to_owned(), value.to_owned());
            }
            ("at", rest) => self.now = Some(rest.parse().map_err(|_| "no time")?),
            ("start", "") => return self.start(),
            ("reload", "") => {
                let (sources, found) = self.sources()?;
                self.agent()?.sources = sources;
                return Ok(found.into_iter().chain(self.observe()?).collect());
            }
            ("channel", rest) => self.channel(rest)?,
            ("tell", rest) => self.tell(rest)?,
            ("endure", rest) => return self.endure(rest),
            ("engine", "lost") => return self.feed(Event::Engine { answers: false }),
            ("engine", "back") => return self.feed(Event::Engine { answers: true }),
            ("container", rest) => self.container(rest, block)?,
            ("set", rest) => self.set(rest)?,
            ("remove", name) => drop(self.containers.remove(name).ok_or("no such container")?),
            ("observe", "") => return self.observe(),
            ("tick", rest) => {
                if let Some(length) = rest.strip_prefix('+') {
                    self.forward(duration::parse(length)?)?;
                }
                return self.feed(Event::Tick);
            }
            ("wait", length) => return self.wait(duration::parse(length)?),
            ("end", rest) => return self.end(rest),
            ("drain", "") => return self.feed(Event::Drain),
            ("stop", "") => return self.feed(Event::StopAll(StopForce::Stop)),
            ("pause", rest) => {
                let (job, until) =
                    rest.split_once(" until ").map_or((rest, None), |(job, at)| (job, Some(at)));
                let until = until.map(str::parse).transpose().map_err(|_| "no time")?;
                return self.feed(Event::Pause { job: JobId::plain(job), until });
            }
            ("resume", job) => return self.feed(Event::Resume { job: JobId::plain(job) }),
            ("run", job) => return self.feed(Event::RunNow { job: JobId::plain(job) }),
            ("stop", run) if !run.is_empty() => {
                return self.feed(Event::StopRun { run: RunId(run.into()), by: StopCause::Operator });
            }
            ("kill", "") => return self.feed(Event::StopAll(StopForce::Kill)),
            _ => return Err("no such step".to_owned()),
        }
        Ok(Vec::new())
    }

    fn now(&self) -> Result<Timestamp, String> {
        self.now.ok_or_else(|| "write at TIME first".to_owned())
    }

    fn agent(&mut self) -> Result<&mut Agent, String> {
        self.agent.as_mut().ok_or_else(|| "write start first".to_owned())
    }

    fn forward(&mut self, length: Duration) -> Result<(), String> {
        self.now = Some(self.now()? + length);
        Ok(())
    }

    fn start(&mut self) -> Result<Vec<String>, String> {
        let now = self.now()?;
        let (sources, found) = self.sources()?;
        let state = State::new(sources.settings.max_concurrent_runs, self.memory.clone())
            .with_notices(self.notify_memory.clone());
        self.agent = Some(Agent {
            sources,
            state,
            runs: self.agent.as_ref().map_or(0, |it| it.runs),
            running: BTreeMap::new(),
            recorded: BTreeSet::new(),
        });
        let runs: Vec<Unfinished> = self.unfinished.values().cloned().collect();
        let left = Legacy { runs, going_on: Vec::new() };
        let taken = if left == Legacy::default() { Vec::new() } else { self.feed(Event::Left(left))? };
        let desired = resolve(&self.agent()?.sources, View::Unknown, now);
        let desired = self.with_listeners(desired);
        let effects = self.feed(Event::Desired(desired))?;
        Ok(found.into_iter().chain(taken).chain(effects).collect())
    }

    /// Through the same reader as the daemon's, so that what a file, a flag and a variable may say is tried as well.
    fn sources(&mut self) -> Result<(Sources, Vec<String>), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("config.ini");
        std::fs::write(&path, &self.ini).map_err(|error| error.to_string())?;
        let mut arguments = vec!["watchbell".to_owned(), "daemon".to_owned()];
        arguments.extend(self.flags.iter().cloned());
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let Command::Daemon(flags) = cli.command else { return Err("no daemon".to_owned()) };
        self.folder = format!("{}/", folder.path().display());
        let flags = SettingFlags { config: vec![path.display().to_string()], ..flags };
        let loaded = load::load(&flags, &self.environment);
        Ok((loaded.sources, loaded.diagnostics.iter().map(problem).collect()))
    }

    fn container(&mut self, line: &str, block: &[&str]) -> Result<(), String> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let name = words.next().ok_or("the container has no name")?;
        self.made += 1;
        let id = ContainerId(format!("{:064x}", self.made).into());
        let mut labels = BTreeMap::new();
        for label in block {
            let (key, value) = label.split_once('=').ok_or_else(|| format!("{label}: write KEY=VALUE"))?;
            labels.insert(key.to_owned(), value.to_owned());
        }
        let mut container = Container {
            id: id.clone(),
            name: name.into(),
            state: ContainerState::Running,
            healthy: None,
            created: self.made,
            labels,
        };
        for word in words {
            let compose = |key: &str| format!("com.docker.compose.{key}");
            match word.split_once('=') {
                None if word == "own" => self.own = Some(id.clone()),
                None if word == "oneoff" => {
                    container.labels.insert(compose("oneoff"), "True".to_owned());
                }
                Some((key @ ("project" | "service"), value)) => {
                    container.labels.insert(compose(key), value.to_owned());
                }
                Some(("number", value)) => {
                    container.labels.insert(compose("container-number"), value.to_owned());
                }
                _ => attribute(&mut container, word)?,
            }
        }
        self.containers.insert(name.to_owned(), container);
        Ok(())
    }

    fn set(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let mut container = self.containers.remove(name).ok_or("no such container")?;
        for word in words {
            match word.strip_prefix("name=") {
                Some(name) => container.name = name.into(),
                None => attribute(&mut container, word)?,
            }
        }
        self.containers.insert(container.name.to_string(), container);
        Ok(())
    }

    fn observe(&mut self) -> Result<Vec<String>, String> {
        let now = self.now()?;
        // The Engine's order is not ours to rely on: newest first is what it usually gives.
        let mut containers: Vec<Container> = self.containers.values().cloned().collect();
        containers.sort_by_key(|it| std::cmp::Reverse(it.created));
        let own = self.own.clone().filter(|own| containers.iter().any(|it| it.id == *own));
        let inventory = Inventory { containers, own, services: Services::none() };
        let agent = self.agent()?;
        let desired = resolve(&agent.sources, View::Observed(&inventory), now);
        let desired = self.with_listeners(desired);
        let effects = self.feed(Event::Desired(desired.clone()))?;
        let again = plan::plan(self.agent()?.state.catalog(), &desired);
        if again.is_empty() { Ok(effects) } else { Err(format!("there is still to do: {again:?}")) }
    }

    fn wait(&mut self, length: Duration) -> Result<Vec<String>, String> {
        let until = self.now()? + length;
        let mut effects = Vec::new();
        while let Some(due) = self.agent()?.state.next_due().filter(|due| *due <= until) {
            self.now = Some(due.max(self.now()?));
            effects.extend(self.feed(Event::Tick)?);
        }
        self.now = Some(until);
        Ok(effects)
    }

    fn end(&mut self, line: &str) -> Result<Vec<String>, String> {
        let (line, took) = match line.split_once(" after ") {
            Some((line, took)) => (line, duration::parse(took)?),
            None => (line, Duration::from_secs(1)),
        };
        let (run, how) = line.split_once(' ').ok_or("write end RUN exit CODE")?;
        let (order, request) = self.agent()?.running.remove(&RunId(run.into())).ok_or("it does not run")?;
        let outcome = match how.split_once(' ') {
            Some(("exit", "0")) => Outcome::Succeeded { exit_code: Some(0) },
            Some(("exit", code)) => {
                Outcome::Failed { exit_code: Some(code.parse().map_err(|_| "no exit code")?), reason: None }
            }
            None if how == "stopped" => {
                let by = request.ok_or("nobody asked it to stop")?.cause;
                Outcome::Stopped { by, still_running: None }
            }
            None if how == "timed-out" => Outcome::TimedOut { still_running: None, waited_for: None },
            None if how == "lost" => Outcome::Lost { reason: "nobody knows".to_owned() },
            _ => return Err("write exit CODE, stopped, timed-out or lost".to_owned()),
        };
        let now = self.now()?;
        let record = order.record(Some(now), now, Some(took), outcome);
        self.feed(Event::RunEnded { record: Box::new(record), goes_on: false })
    }

    fn endure(&mut self, line: &str) -> Result<Vec<String>, String> {
        let (length, how) = line.split_once(' ').ok_or("write endure LENGTH exit CODE")?;
        let until = self.now()? + duration::parse(length)?;
        let mut effects = Vec::new();
        loop {
            let running: Vec<RunId> = self.agent()?.running.keys().cloned().collect();
            if !running.is_empty() {
                self.forward(Duration::from_secs(1))?;
            }
            for run in running {
                effects.extend(self.end(&format!("{run} {how}"))?);
            }
            let Some(due) = self.agent()?.state.next_due().filter(|due| *due <= until) else { break };
            self.now = Some(due.max(self.now()?));
            effects.extend(self.feed(Event::Tick)?);
        }
        self.now = Some(until.max(self.now()?));
        effects.retain(|it| it.starts_with("notify "));
        Ok(effects)
    }

    fn feed(&mut self, event: Event) -> Result<Vec<String>, String> {
        let now = self.now()?;
        let agent = self.agent.as_mut().ok_or("write start first")?;
        let runs = &mut agent.runs;
        let mut ids = || {
            *runs += 1;
            RunId(format!("r{runs:02}").into())
        };
        let effects = agent.state.handle(event, now, &mut ids);
        let mut lines: Vec<(Option<RunId>, String)> = Vec::new();
        let mut kept = BTreeSet::new();
        for effect in effects {
            if let Effect::Keep(items) = effect {
                for item in items {
                    match item {
                        Item::Memory(job, Some(memory)) => drop(self.memory.insert(job, memory)),
                        Item::Memory(job, None) => drop(self.memory.remove(&job)),
                        Item::Waits(it) => {
                            drop(self.unfinished.insert(it.run.clone(), unfinished(it, false)));
                        }
                        Item::Begins(it) => {
                            drop(self.unfinished.insert(it.run.clone(), unfinished(it, true)));
                        }
                        Item::Ended(record, _) => drop(self.unfinished.remove(&record.run)),
                        Item::NotifyMemory(job, Some(memory)) => {
                            drop(self.notify_memory.insert(job, *memory));
                        }
                        Item::NotifyMemory(job, None) => drop(self.notify_memory.remove(&job)),
                        Item::Notify(it) => {
                            if !self.told.insert(it.id.to_string()) {
                                return Err(format!("{} is told twice", it.id));
                            }
                            kept.insert(it.id);
                        }
                        _ => {}
                    }
                }
                continue;
            }
            if let Effect::Notify(it) = &effect
                && !kept.contains(&it.id)
            {
                return Err(format!("{} is told and not kept", it.id));
            }
            let asked = match &effect {
                Effect::Stop(run, _) => Some(run.clone()),
                _ => None,
            };
            lines.push((asked, agent.effect(effect)?));
        }
        // All are stopped at once and in no order: the file needs one.
        if lines.iter().all(|(asked, _)| asked.is_some()) {
            lines.sort();
        }
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

/// As the next agent finds it.
fn unfinished(admitted: Admitted, begun: bool) -> Unfinished {
    let started = begun.then_some(admitted.admitted);
    Unfinished { admitted, begun, started, stop: None, last: None, output: KeptOutput::default() }
}

fn attribute(container: &mut Container, word: &str) -> Result<(), String> {
    match word {
        "state=running" => container.state = ContainerState::Running,
        "state=paused" => container.state = ContainerState::Paused,
        "state=restarting" => container.state = ContainerState::Restarting,
        "state=stopped" => container.state = ContainerState::Stopped,
        "health=good" => container.healthy = Some(true),
        "health=bad" => container.healthy = Some(false),
        _ => return Err(format!("{word} says nothing about a container")),
    }
    Ok(())
}

impl Agent {
    fn effect(&mut self, effect: Effect) -> Result<String, String> {
        match effect {
            Effect::Start(order) => {
                let place = order.container.as_ref().map(|it| format!(" in {}", it.name)).unwrap_or_default();
                let why = match order.trigger {
                    Trigger::Schedule => String::new(),
                    other => format!(", {}", other.as_str()),
                };
                let text =
                    format!("start {} of {}{place}, due {}{why}", order.run, order.job(), order.occurrence);
                if self.running.insert(order.run.clone(), (order, None)).is_some() {
                    return Err(format!("twice: {text}"));
                }
                Ok(text)
            }
            Effect::TakeUp(taken) => {
                let order = taken.order;
                let text = format!("take up {} of {}, due {}", order.run, order.job(), order.occurrence);
                if self.running.insert(order.run.clone(), (order, None)).is_some() {
                    return Err(format!("twice: {text}"));
                }
                Ok(text)
            }
            Effect::Await(it) => Err(format!("the scenario has no command that cannot be ended: {}", it.run)),
            Effect::Stop(run, request) => {
                let word = match request.force {
                    StopForce::Finish => "no further attempt of",
                    StopForce::Stop => "stop",
                    StopForce::Kill => "kill",
                };
                let text = format!("{word} {run}: {}", StopCause::as_str(request.cause));
                let (_, asked) = self.running.get_mut(&run).ok_or(format!("it does not run: {text}"))?;
                if request.force > StopForce::Finish {
                    asked.get_or_insert(request);
                }
                Ok(text)
            }
            Effect::Tell(Told::Record(record)) => {
                if !self.recorded.insert(record.run.clone()) || self.running.contains_key(&record.run) {
                    return Err(format!("{} has two records, or one too early", record.run));
                }
                Ok(told_record(&record))
            }
            Effect::Tell(told) => Ok(tell(&told)),
            Effect::Answer(Ok(runs)) if runs.is_empty() => Ok("answer: done".to_owned()),
            Effect::Answer(Ok(runs)) => {
                let runs: Vec<String> = runs.iter().map(ToString::to_string).collect();
                Ok(format!("answer: {}", runs.join(" ")))
            }
            Effect::Answer(Err(refused)) => Ok(format!("refused: {refused}")),
            Effect::Notify(it) => Ok(told::message(&it)),
            Effect::Keep(_) => Err("it is kept by the scenario".to_owned()),
        }
    }
}

fn told_record(it: &RunRecord) -> String {
    let more = if it.and_more > 0 { format!(" and {} more", it.and_more) } else { String::new() };
    let code = match it.outcome.exit_code() {
        Some(code) if code != 0 => format!(" with exit code {code}"),
        _ => String::new(),
    };
    let reason = it.outcome.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {} of {}, due {}{more}{code}{reason}", it.outcome.as_str(), it.run, it.job, it.occurrence)
}

fn tell(told: &Told) -> String {
    let place = |container: &Option<Arc<str>>| {
        container.as_ref().map(|name| format!(" in {name}")).unwrap_or_default()
    };
    let upcoming = |next: &[Timestamp]| {
        let next: Vec<String> = next.iter().map(ToString::to_string).collect();
        if next.is_empty() { "never".to_owned() } else { next.join(", ") }
    };
    match told {
        Told::JobAdded { spec, container, next } => format!(
            "added {} ({}){}, {}: {}",
            spec.id,
            spec.kind(),
            place(container),
            spec.schedule.words(),
            upcoming(next)
        ),
        Told::JobUpdated { spec, container, next, reason } => {
            format!("updated {}{}, {reason}: {}", spec.id, place(container), upcoming(next))
        }
        Told::JobRemoved { job, reason, .. } => format!("removed {job}: {reason}"),
        Told::JobPaused { job, until, .. } => {
            let until = until.map_or(String::new(), |until| format!(" until {until}"));
            format!("paused {job}{until}")
        }
        Told::JobResumed { job, next, reason, .. } => {
            format!("resumed {job}, {reason}: {}", upcoming(&next.iter().copied().collect::<Vec<_>>()))
        }
        Told::RunHeld { run, job, occurrence, reason, .. } => {
            format!("held {run} of {job}, due {occurrence}: {reason}")
        }
        Told::Problem(it) => problem(it),
        Told::Record(it) => told_record(it),
    }
}

/// As `watchbell validate` prints it, with the word for a lost job.
pub fn problem(it: &Diagnostic) -> String {
    let word = if it.rejects { "rejected" } else { it.severity.as_str() };
    let job = it.job.as_ref().map(|job| format!(" job {job}:")).unwrap_or_default();
    format!("{word}: {}:{job} {}", it.origin, it.reason)
}

/// Plays the file and compares; with `UPDATE_EXPECT=1` writes it.
pub fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    super::expect::same(path, &text, &play(&text)?)
}
