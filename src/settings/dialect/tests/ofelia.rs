//! Ofelia's labels and files, and what Chadburn does otherwise.

use super::*;
use crate::model::image::PullPolicy;

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
