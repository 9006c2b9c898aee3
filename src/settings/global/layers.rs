//! What each source says of the agent-wide settings, and what holds in the end.

use std::{collections::BTreeMap, num::NonZeroUsize, path::Path, time::Duration};

use crate::model::gather::Gather;
use crate::model::{
    diagnostic::{Diagnostic, Severity, did_you_mean, nearest},
    name::environment_name,
    origin::Origin,
    schedule::Zone,
};

use super::{
    super::{dialect::Dialect, env, grants::Grants, ini::RawSetting, layer::Text, notify, params, value},
    SETTINGS, Setting, Settings, find,
};

/// The two uppermost layers, and the variables that are not ours and yet meant for us.
#[derive(Debug, Clone, Default)]
pub struct Upper {
    /// Flags.
    pub flags: Vec<RawSetting>,
    /// `WATCHBELL_…`.
    pub environment: Vec<RawSetting>,
    outside: BTreeMap<&'static str, String>,
}

const OUTSIDE: [&str; 7] =
    ["TZ", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "HOME"];

impl Upper {
    /// Takes them in; `variable` is for the variables that are not ours.
    pub fn new(
        flags: Vec<RawSetting>,
        environment: Vec<RawSetting>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let outside = OUTSIDE.into_iter();
        let outside = outside.filter_map(|name| Some((name, variable(name).filter(|it| !it.is_empty())?)));
        Self { flags, environment, outside: outside.into_map() }
    }

    /// What a variable that is not ours says of a setting.
    pub fn outside(&self, setting: &str) -> Option<(&'static str, &str)> {
        let variables: &[&'static str] = match setting {
            "timezone" => &["TZ"],
            "docker-host" => &["DOCKER_HOST"],
            // As the docker command has it: whatever is in it.
            "docker-tls-verify" => &["DOCKER_TLS_VERIFY", "DOCKER_TLS"],
            "docker-cert-path" => &["DOCKER_CERT_PATH", "DOCKER_CONFIG"],
            _ => &[],
        };
        variables.iter().find_map(|it| self.outside.get(it).map(|value| (*it, &**value)))
    }
}

/// One setting with its places.
#[derive(Debug, Clone)]
pub struct Placed<'a> {
    /// The setting.
    pub setting: &'static Setting,
    /// Every value that was written, the one in force last.
    pub written: Vec<&'a RawSetting>,
}

/// Puts the layers of settings on top of each other, lowest first, and gives each value its type. `labels` are those
/// of the agent's own container.
///
/// The second part of the answer has everything that is wrong; an [error](Severity::Error) among it means that the
/// agent must not start.
pub fn settle(file: &[RawSetting], labels: &[RawSetting], upper: &Upper) -> (Settings, Vec<Diagnostic>) {
    let (placed, diagnostics) = place(file, labels, upper);
    let of_files = placed.iter().filter(|it| it.written.last().is_some_and(|raw| raw.from_file));
    let from_files = of_files.map(|it| it.setting.name).collect();
    let mut settle = Settle { placed, diagnostics, upper };
    let mut settings = Settings {
        docker_host: settle
            .value("docker-host", |text| check_host(text).map(|()| text.to_owned()))
            .or_else(|| settle.outside("DOCKER_HOST", |text| check_host(text).map(|()| text.to_owned())))
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
        docker_tls_verify: false,
        docker_cert_path: settle
            .value("docker-cert-path", |text| {
                if text.is_empty() { Err("the path is empty".into()) } else { Ok(text.into()) }
            })
            .unwrap_or_else(|| match (upper.outside("docker-cert-path"), upper.outside.get("HOME")) {
                (Some((_, path)), _) => path.into(),
                (None, Some(home)) => Path::new(home).join(".docker"),
                (None, None) => "/.docker".into(),
            }),
        state_dir: settle
            .value("state-dir", |text| {
                if text.is_empty() { Err("the path is empty".into()) } else { Ok(text.into()) }
            })
            .unwrap_or_else(|| "/var/lib/watchbell".into()),
        access: settle.access(),
        notify: settle.value("notify", |text| notify::channels(&lines(text))).unwrap_or_default(),
        notify_on: settle.value("notify-on", |text| notify::causes(&lines(text))),
        timezone: settle
            .value("timezone", |text| Zone::parse(text).map_err(|error| error.to_string()))
            .or_else(|| settle.outside("TZ", |text| Zone::parse(text).map_err(|error| error.to_string())))
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
        history_max_size: settle.value("history-max-size", history_size).unwrap_or(256 << 20),
        grants: settle.value("allow-from-labels", Grants::parse).unwrap_or_default(),
        label_dialects: settle
            .value("label-dialects", Dialect::list)
            .unwrap_or_else(|| vec![Dialect::Watchbell]),
        from_files,
    };
    settings.docker_tls_verify = settle.tls(&settings.docker_host);
    (settings, settle.diagnostics)
}

