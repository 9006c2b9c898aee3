//! The agent as people run it: the binary, a state directory, an Engine, and its log.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{LIMIT, Stage, eventually};

/// One log record.
pub type Record = Value;

/// A field of a record; empty where there is none.
pub fn text<'a>(record: &'a Record, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

/// An agent to be.
#[derive(Debug)]
pub struct AgentBuilder<'a> {
    stage: &'a Stage,
    arguments: Vec<String>,
    config: String,
    bulk: Option<String>,
    state_dir: Option<PathBuf>,
    variables: Vec<(String, String)>,
    host: String,
    through: Vec<String>,
}

impl<'a> AgentBuilder<'a> {
    pub(super) fn new(stage: &'a Stage) -> Self {
        // Other tests' containers are on the same Engine: their jobs are seen, and never due here.
        let config = "[job-defaults]\nenabled = false\n".to_owned();
        Self {
            stage,
            arguments: Vec::new(),
            config,
            bulk: None,
            state_dir: None,
            variables: Vec::new(),
            host: stage.host().to_owned(),
            through: Vec::new(),
        }
    }

    /// The jobs that this agent is to run, by identity.
    pub fn jobs<S: AsRef<str>>(mut self, jobs: impl IntoIterator<Item = S>) -> Self {
        for job in jobs {
            self.arguments.extend(["--set".to_owned(), format!("{}.enabled=true", job.as_ref())]);
        }
        self
    }

    /// Further arguments.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|it| (*it).to_owned()));
        self
    }

    /// A variable of its environment, which is empty but for `PATH`.
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A job of the INI file, which no other agent knows.
    pub fn file_job(mut self, kind: &str, job: &str, parameters: &[(&str, &str)]) -> Self {
        use std::fmt::Write as _;
        let _ = writeln!(self.config, "[job-{kind} \"{job}\"]");
        for (parameter, value) in parameters {
            let _ = writeln!(self.config, "{parameter} = {value}");
        }
        self.jobs([job])
    }

    /// The INI file, in place of all that was said of it before.
    pub fn config(mut self, text: &str) -> Self {
        text.clone_into(&mut self.config);
        self
    }

    /// What this job prints is counted and not kept: it is too much.
    pub fn bulk(mut self, job: &str) -> Self {
        self.bulk = Some(job.to_owned());
        self
    }

    /// In the state directory of an agent that has ended, as the next one in its place.
    pub fn after(mut self, last: &Agent) -> Self {
        self.state_dir = Some(last.state_dir.clone());
        self
    }

    /// Another way to the stage's Engine.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// A program that puts itself in the agent's place, with its arguments.
    pub fn through(mut self, program: &[String]) -> Self {
        program.clone_into(&mut self.through);
        self
    }

    /// Starts it.
    pub fn start(self) -> Agent {
        let state_dir = self.state_dir.clone().unwrap_or_else(|| {
            let state_dir = tempfile::Builder::new().prefix("state.").tempdir_in(self.stage.dir());
            state_dir.expect("a state directory").keep()
        });
        let config = state_dir.join("config.ini");
        std::fs::write(&config, self.config).expect("the file can be written");
        let words = [self.through, vec![env!("CARGO_BIN_EXE_watchbell").to_owned()]].concat();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            // Nothing of the environment of the tests may change what the agent does.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables)
            .args([
                "daemon",
                "--listen",
                "none",
                "--log-format",
                "json",
                "--docker-host",
                &self.host,
                "--config",
            ])
            .arg(&config)
            .arg("--state-dir")
            .arg(&state_dir)
            .args(self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent can be started");
        let log = Arc::new(Log::default());
        let (stdout, writer, bulk) = (child.stdout.take(), log.clone(), self.bulk);
        std::thread::Builder::new()
            .name("agent's log".to_owned())
            .spawn(move || writer.follow(stdout.expect("the pipe is ours"), bulk.as_deref()))
            .expect("a thread");
        Agent { child: Mutex::new(child), log, state_dir }
    }
}

/// What an agent has told so far.
#[derive(Debug, Default)]
struct Log {
    told: Mutex<Told>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    records: Vec<Record>,
    /// Lines and bytes of the job whose output is only counted.
    bulk: (u64, u64),
    ended: bool,
}

