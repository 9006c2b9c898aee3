//! The rules for one job: an end of a run and what is remembered of the job in, messages out.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::{
    channel::Channels,
    name::{JobId, JobKind},
    notification::{Cause, Causes, Expected, Notification, Notify, Over, RunFacts, Streak},
    notify_memory::{Heard, Held, NotifyMemory, Sort, Told},
    run::{Outcome, RunRecord},
};

/// Of so many successes it is remembered how long they took.
const DURATIONS: usize = 20;

/// How many of them must be known until it can be said what is usual.
const DURATIONS_AT_LEAST: usize = 5;

/// A channel of a job, and what it wants to hear.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    pub channel: Arc<str>,
    pub causes: Causes,
    /// Whether it wants each run by itself.
    each: bool,
}

/// The channels of a job. One that is not there now may come back: its messages wait for it.
pub(super) fn listeners(notify: &Notify, channels: &Channels) -> Vec<Listener> {
    let listener = |name: &Arc<str>| {
        let there = channels.get(name);
        let of_channel = || there.map_or(Causes::USUAL, |it| it.on.unwrap_or(it.kind.usual()));
        Listener {
            channel: name.clone(),
            causes: notify.on.unwrap_or_else(of_channel),
            each: there.is_some_and(|it| it.kind.wants_each()),
        }
    };
    // Who wants to hear of nothing hears of nothing, however it went.
    notify.channels.iter().map(listener).filter(|it| it.causes != Causes::default()).collect()
}

/// What all messages about one run share.
struct About<'a> {
    job: &'a JobId,
    kind: JobKind,
    run: RunFacts,
    now: Timestamp,
}

impl About<'_> {
    fn tell(&self, to: &Listener, cause: Cause, streak: Streak) -> Notification {
        Notification {
            id: id(&[&self.run.run, &to.channel, cause.as_str()]),
            channel: to.channel.clone(),
            cause,
            at: self.now,
            job: Some(self.job.clone()),
            kind: Some(self.kind),
            run: Some(self.run.clone()),
            streak,
            expected: None,
            usual: None,
            text: None,
        }
    }

    /// One of those that are counted and told together; none where it is held.
    fn offer(
        &self,
        heard: &mut Heard,
        to: &Listener,
        (sort, cause): (Sort, Cause),
        (streak, usual): (Streak, Option<Duration>),
        cooldown: Duration,
    ) -> Option<Notification> {
        let told = heard.sorts.entry(sort).or_default();
        let held = Held {
            until: self.now,
            count: speaks_for(&self.run),
            cause,
            kind: self.kind,
            run: self.run.clone(),
            streak,
            usual,
        };
        let folded = told.offer(held, cooldown, self.now)?;
        Some(Notification { usual, ..self.tell(to, cause, Streak { folded, ..streak }) })
    }
}

/// The same parts have the same, and no part has a colon.
pub(super) fn id(parts: &[&str]) -> Arc<str> {
    parts.join(":").into()
}

/// For how many occurrences a record stands.
fn speaks_for(run: &RunFacts) -> u32 {
    run.and_more.saturating_add(1)
}

impl Told {
    /// It is told now, with so many that were held; or held until the cooldown is over.
    fn offer(&mut self, it: Held, cooldown: Duration, now: Timestamp) -> Option<u32> {
        // What was told in a future that the clock has left since was told now.
        self.last = self.last.map(|last| last.min(now));
        let until = self.last.map(|last| last.saturating_add(cooldown).unwrap_or(Timestamp::MAX));
        if let Some(until) = until.filter(|until| now < *until) {
            let count = self.held.take().map_or(0, |held| held.count).saturating_add(it.count);
            self.held = Some(Box::new(Held { until, count, ..it }));
            return None;
        }
        self.last = Some(now);
        Some(self.held.take().map_or(0, |held| held.count))
    }
}

/// A run begins.
pub(super) fn begins(
    job: &JobId,
    kind: JobKind,
    run: &RunFacts,
    listeners: &[Listener],
    now: Timestamp,
) -> Vec<Notification> {
    let about = About { job, kind, run: run.clone(), now };
    let wanted = listeners.iter().filter(|it| it.causes.contains(Cause::Start));
    wanted.map(|to| about.tell(to, Cause::Start, Streak::default())).collect()
}

