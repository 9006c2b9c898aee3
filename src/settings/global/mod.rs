//! The one table of agent-wide settings, and what they are after all layers: defaults, file, flags, environment.

mod access;
pub mod layers;
pub mod shown;

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use crate::model::{notification::Causes, schedule::Zone};

use super::{access::Access, dialect::Dialect, grants::Grants, params};

/// One agent-wide setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name, lower case with `-`: the key in `[global]`, the flag without `--`, and after `WATCHBELL_`, upper
    /// case, the variable.
    pub name: &'static str,
    /// What can be written, in words.
    pub shape: &'static str,
    /// What holds when nobody writes it.
    pub default: &'static str,
    /// Whether it can stand in the file. What says where the file is cannot.
    pub in_file: bool,
    /// When a value is taken.
    pub taken: Taken,
    /// Whether its value is a secret, and never shown.
    pub secret: bool,
    /// What it does, in one line.
    pub doc: &'static str,
}

/// When a value is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// When the agent starts, and not again.
    AtStart,
    /// Whenever it changes.
    WhileRunning,
    /// Whenever it changes, and from a label on the agent's own container, which is seen only while the agent runs.
    AlsoFromLabels,
}

const fn row(
    name: &'static str,
    shape: &'static str,
    default: &'static str,
    in_file: bool,
    doc: &'static str,
) -> Setting {
    Setting { name, shape, default, in_file, taken: Taken::AtStart, secret: false, doc }
}

