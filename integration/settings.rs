//! What people wrote, in all its places, and what it comes to. No runtime, no Engine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use watchbell::{
    cli::{Environment, args::SettingFlags, load::load},
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        job::{JobSpec, Overlap, Work},
        name::JobId,
        swarm::Services,
    },
    settings::{
        grants::Grant,
        resolve::{Desired, View, resolve},
    },
};

/// The canary: it stands where secrets stand, and must never be seen anywhere else.
const SECRET: &str = "hunter2-canary";

#[derive(Debug, Clone, Default)]
struct Written {
    file: String,
    labels: Vec<(String, String)>,
    set: Vec<String>,
    environment: Environment,
}

impl Written {
    fn file(text: &str) -> Self {
        Self { file: text.to_owned(), ..Self::default() }
    }

    fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((format!("watchbell.{key}"), value.to_owned()));
        self
    }

    fn set(mut self, argument: &str) -> Self {
        self.set.push(argument.to_owned());
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The container `web` and everything else, through the same steps as in the agent.
    fn settle(&self) -> Settled {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.ini");
        std::fs::write(&path, &self.file).unwrap();
        let flags = SettingFlags {
            config: vec![path.display().to_string()],
            set: self.set.clone(),
            ..SettingFlags::default()
        };
        let loaded = load(&flags, &self.environment);
        let inventory = Inventory {
            containers: vec![container("web", 1, self.labels.iter().cloned())],
            own: None,
            services: Services::none(),
        };
        let desired = resolve(&loaded.sources, View::Observed(&inventory), now());
        let told = desired
            .diagnostics
            .iter()
            .map(|it| {
                format!("{}: {}", it.origin, it.reason).replace(&path.display().to_string(), "config.ini")
            })
            .collect();
        Settled { desired, told, debug: format!("{:?}", loaded.sources.settings) }
    }
}

#[derive(Debug)]
struct Settled {
    desired: Desired,
    told: Vec<String>,
    debug: String,
}

impl Settled {
    fn job(&self, id: &str) -> &JobSpec {
        match self.desired.jobs.get(&JobId::plain(id)) {
            Some(job) => &job.spec,
            None => panic!("no job {id}: {:#?}", self.told),
        }
    }

    fn has(&self, id: &str) -> bool {
        self.desired.jobs.contains_key(&JobId::plain(id))
    }

    fn tells(&self, parts: &[&str]) {
        assert!(
            self.told.iter().any(|it| parts.iter().all(|part| it.contains(part))),
            "nothing says {parts:?}: {:#?}",
            self.told
        );
    }
}