/// Each setting with its values by place, in the order of the documentation; and what is in no place of its own.
pub fn place<'a>(
    file: &'a [RawSetting],
    labels: &'a [RawSetting],
    upper: &'a Upper,
) -> (Vec<Placed<'a>>, Vec<Diagnostic>) {
    let mut placed: Vec<Placed<'a>> =
        SETTINGS.iter().map(|setting| Placed { setting, written: Vec::new() }).collect();
    let mut diagnostics = Vec::new();
    let mut put = |raw: &'a RawSetting| {
        let known = find(&raw.key)?;
        let it = placed.iter_mut().find(|it| it.setting.name == known.name)?;
        it.written.push(raw);
        let before = it.written.len().checked_sub(2).map(|at| &it.written[at].origin);
        Some((known, before))
    };
    for layer in [file, labels] {
        for raw in layer {
            match put(raw) {
                Some((setting, Some(before))) if before.is_label() == raw.origin.is_label() => {
                    diagnostics.push(Diagnostic::warning(
                        raw.origin.clone(),
                        format!("\"{}\" is in force instead of the value at {before}", setting.name),
                    ));
                }
                Some(_) => {}
                None => diagnostics.push(unknown(raw)),
            }
        }
    }
    for raw in upper.flags.iter().chain(&upper.environment) {
        // A variable that means nothing harms nobody: it is told of, and the agent starts.
        if put(raw).is_none() {
            diagnostics.push(Diagnostic { severity: Severity::Warning, ..unknown(raw) });
        }
    }
    for it in &mut placed {
        it.written.retain(|raw| match &raw.origin {
            Origin::File { .. } if !it.setting.in_file => {
                diagnostics.push(Diagnostic::error(
                    raw.origin.clone(),
                    format!(
                        "\"{}\" says where the file is and cannot stand in it: use a flag or the environment",
                        it.setting.name
                    ),
                ));
                false
            }
            _ => true,
        });
    }
    (placed, diagnostics)
}

/// What the agent goes on with as it was at its start, although `now` says otherwise.
pub fn not_taken(started: &Settings, now: &Settings, placed: &[Placed<'_>]) -> Vec<Diagnostic> {
    let changed = [
        ("docker-host", started.docker_host != now.docker_host),
        ("docker-tls-verify", started.docker_tls_verify != now.docker_tls_verify),
        ("docker-cert-path", started.docker_cert_path != now.docker_cert_path),
        ("state-dir", started.state_dir != now.state_dir),
        ("log-level", started.log_level != now.log_level),
        ("log-format", started.log_format != now.log_format),
        ("history-max-size", started.history_max_size != now.history_max_size),
    ];
    let changed = changed.into_iter().filter(|(_, changed)| *changed);
    changed
        .map(|(name, _)| {
            let written = placed.iter().find(|it| it.setting.name == name).and_then(|it| it.written.last());
            let origin = written.map_or(Origin::Default, |raw| raw.origin.clone());
            Diagnostic::warning(
                origin,
                format!("\"{name}\" is read when the agent starts: start it again to take the new value"),
            )
        })
        .collect()
}

/// Settings on their way to what they are.
pub(super) struct Settle<'a> {
    pub(super) placed: Vec<Placed<'a>>,
    pub(super) diagnostics: Vec<Diagnostic>,
    upper: &'a Upper,
}

