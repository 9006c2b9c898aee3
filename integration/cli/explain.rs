//! `explain`: the truth about each value, layer by layer.

use serde_json::Value;

use watchbell::{
    cli::{Environment, args::SettingFlags, load::load},
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        swarm::Services,
    },
    settings::{explain::explain_settings, resolve::View},
};

use super::{Answer, Desk, SECRET};

/// A parameter in every layer, the lowest first: how it is written there, and what its origin is called.
const LAYERS: [(&str, &str); 7] = [
    ("10s", "default"),
    ("11s", "config.ini:2"),
    ("12s", "config.ini:4"),
    ("13s", "config.ini:6"),
    ("14s", "container shop-web-1 (label watchbell.job-exec.sync.grace-period)"),
    ("15s", "flag --set shop.web.sync.grace-period"),
    ("16s", "environment WATCHBELL_JOB_SHOP_WEB_SYNC_GRACE_PERIOD"),
];

/// What `explain` says with the first `layers` of them.
fn explain(layers: usize) -> Answer {
    let has = |layer: usize| layers > layer;
    let line = |layer: usize| {
        if has(layer) { format!("grace-period = {}\n", LAYERS[layer].0) } else { "# nothing\n".to_owned() }
    };
    let ini = format!(
        "[job-defaults]\n{}[job-defaults-exec]\n{}[job-exec \"shop.web.sync\"]\n{}",
        line(1),
        line(2),
        line(3)
    );
    let label = if has(4) { "      watchbell.job-exec.sync.grace-period: 14s\n" } else { "" };
    let compose = format!(
        "name: shop\nservices:\n  web:\n    image: x\n    labels:\n      watchbell.enabled: true\n      \
         watchbell.job-exec.sync.schedule: \"@daily\"\n      watchbell.job-exec.sync.command: work\n{label}"
    );
    let mut desk = Desk::new().file("config.ini", ini).file("compose.yaml", compose);
    if has(6) {
        desk = desk.variable("WATCHBELL_JOB_SHOP_WEB_SYNC_GRACE_PERIOD", LAYERS[6].0);
    }
    let mut arguments = vec!["explain", "shop.web.sync", "--output", "json"];
    arguments.extend(["--config", "config.ini", "--labels", "compose.yaml"]);
    if has(5) {
        arguments.extend(["--set", "shop.web.sync.grace-period=15s"]);
    }
    desk.run(&arguments)
}

fn row(answer: &Answer, name: &str) -> Value {
    let json = answer.json();
    let rows = json["parameters"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}: {answer:?}")).clone()
}

#[test]
fn layers_taken_away_one_by_one_give_each_in_turn_and_explain_tells_the_truth_each_time() {
    for layers in (1..=LAYERS.len()).rev() {
        let answer = explain(layers);
        assert_eq!(answer.code, 0, "{answer:?}");
        let row = row(&answer, "grace-period");
        let (value, origin) = LAYERS[layers - 1];
        assert_eq!((&row["value"], &row["origin"]), (&value.into(), &origin.into()));
        let hidden: Vec<(&str, &str)> = row["hides"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["value"].as_str().unwrap(), it["origin"].as_str().unwrap()))
            .collect();
        let lower: Vec<(&str, &str)> = LAYERS[1..layers.max(2) - 1].iter().rev().copied().collect();
        assert_eq!(hidden, lower, "with {layers} layers");
    }
}

/// Mistake 39.
#[test]
fn a_value_that_is_written_and_equal_to_the_default_is_in_force_over_lower_layers() {
    let desk = Desk::new()
        .file("a.ini", "[job-defaults]\noverlap = allow\n[job-local \"a\"]\nschedule = @daily\ncommand = x\noverlap = skip\n");
    let answer =
        desk.run(&["explain", "a", "--config", "a.ini", "--labels", "/dev/null", "--output", "json"]);
    let row = row(&answer, "overlap");
    assert_eq!((&row["value"], &row["origin"]), (&"skip".into(), &"a.ini:6".into()));
    assert_eq!(row["hides"][0]["value"], "allow");
}

