//! A stage on a real Engine: containers, networks and agents of one test, with names that no other test has, and gone
//! when the test ends, however it ends.
//!
//! What a person would do goes through the `docker` command. Several agents may be on one Engine at the same time, and
//! each sees the containers of all. So an agent on a stage leaves foreign jobs alone (it has `enabled = false` for
//! everything that it is not told of, see [`AgentBuilder::jobs`]), and a test asks only for records of its own jobs.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;

mod agent;
mod manager;
mod registry;

pub use agent::{Agent, AgentBuilder, Record, text};
pub use manager::{given_is_manager, manager};
pub use registry::{PASSWORD, USER};

/// The image of the containers that stages make.
pub const WORKER: &str = "watchbell-worker:local";
/// The agent's own image.
pub const IMAGE: &str = "watchbell:latest";
/// Longer than anything here takes: it only keeps a broken agent from hanging the tests.
pub const LIMIT: Duration = Duration::from_secs(30);
/// On everything that a stage makes; the value is the stage's name.
const LABEL: &str = "test-stage";

/// The Engine that the tests were given.
fn engine() -> &'static str {
    static ENGINE: OnceLock<Result<String, String>> = OnceLock::new();
    let found = ENGINE.get_or_init(|| {
        let host = std::env::var_os("DOCKER_HOST").and_then(|it| it.into_string().ok());
        let host =
            host.filter(|it| !it.is_empty()).unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        run(docker_at(&host).args(["version", "--format", "{{.Server.Version}}"]))?;
        run(docker_at(&host).args(["image", "inspect", "--format", "{{.Id}}", WORKER]))?;
        Ok(host)
    });
    match found {
        Ok(host) => host,
        Err(why) => panic!(
            "live tests need a Docker Engine that answers and the image {WORKER}: run `make test`, which sees to \
             both. ({why})"
        ),
    }
}

fn docker_at(host: &str) -> Command {
    let mut command = Command::new("docker");
    command.env("DOCKER_HOST", host).env_remove("DOCKER_TLS_VERIFY").env_remove("DOCKER_CERT_PATH");
    command
}

/// Brings an image to an Engine that does not have it.
pub fn hand_over(from: &Stage, to: &Stage, image: &str) {
    let file = from.dir().join("image.tar");
    let file = file.to_str().expect("a path that is text");
    from.docker(["save", "-o", file, image]);
    let loaded = to.docker(["load", "-q", "-i", file]);
    // Podman puts a registry before names that have none.
    if let Some(name) = loaded.rsplit(' ').next().filter(|it| it.starts_with("localhost/")) {
        to.docker(["tag", name, image]);
    }
}

/// Runs a command; what it prints on stdout, or what went wrong.
pub fn run(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", command.get_program().display()))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).trim_end().to_owned());
    }
    Err(format!("{command:?}: {status}: {}", String::from_utf8_lossy(&stderr).trim_end()))
}

/// For the few things that nobody tells of and that have to be asked for again and again.
#[expect(
    clippy::disallowed_methods,
    reason = "plain threads against real processes: there is no clock to pause"
)]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// Asks until the answer is yes.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    const STEP: Duration = Duration::from_millis(100);
    for _ in 0..LIMIT.as_millis() / STEP.as_millis() {
        if holds() {
            return;
        }
        pause(STEP);
    }
    panic!("it never came to this: {what}");
}

/// One test's part of the Engine.
#[derive(Debug)]
pub struct Stage {
    name: String,
    host: String,
    dir: TempDir,
}

impl Stage {
    /// An empty stage on the Engine that the tests were given.
    pub fn new() -> Self {
        Self::at(engine())
    }

    /// An empty stage on another Engine.
    pub fn at(host: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir =
            tempfile::Builder::new().prefix("watchbell-test.").tempdir().expect("a temporary directory");
        Self { name: format!("wb{}x{count}", std::process::id()), host: host.to_owned(), dir }
    }

    /// Where the Engine listens.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The Engine's socket as it can be mounted into a container.
    pub fn socket(&self) -> &str {
        self.host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock")
    }

