//! The one table of agent-wide settings, and what they are after all layers: defaults, file, flags, environment.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, time::Duration};

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    origin::Origin,
    schedule::Zone,
};

use super::{dialect::Dialect, env, grants::Grants, ini::RawSetting, params, value};

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
    /// What it does, in one line.
    pub doc: &'static str,
    /// Whether its value is a secret, and never shown.
    pub secret: bool,
}

impl Setting {
    #[expect(dead_code, reason = "a setting that holds a secret comes with what it is for")]
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

const fn row(
    name: &'static str,
    shape: &'static str,
    default: &'static str,
    in_file: bool,
    doc: &'static str,
) -> Setting {
    Setting { name, shape, default, in_file, doc, secret: false }
}

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
        "`unix://` or `tcp://` address",
        "`DOCKER_HOST`, else `unix:///var/run/docker.sock`",
        true,
        "Where the Engine listens.",
    ),
    row("state-dir", "path", "/var/lib/watchbell", true, "The directory of the agent's socket and state."),
    row("timezone", "time zone", "`TZ`, else `UTC`", true, "The zone of schedules that name none."),
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
    ),
    row(
        "shutdown-grace",
        "duration",
        "8s",
        true,
        "How long runs may go on after the agent was asked to stop. Docker kills the agent after 10 s by default.",
    ),
    row(
        "allow-from-labels",
        "list of grants, by comma or line",
        "none",
        true,
        "What labels on ordinary containers may do beyond a command in their own container.",
    ),
    row(
        "label-dialects",
        "list of `watchbell`, `ofelia`, `chadburn`, `deck-chores`, `swarm-cronjob`, by comma or line",
        "watchbell",
        true,
        "Whose labels are read, and whose files where it stands as a flag or variable.",
    ),
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
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the Engine listens.
    pub docker_host: String,
    /// The directory of the agent's socket and state.
    pub state_dir: PathBuf,
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
    /// What labels on ordinary containers may do.
    pub grants: Grants,
    /// Whose labels are read.
    pub label_dialects: Vec<Dialect>,
}

/// Puts the layers of settings on top of each other, lowest first, and gives each value its type.
///
/// `variable` is for the two variables that are not ours and yet meant for us: `TZ` and `DOCKER_HOST`.
/// The second part of the answer has everything that is wrong; an [error](crate::model::diagnostic::Severity::Error)
/// among it means that the agent must not start.
pub fn settle(
    file: &[RawSetting],
    flags: &[RawSetting],
    environment: &[RawSetting],
    variable: &dyn Fn(&str) -> Option<String>,
) -> (Settings, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut values: BTreeMap<&'static str, &RawSetting> = BTreeMap::new();
    for raw in file {
        match find(&raw.key) {
            Some(setting) if !setting.in_file => diagnostics.push(Diagnostic::error(
                raw.origin.clone(),
                format!(
                    "\"{}\" says where the file is and cannot stand in it: use a flag or the environment",
                    setting.name
                ),
            )),
            Some(setting) => {
                if let Some(before) = values.insert(setting.name, raw) {
                    diagnostics.push(Diagnostic::warning(
                        raw.origin.clone(),
                        format!("\"{}\" is in force instead of the value at {}", setting.name, before.origin),
                    ));
                }
            }
            None => diagnostics.push(unknown(raw)),
        }
    }
    for raw in flags.iter().chain(environment) {
        match find(&raw.key) {
            Some(setting) => {
                values.insert(setting.name, raw);
            }
            // A variable that means nothing harms nobody: it is told of, and the agent starts.
            None => diagnostics
                .push(Diagnostic { severity: crate::model::diagnostic::Severity::Warning, ..unknown(raw) }),
        }
    }
    let mut settle = Settle { values, diagnostics };
    let settings = Settings {
        docker_host: settle
            .value("docker-host", |text| check_host(text).map(|()| text.to_owned()))
            .or_else(|| {
                let host = variable("DOCKER_HOST").filter(|host| !host.is_empty())?;
                settle.outside("DOCKER_HOST", check_host(&host).map(|()| host.clone()))
            })
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
        state_dir: settle
            .value("state-dir", |text| {
                if text.is_empty() { Err("the path is empty".into()) } else { Ok(text.into()) }
            })
            .unwrap_or_else(|| "/var/lib/watchbell".into()),
        timezone: settle
            .value("timezone", |text| Zone::parse(text).map_err(|error| error.to_string()))
            .or_else(|| {
                let zone = variable("TZ").filter(|zone| !zone.is_empty())?;
                settle.outside("TZ", Zone::parse(&zone).map_err(|error| error.to_string()))
            })
            .unwrap_or_else(Zone::utc),
        log_level: settle
            .value("log-level", |text| choice(text, &["error", "warn", "info", "debug", "trace"]))
            .unwrap_or_else(|| "info".to_owned()),
        log_format: settle.value("log-format", |text| choice(text, &["json", "logfmt", "pretty"])),
        max_concurrent_runs: settle
            .value("max-concurrent-runs", |text| {
                text.parse().map_err(|_| format!("\"{text}\" is no number from 1: write for example 64"))
            })
            .unwrap_or(const { NonZeroUsize::new(64).unwrap() }),
        shutdown_grace: settle.value("shutdown-grace", value::duration).unwrap_or(Duration::from_secs(8)),
        grants: settle.value("allow-from-labels", Grants::parse).unwrap_or_default(),
        label_dialects: settle
            .value("label-dialects", Dialect::list)
            .unwrap_or_else(|| vec![Dialect::Watchbell]),
    };
    if let Some(tls) = variable("DOCKER_TLS_VERIFY").filter(|value| !value.is_empty()) {
        settle.outside::<()>(
            "DOCKER_TLS_VERIFY",
            Err(format!(
                "it is set to \"{tls}\" and TLS to the Engine is not yet supported: unset it and use a unix socket, \
                 rather than talk in the clear"
            )),
        );
    }
    (settings, settle.diagnostics)
}

