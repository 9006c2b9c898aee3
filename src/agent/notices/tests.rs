//! The rules, tried one by one, and laws that hold however runs end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;

use super::rules;
use crate::model::{
    channel::{Channel, ChannelKind, Channels},
    name::{JobId, JobKind},
    notification::{Cause, Causes, Notification, Notify, Over},
    notify_memory::{Expectation, NotifyMemory, Sort},
    origin::Origin,
    run::{Outcome, Printed, RunId, RunRecord, StopCause, Trigger},
    skip::Skip,
};

/// One job and its channel `ops`.
struct Job {
    notify: Notify,
    channels: Channels,
    memory: NotifyMemory,
    now: Timestamp,
    runs: u32,
    told: Vec<Notification>,
}

fn channel(name: &str, kind: ChannelKind) -> (Arc<str>, Arc<Channel>) {
    let values = [].into();
    let it =
        Channel { name: name.into(), kind, on: None, values, origin: Origin::Default, from_label: false };
    (name.into(), Arc::new(it))
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn fails() -> Outcome {
    Outcome::Failed { exit_code: Some(1), reason: None }
}

fn succeeds() -> Outcome {
    Outcome::Succeeded { exit_code: Some(0) }
}

impl Job {
    fn new(kind: ChannelKind, mut notify: Notify) -> Self {
        notify.channels = vec!["ops".into()];
        Self {
            notify,
            channels: [channel("ops", kind)].into(),
            memory: NotifyMemory::default(),
            now: "2026-03-02T10:00:00Z".parse().unwrap(),
            runs: 0,
            told: Vec::new(),
        }
    }

    fn slack(notify: Notify) -> Self {
        Self::new(ChannelKind::Slack, notify)
    }

    fn on(causes: &[Cause]) -> Notify {
        Notify { on: Some(Causes::of(causes)), ..Notify::default() }
    }

    fn ends_after(&mut self, took: Duration, outcome: Outcome, and_more: u32) -> Vec<Notification> {
        self.runs += 1;
        let record = RunRecord {
            run: RunId(format!("r{}", self.runs).into()),
            job: JobId::plain("backup"),
            kind: JobKind::Exec,
            trigger: Trigger::Schedule,
            occurrence: self.now,
            fires: self.now,
            admitted: self.now,
            started: None,
            ended: self.now,
            container: None,
            duration: Some(took),
            outcome,
            attempts: 1,
            printed: Printed::default(),
            no_more: None,
            note: None,
            and_more,
        };
        let listeners = rules::listeners(&self.notify, &self.channels);
        let told = rules::ended(&mut self.memory, &record, &self.notify, &listeners, self.now);
        self.told.extend(told.iter().cloned());
        told
    }

    /// What was told of an end, as `failure 1+0`: why, of how many failures in a row, and of how many more.
    fn ends(&mut self, outcome: Outcome) -> Vec<String> {
        self.ends_after(Duration::from_secs(1), outcome, 0).iter().map(words).collect()
    }

    /// Time passes, and what is held is told at its moment.
    fn pass(&mut self, length: Duration) -> Vec<String> {
        let until = self.now + length;
        let from = self.told.len();
        while let Some(at) = self.memory.held_until().filter(|at| *at <= until) {
            self.now = at;
            let told = rules::flush(&mut self.memory, &JobId::plain("backup"), at);
            assert!(!told.is_empty());
            self.told.extend(told);
        }
        self.now = until;
        self.told[from..].iter().map(words).collect()
    }
}

fn words(it: &Notification) -> String {
    format!("{} {}+{}", it.cause.as_str(), it.streak.failures, it.streak.folded)
}

const NOTHING: [&str; 0] = [];

#[test]
fn further_failures_are_counted_until_the_cooldown_is_over_and_the_recovery_says_how_many_there_were() {
    let mut job = Job::slack(Notify::default());
    let began = job.now;
    assert_eq!(job.ends(fails()), ["failure 1+0"]);
    assert_eq!(job.pass(minutes(59)), NOTHING);
    assert_eq!(job.ends(fails()), NOTHING);
    assert_eq!(job.pass(minutes(1)), ["failure 2+0"], "by its own moment, though nothing ends then");
    job.pass(minutes(30));
    let lost = Outcome::Lost { reason: String::new() };
    assert_eq!([job.ends(fails()), job.ends(lost), job.ends(fails())].concat(), NOTHING);
    assert_eq!(job.pass(minutes(30)), ["failure 5+2"]);
    job.pass(minutes(1));
    assert_eq!(job.ends(fails()), NOTHING);
    let told = job.ends_after(Duration::from_secs(1), succeeds(), 0);
    assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["recovery 6+1"]);
    assert_eq!(told[0].streak.since, Some(began));
    assert_eq!((job.ends(succeeds()), job.pass(minutes(600))), (vec![], vec![]));
    assert_eq!(job.ends(fails()), ["failure 1+0"]);
}

