//! Labels of one container, or of one service of a Swarm → layers of jobs.
//!
//! The grammar: `watchbell.enabled`, `watchbell.job-<kind>.<name>.<parameter>` and, for lists,
//! `watchbell.job-<kind>.<name>.<parameter>.<index>`; on the agent's own container settings and channels besides.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    container::Container,
    diagnostic::{Diagnostic, did_you_mean, nearest},
    name::{JobId, JobKind, check_name},
    origin::Origin,
    swarm::{Labelled, Service},
};

use super::{
    channels::RawChannel,
    global::{self, Taken},
    ini::RawSetting,
    layer::{JobLayer, Text, Written},
    params::{self, Param},
    value,
};

mod channel;
mod slips;

/// The prefix of every label that is ours.
pub const PREFIX: &str = "watchbell";

/// What one container's labels say about one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelJob {
    /// The job's kind.
    pub kind: JobKind,
    /// The parameters.
    pub layer: JobLayer,
}

/// What one container's labels say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ContainerLabels {
    /// Jobs by identity. A job that a diagnostic rejects may be among them.
    pub jobs: BTreeMap<JobId, LabelJob>,
    /// Settings of the agent, if it is the agent's own container.
    pub settings: Vec<RawSetting>,
    /// Channels, if it is.
    pub channels: Vec<RawChannel>,
    /// What could not be taken.
    pub diagnostics: Vec<Diagnostic>,
    /// What is told once for all containers, where it comes first.
    pub once: Vec<Diagnostic>,
}

/// Reads the labels of `container`. `own` says that the agent itself runs in it: then its jobs have no home in their
/// identity, and it needs no opt-in.
pub fn parse(container: &Container, own: bool) -> ContainerLabels {
    parse_on(Labelled::Container(container), own)
}

/// Reads the labels of a service of a Swarm.
pub fn parse_service(service: &Service) -> ContainerLabels {
    parse_on(Labelled::Service(service), false)
}

fn parse_on(on: Labelled<'_>, own: bool) -> ContainerLabels {
    let mut reader = Reader {
        on,
        own,
        home: on.home(),
        out: ContainerLabels::default(),
        told: BTreeSet::new(),
        lists: BTreeMap::new(),
        channel_lists: BTreeMap::new(),
    };
    let ours: Vec<(&str, &str, &str)> = on
        .labels()
        .iter()
        .filter_map(|(key, value)| {
            let (head, rest) = key.split_once('.').unwrap_or((key, ""));
            if head.eq_ignore_ascii_case(PREFIX) {
                return Some((key.as_str(), rest, value.as_str()));
            }
            reader.near_miss(key, head, rest);
            None
        })
        .collect();
    if ours.is_empty() || !reader.opted_in(&ours) {
        return reader.out;
    }
    for (key, rest, value) in ours {
        reader.label(key, rest, value);
    }
    reader.finish_lists();
    reader.finish_channels();
    reader.out
}

struct Reader<'a> {
    on: Labelled<'a>,
    own: bool,
    home: String,
    out: ContainerLabels,
    /// What was told once of several labels with the same mistake.
    told: BTreeSet<String>,
    /// Items of indexed keys, by job and parameter: `watchbell.job-exec.a.environment.10` sorts before `.2`.
    lists: BTreeMap<(JobId, &'static str), (&'static Param, Items)>,
    /// The same of channels, by name and key.
    channel_lists: BTreeMap<(Arc<str>, &'static str), Items>,
}

/// Items of one list by index, with the place of each.
type Items = BTreeMap<u32, (Arc<str>, Origin)>;

