//! `validate`: every mistake with its place, and nothing that is secret.

use super::{Desk, SECRET};

const COMPOSE: &str = "services:
  web:
    image: shop
    labels:
      watchbell.enabled: true
      watchbell.job-exec.sync.schedule: \"@dayly\"
      watchbell.job-exec.sync.command: sync
      watchbell.job-exec.tidy.schedule: \"@daily\"
      watchbell.job-exec.tidy.comand: tidy
      watchbell.job-exec.warm.schedule: \"@hourly\"
      watchbell.job-exec.warm.command: warm
";

#[test]
fn a_mistake_in_a_compose_file_is_shown_with_its_line_and_a_caret() {
    let desk = Desk::new().file("compose.yaml", format!("name: shop\n{COMPOSE}"));
    let answer = desk.run(&["validate", "--labels", "compose.yaml"]);
    assert_eq!((answer.code, &*answer.err), (1, ""));
    answer.shows(
        "did you mean `@daily`?; the words are @yearly, @monthly, @weekly, @daily, @hourly, @every, @startup and @triggered
 --> compose.yaml:7:41 (container shop-web-1, label watchbell.job-exec.sync.schedule)
  |
7 |       watchbell.job-exec.sync.schedule: \"@dayly\"
  |                                         ^^^^^^^^
",
    );
    answer.shows(
        "error: job shop.web.tidy: unknown parameter \"comand\": did you mean \"command\"?
  --> compose.yaml:10:7 (container shop-web-1, label watchbell.job-exec.tidy.comand)
   |
10 |       watchbell.job-exec.tidy.comand: …
   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
    );
    answer.shows("job shop.web.warm (exec) runs every hour (UTC)");
    answer.shows("1 jobs, 2 errors, 0 warnings\n");
}

#[test]
fn a_mistake_in_an_ini_file_is_shown_with_its_line_and_a_caret() {
    let ini =
        "[global]\nlog-level = lowd\n[job-local \"a\"]\nschedule = @daily\ncommand = x\n\ttimeout =  soon\n";
    let answer = Desk::new().file("a.ini", ini).run(&["validate", "--config", "a.ini"]);
    assert_eq!(answer.code, 1);
    answer.shows(" --> a.ini:2:13\n  |\n2 | log-level = lowd\n  |             ^^^^\n");
    answer.shows(" --> a.ini:6:13\n  |\n6 |     timeout =  soon\n  |                ^^^^\n");
}

#[test]
fn for_programs_each_problem_has_its_file_line_and_column() {
    let desk = Desk::new().file("compose.yaml", COMPOSE).file("a.ini", "[global]\nlog-levl = x\n");
    let answer = desk.run(&["validate", "--output", "json", "--labels", "compose.yaml", "--config", "a.ini"]);
    assert_eq!(answer.code, 1);
    let json = answer.json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert_eq!(
        (&problems[0]["file"], &problems[0]["line"], &problems[0]["column"]),
        (&"a.ini".into(), &2.into(), &1.into())
    );
    assert_eq!(problems[0]["job"], serde_json::Value::Null);
    assert_eq!(
        (&problems[1]["file"], &problems[1]["line"], &problems[1]["column"]),
        (&"compose.yaml".into(), &6.into(), &41.into())
    );
    assert!(problems[1]["origin"].as_str().unwrap().starts_with("container "));
    assert_eq!((&problems[1]["severity"], &problems[2]["line"]), (&"error".into(), &9.into()));
    assert_eq!(json["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn the_json_of_docker_inspect_and_a_compose_file_are_told_apart_by_what_they_hold() {
    let inspected = r#"[{"Id": "0a", "Name": "/web", "Config": {"Labels": {"watchbell.enabled": "true",
        "watchbell.job-exec.a.schedule": "@daily", "watchbell.job-exec.a.command": "x"}}}]"#;
    let desk = Desk::new().file(
        "compose.json",
        r#"{"name": "shop", "services": {"db": {"labels": {"watchbell.enabled": true,
        "watchbell.job-exec.b.schedule": "@daily", "watchbell.job-exec.b.command": "x"}}}}"#,
    );
    let answer = desk.run_with(&["validate", "--labels", "-", "--labels", "compose.json"], inspected);
    assert_eq!((answer.code, &*answer.err), (0, ""), "{answer:?}");
    answer.shows("job shop.db.b (exec)");
    answer.shows("job web.a (exec)");
    let one = desk.run_with(&["validate", "--labels", "-"], &inspected[1..inspected.len() - 1]);
    one.shows("job web.a (exec)");
}

#[test]
fn a_later_compose_file_lies_over_an_earlier_one() {
    let over = "name: shop\nservices: {web: {labels: [watchbell.job-exec.sync.schedule=@daily, watchbell.job-exec.tidy.schedule=@noon]}}\n";
    let desk = Desk::new().file("a.yaml", format!("name: shop\n{COMPOSE}")).file("b.yaml", over);
    let answer = desk.run(&["validate", "--labels", "a.yaml", "--labels", "b.yaml"]);
    answer.shows("job shop.web.sync (exec)");
    answer.shows("--> a.yaml:10:7");
}