impl Settle<'_> {
    /// The value in force. What is hidden is read as well: some day it is not hidden any more. A label that is wrong
    /// has no effect and hides nothing; anything else that is wrong keeps the agent from starting.
    pub(super) fn value<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let written = self.placed.iter().find(|it| it.setting.name == name)?.written.clone();
        let (mut in_force, mut over) = (None, None);
        for raw in written.into_iter().rev() {
            let (text, quoted) = value::unquote(&raw.value);
            if quoted && over.is_none() {
                self.diagnostics.push(Diagnostic::warning(
                    raw.origin.clone(),
                    "the value is wrapped in literal quotes: they were taken off",
                ));
            }
            match (read(text), &over) {
                (Ok(value), None) => {
                    in_force = Some(value);
                    over = Some(raw.origin.clone());
                }
                (Ok(_), Some(_)) => {}
                (Err(reason), None) => {
                    self.diagnostics.push(Diagnostic::error(raw.origin.clone(), shown(name, raw, reason)));
                    if !raw.origin.is_label() {
                        over = Some(raw.origin.clone());
                    }
                }
                (Err(reason), Some(over)) => {
                    let reason = shown(name, raw, reason);
                    let reason = format!("{reason}; it has no effect now, because {over} is over it");
                    self.diagnostics.push(Diagnostic::warning(raw.origin.clone(), reason));
                }
            }
        }
        in_force
    }

    /// Whether the Engine at this address is asked over TLS. Where that is asked for and cannot be, the agent does not
    /// start: it would talk in the clear.
    fn tls(&mut self, host: &str) -> bool {
        let said = self.value("docker-tls-verify", value::boolean);
        let written = self.placed.iter().find(|it| it.setting.name == "docker-tls-verify");
        let written = written.and_then(|it| Some(it.written.last()?.origin.clone()));
        let outside =
            self.upper.outside("docker-tls-verify").map(|(name, _)| Origin::Environment(name.into()));
        let asked = said.or(outside.is_some().then_some(true));
        let scheme = host.split_once("://").map_or("", |(scheme, _)| scheme);
        let wrong = match (scheme, asked) {
            ("https", Some(false)) => {
                "https:// is TLS, and the Engine's certificate is always looked at: leave this out, or write tcp:// \
                 for an Engine without TLS"
                    .to_owned()
            }
            ("unix" | "http", Some(true)) => format!(
                "it asks for TLS, and there is none to {host}: name the Engine as tcp://host:2376, or leave this out, \
                 rather than talk in the clear"
            ),
            _ => return asked.unwrap_or(scheme == "https"),
        };
        let origin = written.or(outside).unwrap_or(Origin::Default);
        self.diagnostics.push(Diagnostic::error(origin, wrong));
        true
    }

    fn outside<T>(
        &mut self,
        variable: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.upper.outside.get(variable)?;
        read(text)
            .map_err(|reason| {
                self.diagnostics.push(Diagnostic::error(Origin::Environment(variable.into()), reason));
            })
            .ok()
    }
}

/// The reason, unless it repeats what came out of a file of secrets, or is one.
fn shown(name: &str, raw: &RawSetting, reason: String) -> String {
    let setting = find(name).filter(|it| it.secret || raw.from_file);
    setting.map_or(reason, |it| {
        format!("the value that was read for \"{name}\" is wrong: it takes {}", it.shape)
    })
}