impl Reader<'_> {
    fn origin(&self, key: &str) -> Origin {
        self.on.label(key)
    }

    fn error(&mut self, key: &str, reason: impl Into<String>) {
        self.out.diagnostics.push(Diagnostic::error(self.origin(key), reason));
    }

    fn rejects(&mut self, job: &JobId, key: &str, reason: impl Into<String>) {
        self.out.diagnostics.push(Diagnostic::rejects(job, self.origin(key), reason));
    }

    /// `watchbell.enabled` opts a container in; the agent's own container is in unless it says no.
    fn opted_in(&mut self, ours: &[(&str, &str, &str)]) -> bool {
        let all: Vec<_> = ours.iter().filter(|(_, rest, _)| rest.eq_ignore_ascii_case("enabled")).collect();
        let meant = |text: &str| value::boolean(value::unquote(text).0).ok();
        if let [(before, _, first), others @ ..] = &all[..]
            && let Some((key, ..)) = others.iter().find(|(_, _, other)| meant(other) != meant(first))
        {
            let word = self.on.word();
            let reason = format!("{before} says otherwise; none of this {word}'s labels has an effect");
            self.error(key, reason);
            return false;
        }
        match all.first() {
            Some((key, _, text)) => {
                let (bare, quoted) = value::unquote(text);
                if quoted {
                    self.out.diagnostics.push(Diagnostic::warning(
                        self.origin(key),
                        "the value is wrapped in literal quotes: they were taken off",
                    ));
                }
                match value::boolean(bare) {
                    Ok(enabled) => enabled,
                    Err(reason) => {
                        let word = self.on.word();
                        self.error(key, format!("{reason}; none of this {word}'s labels has an effect"));
                        false
                    }
                }
            }
            None if self.own => true,
            None => {
                self.not_opted_in(ours);
                false
            }
        }
    }

    fn label(&mut self, key: &str, rest: &str, text: &str) {
        if rest.eq_ignore_ascii_case("enabled") {
            return;
        }
        let mut parts = rest.split('.');
        let head = params::spelling(parts.next().unwrap_or_default());
        let parts: Vec<&str> = parts.collect();
        if head == channel::HEAD && !parts.is_empty() {
            self.channel(key, &parts, text);
            return;
        }
        let Some(kind) = head.strip_prefix("job-") else {
            self.no_job(key, &head, !parts.is_empty(), text);
            return;
        };
        let Some(kind) = JobKind::parse(kind) else {
            let hint = did_you_mean(kind, JobKind::ALL.map(JobKind::as_str))
                .unwrap_or_else(|| format!("the kinds are {}", JobKind::ALL.map(JobKind::as_str).join(", ")));
            let reason = format!("unknown job kind \"{kind}\": {hint}");
            if !self.first_of(kind, &parts) {
                return;
            }
            match parts.first().filter(|name| check_name(name).is_ok()) {
                Some(name) => self.rejects(&self.id(name), key, reason),
                None => self.error(key, reason),
            }
            return;
        };
        match parts[..] {
            [name, parameter] => self.parameter(key, kind, name, parameter, None, text),
            [name, parameter, index] => self.parameter(key, kind, name, parameter, Some(index), text),
            _ => self.error(
                key,
                format!("a job label is {PREFIX}.job-{kind}.<name>.<parameter>: this one has {} parts after the kind", parts.len()),
            ),
        }
    }

    /// A label of ours that defines no job: a setting, or a slip.
    fn no_job(&mut self, key: &str, head: &str, dotted: bool, text: &str) {
        let of_ours = global::find(head).is_some_and(|it| self.own && it.taken == Taken::AlsoFromLabels);
        if dotted && (head == "enabled" || of_ours) {
            self.error(
                key,
                format!("\"{PREFIX}.{head}\" takes no further part: write it without what follows"),
            );
            return;
        }
        if let Some(setting) = global::find(head).filter(|_| !dotted) {
            match (self.own, setting.taken == Taken::AlsoFromLabels) {
                (true, true) => {
                    let origin = self.origin(key);
                    self.out.settings.push(RawSetting::new(head, text, origin));
                }
                (true, false) => self.error(
                    key,
                    format!("the setting \"{head}\" is not taken from a label: use the file, a flag or the environment"),
                ),
                (false, _) => self.error(
                    key,
                    format!("\"{head}\" is a setting of the agent and is never taken from another container's label"),
                ),
            }
            return;
        }
        let jobs = JobKind::ALL.map(|kind| format!("job-{kind}"));
        let known = jobs.iter().map(String::as_str).chain(["enabled"]);
        let settings =
            global::SETTINGS.iter().filter(|setting| self.own && setting.taken == Taken::AlsoFromLabels);
        let known = known.chain(settings.map(|setting| setting.name));
        let hint = nearest(head, known).map_or_else(
            || format!("a label is {PREFIX}.enabled or {PREFIX}.job-<kind>.<name>.<parameter>"),
            |near| format!("did you mean \"{PREFIX}.{near}\"?"),
        );
        self.error(key, format!("unknown label \"{PREFIX}.{head}\": {hint}"));
    }

    fn id(&self, name: &str) -> JobId {
        if self.own { JobId::plain(name) } else { JobId::at_home(&self.home, name) }
    }

    fn parameter(
        &mut self,
        key: &str,
        kind: JobKind,
        name: &str,
        parameter: &str,
        index: Option<&str>,
        text: &str,
    ) {
        if let Err(error) = check_name(name) {
            self.error(key, error.to_string());
            return;
        }
        let id = self.id(name);
        let origin = self.origin(key);
        let job =
            self.out.jobs.entry(id.clone()).or_insert_with(|| LabelJob { kind, layer: JobLayer::default() });
        if job.kind != kind {
            let other = job.kind;
            if !self.first_of(kind.as_str(), &[name]) {
                return;
            }
            self.rejects(
                &id,
                key,
                format!("the job is defined as {other} and as {kind}: give one of them another name"),
            );
            return;
        }
        let param = match params::look_up(parameter, kind) {
            Ok(param) => param,
            // The part that was taken for a parameter belongs to the name.
            Err(reason) => match index.filter(|index| number(index).is_none()) {
                Some(_) if !self.first_of(kind.as_str(), &[name, parameter]) => return,
                Some(_) => {
                    let reason = format!("{reason}; and a job's name cannot contain a dot");
                    return self.rejects(&id, key, reason);
                }
                None => return self.rejects(&id, key, reason),
            },
        };
        match index {
            None => {
                if let Some(before) = job.layer.set(param, Written::new(Text::One(text.into()), origin)) {
                    self.rejects(
                        &id,
                        key,
                        format!("the parameter \"{}\" is also given at {}", param.name, before.origin),
                    );
                }
            }
            Some(_) if !param.shape.is_list() => self.rejects(
                &id,
                key,
                format!(
                    "\"{}\" takes one value and no index; and a job's name cannot contain a dot",
                    param.name
                ),
            ),
            Some(index) => match number(index) {
                Some(number) => {
                    let items =
                        &mut self.lists.entry((id.clone(), param.name)).or_insert((param, BTreeMap::new())).1;
                    if let Some((_, before)) = items.insert(number, (text.into(), origin)) {
                        self.rejects(&id, key, format!("the same index is also given at {before}"));
                    }
                }
                None => self.rejects(
                    &id,
                    key,
                    format!("\"{index}\" is no index: write {}.0, {}.1 and so on", param.name, param.name),
                ),
            },
        }
    }

    /// Whether this is the first label that begins so: what is wrong with all of them is told once.
    fn first_of(&mut self, kind: &str, parts: &[&str]) -> bool {
        let parts = if parts.len() > 1 && kind_is_unknown(kind) { &parts[..1] } else { parts };
        self.told.insert(format!("{kind}.{}", parts.join(".")))
    }

    fn finish_lists(&mut self) {
        for ((id, _), (param, items)) in std::mem::take(&mut self.lists) {
            let Some(job) = self.out.jobs.get_mut(&id) else { continue };
            if let Some(whole) = job.layer.get(param.name) {
                let reason = format!(
                    "\"{}\" is given both as a whole and with indexes: use one of the two",
                    param.name
                );
                self.out.diagnostics.push(Diagnostic::rejects(&id, whole.origin.clone(), reason));
                continue;
            }
            for (item, origin) in items.into_values() {
                job.layer.add_item(param, item, origin);
            }
        }
    }
}