/// An occurrence left its record.
pub(super) fn ended(
    memory: &mut NotifyMemory,
    record: &RunRecord,
    notify: &Notify,
    listeners: &[Listener],
    now: Timestamp,
) -> Vec<Notification> {
    let about = About { job: &record.job, kind: record.kind, run: facts(record), now };
    let messages = match &record.outcome {
        Outcome::Succeeded { .. } => succeeded(memory, &about, notify, listeners),
        Outcome::Failed { .. } | Outcome::NotStarted { .. } => {
            went_badly(memory, &about, Cause::Failure, notify, listeners)
        }
        Outcome::TimedOut { .. } => went_badly(memory, &about, Cause::Timeout, notify, listeners),
        Outcome::Lost { .. } => went_badly(memory, &about, Cause::Lost, notify, listeners),
        Outcome::Skipped { .. } => besides(memory, &about, (Sort::Skip, Cause::Skip), notify, listeners),
        Outcome::Missed { .. } => besides(memory, &about, (Sort::Missed, Cause::Missed), notify, listeners),
        Outcome::Stopped { .. } => besides(memory, &about, (Sort::Stop, Cause::Stop), notify, listeners),
    };
    forget_what_is_over(memory, notify, now);
    messages
}

fn went_badly(
    memory: &mut NotifyMemory,
    about: &About<'_>,
    cause: Cause,
    notify: &Notify,
    listeners: &[Listener],
) -> Vec<Notification> {
    memory.failures = memory.failures.saturating_add(1);
    memory.since = memory.since.or(about.run.ended);
    let streak = memory.streak();
    let is_heard = |to: &&Listener| to.causes.contains(cause) && (to.each || streak.failures >= notify.after);
    let mut messages = Vec::new();
    for to in listeners.iter().filter(is_heard) {
        let heard = memory.heard.entry(to.channel.clone()).or_default();
        let message = if to.each {
            Some(about.tell(to, cause, streak))
        } else {
            about.offer(heard, to, (Sort::Bad, cause), (streak, None), notify.cooldown)
        };
        heard.of_streak |= message.is_some();
        messages.extend(message);
    }
    messages
}

/// What neither breaks nor lengthens a streak.
fn besides(
    memory: &mut NotifyMemory,
    about: &About<'_>,
    (sort, cause): (Sort, Cause),
    notify: &Notify,
    listeners: &[Listener],
) -> Vec<Notification> {
    let streak = memory.streak();
    let mut messages = Vec::new();
    for to in listeners.iter().filter(|to| to.causes.contains(cause)) {
        if to.each {
            messages.push(about.tell(to, cause, streak));
        } else {
            let heard = memory.heard.entry(to.channel.clone()).or_default();
            messages.extend(about.offer(heard, to, (sort, cause), (streak, None), notify.cooldown));
        }
    }
    messages
}

fn succeeded(
    memory: &mut NotifyMemory,
    about: &About<'_>,
    notify: &Notify,
    listeners: &[Listener],
) -> Vec<Notification> {
    let before = memory.streak();
    let usual = usual(memory);
    let took = about.run.duration;
    let is_slow = notify.duration_over.is_some_and(|over| is_slow(over, took, usual));
    let unmet = memory.expectation.as_ref().filter(|it| it.told.is_some());
    let unmet = unmet.map(|it| (it.facts(true), it.channels.clone()));
    let mut messages = Vec::new();
    for to in listeners {
        let expected = unmet.as_ref().filter(|(_, told)| told.contains(&to.channel)).map(|(facts, _)| *facts);
        messages.extend(well_again(memory, about, to, before, expected));
        // Who keeps count of each run has heard of this one, and a check that is slow is still good.
        if !is_slow || to.each {
            continue;
        }
        let heard = memory.heard.entry(to.channel.clone()).or_default();
        let slow =
            about.offer(heard, to, (Sort::Slow, Cause::Slow), (Streak::default(), usual), notify.cooldown);
        if let Some(slow) = slow {
            // It says that the run succeeded: nobody has to hear that twice.
            messages.pop_if(|it| it.channel == to.channel && it.cause == Cause::Success);
            messages.push(slow);
        }
    }
    memory.failures = 0;
    memory.since = None;
    memory.heard.values_mut().for_each(|it| it.of_streak = false);
    if let Some(it) = &mut memory.expectation {
        let at = about.run.ended.map_or(about.now, |ended| ended.min(about.now));
        (it.from, it.last_success, it.told) = (at, Some(at), None);
    }
    if let Some(took) = took.filter(|_| notify.duration_over.is_some()) {
        memory.durations.push_back(took);
        let too_many = memory.durations.len().saturating_sub(DURATIONS);
        memory.durations.drain(..too_many);
    }
    messages
}

