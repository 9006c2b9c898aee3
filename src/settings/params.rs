//! The one table of job parameters: parser, suggestions, `labels-spec.md` and help all come from it.

use crate::model::{diagnostic, name::JobKind};

use super::grants::Grant;
pub use super::shape::Shape;
use JobKind::{Compose, Container, Exec, Local, Run, ServiceRun};

/// One parameter of a job.
#[derive(Debug)]
pub struct Param {
    /// Its name, lower case with `-`.
    pub name: &'static str,
    /// Other names for it, which people know from elsewhere.
    pub aliases: &'static [&'static str],
    /// The kinds that have it.
    pub kinds: &'static [JobKind],
    /// What can be written.
    pub shape: Shape,
    /// What holds when nobody writes it, in words or as it would be written.
    pub default: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Whether this version does it. A parameter that is planned is rejected by name, never ignored.
    pub support: Support,
    /// The grant that a label on an ordinary container needs for some or all of its values.
    pub grant: Option<Grant>,
    /// Whether its value may be a secret: it is never shown, and the INI file can read it from another file.
    pub secret: bool,
}

/// Whether this version does what the parameter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Since this version.
    Since(&'static str),
    /// Known, and rejected as not yet supported.
    Planned,
}

/// The most missed occurrences of one job that can be asked to run: each of them waits in memory.
pub const MISSED_MAX_LIMIT: u16 = 1000;

const ALL: &[JobKind] = &JobKind::ALL;
const NOW: Support = Support::Since("0.1.0");
const LATER: Support = Support::Planned;

const fn row(
    name: &'static str,
    kinds: &'static [JobKind],
    shape: Shape,
    default: &'static str,
    support: Support,
    doc: &'static str,
) -> Param {
    Param { name, aliases: &[], kinds, shape, default, doc, support, grant: None, secret: false }
}