fn unknown(raw: &RawSetting) -> Diagnostic {
    let key = params::spelling(&raw.key);
    let files: Vec<String> =
        SETTINGS.iter().filter(|it| it.in_file).map(|it| format!("{}-file", it.name)).collect();
    let known = SETTINGS.iter().map(|it| it.name).chain(files.iter().map(String::as_str));
    let near = nearest(&key, known);
    let meant = match &raw.origin {
        // The place is a variable's name, so the hint is one too.
        Origin::Environment(_) => {
            let near = near.map(environment_name).or_else(|| of_a_job(&key));
            near.map(|near| format!("{}{near}", env::PREFIX))
        }
        _ => near.map(str::to_owned),
    };
    let hint = meant.map_or_else(
        || "labels-spec.md lists all settings".to_owned(),
        |meant| format!("did you mean \"{meant}\"?"),
    );
    Diagnostic::error(raw.origin.clone(), format!("unknown setting \"{key}\", and it has no effect: {hint}"))
}

/// The variable of a job's parameter that was meant, where `JOB` itself is misspelt.
fn of_a_job(key: &str) -> Option<String> {
    let (head, rest) = key.split_once('-')?;
    nearest(head, ["job"])?;
    let named = |name: &str| rest.strip_suffix(name).is_some_and(|job| job.len() > 1 && job.ends_with('-'));
    let is_parameter =
        params::PARAMS.iter().any(|it| it.aliases.iter().chain([&it.name]).any(|it| named(it)));
    is_parameter.then(|| format!("{}{}", env::JOB, environment_name(rest)))
}

fn choice(text: &str, words: &[&str]) -> Result<String, String> {
    let word = text.to_ascii_lowercase();
    if words.contains(&word.as_str()) {
        return Ok(word);
    }
    let hint = did_you_mean(&word, words.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
    Err(format!("\"{text}\" is none of {}{hint}", words.join(", ")))
}

fn lines(text: &str) -> Text {
    Text::One(text.into())
}

fn history_size(text: &str) -> Result<u64, String> {
    match value::size(text)? {
        size if size < 1 << 20 => Err(format!("\"{text}\" holds next to nothing: write at least 1MiB")),
        size => Ok(size),
    }
}

/// Schemes are decided here and not by the client library, which would talk in the clear where TLS was asked for.
fn check_host(host: &str) -> Result<(), String> {
    match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(()),
        // A password may stand in it, so no reason repeats the address.
        Some((_, address)) if address.contains('@') => {
            Err("an Engine's address takes no user and password: they would be sent in the clear".to_owned())
        }
        Some(("tcp" | "http" | "https", address)) if address.contains(['/', '?', '#']) => {
            Err("an Engine's address ends with host and port: write tcp://host:2375".to_owned())
        }
        Some(("tcp" | "http" | "https", address)) if has_port(address) => Ok(()),
        Some((scheme @ ("ssh" | "npipe" | "fd"), _)) => {
            Err(format!("{scheme}:// is not supported: use unix://, tcp:// or https://"))
        }
        _ => {
            Err("it is no address of an Engine: write unix:///var/run/docker.sock or tcp://host:2375"
                .to_owned())
        }
    }
}

