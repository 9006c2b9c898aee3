//! The sources on top of each other, and each value with its type → the channels that there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::gather::Gather;
use crate::{
    model::{
        channel::{Channel, ChannelKind, Channels, Value},
        diagnostic::{Diagnostic, did_you_mean},
        name::environment_name,
        origin::Origin,
    },
    notify::services,
    settings::{
        env,
        layer::{Text, Written},
        value,
    },
};

use super::{
    From, RawChannel, RawValue, SecretFiles, Variable, environment,
    shape::{self, Shape},
    table::{self, ChannelParam},
};

/// What the sources say, the lowest first.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The files.
    pub file: &'a [RawChannel],
    /// The labels of the agent's own container; `None` as long as nobody has seen them.
    pub labels: Option<&'a [RawChannel]>,
    /// The environment.
    pub variables: &'a [Variable],
    /// Reads the files that labels name.
    pub files: &'a SecretFiles,
}

/// The channels, and what they are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Those that there are.
    pub channels: Channels,
    /// What is in force of each of them, by name and key, and where it is written.
    pub places: BTreeMap<Arc<str>, Vec<(&'static str, Origin)>>,
    /// What is wrong. An error at a place that is no label keeps the agent from starting.
    pub diagnostics: Vec<Diagnostic>,
}

/// Lays the sources on top of each other, key by key.
pub fn settle(layers: Layers<'_>) -> Settled {
    let mut out = Settled::default();
    let labels = layers.labels.unwrap_or_default();
    let known = layers.file.iter().chain(labels).map(|it| &it.name);
    let upper = environment::layer(layers.variables, known.clone(), &mut out.diagnostics);
    let names: BTreeSet<Arc<str>> = known.chain(upper.keys()).cloned().into_set();
    for name in names {
        let of = |all: &'_ [RawChannel]| all.iter().find(|it| it.name == name).cloned();
        let (file, label, upper) = (of(layers.file), of(labels), upper.get(&name).cloned());
        // Labels may yet say what it is.
        let waits = layers.labels.is_none()
            && file.is_none()
            && upper.as_ref().is_some_and(|it| it.get("type").is_none());
        if waits {
            continue;
        }
        let own = [file.as_ref(), upper.as_ref()];
        let all = [file.as_ref(), label.as_ref(), upper.as_ref()];
        let made = match (make(&name, &all, layers.files), &label) {
            (Err(mut found), Some(label)) if make(&name, &own, layers.files).is_ok() => {
                // A wrong label takes nothing away that stands without it.
                let reason = "the channel stays as it is without its labels";
                for it in &mut found {
                    it.reason = format!("{}; {reason}", it.reason);
                    if !it.origin.is_label() {
                        it.origin = label.origin.clone();
                    }
                }
                out.diagnostics.extend(found);
                make(&name, &own, layers.files)
            }
            (made, _) => made,
        };
        match made {
            Ok(Made { channel, places, warnings }) => {
                out.diagnostics.extend(warnings);
                out.places.insert(name.clone(), places);
                out.channels.insert(name, Arc::new(channel));
            }
            Err(found) => out.diagnostics.extend(found),
        }
    }
    out
}

