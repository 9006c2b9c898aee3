//! `simulate`: when all jobs come in a stretch of time: a timetable, how many come in each hour, and which come at once.
//!
//! It looks at what is written and at nothing else: no Engine, no agent, and not how long a run takes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    fmt::Write as _,
    process::ExitCode,
};

use clap::Args;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::json;

use crate::model::gather::Gather;
use crate::{
    model::{
        diagnostic::Severity,
        schedule::{Schedule, Zone},
    },
    settings::resolve::{Desired, View, resolve},
    telemetry::report::rfc3339,
    time::Clock,
};

use super::{Environment, USAGE, args::SettingFlags, labels::Labels, load, moment::moment, print};

/// How many occurrences are looked at. A job of every second has that many in a day.
const LIMIT: usize = 100_000;

/// How many collisions are shown as text, and how many jobs of each.
const SHOWN: (usize, usize) = (20, 5);

/// What `simulate` looks at.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The settings; --config names the files to look at.
    #[command(flatten)]
    pub flags: SettingFlags,
    /// A compose file, or the JSON of `docker inspect`; - is standard input; can be repeated.
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<String>,
    /// Strictly after this moment: RFC 3339, or a local time such as 2026-03-29T00:00:00; now by default.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this moment, which counts; a day after --from by default.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Text, JSON or CSV.
    #[arg(long, value_enum, default_value_t)]
    pub output: Form,
}

/// How the timetable is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For tables.
    Csv,
}

