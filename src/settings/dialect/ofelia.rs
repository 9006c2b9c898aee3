//! Ofelia: its keys, and its labels on a container. Chadburn is its fork and shares most of both.
//!
//! Relied upon: the documentation and releases of mcuadros/ofelia to 0.4 and of netresearch/ofelia, which is read as
//! the same tool, as both use one prefix.

use crate::model::{
    container::Container,
    diagnostic::{Diagnostic, nearest},
    name::{JobId, JobKind},
    origin::Origin,
};

use JobKind::{Compose, Exec, Local, Run, ServiceRun};

use super::super::{
    layer::{Text, Written},
    params, work,
};
use super::{
    go,
    names::Names,
    ofelia_keys::{KEYS, OFELIA_KEYS},
    table::{self, Foreign, Key},
};

/// What tells the tools of this family apart.
#[derive(Debug)]
pub struct Tool {
    /// The name, as its people write it.
    pub name: &'static str,
    /// The prefix of its labels.
    pub prefix: &'static str,
    /// Its keys.
    pub keys: &'static [&'static [Key]],
    /// Whether every container that opts in may define jobs of all kinds and name another container. If not, it may
    /// define `job-exec` for itself, and a `job-run` that starts it.
    pub anywhere: bool,
    /// Whether its files are read with gcfg, and with nothing else.
    pub gcfg: bool,
    /// Whether `${NAME}` is replaced in its files.
    pub substitutes: bool,
    /// What is to be said about schedules of five fields.
    pub five_fields: Option<&'static str>,
    /// What is to be said about jobs that name no user.
    pub default_user: Option<&'static str>,
}

/// Ofelia.
pub static OFELIA: Tool = Tool {
    name: "Ofelia",
    prefix: "ofelia",
    keys: &[KEYS, OFELIA_KEYS],
    anywhere: true,
    gcfg: false,
    substitutes: true,
    five_fields: Some(
        "schedule: five fields are read with the minute first, as Ofelia does since 0.4; Ofelia 0.3 took the first one \
         for the second: write six fields, with the second first, to be sure",
    ),
    default_user: Some(
        "jobs that name no user run as root, as in the original Ofelia; netresearch's runs them as nobody: give the \
         jobs a user, or the file a default-user",
    ),
};

/// Reads this tool's labels on a container. `own` says that the agent itself runs in it: it stands in for the tool, so
/// that the labels of the container that ran the tool can stay where they are.
pub fn labels(tool: &'static Tool, container: &Container, own: bool, out: &mut Foreign) {
    let ours: Vec<(&str, Vec<&str>, &str)> = container
        .labels
        .iter()
        .filter_map(|(key, value)| {
            let mut parts = key.split('.');
            let head = parts.next()?;
            let parts: Vec<&str> = parts.collect();
            if head == tool.prefix {
                return Some((key.as_str(), parts, value.as_str()));
            }
            let slip = parts.first().is_some_and(|it| it.starts_with("job-") || *it == "enabled");
            if slip && nearest(head, [tool.prefix]).is_some() {
                let reason = format!(
                    "the prefix \"{head}\" is not that of {} and the label has no effect: did you mean \"{}\"?",
                    tool.name, tool.prefix
                );
                out.without_effect(None, place(container, key), reason);
            }
            None
        })
        .collect();
    let Some((first, ..)) = ours.first() else { return };
    let says = |word: &str| ours.iter().any(|(_, parts, value)| parts[..] == [word] && *value == "true");
    if !own && !says("enabled") {
        let reason =
            format!("this container's labels have no effect: {}.enabled is not \"true\"", tool.prefix);
        return out.without_effect(None, place(container, first), reason);
    }
    let jobs: Vec<(JobKind, &str)> = ours
        .iter()
        .filter_map(|(_, parts, _)| match parts[..] {
            [kind, name, _] => Some((kind_of(tool, kind).ok()?, name)),
            _ => None,
        })
        .collect();
    let names = Names::new(&jobs);
    let reader = Labels { tool, container, own, service: own || says("service"), names };
    for (key, parts, value) in &ours {
        reader.label(key, parts, value, out);
    }
    reader.finish(out);
}