#[test]
fn the_end_that_comes_when_the_cooldown_is_over_speaks_for_those_that_were_held() {
    let mut job = Job::slack(Notify::default());
    job.ends(fails());
    job.now += minutes(10);
    assert_eq!(job.ends(fails()), NOTHING);
    // As after a sleep of the machine: nothing looked in between.
    job.now += minutes(90);
    assert_eq!(job.ends(fails()), ["failure 3+1"]);
    assert_eq!(job.memory.held_until(), None);
}

#[test]
fn so_many_failures_are_waited_for_and_a_recovery_follows_none_that_was_not_told() {
    let mut job = Job::slack(Notify { after: 3, ..Notify::default() });
    assert_eq!([job.ends(fails()), job.ends(fails()), job.ends(succeeds())].concat(), NOTHING);
    let stopped = Outcome::Stopped { by: StopCause::Operator, still_running: None };
    assert_eq!([job.ends(fails()), job.ends(fails()), job.ends(stopped)].concat(), NOTHING);
    assert_eq!(job.ends(fails()), ["failure 3+0"], "what someone stopped neither breaks nor lengthens it");
    assert_eq!(job.ends(succeeds()), ["recovery 3+0"]);
}

#[test]
fn a_cooldown_of_nothing_tells_each() {
    let mut job = Job::slack(Notify { cooldown: Duration::ZERO, ..Notify::default() });
    let told: Vec<String> = (0..3).flat_map(|_| job.ends(fails())).collect();
    assert_eq!(told, ["failure 1+0", "failure 2+0", "failure 3+0"]);
}

#[test]
fn a_job_that_fails_and_recovers_in_turn_is_not_told_of_each_time() {
    let mut job = Job::slack(Notify::default());
    assert_eq!([job.ends(fails()), job.ends(succeeds())].concat(), ["failure 1+0", "recovery 1+0"]);
    job.pass(minutes(20));
    assert_eq!([job.ends(fails()), job.ends(succeeds())].concat(), NOTHING);
    assert_eq!(job.pass(minutes(40)), ["failure 1+0"], "it is told all the same, in its time");
    assert_eq!(job.ends(succeeds()), NOTHING, "and was well already");
}

#[test]
fn each_cause_is_told_where_it_is_wanted_and_the_sorts_do_not_hold_each_other_back() {
    let missed = || Outcome::Missed { reason: String::new() };
    let skipped = || Outcome::Skipped { by: Skip::Overlap, reason: String::new() };
    let timed_out = Outcome::TimedOut { still_running: None, waited_for: None };
    let not_started = Outcome::NotStarted { error: String::new() };
    let mut usual = Job::slack(Notify::default());
    assert_eq!([usual.ends(skipped()), usual.ends(missed()), usual.ends(succeeds())].concat(), NOTHING);
    assert_eq!(usual.ends(timed_out.clone()), ["timeout 1+0"]);
    let mut all = Job::slack(Notify { on: Some(Causes::ALWAYS), ..Notify::default() });
    assert_eq!(all.ends(skipped()), ["skip 0+0"]);
    assert_eq!(all.ends(not_started), ["failure 1+0"]);
    let told = all.ends_after(Duration::ZERO, missed(), 4);
    assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["missed 1+0"]);
    assert_eq!([all.ends(skipped()), all.ends(timed_out)].concat(), NOTHING);
    all.ends_after(Duration::ZERO, missed(), 6);
    all.ends_after(Duration::ZERO, missed(), 1);
    let held = all.memory.heard["ops"].sorts[&Sort::Missed].held.as_ref().unwrap();
    assert_eq!(held.count, 9, "a record speaks for all that passed in its gap");
    assert_eq!(all.pass(minutes(60)), ["timeout 2+0", "skip 1+0", "missed 2+7"]);
    let mut none = Job::slack(Notify { on: Some(Causes::default()), ..Notify::default() });
    assert_eq!(none.ends(fails()), NOTHING);
    let mut only = Job::slack(Job::on(&[Cause::Success]));
    assert_eq!([only.ends(fails()), only.ends(succeeds())].concat(), ["success 0+0"]);
}

