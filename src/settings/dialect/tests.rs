//! What other tools' people write, and what becomes of it here: all of them together, and each in its own place.

mod anything;
mod deck_chores;
mod found;
mod ofelia;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::{
    model::{
        container::{ContainerId, ContainerState, Inventory},
        job::{JobSpec, Overlap, Work},
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
