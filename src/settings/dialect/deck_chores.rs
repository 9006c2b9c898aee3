//! deck-chores: `deck-chores.<job>.<key>` on any container; there is nothing to opt in.
//!
//! Relied upon: its documentation and source to version 1.3. Its own defaults come from its environment, which nobody
//! here can see: the user is the container's, and the zone is that of the agent.

use std::collections::BTreeMap;

use crate::model::gather::Gather;
use crate::model::{
    container::Container,
    name::{JobId, JobKind},
    origin::Origin,
};

use JobKind::Exec;

use super::{
    apscheduler, go,
    names::Names,
    table::{self, Becomes, Foreign, Key, Taken, same},
};

use Becomes::{Parameter, Reader};

/// The name, as its people write it.
pub const NAME: &str = "deck-chores";

const JOBS: &[JobKind] = &[Exec];

const fn key(name: &'static str, kinds: &'static [JobKind], becomes: Becomes, doc: &'static str) -> Key {
    Key { name, kinds, becomes, doc }
}

/// Every key.
pub static KEYS: &[Key] = &[
    key("command", JOBS, Parameter("command", same), "The same."),
    key(
        "cron",
        JOBS,
        Parameter("schedule", cron),
        "`schedule`: the fields in our order, days of the week by name. A week of the year, and a day of the month together with a day of the week, have no counterpart.",
    ),
    key("interval", JOBS, Parameter("schedule", interval), "`schedule`: `@every` and the sum of the fields."),
    key("date", JOBS, Parameter("schedule", date), "`schedule` with that one moment and its year."),
    key("timezone", JOBS, Parameter("timezone", same), "The same."),
    key("user", JOBS, Parameter("user", same), "The same; that of `options.user` where it is not given."),
    key("workdir", JOBS, Parameter("workdir", same), "The same."),
    key(
        "max",
        JOBS,
        Parameter("overlap", max),
        "1 is `overlap=skip`, more is `overlap=allow`, without a limit.",
    ),
    key("jitter", JOBS, Parameter("jitter", jitter), "The same; a number is in seconds."),
    key("env", JOBS, Reader, "`env.<NAME>` is one item of `environment`."),
    key("options.user", &[], Reader, "`user` of the container's jobs that name none."),
    key(
        "options.flags",
        &[],
        Reader,
        "With commas. `service` and `image` hold here anyway; `noservice` is `replica=all`; `noimage` has no counterpart.",
    ),
    key("options", &[], Reader, "As `options.flags`."),
];

const TABLES: &[&[Key]] = &[KEYS];

fn cron(text: &str) -> Taken {
    match apscheduler::schedule(text) {
        Ok(schedule) => {
            // The last day of a month has a word of its own there.
            let fields: Vec<&str> =
                text.split_whitespace().filter(|it| !it.eq_ignore_ascii_case("last")).collect();
            let warning = go::refused(&fields).map(|part| {
                format!("{NAME} refuses \"{part}\", so that the job never ran there; here it is scheduled")
            });
            Taken { warning, ..Taken::one(schedule) }
        }
        Err(reason) => Taken::wrong(reason),
    }
}

fn interval(text: &str) -> Taken {
    match interval_seconds(text.trim()) {
        Some(0) | None => Taken::wrong(format!(
            "\"{}\" is no interval: write for example daily, 42:00:00 or 90m",
            text.trim()
        )),
        Some(count) => Taken::one(format!("@every {}", go::seconds(count))),
    }
}

/// Weeks, days, hours, minutes and seconds, the missing ones missing on the left; numbers with units; or a word.
fn interval_seconds(text: &str) -> Option<u64> {
    const WORDS: [(&str, u64); 5] =
        [("weekly", 604_800), ("daily", 86_400), ("hourly", 3600), ("every minute", 60), ("every second", 1)];
    const UNITS: [u64; 5] = [1, 60, 3600, 86_400, 604_800];
    if let Some((_, count)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Some(*count);
    }
    if text.chars().any(char::is_alphabetic) {
        return with_units(text);
    }
    let fields: Vec<&str> = text
        .split(|c: char| matches!(c, '.' | ':' | '/') || c.is_whitespace())
        .filter(|it| !it.is_empty())
        .collect();
    if fields.len() > UNITS.len() {
        return None;
    }
    fields.iter().rev().zip(UNITS).try_fold(0_u64, |sum, (field, unit)| {
        sum.checked_add(field.parse::<u32>().ok().map(u64::from)?.checked_mul(unit)?)
    })
}