#[test]
fn who_counts_each_run_hears_of_each_and_of_successes_rather_than_recoveries() {
    for kind in [ChannelKind::Healthchecks, ChannelKind::Save] {
        let mut job = Job::new(kind, Notify { after: 5, ..Notify::default() });
        let told = [job.ends(fails()), job.ends(fails()), job.ends(succeeds())].concat();
        assert_eq!(told, ["failure 1+0", "failure 2+0", "success 0+0"], "{kind:?}");
    }
    let mut asks = Job::new(ChannelKind::Healthchecks, Job::on(&[Cause::Failure, Cause::Recovery]));
    assert_eq!([asks.ends(fails()), asks.ends(succeeds())].concat(), ["failure 1+0", "recovery 1+0"]);
}

#[test]
fn a_channel_that_is_not_there_is_told_what_is_usual_for_it_may_come_back() {
    let mut job = Job::slack(Notify::default());
    job.channels.clear();
    assert_eq!([job.ends(succeeds()), job.ends(fails())].concat(), ["failure 1+0"]);
}

#[test]
fn a_success_is_slow_by_a_length_or_by_the_median_of_enough_before_it() {
    let over = |over| Notify { duration_over: Some(over), ..Notify::default() };
    let mut job = Job::slack(over(Over::Median(200)));
    let ends = |job: &mut Job, seconds| job.ends_after(Duration::from_secs(seconds), succeeds(), 0);
    for seconds in [10, 1000, 12, 8] {
        assert_eq!(ends(&mut job, seconds), [], "too few are known");
    }
    assert_eq!([ends(&mut job, 11), ends(&mut job, 22)].concat(), [], "22 s is no more than twice 11 s");
    let told = ends(&mut job, 24);
    assert_eq!((told[0].cause, told[0].usual), (Cause::Slow, Some(Duration::from_millis(11_500))));
    assert_eq!(ends(&mut job, 900), [], "further ones are counted");
    assert_eq!(job.pass(minutes(60)), ["slow 0+0"]);
    for _ in 0..40 {
        ends(&mut job, 500);
    }
    assert_eq!((job.memory.durations.len(), ends(&mut job, 999)), (20, vec![]), "it is usual now");

    let long = Over::Length(Duration::from_secs(60));
    let mut job = Job::slack(Notify { on: Some(Causes::ALWAYS), ..over(long) });
    let causes = |told: Vec<Notification>| told.iter().map(|it| it.cause).collect::<Vec<_>>();
    assert_eq!(causes(ends(&mut job, 60)), [Cause::Success]);
    assert_eq!(causes(ends(&mut job, 61)), [Cause::Slow], "which says that it succeeded");
    assert_eq!(causes(ends(&mut job, 61)), [Cause::Success], "and where that is held, something else does");
    let mut none = Job::slack(Notify { on: Some(Causes::default()), ..over(long) });
    assert_eq!(ends(&mut none, 61), []);
    let mut check = Job::new(ChannelKind::Healthchecks, over(long));
    assert_eq!(causes(ends(&mut check, 61)), [Cause::Success], "a check knows good and bad");
}

