//! What other tools' labels and files say, as layers of ours: theirs in meaning, with the place where each was written.
//!
//! Nothing is passed over in silence: what has no counterpart here, or not yet, is a diagnostic. A label of another
//! tool is a label: who can write one gains nothing that [grants](super::grants) would refuse.
//!
//! [`table`] is what the tools' tables are made of; [`ofelia`], [`chadburn`], [`deck_chores`] and [`swarm_cronjob`]
//! are the tools; [`ofelia_ini`] reads the files of the first two.
//! [`crontab`] is for `watchbell migrate` alone.

mod apscheduler;
pub mod chadburn;
pub mod crontab;
pub mod deck_chores;
mod go;
mod gobs;
mod names;
pub mod ofelia;
pub mod ofelia_ini;
mod ofelia_keys;
pub mod ofelia_values;
pub mod swarm_cronjob;
pub mod table;

use std::collections::{BTreeSet, btree_map::Entry};

use crate::model::gather::Gather;
use crate::model::{
    container::Container,
    diagnostic::{Diagnostic, did_you_mean},
    name::JobId,
    swarm::Service,
};

use super::{
    ini::{FileJob, Ini, Outside},
    label::{self, ContainerLabels, LabelJob},
};
use ofelia::Tool;
use table::{Foreign, Key};

/// Gives the value of a variable.
pub type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Whose labels and files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// Our own.
    Watchbell,
    /// Ofelia's, of either maker.
    Ofelia,
    /// Chadburn's.
    Chadburn,
    /// deck-chores'.
    DeckChores,
    /// swarm-cronjob's.
    SwarmCronjob,
}

impl Dialect {
    /// The dialects by their names.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("watchbell", Self::Watchbell),
        ("ofelia", Self::Ofelia),
        ("chadburn", Self::Chadburn),
        ("deck-chores", Self::DeckChores),
        ("swarm-cronjob", Self::SwarmCronjob),
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize].0
    }

    /// What its labels begin with.
    pub fn prefix(self) -> &'static str {
        if self == Self::SwarmCronjob { "swarm.cronjob" } else { self.as_str() }
    }

    /// Whether `${NAME}` is replaced in its files.
    pub fn substitutes(self) -> bool {
        self.tool().is_some_and(|tool| tool.substitutes)
    }

    /// The dialect of this name, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let word = super::params::spelling(text.trim());
        Self::NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, dialect)| dialect)
    }

    /// Reads names with commas, blanks or lines between them; at least one.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let mut dialects = Vec::new();
        for word in text.split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
            let dialect = Self::parse(word).ok_or_else(|| {
                let names = Self::NAMES.map(|(name, _)| name);
                let hint = did_you_mean(&word.to_ascii_lowercase(), names);
                let hint = hint.unwrap_or_else(|| format!("the dialects are {}", names.join(", ")));
                format!("there is no dialect \"{word}\": {hint}")
            })?;
            if !dialects.contains(&dialect) {
                dialects.push(dialect);
            }
        }
        if dialects.is_empty() {
            Err("no dialect is named: write for example watchbell, ofelia".to_owned())
        } else {
            Ok(dialects)
        }
    }

    /// The family that has files.
    fn tool(self) -> Option<&'static Tool> {
        match self {
            Self::Ofelia => Some(&ofelia::OFELIA),
            Self::Chadburn => Some(&chadburn::CHADBURN),
            Self::Watchbell | Self::DeckChores | Self::SwarmCronjob => None,
        }
    }

    /// Whether there are files in it.
    pub fn has_files(self) -> bool {
        self == Self::Watchbell || self.tool().is_some()
    }

    /// Its keys, for the documentation; none of our own.
    pub fn keys(self) -> Vec<&'static Key> {
        let tables: &[&'static [Key]] = match self {
            Self::Watchbell => &[],
            Self::Ofelia => ofelia::OFELIA.keys,
            Self::Chadburn => chadburn::CHADBURN.keys,
            Self::DeckChores => &[deck_chores::KEYS],
            Self::SwarmCronjob => &[swarm_cronjob::KEYS],
        };
        tables.iter().flat_map(|table| table.iter()).collect()
    }

    /// What a schedule, as it stands in a job of this dialect, means there.
    pub fn in_words(self, schedule: &str) -> String {
        match self {
            Self::DeckChores => deck_chores::in_words(schedule),
            Self::Ofelia | Self::Chadburn | Self::Watchbell | Self::SwarmCronjob => named_fields(schedule),
        }
    }

    /// A schedule as this tool reads it, as a schedule of ours, and what is to be said about it. One of deck-chores may
    /// begin with the key that it stands under, `cron`, `interval` or `date`; without one it is `cron`.
    ///
    /// Fails when it has no counterpart; whether the tool itself would take it is not asked.
    pub fn schedule(self, text: &str) -> Result<(String, Option<&'static str>), String> {
        match self {
            Self::Watchbell => Ok((text.to_owned(), None)),
            Self::DeckChores => deck_chores::schedule(text).map(|schedule| (schedule, None)),
            // Its library is the one of Ofelia, with the second of six fields as an option.
            Self::SwarmCronjob => Ok((go::schedule(text), None)),
            Self::Ofelia | Self::Chadburn => {
                let five = go::fields(text).len() == 5;
                let warning = self.tool().and_then(|tool| tool.five_fields).filter(|_| five);
                Ok((go::schedule(text), warning))
            }
        }
    }

    /// What this tool's labels on a container say; nothing for our own, which [`label`] reads.
    pub fn labels(self, container: &Container, own: bool) -> Foreign {
        let mut out = Foreign::default();
        match self {
            Self::Watchbell => {}
            Self::Ofelia => ofelia::labels(&ofelia::OFELIA, container, own, &mut out),
            Self::Chadburn => ofelia::labels(&chadburn::CHADBURN, container, own, &mut out),
            Self::DeckChores => deck_chores::labels(container, own, &mut out),
            Self::SwarmCronjob => swarm_cronjob::labels(container, &mut out),
        }
        out
    }

    /// What this tool's labels on a service of a Swarm say.
    pub fn of_service(self, service: &Service) -> Foreign {
        let mut out = Foreign::default();
        if self == Self::SwarmCronjob {
            swarm_cronjob::service(service, &mut out);
        }
        out
    }

    /// What a file of this tool says; `None` if it has none. `variable` gives the value of `${NAME}`; without it that
    /// stays as it is, with its default.
    pub fn file(self, path: &str, text: &[u8], variable: Option<&Variable<'_>>) -> Option<Foreign> {
        self.tool().map(|tool| ofelia_ini::read(tool, path, text, variable))
    }
}