/// `1h 30m`, `2 weeks`: the first letter after a number is its unit, and the rest of the word does not matter.
fn with_units(text: &str) -> Option<u64> {
    let mut sum = 0_f64;
    let mut digits = String::new();
    let mut pass = false;
    for c in text.chars() {
        if c.is_ascii_digit() || c == '.' {
            pass = false;
            digits.push(c);
            continue;
        }
        if pass {
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            'd' => 86_400.0,
            'w' => 604_800.0,
            _ => {
                pass |= c.is_alphabetic();
                continue;
            }
        };
        if !digits.is_empty() {
            sum += unit * digits.parse::<f64>().ok()?;
            digits.clear();
        }
        pass = true;
    }
    // A century is long enough, and keeps what follows exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..3.2e9).contains(&sum).then_some(sum as u64)
}

fn date(text: &str) -> Taken {
    let text = text.trim();
    let read = text
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    match read {
        Ok(at) => Taken::one(format!(
            "{} {} {} {} {} * {}",
            at.second(),
            at.minute(),
            at.hour(),
            at.day(),
            at.month(),
            at.year()
        )),
        Err(_) => Taken::wrong(format!("\"{text}\" is no moment such as 2027-01-31 23:00:00")),
    }
}

fn max(text: &str) -> Taken {
    match text.trim().parse::<u32>() {
        Ok(1) => Taken::one("skip"),
        Ok(count) if count > 1 => Taken {
            warning: Some(format!("there is no limit of {count} here: any number of runs may overlap")),
            ..Taken::one("allow")
        },
        _ => Taken::wrong(format!("\"{}\" is no number from 1", text.trim())),
    }
}

fn jitter(text: &str) -> Taken {
    let text = text.trim();
    let count = if text.chars().any(char::is_alphabetic) { with_units(text) } else { text.parse().ok() };
    match count {
        Some(count) => Taken { holds: count == 0, ..Taken::one(go::seconds(count)) },
        None => Taken::wrong(format!("\"{text}\" is no length of time such as 30 or 5m")),
    }
}

/// Reads the labels of a container. `own` says that the agent itself runs in it.
pub fn labels(container: &Container, own: bool, out: &mut Foreign) {
    let ours: BTreeMap<&str, (&str, &str)> = container
        .labels
        .iter()
        .filter_map(|(label, text)| {
            let rest = label.strip_prefix("deck-chores.")?;
            Some((rest, (label.as_str(), text.as_str())))
        })
        .into_map();
    let jobs: Vec<(JobKind, &str)> = ours
        .keys()
        .filter(|rest| !rest.starts_with("options."))
        .filter_map(|rest| Some((Exec, rest.split_once('.')?.0)))
        .collect();
    let reader = Labels { container, own, names: Names::new(&jobs) };
    for (rest, (label, text)) in &ours {
        if !rest.starts_with("options.") && *rest != "options" {
            reader.label(label, rest, text, out);
        }
    }
    for (rest, (label, text)) in ours {
        match rest {
            "options.user" => reader.user(label, text, out),
            "options" | "options.flags" => reader.flags(label, text, out),
            _ if rest.starts_with("options.") => {
                let reason = table::find(NAME, TABLES, rest, None).err().unwrap_or_default();
                out.without_effect(None, reader.place(label), reason);
            }
            _ => {}
        }
    }
}

struct Labels<'a> {
    container: &'a Container,
    own: bool,
    names: Names,
}