struct Made {
    channel: Channel,
    places: Vec<(&'static str, Origin)>,
    warnings: Vec<Diagnostic>,
}

/// A channel out of its layers, or all that is wrong with it.
fn make(
    name: &Arc<str>,
    layers: &[Option<&RawChannel>],
    files: &SecretFiles,
) -> Result<Made, Vec<Diagnostic>> {
    let mut merged: BTreeMap<&'static str, &RawValue> = BTreeMap::new();
    for it in layers.iter().copied().flatten().flat_map(|layer| &layer.values) {
        merged.insert(it.key, it);
    }
    let first = layers.iter().copied().flatten().next();
    let Some(begin) = first.map(|it| it.origin.clone()) else { return Err(Vec::new()) };
    let mut maker = Maker {
        name,
        begin,
        files,
        spoiled: layers.iter().copied().flatten().any(|it| it.spoiled),
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let Some(kind) = maker.kind(&merged) else { return Err(maker.errors) };
    let mut values = BTreeMap::new();
    let mut on = None;
    for (key, raw) in &merged {
        let Some(param) = maker.param(kind, raw) else { continue };
        match maker.value(param, raw) {
            Some(value) if param.shape == Shape::Causes => on = shape::causes(&value),
            Some(_) if param.shape == Shape::Kind => {}
            Some(value) => drop(values.insert(*key, value)),
            None => {}
        }
    }
    let missing = table::all_of(kind).filter(|it| it.required && !merged.contains_key(it.name));
    for it in missing {
        maker.missing(it);
    }
    let leads = ["type", "url", "server"].into_iter().filter_map(|key| merged.get(key));
    let channel = Channel {
        name: name.clone(),
        kind,
        on,
        values,
        from_label: leads.into_iter().any(|it| it.written.origin.is_label()),
        origin: maker.begin.clone(),
    };
    if maker.errors.is_empty() {
        maker.together(&channel, &merged);
    }
    if maker.errors.is_empty()
        && !maker.spoiled
        && let Err(reason) = services::check(&channel)
    {
        // It begins with the key that is wrong.
        let place = reason.split_once(": ").and_then(|(key, _)| merged.get(key));
        let place = place.map_or_else(|| maker.begin.clone(), |it| it.written.origin.clone());
        maker.error(&place, reason);
    }
    if !maker.errors.is_empty() || maker.spoiled {
        return Err(maker.errors);
    }
    let places = merged.iter().map(|(key, raw)| (*key, raw.written.origin.clone())).collect();
    Ok(Made { channel, places, warnings: maker.warnings })
}

struct Maker<'a> {
    name: &'a str,
    /// Where the lowest source begins to speak of it.
    begin: Origin,
    files: &'a SecretFiles,
    spoiled: bool,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Maker<'_> {
    fn error(&mut self, origin: &Origin, reason: impl Into<String>) {
        self.errors.push(Diagnostic::error(origin.clone(), reason));
    }

    fn warn(&mut self, origin: &Origin, reason: impl Into<String>) {
        self.warnings.push(Diagnostic::warning(origin.clone(), reason));
    }

    fn kind(&mut self, merged: &BTreeMap<&'static str, &RawValue>) -> Option<ChannelKind> {
        let Some(raw) = merged.get("type") else {
            let words = ChannelKind::NAMES.map(|(word, _)| word).join(", ");
            let add = self.mend("type", "slack");
            // What is missing may be what could not be taken.
            if !self.spoiled {
                let begin = self.begin.clone();
                self.error(
                    &begin,
                    format!("the channel \"{}\" has no \"type\": {add}; the types are {words}", self.name),
                );
            }
            return None;
        };
        let param = table::named("type").and_then(|name| table::of(ChannelKind::Slack, name))?;
        let Some(Value::One(word)) = self.value(param, raw) else { return None };
        ChannelKind::NAMES.into_iter().find(|(known, _)| **known == *word).map(|(_, kind)| kind)
    }

    /// How a key is added where the channel is written.
    fn mend(&self, key: &str, example: &str) -> String {
        match &self.begin {
            Origin::Environment(_) => {
                let (name, key) = (environment_name(self.name), environment_name(key));
                format!("set {}{}{name}_{key}", env::PREFIX, environment::PREFIX)
            }
            it if it.is_label() => format!("set the label watchbell.notify.{}.{key}", self.name),
            _ => format!("add {key} = {example} to the section"),
        }
    }

    fn param(&mut self, kind: ChannelKind, raw: &RawValue) -> Option<&'static ChannelParam> {
        let origin = &raw.written.origin;
        let word = kind.as_str();
        let Some(param) = table::of(kind, raw.key) else {
            let near = did_you_mean(raw.key, table::all_of(kind).map(|it| it.name));
            let known: Vec<&str> = table::all_of(kind).map(|it| it.name).collect();
            let near = near.unwrap_or_else(|| format!("remove it; {word} has {}", known.join(", ")));
            self.error(origin, format!("a channel of type {word} has no \"{}\": {near}", raw.key));
            return None;
        };
        if raw.from != From::Here && !param.secret {
            let key = raw.key;
            self.error(
                origin,
                format!("\"{key}\" of {word} is no secret and is not read from a file: write {key} itself"),
            );
            return None;
        }
        Some(param)
    }

    fn missing(&mut self, param: &ChannelParam) {
        if self.spoiled {
            return;
        }
        let secret = if param.secret { format!(", or {}-file", param.name) } else { String::new() };
        let add = self.mend(param.name, "…");
        let begin = self.begin.clone();
        self.error(&begin, format!("the channel \"{}\" has no \"{}\": {add}{secret}", self.name, param.name));
    }

    /// A value with its type. A value that was read from a file is taken as it is, and so is one that is secret.
    fn value(&mut self, param: &ChannelParam, raw: &RawValue) -> Option<Value> {
        let Written { text, origin, .. } = &raw.written;
        let read;
        let text = match (raw.from, text) {
            (From::Path, Text::One(path)) => match self.files.read(value::unquote(path).0) {
                Ok(content) => {
                    read = Text::One(content.into());
                    &read
                }
                Err(reason) => {
                    self.error(origin, format!("{}-file: {reason}", raw.key));
                    return None;
                }
            },
            _ => text,
        };
        let (bare, quoted) = value::bare(text);
        if quoted {
            self.warn(
                origin,
                format!("{}: the value is wrapped in literal quotes: they were taken off", raw.key),
            );
        }
        match param.shape.read(&bare) {
            Ok(value) => value,
            Err(reason) => {
                let place = raw.written.place_of(|it| param.shape.read(&value::bare(it).0).is_err());
                self.error(place, format!("{}: {reason}", raw.key));
                None
            }
        }
    }

    /// What does not go with what.
    fn together(&mut self, channel: &Channel, merged: &BTreeMap<&'static str, &RawValue>) {
        let at = |key: &str| merged.get(key).map(|it| it.written.origin.clone());
        if channel.kind == ChannelKind::Ntfy
            && let (Some(url), Some(origin)) = (channel.text("url"), at("url"))
            && url.split_once("://").is_none_or(|(_, rest)| {
                rest.split_once('/').is_none_or(|(_, topic)| topic.trim_matches('/').is_empty())
            })
        {
            self.error(
                &origin,
                "url: it names no topic: write it behind the server, as in https://ntfy.sh/backups",
            );
        }
        if channel.kind != ChannelKind::Pushover {
            for (one, other) in [("user", "password"), ("password", "user")] {
                if let (Some(origin), None) = (at(one), at(other)) {
                    self.error(&origin, format!("there is {one} without {other}: write both, or none"));
                }
            }
            if let (Some(origin), Some(_)) = (at("token"), at("user")) {
                self.error(&origin, "there is token beside user and password: use one of the two");
            }
        }
        if let (Some(origin), Some("none")) = (at("password"), channel.text("tls")) {
            self.warn(&origin, "password: it is sent in the clear with tls = none: use starttls or implicit");
        }
        if let (Some(origin), None) = (at("content-type"), at("body-template")) {
            self.warn(&origin, "content-type: it has no effect without body-template: remove it");
        }
    }
}

#[cfg(test)]
mod tests;
