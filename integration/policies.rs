//! Laws of everything that decides when a run begins, whatever happens in whatever order: every occurrence has exactly one
//! record, no two runs of a group go on at once, and no more of them than there is room for.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    num::NonZeroUsize,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use watchbell::{
    agent::state::{Effect, Event, State, Told},
    model::{
        container::Inventory,
        diagnostic::Severity,
        job::MissedPolicy,
        name::JobId,
        run::{Item, Outcome, RunId, RunRecord, StopCause, StopForce},
        swarm::Services,
    },
    run::order::RunOrder,
    settings::{
        global::layers::Upper,
        ini,
        resolve::{Desired, Sources, View, resolve},
    },
};

const JOBS: usize = 6;
const CAP: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Pass(i64),
    Sleep(i64),
    End(usize, bool),
    Pause(usize, Option<i64>),
    Resume(usize),
    Run(usize),
    Stop(u32),
    /// Only these jobs are there.
    Jobs(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_i64..600).prop_map(Step::Pass),
        1 => (0_i64..7200).prop_map(Step::Sleep),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Step::End(which, good)),
        1 => (0..JOBS, prop::option::of(1_i64..3000)).prop_map(|(job, length)| Step::Pause(job, length)),
        1 => (0..JOBS).prop_map(Step::Resume),
        2 => (0..JOBS).prop_map(Step::Run),
        1 => (0_u32..60).prop_map(Step::Stop),
        1 => any::<u8>().prop_map(Step::Jobs),
    ]
}

/// Jobs of which each may name later ones: no circles.
fn any_file(gates: bool) -> impl Strategy<Value = String> {
    let job = (0_usize..4, 0_usize..4, 0_usize..3, 0_usize..3, prop::collection::vec(0_usize..4, JOBS));
    prop::collection::vec(job, JOBS).prop_map(move |jobs| {
        let mut text = String::new();
        for (number, (schedule, overlap, missed, group, edges)) in jobs.into_iter().enumerate() {
            let schedule = ["*/5 * * * *", "*/7 * * * *", "@every 11m", "@triggered"][schedule];
            let overlap = ["skip", "allow", "queue", "replace"][overlap];
            let missed = MissedPolicy::NAMES[missed].0;
            let group = ["", "group = g\n", "group = g\ngroup-wait = 4m\n"][group];
            let named = |kind: usize| {
                let later = (number + 1..JOBS).filter(|it| edges[*it] == kind);
                later.map(|it| format!("j{it}")).collect::<Vec<_>>().join(",")
            };
            let (good, bad) = (named(1), named(2));
            let earlier = (0..number).filter(|it| gates && edges[*it] == 3);
            let earlier: Vec<_> = earlier.map(|it| format!("j{it}")).collect();
            let earlier = earlier.join(",");
            let _ = write!(
                text,
                "[job-local \"j{number}\"]\nschedule = {schedule}\ncommand = x\noverlap = {overlap}\nmissed = \
                 {missed}\n{group}on-success = {good}\non-failure = {bad}\ndepends-on = {earlier}\n"
            );
        }
        text
    })
}

struct World {
    state: State,
    all: Desired,
    now: Timestamp,
    made: u32,
    running: BTreeMap<RunId, RunOrder>,
    records: HashMap<RunId, RunRecord>,
    /// What is kept of those that have no record, and whether they have begun.
    unfinished: BTreeMap<RunId, bool>,
}

impl World {
    fn new(file: &str) -> Self {
        let file = ini::parse("f", file, &|_| None);
        let sources = Sources::new(file, Upper::default(), Vec::new());
        let now = "2026-03-02T10:00:00Z".parse().unwrap();
        let none = Inventory { containers: Vec::new(), own: None, services: Services::none() };
        let all = resolve(&sources, View::Observed(&none), now);
        // What has no effect on a job without a schedule is told, and is no mistake here.
        assert!(all.diagnostics.iter().all(|it| it.severity == Severity::Warning), "{:?}", all.diagnostics);
        let state = State::new(NonZeroUsize::new(CAP).unwrap(), HashMap::new());
        let (running, records) = (BTreeMap::new(), HashMap::new());
        let all = Desired { settings: None, ..all };
        Self { state, all, now, made: 0, running, records, unfinished: BTreeMap::new() }
    }

    fn feed(&mut self, event: Event) -> Result<(), TestCaseError> {
        let made = &mut self.made;
        let mut ids = || {
            *made += 1;
            RunId(format!("{made:04}").into())
        };
        for (place, effect) in self.state.handle(event, self.now, &mut ids).into_iter().enumerate() {
            match effect {
                Effect::Keep(items) => {
                    prop_assert_eq!(place, 0, "it is kept before anything is done");
                    items.into_iter().try_for_each(|item| self.keep(item))?;
                }
                Effect::Start(order) => {
                    prop_assert_eq!(self.unfinished.get(&order.run), Some(&true), "it begins without a row");
                    prop_assert!(!self.records.contains_key(&order.run));
                    prop_assert!(self.running.insert(order.run.clone(), order).is_none(), "begun twice");
                }
                Effect::Tell(Told::Record(record)) => {
                    prop_assert!(!self.running.contains_key(&record.run), "a record too early");
                    prop_assert!(!self.unfinished.contains_key(&record.run), "it is told and not kept");
                    let before = self.records.insert(record.run.clone(), record);
                    prop_assert!(before.is_none(), "two records: {before:?}");
                }
                Effect::TakeUp(_) | Effect::Await(_) => prop_assert!(false, "nothing was left"),
                Effect::Notify(it) => prop_assert!(false, "no job has a channel: {it:?}"),
                Effect::Tell(_) | Effect::Stop(..) | Effect::Answer(_) => {}
            }
        }
        let begun = self.unfinished.values().filter(|begun| **begun).count();
        let kept = (begun, self.unfinished.len() - begun);
        prop_assert_eq!(kept, (self.running.len(), self.state.waiting_count()), "what runs and what waits");
        prop_assert!(self.running.len() <= CAP);
        let grouped = self.running.values().filter(|it| it.spec.policies.group.is_some());
        prop_assert!(grouped.count() <= 1, "two runs of one group at once");
        Ok(())
    }