fn place(container: &Container, label: &str) -> Origin {
    Origin::Label { container: container.name.clone(), label: label.into() }
}

struct Labels<'a> {
    tool: &'static Tool,
    container: &'a Container,
    own: bool,
    /// It is the tool's own container. A label says so, and so it says nothing about what is allowed.
    service: bool,
    names: Names,
}

impl Labels<'_> {
    fn id(&self, name: &str) -> JobId {
        if self.own { JobId::plain(name) } else { JobId::at_home(&self.container.home(), name) }
    }

    fn label(&self, label: &str, parts: &[&str], text: &str, out: &mut Foreign) {
        let origin = place(self.container, label);
        match *parts {
            ["enabled" | "service"] => {}
            [setting] => self.setting(setting, origin, out),
            [kind, name, key] if kind.starts_with("job-") => self.key(kind, name, key, text, origin, out),
            _ => {
                let reason = format!(
                    "the label has no effect: one of {} is {}.<kind of job>.<name>.<key>",
                    self.tool.name, self.tool.prefix
                );
                out.without_effect(None, origin, reason);
            }
        }
    }

    /// A setting of the tool, which it takes from its own container only.
    fn setting(&self, name: &str, origin: Origin, out: &mut Foreign) {
        let reason = match table::find(self.tool.name, self.tool.keys, name, None) {
            Err(reason) => reason,
            Ok(_) if !self.service => format!(
                "\"{name}\" is a setting of {} and has no effect on another container than its own",
                self.tool.name
            ),
            Ok(key) => table::no_effect(key),
        };
        out.without_effect(None, origin, reason);
    }

    fn key(&self, kind: &str, name: &str, key: &str, text: &str, origin: Origin, out: &mut Foreign) {
        let kind = match kind_of(self.tool, kind) {
            Ok(kind) => kind,
            Err(reason) => return out.without_effect(None, origin, reason),
        };
        let here = self.names.of(kind, name);
        let id = self.id(here);
        let anywhere = self.tool.anywhere || matches!(kind, Exec | Run);
        if !self.service && !anywhere {
            let reason = format!(
                "{} takes a job of kind {kind} from its own container only, the one with {}.service=true",
                self.tool.name, self.tool.prefix
            );
            return out.rejects(&id, origin, reason);
        }
        let job = Origin::Label {
            container: self.container.name.clone(),
            label: format!("{}.job-{kind}.{name}", self.tool.prefix).into(),
        };
        if out.job(&id, kind, &job, name, here).is_none() {
            return;
        }
        match table::find(self.tool.name, self.tool.keys, key, Some(kind)) {
            Err(reason) => out.without_effect(Some(&id), origin, reason),
            Ok(key) if key.name == "container" && kind == Exec && !self.service && !self.tool.anywhere => {
                let reason =
                    "\"container\" has no effect: a job-exec label runs in the container that it is on";
                out.diagnostics.push(Diagnostic::warning(origin, reason).about(&id));
            }
            Ok(key) => take(self.tool, &id, key, text, origin, out),
        }
    }

    fn finish(&self, out: &mut Foreign) {
        follow_names(&self.names, out);
        let ids: Vec<JobId> = out.jobs.keys().cloned().collect();
        for id in &ids {
            let Some(draft) = out.jobs.get(id) else { continue };
            let (kind, origin) = (draft.kind, draft.origin.clone());
            let named = draft.layer.get("container").is_some();
            if kind == Exec && self.service && !named {
                let reason = "the job names no container: set the label container to the one that it runs in";
                out.rejects(id, origin, reason);
                continue;
            }
            if kind == Run && !self.service && !named && !self.tool.anywhere {
                let name = self.container.name.to_string();
                if let Some(param) = params::find("container")
                    && let Some(draft) = out.jobs.get_mut(id)
                {
                    draft.layer.set(param, Written::new(Text::One(name.as_str().into()), origin));
                }
            }
            defaults(self.tool, id, out);
        }
    }
}

