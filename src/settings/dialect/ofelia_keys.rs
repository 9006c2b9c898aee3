//! The keys of Ofelia and what each becomes; those that Chadburn shares stand apart.

use crate::model::name::JobKind;

use JobKind::{Compose, Exec, Local, Run, ServiceRun};

use super::{
    go, gobs,
    table::{Becomes, Key, Taken, commas, list, same},
};

use Becomes::{Nothing, Parameter, Reader};

const ALL: &[JobKind] = &[Exec, Run, Local, ServiceRun, Compose];
const TOLD: &str = "write [notify \"name\"] in watchbell's own file, and its name as notify of the job";
const SAVED: &str =
    "the log has every run's output and outcome; [notify \"name\"] with type = save writes files";

/// A row of a table.
pub(super) const fn key(
    name: &'static str,
    kinds: &'static [JobKind],
    becomes: Becomes,
    doc: &'static str,
) -> Key {
    Key { name, kinds, becomes, doc }
}

/// What both tools have.
pub static KEYS: &[Key] = &[
    key(
        "schedule",
        ALL,
        Parameter("schedule", schedule),
        "The same; lengths after `@every` as Go writes them.",
    ),
    key(
        "command",
        ALL,
        Parameter("command", gobs::command),
        "The same, split into words as there; a JSON array where we would split otherwise.",
    ),
    key(
        "container",
        &[Exec, Run],
        Parameter("container", same),
        "The same; in a label of `job-exec` the labelled one where it is not given.",
    ),
    key(
        "user",
        &[Exec, Run, ServiceRun],
        Parameter("user", user),
        "The same; `root` where it is empty or not given.",
    ),
    key("tty", &[Exec, Run, ServiceRun], Parameter("tty", flag), "Commands run without a terminal."),
    key(
        "environment",
        &[Exec, Run, Local, ServiceRun, Compose],
        Parameter("environment", list),
        "The same; one text, a JSON array, or in a file repeated keys. A comma does not split.",
    ),
    key("env", &[Exec, Run, Local], Parameter("environment", list), "As `environment`."),
    key("image", &[Run, ServiceRun], Parameter("image", same), "The same."),
    key(
        "network",
        &[Run, ServiceRun],
        Parameter("network", list),
        "The same; the Engine's default network is not joined besides.",
    ),
    key("delete", &[Run, ServiceRun], Parameter("delete", delete), "`true` is `always`, `false` is `never`."),
    key("pull", &[Run], Parameter("pull", pull), "`true` is `always`, `false` is `missing`."),
    key("volume", &[Run, ServiceRun], Parameter("volume", list), "The same."),
    key("dir", &[Local, Compose, ServiceRun], Parameter("workdir", same), "`workdir`."),
    key(
        "no-overlap",
        ALL,
        Parameter("overlap", no_overlap),
        "`true` is `overlap=skip`; else `overlap=allow`.",
    ),
    key("save-folder", ALL, Nothing, SAVED),
    key("save-only-on-error", ALL, Nothing, SAVED),
    key("slack-webhook", ALL, Nothing, TOLD),
    key("slack-only-on-error", ALL, Nothing, TOLD),
    key("smtp-host", ALL, Nothing, TOLD),
    key("smtp-port", ALL, Nothing, TOLD),
    key("smtp-user", ALL, Nothing, TOLD),
    key("smtp-password", ALL, Nothing, TOLD),
    key("email-to", ALL, Nothing, TOLD),
    key("email-from", ALL, Nothing, TOLD),
    key("mail-only-on-error", ALL, Nothing, TOLD),
    key("save-folder", &[], Nothing, SAVED),
    key("save-only-on-error", &[], Nothing, SAVED),
    key("slack-webhook", &[], Nothing, TOLD),
    key("slack-only-on-error", &[], Nothing, TOLD),
    key("smtp-host", &[], Nothing, TOLD),
    key("smtp-port", &[], Nothing, TOLD),
    key("smtp-user", &[], Nothing, TOLD),
    key("smtp-password", &[], Nothing, TOLD),
    key("email-to", &[], Nothing, TOLD),
    key("email-from", &[], Nothing, TOLD),
    key("mail-only-on-error", &[], Nothing, TOLD),
];

const PAGE: &str = "watchbell has no page in the browser yet";
const WATCHED: &str = "watchbell always follows the Engine's events and lists besides";

