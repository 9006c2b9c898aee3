//! One text for each cause, and what must not be in any.

mod bounds;
use std::collections::BTreeMap;

use super::*;
use crate::model::{
    channel::{ChannelKind, Value},
    name::{JobId, JobKind},
    notification::{self, RunFacts},
    origin::Origin,
};

fn channel(values: &[(&'static str, &str)]) -> Channel {
    let secrets =
        [("url", "https://hooks.example.org/hunter2"), ("token", "hunter2"), ("hmac-secret", "hunter2")];
    let values: BTreeMap<_, _> =
        secrets.iter().chain(values).map(|(key, value)| (*key, Value::One((*value).into()))).collect();
    Channel {
        name: "ops".into(),
        kind: ChannelKind::Webhook,
        on: None,
        values,
        origin: Origin::Default,
        from_label: false,
    }
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-30T{text}Z").parse().unwrap()
}

fn run(outcome: &str) -> RunFacts {
    RunFacts {
        run: "01KB9Q4Z8T".into(),
        trigger: "schedule".into(),
        occurrence: time("02:00:00"),
        started: Some(time("02:00:00")),
        ended: Some(time("02:00:12")),
        duration: Some(Duration::from_secs(12)),
        outcome: (!outcome.is_empty()).then(|| outcome.into()),
        exit_code: None,
        reason: None,
        container: Some("shop-db-1".into()),
        attempts: 1,
        and_more: 0,
        tail: None,
    }
}

fn never_began(outcome: &str, reason: &str) -> RunFacts {
    RunFacts {
        started: None,
        duration: None,
        container: None,
        attempts: 0,
        reason: Some(reason.into()),
        ..run(outcome)
    }
}

fn notification(cause: Cause, run: Option<RunFacts>) -> Notification {
    Notification {
        id: "key".into(),
        channel: "ops".into(),
        cause,
        at: time("02:00:12"),
        job: Some(JobId::plain("backup")),
        kind: Some(JobKind::Exec),
        run,
        streak: notification::Streak::default(),
        expected: None,
        usual: None,
        text: None,
    }
}

fn made(it: &Notification, values: &[(&'static str, &str)]) -> Message {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    message(it, &channel(values), Some("https://cron.example.org/"), &zone).unwrap()
}

/// Title, text and facts, as a person sees them.
fn shown(it: &Notification) -> String {
    let it = made(it, &[]);
    let facts: Vec<String> = it.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}\n{}\n{}", it.title, it.text, facts.join("|"))
}

#[test]
fn a_failure_says_how_when_where_and_since_when() {
    let mut it = notification(
        Cause::Failure,
        Some(RunFacts {
            exit_code: Some(3),
            attempts: 3,
            reason: Some("no space left".into()),
            ..run("failed")
        }),
    );
    it.streak = notification::Streak { failures: 5, since: Some(time("00:00:12")), folded: 0 };
    let wanted = "\
backup failed with exit code 3
Reason: no space left
Began 2026-11-30 03:00:00 +01:00, ended 2026-11-30 03:00:12 +01:00, took 12s.
Triggered by its schedule, container shop-db-1, 3 attempts.
It has gone badly 5 times in a row, since 2026-11-30 01:00:12 +01:00 (2h).
job=backup|kind=exec|outcome=failed|exit code=3|reason=no space left|due=2026-11-30 03:00:00 +01:00|\
began=2026-11-30 03:00:00 +01:00|ended=2026-11-30 03:00:12 +01:00|duration=12s|attempts=3|container=shop-db-1|\
trigger=schedule|failures in a row=5|failing since=2026-11-30 01:00:12 +01:00|run=01KB9Q4Z8T";
    assert_eq!(shown(&it), wanted);
    it.streak.folded = 2;
    let folded = made(&it, &[]);
    assert_eq!(folded.title, "backup failed 3 more times");
    assert!(folded.text.ends_with("\nThis message speaks for 3 runs, of which it describes the last."));
    let plain = notification(Cause::Failure, Some(run("failed")));
    assert_eq!(made(&plain, &[]).title, "backup failed");
}

#[test]
fn what_could_not_be_started_says_what_went_wrong() {
    let reason = "the container \"db\" is not running: start it";
    let it = notification(Cause::Failure, Some(never_began("not-started", reason)));
    let wanted = "\
backup could not be started
Reason: the container \"db\" is not running: start it
Due 2026-11-30 03:00:00 +01:00.
Triggered by its schedule.
job=backup|kind=exec|outcome=not started|reason=the container \"db\" is not running: start it|\
due=2026-11-30 03:00:00 +01:00|trigger=schedule|run=01KB9Q4Z8T";
    assert_eq!(shown(&it), wanted);
}

#[test]
fn a_recovery_says_how_long_it_was_broken() {
    let mut it = notification(Cause::Recovery, Some(RunFacts { exit_code: Some(0), ..run("succeeded") }));
    it.streak = notification::Streak {
        failures: 14,
        since: Some("2026-11-29T23:55:12Z".parse().unwrap()),
        folded: 0,
    };
    let wanted = "\
backup succeeds again after 2h 5m (14 failures)
Began 2026-11-30 03:00:00 +01:00, ended 2026-11-30 03:00:12 +01:00, took 12s.
Triggered by its schedule, container shop-db-1.
It had gone badly 14 times in a row, since 2026-11-30 00:55:12 +01:00 (2h 5m).";
    let text = shown(&it);
    assert!(text.starts_with(wanted) && text.contains("|broken for=2h 5m|"), "{text}");
    it.streak = notification::Streak::default();
    assert_eq!(made(&it, &[]).title, "backup succeeds again");
    it.expected = Some(notification::Expected {
        every: Duration::from_secs(26 * 3600),
        last_success: Some("2026-11-28T20:00:12Z".parse().unwrap()),
        there: true,
    });
    assert_eq!(made(&it, &[]).title, "backup succeeds again after 30h without a success");
}

#[test]
fn a_timeout_says_how_long_it_was_let_go_on() {
    let reason = "the command could not be ended and is still running";
    let mut it = notification(
        Cause::Timeout,
        Some(RunFacts {
            duration: Some(Duration::from_millis(3_600_240)),
            ended: Some(time("03:00:00")),
            reason: Some(reason.into()),
            ..run("timed-out")
        }),
    );
    let wanted = "\
backup timed out after 1h
Reason: the command could not be ended and is still running
Began 2026-11-30 03:00:00 +01:00, ended 2026-11-30 04:00:00 +01:00, took 1h.
Triggered by its schedule, container shop-db-1.
job=backup|kind=exec|outcome=timed out|";
    assert!(shown(&it).starts_with(wanted), "{}", shown(&it));
    it.streak.folded = 1;
    assert_eq!(made(&it, &[]).title, "backup timed out 2 more times");
}

#[test]
fn skipped_missed_and_lost_say_why() {
    let skip =
        notification(Cause::Skip, Some(never_began("skipped", "overlap=skip: the run of 02:00 goes on")));
    let wanted = "\
backup was skipped
Reason: overlap=skip: the run of 02:00 goes on
Due 2026-11-30 03:00:00 +01:00.
Triggered by its schedule.
job=";
    assert!(shown(&skip).starts_with(wanted), "{}", shown(&skip));

    let mut missed = notification(
        Cause::Missed,
        Some(RunFacts { and_more: 2, ..never_began("missed", "the agent was not running") }),
    );
    let wanted = "\
3 occurrences of backup were missed
Reason: the agent was not running
Due 2026-11-30 03:00:00 +01:00.
Triggered by its schedule.
2 further occurrences are told with it.
job=";
    assert!(shown(&missed).starts_with(wanted), "{}", shown(&missed));
    if let Some(run) = &mut missed.run {
        run.and_more = 0;
    }
    assert_eq!(made(&missed, &[]).title, "an occurrence of backup was missed");

    let lost = notification(
        Cause::Lost,
        Some(RunFacts {
            reason: Some("the agent ended and the container is gone".into()),
            duration: None,
            ..run("lost")
        }),
    );
    let wanted = "\
backup was lost
Reason: the agent ended and the container is gone
Began 2026-11-30 03:00:00 +01:00, ended 2026-11-30 03:00:12 +01:00.
Triggered by its schedule, container shop-db-1.
job=";
    assert!(shown(&lost).starts_with(wanted), "{}", shown(&lost));
}

#[test]
fn success_start_stop_and_slow_are_told_in_their_own_words() {
    let success = notification(Cause::Success, Some(RunFacts { exit_code: Some(0), ..run("succeeded") }));
    assert!(shown(&success).starts_with("backup succeeded\nBegan 2026-11-30 03:00:00 +01:00, ended "));
    let start = notification(
        Cause::Start,
        Some(RunFacts { ended: None, duration: None, trigger: "manual".into(), attempts: 0, ..run("") }),
    );
    let wanted = "\
backup began
Began 2026-11-30 03:00:00 +01:00.
Triggered by hand, container shop-db-1.
job=backup|kind=exec|due=2026-11-30 03:00:00 +01:00|began=2026-11-30 03:00:00 +01:00|container=shop-db-1|\
trigger=manual|run=01KB9Q4Z8T";
    assert_eq!(shown(&start), wanted);
    let stop = notification(
        Cause::Stop,
        Some(RunFacts { reason: Some("an operator stopped it".into()), ..run("stopped") }),
    );
    assert!(shown(&stop).starts_with("backup was stopped\nReason: an operator stopped it\n"));
    let mut slow = notification(
        Cause::Slow,
        Some(RunFacts { duration: Some(Duration::from_secs(7380)), ..run("succeeded") }),
    );
    assert_eq!(made(&slow, &[]).title, "backup took 2h 3m, longer than it should");
    slow.usual = Some(Duration::from_secs(41 * 60));
    assert_eq!(made(&slow, &[]).title, "backup took 2h 3m, usually 41m");
    assert!(shown(&slow).contains("|duration=2h 3m|usual duration=41m|"));
}

#[test]
fn an_expectation_that_is_not_met_says_since_when_and_whether_the_job_is_there() {
    let mut it = notification(Cause::Expect, None);
    let expected = notification::Expected {
        every: Duration::from_secs(26 * 3600),
        last_success: Some("2026-11-29T00:00:12Z".parse().unwrap()),
        there: true,
    };
    it.expected = Some(expected);
    let wanted = "\
backup has had no success for 26h
There should be a success every 26h; the last one was at 2026-11-29 01:00:12 +01:00.
job=backup|kind=exec|success expected every=26h|last success=2026-11-29 01:00:12 +01:00";
    assert_eq!(shown(&it), wanted);
    assert_eq!(made(&it, &[]).link.as_deref(), Some("https://cron.example.org/api/jobs/backup"));
    it.expected = Some(notification::Expected { there: false, ..expected });
    let gone = made(&it, &[]);
    assert_eq!(gone.title, "backup has had no success for 26h; the job is not there any more");
    assert!(gone.text.ends_with(" The job is not there any more."));
    assert_eq!(gone.link, None, "nothing would answer there");
    it.expected = Some(notification::Expected { last_success: None, ..expected });
    let never = made(&it, &[]);
    assert_eq!(never.title, "backup has had no success that is known");
    assert_eq!(never.text, "There should be a success every 26h; none is known.");
}

#[test]
fn a_digest_and_a_test_are_about_no_job() {
    let table = "2 runs, 2 succeeded; 0 jobs with trouble.\n\njob  succeeded\na            2".to_owned();
    let digest = Notification {
        job: None,
        kind: None,
        text: Some(table.clone()),
        ..notification(Cause::Digest, None)
    };
    assert_eq!(shown(&digest), format!("a day of watchbell\n{table}\n"));
    let test = Notification { job: None, kind: None, ..notification(Cause::Test, None) };
    assert_eq!(
        shown(&test),
        "a test of the channel \"ops\"\nWhoever reads this will be told of jobs here.\n"
    );
    let test = made(&test, &[]);
    assert_eq!((&*test.thread, test.link, test.job), ("watchbell", None, String::new()));
}

#[test]
fn all_messages_of_a_job_are_one_thread() {
    let threads = Cause::NAMES.map(|(_, cause)| made(&notification(cause, None), &[]).thread);
    assert!(threads.iter().all(|it| &**it == "watchbell:backup"), "{threads:?}");
    let severities = [Cause::Failure, Cause::Slow, Cause::Recovery].map(Severity::of);
    assert_eq!(severities, [Severity::Bad, Severity::Odd, Severity::Good]);
}

#[test]
fn a_link_leads_to_what_the_agent_answers() {
    let mut it = notification(Cause::Failure, Some(run("failed")));
    let zone = TimeZone::UTC;
    let link = |it: &Notification, address| message(it, &channel(&[]), address, &zone).unwrap().link;
    for address in ["https://cron.example.org", "https://cron.example.org//", "https://cron.example.org/?a#b"]
    {
        assert_eq!(link(&it, Some(address)).as_deref(), Some("https://cron.example.org/api/runs/01KB9Q4Z8T"));
    }
    assert_eq!(link(&it, None), None);
    it.run = None;
    it.job = Some(JobId::plain("shöp.web/1.a b"));
    assert_eq!(
        link(&it, Some("http://[::1]:8080/x/")).as_deref(),
        Some("http://[::1]:8080/x/api/jobs/sh%C3%B6p.web%2F1.a%20b")
    );
}

const HOSTILE: &str =
    "\"quotes\" 'and' <b>HTML</b> &amp; 🚀👩‍👧\r\n\u{1b}[31mred\u{1b}[0m\u{0}\u{202e}{{ 7*7 }} *md* @everyone";

#[test]
fn what_comes_from_containers_is_kept_as_text() {
    let mut it = notification(
        Cause::Failure,
        Some(RunFacts {
            reason: Some(HOSTILE.into()),
            container: Some(HOSTILE.into()),
            tail: Some(HOSTILE.repeat(20_000).into()),
            ..run("failed")
        }),
    );
    it.job = Some(JobId::plain(HOSTILE));
    let made = made(&it, &[("template", "{{ run.reason }}|{{ title | json }}")]);
    assert!(
        made.title.starts_with("\"quotes\" 'and' <b>HTML</b> &amp; 🚀👩‍👧 red{{ 7*7 }} *md* @everyone failed")
    );
    assert!(!made.title.contains('\n'));
    let reason = "\"quotes\" 'and' <b>HTML</b> &amp; 🚀👩‍👧\nred{{ 7*7 }} *md* @everyone";
    assert_eq!(made.text, format!("{reason}|{}", made.data["title"]));
    assert_eq!(made.data["run"]["reason"], reason);
    assert_eq!(made.tail.chars().count(), TAIL_LIMIT);
    assert_eq!(made.data["output"], made.tail);
    let all = format!("{made:?}");
    assert!(!all.contains("\\u{1b}") && !all.contains("\\0") && !all.contains('\u{202e}'), "{all}");
}

#[test]
fn output_that_is_not_wanted_is_in_no_part() {
    let it = notification(Cause::Failure, Some(RunFacts { tail: Some("hunter2".into()), ..run("failed") }));
    assert_eq!(made(&it, &[]).tail, "hunter2");
    assert!(!format!("{:?}", made(&it, &[("output-lines", "0")])).contains("hunter2"));
}

#[test]
fn templates_replace_title_and_text_also_for_programs() {
    let it = notification(Cause::Failure, Some(RunFacts { exit_code: Some(3), ..run("failed") }));
    let made = made(
        &it,
        &[
            ("title-template", "[{{ severity | upper }}]\n{{ title }}\n"),
            ("template", "{{ job }} took {{ run.duration_seconds | duration }}\n{{ text }}"),
        ],
    );
    assert_eq!(made.title, "[ERROR] backup failed with exit code 3");
    assert!(made.text.starts_with("backup took 12s\nBegan "), "{}", made.text);
    assert_eq!(
        (&made.data["title"], &made.data["text"]),
        (&made.title.clone().into(), &made.text.clone().into())
    );
}

#[test]
fn a_template_that_fails_loses_no_message() {
    let it = notification(Cause::Expect, Some(RunFacts { tail: Some("hunter2".into()), ..run("failed") }));
    let usual = made(&it, &[]);
    let failed = made(
        &it,
        &[("title-template", "{{ expected.every_seconds }}"), ("template", "{{ output }}\n{{ output + 1 }}")],
    );
    assert_eq!(failed.title, usual.title);
    let told = "\n\n\
the title-template of this channel failed: line 1: `expected` is not known here: ask for it with `{% if expected %}`\n\
the template of this channel failed: line 2: invalid operation: look at what kind of value each name has";
    assert_eq!(failed.text, format!("{}{told}", usual.text));
    assert_eq!(failed.data["text"], failed.text.as_str());
    let empty = made(&it, &[("title-template", "{# nothing #}\n")]);
    assert_eq!(empty.title, usual.title);
    assert!(empty.text.contains("it makes an empty title"));
}