/// That it succeeded, or succeeds again.
fn well_again(
    memory: &mut NotifyMemory,
    about: &About<'_>,
    to: &Listener,
    before: Streak,
    expected: Option<Expected>,
) -> Option<Notification> {
    let heard = memory.heard.get_mut(&to.channel);
    let was_told = expected.is_some() || heard.as_ref().is_some_and(|it| it.of_streak);
    let success = to.causes.contains(Cause::Success);
    // To who wants each run a success is one like any other, unless he wants to hear of none but this.
    if was_told && to.causes.contains(Cause::Recovery) && !(to.each && success) {
        let held = heard.and_then(|it| it.sorts.get_mut(&Sort::Bad)?.held.take());
        let streak = Streak { folded: held.map_or(0, |it| it.count), ..before };
        return Some(Notification { expected, ..about.tell(to, Cause::Recovery, streak) });
    }
    success.then(|| about.tell(to, Cause::Success, Streak::default()))
}

/// What was held and is due, told by its newest.
pub(super) fn flush(memory: &mut NotifyMemory, job: &JobId, now: Timestamp) -> Vec<Notification> {
    let goes_badly = memory.failures > 0;
    let mut messages = Vec::new();
    for (channel, heard) in &mut memory.heard {
        let mut told_bad = false;
        for (sort, told) in &mut heard.sorts {
            let Some(held) = told.held.take_if(|it| it.until <= now) else { continue };
            told.last = Some(now);
            told_bad |= *sort == Sort::Bad;
            let Held { until, count, cause, kind, run, streak, usual } = *held;
            let folded = count.saturating_sub(speaks_for(&run));
            let moment = until.as_nanosecond().to_string();
            messages.push(Notification {
                id: id(&[job.as_str(), channel, sort.as_str(), &moment]),
                channel: channel.clone(),
                cause,
                at: now,
                job: Some(job.clone()),
                kind: Some(kind),
                run: Some(run),
                streak: Streak { folded, ..streak },
                expected: None,
                usual,
                text: None,
            });
        }
        heard.of_streak |= told_bad && goes_badly;
    }
    messages
}

/// That there was no success for too long, to each who is to hear of it. It is told once.
pub(super) fn unmet(
    memory: &mut NotifyMemory,
    job: &JobId,
    there: bool,
    now: Timestamp,
) -> Vec<Notification> {
    let streak = memory.streak();
    let Some(it) = memory.expectation.as_mut().filter(|it| it.told.is_none()) else { return Vec::new() };
    it.told = Some(now);
    let (facts, kind, deadline) = (it.facts(there), it.kind, it.deadline().as_nanosecond().to_string());
    let message = |channel: &Arc<str>| Notification {
        id: id(&[job.as_str(), channel, Cause::Expect.as_str(), &deadline]),
        channel: channel.clone(),
        cause: Cause::Expect,
        at: now,
        job: Some(job.clone()),
        kind: Some(kind),
        run: None,
        streak,
        expected: Some(facts),
        usual: None,
        text: None,
    };
    it.channels.iter().map(message).collect()
}

/// The median of the last successes, where enough of them are known.
fn usual(memory: &NotifyMemory) -> Option<Duration> {
    let mut sorted: Vec<Duration> = memory.durations.iter().copied().collect();
    sorted.sort_unstable();
    let [lower, upper] = [sorted.len().saturating_sub(1) / 2, sorted.len() / 2];
    let middle = *sorted.get(lower)? + sorted.get(upper)?.saturating_sub(*sorted.get(lower)?) / 2;
    (sorted.len() >= DURATIONS_AT_LEAST).then_some(middle)
}

fn is_slow(over: Over, took: Option<Duration>, usual: Option<Duration>) -> bool {
    let Some(took) = took else { return false };
    match over {
        Over::Length(length) => took > length,
        // In hundredths on both sides, so that nothing is rounded.
        Over::Median(hundredths) => {
            usual.is_some_and(|usual| took.as_nanos() * 100 > usual.as_nanos() * u128::from(hundredths))
        }
    }
}

/// Nothing is remembered of a cooldown that is over.
fn forget_what_is_over(memory: &mut NotifyMemory, notify: &Notify, now: Timestamp) {
    for heard in memory.heard.values_mut() {
        heard.sorts.retain(|_, told| {
            let until = told.last.map(|last| last.saturating_add(notify.cooldown).unwrap_or(Timestamp::MAX));
            told.held.is_some() || until.is_some_and(|until| now < until)
        });
    }
    memory.heard.retain(|_, heard| heard.of_streak || !heard.sorts.is_empty());
}

/// What is known of a run that has ended.
fn facts(it: &RunRecord) -> RunFacts {
    RunFacts {
        run: it.run.0.clone(),
        trigger: it.trigger.as_str().into(),
        occurrence: it.occurrence,
        started: it.started,
        ended: Some(it.ended),
        duration: it.duration,
        outcome: Some(it.outcome.as_str().into()),
        exit_code: it.outcome.exit_code(),
        reason: it.reason().map(Into::into),
        container: it.container.as_deref().map(Into::into),
        attempts: it.attempts,
        and_more: it.and_more,
        tail: None,
    }
}