impl Param {
    const fn or(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn grant(self, grant: Grant) -> Self {
        Self { grant: Some(grant), ..self }
    }
}

/// Every parameter, in the order of the documentation.
pub static PARAMS: &[Param] = &[
    row("schedule", ALL, Shape::Schedule, "required", NOW, "When the job is due."),
    row("command", ALL, Shape::Command, "required; for `run` the image's own", NOW, "What is run."),
    row(
        "shell",
        &[Exec, Run, Local],
        Shape::Shell,
        "false",
        NOW,
        "Run the command through a shell: `true` is `/bin/sh`, or name the shell's path.",
    ),
    row(
        "container",
        &[Exec, Run, Container],
        Shape::Text,
        "the labelled container",
        NOW,
        "The name of the container in which the command runs.",
    )
    .grant(Grant::ExecOther),
    row(
        "user",
        &[Exec, Run, Local],
        Shape::Text,
        "the container's",
        NOW,
        "`user`, `uid`, `user:group` or `uid:gid` that the command runs as.",
    ),
    row(
        "workdir",
        &[Exec, Run, Local],
        Shape::Text,
        "the container's",
        NOW,
        "The command's working directory.",
    )
    .or(&["working-dir"]),
    row(
        "environment",
        &[Exec, Run, Local, ServiceRun],
        Shape::Map,
        "none",
        NOW,
        "Variables added to those that the command has anyway.",
    )
    .or(&["env"])
    .secret(),
    row(
        "env-file",
        &[Exec, Run],
        Shape::List,
        "none",
        NOW,
        "Files beside the agent with one `NAME=VALUE` a line, read when a run begins; `environment` goes over them.",
    )
    .grant(Grant::EnvFile),
    row(
        "privileged",
        &[Exec, Run],
        Shape::Boolean,
        "false",
        NOW,
        "Give the command all rights that root has on the machine.",
    )
    .grant(Grant::Privileged),
    row("image", &[Run, ServiceRun], Shape::Text, "required", NOW, "The image of the new container."),
    row(
        "network",
        &[Run, ServiceRun],
        Shape::List,
        "the Engine's default",
        NOW,
        "Networks of the new container, by exact name; or one of `none`, `host`, `container:<name>`.",
    )
    .or(&["networks"]),
    row(
        "entrypoint",
        &[Run],
        Shape::Command,
        "the image's",
        NOW,
        "The program that `command` is handed to, in place of the image's.",
    ),
    row("hostname", &[Run], Shape::Text, "the container's ID", NOW, "The host name of the new container."),
    row(
        "volume",
        &[Run],
        Shape::List,
        "none",
        NOW,
        "`<source>:<target>`, with `:ro` if it is only read: the source is a volume's name or a path of the machine.",
    )
    .or(&["volumes"])
    .grant(Grant::HostMounts),
    row(
        "timezone",
        ALL,
        Shape::Zone,
        "the agent's `timezone`, else `TZ`, else `UTC`",
        NOW,
        "The zone in which the schedule is read.",
    )
    .or(&["tz"]),
    row("enabled", ALL, Shape::Boolean, "true", NOW, "`false` keeps the job listed and never due."),
    row(
        "overlap",
        ALL,
        Shape::Choice(&["skip", "allow", "queue", "replace"]),
        "skip",
        NOW,
        "What happens when the job is due while its last run goes on: skip the new one, run both, let one wait, or stop the old one.",
    ),
    row("timeout", ALL, Shape::Duration, "none", NOW, "How long a run may take before it is ended."),
    row(
        "grace-period",
        ALL,
        Shape::Duration,
        "10s",
        NOW,
        "How long a run has between being asked to stop and being killed.",
    ),
    row("group", ALL, Shape::Text, "none", LATER, ""),
    row("group-wait", ALL, Shape::Duration, "1h", LATER, ""),
    row("retries", ALL, Shape::Text, "0", LATER, ""),
    row("retry-delay", ALL, Shape::Duration, "10s", LATER, ""),
    row("retry-backoff", ALL, Shape::Text, "exponential", LATER, ""),
    row("retry-max-delay", ALL, Shape::Duration, "5m", LATER, ""),
    row("success-codes", ALL, Shape::List, "0", LATER, ""),
    row("jitter", ALL, Shape::Duration, "0s", NOW, "Begin each occurrence at random within this after its moment."),
    row(
        "missed",
        ALL,
        Shape::Choice(&["skip", "once", "all"]),
        "skip",
        NOW,
        "What happens to occurrences that were missed: run none, the newest, or the newest `missed-max` in order.",
    ),
    row(
        "missed-max",
        ALL,
        Shape::Number(MISSED_MAX_LIMIT),
        "10",
        NOW,
        "How many missed occurrences run at most with `missed=all`.",
    ),
    row(
        "start-deadline",
        ALL,
        Shape::Duration,
        "none",
        NOW,
        "How late an occurrence may begin: later it is recorded as missed and never runs.",
    ),
    row("depends-on", ALL, Shape::List, "none", LATER, ""),
    row("on-success", ALL, Shape::List, "none", LATER, ""),
    row("on-failure", ALL, Shape::List, "none", LATER, ""),
    row("run-on-startup", ALL, Shape::Boolean, "false", NOW, "Run once as well when the agent starts."),
    row(
        "max-output",
        ALL,
        Shape::Size,
        "1MiB",
        NOW,
        "How much of each stream of a run is kept: its beginning and its end, and how much was dropped between them.",
    ),
    row(
        "history",
        ALL,
        Shape::Retention,
        "100 runs, 30 days",
        NOW,
        "How many runs are kept and for how long; `none` keeps the newest only, which always is.",
    ),
    row("notify", ALL, Shape::List, "the global default", LATER, ""),
    row("notify-on", ALL, Shape::List, "the global default", LATER, ""),
    row("expect-every", ALL, Shape::Duration, "none", LATER, ""),
    row("tty", &[Exec], Shape::Boolean, "false", LATER, ""),
    row("replica", &[Exec], Shape::Text, "one", LATER, ""),
    row("pull", &[Run], Shape::Text, "missing", LATER, ""),
    row("mount", &[Run, ServiceRun], Shape::List, "none", LATER, ""),
    row("tmpfs", &[Run], Shape::List, "none", LATER, ""),
    row("volumes-from", &[Run], Shape::List, "none", LATER, ""),
    row("network-alias", &[Run], Shape::List, "none", LATER, ""),
    row("dns", &[Run], Shape::List, "none", LATER, ""),
    row("extra-hosts", &[Run], Shape::List, "none", LATER, ""),
    row("memory", &[Run, ServiceRun], Shape::Text, "none", LATER, ""),
    row("cpus", &[Run, ServiceRun], Shape::Text, "none", LATER, ""),
    row("pids-limit", &[Run], Shape::Text, "none", LATER, ""),
    row("shm-size", &[Run], Shape::Text, "none", LATER, ""),
    row("ulimit", &[Run], Shape::List, "none", LATER, ""),
    row("cap-add", &[Run], Shape::List, "none", LATER, ""),
    row("cap-drop", &[Run], Shape::List, "none", LATER, ""),
    row("device", &[Run], Shape::List, "none", LATER, ""),
    row("gpus", &[Run], Shape::Text, "none", LATER, ""),
    row("security-opt", &[Run], Shape::List, "none", LATER, ""),
    row("read-only", &[Run], Shape::Boolean, "false", LATER, ""),
    row("init", &[Run], Shape::Boolean, "false", LATER, ""),
    row("label", &[Run], Shape::Map, "none", LATER, ""),
    row("stop-signal", &[Run], Shape::Text, "the image's", LATER, ""),
    row("platform", &[Run], Shape::Text, "none", LATER, ""),
    row("runtime", &[Run], Shape::Text, "none", LATER, ""),
    row("log-driver", &[Run], Shape::Text, "none", LATER, ""),
    row("log-opt", &[Run], Shape::Map, "none", LATER, ""),
    row("delete", &[Run], Shape::Text, "always", LATER, ""),
    row("like", &[Run, ServiceRun], Shape::Text, "none", LATER, ""),
    row("stop-during", &[Exec, Run], Shape::List, "none", LATER, ""),
    row("secret", &[ServiceRun], Shape::List, "none", LATER, ""),
    row("config", &[ServiceRun], Shape::List, "none", LATER, ""),
    row("constraint", &[ServiceRun], Shape::List, "none", LATER, ""),
    row("replicas", &[ServiceRun], Shape::Text, "1", LATER, ""),
    row("global", &[ServiceRun], Shape::Boolean, "false", LATER, ""),
    row("with-registry-auth", &[ServiceRun], Shape::Boolean, "false", LATER, ""),
    row("file", &[Compose], Shape::List, "none", LATER, ""),
    row("project", &[Compose], Shape::Text, "none", LATER, ""),
    row("service", &[Compose], Shape::Text, "none", LATER, ""),
    row("action", &[Compose, Container], Shape::Text, "required", LATER, ""),
    row("signal", &[Container], Shape::Text, "none", LATER, ""),
];

/// What these kinds cannot do yet although the parameter is there for others.
const PLANNED_FOR: &[(&str, JobKind)] = &[("container", Run), ("user", Local)];

impl Param {
    /// Whether this version does it for jobs of this kind.
    pub fn works_for(&self, kind: JobKind) -> bool {
        self.support != Support::Planned
            && self.kinds.contains(&kind)
            && !PLANNED_FOR.contains(&(self.name, kind))
    }
}

/// The table's spelling of a key: lower case, `_` as `-`.
pub fn spelling(key: &str) -> String {
    key.to_ascii_lowercase().replace('_', "-")
}

/// The parameter with this name or alias, in any letter case and with `-` or `_`.
pub fn find(key: &str) -> Option<&'static Param> {
    let key = spelling(key);
    PARAMS.iter().find(|param| param.name == key || param.aliases.contains(&&*key))
}

