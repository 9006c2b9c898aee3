//! The daily messages: what happened in the day before, at the time of day that a channel asks for.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Time, tz::TimeZone};
use tokio::{task::spawn_blocking, time::timeout};

use crate::model::gather::Gather;
use crate::{
    history::query::{Ends, Reader},
    model::{
        channel::Telling,
        notification::{Cause, Notification, Streak},
    },
    time::{Alarm, Clock},
};

use super::message::{DigestRow, digest};

/// How long the history may take.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// What one message speaks of.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// When the next ones come.
#[derive(Debug)]
pub struct Digests {
    clock: Clock,
    alarm: Alarm,
    directory: PathBuf,
    /// When each channel was last sent one.
    last: BTreeMap<Arc<str>, Timestamp>,
    next: BTreeMap<Arc<str>, Timestamp>,
    zone: TimeZone,
    times: BTreeMap<Arc<str>, Time>,
}

impl Digests {
    /// `last` is what the last agent sent, by channel.
    pub fn new(clock: Clock, directory: PathBuf, last: BTreeMap<Arc<str>, Timestamp>) -> Self {
        let alarm = Alarm::new(clock.clone());
        Self {
            clock,
            alarm,
            directory,
            last,
            next: BTreeMap::new(),
            zone: TimeZone::UTC,
            times: BTreeMap::new(),
        }
    }

    /// The channels, and when they want one, are these from now on.
    pub fn renew(&mut self, telling: &Telling) {
        let now = self.clock.now();
        self.zone = telling.zone.time_zone().clone();
        self.times = telling
            .channels
            .iter()
            .filter_map(|(name, channel)| Some((name.clone(), parse(channel.text("digest")?)?)))
            .into_map();
        self.next = self.times.iter().map(|(name, at)| (name.clone(), self.first(name, *at, now))).into_map();
    }

    /// The time that comes next; one that passed while no agent was there is due now, if it was not more than a day ago.
    fn first(&self, name: &Arc<str>, at: Time, now: Timestamp) -> Timestamp {
        let next = after(now, at, &self.zone);
        let before = next.checked_sub(DAY).unwrap_or(next);
        let passed = self.last.get(name).is_some_and(|last| {
            // Around a change to summer time the two are not a day apart.
            *last < before.saturating_sub(SignedDuration::from_hours(2)).unwrap_or(before) && *last <= now
        });
        if passed { now } else { next }
    }

    /// Waits for the next one.
    pub async fn due(&mut self) -> Notification {
        loop {
            let Some((name, at)) =
                self.next.iter().min_by_key(|(_, at)| **at).map(|(name, at)| (name.clone(), *at))
            else {
                return std::future::pending().await;
            };
            let now = self.clock.now();
            if at > now {
                self.alarm.until(Some(at)).await;
                continue;
            }
            let text = self.text(now).await;
            let time = self.times.get(&name).copied().unwrap_or_else(Time::midnight);
            self.next.insert(name.clone(), after(now, time, &self.zone));
            self.last.insert(name.clone(), now);
            return Notification {
                id: format!("digest.{name}.{}", now.as_second()).into(),
                channel: name,
                cause: Cause::Digest,
                at: now,
                job: None,
                kind: None,
                run: None,
                streak: Streak::default(),
                expected: None,
                usual: None,
                text: Some(text),
            };
        }
    }

    async fn text(&self, now: Timestamp) -> String {
        let directory = self.directory.clone();
        let from = now.checked_sub(DAY).unwrap_or(Timestamp::UNIX_EPOCH);
        let read = spawn_blocking(move || Reader::open(&directory).ok().flatten()?.ends(from, now).ok());
        match timeout(READ_LIMIT, read).await {
            Ok(Ok(Some(jobs))) => {
                let rows: Vec<DigestRow> =
                    jobs.into_iter().map(|(job, ends)| row(job, &ends, &self.zone)).collect();
                digest(&rows)
            }
            _ => "the history cannot be read: GET /health and the agent's log say why".to_owned(),
        }
    }
}