    fn keep(&mut self, item: Item) -> Result<(), TestCaseError> {
        match item {
            Item::Waits(it) => {
                let before = self.unfinished.insert(it.run, false);
                prop_assert!(before.is_none(), "it came due twice");
            }
            Item::Begins(it) => {
                let before = self.unfinished.insert(it.run, true);
                prop_assert_ne!(before, Some(true), "it begins twice");
            }
            Item::Ended(it, _) => {
                self.unfinished.remove(&it.run);
            }
            Item::Stops(run, _) => prop_assert_eq!(self.unfinished.get(&run), Some(&true), "it does not run"),
            Item::Memory(..)
            | Item::NotifyMemory(..)
            | Item::Notify(_)
            | Item::Tail { .. }
            | Item::Digested { .. }
            | Item::Delivered(_)
            | Item::GivenUp(_)
            | Item::AttemptStarted { .. }
            | Item::TimedOut { .. }
            | Item::AttemptEnded { .. }
            | Item::Gone(_)
            | Item::Halted(_)
            | Item::Restored { .. }
            | Item::LoggedIn(_)
            | Item::LoggedOut(_)
            | Item::Audited(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, run: &RunId, outcome: Outcome) -> Result<(), TestCaseError> {
        let Some(order) = self.running.remove(run) else { return Ok(()) };
        let record = order.record(Some(self.now), self.now, Some(Duration::ZERO), outcome);
        self.feed(Event::RunEnded { record: Box::new(record), goes_on: false })
    }

    fn pass(&mut self, until: Timestamp) -> Result<(), TestCaseError> {
        let mut ticks = 0;
        while let Some(due) = self.state.next_due().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.feed(Event::Tick)?;
            ticks += 1;
            prop_assert!(ticks < 10_000, "it wakes again and again for {due}");
        }
        self.now = until;
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let job = |number: &usize| JobId::plain(&format!("j{number}"));
        match step {
            Step::Pass(seconds) => self.pass(self.now + SignedDuration::from_secs(*seconds)),
            Step::Sleep(seconds) => {
                self.now += SignedDuration::from_secs(*seconds);
                self.feed(Event::Tick)
            }
            Step::End(which, good) => {
                let Some(at) = which.checked_rem(self.running.len()) else { return Ok(()) };
                let Some(run) = self.running.keys().nth(at).cloned() else { return Ok(()) };
                let failed = Outcome::Failed { exit_code: Some(1), reason: None };
                self.end(&run, if *good { Outcome::Succeeded { exit_code: Some(0) } } else { failed })
            }
            Step::Pause(number, length) => {
                let until = length.map(|length| self.now + SignedDuration::from_secs(length));
                self.feed(Event::Pause { job: job(number), until })
            }
            Step::Resume(number) => self.feed(Event::Resume { job: job(number) }),
            Step::Run(number) => self.feed(Event::RunNow { job: job(number) }),
            Step::Stop(number) => {
                let run = RunId(format!("{number:04}").into());
                self.feed(Event::StopRun { run, by: StopCause::Operator })
            }
            Step::Jobs(mask) => {
                let mut some = self.all.clone();
                some.jobs.retain(|id, _| {
                    let number: u8 = id.as_str()[1..].parse().unwrap();
                    mask & (1 << number) != 0
                });
                self.feed(Event::Desired(some))
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_occurrence_has_one_record_and_no_two_of_a_group_run_at_once(
        file in any_file(true),
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let mut world = World::new(&file);
        world.feed(Event::Desired(world.all.clone()))?;
        for step in &steps {
            world.step(step)?;
        }
        world.feed(Event::Drain)?;
        world.feed(Event::StopAll(StopForce::Stop))?;
        for run in world.running.keys().cloned().collect::<Vec<_>>() {
            world.end(&run, Outcome::Stopped { by: StopCause::Shutdown, still_running: None })?;
        }
        prop_assert_eq!(world.state.waiting_count(), 0);
        prop_assert_eq!(world.state.running_count(), 0);
        prop_assert_eq!(world.records.len(), usize::try_from(world.made).unwrap(), "one is without a record");
    }

    /// Without gates nothing waits but for runs that go on.
    #[test]
    fn when_all_that_runs_has_ended_nothing_waits(
        file in any_file(false),
        steps in prop::collection::vec(any_step(), 0..40),
    ) {
        let mut world = World::new(&file);
        world.feed(Event::Desired(world.all.clone()))?;
        for step in &steps {
            world.step(step)?;
        }
        while let Some(run) = world.running.keys().next().cloned() {
            world.end(&run, Outcome::Stopped { by: StopCause::Operator, still_running: None })?;
        }
        // A start of a job that went a moment ago waits for it, and no longer than a minute.
        world.pass(world.now + SignedDuration::from_secs(60))?;
        while let Some(run) = world.running.keys().next().cloned() {
            world.end(&run, Outcome::Stopped { by: StopCause::Operator, still_running: None })?;
        }
        prop_assert_eq!(world.state.waiting_count(), 0);
    }
}