fn kind_is_unknown(kind: &str) -> bool {
    JobKind::parse(kind).is_none()
}

/// An index: digits, and nothing else that a number could be written with.
fn number(index: &str) -> Option<u32> {
    index.parse().ok().filter(|_| index.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::{ContainerId, ContainerState};

    fn container(labels: &[(&str, &str)]) -> Container {
        Container {
            id: ContainerId("0".repeat(64).into()),
            name: "web".into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn reasons(labels: &[(&str, &str)]) -> Vec<String> {
        parse(&container(labels), false)
            .diagnostics
            .into_iter()
            .map(|it| format!("{} {}", it.origin, it.reason))
            .collect()
    }

    const ON: (&str, &str) = ("watchbell.enabled", "true");

    #[test]
    fn keys_are_read_in_any_letter_case_and_indexes_in_order_of_number() {
        let labels = parse(
            &container(&[
                ON,
                ("watchbell.job-exec.a.SCHEDULE", "@daily"),
                ("watchbell.job-exec.a.environment.10", "C=3"),
                ("watchbell.job-exec.a.environment.2", "B=2"),
                ("watchbell.job-exec.a.environment.1", "A=1"),
            ]),
            false,
        );
        assert_eq!(labels.diagnostics, []);
        let job = &labels.jobs[&JobId::plain("web.a")];
        assert!(job.layer.get("schedule").is_some());
        let Text::Items(items) = &job.layer.get("environment").unwrap().text else { panic!("items") };
        assert_eq!(items.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["A=1", "B=2", "C=3"]);
    }

    #[test]
    fn a_container_that_did_not_opt_in_has_no_jobs_and_is_told_so() {
        let labels = [("watchbell.job-exec.a.schedule", "@daily")];
        assert_eq!(parse(&container(&labels), false).jobs.len(), 0);
        assert!(reasons(&labels)[0].contains("set watchbell.enabled=true"));
        assert_eq!(parse(&container(&labels), true).jobs.len(), 1, "the agent's own container is in");
        assert_eq!(reasons(&[("watchbell.enabled", "no"), labels[0]]), Vec::<String>::new());
    }

    #[test]
    fn slips_are_pointed_out_with_the_nearest_right_spelling() {
        for (label, hint) in [
            ("watchbel.job-exec.a.schedule", "did you mean \"watchbell.job-exec.a.schedule\"?"),
            ("watchbell.job-exce.a.schedule", "did you mean \"exec\"?"),
            ("watchbell.jobexec.a.schedule", "did you mean \"watchbell.job-exec\"?"),
            ("watchbell.enabled.x", "\"watchbell.enabled\" takes no further part"),
            ("watchbell.job-exec.a.shedule", "did you mean \"schedule\"?"),
        ] {
            let found = reasons(&[ON, (label, "x")]);
            assert_eq!(found.len(), 1, "{label}: {found:?}");
            assert!(found[0].contains(hint) && found[0].contains(label), "{found:?}");
        }
        let found = reasons(&[("watchbell.enable", "true")]);
        assert!(found[0].contains("did you mean \"watchbell.enabled\"?"), "{found:?}");
    }

    #[test]
    fn other_peoples_labels_are_none_of_our_business() {
        assert_eq!(
            reasons(&[ON, ("com.example.job-x", "1"), ("watchtower.enable", "true"), ("maintainer", "x")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_label_that_cannot_be_understood_costs_its_own_job_only() {
        let labels = parse(
            &container(&[
                ON,
                ("watchbell.job-exec.a.schedule", "@daily"),
                ("watchbell.job-exec.a.command", "true"),
                ("watchbell.job-exec.b.schedule.0", "@daily"),
                ("watchbell.job-exec.-c.schedule", "@daily"),
                ("watchbell.job-exec", "x"),
                ("watchbell.", "x"),
            ]),
            false,
        );
        let rejected: Vec<_> = labels.diagnostics.iter().filter_map(|it| it.job.as_ref()).collect();
        assert_eq!(rejected, [&JobId::plain("web.b")]);
        assert_eq!(labels.diagnostics.len(), 4);
        assert!(labels.jobs.contains_key(&JobId::plain("web.a")));
    }
}
