//! What other tools' people write, and what becomes of it here.

mod found;

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    model::{
        container::{ContainerId, ContainerState, Inventory},
        image::PullPolicy,
        job::{JobSpec, Overlap, Replica, Work},
        name::JobId,
        origin::Origin,
        swarm::Services,
    },
    settings::{
        global::{self, layers::Upper},
        resolve::{Sources, View, resolve},
    },
};

fn container(labels: &[(&str, &str)]) -> Container {
    Container {
        id: ContainerId("0".repeat(64).into()),
        name: "web".into(),
        state: ContainerState::Running,
        healthy: None,
        created: 0,
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

fn said(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(|it| format!("{} {}", it.origin, it.reason)).collect()
}

/// The jobs that come of labels, with every grant, and what is said.
fn specs(dialects: &[Dialect], labels: &[(&str, &str)]) -> (BTreeMap<JobId, JobSpec>, Vec<String>) {
    let (mut settings, _) = global::layers::settle(&[], &[], &Upper::default());
    settings.label_dialects = dialects.to_vec();
    settings.grants = crate::settings::grants::Grants::parse("all").unwrap();
    let sources = Sources::given(settings, Ini::default());
    let inventory = Inventory { containers: vec![container(labels)], own: None, services: Services::none() };
    let desired = resolve(&sources, View::Observed(&inventory), Timestamp::UNIX_EPOCH);
    let jobs = desired.jobs.into_iter().map(|(id, job)| (id, (*job.spec).clone()));
    (jobs.collect(), said(&desired.diagnostics))
}

fn ini_of(dialect: Dialect, text: &str) -> Ini {
    let file = |_: &str| Err(String::new());
    read_ini(dialect, "ofelia.ini", text.as_bytes(), Outside { variable: &|_| None, file: &file })
}

fn specs_of_file(dialect: Dialect, text: &str) -> (BTreeMap<JobId, JobSpec>, Vec<String>) {
    let (settings, _) = global::layers::settle(&[], &[], &Upper::default());
    let file = ini_of(dialect, text);
    let mut told = said(&file.broken);
    let sources = Sources::given(settings, file);
    let desired = resolve(&sources, View::FilesOnly, Timestamp::UNIX_EPOCH);
    told.extend(said(&desired.diagnostics));
    let jobs = desired.jobs.into_iter().map(|(id, job)| (id, (*job.spec).clone()));
    (jobs.collect(), told)
}

/// Kind, schedule, command, container or image, user and overlap of a job, as one line.
fn line(spec: &JobSpec) -> String {
    let (argv, place, user) = match &spec.work {
        Work::Exec(it) => (it.argv.clone(), it.container.clone(), it.user.clone()),
        Work::Run(it) => (it.argv.clone().unwrap_or_default(), it.image.clone(), it.user.clone()),
        Work::Start(it) => (Vec::new(), Some(it.container.clone()), None),
        Work::Local(it) => (it.argv.clone(), it.workdir.clone(), None),
        Work::ServiceRun(it) => (it.argv.clone().unwrap_or_default(), it.image.clone(), it.user.clone()),
        Work::ServiceAction(it) => (vec![it.action.as_str().to_owned()], Some(it.service.clone()), None),
        Work::Compose(it) => {
            (it.argv.clone().unwrap_or_default(), it.services.first().cloned(), it.user.clone())
        }
        Work::Container(it) => (Vec::new(), it.container.clone(), None),
    };
    let overlap = Overlap::NAMES.iter().find(|(_, it)| *it == spec.overlap).map_or("", |it| it.0);
    let text = spec.schedule.text();
    let (place, user) = (place.unwrap_or_default(), user.unwrap_or_default());
    format!("{} {} | {text} | {} | {place} | {user} | {overlap}", spec.kind(), spec.id, argv.join("·"))
}

fn lines(specs: &BTreeMap<JobId, JobSpec>) -> Vec<String> {
    specs.values().map(line).collect()
}

#[test]
fn labels_of_ofelia_run_in_their_own_container_as_root_and_may_overlap() {
    let (jobs, told) = specs(
        &[Dialect::Ofelia],
        &[
            ("ofelia.enabled", "true"),
            ("ofelia.job-exec.datecron.schedule", "@every 5s"),
            ("ofelia.job-exec.datecron.command", "uname -a"),
            ("ofelia.job-exec.flush-nginx-logs.schedule", "0 0 1 * * *"),
            ("ofelia.job-exec.flush-nginx-logs.command", "/bin/bash /flush-logs.sh"),
            ("ofelia.job-exec.flush-nginx-logs.user", "www-data"),
            ("ofelia.job-exec.flush-nginx-logs.tty", "false"),
            ("ofelia.job-exec.flush-nginx-logs.no-overlap", "true"),
            ("ofelia.job-exec.flush-nginx-logs.environment", "[\"FOO=bar\", \"BAZ=a,b\"]"),
        ],
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("jobs that name no user run as root"), "{told:?}");
    assert_eq!(
        lines(&jobs),
        [
            "exec web.datecron | @every 5s | uname·-a |  | root | allow",
            "exec web.flush-nginx-logs | 0 0 1 * * * | /bin/bash·/flush-logs.sh |  | www-data | skip",
        ]
    );
    let Work::Exec(exec) = &jobs[&JobId::plain("web.flush-nginx-logs")].work else { panic!("exec") };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(exec.environment.0, [pair("FOO", "bar"), pair("BAZ", "a,b")]);
}

#[test]
fn ofelias_own_container_may_define_every_kind_and_a_label_alone_grants_nothing() {
    let labels = [
        ("ofelia.enabled", "true"),
        ("ofelia.service", "true"),
        ("ofelia.job-run.print.schedule", "@every 5s"),
        ("ofelia.job-run.print.image", "alpine:latest"),
        ("ofelia.job-run.print.command", "sh -c 'date | tee -a /tmp/test/date'"),
        ("ofelia.job-run.print.network", "back"),
        ("ofelia.job-run.print.delete", "true"),
        ("ofelia.job-local.my-test-job.schedule", "@every 5s"),
        ("ofelia.job-local.my-test-job.command", "date"),
        ("ofelia.job-local.my-test-job.dir", "/tmp/"),
        ("ofelia.job-exec.there.schedule", "@hourly"),
        ("ofelia.job-exec.there.container", "db"),
        ("ofelia.job-exec.there.command", "true"),
    ];
    let (jobs, told) = specs(&[Dialect::Ofelia], &labels);
    let places: Vec<&str> = told.iter().map(|it| it.split(')').next().unwrap()).collect();
    let exec = "container web (label ofelia.job-exec.there";
    assert_eq!(places, [exec], "the default user: {told:?}");
    assert_eq!(
        lines(&jobs),
        [
            "local web.my-test-job | @every 5s | date | /tmp/ |  | allow",
            "run web.print | @every 5s | sh·-c·date | tee -a /tmp/test/date | alpine:latest | root | allow",
            "exec web.there | @hourly | true | db | root | allow",
        ]
    );
    let (mut settings, _) = global::layers::settle(&[], &[], &Upper::default());
    settings.label_dialects = vec![Dialect::Ofelia];
    let sources = Sources::given(settings, Ini::default());
    let inventory = Inventory { containers: vec![container(&labels)], own: None, services: Services::none() };
    let refused = resolve(&sources, View::Observed(&inventory), Timestamp::UNIX_EPOCH);
    assert_eq!(refused.jobs.len(), 0);
    for grant in ["run", "local", "exec-other"] {
        let switch = format!("allow-from-labels={grant}");
        assert!(refused.diagnostics.iter().any(|it| it.reason.contains(&switch)), "{grant}");
    }
}

#[test]
fn a_container_without_the_switch_of_its_tool_has_no_jobs_and_is_told_so() {
    for (dialect, prefix) in [(Dialect::Ofelia, "ofelia"), (Dialect::Chadburn, "chadburn")] {
        let schedule = format!("{prefix}.job-exec.a.schedule");
        let (jobs, told) = specs(&[dialect], &[(&schedule, "@daily")]);
        assert_eq!((jobs.len(), told.len()), (0, 1));
        assert!(told[0].contains(&format!("{prefix}.enabled is not \"true\"")), "{told:?}");
    }
    let other = [("ofelia.enabled", "true"), ("ofelia.job-exec.a.schedule", "@daily")];
    assert_eq!(specs(&[Dialect::Watchbell], &other), (BTreeMap::new(), Vec::new()), "it was not asked for");
}

#[test]
fn what_is_missing_is_asked_for_in_the_tools_own_labels() {
    let (_, told) = specs(&[Dialect::DeckChores], &[("deck-chores.a.interval", "daily")]);
    assert_eq!(told, ["container web command: it is missing: add it to the job's labels on container web"]);
}

#[test]
fn five_fields_have_the_minute_first_and_ofelias_older_reading_is_told() {
    let labels = |prefix: &str| {
        [("enabled", "true"), ("job-exec.a.schedule", "0 1 * * *"), ("job-exec.a.command", "x")]
            .map(|(key, value)| (format!("{prefix}.{key}"), value))
    };
    for (dialect, prefix, warnings) in [(Dialect::Ofelia, "ofelia", 2), (Dialect::Chadburn, "chadburn", 0)] {
        let labels = labels(prefix);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let (jobs, told) = specs(&[dialect], &labels);
        assert_eq!(jobs[&JobId::plain("web.a")].schedule.words(), "at 01:00 (UTC)");
        assert_eq!(told.len(), warnings, "{told:?}");
        assert_eq!(told.iter().filter(|it| it.contains("schedule: five fields")).count(), warnings / 2);
    }
}

#[test]
fn ours_wins_over_a_foreign_definition_of_the_same_job_whatever_is_wrong_with_that() {
    let (jobs, told) = specs(
        &[Dialect::Ofelia, Dialect::Watchbell],
        &[
            ("watchbell.enabled", "true"),
            ("watchbell.job-exec.a.schedule", "@daily"),
            ("watchbell.job-exec.a.command", "ours"),
            ("ofelia.enabled", "true"),
            ("ofelia.job-exec.a.schedule", "@hourly"),
            ("ofelia.job-exec.a.command", "theirs"),
            ("ofelia.job-exec.a.no-overlap", "perhaps"),
        ],
    );
    assert_eq!(lines(&jobs), ["exec web.a | @daily | ours |  |  | skip"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("label ofelia.job-exec.a") && told[0].contains("have no effect"), "{told:?}");
}

#[test]
fn deck_chores_counts_days_from_monday_and_needs_no_switch() {
    let (jobs, told) = specs(
        &[Dialect::DeckChores],
        &[
            ("deck-chores.dump.command", "sh -c \"mysqldump --all-databases > /dumps/dump\""),
            ("deck-chores.dump.interval", "daily"),
            ("deck-chores.clear-caches.command", "drush cc all"),
            ("deck-chores.clear-caches.cron", "0 3 30 0"),
            ("deck-chores.clear-caches.user", "www-data"),
            ("deck-chores.clear-caches.timezone", "Europe/Berlin"),
            ("deck-chores.clear-caches.max", "3"),
            ("deck-chores.sunday.command", "x"),
            ("deck-chores.sunday.cron", "6 1 0 0"),
            ("deck-chores.sunday.env.TOKEN", "a=b,c"),
            ("deck-chores.sunday.workdir", "/srv"),
            ("deck-chores.options.user", "app"),
            ("deck-chores.options.flags", "image,service"),
        ],
    );
    assert_eq!(
        lines(&jobs),
        [
            "exec web.clear-caches | 30 3 * * MON | drush·cc·all |  | www-data | allow",
            "exec web.dump | @every 24h | sh·-c·mysqldump --all-databases > /dumps/dump |  | app | skip",
            "exec web.sunday | 0 1 * * SUN | x |  | app | skip",
        ]
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("there is no limit of 3 here"), "{told:?}");
    let Work::Exec(exec) = &jobs[&JobId::plain("web.sunday")].work else { panic!("exec") };
    assert_eq!(exec.environment.0, [("TOKEN".to_owned(), "a=b,c".to_owned())]);
}

#[test]
fn noservice_of_deck_chores_is_a_run_in_each_replica() {
    for (flags, replica) in [("noservice,image", Replica::All), ("service", Replica::One)] {
        let labels = [
            ("deck-chores.a.command", "x"),
            ("deck-chores.a.interval", "daily"),
            ("deck-chores.options.flags", flags),
        ];
        let (jobs, told) = specs(&[Dialect::DeckChores], &labels);
        assert_eq!(told, [""; 0]);
        let Work::Exec(exec) = &jobs.values().next().unwrap().work else { panic!("exec") };
        assert_eq!(exec.replica, replica);
    }
}

#[test]
fn options_of_deck_chores_that_mean_something_else_here_are_told() {
    for (label, value, hint) in [
        ("deck-chores.options", "noimage", "noimage"),
        ("deck-chores.options.flags", "noservise", "did you mean \"noservice\"?"),
        ("deck-chores.options.flag", "image", "did you mean \"options.flags\"?"),
    ] {
        let labels = [("deck-chores.a.command", "x"), ("deck-chores.a.interval", "daily"), (label, value)];
        let (jobs, told) = specs(&[Dialect::DeckChores], &labels);
        assert_eq!((jobs.len(), told.len()), (1, 1), "{told:?}");
        assert!(told[0].contains(label) && told[0].contains(hint), "{told:?}");
    }
}

#[test]
fn two_schedules_of_one_chore_and_one_without_counterpart_cost_that_job() {
    let (jobs, told) = specs(
        &[Dialect::DeckChores],
        &[
            ("deck-chores.a.command", "x"),
            ("deck-chores.a.cron", "1 0 0"),
            ("deck-chores.a.interval", "daily"),
            ("deck-chores.b.command", "x"),
            ("deck-chores.b.cron", "12 * 1 0 0"),
            ("deck-chores.c.command", "x"),
            ("deck-chores.c.interval", "hourly"),
        ],
    );
    assert_eq!(lines(&jobs), ["exec web.c | @every 1h | x |  |  | skip"]);
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn labels_of_swarm_cronjob_are_told_of_once() {
    let (jobs, told) = specs(
        &[Dialect::SwarmCronjob],
        &[
            ("swarm.cronjob.enable", "true"),
            ("swarm.cronjob.schedule", "* * * * *"),
            ("swarm.cronjob.skip-runing", "true"),
        ],
    );
    assert_eq!((jobs.len(), told.len()), (0, 2));
    assert!(told.iter().any(|it| it.contains("did you mean \"skip-running\"?")), "{told:?}");
}

const FILE: &str = r#"[global]
save-folder = /var/log/ofelia
slack-webhook = https://hooks.example/secret
log-level = NOTICE
max-runtime = 1h

[job-exec "job-executed-on-running-container"]
schedule = @hourly
container = my-container
command = touch /tmp/example
no-overlap

[job-run "run-date"]
schedule = @every 30s   # twice a minute
image = alpine:latest
command = sh -c 'date >> /tmp/date.log; true'
environment = FOO=bar
environment = BAZ=qux

[job-local "local-echo"]
schedule = @every 45s
command = echo "Hello from local job"
dir = /tmp/

; This needs a Swarm
[job-service-run "swarm-example"]
schedule = 0,20,40 * * * *
image = alpine
command = touch /tmp/swarm-example

[job-exec "job-executed-on-running-container"]
user = www-data
"#;

#[test]
fn a_file_of_ofelia_gives_the_same_jobs() {
    let (jobs, told) = specs_of_file(Dialect::Ofelia, FILE);
    assert_eq!(
        lines(&jobs),
        [
            "exec job-executed-on-running-container | @hourly | touch·/tmp/example | my-container | www-data | skip",
            "local local-echo | @every 45s | echo·Hello from local job | /tmp/ |  | allow",
            "run run-date | @every 30s | sh·-c·date >> /tmp/date.log; true | alpine:latest | root | allow",
            "service-run swarm-example | 0,20,40 * * * * | touch·/tmp/swarm-example | alpine | root | allow",
        ]
    );
    assert!(jobs.values().all(|it| it.timeout == Some(std::time::Duration::from_secs(3600))));
    let Work::Run(run) = &jobs[&JobId::plain("run-date")].work else { panic!("run") };
    assert_eq!(run.environment.0.len(), 2);
    assert_eq!(run.pull.policy, PullPolicy::Always, "as there");
    let places: Vec<&str> = told.iter().map(|it| it.split(' ').next().unwrap()).collect();
    assert_eq!(
        places,
        ["ofelia.ini:2", "ofelia.ini:3", "ofelia.ini:13", "ofelia.ini:27", "ofelia.ini:16"],
        "{told:?}"
    );
    assert!(told.iter().all(|it| !it.contains("secret")), "{told:?}");
    let ini = ini_of(Dialect::Ofelia, FILE);
    assert_eq!((ini.global.len(), &*ini.global[0].value), (1, "info"));
}

#[test]
fn a_service_of_ofelia_is_one_here_with_what_both_have() {
    let (jobs, told) = specs_of_file(
        Dialect::Ofelia,
        "[job-service-run \"a\"]\nschedule = 0 0 3 * * *\nimage = backup:1\ncommand = dump --all\nnetwork = back\n\
         user = 33\ndelete = true\nenvironment = A=1\nmax-runtime = 1h\ndir = /srv\nno-overlap = true\n",
    );
    assert_eq!(told, [""; 0]);
    let job = &jobs[&JobId::plain("a")];
    let Work::ServiceRun(it) = &job.work else { panic!("{job:?}") };
    assert_eq!((it.image.as_deref(), it.networks.as_slice()), (Some("backup:1"), &["back".to_owned()][..]));
    assert_eq!((it.user.as_deref(), it.workdir.as_deref()), (Some("33"), Some("/srv")));
    assert_eq!((it.environment.0.len(), job.timeout.map(|it| it.as_secs())), (1, Some(3600)));
    let labels = [
        ("ofelia.enabled", "true"),
        ("ofelia.job-service-run.b.schedule", "@daily"),
        ("ofelia.job-service-run.b.image", "backup:1"),
        ("ofelia.job-service-run.b.delete", "false"),
    ];
    let (jobs, told) = specs(&[Dialect::Ofelia], &labels);
    assert_eq!(lines(&jobs), ["service-run web.b | @daily |  | backup:1 | root | allow"]);
    assert!(told.iter().any(|it| it.contains("\"delete\" is not yet supported")), "{told:?}");
}

#[test]
fn a_slip_in_a_file_of_ofelia_has_its_line_and_a_hint() {
    let (jobs, told) = specs_of_file(
        Dialect::Ofelia,
        "[job-exce \"a\"]\nx=1\n[job-local \"b\"]\nshedule=@daily\ncommand=x\n[job-local \"c d\"]\n\
         [globall]\n[job-local \"e\"]\nschedule=@daily\ncommand=a \\\n  b\n",
    );
    assert_eq!(lines(&jobs), ["local e | @daily | a·b |  |  | allow"]);
    for hint in ["ini:1 ", "\"job-exec\"?", "\"schedule\"?", "ini:6 ", "\"global\"?"] {
        assert!(told.iter().any(|it| it.contains(hint)), "{hint}: {told:?}");
    }
}

#[test]
fn a_name_that_two_kinds_share_is_the_firsts_and_both_jobs_stay() {
    let (jobs, told) = specs_of_file(
        Dialect::Ofelia,
        "[job-local \"a\"]\nschedule=@daily\ncommand=x\n[job-run \"a\"]\nschedule=@daily\nimage=i\nuser=u\n",
    );
    assert_eq!(lines(&jobs), ["local a | @daily | x |  |  | allow", "run a-run | @daily |  | i | u | allow"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("ofelia.ini:4 a job of another kind has this name too"), "{told:?}");
}

#[test]
fn a_secret_in_a_foreign_label_or_file_is_never_told() {
    let (_, told) = specs(
        &[Dialect::Ofelia, Dialect::Chadburn, Dialect::DeckChores],
        &[
            ("ofelia.enabled", "true"),
            ("ofelia.service", "true"),
            ("ofelia.smtp-password", "hunter2"),
            ("ofelia.webhook-token", "hunter2"),
            ("ofelia.job-local.a.environment", "hunter2"),
            ("ofelia.job-local.a.slack-webhook", "hunter2"),
            ("ofelia.job-local.a.pasword", "hunter2"),
            ("chadburn.gotify-token", "hunter2"),
            ("deck-chores.b.env.", "hunter2"),
            ("deck-chores.b.env", "hunter2"),
        ],
    );
    let (_, of_file) = specs_of_file(
        Dialect::Chadburn,
        "[global]\ngotify-token=hunter2\nsmtp-pasword=hunter2 # hunter2\n[job-local \"a\"]\nenvironment=hunter2;#\n\
         hunter2 hunter2\n[webhook \"x\"]\nsecret=hunter2\n",
    );
    assert!(told.len() > 6 && of_file.len() > 4, "{told:?} {of_file:?}");
    assert!(told.iter().chain(&of_file).all(|it| !it.contains("hunter2")), "{told:?} {of_file:?}");
}

/// Every key of every tool, alone on a job of its kind or on the tool's own container: something comes of it.
#[test]
fn every_known_key_is_taken_or_told_of() {
    for (name, dialect) in &Dialect::NAMES[1..] {
        for key in dialect.keys() {
            let prefix = match dialect {
                Dialect::SwarmCronjob => "swarm.cronjob",
                _ => name,
            };
            if key.kinds.is_empty() && *dialect == Dialect::DeckChores {
                continue; // Tried by name above; they act on jobs.
            }
            for value in ["true", "1", "1h", "x"] {
                let kinds: Vec<String> = key.kinds.iter().map(|kind| format!("job-{kind}.")).collect();
                let jobs: Vec<String> = match dialect {
                    Dialect::DeckChores => vec!["a.".to_owned()],
                    _ if key.kinds.is_empty() => vec![String::new()],
                    _ => kinds.iter().map(|kind| format!("{kind}a.")).collect(),
                };
                for job in jobs {
                    let label = format!("{prefix}.{job}{}", key.name);
                    let (enabled, service) = (format!("{prefix}.enabled"), format!("{prefix}.service"));
                    let mut labels = vec![(label.as_str(), value)];
                    if matches!(dialect, Dialect::Ofelia | Dialect::Chadburn) {
                        labels.extend([(enabled.as_str(), "true"), (service.as_str(), "true")]);
                    }
                    let read = dialect.labels(&container(&labels), false);
                    let written = |origin: &Origin| origin.to_string().contains(&label);
                    let told = read.diagnostics.iter().any(|it| written(&it.origin) || it.rejects);
                    let taken =
                        read.jobs.values().any(|draft| draft.layer.iter().any(|(_, it)| written(&it.origin)));
                    let holds = matches!(
                        key.becomes,
                        table::Becomes::Parameter(_, read) if read(value).holds
                    );
                    assert!(told || taken || holds, "{label}={value}: {read:?}");
                }
            }
        }
    }
}

#[test]
fn a_path_can_name_the_dialect_of_its_file() {
    assert_eq!(split_path("ofelia:/etc/x.ini"), (Some(Dialect::Ofelia), "/etc/x.ini"));
    assert_eq!(split_path("watchbell:x"), (Some(Dialect::Watchbell), "x"));
    assert_eq!(split_path("/etc/a:b"), (None, "/etc/a:b"));
    assert_eq!(split_path("deck-chores:x"), (None, "deck-chores:x"), "it has no files");
    assert_eq!(of_files(&[Dialect::DeckChores, Dialect::Chadburn, Dialect::Ofelia]), Dialect::Chadburn);
    assert_eq!(of_files(&[Dialect::Ofelia, Dialect::Watchbell]), Dialect::Watchbell);
    assert_eq!(of_files(&[Dialect::DeckChores]), Dialect::Watchbell);
}

#[test]
fn dialects_are_named_with_commas_or_lines() {
    assert_eq!(Dialect::list("watchbell, Ofelia\ndeck_chores").unwrap().len(), 3);
    assert!(Dialect::list("ofelai").unwrap_err().contains("did you mean \"ofelia\"?"));
    assert!(Dialect::list(" ").is_err());
    for (name, dialect) in Dialect::NAMES {
        assert_eq!(dialect.as_str(), name, "the table is in the order of the enum");
    }
}

fn any_label() -> impl Strategy<Value = (String, String)> {
    let head = prop::sample::select(vec![
        "ofelia.",
        "chadburn.",
        "deck-chores.",
        "swarm.cronjob.",
        "ofelai.",
        "ofelia.job-exec.",
        "ofelia.job-run.",
        "deck-chores.options.",
        "chadburn.job-local.a.",
        "deck-chores.a.",
    ]);
    let tail = prop::sample::select(vec![
        "enabled",
        "service",
        "schedule",
        "cron",
        "interval",
        "date",
        "max",
        "env.A",
        "environment",
        "command",
        "tty",
        "user",
        "container",
        "image",
        "flags",
        "max-runtime",
        "jitter",
        "no-overlap",
        "retry-delay-ms",
        "",
    ]);
    (head, "[a-zà.]{0,3}", tail, prop_oneof![Just("true".to_owned()), "\\PC{0,20}", "[0-9*/,:. a-z-]{0,24}"])
        .prop_map(|(head, middle, tail, value)| (format!("{head}{middle}{tail}"), value))
}

proptest! {
    #[test]
    fn no_labels_make_it_panic_and_every_value_names_its_label(labels in prop::collection::vec(any_label(), 0..8)) {
        let all: Vec<Dialect> = Dialect::NAMES.iter().map(|(_, dialect)| *dialect).collect();
        let mut it = container(&[("ofelia.enabled", "true"), ("chadburn.enabled", "true")]);
        it.labels.extend(labels);
        for own in [false, true] {
            let read = read(&it, own, &all);
            for job in read.jobs.values() {
                prop_assert!(job.layer.iter().all(|(_, written)| written.origin.is_label()));
            }
        }
    }

    #[test]
    fn no_file_makes_it_panic(text in "(\\[job-(exec|run|local|x) \"?[a-z ]{0,3}\"?\\]\n|[a-z-]{0,8} ?= ?\\PC{0,12}\n|\\PC{0,20}\n){0,12}") {
        for dialect in [Dialect::Ofelia, Dialect::Chadburn] {
            ini_of(dialect, &text);
        }
    }

    #[test]
    fn no_schedule_makes_it_panic(text in "\\PC{0,40}|[0-9*/,a-z -]{0,40}") {
        go::schedule(&text);
        go::duration(&text);
        let _ = apscheduler::schedule(&text);
        for (_, dialect) in Dialect::NAMES {
            dialect.in_words(&text);
        }
    }
}
