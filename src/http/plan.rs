//! What would change if other jobs were desired: the plan is made here, so that no secret has to leave the agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    routing::post,
};
use serde::{Deserialize, Serialize};

use crate::model::gather::Gather;
use crate::{
    agent::handle::Handle,
    model::{
        channel::{Channel, Channels, Value},
        parameters,
        secret::TokenHash,
    },
    settings::access::Access,
};

use super::problem::Problem;

/// Ten thousand jobs are some megabytes.
const BODY_LIMIT: usize = 256 << 20;

/// Values by name: what each is, and what may be shown of it.
pub type Values = BTreeMap<String, (String, String)>;

/// All that someone would have.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The jobs.
    pub jobs: Vec<WantedJob>,
    /// The agent's settings.
    pub settings: WantedSettings,
    /// The channels, by name.
    #[serde(default)]
    pub channels: BTreeMap<String, WantedChannel>,
}

/// One channel as someone would have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedChannel {
    /// Its type.
    pub r#type: String,
    /// What remains of each value, by its key, for comparing: any of them may be secret.
    pub values: BTreeMap<String, String>,
}

/// Settings as someone would have them.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WantedSettings(pub Values);

impl fmt::Debug for WantedSettings {
    /// What they are may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, (_, shown))| (name, shown))).finish()
    }
}

/// One job as someone would have it.
#[derive(Serialize, Deserialize)]
pub struct WantedJob {
    /// Its identity.
    pub job: String,
    /// Its kind.
    pub kind: String,
    /// Its parameters: what each is, and what may be shown of it.
    pub parameters: Values,
}

impl fmt::Debug for WantedJob {
    /// What the parameters are may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.parameters.iter().map(|(name, (_, shown))| (name, shown));
        f.debug_map().entry(&self.job, &self.kind).entries(shown).finish()
    }
}

/// A parameter that would change, with what may be shown of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedParameter {
    /// Its name.
    pub parameter: String,
    /// What it is; absent if it has no value.
    pub from: Option<String>,
    /// What it would be.
    pub to: Option<String>,
}

/// Channels that would change, and never what they say.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedChannels {
    /// Those that would come, with their types.
    pub added: BTreeMap<String, String>,
    /// Those that would change, with the keys whose values do.
    pub updated: BTreeMap<String, Vec<String>>,
    /// Those that would go, with their types.
    pub removed: BTreeMap<String, String>,
}

/// What would change.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// Jobs that would come.
    pub added: Vec<String>,
    /// Jobs that would change.
    pub updated: BTreeMap<String, Vec<ChangedParameter>>,
    /// Jobs that would go.
    pub removed: Vec<String>,
    /// How many would stay as they are.
    pub unchanged: usize,
    /// Settings that would change; `parameter` is the setting's name.
    pub settings: Vec<ChangedParameter>,
    /// Channels that would come, change or go.
    #[serde(default)]
    pub channels: ChangedChannels,
}

/// `/plan`.
pub fn routes(agent: Handle) -> Router {
    Router::new().route("/plan", post(report)).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(agent)
}

