//! Where each value of one job comes from, and what it hid.

use jiff::Timestamp;

use crate::model::{
    diagnostic::Diagnostic,
    name::{JobId, JobKind},
    origin::Origin,
    parameters::HIDDEN,
};

use super::{
    env,
    global::layers,
    layer::{JobLayer, Text, Written},
    memo::Memo,
    params::{PARAMS, Param, Shape},
    resolve::{DesiredJob, Known, Sources, View, known_jobs, read_labels, resolve},
    settle::Settle,
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

/// Explains a job; `None` if nothing speaks of it.
pub fn explain(sources: &Sources, view: View<'_>, now: Timestamp, id: &JobId) -> Option<Explained> {
    let mut memo = Memo::default();
    memo.begin();
    let read = read_labels(sources, view, &mut memo);
    let own = read.iter().find(|(_, read)| read.own).map(|(_, read)| read);
    let (settings, _) = memo.settings(sources, own);
    let known = known_jobs(sources, view, &read, &mut Vec::new());
    let (id, Known { kind, home }) = known.get_key_value(id)?;
    let kind = *kind;
    let settle = Settle {
        sources,
        settings: &settings,
        view,
        now,
        before: None,
        id,
        kind,
        home: home.as_ref(),
        spoiled: false,
        spoiled_by_default: false,
        diagnostics: Vec::new(),
    };
    let mut stack = { settle }.layers().unwrap_or_default();
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
        let row = row(param, &stack);
        let unset = row.name == "timezone" && row.is.origin == Origin::Default;
        if unset { Row { is: zone.clone(), ..row } } else { row }
    });
    let mut desired = resolve(sources, view, now);
    desired.diagnostics.retain(|it| it.job.as_ref() == Some(id));
    Some(Explained {
        kind,
        job: desired.jobs.remove(*id),
        parameters: parameters.collect(),
        diagnostics: desired.diagnostics,
    })
}

/// Explains the agent's settings.
pub fn explain_settings(sources: &Sources, view: View<'_>) -> Vec<Row> {
    let mut memo = Memo::default();
    memo.begin();
    let read = read_labels(sources, view, &mut memo);
    let own = read.iter().find(|(_, read)| read.own).map(|(_, read)| read);
    let labels = own.map_or(&[][..], |own| &own.labels.settings);
    let (placed, _) = layers::place(&sources.file.global, labels, &sources.upper);
    let rows = placed.iter().map(|it| {
        let outside = sources.upper.outside(it.setting.name).map(|(variable, value)| Placed {
            value: if value.contains('@') { HIDDEN.to_owned() } else { value.to_owned() },
            origin: Origin::Environment(variable.into()),
        });
        let default = Placed { value: it.setting.default.replace('`', ""), origin: Origin::Default };
        // In an address someone may have put a password, although none is taken.
        let hidden = |raw: &&super::ini::RawSetting| {
            it.setting.secret
                || raw.from_file
                || (it.setting.name == "docker-host" && raw.value.contains('@'))
        };
        let written = it.written.iter().map(|raw| Placed {
            value: if hidden(raw) { HIDDEN.to_owned() } else { raw.value.clone() },
            origin: raw.origin.clone(),
        });
        stacked(it.setting.name, [default].into_iter().chain(outside).chain(written))
    });
    rows.collect()
}

fn row(param: &'static Param, stack: &[JobLayer]) -> Row {
    let default = Placed { value: param.default.replace('`', ""), origin: Origin::Default };
    let written = stack.iter().filter_map(|layer| layer.get(param.name)).map(|it| placed(param, it));
    stacked(param.name, [default].into_iter().chain(written))
}

/// A row of the values that were written, the lowest first. What is in force hides them all but the built-in default,
/// which is there for everyone to read.
fn stacked(name: &'static str, values: impl Iterator<Item = Placed>) -> Row {
    let mut values: Vec<Placed> = values.collect();
    let is = values.pop().unwrap_or_else(|| Placed { value: String::new(), origin: Origin::Default });
    values.retain(|it| it.origin != Origin::Default);
    values.reverse();
    Row { name, is, hides: values }
}

fn placed(param: &'static Param, it: &Written) -> Placed {
    let value = match &it.text {
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