fn now() -> Timestamp {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

fn container(name: &str, n: u8, labels: impl IntoIterator<Item = (String, String)>) -> Container {
    Container {
        id: ContainerId(format!("{n:064x}").into()),
        name: name.into(),
        state: ContainerState::Running,
        healthy: None,
        created: i64::from(n),
        labels: labels.into_iter().collect(),
    }
}

/// A job on the container `web`.
fn job() -> Written {
    Written::default()
        .label("enabled", "true")
        .label("job-exec.sync.schedule", "@daily")
        .label("job-exec.sync.command", "work")
}

fn argv(spec: &JobSpec) -> &[String] {
    match &spec.work {
        Work::Exec(exec) => &exec.argv,
        Work::Local(local) => &local.argv,
        Work::Start(_) | Work::ServiceAction(_) | Work::Container(_) => &[],
        Work::Run(run) => run.argv.as_deref().unwrap_or_default(),
        Work::ServiceRun(run) => run.argv.as_deref().unwrap_or_default(),
        Work::Compose(compose) => compose.argv.as_deref().unwrap_or_default(),
    }
}

/// Mistake 40: written in every place at once, and then taken away from the top, one after the other.
#[test]
fn the_environment_is_over_flags_over_labels_over_the_file_over_the_default() {
    let mut all = job()
        .label("job-exec.sync.timeout", "3m")
        .set("web.sync.timeout=4m")
        .variable("WATCHBELL_JOB_WEB_SYNC_TIMEOUT", "5m");
    all.file = "[job-defaults]\ntimeout = 1m\n[job-defaults-exec]\ntimeout = 90s\n[job-exec \"web.sync\"]\n\
                timeout = 2m\n"
        .to_owned();
    let mut found = Vec::new();
    let mut look = |written: &Written| {
        let settled = written.settle();
        found.push(settled.job("web.sync").timeout.map(|it| it.as_secs()));
        assert_eq!(settled.told, [""; 0]);
    };
    look(&all);
    all.environment.clear();
    look(&all);
    all.set.clear();
    look(&all);
    all.labels.retain(|(key, _)| !key.ends_with("timeout"));
    look(&all);
    all.file.truncate(all.file.find("[job-exec ").unwrap());
    look(&all);
    all.file.truncate(all.file.find("[job-defaults-exec").unwrap());
    look(&all);
    all.file.clear();
    look(&all);
    assert_eq!(found, [Some(300), Some(240), Some(180), Some(120), Some(90), Some(60), None]);
}

/// Mistake 39.
#[test]
fn an_explicit_value_that_equals_the_default_still_overrides() {
    let mut written = job()
        .label("job-exec.sync.overlap", "skip")
        .label("job-exec.sync.timeout", "none")
        .label("job-exec.sync.grace-period", "10s")
        .label("job-exec.sync.enabled", "true")
        .label("job-exec.sync.shell", "false");
    written.file =
        "[job-defaults]\noverlap = queue\ntimeout = 1m\ngrace-period = 1s\nenabled = no\nshell = yes\n"
            .into();
    let settled = written.settle();
    let spec = settled.job("web.sync");
    assert_eq!((spec.overlap, spec.timeout, spec.grace_period.as_secs()), (Overlap::Skip, None, 10));
    assert!(spec.enabled);
    assert_eq!(argv(spec), ["work"]);
}

#[test]
fn a_variable_in_the_file_is_put_in_after_parsing_and_cannot_change_the_structure() {
    let file = "[job-local \"a\"]\nschedule = ${WHEN}\ncommand = echo ${WHAT} $$HOME ${NONE:-nothing}\n";
    let settled = Written::file(file)
        .variable("WHEN", "@daily")
        .variable("WHAT", "x\n[job-local \"evil\"]\nschedule = @daily\ncommand = steal")
        .settle();
    let spec = settled.job("a");
    assert_eq!(argv(spec)[0], "echo");
    assert_eq!(argv(spec)[argv(spec).len() - 2..], ["$HOME", "nothing"]);
    assert!(!settled.has("evil"));

    let settled = Written::file(file).variable("WHEN", "@daily").settle();
    assert!(!settled.has("a"));
    settled.tells(&["config.ini:3", "the variable WHAT is not set"]);
}

#[test]
fn a_label_asks_for_more_than_its_own_container_only_with_the_operators_grant() {
    let asks = [
        ("exec-other", "job-exec.it.container", "db"),
        ("run", "job-run.it.image", "evil"),
        ("service-run", "job-service-run.it.image", "evil"),
        ("local", "job-local.it.workdir", "/"),
    ];
    for (grant, key, value) in asks {
        let kind = key.split('.').next().unwrap();
        let mut written = Written::default()
            .label("enabled", "true")
            .label(&format!("{kind}.it.schedule"), "@daily")
            .label(&format!("{kind}.it.command"), "work")
            .label(key, value)
            .label("allow-from-labels", "all");
        let refused = written.settle();
        assert!(!refused.has("web.it"), "{grant}");
        refused.tells(&["container web", &format!("allow-from-labels={grant}")]);
        for (other, ..) in asks.iter().filter(|(other, ..)| *other != grant) {
            written.file = format!("[global]\nallow-from-labels = {other}\n");
            assert!(!written.settle().has("web.it"), "{other} is not {grant}");
        }
        for granted in [grant, "all"] {
            written.file = format!("[global]\nallow-from-labels = {granted}\n");
            assert!(written.settle().has("web.it"), "{grant} by {granted}");
            written.file.clear();
            let by_variable = written.clone().variable("WATCHBELL_ALLOW_FROM_LABELS", granted);
            assert!(by_variable.settle().has("web.it"), "{grant} by the environment");
        }
    }
}

/// Mistakes 42 and 45: the check is on what was read, so no spelling of a key slips past it.
#[test]
fn a_path_of_the_machine_all_rights_and_a_file_of_the_agent_are_refused_to_labels_in_every_spelling() {
    let asks = [
        ("host-mounts", "run", "Volume", "/:/host"),
        ("host-mounts", "run", "VOLUME", "[\"data:/data\", \"/etc:/host:ro\"]"),
        ("host-mounts", "run", "volume.7", "/var/run/docker.sock:/var/run/docker.sock"),
        ("host-mounts", "run", "volumes", "data:/data\n/:/host"),
        ("host-mounts", "run", "volume", "\"/:/host\""),
        ("host-mounts", "service-run", "MOUNT", "Type=Bind,Src=/,Dst=/host"),
        ("host-mounts", "service_run", "mount.3", "type=bind,source=/etc,target=/host,ro"),
        ("host-mounts", "service-run", "mount", "source=x,target=/x,volume-opt=o=bind,volume-opt=device=/"),
        ("env-file", "service-run", "Env_File", "/etc/watchbell/config.ini"),
        ("privileged", "run", "Privileged", "YES"),
        ("privileged", "exec", "PRIVILEGED", "'on'"),
        ("env-file", "exec", "env_file", "/etc/watchbell/config.ini"),
        ("env-file", "exec", "ENV-FILE.0", "/etc/watchbell/config.ini"),
        ("env-file", "run", "Env-File", "[\"/etc/watchbell/config.ini\"]"),
    ];
    for (grant, kind, parameter, value) in asks {
        let mut written = Written::default()
            .label("enabled", "true")
            .label(&format!("job-{kind}.it.schedule"), "@daily")
            .label(&format!("job-{kind}.it.command"), "work")
            .label(&format!("job-{kind}.it.{parameter}"), value);
        if kind != "exec" {
            written = written.label(&format!("job-{kind}.it.image"), "worker");
        }
        // All but the one that is asked for.
        let others = Grant::ALL.map(|(_, name, _)| name).into_iter().filter(|name| *name != grant);
        written.file = format!("[global]\nallow-from-labels = {}\n", others.collect::<Vec<_>>().join(","));
        let refused = written.settle();
        assert!(!refused.has("web.it"), "{parameter}={value}");
        refused.tells(&[&format!("job-{kind}.it.{parameter}"), &format!("allow-from-labels={grant}")]);
        written.file = "[global]\nallow-from-labels = all\n".into();
        assert!(written.settle().has("web.it"), "{parameter}={value}");
    }
    // A volume of the Engine's own is no path of the machine.
    let mut own = Written::default().label("enabled", "true").label("job-run.it.schedule", "@daily");
    own = own.label("job-run.it.image", "worker").label("job-run.it.volume", "data:/data");
    own.file = "[global]\nallow-from-labels = run\n".into();
    assert!(own.settle().has("web.it"));
    let mut own = Written::default().label("enabled", "true").label("job-service-run.it.schedule", "@daily");
    own = own
        .label("job-service-run.it.image", "worker")
        .label("job-service-run.it.mount", "source=a,target=/a");
    own.file = "[global]\nallow-from-labels = service-run\n".into();
    assert!(own.settle().has("web.it"));
}

#[test]
fn every_mistake_of_a_job_is_told_and_each_once() {
    let mut written = Written::default().label("enabled", "true");
    written.file = "[job-defaults]\ntimeout = banana\n\
                    [job-local \"a\"]\nschedule = @daily\ncommand = x\n\
                    [job-local \"b\"]\nschedule = @dayly\ntimezone = Mars/X\nshell = bash\ncommand =\noverlap = skipp\nshedule = x\ntimeout = 5m\n\
                    [job-local \"c\"]\nschedule = @daily\ncommand = x\ntimeout = 1\n"
        .into();
    for (key, value) in [
        ("job-exec.m.enviroment", "A=1"),
        ("job-exec.m.timeout", "banana"),
        ("job-exec.m.container", "db"),
        ("job-exec.m.command", "x"),
        ("job-exec.m.schedule", "@daily"),
        ("job-exce.k.schedule", "@daily"),
        ("job-exce.k.command", "x"),
        ("job-exec.d.ot.schedule", "@daily"),
        ("job-exec.d.ot.command", "x"),
    ] {
        written = written.label(key, value);
    }
    let settled = written.clone().set("c.timeout=2m").settle();
    let expected = [
        "config.ini:2: timeout: \"banana\"",
        "config.ini:7: schedule: ",
        "config.ini:8: timezone: ",
        "config.ini:9: shell: ",
        "config.ini:10: command: ",
        "config.ini:11: overlap: ",
        "config.ini:12: unknown parameter",
        "config.ini:17: timeout: \"1\" has no unit: write for example 90s or 1h30m; it has no effect now, because flag --set c.timeout is over it",
        "container web (label watchbell.job-exec.m.enviroment): ",
        "container web (label watchbell.job-exec.m.timeout): ",
        "container web (label watchbell.job-exec.m.container): ",
        "container web (label watchbell.job-exce.k.command): ",
        "container web (label watchbell.job-exec.d.ot.command): ",
    ];
    for start in expected {
        let times = settled.told.iter().filter(|it| it.starts_with(start)).count();
        assert_eq!(times, 1, "{start}: {:#?}", settled.told);
    }
    assert_eq!(settled.told.len(), expected.len(), "{:#?}", settled.told);
    assert_eq!(settled.desired.jobs.keys().map(JobId::as_str).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_setting_that_is_wrong_in_a_hidden_layer_is_told_and_a_wrong_address_is_never_repeated() {
    let written = Written { file: "[global]\nmax-concurrent-runs = banana\n".into(), ..Written::default() };
    let settled = written.clone().variable("WATCHBELL_MAX_CONCURRENT_RUNS", "5").settle();
    settled
        .tells(&["config.ini:2", "it has no effect now, because environment WATCHBELL_MAX_CONCURRENT_RUNS"]);
    for host in
        ["tcp://user:hunter2-canary@h:1", "tpc://user:hunter2-canary@h:1", "tcp://h:1/?p=hunter2-canary"]
    {
        for name in ["DOCKER_HOST", "WATCHBELL_DOCKER_HOST"] {
            let settled = Written::default().variable(name, host).settle();
            settled
                .tells(&[name, "Engine's address"].map(|it| if host.starts_with("tpc") { name } else { it }));
            assert!(!format!("{:?}", settled.told).contains(SECRET), "{settled:?}");
        }
    }
}

#[test]
fn three_spellings_of_the_opt_in_that_disagree_opt_nothing_in() {
    let mut written = job();
    for (key, value) in [("Enabled", "true"), ("ENABLED", "false")] {
        written = written.label(key, value);
    }
    let settled = written.settle();
    assert!(!settled.has("web.sync"));
    settled.tells(&["says otherwise"]);
}

#[test]
fn a_container_that_the_operator_names_needs_no_grant_where_the_operator_says_what_is_run_in_it() {
    let mut written = job();
    written.file = "[job-exec \"web.sync\"]\ncontainer = db\n".into();
    let refused = written.settle();
    assert!(!refused.has("web.sync"), "the label says what is run");
    refused.tells(&["label watchbell.job-exec.sync.command", "allow-from-labels=exec-other"]);
    assert!(!job().set("web.sync.container=db").settle().has("web.sync"));
    assert!(written.clone().set("web.sync.command=work").settle().has("web.sync"));
    assert!(job().label("job-exec.sync.container", "web").settle().has("web.sync"), "its own name is itself");
}

#[test]
fn a_label_never_takes_the_place_of_a_job_that_the_file_defines_and_the_label_may_not() {
    let file = "[job-run \"web.sync\"]\nschedule = @daily\nimage = backup\n";
    for kind in ["job-run", "job-local", "job-exec"] {
        let mut written = Written::default()
            .label("enabled", "true")
            .label(&format!("{kind}.sync.schedule"), "@hourly")
            .label(&format!("{kind}.sync.command"), "evil");
        written.file = file.into();
        let settled = written.settle();
        let spec = settled.job("web.sync");
        assert_eq!((spec.kind().as_str(), spec.schedule.text()), ("run", "@daily"), "{kind}");
        settled.tells(&["container web"]);
    }
    let mut granted = Written::default().label("enabled", "true").label("job-run.sync.schedule", "@hourly");
    granted.file = format!("[global]\nallow-from-labels = run\n{file}");
    assert_eq!(granted.settle().job("web.sync").schedule.text(), "@hourly", "with the grant they are layers");
}

#[test]
fn a_mistake_in_a_label_never_removes_a_job_that_the_file_defines() {
    let slips = [
        ("job-exec.cleanup.comand", "a misspelt parameter"),
        ("job-local.cleanup.comand", "a misspelt parameter of the file's kind"),
        ("job-lokal.cleanup.schedule", "a kind that does not exist"),
        ("job-exec.cleanup", "no parameter at all"),
    ];
    for (key, what) in slips {
        let mut written = Written::default().label("enabled", "true").label(key, "@hourly");
        written.file = "[job-local \"web.cleanup\"]\nschedule = @daily\ncommand = tidy\n".into();
        let settled = written.settle();
        let spec = settled.job("web.cleanup");
        assert_eq!((spec.kind().as_str(), spec.schedule.text()), ("local", "@daily"), "{what}");
        assert_eq!(argv(spec), ["tidy"], "{what}");
        settled.tells(&["container web", key]);
    }
}

/// Its name can be read as one of a job that is there, with a parameter that does not exist.
#[test]
fn a_variable_for_a_job_that_is_not_there_never_rejects_another_one() {
    let mut written = Written::file("[job-local \"backup\"]\nschedule = @daily\ncommand = dump\n");
    let variable = "WATCHBELL_JOB_BACKUP_WEB_SYNC_TIMEOUT";
    written = written.variable(variable, "1m");
    let settled = written.settle();
    let spec = settled.job("backup");
    assert_eq!((spec.schedule.text(), spec.timeout), ("@daily", None));
    settled.tells(&[variable]);
}

#[test]
fn a_slip_in_any_place_is_told_with_the_place_and_the_right_spelling() {
    let mut written = job()
        .label("job-exec.a.shedule", "@daily")
        .label("job-exce.b.schedule", "@daily")
        .label("enabeld", "true")
        .label("log-level", "debug")
        .set("web.snyc.timeout=1m")
        .variable("WATCHBELL_LOG_LEVLE", "info")
        .variable("WATCHBELL_JOB_WEB_SNYC_TIMEOUT", "1m");
    written.labels.push(("watchbel.job-exec.c.schedule".into(), "@daily".into()));
    written.file = "[job-exec \"x\"]\nschedule = @daily\ncomand = work\ncommand = work\ncontainer = web\n\
                    [job-exce \"y\"]\n"
        .into();
    let settled = written.settle();
    for parts in [
        ["label watchbell.job-exec.a.shedule", "did you mean \"schedule\"?"],
        ["label watchbell.job-exce.b.schedule", "did you mean \"exec\"?"],
        ["label watchbell.enabeld", "did you mean \"watchbell.enabled\"?"],
        ["label watchbell.log-level", "never taken from another container's label"],
        ["label watchbel.job-exec.c.schedule", "did you mean \"watchbell.job-exec.c.schedule\"?"],
        ["flag --set web.snyc.timeout", "did you mean \"web.sync\"?"],
        ["environment WATCHBELL_LOG_LEVLE", "did you mean \"WATCHBELL_LOG_LEVEL\"?"],
        ["environment WATCHBELL_JOB_WEB_SNYC_TIMEOUT", "did you mean \"WATCHBELL_JOB_WEB_SYNC_TIMEOUT\"?"],
        ["config.ini:3", "did you mean \"command\"?"],
        ["config.ini:6", "did you mean \"job-exec\"?"],
    ] {
        settled.tells(&parts);
    }
    assert!(settled.has("web.sync"), "the right job is not touched");
    assert!(!settled.has("x") && !settled.has("web.a"));
}

/// Mistake 47: whatever is wrong around it, a value of the environment is never shown.
#[test]
fn a_secret_in_the_environment_of_a_job_is_never_shown() {
    let secret = format!("TOKEN={SECRET}");
    let bare = SECRET;
    let broken_json = format!("[\"TOKEN={SECRET}\"");
    let wrong_json = format!("[\"TOKEN={SECRET}\", 5]");
    let odd_json = format!("[\"{SECRET}\"]");
    let quoted = format!("\"TOKEN={SECRET}\"");
    let unnamed = format!("={SECRET}");
    for value in [&secret, bare, &broken_json, &wrong_json, &odd_json, &quoted, &unnamed] {
        let mut in_file = job();
        in_file.file = format!("[job-exec \"web.sync\"]\nenvironment = {value}\ntimeout = soon\n");
        for written in [
            job().label("job-exec.sync.environment", value),
            job().label("job-exec.sync.environment.0", value),
            job().label("job-exec.sync.environment.first", value),
            job().label("job-exec.sync.environmnt", value),
            job().label("job-exce.sync.environment", value),
            job().label("job-exec.sync.environment", value).label("job-exec.sync.ENVIRONMENT", value),
            job().label("job-exec.sync.environment", value).label("job-exec.sync.timeout", "soon"),
            job().set(&format!("web.sync.environment={value}")),
            job().set(&format!("web.snyc.environment={value}")),
            job().variable("WATCHBELL_JOB_WEB_SYNC_ENVIRONMENT", value),
            job().variable("WATCHBELL_JOB_WEB_SNYC_ENVIRONMENT", value),
            job().variable("WATCHBELL_ENVIRONMENT", value),
            in_file,
        ] {
            let settled = written.settle();
            let shown = format!("{:?} {:?} {}", settled.told, settled.desired, settled.debug);
            assert!(!shown.contains(SECRET), "{value}: {shown}");
        }
    }
}

#[test]
fn a_file_and_labels_that_speak_of_one_identity_are_one_job() {
    let mut written = job();
    written.file = "[job-exec \"web.sync\"]\nschedule = @hourly\ncommand = other\nuser = app\n".into();
    let settled = written.settle();
    assert_eq!(settled.desired.jobs.len(), 1);
    let spec = settled.job("web.sync");
    assert_eq!((spec.schedule.text(), argv(spec)), ("@daily", &["work".to_owned()][..]));
    assert!(matches!(&spec.work, Work::Exec(exec) if exec.user.as_deref() == Some("app")));
    assert_eq!(spec.origin.to_string(), "container web (label watchbell.job-exec.sync.schedule)");
}

fn any_container() -> impl Strategy<Value = Container> {
    let label = (
        prop::sample::select(vec!["exec", "run", "exce"]),
        prop::sample::select(vec!["a", "b"]),
        prop::sample::select(vec!["schedule", "command", "user", "COMMAND", "environment.1", "shedule"]),
        prop::sample::select(vec!["@daily", "@hourly", "work", "'open"]),
    );
    let labels = prop::collection::vec(label, 0..8);
    let state = prop::sample::select(vec![ContainerState::Running, ContainerState::Stopped]);
    (labels, state, 0..3i64, prop::sample::select(vec!["web", "db"]), any::<bool>()).prop_map(
        |(labels, state, created, service, on)| {
            let mut all: BTreeMap<String, String> = labels
                .into_iter()
                .map(|(kind, job, key, value)| {
                    (format!("watchbell.job-{kind}.{job}.{key}"), value.to_owned())
                })
                .collect();
            all.insert("watchbell.enabled".into(), on.to_string());
            all.insert("com.docker.compose.project".into(), "shop".into());
            all.insert("com.docker.compose.service".into(), service.into());
            Container { state, created, labels: all, ..container("", 0, []) }
        },
    )
}

proptest! {
    /// Mistake 11.
    #[test]
    fn the_order_in_which_the_engine_lists_containers_never_matters(
        (given, shuffled) in prop::collection::vec(any_container(), 0..6)
            .prop_map(|mut all| {
                for (n, it) in (1u8..).zip(&mut all) {
                    it.id = ContainerId(format!("{n:064x}").into());
                    it.name = format!("c{n}").into();
                }
                all
            })
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment::from([(
            "WATCHBELL_CONFIG".to_owned(),
            directory.path().display().to_string(),
        )]);
        let flags = SettingFlags::default();
        let sources = load(&flags, &environment).sources;
        let look = |containers: Vec<Container>| {
            resolve(&sources, View::Observed(&Inventory { containers, own: None, services: Services::none() }), now())
        };
        prop_assert_eq!(look(given), look(shuffled));
    }
}