struct Settle<'a> {
    values: BTreeMap<&'static str, &'a RawSetting>,
    diagnostics: Vec<Diagnostic>,
}

impl Settle<'_> {
    fn value<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let raw = self.values.get(name)?;
        let (text, quoted) = value::unquote(&raw.value);
        if quoted {
            self.diagnostics.push(Diagnostic::warning(
                raw.origin.clone(),
                "the value is wrapped in literal quotes: they were taken off",
            ));
        }
        match read(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                let setting = find(name).filter(|it| it.secret || raw.from_file);
                // What came out of a file of secrets may be one, and the reason repeats it.
                let reason = setting.map_or(reason, |it| {
                    format!("the value that was read for \"{name}\" is wrong: it takes {}", it.shape)
                });
                self.diagnostics.push(Diagnostic::error(raw.origin.clone(), reason));
                None
            }
        }
    }

    fn outside<T>(&mut self, variable: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|reason| {
                self.diagnostics.push(Diagnostic::error(Origin::Environment(variable.into()), reason));
            })
            .ok()
    }
}

fn unknown(raw: &RawSetting) -> Diagnostic {
    let key = params::spelling(&raw.key);
    let hint = did_you_mean(&key, SETTINGS.iter().map(|setting| setting.name)).map_or_else(
        || "labels-spec.md lists all settings".to_owned(),
        |hint| match &raw.origin {
            // The place is a variable's name, so the hint is one too.
            Origin::Environment(_) => hint_as_variable(&key).unwrap_or(hint),
            _ => hint,
        },
    );
    Diagnostic::error(raw.origin.clone(), format!("unknown setting \"{key}\", and it has no effect: {hint}"))
}

fn hint_as_variable(key: &str) -> Option<String> {
    let best = crate::model::diagnostic::nearest(key, SETTINGS.iter().map(|setting| setting.name))?;
    Some(format!("did you mean \"{}{}\"?", env::PREFIX, crate::model::name::environment_name(best)))
}

fn choice(text: &str, words: &[&str]) -> Result<String, String> {
    let word = text.to_ascii_lowercase();
    if words.contains(&word.as_str()) {
        return Ok(word);
    }
    let hint = did_you_mean(&word, words.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
    Err(format!("\"{text}\" is none of {}{hint}", words.join(", ")))
}

/// Schemes are decided here and not by the client library, which would talk in the clear where TLS was asked for.
fn check_host(host: &str) -> Result<(), String> {
    match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(()),
        Some(("tcp" | "http", address)) if address.contains('@') => {
            Err("an Engine's address takes no user and password: they would be sent in the clear".to_owned())
        }
        Some(("tcp" | "http", address)) if !address.is_empty() => Ok(()),
        Some((scheme @ ("https" | "ssh" | "npipe" | "fd"), _)) => {
            Err(format!("{scheme}:// is not supported: use unix:// or tcp://"))
        }
        _ => Err(format!(
            "\"{host}\" is no address of an Engine: write unix:///var/run/docker.sock or tcp://host:2375"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(key: &str, value: &str, origin: Origin) -> RawSetting {
        RawSetting::new(key, value, origin)
    }

    #[test]
    fn the_environment_is_over_the_flags_and_they_are_over_the_file() {
        let file = [raw("log-level", "warn", Origin::File { path: "c".into(), line: 1 })];
        let flags = [raw("log-level", "debug", Origin::Flag("--log-level".into()))];
        let environment = [raw("LOG_LEVEL", "error", Origin::Environment("WATCHBELL_LOG_LEVEL".into()))];
        let none = |_: &str| None;
        assert_eq!(settle(&file, &flags, &environment, &none).0.log_level, "error");
        assert_eq!(settle(&file, &flags, &[], &none).0.log_level, "debug");
        assert_eq!(settle(&file, &[], &[], &none).0.log_level, "warn");
        assert_eq!(settle(&[], &[], &[], &none).0.log_level, "info");
    }

    #[test]
    fn a_wrong_value_names_the_place_and_the_mend() {
        let (_, found) = settle(
            &[raw("max-concurrent-run", "1", Origin::File { path: "c.ini".into(), line: 3 })],
            &[raw("log-format", "jsn", Origin::Flag("--log-format".into()))],
            &[raw("LOG_LEVLE", "info", Origin::Environment("WATCHBELL_LOG_LEVLE".into()))],
            &|name| (name == "TZ").then(|| "Mars/Base".to_owned()),
        );
        let found: Vec<_> = found.iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect();
        assert!(
            found[0].starts_with("c.ini:3: ") && found[0].contains("did you mean \"max-concurrent-runs\"?")
        );
        assert!(
            found[1].contains("WATCHBELL_LOG_LEVLE") && found[1].contains("WATCHBELL_LOG_LEVEL\"?"),
            "{found:?}"
        );
        assert!(found.iter().any(|it| it.starts_with("environment TZ: ")), "{found:?}");
        assert!(
            found.iter().any(|it| it.contains("--log-format") && it.contains("did you mean \"json\"?")),
            "{found:?}"
        );
    }

    #[test]
    fn a_transport_that_would_be_in_the_clear_is_refused() {
        let tls = |name: &str| (name == "DOCKER_TLS_VERIFY").then(|| "1".to_owned());
        assert!(settle(&[], &[], &[], &tls).1[0].reason.contains("not yet supported"));
        assert!(check_host("https://engine:2376").is_err() && check_host("/var/run/docker.sock").is_err());
    }
}