    /// A directory of this stage.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A name that nothing outside this stage has.
    pub fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// The label of everything that belongs to this stage; what is made without the stage's help needs it.
    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.name)
    }

    /// The `docker` command with this stage's Engine.
    pub fn docker<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.try_docker(arguments).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same, where it may fail.
    pub fn try_docker<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, String> {
        run(docker_at(&self.host).args(arguments))
    }

    /// Describes a container of [`WORKER`].
    pub fn worker(&self, part: &str) -> Worker<'_> {
        let arguments =
            ["run", "-d", "--network", "none", "--label", &self.label(), "--name", &self.name(part)];
        Worker { stage: self, name: self.name(part), arguments: arguments.map(str::to_owned).to_vec() }
    }

    /// A network. An Engine without a bridge cannot make one, and then the test says so.
    pub fn network(&self, part: &str) -> String {
        let name = self.name(part);
        self.docker(["network", "create", "--label", &self.label(), &name]);
        name
    }

    /// What the template makes of a container.
    pub fn inspect(&self, container: &str, template: &str) -> String {
        self.docker(["inspect", "--format", template, container])
    }

    /// Describes an agent.
    pub fn agent(&self) -> AgentBuilder<'_> {
        AgentBuilder::new(self)
    }

    /// Whether a process in the container has these words in its command line.
    pub fn has_process(&self, container: &str, words: &str) -> bool {
        self.docker(["top", container]).lines().any(|line| line.contains(words))
    }

    fn ids(&self, what: &[&str]) -> Vec<String> {
        let listed = self.try_docker(what).unwrap_or_default();
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    // A failing test must not leave anything either, and its own message is the one that counts.
    fn drop(&mut self) {
        let filter = format!("label={}", self.label());
        let mut containers = self.ids(&["ps", "-aq", "--filter", &filter]);
        // What an agent made for a run has the agent's labels; its name has the job's, and so this stage's.
        let runs = format!("name=watchbell-{}-", self.name);
        containers.extend(self.ids(&["ps", "-aq", "--filter", &runs]));
        if !containers.is_empty() {
            let _ = self.try_docker(["rm", "-fv"].map(str::to_owned).into_iter().chain(containers));
        }
        for (list, remove) in [
            (["network", "ls", "-q", "--filter", &filter], ["network", "rm"]),
            (["volume", "ls", "-q", "--filter", &filter], ["volume", "rm"]),
        ] {
            let left = self.ids(&list);
            if !left.is_empty() {
                let _ = self.try_docker(remove.map(str::to_owned).into_iter().chain(left));
            }
        }
    }
}

/// A container to be, with labels.
#[derive(Debug)]
pub struct Worker<'a> {
    stage: &'a Stage,
    name: String,
    arguments: Vec<String>,
}

impl Worker<'_> {
    /// One label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.arguments.extend(["--label".to_owned(), format!("{key}={value}")]);
        self
    }

    /// Further arguments of `docker run`.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|it| (*it).to_owned()));
        self
    }

    /// The labels that Compose gives a replica.
    pub fn compose(self, project: &str, service: &str, number: u32) -> Self {
        self.label("com.docker.compose.project", project)
            .label("com.docker.compose.service", service)
            .label("com.docker.compose.container-number", &number.to_string())
            .label("com.docker.compose.oneoff", "False")
    }

    /// Opts in, with the parameters of one job of kind `exec`.
    pub fn exec(self, job: &str, parameters: &[(&str, &str)]) -> Self {
        self.job("exec", job, parameters)
    }

    /// Opts in, with the parameters of one job.
    pub fn job(self, kind: &str, job: &str, parameters: &[(&str, &str)]) -> Self {
        let opted_in = self.arguments.iter().any(|it| it == "watchbell.enabled=true");
        let start = if opted_in { self } else { self.label("watchbell.enabled", "true") };
        parameters.iter().fold(start, |worker, (parameter, value)| {
            worker.label(&format!("watchbell.job-{kind}.{job}.{parameter}"), value)
        })
    }

    /// Runs it; the answer is its name.
    pub fn start(self) -> String {
        self.stage.docker(self.arguments.iter().map(String::as_str).chain([WORKER]));
        self.name
    }
}
