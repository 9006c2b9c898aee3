//! What is printed, read again by our own parsers, is the same jobs.

use serde_json::json;

use super::*;
use crate::{
    model::job::Work,
    settings::{compose, ini},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn settings() -> global::Settings {
    let (mut settings, _) = global::layers::settle(&[], &[], &Upper::default());
    settings.grants = Grants::parse("all").unwrap();
    settings
}

fn migrate(from: From, text: &str) -> Migration {
    Migration::new(from, false, "file", text, settings(), &Environment::new(), NOW)
}

/// Specs without their places, which differ.
fn specs(jobs: impl IntoIterator<Item = (JobId, JobSpec)>) -> BTreeMap<JobId, JobSpec> {
    jobs.into_iter().map(|(id, spec)| (id, JobSpec { origin: Origin::Default, ..spec })).collect()
}

fn meant(migration: &Migration) -> BTreeMap<JobId, JobSpec> {
    let jobs = migration.jobs.iter();
    specs(jobs.filter_map(|(id, job)| Some((id.clone(), (**job.spec.as_ref()?).clone()))))
}

fn read_ini(text: &str) -> BTreeMap<JobId, JobSpec> {
    let file = ini::parse("file", text, &|_| None);
    assert_eq!((&file.broken, &file.diagnostics), (&vec![], &vec![]), "{text}");
    let sources = Sources::given(settings(), file);
    let desired = resolve(&sources, View::FilesOnly, NOW);
    specs(desired.jobs.into_iter().map(|(id, job)| (id, (*job.spec).clone())))
}

fn read_labels(text: &str, own: bool) -> BTreeMap<JobId, JobSpec> {
    let file = compose::parse("compose.yaml", text, Some("shop"), &|_| None);
    assert_eq!(file.diagnostics, [], "{text}");
    let own = own.then(|| file.containers[0].id.clone());
    let sources = Sources::given(settings(), Ini::default());
    let inventory =
        Inventory { containers: file.containers, own, services: crate::model::swarm::Services::none() };
    let desired = resolve(&sources, View::Observed(&inventory), NOW);
    specs(desired.jobs.into_iter().map(|(id, job)| (id, (*job.spec).clone())))
}

const FILE: &str = "[global]\nlog-level = debug\nmax-runtime = 90m\n[job-exec \"a\"]\nschedule = 0 0 1 * * *\n\
    container = db\ncommand = sh -c 'echo \"$HOME\" ${X:-y}'\nenvironment = A=$B\nenvironment = C=d;e\n\
    [job-run \"b\"]\nschedule = @every 1.5h\nimage = alpine\nnetwork = back\nenvironment = x=[1]\nno-overlap\ntty = true\n\
    [job-local \"c\"]\nschedule = 0 0 1 * * *\ncommand = \"true\"\ndir = /tmp\n\
    [job-service-run \"d\"]\nschedule = @daily\nimage = x\nnetwork = back\n\
    [job-compose \"e\"]\nschedule = @daily\nservice = x\n";

#[test]
fn a_file_printed_as_a_file_is_the_same_jobs() {
    let migration = migrate(From::Ofelia, FILE);
    assert_eq!(migration.jobs.len(), 4);
    assert!(migration.lost);
    let text = migration.text(Form::Ini).text;
    let meant = meant(&migration);
    assert_eq!(meant.len(), 4, "{text}");
    assert_eq!(read_ini(&text), meant, "{text}");
    let Work::Exec(exec) = &meant[&JobId::plain("a")].work else { panic!("exec") };
    assert_eq!(exec.argv, ["sh", "-c", "echo \"$HOME\" y"]);
    assert!(text.contains("command = sh -c 'echo \"$$HOME\" ${X:-y}'\n"), "{text}");
    for comment in [
        "# there: 0 0 1 * * * means second 0, minute 0, hour 1, day of month *, month *, day of week *",
        "# here: 0 0 1 * * * means at 01:00 (UTC)",
        "# next: 1970-01-01T01:00:00+00:00, 1970-01-02T01:00:00+00:00",
        "# job e is not here: file:25: jobs of kind compose are not yet supported",
        "# warning: file:16: \"tty\" is not yet supported here",
    ] {
        assert!(text.contains(comment), "{comment}\n{text}");
    }
}

#[test]
fn a_file_printed_as_labels_is_the_same_jobs_on_the_agents_own_container() {
    let migration = migrate(From::Chadburn, FILE);
    let text = migration.text(Form::Labels).text;
    assert_eq!(read_labels(&text, true), meant(&migration), "{text}");
}

#[test]
fn variables_that_the_tool_puts_in_are_printed_as_variables() {
    let file = "[job-run \"a\"]\nschedule = ${WHEN:-@daily}\nimage = x:${TAG:-1}\nuser = ${WHO}\nno-overlap = ${NO:-true}\n\
        command = sh -c 'echo ${HERE} ${SET}'\n";
    let environment = Environment::from([("SET".to_owned(), "hunter2".to_owned())]);
    let migration = Migration::new(From::Ofelia, false, "file", file, settings(), &environment, NOW);
    for form in [Form::Ini, Form::Labels] {
        let text = migration.text(form).text;
        for part in ["${WHEN:-@daily}", "x:${TAG:-1}", "${WHO}", "'echo $${HERE} ${SET}'", "means @daily"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("warning: file:6: \"command\": ${HERE} is not set here"), "{text}");
        assert!(text.contains("overlap") && !text.contains("hunter2"), "{text}");
    }
    let set = |name: &str| (name == "WHO").then(|| "me".to_owned());
    let read = ini::parse("file", migration.text(Form::Ini).text, &set);
    assert_eq!((&read.broken, read.diagnostics.len()), (&vec![], 1), "SET is the only one that is not set");
    let chadburn = migrate(From::Chadburn, file).text(Form::Ini).text;
    assert!(
        chadburn.contains("image = x:$${TAG:-1}") || chadburn.contains("job a is not here"),
        "{chadburn}"
    );
}

#[test]
fn labels_are_printed_with_the_name_of_their_project() {
    let labels = [("deck-chores.a.command", "x"), ("deck-chores.a.interval", "daily")];
    let migration = migrate(From::DeckChores, &inspected(&labels));
    let text = migration.text(Form::Labels).text;
    let file = compose::parse("elsewhere/compose.yaml", &text, None, &|_| None);
    assert_eq!(file.containers[0].home(), "shop.web", "{text}");
}

fn inspected(labels: &[(&str, &str)]) -> String {
    let mut all: BTreeMap<&str, &str> = labels.iter().copied().collect();
    all.insert("com.docker.compose.project", "shop");
    all.insert("com.docker.compose.service", "web");
    json!([{ "Id": "1", "Name": "/shop-web-1", "Config": { "Labels": all } }]).to_string()
}

#[test]
fn labels_printed_as_labels_are_the_same_jobs() {
    for (from, labels, count) in [
        (
            From::Ofelia,
            &[
                ("ofelia.enabled", "true"),
                ("ofelia.service", "true"),
                ("ofelia.job-exec.a.schedule", "@hourly"),
                ("ofelia.job-exec.a.container", "db"),
                ("ofelia.job-exec.a.command", "sh -c 'echo $HOME\ndate'"),
                ("ofelia.job-exec.a.environment", "[\"A=$B\", \"C=\\nd\"]"),
                ("ofelia.job-run.b.schedule", "@daily"),
                ("ofelia.job-run.b.image", "alpine"),
            ][..],
            2,
        ),
        (
            From::DeckChores,
            &[
                ("deck-chores.a.command", "true"),
                ("deck-chores.a.cron", "0 3 30 0"),
                ("deck-chores.a.env.X", "$1"),
                ("deck-chores.b.command", "\"true\""),
                ("deck-chores.b.interval", "daily"),
            ],
            2,
        ),
    ] {
        let migration = migrate(from, &inspected(labels));
        let (meant, text) = (meant(&migration), migration.text(Form::Labels).text);
        assert_eq!(meant.len(), count, "{text}");
        assert_eq!(read_labels(&text, false), meant, "{text}");
        let file = read_ini(&migration.text(Form::Ini).text);
        for (id, spec) in &meant {
            let mut other = file[id].clone();
            if let (Work::Exec(here), Work::Exec(there)) = (&spec.work, &mut other.work)
                && here.container.is_none()
            {
                assert_eq!(there.container.take().as_deref(), Some("shop-web-1"));
            }
            assert_eq!(*spec, other, "{}", migration.text(Form::Ini).text);
        }
    }
}

#[test]
fn labels_of_a_compose_file_are_read_as_well() {
    let text = "name: shop\nservices:\n  web:\n    labels:\n      deck-chores.a.command: x\n      deck-chores.a.cron: sun 1 0 0\n";
    let migration = migrate(From::DeckChores, text);
    let text = migration.text(Form::Labels).text;
    assert_eq!(meant(&migration).keys().map(JobId::as_str).collect::<Vec<_>>(), ["shop.web.a"]);
    for part in
        ["there: cron sun 1 0 0 means year *, month *", "day of week sun", "\"0 1 * * SUN\"", "(Monday is 0)"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_crontab_is_a_file_of_local_jobs() {
    let migration = migrate(
        From::Crontab,
        "SHELL=/bin/bash\nMAILTO=me\nA=b$c\n0 3 * * 7 /opt/backup.sh && date +\\%F\n\
         5 4 * * * mail x%Hello%$A\n@reboot boot\n",
    );
    let text = migration.text(Form::Ini).text;
    let meant = meant(&migration);
    assert_eq!(read_ini(&text), meant, "{text}");
    let Work::Local(backup) = &meant[&JobId::plain("backup")].work else { panic!("local") };
    assert_eq!(backup.argv, ["/bin/bash", "-c", "/opt/backup.sh && date +%F"]);
    let Work::Local(mail) = &meant[&JobId::plain("mail")].work else { panic!("local") };
    assert_eq!(mail.argv[2], "{ mail x\n} <<'WATCHBELL_INPUT'\nHello\n$A\nWATCHBELL_INPUT");
    assert!(text.contains("MAILTO has no effect") && text.contains("minute 0, hour 3"), "{text}");
    assert!(migration.lost);
}

#[test]
fn the_json_has_both_readings_and_the_next_occurrences() {
    let migration = migrate(From::Chadburn, "[job-local \"a\"]\nschedule = 0 1 * * *\ncommand = x\n");
    let text = migration.text(Form::Ini).text;
    let json = migration.json(&text);
    assert_eq!(json["jobs"][0]["there"]["words"], "minute 0, hour 1, day of month *, month *, day of week *");
    assert_eq!(json["jobs"][0]["here"]["words"], "at 01:00 (UTC)");
    assert_eq!(json["jobs"][0]["next"].as_array().unwrap().len(), 5);
    assert_eq!((json["problems"].as_array().unwrap().len(), migration.lost), (0, false));
}
