//! Where each value of one job comes from, and what it hid.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{
    channel::{Channel, ChannelKind, Channels, Value as ChannelValue},
    diagnostic::{Diagnostic, Severity},
    job::JobSpec,
    name::{JobId, JobKind},
    origin::Origin,
    parameters::HIDDEN,
    schedule::Schedule,
};

use super::{
    access::CallerSection,
    channels::table::{ChannelParam, all_of},
    env,
    global::{
        layers,
        shown::{UNSET, is_hidden},
    },
    labelled::{read_labels, read_labels_about},
    layer::{JobLayer, Text, Written},
    memo::{Memo, SettledSettings},
    params::{PARAMS, Param, Shape},
    resolve::{DesiredJob, Known, Sources, View, known_jobs, resolve},
    settle::Settle,
    sources::ChannelPlaces,
    value,
};

/// One value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// As it was written; of a secret only what may be shown.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

/// One parameter or setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What is in force.
    pub is: Placed,
    /// What is written on top and wrong, and so not in force. A job with such a value is not on the schedule at all.
    pub refused: Option<Placed>,
    /// What lower layers say, the nearest first.
    pub hides: Vec<Placed>,
}

/// One job, explained.
#[derive(Debug)]
pub struct Explained {
    /// Its kind.
    pub kind: JobKind,
    /// The job, if what was written makes one.
    pub job: Option<DesiredJob>,
    /// Every parameter of its kind, in the order of the documentation.
    pub parameters: Vec<Row>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Explains a job; `None` if nothing speaks of it. What is wrong with it may lie between jobs, so all of them are read.
pub fn explain(sources: &Sources, view: View<'_>, now: Timestamp, id: &JobId) -> Option<Explained> {
    let mut desired = resolve(sources, view, now);
    desired.diagnostics.retain(|it| it.job.as_ref() == Some(id));
    let job = desired.jobs.remove(id);
    let spec = job.as_ref().map(|job| &*job.spec);
    let (kind, parameters) = parameters(sources, view, now, id, spec)?;
    Some(Explained { kind, parameters, job, diagnostics: desired.diagnostics })
}

/// The kind of a job, and where the value of each of its parameters comes from; `None` if nothing speaks of it. `spec` is
/// what the layers make, if they make a job. No other job is read, however many there are.
pub fn parameters(
    sources: &Sources,
    view: View<'_>,
    now: Timestamp,
    id: &JobId,
    spec: Option<&JobSpec>,
) -> Option<(JobKind, Vec<Row>)> {
    let (sources, mut memo) = (&sources.about(id), Memo::default());
    memo.begin();
    let read = read_labels_about(sources, view, &mut memo, id);
    let own = read.iter().find(|(_, read)| read.own).map(|(_, read)| read);
    let observed = matches!(view, View::Observed(_));
    let SettledSettings { settings, channels, .. } = memo.settings(sources, own, observed);
    let known = known_jobs(sources, view, &read, &mut Vec::new());
    let (id, Known { kind, home, made }) = known.get_key_value(id)?;
    let (kind, made) = (*kind, *made);
    let settle = |home| Settle {
        sources,
        settings: &settings,
        channels: &channels,
        view,
        now,
        before: None,
        id,
        kind,
        home,
        made,
        spoiled: false,
        spoiled_by_default: false,
        diagnostics: Vec::new(),
    };
    let all = env::layers(&sources.overrides, &[(*id, kind)].into(), false).0.remove(id);
    let home = home.as_ref();
    let refused = settle(home).falls_back(all.as_ref());
    // What labels say and may not is shown beside what is in force instead of it.
    let labels = if refused { settle(home).layers().unwrap_or_default().pop() } else { None };
    let mut stack = settle(home.filter(|_| !refused)).layers().unwrap_or_default();
    // One at a time: two of them may say the same parameter, and the later hides the earlier.
    for it in &sources.overrides {
        let (mut layers, _) = env::layers(std::slice::from_ref(it), &[(*id, kind)].into(), false);
        stack.extend(layers.remove(id));
    }
    let zone = Placed {
        value: settings.timezone.name().to_owned(),
        origin: Origin::Place("setting timezone".into()),
    };
    let parameters = PARAMS.iter().filter(|param| param.works_for(kind)).map(|param| {
        let written = labels.as_ref().and_then(|layer| layer.get(param.name));
        let row = Row { refused: written.map(|it| placed(param, it)), ..row(param, &stack) };
        match row.name {
            _ if row.is.origin != Origin::Default => row,
            "timezone" => Row { is: zone.clone(), ..row },
            "notify" | "notify-on" => {
                let values = settings.values();
                let of_agent =
                    values.iter().find(|(name, _)| *name == row.name).map(|(_, it)| it.shown().to_owned());
                let origin = Origin::Place(format!("setting {}", row.name).into());
                let of_agent = of_agent.filter(|it| it != UNSET);
                of_agent.map_or(row.clone(), |value| Row { is: Placed { value, origin }, ..row })
            }
            _ => row,
        }
    });
    let prefixed = spec.map(|spec| &spec.schedule).filter(|schedule| schedule.names_zone());
    let prefix = prefixed.zip(stack.iter().rev().find_map(|layer| layer.get("schedule")));
    let parameters = parameters.map(|row| match prefix {
        Some((schedule, written)) if row.name == "timezone" => under_prefix(row, schedule, written),
        _ => row,
    });
    Some((kind, parameters.collect()))
}

/// The agent's settings, explained.
#[derive(Debug)]
pub struct ExplainedSettings {
    /// Every setting, in the order of the documentation.
    pub settings: Vec<Row>,
    /// Every channel, by name.
    pub channels: Vec<ChannelRow>,
    /// Those whom the files let in.
    pub callers: Vec<CallerSection>,
    /// What is wrong with them, and with the sources as such.
    pub diagnostics: Vec<Diagnostic>,
}

/// One channel, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub kind: ChannelKind,
    /// Where it is written.
    pub origin: Origin,
    /// What is written of it, in the order of the documentation; of a secret only that it is there.
    pub values: Vec<(&'static str, Placed)>,
}

/// The channels with their values and places.
fn channel_rows(channels: &Channels, places: &ChannelPlaces) -> Vec<ChannelRow> {
    let row = |(name, it): (&Arc<str>, &Arc<Channel>)| {
        let written = |param: &ChannelParam| {
            let (key, origin) = places.get(name)?.iter().find(|(key, _)| *key == param.name)?;
            let value = match it.values.get(key) {
                _ if param.secret => HIDDEN.to_owned(),
                Some(ChannelValue::One(text)) => text.to_string(),
                Some(ChannelValue::List(items)) => json(items.iter().map(ToString::to_string)),
                None if *key == "type" => it.kind.as_str().to_owned(),
                None => it
                    .on
                    .filter(|_| *key == "notify-on")
                    .map_or("none".to_owned(), |on| on.words().join(", ")),
            };
            Some((*key, Placed { value, origin: origin.clone() }))
        };
        let values = all_of(it.kind).filter_map(written).collect();
        ChannelRow { name: name.clone(), kind: it.kind, origin: it.origin.clone(), values }
    };
    channels.iter().map(row).collect()
}

/// Explains the agent's settings.
pub fn explain_settings(sources: &Sources, view: View<'_>) -> ExplainedSettings {
    let mut memo = Memo::default();
    memo.begin();
    let read = read_labels(sources, view, &mut memo);
    let own = read.iter().find(|(_, read)| read.own).map(|(_, read)| read);
    let labels = own.map_or(&[][..], |own| &own.labels.settings);
    let observed = matches!(view, View::Observed(_));
    let SettledSettings { settings, channels, places, diagnostics: found } =
        memo.settings(sources, own, observed);
    let values = settings.values();
    let of_labels = own.iter().flat_map(|own| &own.labels.diagnostics).filter(|it| it.job.is_none());
    let of_sources = [&sources.refused, &sources.diagnostics, &sources.file.broken, &found];
    let mut diagnostics: Vec<Diagnostic> =
        of_sources.into_iter().flatten().chain(of_labels).cloned().collect();
    diagnostics.sort();
    diagnostics.dedup();
    let refused = |it: &Placed| {
        diagnostics.iter().any(|found| found.severity == Severity::Error && found.origin == it.origin)
    };
    let (placed, _) = layers::place(&sources.file.global, labels, &sources.upper);
    let rows = placed.iter().map(|it| {
        let value = values.iter().find(|(name, _)| *name == it.setting.name);
        // Where nobody says anything this is what holds.
        let nobodys = value.map_or(it.setting.default, |(_, value)| value.shown());
        setting(it, sources, nobodys, refused)
    });
    let channels = channel_rows(&channels, &places);
    let callers = settings.access.sections();
    ExplainedSettings { settings: rows.collect(), channels, callers, diagnostics }
}

/// A wrong value on top is not in force.
fn setting(
    it: &layers::Placed<'_>,
    sources: &Sources,
    nobodys: &str,
    refused: impl Fn(&Placed) -> bool,
) -> Row {
    let name = it.setting.name;
    let shown = |value: &str| {
        if is_hidden(name, value) { HIDDEN.to_owned() } else { value::unquote(value).0.to_owned() }
    };
    let outside = sources.upper.outside(name).map(|(variable, value)| Placed {
        value: shown(value),
        origin: Origin::Environment(variable.into()),
    });
    let default = Placed { value: nobodys.to_owned(), origin: Origin::Default };
    let written = it.written.iter().map(|raw| Placed {
        value: if raw.from_file { HIDDEN.to_owned() } else { shown(&raw.value) },
        origin: raw.origin.clone(),
    });
    let mut row = stacked(name, [default.clone()].into_iter().chain(outside.clone()).chain(written));
    if refused(&row.is) {
        // A wrong label hides nothing; what else is wrong keeps an agent from starting.
        let label = row.is.origin.is_label();
        let lower = row.hides.iter().position(|it| label && !refused(it));
        let nobodys = outside.into_iter().chain([default]).find(|it| *it != row.is && !refused(it));
        if let Some(is) = lower.map(|at| row.hides.remove(at)).or(nobodys) {
            row.hides.retain(|it| *it != is);
            row.refused = Some(std::mem::replace(&mut row.is, is));
        }
    }
    row
}

fn row(param: &'static Param, stack: &[JobLayer]) -> Row {
    let default = Placed { value: param.default.replace('`', ""), origin: Origin::Default };
    let written = stack.iter().filter_map(|layer| layer.get(param.name)).map(|it| placed(param, it));
    stacked(param.name, [default].into_iter().chain(written))
}

/// The row of the zone where the schedule's own prefix counts: it hides what is written as the parameter.
fn under_prefix(row: Row, schedule: &Schedule, written: &Written) -> Row {
    let is = Placed { value: schedule.zone().name().to_owned(), origin: written.origin.clone() };
    let below = std::iter::once(row.is).filter(|it| it.origin != Origin::Default).chain(row.hides);
    Row { is, hides: below.collect(), ..row }
}

/// A row of the values that were written, the lowest first. What is in force hides them all but the built-in default,
/// which is there for everyone to read.
fn stacked(name: &'static str, values: impl Iterator<Item = Placed>) -> Row {
    let mut values: Vec<Placed> = values.collect();
    let is = values.pop().unwrap_or_else(|| Placed { value: String::new(), origin: Origin::Default });
    values.retain(|it| it.origin != Origin::Default);
    values.reverse();
    Row { name, is, refused: None, hides: values }
}

fn placed(param: &'static Param, it: &Written) -> Placed {
    let value = match &value::bare(&it.text).0 {
        text if param.secret => names(param, text),
        Text::One(text) => text.to_string(),
        Text::Items(items) => json(items.iter().map(ToString::to_string)),
    };
    Placed { value, origin: it.origin.clone() }
}

/// What may be shown of a secret: of a list of variables, their names.
fn names(param: &'static Param, text: &Text) -> String {
    match value::map(text) {
        Ok(items) if param.shape == Shape::Map => {
            json(items.into_iter().map(|(name, _)| format!("{name}={HIDDEN}")))
        }
        _ => HIDDEN.to_owned(),
    }
}

fn json(items: impl Iterator<Item = String>) -> String {
    items.collect::<serde_json::Value>().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            container::{Container, ContainerId, ContainerState, Inventory},
            swarm::Services,
        },
        settings::{global::layers::Upper, ini},
    };

    const MANY: usize = 1000;

    fn container(n: usize, labels: &[(&str, &str)]) -> Container {
        Container {
            id: ContainerId(format!("{n:064}").into()),
            name: format!("c{n}").into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    /// As many jobs in the file as on containers, and the agent's own container.
    fn crowd() -> (Sources, Inventory) {
        let sections: Vec<String> = (0..MANY)
            .map(|n| format!("[job-local \"f{n}\"]\nschedule = TZ=Europe/Berlin @daily\ncommand = x\n"))
            .collect();
        let under = "[job-exec \"c7.a\"]\nretries = 7\n[job-defaults]\ngrace-period = 3s\n";
        let file = ini::parse("a.ini", &(sections.concat() + under), &|_| None);
        let labels = [
            ("watchbell.enabled", "true"),
            ("watchbell.job-exec.a.schedule", "@hourly"),
            ("watchbell.job-exec.a.command", "x"),
        ];
        let own = container(
            MANY,
            &[("watchbell.timezone", "Asia/Tokyo"), ("watchbell.job-local.o.schedule", "@daily")],
        );
        let containers = (0..MANY).map(|n| container(n, &labels)).chain([own.clone()]).collect();
        let inventory = Inventory { own: Some(own.id), containers, services: Services::none() };
        (Sources::new(file, Upper::default(), vec![]), inventory)
    }

    #[test]
    fn however_many_jobs_there_are_no_other_is_read_for_the_parameters_of_one() {
        let (sources, inventory) = crowd();
        let view = View::Observed(&inventory);
        for (id, sections, containers) in
            [("f1", 1, 1), ("c7.a", 1, 2), ("c8.a", 0, 2), ("o", 0, 1), ("nobody", 0, 1), ("c9.b", 0, 2)]
        {
            let id = JobId::plain(id);
            let about = sources.about(&id);
            assert_eq!(about.file.jobs.len(), sections, "{id}");
            let read = read_labels_about(&about, view, &mut Memo::default(), &id);
            assert_eq!(read.len(), containers, "{id}: the agent's own container, and its own");
        }
    }

    #[test]
    fn a_job_that_is_looked_at_alone_has_the_parameters_that_it_has_among_all() {
        let (sources, inventory) = crowd();
        let view = View::Observed(&inventory);
        let now: Timestamp = "2026-03-29T00:00:00Z".parse().unwrap();
        for id in ["f1", "f2", "c7.a", "c8.a"] {
            let id = JobId::plain(id);
            let explained = explain(&sources, view, now, &id).unwrap();
            let row = |name: &str| {
                let row = explained.parameters.iter().find(|it| it.name == name).unwrap();
                (row.is.value.clone(), row.is.origin.to_string())
            };
            let spec = &explained.job.as_ref().unwrap().spec;
            assert_eq!(row("timezone").0, spec.schedule.zone().name(), "{id}");
            assert_eq!(row("grace-period").0, "3s", "{id}");
            if id.as_str() == "c7.a" {
                assert!(row("retries").1.starts_with("a.ini:"), "{:?}", row("retries"));
                assert_eq!(row("schedule").1, "container c7 (label watchbell.job-exec.a.schedule)");
            }
        }
        assert!(explain(&sources, view, now, &JobId::plain("nobody")).is_none());
    }
}
