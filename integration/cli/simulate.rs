//! `simulate`, and `next` for schedules of other tools.

use super::Desk;

const FILE: &str = "[global]
timezone = Europe/Berlin
[job-local \"a\"]
schedule = 30 2 * * *
command = a
[job-local \"b\"]
schedule = 0 3 * * *
command = b
[job-local \"c\"]
schedule = CRON_TZ=America/New_York 0 * * * *
command = c
[job-local \"off\"]
schedule = @hourly
enabled = false
command = off
[job-local \"start\"]
schedule = @startup
command = start
";

const NIGHT: [&str; 6] =
    ["simulate", "--config=config.ini", "--from", "2026-03-29T01:00:00", "--to", "2026-03-29T04:00:00"];

fn night<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NIGHT.iter().chain(more).copied().collect()
}

#[test]
fn the_timetable_marks_the_change_of_the_clock_and_names_what_collides() {
    let answer = Desk::new().file("config.ini", FILE).run(&NIGHT);
    assert_eq!((answer.code, &*answer.err), (0, ""));
    assert_eq!(
        answer.out,
        "2026-03-29T03:00:00+02:00  -- the clock of Europe/Berlin goes from 02:00 to 03:00
2026-03-29T03:00:00+02:00  a
2026-03-29T03:00:00+02:00  b
2026-03-29T03:00:00+02:00  c
2026-03-29T04:00:00+02:00  c

by hour of the day in Europe/Berlin:
03:00  3
04:00  1

at the same moment:
3 jobs at 2026-03-29T03:00:00+02:00: a, b, c

jitter is not counted: each occurrence stands at the moment that the schedule names
off is not enabled
start comes when the agent starts
4 occurrences of 3 jobs after 2026-03-29T01:00:00+01:00 and up to 2026-03-29T04:00:00+02:00
"
    );
}

#[test]
fn the_timetable_is_also_json_and_csv() {
    let desk = Desk::new().file("config.ini", FILE);
    let json = desk.run(&night(&["--output", "json"])).json();
    assert_eq!(json["occurrences"].as_array().unwrap().len(), 4);
    assert_eq!(json["occurrences"][3]["time"], "2026-03-29T04:00:00+02:00");
    assert_eq!(json["collisions"][0]["jobs"], serde_json::json!(["a", "b", "c"]));
    assert_eq!(json["hours"]["03:00"], 3);
    assert_eq!(json["complete"], true);
    let csv = desk.run(&night(&["--output", "csv"]));
    assert!(csv.out.starts_with("time,job,clock_change\n2026-03-29T03:00:00+02:00,,the clock of"), "{csv:?}");
    assert!(csv.out.ends_with("\n2026-03-29T04:00:00+02:00,c,\n"), "{csv:?}");
    assert!(csv.err.contains("jitter is not counted"), "{csv:?}");
}

#[test]
fn a_table_that_would_not_end_is_cut_and_says_so() {
    let busy = "[job-local \"busy\"]\nschedule = * * * * * *\ncommand = x\n";
    let desk = Desk::new().file("config.ini", busy);
    let answer = desk.run(&[
        "simulate",
        "--config=config.ini",
        "--from=2026-01-01T00:00:00Z",
        "--to=2036-01-01T00:00:00Z",
        "--timezone=UTC",
    ]);
    assert_eq!(answer.code, 1);
    answer.shows("more than 100000 occurrences: cut after 2026-01-02T03:46:40+00:00");
    answer.shows(
        "100000 occurrences of 1 jobs after 2026-01-01T00:00:00+00:00 and up to 2026-01-02T03:46:40+00:00",
    );
}

#[test]
fn labels_of_a_compose_file_are_simulated_and_mistakes_are_told() {
    let compose = "name: shop
services:
  web:
    image: i
    labels:
      watchbell.enabled: \"true\"
      watchbell.job-exec.sync.schedule: \"0 5 * * *\"
      watchbell.job-exec.sync.command: sync
      watchbell.job-exec.bad.schedule: \"0 0 30 2 *\"
      watchbell.job-exec.bad.command: bad
";
    let desk = Desk::new().file("compose.yaml", compose).file("none.ini", "");
    let answer = desk.run(&[
        "simulate",
        "--config=none.ini",
        "--labels=compose.yaml",
        "--from=2026-01-01T00:00:00Z",
        "--output=csv",
    ]);
    assert_eq!(
        (answer.code, &*answer.out),
        (1, "time,job,clock_change\n2026-01-01T05:00:00+00:00,shop.web.sync,\n")
    );
    assert!(answer.err.contains("never comes"), "{answer:?}");
    let wrong = desk.run(&["simulate", "--from=2026-01-02T00:00:00Z", "--to=2026-01-01T00:00:00Z"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("--to: 2026-01-01T00:00:00Z is not after"), "{wrong:?}");
}

#[test]
fn next_reads_a_schedule_as_the_tool_that_it_is_from() {
    let desk = Desk::new();
    let next = |dialect: &str, schedule: &str| {
        let from = "--from=2026-01-01T12:00:00Z";
        desk.run(&["next", schedule, "--dialect", dialect, "--count=1", from, "--timezone=UTC"])
    };
    for (dialect, schedule, time) in [
        ("watchbell", "0 0 */2 * MON", "2026-01-05T00:00:00+00:00"),
        // There a day of the step is enough.
        ("ofelia", "0 0 0 */2 * MON", "2026-01-03T00:00:00+00:00"),
        ("chadburn", "@every 1.5h", "2026-01-01T13:30:00+00:00"),
        ("swarm-cronjob", "0 0 */2 * MON", "2026-01-03T00:00:00+00:00"),
        // Monday is 0, and the order is the other way round.
        ("deck-chores", "0 3 30 0", "2026-01-05T03:30:00+00:00"),
        ("deck-chores", "interval 42:00:00", "2026-01-03T06:00:00+00:00"),
        ("deck-chores", "date 2027-01-31 23:00:00", "2027-01-31T23:00:00+00:00"),
    ] {
        let answer = next(dialect, schedule);
        assert_eq!((answer.code, answer.out.trim()), (0, time), "{dialect} {schedule}: {}", answer.err);
    }
    let five = next("ofelia", "0 3 * * *");
    assert!(five.err.contains("Ofelia 0.3 took the first one for the second"), "{five:?}");
    let unknown = next("offelia", "0 3 * * *");
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("did you mean \"ofelia\"?"), "{unknown:?}");
}

#[test]
fn next_says_why_there_is_nothing_to_print() {
    let desk = Desk::new();
    let startup = desk.run(&["next", "@startup"]);
    assert_eq!((startup.code, &*startup.out), (0, ""));
    assert!(startup.err.contains("when the agent starts"), "{startup:?}");
    let past = desk.run(&["next", "0 0 0 1 1 * 2020"]);
    assert_eq!(past.code, 1);
    assert!(past.err.contains("year field: `2020` is past"), "{past:?}");
    let hashed = desk.run(&["next", "H 3 * * *"]);
    assert_eq!(hashed.code, 1);
    assert!(hashed.err.contains("name the job with --identity"), "{hashed:?}");
}