#[test]
fn a_success_after_an_expectation_was_told_is_a_recovery_for_who_heard_of_it() {
    let mut job = Job::slack(Notify::default());
    job.notify.channels.push("other".into());
    job.channels.extend([channel("other", ChannelKind::Slack)]);
    let every = minutes(60);
    job.memory.expectation = Some(Expectation {
        every,
        from: job.now,
        last_success: None,
        told: None,
        channels: vec!["ops".into()],
        kind: JobKind::Exec,
    });
    job.now += every;
    let id = JobId::plain("backup");
    let told = rules::unmet(&mut job.memory, &id, false, job.now);
    assert_eq!((told.len(), told[0].cause, told[0].expected.unwrap().there), (1, Cause::Expect, false));
    assert_eq!(rules::unmet(&mut job.memory, &id, true, job.now), [], "once");
    let told = job.ends_after(Duration::ZERO, succeeds(), 0);
    assert_eq!((told.len(), &*told[0].channel, told[0].cause), (1, "ops", Cause::Recovery));
    assert!(told[0].expected.is_some());
    let met = job.memory.expectation.as_ref().unwrap();
    assert_eq!((met.told, met.from, met.last_success), (None, job.now, Some(job.now)));
}

#[test]
fn after_the_clock_was_set_back_nobody_is_silent_for_longer_than_one_cooldown() {
    let mut job = Job::slack(Notify::default());
    job.ends(fails());
    job.now = "2020-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(job.ends(fails()), NOTHING);
    assert_eq!(job.pass(minutes(60)), ["failure 2+0"]);
}

fn is_bad(it: &Notification) -> bool {
    matches!(it.cause, Cause::Failure | Cause::Timeout | Cause::Lost)
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(fails()),
        3 => Just(succeeds()),
        1 => Just(Outcome::TimedOut { still_running: None, waited_for: None }),
        1 => Just(Outcome::Lost { reason: String::new() }),
        1 => Just(Outcome::Skipped { by: Skip::Overlap, reason: String::new() }),
        1 => Just(Outcome::Missed { reason: String::new() }),
        1 => Just(Outcome::Stopped { by: StopCause::Replaced, still_running: None }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_bad_end_is_told_once_and_no_more_often_than_the_cooldown_allows(
        ends in prop::collection::vec((outcomes(), 0_u64..5_000), 1..80),
        after in 1_u32..4,
        cooldown in prop_oneof![Just(0), Just(60), Just(3_600)],
        all in any::<bool>(),
    ) {
        let cooldown = Duration::from_secs(cooldown);
        let on = all.then_some(Causes::ALWAYS);
        let mut job = Job::slack(Notify { on, after, cooldown, ..Notify::default() });
        let (mut in_a_row, mut to_be_told, mut told_in_streak) = (0, 0, false);
        for (outcome, seconds) in ends {
            let from = job.told.len();
            job.pass(Duration::from_secs(seconds));
            told_in_streak |= in_a_row > 0 && job.told[from..].iter().any(is_bad);
            let from = job.told.len();
            let (bad, good) = (outcome.is_bad(), matches!(outcome, Outcome::Succeeded { .. }));
            if bad {
                in_a_row += 1;
                to_be_told += u32::from(in_a_row >= after);
            }
            job.ends(outcome);
            let told = &job.told[from..];
            prop_assert_eq!(told.iter().any(|it| it.cause == Cause::Recovery), good && told_in_streak);
            told_in_streak |= told.iter().any(is_bad);
            if good {
                (in_a_row, told_in_streak) = (0, false);
            }
        }
        // What is held at the end is told in its time.
        job.pass(cooldown);
        prop_assert_eq!(job.memory.held_until(), None);
        let speaks = |it: &&Notification| is_bad(it) || it.cause == Cause::Recovery;
        let counted: u32 =
            job.told.iter().filter(speaks).map(|it| u32::from(is_bad(it)) + it.streak.folded).sum();
        prop_assert_eq!(counted, to_be_told);
        for cause in ["bad", "skip", "missed", "stop"] {
            let same = |it: &&Notification| if is_bad(it) { cause == "bad" } else { it.cause.as_str() == cause };
            let moments: Vec<Timestamp> = job.told.iter().filter(same).map(|it| it.at).collect();
            let apart = moments.windows(2).all(|two| two[1].duration_since(two[0]) >= cooldown.try_into().unwrap());
            prop_assert!(apart, "{} at {:?}", cause, moments);
        }
        let ids: HashSet<&str> = job.told.iter().map(|it| &*it.id).collect();
        prop_assert_eq!(ids.len(), job.told.len());
    }
}