/// Prints it; the exit code is 1 if something written is not in force, or the output has been cut.
pub fn run(args: &SimulateArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    let loaded = load::load(&args.flags, environment);
    let labels = Labels::read(&args.labels, environment, &loaded.sources.settings.label_dialects);
    let inventory = if args.labels.is_empty() { None } else { labels.inventory() };
    let view = inventory.as_ref().map_or(View::FilesOnly, View::Observed);
    let now = clock.now();
    let desired = resolve(&loaded.sources, view, now);
    let zone = desired.settings.as_ref().map_or_else(Zone::utc, |settings| settings.timezone.clone());
    let (from, to) = match stretch(args, &zone, now) {
        Ok((from, to, notes)) => {
            for note in &notes {
                print::complain(format_args!("watchbell: {note}"));
            }
            (from, to)
        }
        Err(reason) => {
            print::complain(format_args!("watchbell: {reason}"));
            return ExitCode::from(USAGE);
        }
    };
    let mut wrong = false;
    let told = labels.told_once(desired.diagnostics.clone());
    for it in labels.diagnostics.iter().chain(&told).filter(|it| it.severity == Severity::Error) {
        print::complain(format_args!("watchbell: {}: {}", it.origin, it.reason));
        wrong = true;
    }
    let table = Table::new(&desired, &zone, from, to);
    match args.output {
        Form::Text => print::exactly(table.text()),
        Form::Json => print::json(table.json()),
        Form::Csv => print::exactly(table.csv()),
    }
    if wrong || table.cut { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// From when and up to when, and how that was read where there was a choice.
fn stretch(
    args: &SimulateArgs,
    zone: &Zone,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp, Vec<String>), String> {
    let mut notes = Vec::new();
    let mut read = |flag: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let read = moment(text, zone).map_err(|reason| format!("{flag}: {reason}"))?;
        notes.extend(read.note.map(|note| format!("{flag}: {note}")));
        Ok::<_, String>(Some(read.at))
    };
    let from = read("--from", &args.from)?.unwrap_or(now);
    let day = from.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    let to = read("--to", &args.to)?.unwrap_or(day);
    if to <= from {
        return Err(format!("--to: {to} is not after {from}"));
    }
    Ok((from, to, notes))
}

/// What comes to pass between two moments.
struct Table<'a> {
    from: Timestamp,
    to: Timestamp,
    zone: Zone,
    /// In order of time and then of name.
    occurrences: Vec<(Timestamp, &'a str)>,
    /// Where a clock of one of the zones changes.
    changes: BTreeMap<Timestamp, Vec<String>>,
    /// What is to be said beside them.
    notes: Vec<String>,
    /// There were more than [`LIMIT`], and `to` is where they end.
    cut: bool,
}

impl<'a> Table<'a> {
    fn new(desired: &'a Desired, zone: &Zone, from: Timestamp, to: Timestamp) -> Self {
        let jobs: Vec<(&str, &Schedule, bool)> = desired
            .jobs
            .values()
            .map(|it| (it.spec.id.as_str(), &it.spec.schedule, it.spec.enabled))
            .collect();
        let due: Vec<(&str, &Schedule)> = jobs
            .iter()
            .filter(|(_, _, enabled)| *enabled)
            .map(|(id, schedule, _)| (*id, *schedule))
            .collect();
        let (occurrences, end) = occurrences(&due, from, to);
        let mut notes = Vec::new();
        if let Some(end) = end {
            let end = rfc3339(end, zone.time_zone());
            notes.push(format!("more than {LIMIT} occurrences: cut after {end}, give an earlier --to"));
        }
        notes.push(
            "jitter is not counted: each occurrence stands at the moment that the schedule names".to_owned(),
        );
        if due.iter().any(|(_, schedule)| schedule.is_anchored()) {
            notes.push(
                "@every counts from --from here, and in the agent from when it first saw the job".to_owned(),
            );
        }
        for (id, schedule, enabled) in &jobs {
            if !enabled {
                notes.push(format!("{id} is not enabled"));
            } else if schedule.at_startup() || schedule.only_triggered() {
                notes.push(format!("{id} comes {}", schedule.words()));
            }
        }
        let zones: BTreeMap<&str, &Zone> = due
            .iter()
            .map(|(_, schedule)| schedule.zone())
            .chain([zone])
            .map(|it| (it.name(), it))
            .into_map();
        let (cut, to) = (end.is_some(), end.unwrap_or(to));
        let changes = changes(zones.into_values(), from, to);
        Self { from, to, zone: zone.clone(), occurrences, changes, notes, cut }
    }

    fn time_zone(&self) -> &TimeZone {
        self.zone.time_zone()
    }

    fn shown(&self, at: Timestamp) -> String {
        rfc3339(at, self.time_zone())
    }

    /// How many occurrences each hour of the day has, on the clock of the agent's zone.
    fn hours(&self) -> BTreeMap<i8, usize> {
        let mut hours = BTreeMap::new();
        for (at, _) in &self.occurrences {
            *hours.entry(self.time_zone().to_datetime(*at).hour()).or_default() += 1;
        }
        hours
    }

    /// Moments at which several jobs come, the most first.
    fn collisions(&self) -> Vec<(Timestamp, Vec<&'a str>)> {
        let mut all: Vec<(Timestamp, Vec<&str>)> = self
            .occurrences
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|chunk| chunk.len() > 1)
            .map(|chunk| (chunk[0].0, chunk.iter().map(|(_, job)| *job).collect()))
            .collect();
        all.sort_by_key(|(at, jobs)| (Reverse(jobs.len()), *at));
        all
    }

    /// Occurrences and changes of the clock, each with its line, in order of time.
    fn lines(
        &self,
        occurrence: impl Fn(&str, &str) -> String,
        change: impl Fn(&str, &str) -> String,
    ) -> Vec<String> {
        let mut changes = self.changes.iter().peekable();
        let mut lines = Vec::new();
        let mut told = |until: Timestamp, lines: &mut Vec<String>| {
            while let Some((at, all)) = changes.next_if(|(at, _)| **at <= until) {
                lines.extend(all.iter().map(|it| change(&self.shown(*at), it)));
            }
        };
        for (at, job) in &self.occurrences {
            told(*at, &mut lines);
            lines.push(occurrence(&self.shown(*at), job));
        }
        told(self.to, &mut lines);
        lines
    }

    fn text(&self) -> String {
        let lines = self.lines(|at, job| format!("{at}  {job}"), |at, change| format!("{at}  -- {change}"));
        let mut out: String = lines.into_iter().map(|line| line + "\n").collect();
        // Writing to a text does not fail.
        let _ = self.write_sums(&mut out);
        out
    }

    fn write_sums(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\nby hour of the day in {}:", self.zone.name())?;
        for (hour, count) in self.hours() {
            writeln!(out, "{hour:02}:00  {count}")?;
        }
        let collisions = self.collisions();
        writeln!(out, "\nat the same moment:")?;
        for (at, jobs) in collisions.iter().take(SHOWN.0) {
            let named = jobs[..jobs.len().min(SHOWN.1)].join(", ");
            let more = jobs.len().saturating_sub(SHOWN.1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(out, "{} jobs at {}: {named}{more}", jobs.len(), self.shown(*at))?;
        }
        match collisions.len() {
            0 => writeln!(out, "no two jobs")?,
            count if count > SHOWN.0 => writeln!(out, "and at {} more moments", count - SHOWN.0)?,
            _ => {}
        }
        writeln!(out)?;
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        let jobs: BTreeSet<&str> = self.occurrences.iter().map(|(_, job)| *job).collect();
        let (count, jobs) = (self.occurrences.len(), jobs.len());
        let (from, to) = (self.shown(self.from), self.shown(self.to));
        writeln!(out, "{count} occurrences of {jobs} jobs after {from} and up to {to}")
    }

    fn json(&self) -> serde_json::Value {
        let occurrences =
            self.occurrences.iter().map(|(at, job)| json!({"time": self.shown(*at), "job": job}));
        let changes = self.changes.iter().flat_map(|(at, all)| {
            all.iter().map(|it| json!({"time": self.shown(*at), "change": it})).collect::<Vec<_>>()
        });
        let hours = self.hours().into_iter().map(|(hour, count)| (format!("{hour:02}:00"), json!(count)));
        let collisions =
            self.collisions().into_iter().map(|(at, jobs)| json!({"time": self.shown(at), "jobs": jobs}));
        json!({
            "from": self.shown(self.from),
            "to": self.shown(self.to),
            "timezone": self.zone.name(),
            "complete": !self.cut,
            "occurrences": occurrences.collect::<Vec<_>>(),
            "clock_changes": changes.collect::<Vec<_>>(),
            "hours": hours.collect::<serde_json::Map<_, _>>(),
            "collisions": collisions.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// The timetable alone; an identity and what is said of a change have neither a comma nor a quote.
    fn csv(&self) -> String {
        for note in &self.notes {
            print::complain(format_args!("watchbell: {note}"));
        }
        let lines = self.lines(|at, job| format!("{at},{job},"), |at, change| format!("{at},,{change}"));
        let head = "time,job,clock_change".to_owned();
        [head].into_iter().chain(lines).map(|line| line + "\n").collect()
    }
}

/// Every occurrence after `from` and up to `to`, in order of time and then of name; and the last moment that is
/// complete, if there are more than [`LIMIT`].
fn occurrences<'a>(
    jobs: &[(&'a str, &Schedule)],
    from: Timestamp,
    to: Timestamp,
) -> (Vec<(Timestamp, &'a str)>, Option<Timestamp>) {
    let next = |job: usize, after: Timestamp| {
        let (_, schedule) = jobs.get(job)?;
        schedule.next_after(after, from).filter(|at| *at <= to).map(|at| Reverse((at, job)))
    };
    let mut order: BinaryHeap<_> = (0..jobs.len()).filter_map(|job| next(job, from)).collect();
    let mut found: Vec<(Timestamp, &str)> = Vec::new();
    while let Some(Reverse((at, job))) = order.pop() {
        if found.len() == LIMIT {
            // What stands at the moment of the cut is not all of it.
            found.retain(|(kept, _)| *kept < at);
            let end = at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at);
            return (found, Some(end));
        }
        found.extend(jobs.get(job).map(|(id, _)| (at, *id)));
        order.extend(next(job, at));
    }
    (found, None)
}

/// What happens to the clocks of these zones.
fn changes<'a>(
    zones: impl Iterator<Item = &'a Zone>,
    from: Timestamp,
    to: Timestamp,
) -> BTreeMap<Timestamp, Vec<String>> {
    let mut all: BTreeMap<Timestamp, Vec<String>> = BTreeMap::new();
    for zone in zones {
        let mut before = zone.time_zone().to_offset(from);
        for change in zone.time_zone().following(from).take_while(|change| change.timestamp() <= to) {
            let (at, after) = (change.timestamp(), change.offset());
            if after != before {
                let clock = |offset: jiff::tz::Offset| offset.to_datetime(at).strftime("%H:%M").to_string();
                let text =
                    format!("the clock of {} goes from {} to {}", zone.name(), clock(before), clock(after));
                all.entry(at).or_default().push(text);
            }
            before = after;
        }
    }
    all
}