#[test]
fn secrets_are_named_and_not_shown_in_text_and_json() {
    let ini = format!(
        "[job-defaults]\nenvironment = A={SECRET}\n[job-local \"a\"]\nschedule = @daily\ncommand = x\nenvironment = B={SECRET}\nenvironment = {SECRET}2=x\n"
    );
    let compose = "services:\n  web:\n    image: x\n";
    let desk = Desk::new()
        .file("a.ini", ini.replace(&format!("{SECRET}2"), "C"))
        .file("c.yaml", compose)
        .variable("WATCHBELL_JOB_A_ENVIRONMENT", &format!("[\"D={SECRET}\"]"));
    for output in ["text", "json"] {
        let answer =
            desk.run(&["explain", "a", "--config", "a.ini", "--labels", "c.yaml", "--output", output]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
        for shown in ["D=…", "B=…", "C=…", "A=…"] {
            answer.shows(shown);
        }
    }
}

#[test]
fn a_job_that_is_not_there_or_not_right_is_told_with_the_mend_and_exit_code_1() {
    let desk = Desk::new()
        .file("a.ini", "[job-local \"backup\"]\nschedule = @dayly\ncommand = x\n")
        .file("c.yaml", "services:\n  web:\n    image: x\n");
    let with = ["--config", "a.ini", "--labels", "c.yaml"];
    let answer = desk.run(&[&["explain", "bakcup"][..], &with].concat());
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("there is no job \"bakcup\": did you mean \"backup\"?"), "{answer:?}");
    let answer = desk.run(&[&["explain", "backup"][..], &with].concat());
    assert_eq!(answer.code, 1);
    answer.shows("job backup (local) is not on the schedule");
    answer.shows("error: a.ini:2: schedule: ");
}