fn row(job: String, ends: &Ends, zone: &TimeZone) -> DigestRow {
    let of = |outcome: &str| ends.outcomes.get(outcome).copied().unwrap_or(0);
    DigestRow {
        job,
        succeeded: of("succeeded"),
        failed: of("failed") + of("not-started"),
        timed_out: of("timed-out"),
        lost: of("lost"),
        missed: of("missed"),
        skipped: of("skipped"),
        stopped: of("stopped"),
        longest: ends.longest,
        last_failure: ends.last_bad.map(|at| at.to_zoned(zone.clone())),
    }
}

/// `HH:MM`, as the settings have it.
fn parse(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// The first time after `now` at which a clock of the zone shows this.
fn after(now: Timestamp, at: Time, zone: &TimeZone) -> Timestamp {
    let today = now.to_zoned(zone.clone()).date();
    let days = [today, today.saturating_add(1.day()), today.saturating_add(2.days())];
    let moments = days
        .into_iter()
        .filter_map(|day| Some(zone.to_ambiguous_zoned(day.to_datetime(at)).compatible().ok()?.timestamp()));
    moments.into_iter().find(|it| *it > now).unwrap_or_else(|| now.saturating_add(DAY).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;
    use crate::model::{
        channel::{Channel, ChannelKind, Value},
        origin::Origin,
        schedule::Zone,
    };

    #[test]
    fn the_time_of_day_is_that_of_the_zone_also_where_the_clocks_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (now, at, next) in [
            ("2026-03-28T12:00:00Z", time(8, 0, 0, 0), "2026-03-29T06:00:00Z"),
            ("2026-03-27T12:00:00Z", time(8, 0, 0, 0), "2026-03-28T07:00:00Z"),
            // This time of day is not there on that day.
            ("2026-03-29T00:30:00Z", time(2, 30, 0, 0), "2026-03-29T01:30:00Z"),
            ("2026-10-25T00:00:00Z", time(2, 30, 0, 0), "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", time(2, 30, 0, 0), "2026-10-26T01:30:00Z"),
        ] {
            let (now, next): (Timestamp, Timestamp) = (now.parse().unwrap(), next.parse().unwrap());
            assert_eq!(after(now, at, &zone), next, "{now}");
        }
    }

    fn telling(digest: &str) -> Telling {
        let values = [("digest", Value::One(digest.into()))].into();
        let channel = Channel {
            name: "ops".into(),
            kind: ChannelKind::Webhook,
            on: None,
            values,
            origin: Origin::Default,
            from_label: false,
        };
        Telling {
            channels: Arc::new([("ops".into(), Arc::new(channel))].into()),
            public_url: None,
            zone: Zone::parse("Europe/Berlin").unwrap(),
        }
    }

    fn digests(now: &str, last: Option<&str>) -> Digests {
        let last = last.map(|it| ("ops".into(), it.parse().unwrap()));
        let clock = Clock::anchored(now.parse().unwrap());
        let mut digests = Digests::new(clock, "/nowhere".into(), last.into_iter().collect());
        digests.renew(&telling("08:00"));
        digests
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_day_has_one_at_its_time_also_over_a_change_of_the_clocks() {
        let mut digests = digests("2026-03-28T07:30:00Z", Some("2026-03-28T07:00:00Z"));
        for at in ["2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z", "2026-03-31T06:00:00Z"] {
            let it = digests.due().await;
            assert_eq!((it.cause, &*it.channel), (Cause::Digest, "ops"));
            assert!(
                it.at.duration_since(moment(at)).abs() <= SignedDuration::from_secs(1),
                "{} and {at}",
                it.at
            );
            // A reload in between changes nothing.
            digests.renew(&telling("08:00"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_time_passed_while_no_agent_was_there_comes_at_once_and_only_once() {
        let mut late = digests("2026-03-31T09:00:00Z", Some("2026-03-30T06:00:00Z"));
        assert_eq!(late.due().await.at, moment("2026-03-31T09:00:00Z"));
        let next = late.due().await.at;
        assert!(
            next.duration_since(moment("2026-04-01T06:00:00Z")).abs() <= SignedDuration::from_secs(1),
            "{next}"
        );
        // One who never had one waits for his time.
        let first = digests("2026-03-31T09:00:00Z", None).due().await.at;
        assert!(first >= moment("2026-04-01T06:00:00Z"), "{first}");
    }
}