impl Setting {
    /// It can be said by a label on the agent's own container.
    const fn label(self) -> Self {
        Self { taken: Taken::AlsoFromLabels, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn live(self) -> Self {
        Self { taken: Taken::WhileRunning, ..self }
    }
}

const TOKEN: &str = "text of 16 characters or more";

/// Every setting, in the order of the documentation.
pub static SETTINGS: &[Setting] = &[
    row(
        "config",
        "paths, one a line",
        "/etc/watchbell/config.ini",
        false,
        "The INI files, later ones over earlier ones. The default file may be missing; a file that is named may not.",
    ),
    row(
        "docker-host",
        "`unix://`, `tcp://` or `https://` address",
        "`DOCKER_HOST`, else `unix:///var/run/docker.sock`",
        true,
        "Where the Engine listens.",
    ),
    row(
        "docker-tls-verify",
        "boolean",
        "whether `DOCKER_TLS_VERIFY` or `DOCKER_TLS` is set, or the address begins with `https://`",
        true,
        "Whether the Engine is asked over TLS, and only if its certificate is right.",
    ),
    row(
        "docker-cert-path",
        "path",
        "`DOCKER_CERT_PATH`, else `DOCKER_CONFIG`, else `~/.docker`",
        true,
        "The directory with `ca.pem`, `cert.pem` and `key.pem` for that.",
    ),
    row("state-dir", "path", "/var/lib/watchbell", true, "The directory of the agent's socket and state."),
    row(
        "listen",
        "`address:port`, or `none`",
        "127.0.0.1:8080",
        true,
        "Where the agent answers over TCP, beside its socket.",
    )
    .live(),
    row(
        "tls-cert",
        "path",
        "none",
        true,
        "The certificate in PEM with which the agent speaks TLS there, with those that lead to whom others believe.",
    )
    .live(),
    row("tls-key", "path", "none", true, "The private key of that certificate.").live(),
    row(
        "insecure-no-auth",
        "boolean",
        "false",
        true,
        "Whether it does so, also on an address that others reach, and who asks there may everything, although nobody has to say who he is.",
    )
    .live(),
    row(
        "viewer-token",
        TOKEN,
        "none",
        true,
        "What a program shows to see everything. A flag stands in the list of processes, for everyone on the machine to read: better is viewer-token-file in a file of settings, or the environment.",
    )
    .secret()
    .live(),
    row(
        "operator-token",
        TOKEN,
        "none",
        true,
        "What a program shows to run, pause and stop besides. As with viewer-token, a flag can be read by everyone on the machine: better is operator-token-file in a file of settings, or the environment.",
    )
    .secret()
    .live(),
    row(
        "admin-token",
        TOKEN,
        "none",
        true,
        "What a program shows to do everything. As with viewer-token, a flag can be read by everyone on the machine: better is admin-token-file in a file of settings, or the environment.",
    )
    .secret()
    .live(),
    row(
        "metrics-auth",
        "boolean",
        "false",
        true,
        "Whether who asks over TCP for `/health`, `/live`, `/ready` and `/metrics` has to say who he is.",
    )
    .live(),
    row(
        "session-lifetime",
        "duration",
        "7d",
        true,
        "How long a user who has logged in need not do it again.",
    )
    .live(),
    row(
        "trusted-proxies",
        "list of addresses and networks, by comma or line",
        "none",
        true,
        "Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
    )
    .live(),
    row(
        "public-url",
        "`http://` or `https://` address",
        "none",
        true,
        "How the agent is called from outside, as behind a proxy.",
    )
    .live(),
    row(
        "allowed-hosts",
        "list of names, by comma or line",
        "none",
        true,
        "By which names it may be asked over TCP, besides addresses, `localhost` and the one in `public-url`.",
    )
    .live(),
    row("notify", "list of channels, by comma or line; `none`", "none", true, "Which channels are told of the jobs that name none themselves.").label(),
    row("notify-on", "list of words, by comma or line", "as each channel has it", true, "Of what channels are told of the jobs that do not say it themselves; it goes over what a channel says.").label(),
    row("timezone", "time zone", "`TZ`, else `UTC`", true, "The zone of schedules that name none.").label(),
    row("log-level", "`error`, `warn`, `info`, `debug`, `trace`", "info", true, "How much is logged."),
    row(
        "log-format",
        "`json`, `logfmt`, `pretty`",
        "`pretty` on a terminal, else `json`",
        true,
        "How a log record looks.",
    ),
    row(
        "max-concurrent-runs",
        "number from 1",
        "64",
        true,
        "How many runs may go on at once; further ones wait their turn and none is dropped.",
    )
    .label(),
    row(
        "shutdown-grace",
        "duration",
        "8s",
        true,
        "How long runs may go on after the agent was asked to stop. Docker kills the agent after 10 s by default.",
    )
    .label(),
    row(
        "history-max-size",
        "size such as `256MiB`, from 1MiB",
        "256MiB",
        true,
        "How large the file of all runs and their output may become; the oldest go first, and the newest of each job last.",
    ),
    row(
        "allow-from-labels",
        "list of grants, by comma or line",
        "none",
        true,
        "What labels on ordinary containers may do beyond a command in their own container.",
    )
    .live(),
    row(
        "label-dialects",
        "list of `watchbell`, `ofelia`, `chadburn`, `deck-chores`, `swarm-cronjob`, by comma or line",
        "watchbell",
        true,
        "Whose labels are read, and whose files where it stands as a flag or variable.",
    )
    .live(),
];

/// The setting with this name, in any letter case and with `-` or `_`.
pub fn find(key: &str) -> Option<&'static Setting> {
    let key = params::spelling(key);
    SETTINGS.iter().find(|setting| setting.name == key)
}

/// What `<setting>-file` asks to read from a file.
pub fn file_key(key: &str) -> Option<&'static Setting> {
    let key = params::spelling(key);
    if find(&key).is_some() { None } else { find(key.strip_suffix("-file")?) }
}

/// The settings of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the Engine listens.
    pub docker_host: String,
    /// Whether it is asked over TLS.
    pub docker_tls_verify: bool,
    /// The directory of the certificates for that.
    pub docker_cert_path: PathBuf,
    /// The directory of the agent's socket and state.
    pub state_dir: PathBuf,
    /// Where it is asked over the network, and by whom.
    pub access: Access,
    /// Who is told of jobs that do not say it.
    pub notify: Vec<Arc<str>>,
    /// Of what channels are told of jobs that do not say it.
    pub notify_on: Option<Causes>,
    /// The zone of schedules that name none.
    pub timezone: Zone,
    /// One of the words of the table.
    pub log_level: String,
    /// One of the words of the table; `None` leaves it to the terminal.
    pub log_format: Option<String>,
    /// How many runs may go on at once.
    pub max_concurrent_runs: NonZeroUsize,
    /// How long runs may go on after the agent was asked to stop.
    pub shutdown_grace: Duration,
    /// How many bytes the history of all jobs may take.
    pub history_max_size: u64,
    /// What labels on ordinary containers may do.
    pub grants: Grants,
    /// Whose labels are read.
    pub label_dialects: Vec<Dialect>,
    /// Those of them whose value came out of a file of secrets, and is not for showing.
    pub from_files: BTreeSet<&'static str>,
}