/// Whether a host stands there, and after a colon, if there is one, a port. An IPv6 address is in brackets.
fn has_port(address: &str) -> bool {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse::<u16>().is_ok_and(|it| it > 0)),
        _ => (address, true),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    port && !host.is_empty() && (bracketed || !host.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(key: &str, value: &str, origin: Origin) -> RawSetting {
        RawSetting::new(key, value, origin)
    }

    fn upper(flags: &[RawSetting], environment: &[RawSetting]) -> Upper {
        Upper::new(flags.to_vec(), environment.to_vec(), &|_| None)
    }

    #[test]
    fn the_environment_is_over_the_flags_and_they_are_over_the_file() {
        let file = [raw("log-level", "warn", Origin::File { path: "c".into(), line: 1 })];
        let flags = [raw("log-level", "debug", Origin::Flag("--log-level".into()))];
        let environment = [raw("LOG_LEVEL", "error", Origin::Environment("WATCHBELL_LOG_LEVEL".into()))];
        assert_eq!(settle(&file, &[], &upper(&flags, &environment)).0.log_level, "error");
        assert_eq!(settle(&file, &[], &upper(&flags, &[])).0.log_level, "debug");
        assert_eq!(settle(&file, &[], &upper(&[], &[])).0.log_level, "warn");
        assert_eq!(settle(&[], &[], &upper(&[], &[])).0.log_level, "info");
    }

    #[test]
    fn a_wrong_value_names_the_place_and_the_mend() {
        let upper = Upper::new(
            vec![raw("log-format", "jsn", Origin::Flag("--log-format".into()))],
            vec![raw("LOG_LEVLE", "info", Origin::Environment("WATCHBELL_LOG_LEVLE".into()))],
            &|name| (name == "TZ").then(|| "Mars/Base".to_owned()),
        );
        let file = [raw("max-concurrent-run", "1", Origin::File { path: "c.ini".into(), line: 3 })];
        let (_, found) = settle(&file, &[], &upper);
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
        for (host, variable, written, refused) in [
            ("unix:///var/run/docker.sock", Some("DOCKER_TLS_VERIFY"), None, true),
            ("http://engine:2375", Some("DOCKER_TLS"), None, true),
            ("http://engine:2375", None, Some("yes"), true),
            ("https://engine:2376", None, Some("no"), true),
            ("tcp://engine:2376", Some("DOCKER_TLS_VERIFY"), None, false),
            ("https://engine", None, None, false),
        ] {
            let outside = |name: &str| (Some(name) == variable).then(|| "0".to_owned());
            let flags = [("docker-host", Some(host)), ("docker-tls-verify", written)];
            let flags = flags
                .into_iter()
                .filter_map(|(key, value)| Some(raw(key, value?, Origin::Flag(format!("--{key}").into()))));
            let (settings, found) = settle(&[], &[], &Upper::new(flags.collect(), vec![], &outside));
            assert_eq!(found.iter().any(|it| it.severity == Severity::Error), refused, "{host}: {found:?}");
            assert!(settings.docker_tls_verify, "{host}");
        }
        let home = |name: &str| (name == "HOME").then(|| "/home/anna".to_owned());
        let (settings, _) = settle(&[], &[], &Upper::new(vec![], vec![], &home));
        assert_eq!(settings.certificates(), None);
        assert_eq!(settings.docker_cert_path, Path::new("/home/anna/.docker"));
    }

    #[test]
    fn an_address_without_host_or_with_a_port_that_is_none_is_refused() {
        for host in
            ["tcp://", "tcp://:2375", "tcp://engine:", "tcp://engine:0", "tcp://engine:99999", "tcp://::1"]
        {
            assert!(check_host(host).is_err(), "{host}");
        }
        for host in ["tcp://engine", "tcp://[::1]", "https://[::1]:2376", "http://10.0.0.1:2375"] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        assert!(check_host("/var/run/docker.sock").is_err());
    }

    #[test]
    fn half_of_tls_keeps_the_agent_from_starting() {
        for (key, other) in [("tls-cert", "tls-key"), ("tls-key", "tls-cert")] {
            let flag = |key: &str, value| raw(key, value, Origin::Flag(format!("--{key}").into()));
            let one = Upper::new(vec![flag(key, "/it.pem")], vec![], &|_| None);
            let (settings, found) = settle(&[], &[], &one);
            let [it] = &found[..] else { panic!("{found:?}") };
            assert!(
                it.severity == Severity::Error && it.origin.to_string() == format!("flag --{key}"),
                "{it:?}"
            );
            assert!(it.reason.contains(&format!("without {other}")) && settings.access.tls.is_none());
            let two = Upper::new(vec![flag(key, "/it.pem"), flag(other, "/other.pem")], vec![], &|_| None);
            let (settings, found) = settle(&[], &[], &two);
            assert!(found.is_empty() && settings.access.tls.is_some(), "{found:?}");
        }
    }
}