/// The fields of a cron schedule with their names.
pub(crate) fn named_fields(schedule: &str) -> String {
    const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of month", "month", "day of week"];
    let fields = go::fields(schedule);
    let Some(missing) = FIELDS.len().checked_sub(fields.len()).filter(|missing| *missing <= 1) else {
        return schedule.to_owned();
    };
    let named: Vec<String> =
        FIELDS[missing..].iter().zip(fields).map(|(name, field)| format!("{name} {field}")).collect();
    named.join(", ")
}

/// Reads the labels of a container in each of `dialects`. Where two define one job, ours wins, else the first named;
/// the other has no effect and is told of.
pub fn read(container: &Container, own: bool, dialects: &[Dialect]) -> ContainerLabels {
    let ours = || label::parse(container, own);
    merged(dialects, "container", ours, |dialect| dialect.labels(container, own))
}

/// The same of a service of a Swarm, on which only ours and those of swarm-cronjob are meant to stand.
pub fn read_service(service: &Service, dialects: &[Dialect]) -> ContainerLabels {
    let ours = || label::parse_service(service);
    merged(dialects, "service", ours, |dialect| dialect.of_service(service))
}

fn merged(
    dialects: &[Dialect],
    word: &str,
    ours: impl FnOnce() -> ContainerLabels,
    theirs: impl Fn(Dialect) -> Foreign,
) -> ContainerLabels {
    let mut all = if dialects.contains(&Dialect::Watchbell) { ours() } else { ContainerLabels::default() };
    for dialect in dialects {
        let Foreign { jobs, diagnostics, once, rejected, .. } = theirs(*dialect);
        let mut beaten = BTreeSet::new();
        for (id, draft) in jobs {
            match all.jobs.entry(id) {
                Entry::Vacant(place) => {
                    place.insert(LabelJob { kind: draft.kind, layer: draft.layer });
                }
                Entry::Occupied(known) => {
                    let reason = format!(
                        "the labels of {} have no effect: other labels of this {word} already define the job",
                        dialect.as_str()
                    );
                    all.diagnostics.push(Diagnostic::warning(draft.origin, reason).about(known.key()));
                    beaten.insert(known.key().clone());
                }
            }
        }
        // What is wrong with labels that are not in force cannot cost the job that is.
        let kept =
            diagnostics.into_iter().filter(|it| it.job.as_ref().is_none_or(|job| !beaten.contains(job)));
        all.diagnostics.extend(kept);
        let stands = |job: &JobId| !beaten.contains(job) && !rejected.contains(job);
        all.once.extend(once.into_iter().filter(|(job, _)| stands(job)).map(|(_, it)| it));
    }
    all
}

/// Reads a file of this dialect.
pub fn read_ini(dialect: Dialect, path: &str, text: &[u8], outside: Outside<'_>) -> Ini {
    match dialect.file(path, text, Some(outside.variable)) {
        Some(foreign) => into_ini(foreign),
        None => super::ini::read(path, text, outside),
    }
}

/// A file of another tool as one of ours.
pub fn into_ini(foreign: Foreign) -> Ini {
    let Foreign { jobs, global, defaults, mut diagnostics, once, broken, rejected, lost: _ } = foreign;
    let once = once.into_iter().filter(|(job, _)| !rejected.contains(job)).map(|(_, it)| it);
    diagnostics.extend(table::firsts(once));
    let jobs = jobs
        .into_iter()
        .map(|(id, draft)| (id, FileJob { kind: draft.kind, layer: draft.layer, origin: draft.origin }));
    Ini { global, defaults, jobs: jobs.into_map(), diagnostics, broken, ..Ini::default() }
}

/// Splits `ofelia:/etc/ofelia/config.ini` into the dialect and the path; a path without such a prefix is as it is.
pub fn split_path(path: &str) -> (Option<Dialect>, &str) {
    let split = path.split_once(':').and_then(|(name, rest)| Some((Dialect::parse(name)?, rest)));
    match split {
        Some((dialect, rest)) if dialect.has_files() && !rest.is_empty() => (Some(dialect), rest),
        _ => (None, path),
    }
}

/// The dialect of files that name none: our own, unless `dialects` leaves it out and names one that has files.
pub fn of_files(dialects: &[Dialect]) -> Dialect {
    if dialects.contains(&Dialect::Watchbell) {
        return Dialect::Watchbell;
    }
    dialects.iter().copied().find(|dialect| dialect.has_files()).unwrap_or(Dialect::Watchbell)
}

#[cfg(test)]
mod tests;