async fn report(
    State(agent): State<Handle>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<PlanReport>, Problem> {
    let Json(wanted) = wanted.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let snapshot = agent.snapshot();
    let settings: Values =
        snapshot.settings.iter().flat_map(|it| settings(it.values(), &it.access)).into_map();
    let there = snapshot.catalog.iter().map(|(id, entry)| {
        let parameters = entry.spec.parameters().into_iter();
        let parameters = parameters.map(|(name, value)| {
            let shown = value.shown().to_owned();
            (name.to_owned(), (value.text, shown))
        });
        let kind = entry.spec.kind().to_string();
        (id.to_string(), WantedJob { job: id.to_string(), kind, parameters: parameters.into_map() })
    });
    let report = compare(there.into_map(), wanted.jobs);
    let there = channels(&agent.telling().borrow().channels);
    Ok(Json(PlanReport {
        settings: changed(&settings, &wanted.settings.0),
        channels: compare_channels(there, wanted.channels),
        ..report
    }))
}

/// Channels for comparing.
pub fn channels(of: &Channels) -> BTreeMap<String, WantedChannel> {
    let remains = |text: &str| TokenHash::of(text).hex();
    let channel = |channel: &Channel| {
        let values = channel.values.iter().map(|(key, value)| {
            let text = match value {
                Value::One(text) => text.to_string(),
                Value::List(items) => {
                    let items: Vec<&str> = items.iter().map(|it| &**it).collect();
                    serde_json::json!(items).to_string()
                }
            };
            ((*key).to_owned(), remains(&text))
        });
        let on = channel.on.map(|on| ("notify-on".to_owned(), remains(&on.words().join(" "))));
        WantedChannel { r#type: channel.kind.as_str().to_owned(), values: values.chain(on).into_map() }
    };
    of.iter().map(|(name, it)| (name.to_string(), channel(it))).into_map()
}

/// What leads from the channels that are there to those that are wanted.
pub fn compare_channels(
    mut there: BTreeMap<String, WantedChannel>,
    wanted: BTreeMap<String, WantedChannel>,
) -> ChangedChannels {
    let mut report = ChangedChannels::default();
    for (name, new) in wanted {
        let Some(old) = there.remove(&name) else {
            report.added.insert(name, new.r#type);
            continue;
        };
        let keys: BTreeSet<&String> = old.values.keys().chain(new.values.keys()).collect();
        let differing = keys.into_iter().filter(|key| old.values.get(*key) != new.values.get(*key)).cloned();
        let kind = (old.r#type != new.r#type).then(|| "type".to_owned());
        let changed: Vec<String> = kind.into_iter().chain(differing).collect();
        if !changed.is_empty() {
            report.updated.insert(name, changed);
        }
    }
    report.removed = there.into_iter().map(|(name, it)| (name, it.r#type)).into_map();
    report
}

/// Settings, and those whom the files let in: of each what he may is shown, and what lets him in is compared.
pub fn settings(values: Vec<(&'static str, parameters::Value)>, access: &Access) -> Values {
    let values = values.into_iter().map(|(name, value)| {
        let shown = value.shown().to_owned();
        (name.to_owned(), (value.text, shown))
    });
    let sections = access.sections().into_iter().map(|it| {
        let role = it.role.as_str();
        (it.title(), (format!("{role} {}", it.mark.hex()), role.to_owned()))
    });
    values.chain(sections).into_map()
}

/// What leads from the jobs that are there to those that are wanted.
pub fn compare(mut there: BTreeMap<String, WantedJob>, wanted: Vec<WantedJob>) -> PlanReport {
    let mut report = PlanReport::default();
    for new in wanted {
        let Some(old) = there.remove(&new.job) else {
            report.added.push(new.job);
            continue;
        };
        let changed = changes(&old, &new);
        if changed.is_empty() {
            report.unchanged += 1;
        } else {
            report.updated.insert(new.job, changed);
        }
    }
    report.added.sort();
    report.removed = there.into_keys().collect();
    report
}

fn changes(old: &WantedJob, new: &WantedJob) -> Vec<ChangedParameter> {
    if old.kind != new.kind {
        let (from, to) = (Some(old.kind.clone()), Some(new.kind.clone()));
        return vec![ChangedParameter { parameter: "kind".to_owned(), from, to }];
    }
    changed(&old.parameters, &new.parameters)
}

fn changed(old: &Values, new: &Values) -> Vec<ChangedParameter> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |name: &&&String| {
        let text = |values: &Values| values.get(**name).map(|(text, _)| text.clone());
        text(old) != text(new)
    };
    let shown = |values: &Values, name: &String| values.get(name).map(|(_, shown)| shown.clone());
    names
        .iter()
        .filter(differs)
        .map(|name| ChangedParameter {
            parameter: (*name).clone(),
            from: shown(old, name),
            to: shown(new, name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{channel::ChannelKind, notification::Causes, origin::Origin};

    fn job(name: &str, parameters: &[(&str, &str, &str)]) -> WantedJob {
        let parameters = parameters
            .iter()
            .map(|(name, text, shown)| ((*name).to_owned(), ((*text).to_owned(), (*shown).to_owned())));
        WantedJob { job: name.to_owned(), kind: "exec".to_owned(), parameters: parameters.collect() }
    }

    #[test]
    fn what_comes_changes_goes_and_stays_is_told_apart_and_secrets_are_compared_but_not_shown() {
        let there = [
            job("gone", &[]),
            job("same", &[("user", "a", "a")]),
            job("other", &[("environment", "P=1", "P=…"), ("user", "a", "a")]),
        ];
        let wanted = vec![
            job("new", &[]),
            job("same", &[("user", "a", "a")]),
            job("other", &[("environment", "P=2", "P=…"), ("workdir", "/x", "/x")]),
        ];
        let report = compare(there.into_iter().map(|it| (it.job.clone(), it)).collect(), wanted);
        assert_eq!((report.added, report.removed), (vec!["new".to_owned()], vec!["gone".to_owned()]));
        assert_eq!(report.unchanged, 1);
        let text = serde_json::to_string(&report.updated).unwrap();
        assert_eq!(
            text,
            r#"{"other":[{"parameter":"environment","from":"P=…","to":"P=…"},{"parameter":"user","from":"a","to":null},{"parameter":"workdir","from":null,"to":"/x"}]}"#
        );
    }

    #[test]
    fn of_channels_types_and_keys_are_told_and_nothing_that_they_say() {
        let channel = |kind: ChannelKind, values: &[(&'static str, Value)], on: Option<Causes>| {
            let name: Arc<str> = "x".into();
            let values = values.iter().cloned().collect();
            Arc::new(Channel { name, kind, on, values, origin: Origin::Flag("x".into()), from_label: false })
        };
        let one = |text: &str| Value::One(text.into());
        let list = |items: &[&str]| Value::List(items.iter().map(|it| Arc::from(*it)).collect());
        let ops = |url: &str| channel(ChannelKind::Slack, &[("url", one(url))], None);
        let there = channels(
            &[
                ("same".into(), channel(ChannelKind::Exec, &[("command", list(&["a", "b"]))], None)),
                ("ops".into(), ops("https://x/hunter2")),
                ("gone".into(), ops("https://x/hunter2")),
                ("words".into(), channel(ChannelKind::Exec, &[("command", list(&["a b"]))], None)),
                ("kind".into(), ops("https://x/hunter2")),
            ]
            .into(),
        );
        let wanted = channels(
            &[
                ("same".into(), channel(ChannelKind::Exec, &[("command", list(&["a", "b"]))], None)),
                (
                    "ops".into(),
                    channel(
                        ChannelKind::Slack,
                        &[("url", one("https://x/hunter3")), ("timeout", one("5s"))],
                        Some(Causes::ALWAYS),
                    ),
                ),
                ("words".into(), channel(ChannelKind::Exec, &[("command", list(&["a", "b"]))], None)),
                ("kind".into(), channel(ChannelKind::Discord, &[("url", one("https://x/hunter2"))], None)),
                ("new".into(), ops("https://x/hunter2")),
            ]
            .into(),
        );
        assert!(!serde_json::to_string(&(&there, &wanted)).unwrap().contains("hunter"));
        let report = serde_json::to_string(&compare_channels(there, wanted)).unwrap();
        assert_eq!(
            report,
            r#"{"added":{"new":"slack"},"updated":{"kind":["type"],"ops":["notify-on","timeout","url"],"words":["command"]},"removed":{"gone":"slack"}}"#
        );
    }
}
