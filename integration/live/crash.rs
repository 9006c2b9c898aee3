//! An agent that is killed again and again at moments that nobody chose, among runs of every kind, and what is there in the
//! end: one record for each occurrence, nothing run twice, and nothing left.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, SystemTime},
};

use nix::sys::signal::Signal;
use watchbell::{
    history::query::{Filter, KeptRun, Phase, Reader},
    model::name::JobKind,
};

use crate::support::live_engine::{Agent, Stage, WORKER, eventually, manager, pause, text};

/// What each run writes: when it was due is in its name, and its run in its environment.
fn work(file: &str, length: &str) -> String {
    format!("echo $$WATCHBELL_RUN >> {file}; echo printed; sleep {length}")
}

fn rounds() -> u32 {
    given("WATCHBELL_CRASH_ROUNDS").unwrap_or(8)
}

fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var_os(name)?.to_str()?.parse().ok()
}

/// Numbers that look like chance, from a seed that a failing test tells.
struct Noise(u64);

impl Noise {
    fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |it| it.as_nanos());
        let seed =
            given("WATCHBELL_CRASH_SEED").unwrap_or_else(|| u64::try_from(now & 0xffff_ffff).unwrap_or(1));
        eprintln!("WATCHBELL_CRASH_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct World {
    stage: Stage,
    web: String,
    /// What some runs have stopped while they go on, and what others start anew.
    db: String,
    cache: String,
    volume: String,
    ran: std::path::PathBuf,
}

impl World {
    fn new() -> Self {
        // A manager, so that services are among them.
        let stage = Stage::at(manager());
        let volume = stage.name("ran");
        stage.docker(["volume", "create", "--label", &stage.label(), &volume]);
        let web = stage.worker("web").arguments(&["-v", &format!("{volume}:/ran")]).start();
        stage.docker(["exec", &web, "chmod", "777", "/ran"]);
        let soon = ["--stop-timeout", "1"];
        let db = stage.worker("db").arguments(&soon).start();
        let cache = stage.worker("cache").arguments(&soon).start();
        let ran = stage.dir().join("ran-local");
        Self { stage, web, db, cache, volume, ran }
    }

    fn agent(&self, last: Option<&Agent>, schedules: bool) -> Agent {
        let mount = format!("type=volume,source={},target=/ran", self.volume);
        let bind = format!("{}:/ran", self.volume);
        let local = self.ran.display().to_string();
        let mut agent = self.stage.agent().arguments(&["--shutdown-grace", "1s"]);
        for (kind, schedule, length, own) in [
            ("exec", "@every 1s", "0.7", [("container", &*self.web), ("overlap", "allow")]),
            ("exec", "@every 2s", "3", [("container", &*self.web), ("overlap", "queue")]),
            ("exec", "@every 4s", "1", [("container", &*self.web), ("stop-during", &*self.db)]),
            ("run", "@every 2s", "0.5", [("image", WORKER), ("volume", &*bind)]),
            ("run", "@every 3s", "5", [("image", WORKER), ("volume", &*bind)]),
            ("local", "@every 1s", "0.5", [("missed", "all"), ("overlap", "allow")]),
            ("service-run", "@every 7s", "2", [("image", WORKER), ("mount", &*mount)]),
        ] {
            let job = self.stage.name(&format!("{kind}-{}", length.replace('.', "")));
            let file = if kind == "local" { local.clone() } else { "/ran/ran".to_owned() };
            let command = work(&file, length);
            let schedule = if schedules { schedule } else { "@triggered" };
            let mut parameters = vec![
                ("schedule", schedule),
                ("shell", "true"),
                ("command", &*command),
                ("history", "100000 runs"),
            ];
            parameters.extend(own);
            if kind == "run" {
                parameters.push(("network", "none"));
            }
            agent = agent.file_job(kind, &job, &parameters);
        }
        let schedule = if schedules { "@every 2s" } else { "@triggered" };
        let restart = [("schedule", schedule), ("container", &*self.cache), ("action", "restart")];
        agent = agent.file_job("container", &self.stage.name("restart"), &restart);
        match last {
            Some(last) => agent.after(last).start(),
            None => agent.start(),
        }
    }

    /// The runs whose commands were started, in the order in which they were.
    fn ran(&self) -> Vec<String> {
        let inside = self.stage.docker(["exec", &self.web, "cat", "/ran/ran"]);
        let beside = std::fs::read_to_string(&self.ran).unwrap_or_default();
        inside.lines().chain(beside.lines()).map(str::to_owned).collect()
    }