/// What a kind of job is with us.
pub(super) fn kind_of(tool: &Tool, word: &str) -> Result<JobKind, String> {
    let kinds = [Exec, Run, Local, ServiceRun, Compose];
    let name = params::spelling(word);
    let known = name.strip_prefix("job-").and_then(JobKind::parse).filter(|kind| kinds.contains(kind));
    known.ok_or_else(|| {
        if name == "job-lifecycle" {
            return "jobs at a container's start or stop are not yet supported here and have no effect"
                .to_owned();
        }
        let names = kinds.map(|kind| format!("job-{kind}"));
        let hint = crate::model::diagnostic::did_you_mean(&name, names.iter().map(String::as_str));
        let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        format!("\"{word}\" is no kind of job of {} and has no effect{hint}", tool.name)
    })
}

/// Takes one key of a job, with what is to be said about it in this tool.
pub(super) fn take(
    tool: &Tool,
    id: &JobId,
    key: &'static Key,
    text: &str,
    origin: Origin,
    out: &mut Foreign,
) {
    if key.name == "schedule" {
        if go::fields(text).len() == 5
            && let Some(warning) = tool.five_fields
        {
            out.once(id, origin.clone(), warning);
        }
        if let Some(part) = go::refused(&go::fields(text)) {
            let reason = format!(
                "schedule: {} refuses \"{part}\", so that the job never ran there; here it is scheduled",
                tool.name
            );
            out.diagnostics.push(Diagnostic::warning(origin.clone(), reason).about(id));
        }
    }
    if key.name == "command" && text.contains("{{") && tool.prefix == "chadburn" {
        out.without_effect(Some(id), origin.clone(), "command: what stands in {{ }} is not replaced here");
    }
    if key.name == "volume"
        && let Some(Err(reason)) = table::list(text).text.ok().flatten().map(|text| work::volumes(&text))
    {
        return cannot_start(tool, id, &reason, origin, out);
    }
    out.take(id, key, text, origin);
}

/// A volume that the Engine refuses, such as a relative path: these tools keep such a job, and none of its runs starts.
/// Without the volume it would run and lose what it writes, so it is kept and never due.
fn cannot_start(tool: &Tool, id: &JobId, reason: &str, origin: Origin, out: &mut Foreign) {
    out.without_effect(
        Some(id),
        origin.clone(),
        format!(
            "volume: {reason}; the Engine refuses it, so that no run of this job ever started with {}: it is listed \
             here with enabled=false",
            tool.name
        ),
    );
    if let Some(draft) = out.jobs.get_mut(id)
        && let Ok(param) = params::look_up("enabled", draft.kind)
    {
        draft.given.insert("volume");
        draft.layer.set(param, Written::new(Text::One("false".into()), origin));
    }
}

/// Jobs that others name by the name that they have there.
pub(super) fn follow_names(names: &Names, out: &mut Foreign) {
    for draft in out.jobs.values_mut() {
        for param in ["depends-on", "on-success", "on-failure"].into_iter().filter_map(params::find) {
            let Some(Written { text: Text::Items(items), origin, further }) = draft.layer.get(param.name)
            else {
                continue;
            };
            let items = items.iter().map(|name| names.of_any(name).into()).collect();
            let (origin, further) = (origin.clone(), further.clone());
            draft.layer.set(param, Written { text: Text::Items(items), origin, further });
        }
    }
}

/// What holds in these tools where nobody says otherwise, and is otherwise with us.
pub(super) fn defaults(tool: &Tool, id: &JobId, out: &mut Foreign) {
    other_defaults(id, out);
    let Some(draft) = out.jobs.get(id) else { return };
    if matches!(draft.kind, Exec | Run | ServiceRun) && draft.layer.get("user").is_none() {
        let origin = draft.origin.clone();
        if let Some(warning) = tool.default_user {
            out.once(id, origin, warning);
        }
        out.unless_given(id, "user", "root");
    }
}

/// The same without the user.
pub(super) fn other_defaults(id: &JobId, out: &mut Foreign) {
    let Some(draft) = out.jobs.get(id) else { return };
    let pull = draft.kind == Run && !draft.given.contains("pull");
    if draft.given.contains("max-retries") {
        out.unless_given(id, "retry-delay", "1s");
        out.unless_given(id, "retry-max-delay", "60s");
    }
    out.unless_given(id, "overlap", "allow");
    if pull {
        out.unless_given(id, "pull", "always");
    }
}
