//! What was once read otherwise than those tools read it, and is held here.

use super::*;
use crate::settings::grants::Grants;

fn reading(dialect: Dialect, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Ini {
    let file = |_: &str| Err(String::new());
    read_ini(dialect, "ofelia.ini", text.as_bytes(), Outside { variable, file: &file })
}

/// The words of the commands in a file, by job, and what is said of it.
fn commands(
    dialect: Dialect,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> (Vec<String>, Vec<String>) {
    let (settings, _) = global::layers::settle(&[], &[], &Upper::default());
    let sources = Sources::given(settings, reading(dialect, text, variable));
    let desired = resolve(&sources, View::FilesOnly, Timestamp::UNIX_EPOCH);
    let argv = |spec: &JobSpec| match &spec.work {
        Work::Exec(it) => it.argv.join("·"),
        Work::Run(it) => it.argv.clone().unwrap_or_default().join("·"),
        Work::Start(it) => it.container.clone(),
        Work::Local(it) => it.argv.join("·"),
        Work::Compose(it) => it.argv.clone().unwrap_or_default().join("·"),
        Work::ServiceRun(it) => it.argv.clone().unwrap_or_default().join("·"),
        Work::Container(it) => it.action.as_str().to_owned(),
        Work::ServiceAction(it) => it.action.as_str().to_owned(),
    };
    let jobs = desired.jobs.iter().map(|(id, job)| format!("{id}: {}", argv(&job.spec)));
    (jobs.collect(), said(&desired.diagnostics))
}

fn local(lines: &str) -> String {
    format!("[job-local \"a\"]\nschedule = @daily\n{lines}\n")
}

#[test]
fn a_command_has_the_words_that_those_tools_split_it_into() {
    for (command, there) in [
        ("x --a='b c' 'd e'f", "x·--a='b·c'·d e·f"),
        ("a {b c} > d e", "a·{b c}·> d e"),
        ("grep '\\.x'", "grep·.x"),
    ] {
        let labels = [
            ("ofelia.enabled", "true"),
            ("ofelia.job-exec.a.schedule", "@daily"),
            ("ofelia.job-exec.a.user", "www"),
            ("ofelia.job-exec.a.command", command),
        ];
        let (jobs, _) = specs(&[Dialect::Ofelia], &labels);
        assert_eq!(lines(&jobs), [format!("exec web.a | @daily | {there} |  | www | allow")]);
    }
}

#[test]
fn escapes_of_a_file_are_read_and_the_two_makers_differ_in_them() {
    let text = local(r#"command = sh -c \"mysqldump x | gzip > y\""#);
    for (dialect, warnings) in [(Dialect::Ofelia, 1), (Dialect::Chadburn, 0)] {
        let (jobs, told) = commands(dialect, &text, &|_| None);
        assert_eq!((&*jobs[0], told.len()), ("a: sh·-c·mysqldump x | gzip > y", warnings), "{told:?}");
    }
    let (jobs, told) = commands(Dialect::Chadburn, &local(r"command = grep hunter2\d"), &|_| None);
    assert_eq!((jobs.len(), told.len()), (0, 1));
    assert!(
        told[0].starts_with("ofelia.ini:3 command: a backslash") && !told[0].contains("hunter2"),
        "{told:?}"
    );
}

#[test]
fn variables_are_replaced_in_every_value_of_ofelia_and_in_none_of_chadburn() {
    let set = |name: &str| (name == "TAG").then(|| "7".to_owned());
    let text = local("dir = /x/${TAG}/${NO:-y}/${NO}\ncommand = sh -c 'echo ${TAG} ${NO:-d} ${NO}'");
    let (jobs, told) = commands(Dialect::Ofelia, &text, &set);
    assert_eq!(jobs, ["a: sh·-c·echo 7 d ${NO}"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("ofelia.ini:4 \"command\": ${TAG}, ${NO} is replaced here"), "{told:?}");
    let layer = &reading(Dialect::Ofelia, &text, &set).jobs[&JobId::plain("a")].layer;
    assert_eq!(layer.get("workdir").unwrap().text, crate::settings::layer::Text::One("/x/7/y/${NO}".into()));
    let (jobs, told) = commands(Dialect::Chadburn, &text, &set);
    assert_eq!((&*jobs[0], told.len()), ("a: sh·-c·echo ${TAG} ${NO:-d} ${NO}", 0), "{told:?}");
}

#[test]
fn what_holds_for_a_whole_source_is_told_once_at_its_first_place() {
    let text = "[job-exec \"b\"]\nschedule = 0 1 * * *\ncontainer = c\ncommand = x\n\
        [job-run \"a\"]\nschedule = 0 2 * * *\nimage = i\n[job-run \"c\"]\nschedule = 0 3 * * *\nimage = i\n";
    let (jobs, told) = commands(Dialect::Ofelia, text, &|_| None);
    assert_eq!(jobs.len(), 3);
    let places: Vec<&str> = told.iter().map(|it| it.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["ofelia.ini:1", "ofelia.ini:2"], "{told:?}");
    for (told, part) in told.iter().zip(["a default-user", "five fields"]) {
        assert!(told.contains(part), "{told}");
    }
    let (_, told) = commands(Dialect::Ofelia, &format!("[global]\ndefault-user = root\n{text}"), &|_| None);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn what_holds_for_all_containers_is_told_once_at_the_first_of_them() {
    let (mut settings, _) = global::layers::settle(&[], &[], &Upper::default());
    settings.label_dialects = vec![Dialect::Ofelia];
    let sources = Sources::given(settings, Ini::default());
    let labels = [
        ("ofelia.enabled", "true"),
        ("ofelia.job-exec.a.schedule", "0 1 * * *"),
        ("ofelia.job-exec.a.command", "x"),
    ];
    let containers = ["web", "db", "cache"].map(|name| Container {
        id: ContainerId(name.into()),
        name: name.into(),
        ..container(&labels)
    });
    let inventory = Inventory { containers: containers.into(), own: None, services: Services::none() };
    let desired = resolve(&sources, View::Observed(&inventory), Timestamp::UNIX_EPOCH);
    let told = said(&desired.diagnostics);
    assert_eq!((desired.jobs.len(), told.len()), (3, 2), "{told:?}");
    assert!(told.iter().all(|it| it.starts_with("container cache ")), "{told:?}");
    assert!(desired.diagnostics.iter().all(|it| it.job.is_none()));
}

#[test]
fn the_number_of_jobs_holds_whatever_they_are_called() {
    let section = |header: &str| {
        let rest = if header.starts_with("job-exec") { "container = c\nuser = u\n" } else { "" };
        format!("[{header}]\nschedule = @daily\ncommand = x\n{rest}")
    };
    let text = [
        "job-exec \"MariaDB backup\"",
        "job-exec \"site.example\"",
        "job-exec \"é\"",
        "job-exec \"my job\"",
        "job-exec \"my-job\"",
        "job-local \"my-job\"",
    ];
    let text = text.map(section).concat();
    let (jobs, told) = commands(Dialect::Ofelia, &text, &|_| None);
    let names: Vec<&str> = jobs.iter().map(|it| it.split(':').next().unwrap()).collect();
    assert_eq!(names, ["MariaDB-backup", "job", "my-job", "my-job-2", "my-job-local", "site-example"]);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.iter().all(|it| it.contains("here the job is \"")), "{told:?}");
    let labels = [
        ("ofelia.enabled", "true"),
        ("ofelia.job-exec.my job.schedule", "@daily"),
        ("ofelia.job-exec.my job.command", "x"),
        ("ofelia.job-exec.my job.user", ""),
    ];
    let (jobs, told) = specs(&[Dialect::Ofelia], &labels);
    assert_eq!(
        lines(&jobs),
        ["exec web.my-job | @daily | x |  | root | allow"],
        "an empty user is the default"
    );
    assert_eq!(told.len(), 2, "{told:?}");
    let chore = [("deck-chores.my chore.command", "x"), ("deck-chores.my chore.interval", "daily")];
    let (jobs, told) = specs(&[Dialect::DeckChores], &chore);
    assert_eq!((jobs.len(), told.len()), (1, 1), "{told:?}");
}

#[test]
fn forms_of_ini_v1_are_read_for_ofelia() {
    let text = "[job-local \"a\"]\nschedule: @daily\ncommand = `sh -c \"a; b # c\"`\n\
        [job-local \"b\"]\nschedule = \"\"\"@hourly\"\"\"\nenvironment: A=b:c\ncommand = \"\"\"sh -c '\n  a;\n  b'\"\"\"\n\
        [job-local \"c\"]\nschedule = @daily\ncommand = x`\ndir = `not closed\n";
    let (jobs, told) = commands(Dialect::Ofelia, text, &|_| None);
    assert_eq!(jobs, ["a: sh·-c·a; b # c", "b: sh·-c·\n  a;\n  b", "c: x`"]);
    assert_eq!(told, [""; 0]);
    let ini = reading(Dialect::Ofelia, text, &|_| None);
    let place =
        |job: &str, name: &str| ini.jobs[&JobId::plain(job)].layer.get(name).unwrap().origin.to_string();
    assert_eq!(
        (place("b", "command"), place("c", "command")),
        ("ofelia.ini:7".into(), "ofelia.ini:12".into())
    );
    let (jobs, told) =
        commands(Dialect::Chadburn, "[job-local \"a\"]\nschedule: @daily\ncommand = x\n", &|_| None);
    assert_eq!((jobs.len(), told.len()), (0, 1), "{told:?}");
}

#[test]
fn a_schedule_that_the_tool_refuses_is_told() {
    let (jobs, told) =
        commands(Dialect::Chadburn, &local("command = x").replace("@daily", "0 22-2 * * *"), &|_| None);
    assert_eq!((jobs.len(), told.len()), (1, 1), "{told:?}");
    assert!(told[0].contains("Chadburn refuses \"22-2\""), "{told:?}");
    for (cron, refused) in
        [("22-2 0 0", true), ("mon 1 0 0", false), ("last * * 1 0 0", false), ("L * * 1 0 0", true)]
    {
        let labels = [("deck-chores.a.command", "x"), ("deck-chores.a.cron", cron)];
        let (jobs, told) = specs(&[Dialect::DeckChores], &labels);
        assert_eq!((jobs.len(), told.len()), (1, usize::from(refused)), "{cron}: {told:?}");
    }
}

#[test]
fn every_container_may_ask_ofelia_for_everything_and_the_grants_decide() {
    let labels = [
        ("ofelia.enabled", "true"),
        ("ofelia.job-run.a.schedule", "@daily"),
        ("ofelia.job-run.a.image", "x"),
        ("ofelia.job-run.a.user", "u"),
        ("ofelia.job-run.a.pull", "false"),
        ("ofelia.job-exec.b.schedule", "@daily"),
        ("ofelia.job-exec.b.command", "true"),
        ("ofelia.job-exec.b.user", "u"),
        ("ofelia.job-exec.b.container", "watchbell"),
        ("ofelia.job-local.c.schedule", "@daily"),
        ("ofelia.job-local.c.command", "true"),
    ];
    let (jobs, told) = specs(&[Dialect::Ofelia], &labels);
    assert_eq!(
        lines(&jobs),
        [
            "run web.a | @daily |  | x | u | allow",
            "exec web.b | @daily | true | watchbell | u | allow",
            "local web.c | @daily | true |  |  | allow",
        ]
    );
    assert_eq!(told, [""; 0]);
    let (mut settings, _) = global::layers::settle(&[], &[], &Upper::default());
    settings.label_dialects = vec![Dialect::Ofelia];
    settings.grants = Grants::default();
    let sources = Sources::given(settings, Ini::default());
    let inventory = Inventory { containers: vec![container(&labels)], own: None, services: Services::none() };
    let refused = resolve(&sources, View::Observed(&inventory), Timestamp::UNIX_EPOCH);
    assert_eq!(refused.jobs.len(), 0);
    for switch in ["run", "exec-other", "local"] {
        let switch = format!("allow-from-labels={switch}");
        assert_eq!(
            refused.diagnostics.iter().filter(|it| it.reason.contains(&switch)).count(),
            1,
            "{switch}"
        );
    }
}

#[test]
fn chadburn_takes_exec_for_the_labelled_container_only() {
    let (jobs, told) = specs(
        &[Dialect::Chadburn],
        &[
            ("chadburn.enabled", "true"),
            ("chadburn.job-local.a.schedule", "@daily"),
            ("chadburn.job-local.a.command", "x"),
            ("chadburn.job-exec.b.schedule", "@daily"),
            ("chadburn.job-exec.b.command", "true"),
            ("chadburn.job-exec.b.container", "watchbell"),
        ],
    );
    assert_eq!(lines(&jobs), ["exec web.b | @daily | true |  | root | allow"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|it| it.contains("the one with chadburn.service=true")), "{told:?}");
}

#[test]
fn a_job_whose_volume_the_engine_refuses_is_kept_and_never_due() {
    let file = "[job-run \"a\"]\nschedule=@daily\nimage=i\nuser=u\nvolume=./data:/tmp\nvolume=x:/y\n";
    let (jobs, told) = specs_of_file(Dialect::Ofelia, file);
    assert_eq!(lines(&jobs), ["run a | @daily |  | i | u | allow"]);
    assert!(!jobs[&JobId::plain("a")].enabled, "without its volume it would write into nowhere");
    let told: Vec<&String> = told.iter().filter(|it| it.starts_with("ofelia.ini:5 volume: ")).collect();
    assert!(
        matches!(told[..], [it] if it.contains("\"./data\"") && it.contains("enabled=false")),
        "{told:?}"
    );
}

#[test]
fn a_file_with_the_kinds_that_ofelias_own_example_has_loads_with_all_its_jobs() {
    let file = "[job-run \"dates\"]\nschedule = @every 30s\nimage = alpine\ncommand = sh -c 'date >> /tmp/x'\n\
                volume = ./data:/tmp\n\n[job-local \"here\"]\nschedule = @every 45s\ncommand = echo \"a b\"\n\n\
                # Needs a Swarm\n[job-service-run \"there\"]\nschedule = 0,20,40 * * * *\nimage = alpine\n\
                command = touch /tmp/x\n";
    let (jobs, told) = specs_of_file(Dialect::Ofelia, file);
    assert_eq!(jobs.len(), 3, "{told:?}");
    assert_eq!(
        lines(&jobs),
        [
            "run dates | @every 30s | sh·-c·date >> /tmp/x | alpine | root | allow",
            "local here | @every 45s | echo·a b |  |  | allow",
            "service-run there | 0,20,40 * * * * | touch·/tmp/x | alpine | root | allow",
        ]
    );
}

#[test]
fn a_job_that_has_another_name_here_is_found_by_those_that_name_it() {
    let file = "[job-local \"x y\"]\nschedule=@daily\ncommand=a\n[job-local \"z\"]\nschedule=@daily\ncommand=b\n\
                on-success = x y, z2\n[job-local \"z2\"]\nschedule=@daily\ncommand=c\n";
    let (jobs, told) = specs_of_file(Dialect::Ofelia, file);
    assert_eq!(jobs.len(), 3, "{told:?}");
    let edges = &jobs[&JobId::plain("z")].policies.edges;
    assert_eq!(edges.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["x-y", "z2"]);
}