    fn left(&self) -> Vec<String> {
        let name = format!("name=watchbell-{}", self.stage.name(""));
        let services = self.stage.docker(["service", "ls", "-q", "--filter", &name]);
        let containers = self.stage.docker(["ps", "-aq", "--filter", &name]);
        services.lines().chain(containers.lines()).map(str::to_owned).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for id in self.left() {
            let _ = self.stage.try_docker(["service", "rm", &id]);
            let _ = self.stage.try_docker(["rm", "-f", &id]);
        }
    }
}

#[test]
fn whenever_an_agent_is_killed_each_occurrence_has_one_record_and_no_command_runs_twice() {
    let world = World::new();
    let mut noise = Noise::new();
    let mut agent = world.agent(None, true);
    for _ in 0..rounds() {
        agent.wait_for("it began", |it| it["event"] == "agent.started");
        pause(Duration::from_millis(300 + noise.below(3_500)));
        agent.signal(Signal::SIGKILL);
        agent.wait_for_exit();
        agent = world.agent(Some(&agent), true);
    }
    pause(Duration::from_secs(2));
    agent.signal(Signal::SIGKILL);
    agent.wait_for_exit();
    // Nothing is due any more: what was left is brought to its end.
    let last = world.agent(Some(&agent), false);
    last.wait_until_ready();
    let reader = || Reader::open(Path::new(last.state_dir())).unwrap().unwrap();
    let settled = (0..600).any(|_| {
        pause(Duration::from_millis(100));
        reader().unfinished().unwrap().is_empty()
    });
    assert!(
        settled,
        "these have no record: {:#?}\nof what the last agent told: {:#?}",
        reader().unfinished().unwrap(),
        last.records(|_| true)
    );
    eventually("nothing is left", || world.left().is_empty());
    for name in [&world.db, &world.cache] {
        eventually("what was stopped runs", || world.stage.inspect(name, "{{.State.Running}}") == "true");
    }
    last.terminate();
    last.wait_for_exit();

    let rows = reader().runs(&Filter::default(), u32::MAX).unwrap();
    told(&rows);
    let mut occurrences = BTreeMap::new();
    for row in &rows {
        assert_eq!(row.phase, Phase::Ended, "{row:?}");
        *occurrences.entry((row.job.to_string(), row.occurrence)).or_insert(0) += 1;
    }
    let twice: Vec<_> = occurrences.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "occurrences with two records: {twice:?}");

    let ran = world.ran();
    let distinct: BTreeSet<&String> = ran.iter().collect();
    assert_eq!(distinct.len(), ran.len(), "a command ran twice");
    let known: BTreeMap<String, &KeptRun> = rows.iter().map(|it| (it.run.to_string(), it)).collect();
    for run in &distinct {
        let row = known.get(*run).unwrap_or_else(|| panic!("{run} ran, and the history does not know it"));
        let end = row.end.as_ref().unwrap();
        assert!(
            !["skipped", "missed", "not-started"].contains(&&*end.outcome),
            "it ran, and its record says that it did not: {row:?}"
        );
    }
    for row in &rows {
        let end = row.end.as_ref().unwrap();
        if end.outcome == "succeeded" && row.kind != JobKind::Container {
            assert!(distinct.contains(&row.run.to_string()), "it succeeded and never ran: {row:?}");
        }
    }
    let top = world.stage.docker(["top", &world.web]);
    let goes_on = top
        .lines()
        .any(|line| line.contains("/ran/ran") || line.ends_with("sleep 0.7") || line.ends_with("sleep 3"));
    assert!(!goes_on, "a command goes on in the container: {top}");
    // Every second of the job that catches up has its record, whoever was alive in it.
    let beat = world.stage.name("local-05");
    let of_beat: Vec<&KeptRun> = rows.iter().filter(|it| it.job.as_str() == beat).collect();
    let moments = of_beat.iter().map(|it| it.occurrence);
    let span = moments.clone().max().unwrap().duration_since(moments.min().unwrap()).as_secs() + 1;
    let spoken_for: i64 = of_beat.iter().map(|it| 1 + i64::from(it.and_more)).sum();
    assert_eq!(spoken_for, span, "an occurrence has no record, or two");
    assert_eq!(last.records(|it| text(it, "event") == "history.failing").len(), 0);
}

/// The figures, for who looks.
fn told(rows: &[KeptRun]) {
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    for row in rows {
        let outcome = row.end.as_ref().map_or("none", |end| &end.outcome);
        *counts.entry((row.kind.to_string(), outcome.to_owned())).or_default() += 1;
    }
    let rounds = rounds();
    eprintln!("{rounds} rounds, {} occurrences: {counts:?}", rows.len());
    for row in rows {
        if let Some(end) = row.end.as_ref().filter(|it| ["lost", "not-started"].contains(&&*it.outcome)) {
            eprintln!("{} {}: {}", row.kind, end.outcome, end.reason.as_deref().unwrap_or_default());
        }
    }
}