impl Log {
    fn follow(&self, stdout: ChildStdout, bulk: Option<&str>) {
        for line in BufReader::with_capacity(256 * 1024, stdout).split(b'\n') {
            let Ok(line) = line else { break };
            let record: Record = serde_json::from_slice(&line)
                .unwrap_or_else(|_| Record::String(String::from_utf8_lossy(&line).into_owned()));
            let mut told = self.lock();
            if record["event"] == "run.output" && bulk.is_some_and(|job| record["job"] == job) {
                told.bulk.0 += 1;
                told.bulk.1 += text(&record, "line").len() as u64;
            } else {
                told.records.push(record);
                self.news.notify_all();
            }
        }
        self.lock().ended = true;
        self.news.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running agent; it is killed if the test ends before it.
#[derive(Debug)]
pub struct Agent {
    child: Mutex<Child>,
    log: Arc<Log>,
    state_dir: PathBuf,
}

impl Agent {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Where it keeps its state.
    pub fn state_dir(&self) -> &str {
        self.state_dir.to_str().expect("a path that is text")
    }

    /// Waits for the first record of all that fits, those told already included.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&Record) -> bool) -> Record {
        self.wait_for_nth(what, 1, fits)
    }

    /// Waits for the `nth` record that fits, counted from 1.
    pub fn wait_for_nth(&self, what: &str, nth: usize, fits: impl Fn(&Record) -> bool) -> Record {
        self.wait_within(LIMIT, what, |records| records.iter().filter(|it| fits(it)).nth(nth - 1).cloned())
    }

    /// Waits until all records so far have what `find` looks for.
    pub fn wait_within<T>(&self, limit: Duration, what: &str, find: impl Fn(&[Record]) -> Option<T>) -> T {
        let mut found = None;
        let looking = |told: &mut Told| {
            found = find(&told.records);
            found.is_none() && !told.ended
        };
        let waited = self.log.news.wait_timeout_while(self.log.lock(), limit, looking);
        let (told, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = found {
            return found;
        }
        let records: Vec<String> = told.records.iter().map(ToString::to_string).collect();
        let why = if waited.timed_out() { "it took too long" } else { "the agent has ended" };
        // Not under the lock: a panic would poison it for nothing.
        drop(told);
        panic!("the agent did not tell of this: {what} ({why}). It told:\n{}", records.join("\n"));
    }

    /// Waits for an event of a job.
    pub fn wait_for_event(&self, event: &str, job: &str) -> Record {
        self.wait_for(&format!("{event} of {job}"), |it| it["event"] == event && it["job"] == job)
    }

    /// Waits for the first run of a job to end.
    pub fn wait_for_end(&self, job: &str) -> Record {
        self.wait_for_event("run.finished", job)
    }

    /// Waits until its first look at the Engine is done.
    pub fn wait_until_ready(&self) {
        self.wait_for("agent.ready", |it| it["event"] == "agent.ready");
    }

    /// All records so far that fit.
    pub fn records(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.log.lock().records.iter().filter(|it| fits(it)).cloned().collect()
    }

    /// All `job.*` records of a job so far.
    pub fn job_events(&self, job: &str) -> Vec<String> {
        let of_job = |it: &Record| it["job"] == job && text(it, "event").starts_with("job.");
        self.records(of_job).iter().map(|it| text(it, "event").to_owned()).collect()
    }

    /// The lines of one stream of one run.
    pub fn lines(&self, run: &str, stream: &str) -> Vec<String> {
        let of_run = |it: &Record| it["event"] == "run.output" && it["run"] == run && it["stream"] == stream;
        self.records(of_run).iter().map(|it| text(it, "line").to_owned()).collect()
    }

    /// Lines and bytes, line ends not among them, of the job whose output is only counted.
    pub fn bulk(&self) -> (u64, u64) {
        self.log.lock().bulk
    }

    /// Its INI file.
    pub fn config(&self) -> PathBuf {
        self.state_dir.join("config.ini")
    }

    /// Has a job run as an operator does who waits for its end; the answer is that command's exit code.
    pub fn run_and_wait(&self, job: &str) -> Option<i32> {
        self.operate(&["run", job, "--wait"]).0
    }

    /// What an operator asks on the agent's socket: the exit code, and what is printed.
    pub fn operate(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        let command = command.args(arguments).arg("--state-dir").arg(&self.state_dir);
        let output = command.output().expect("the command can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a process ID"));
        kill(pid, signal).expect("the agent is there");
    }

    /// Waits for its end and for all that it had to tell.
    pub fn wait_for_exit(&self) -> ExitStatus {
        let mut status = None;
        eventually("the agent has ended", || {
            status = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("our child");
            status.is_some()
        });
        eventually("its log has ended", || self.log.lock().ended);
        status.expect("it has ended")
    }

    /// The most memory that it ever had, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says it");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}