#[test]
fn what_cannot_be_read_is_a_problem_and_wrong_usage_is_not_the_same() {
    let desk = Desk::new()
        .file("broken.json", "[{\"Config\": \"hunter2-canary\",,]")
        .file("broken.yaml", "services:\n  web: [\n")
        .file("none.yaml", "a: b\n")
        .file("other.json", "[{\"a\": 1}]")
        .file("bytes", b"services:\n \xff\n");
    for (file, place) in [
        ("broken.json", "broken.json:1:"),
        ("broken.yaml", "broken.yaml:"),
        ("none.yaml", "none.yaml:1:1"),
        ("other.json", "other.json, container 1"),
        ("bytes", "bytes, line 2"),
        ("missing", "missing cannot be read"),
    ] {
        let answer = desk.run(&["validate", "--labels", file]);
        assert_eq!(answer.code, 1, "{file}: {answer:?}");
        answer.shows(place);
        answer.shows("0 jobs, 1 errors");
        assert!(!answer.out.contains(SECRET));
    }
    assert_eq!(desk.run(&["validate", "--labels"]).code, 2);
}

#[test]
fn a_secret_around_a_mistake_is_never_printed() {
    let compose = format!(
        "services:
  web:
    environment:
      PASSWORD: {SECRET}
      PASSWORD: {SECRET}
    labels:
      watchbell.enabled: true
      watchbell.job-exec.a.schedule: \"@daily\"
      watchbell.job-exec.a.command: x
      watchbell.job-exec.a.environment: '[\"A={SECRET}\", 5]'
      watchbell.job-exec.b.environmnt: {SECRET}
      watchbell.job-exec.c.environment: [\"A={SECRET}\"]
      watchbell.job-exce.d.environment: \"{SECRET}\"
      watchbell.job-exec.e.environment.first: >-
        {SECRET}
  db: {{labels: {{watchbell.enabled: maybe, watchbell.token: {SECRET}, x: \"{SECRET}\"}}}}
  list:
    labels:
      - watchbell.enabled=true
      - watchbell.job-exec.a.environment={SECRET}
      - watchbell.webhook={SECRET}
"
    );
    let ini = format!(
        "[global]\npassword = {SECRET}\ndocker-host = tcp://user:{SECRET}@engine\n{SECRET}\n[job-local \"a\"]\n\
         schedule = @daily\ncommand = x\nenvironment = {SECRET}\nenvironmnt = {SECRET}\ntimeout-file = {SECRET}\n\
         [notify \"x\"]\nurl = {SECRET}\n"
    );
    let desk = Desk::new().file("compose.yaml", compose).file("a.ini", ini);
    for output in ["text", "json"] {
        let answer =
            desk.run(&["validate", "--labels", "compose.yaml", "--config", "a.ini", "--output", output]);
        assert_eq!(answer.code, 1);
        assert!(!answer.out.contains(SECRET) && !answer.err.contains(SECRET), "{}", answer.out);
        assert!(answer.out.contains("environmnt"), "{}", answer.out);
    }
    let broken = Desk::new().file("c.yaml", format!("a: \"{SECRET}\" b\n c: {SECRET}\n"));
    let answer = broken.run(&["validate", "--labels", "c.yaml"]);
    assert!(answer.code == 1 && !answer.out.contains(SECRET), "{}", answer.out);
}

#[test]
fn variables_of_the_environment_are_put_into_a_compose_file() {
    let text = "name: shop\nservices: {web: {labels: {watchbell.enabled: true, watchbell.job-exec.a.schedule: $WHEN, watchbell.job-exec.a.command: x}}}\n";
    let desk = Desk::new().file("c.yaml", text);
    let answer = desk.run(&["validate", "--labels", "c.yaml"]);
    answer.shows("the variable WHEN is not set");
    let desk = desk.variable("WHEN", "@daily");
    assert_eq!(desk.run(&["validate", "--labels", "c.yaml"]).code, 0);
}

#[test]
fn what_can_do_nothing_with_such_a_schedule_is_warned_of() {
    let job = |name: &str, schedule: &str, rest: &str| {
        format!("[job-local \"{name}\"]\nschedule = {schedule}\ncommand = x\n{rest}\n")
    };
    let idle = "jitter = 5m\nmissed = all\nmissed-max = 3\nstart-deadline = 1m";
    let file = [
        "[job-defaults]\nmissed-max = 7\n".to_owned(),
        job("start", "@startup", idle),
        job("hand", "@triggered", "missed = once"),
        job("most", "@daily", "missed-max = 3"),
        job("fine", "@daily", idle),
        job("plain", "@startup", ""),
    ];
    let answer =
        Desk::new().file("a.ini", file.concat()).run(&["validate", "--config=a.ini", "--output=json"]);
    let problems = answer.json()["problems"].as_array().unwrap().clone();
    let told: Vec<String> = problems.iter().map(|it| it["reason"].as_str().unwrap().to_owned()).collect();
    let clock = |name: &str, schedule: &str| {
        format!("{name}: it has no effect: no clock names the moments of `{schedule}`: remove it")
    };
    let mut expected = ["jitter", "missed", "missed-max"].map(|name| clock(name, "@startup")).to_vec();
    expected.push(clock("missed", "@triggered"));
    expected.push("missed-max: it has no effect without missed=all: remove it".to_owned());
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(told), sorted(expected), "{problems:#?}");
    assert_eq!(answer.code, 0);
}