/// What Ofelia has alone.
pub(super) static OFELIA_KEYS: &[Key] = &[
    key("hostname", &[Run, ServiceRun], Parameter("hostname", same), "The same."),
    key("entrypoint", &[Run], Parameter("entrypoint", gobs::command), "As `command`."),
    key("volumes-from", &[Run], Parameter("volumes-from", list), "The same."),
    key("annotations", ALL, Parameter("label", list), "`label`."),
    key("container-name", &[Run], Nothing, "a run's container is named after its job and occurrence"),
    key("working-dir", &[Exec, Run], Parameter("workdir", same), "`workdir`."),
    key("privileged", &[Exec, Run], Parameter("privileged", flag), "The same."),
    key("max-runtime", &[Run, ServiceRun], Parameter("timeout", length), "`timeout`."),
    key(
        "history-limit",
        ALL,
        Nothing,
        "100 runs of a job are kept for 30 days; our `history` says otherwise",
    ),
    key("run-on-startup", ALL, Parameter("run-on-startup", flag), "The same."),
    key("max-retries", ALL, Parameter("retries", none_is_zero), "`retries`."),
    key("retry-delay-ms", ALL, Parameter("retry-delay", milliseconds), "`retry-delay`."),
    key(
        "retry-exponential",
        ALL,
        Parameter("retry-backoff", exponential),
        "`true` is `retry-backoff=exponential`, `false` is `fixed`.",
    ),
    key("retry-max-delay-ms", ALL, Parameter("retry-max-delay", milliseconds), "`retry-max-delay`."),
    key("depends-on", ALL, Parameter("depends-on", commas), "The same; commas split."),
    key("on-success", ALL, Parameter("on-success", commas), "The same; commas split."),
    key("on-failure", ALL, Parameter("on-failure", commas), "The same; commas split."),
    key("webhooks", ALL, Nothing, TOLD),
    key("email-subject", ALL, Nothing, TOLD),
    key("teams-webhook", ALL, Nothing, TOLD),
    key("teams-only-on-error", ALL, Nothing, TOLD),
    key("smtp-tls-skip-verify", ALL, Nothing, TOLD),
    key("file", &[Compose], Parameter("file", list), "The same."),
    key("service", &[Compose], Parameter("service", same), "The same."),
    key(
        "exec",
        &[Compose],
        Parameter("action", exec_or_run),
        "`true` is `action=exec`, `false` is `action=run`.",
    ),
    key("log-level", &[], Reader, "`log-level`; only from a file."),
    key("max-runtime", &[], Reader, "`timeout` under all jobs; only from a file."),
    key("default-user", &[], Reader, "`user` under all jobs that have it; only from a file."),
    key("log-format", &[], Nothing, "the setting log-format has other words"),
    key("allow-host-jobs-from-labels", &[], Nothing, "allow-from-labels=local is the switch here"),
    key("enable-web", &[], Nothing, PAGE),
    key("web-address", &[], Nothing, PAGE),
    key("enable-pprof", &[], Nothing, "there is no profiler to turn on"),
    key("pprof-address", &[], Nothing, "there is no profiler to turn on"),
    key("enable-strict-validation", &[], Nothing, "everything written is always checked"),
    key("docker-events", &[], Nothing, WATCHED),
    key("docker-poll-interval", &[], Nothing, WATCHED),
    key("docker-no-poll", &[], Nothing, WATCHED),
    key("poll-interval", &[], Nothing, WATCHED),
    key("notification-cooldown", &[], Nothing, TOLD),
    key("webhook-webhooks", &[], Nothing, TOLD),
    key("teams-webhook", &[], Nothing, TOLD),
    key("teams-only-on-error", &[], Nothing, TOLD),
    key("smtp-tls-skip-verify", &[], Nothing, TOLD),
];

fn schedule(text: &str) -> Taken {
    Taken::one(go::schedule(text))
}

/// An empty user is the default one.
fn user(text: &str) -> Taken {
    if text.trim().is_empty() { Taken::default() } else { same(text) }
}

/// A boolean of which `false` holds here as well.
fn flag(text: &str) -> Taken {
    match go::boolean(text) {
        Ok(on) => Taken { holds: !on, ..Taken::one(if on { "true" } else { "false" }) },
        Err(reason) => Taken::wrong(reason),
    }
}

fn no_overlap(text: &str) -> Taken {
    match go::boolean(text) {
        Ok(no) => Taken::one(if no { "skip" } else { "allow" }),
        Err(reason) => Taken::wrong(reason),
    }
}

/// A container that a run made is removed here in any case.
fn delete(text: &str) -> Taken {
    match go::boolean(text) {
        Ok(delete) => Taken { holds: delete, ..Taken::one(if delete { "always" } else { "never" }) },
        Err(reason) => Taken::wrong(reason),
    }
}

fn pull(text: &str) -> Taken {
    match (text.trim(), go::boolean(text)) {
        ("always", _) | (_, Ok(true)) => Taken::one("always"),
        ("never", _) => Taken::one("never"),
        ("if-not-present" | "missing", _) | (_, Ok(false)) => Taken::one("missing"),
        (_, Err(reason)) => Taken::wrong(reason),
    }
}

fn exponential(text: &str) -> Taken {
    match go::boolean(text) {
        Ok(grows) => Taken::one(if grows { "exponential" } else { "fixed" }),
        Err(reason) => Taken::wrong(reason),
    }
}

fn exec_or_run(text: &str) -> Taken {
    match go::boolean(text) {
        Ok(exec) => Taken::one(if exec { "exec" } else { "run" }),
        Err(reason) => Taken::wrong(reason),
    }
}

/// A length of time of which 0 is none.
fn length(text: &str) -> Taken {
    match go::duration(text) {
        Some(length) if length == "0s" => Taken { holds: true, ..Taken::one("none") },
        Some(length) => Taken::one(length),
        None => Taken::wrong(format!("\"{}\" is no length of time such as 1h30m", text.trim())),
    }
}

fn milliseconds(text: &str) -> Taken {
    match text.trim().parse::<u32>() {
        Ok(count) => Taken::one(go::duration(&format!("{count}ms")).unwrap_or_default()),
        Err(_) => Taken::wrong(format!("\"{}\" is no number of milliseconds", text.trim())),
    }
}

fn none_is_zero(text: &str) -> Taken {
    Taken { holds: text.trim() == "0", ..same(text) }
}