#[test]
fn without_a_job_the_agents_settings_are_explained() {
    let desk = Desk::new()
        .file("a.ini", "[global]\nmax-concurrent-runs = 3\ntimezone = Asia/Tokyo\n")
        .file("c.yaml", "services:\n  web:\n    image: x\n")
        .variable("TZ", "Europe/Berlin")
        .variable("WATCHBELL_MAX_CONCURRENT_RUNS", "5");
    let answer = desk.run(&["explain", "--config", "a.ini", "--labels", "c.yaml", "--output", "json"]);
    let json = answer.json();
    let find = |name: &str| {
        json["settings"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone()
    };
    let runs = find("max-concurrent-runs");
    assert_eq!(
        (&runs["value"], &runs["origin"]),
        (&"5".into(), &"environment WATCHBELL_MAX_CONCURRENT_RUNS".into())
    );
    assert_eq!(runs["hides"][0]["origin"], "a.ini:2");
    let zone = find("timezone");
    assert_eq!(
        (&zone["value"], &zone["hides"][0]["origin"]),
        (&"Asia/Tokyo".into(), &"environment TZ".into())
    );
    assert_eq!(find("config")["origin"], "flag --config");
    assert_eq!(find("state-dir")["origin"], "default");
}

#[test]
fn a_setting_that_is_wrong_is_told_and_not_shown_as_in_force() {
    let ini = "[global]\nmax-concurrent-runs = \"3\"\ntimezone = Mars/X\nshutdown-grace = 5s\n";
    let desk = Desk::new()
        .file("a.ini", ini)
        .file("c.yaml", "services:\n  web:\n    image: x\n")
        .variable("TZ", "Europe/Berlin")
        .variable("WATCHBELL_SHUTDOWN_GRACE", "soon");
    let arguments = ["explain", "--config", "a.ini", "--labels", "c.yaml", "--docker-host"];
    let host = format!("tcp://user:{SECRET}@engine:2375");
    let arguments = [&arguments[..], &[&*host]].concat();
    let answer = desk.run(&arguments);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
    answer.shows("error: a.ini:3: ");
    answer.shows("error: environment WATCHBELL_SHUTDOWN_GRACE: ");
    answer.shows("warning: a.ini:2: the value is wrapped in literal quotes");
    answer.shows("\n\nSETTING ");
    let answer = desk.run(&[&arguments[..], &["--output", "json"]].concat());
    assert_eq!((answer.code, answer.out.contains(SECRET)), (1, false), "{answer:?}");
    let json = answer.json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 4, "{answer:?}");
    let find = |name: &str| {
        json["settings"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone()
    };
    let placed = |value: &str, origin: &str| serde_json::json!({ "value": value, "origin": origin });
    let row = |name: &str| {
        let it = find(name);
        (it["value"].clone(), it["origin"].clone(), it["refused"].clone(), it["hides"].clone())
    };
    let none = Value::Null;
    assert_eq!(row("max-concurrent-runs"), ("3".into(), "a.ini:2".into(), none, Value::Array(vec![])));
    let wrong = placed("Mars/X", "a.ini:3");
    let berlin = ("Europe/Berlin".into(), "environment TZ".into(), wrong, Value::Array(vec![]));
    assert_eq!(row("timezone"), berlin);
    let wrong = placed("soon", "environment WATCHBELL_SHUTDOWN_GRACE");
    let hidden = Value::Array(vec![placed("5s", "a.ini:4")]);
    assert_eq!(row("shutdown-grace"), ("8s".into(), "default".into(), wrong, hidden));
    let wrong = placed("…", "flag --docker-host");
    let host = ("unix:///var/run/docker.sock".into(), "default".into(), wrong, Value::Array(vec![]));
    assert_eq!(row("docker-host"), host);
}

#[test]
fn a_wrong_label_of_the_agents_own_container_is_told_and_not_in_force() {
    let labels = [("watchbell.timezone", "Mars/X"), ("watchbell.log-level", "debug")];
    let own = Container {
        id: ContainerId("0".repeat(64).into()),
        name: "watchbell".into(),
        state: ContainerState::Running,
        healthy: None,
        created: 0,
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    let inventory =
        Inventory { own: Some(own.id.clone()), containers: vec![own], services: Services::none() };
    let desk = Desk::new().file("empty.ini", "");
    let config = desk.path().join("empty.ini").display().to_string();
    let flags = SettingFlags { config: vec![config], ..SettingFlags::default() };
    let sources = load(&flags, &Environment::new()).sources;
    let explained = explain_settings(&sources, View::Observed(&inventory));
    let told: Vec<String> = explained.diagnostics.iter().map(|it| it.origin.to_string()).collect();
    let place = |key: &str| format!("container watchbell (label watchbell.{key})");
    assert_eq!(told, [place("log-level"), place("timezone")]);
    let zone = explained.settings.iter().find(|it| it.name == "timezone").unwrap();
    assert_eq!((&*zone.is.value, zone.is.origin.to_string()), ("UTC", "default".to_owned()));
    assert_eq!(zone.refused.as_ref().map(|it| it.origin.to_string()), Some(place("timezone")));
}

#[test]
fn the_zone_of_a_job_whose_schedule_names_one_is_that_of_the_prefix() {
    let file = "[global]\ntimezone = UTC\n[job-local \"u\"]\nschedule = TZ=Europe/Berlin 0 3 * * *\ntimezone = Asia/Tokyo\ncommand = u\n";
    let desk = Desk::new().file("a.ini", file);
    let flags = ["--config=a.ini", "--docker-host=unix:///no/engine.sock", "--output=json"];
    let explained = desk.run(&[&["explain", "u"][..], &flags].concat()).json();
    let rows = explained["parameters"].as_array().unwrap();
    let zone = rows.iter().find(|it| it["name"] == "timezone").unwrap();
    assert_eq!((&zone["value"], &zone["origin"]), (&"Europe/Berlin".into(), &"a.ini:4".into()), "{zone}");
    assert_eq!(zone["hides"][0]["value"], "Asia/Tokyo", "{zone}");
}