/// What `<parameter>-file` asks to read from a file: a parameter whose value may be a secret.
pub fn file_key(key: &str) -> Option<&'static Param> {
    let key = spelling(key);
    if find(&key).is_some() { None } else { find(key.strip_suffix("-file")?).filter(|param| param.secret) }
}

/// The `<parameter>-file` that an unknown key is a slip in.
pub fn near_file_key(key: &str) -> Option<String> {
    let secrets = PARAMS.iter().filter(|param| param.secret && param.support != Support::Planned);
    let names = secrets.flat_map(|param| param.aliases.iter().chain([&param.name]));
    let keys: Vec<String> =
        names.map(|name| format!("{name}-file")).filter(|it| find(it).is_none()).collect();
    diagnostic::nearest(&spelling(key), keys.iter().map(String::as_str)).map(str::to_owned)
}

/// Why `key` cannot be written for a job of this kind, or the parameter that it names.
pub fn look_up(key: &str, kind: JobKind) -> Result<&'static Param, String> {
    let Some(param) = find(key) else {
        if let Some(param) = file_key(key) {
            return Err(format!(
                "\"{}\" is read from a file only where the operator says so: {key} belongs in a section of the INI file",
                param.name
            ));
        }
        let known = PARAMS.iter().filter(|param| param.works_for(kind));
        let known = known.flat_map(|param| param.aliases.iter().copied().chain([param.name]));
        let hint = diagnostic::did_you_mean(&spelling(key), known)
            .unwrap_or_else(|| "labels-spec.md lists all parameters".to_owned());
        return Err(format!("unknown parameter \"{key}\": {hint}"));
    };
    if !param.kinds.contains(&kind) {
        let kinds: Vec<_> = param.kinds.iter().map(|kind| kind.as_str()).collect();
        return Err(format!(
            "a job of kind {kind} has no parameter \"{}\": it belongs to {}",
            param.name,
            kinds.join(", ")
        ));
    }
    if !param.works_for(kind) {
        return Err(format!(
            "the parameter \"{}\" is not yet supported for a job of kind {kind}: remove it",
            param.name
        ));
    }
    Ok(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_its_own_spelling_and_has_no_name_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for param in PARAMS {
            for name in param.aliases.iter().chain([&param.name]) {
                assert_eq!(**name, spelling(name));
                assert!(seen.insert(*name), "{name} is there twice");
            }
            assert!(param.support == Support::Planned || !param.doc.is_empty(), "{}", param.name);
        }
    }

    #[test]
    fn letter_case_and_underscores_do_not_matter() {
        assert_eq!(look_up("Grace_Period", Exec).map(|param| param.name), Ok("grace-period"));
    }

    #[test]
    fn a_key_that_cannot_be_taken_says_why() {
        assert!(look_up("shedule", Exec).unwrap_err().contains("did you mean \"schedule\"?"));
        assert!(look_up("image", Exec).unwrap_err().contains("it belongs to run"));
        assert!(look_up("retries", Exec).unwrap_err().contains("not yet supported"));
        assert!(look_up("container", Run).unwrap_err().contains("not yet supported"));
        assert!(look_up("environment_file", Exec).unwrap_err().contains("only where the operator says so"));
    }
}