impl Labels<'_> {
    fn place(&self, label: &str) -> Origin {
        Origin::Label { container: self.container.name.clone(), label: label.into() }
    }

    fn id(&self, name: &str) -> JobId {
        if self.own { JobId::plain(name) } else { JobId::at_home(&self.container.home(), name) }
    }

    fn label(&self, label: &str, rest: &str, text: &str, out: &mut Foreign) {
        let origin = self.place(label);
        let Some((name, key)) = rest.split_once('.') else {
            let reason = "the label has no effect: one of deck-chores is deck-chores.<job>.<key>";
            return out.without_effect(None, origin, reason);
        };
        let here = self.names.of(Exec, name);
        let id = self.id(here);
        let job = self.place(&format!("deck-chores.{name}"));
        if out.job(&id, Exec, &job, name, here).is_none() {
            return;
        }
        if let Some(variable) = key.strip_prefix("env.") {
            return environment(&id, variable, text, origin, out);
        }
        match table::find(NAME, TABLES, key, Some(Exec)) {
            Err(reason) => out.without_effect(Some(&id), origin, reason),
            Ok(found) if found.name == "env" => {
                out.without_effect(Some(&id), origin, "\"env\" has no effect: write env.<NAME>");
            }
            Ok(found) => {
                if matches!(found.name, "cron" | "interval" | "date")
                    && let Some(draft) = out.jobs.get_mut(&id)
                {
                    if let Some(before) = draft.layer.get("schedule") {
                        let reason =
                            format!("\"{key}\" cannot stand beside the schedule at {}", before.origin);
                        return out.rejects(&id, origin, reason);
                    }
                    draft.schedule = Some(format!("{} {}", found.name, text.trim()));
                }
                out.take(&id, found, text, origin);
            }
        }
    }

    /// `options.user` is for the jobs that name none.
    fn user(&self, label: &str, text: &str, out: &mut Foreign) {
        let Ok(param) = super::super::params::look_up("user", Exec) else { return };
        if text.trim().is_empty() {
            return;
        }
        let origin = self.place(label);
        for draft in out.jobs.values_mut().filter(|draft| draft.layer.get("user").is_none()) {
            let text = super::super::layer::Text::One(text.into());
            draft.layer.set(param, super::super::layer::Written::new(text, origin.clone()));
        }
    }

    fn flags(&self, label: &str, text: &str, out: &mut Foreign) {
        const REPLICA: Key =
            key("noservice", JOBS, Parameter("replica", all), "one run in each container is `replica=all`");
        for flag in text.split(',').map(str::trim).filter(|flag| !flag.is_empty()) {
            let origin = self.place(label);
            match flag {
                "service" | "image" => {}
                "noservice" => {
                    let ids: Vec<JobId> = out.jobs.keys().cloned().collect();
                    for id in &ids {
                        out.take(id, &REPLICA, flag, origin.clone());
                    }
                }
                "noimage" => out.without_effect(
                    None,
                    origin,
                    "\"noimage\" has no effect: the Engine gives a container its image's labels",
                ),
                _ => {
                    let known = ["service", "noservice", "image", "noimage"];
                    let hint = crate::model::diagnostic::did_you_mean(flag, known);
                    let hint = hint.unwrap_or_else(|| format!("the options are {}", known.join(", ")));
                    out.without_effect(
                        None,
                        origin,
                        format!("\"{flag}\" is no option and has no effect: {hint}"),
                    );
                }
            }
        }
    }
}

fn all(_: &str) -> Taken {
    Taken::one("all")
}

/// One variable. Its value is nobody's to see.
fn environment(id: &JobId, variable: &str, text: &str, origin: Origin, out: &mut Foreign) {
    const VARIABLE: Key = key("env", JOBS, Parameter("environment", one_item), "");
    if variable.is_empty() {
        return out.without_effect(Some(id), origin, "the variable has no name and no effect");
    }
    out.take(id, &VARIABLE, &format!("{variable}={text}"), origin);
}

fn one_item(text: &str) -> Taken {
    Taken::items([text])
}

/// A schedule of deck-chores as one of ours; it may begin with the key that it stands under.
pub fn schedule(text: &str) -> Result<String, String> {
    let taken = match text.trim().split_once(' ') {
        Some(("cron", fields)) => cron(fields),
        Some(("interval", length)) => interval(length),
        Some(("date", moment)) => date(moment),
        _ => cron(text),
    };
    match taken.text? {
        Some(super::super::layer::Text::One(text)) => Ok(text.to_string()),
        _ => Err("the schedule is empty".to_owned()),
    }
}

/// What a schedule of deck-chores says, in words; it begins with the key that it stood under.
pub fn in_words(text: &str) -> String {
    match text.split_once(' ') {
        Some(("cron", fields)) => apscheduler::in_words(fields),
        Some(("interval", length)) => {
            format!("again and again, after {length} (weeks, days, hours, minutes, seconds)")
        }
        Some(("date", moment)) => format!("once, at {moment}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_fields_units_or_words() {
        for (there, here) in [
            ("42:00:00", 42 * 3600),
            ("100/00:00:00", 100 * 86_400),
            ("15", 15),
            ("1 0 0 0 0", 604_800),
            ("daily", 86_400),
            ("every minute", 60),
            ("90m", 5400),
            ("1.5 hours", 5400),
            ("2 weeks 1d", 2 * 604_800 + 86_400),
        ] {
            assert_eq!(interval_seconds(there), Some(here), "{there}");
        }
        for wrong in ["1:2:3:4:5:6", "-1", "1,5", "9999999999w"] {
            assert_eq!(interval_seconds(wrong), None, "{wrong}");
        }
    }
}
