//! The settings one by one, as someone would have to write them: for comparing and for showing.

use std::{borrow::Borrow, path::Path};

use crate::model::{
    bytes,
    parameters::{HIDDEN, Value},
};

use super::{
    super::access::{Access, Role, own_token_name},
    Settings, find,
};

/// What `notify-on` is where nobody says it.
pub const UNSET: &str = "as each channel has it";

impl Settings {
    /// Every setting that is in force here, by name, in the order of the documentation; `config` is not, for it is
    /// used up when the files are read. Every field is taken apart by name, so that a new one does not compile until
    /// someone decides what it is called.
    pub fn values(&self) -> Vec<(&'static str, Value)> {
        let Self {
            docker_host,
            docker_tls_verify,
            docker_cert_path,
            state_dir,
            access,
            notify,
            notify_on,
            timezone,
            log_level,
            log_format,
            max_concurrent_runs,
            shutdown_grace,
            history_max_size,
            grants,
            label_dialects,
            from_files,
        } = self;
        let dialects: Vec<&str> = label_dialects.iter().map(|it| it.as_str()).collect();
        let grants = listed(&grants.names());
        let log_format = log_format.as_deref().unwrap_or("pretty on a terminal, else json");
        let all = [
            ("docker-host", docker_host.clone()),
            ("docker-tls-verify", docker_tls_verify.to_string()),
            ("docker-cert-path", docker_cert_path.display().to_string()),
            ("state-dir", state_dir.display().to_string()),
            ("listen", access.listen.map_or_else(none, |it| it.to_string())),
            ("tls-cert", access.tls.as_ref().map_or_else(none, |it| it.certificate.display().to_string())),
            ("tls-key", access.tls.as_ref().map_or_else(none, |it| it.key.display().to_string())),
            ("insecure-no-auth", access.insecure_no_auth.to_string()),
            own_token(access, Role::Viewer),
            own_token(access, Role::Operator),
            own_token(access, Role::Admin),
            ("metrics-auth", access.metrics_auth.to_string()),
            ("session-lifetime", humantime::format_duration(access.session_lifetime).to_string()),
            (
                "trusted-proxies",
                listed(&access.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>()),
            ),
            ("public-url", access.public_url.as_ref().map_or_else(none, |it| it.text.clone())),
            ("allowed-hosts", listed(&access.allowed_hosts)),
            ("notify", listed(&notify.iter().map(|it| &**it).collect::<Vec<&str>>())),
            ("notify-on", notify_on.map_or_else(|| UNSET.to_owned(), |it| it.words().join(", "))),
            ("timezone", timezone.name().to_owned()),
            ("log-level", log_level.clone()),
            ("log-format", log_format.to_owned()),
            ("max-concurrent-runs", max_concurrent_runs.to_string()),
            ("shutdown-grace", humantime::format_duration(*shutdown_grace).to_string()),
            ("history-max-size", bytes::written(*history_max_size)),
            ("allow-from-labels", grants),
            ("label-dialects", dialects.join(", ")),
        ];
        let value = |(name, text): (&'static str, String)| {
            let hidden = from_files.contains(name) || is_hidden(name, &text);
            (name, Value { shown: hidden.then(|| HIDDEN.to_owned()), text })
        };
        all.into_iter().map(value).collect()
    }

    /// Where the certificates are with which the Engine is asked over TLS, if it is.
    pub fn certificates(&self) -> Option<&Path> {
        self.docker_tls_verify.then_some(&*self.docker_cert_path)
    }

    /// What an agent goes on with that was started with `started` and reads these now.
    #[must_use]
    pub fn in_force(&self, started: &Self) -> Self {
        Self {
            docker_host: started.docker_host.clone(),
            docker_tls_verify: started.docker_tls_verify,
            docker_cert_path: started.docker_cert_path.clone(),
            state_dir: started.state_dir.clone(),
            log_level: started.log_level.clone(),
            log_format: started.log_format.clone(),
            history_max_size: started.history_max_size,
            ..self.clone()
        }
    }
}

/// What tells it from another one, and is not for showing either.
fn own_token(access: &Access, role: Role) -> (&'static str, String) {
    let hash = access.own_token(role).map(|it| it.hash.hex());
    (own_token_name(role), hash.unwrap_or_else(none))
}

fn none() -> String {
    "none".to_owned()
}

fn listed(words: &[impl Borrow<str>]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Whether the value of a setting is not for showing: a secret, or an address with a password in it.
pub fn is_hidden(name: &str, value: &str) -> bool {
    find(name).is_some_and(|it| it.secret && value != it.default)
        || value.split_once("://").is_some_and(|(_, address)| address.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::origin::Origin,
        settings::{
            global::{SETTINGS, Taken, layers},
            ini::RawSetting,
        },
    };

    fn settle(values: &[(&str, &str)], from_file: bool) -> Settings {
        let raw = |(key, value): &(&str, &str)| {
            let it = RawSetting::new(*key, *value, Origin::Flag((*key).into()));
            RawSetting { from_file, ..it }
        };
        let upper = layers::Upper::new(values.iter().map(raw).collect(), vec![], &|_| None);
        layers::settle(&[], &[], &upper).0
    }

    const OTHERS: [(&str, &str); 26] = [
        ("docker-host", "tcp://other"),
        ("docker-tls-verify", "true"),
        ("docker-cert-path", "/other"),
        ("state-dir", "/other"),
        ("listen", "127.0.0.1:1"),
        ("tls-cert", "/other"),
        ("tls-key", "/key"),
        ("insecure-no-auth", "true"),
        ("viewer-token", "hunter2-canary-viewer"),
        ("operator-token", "hunter2-canary-operator"),
        ("admin-token", "hunter2-canary-admin"),
        ("metrics-auth", "true"),
        ("session-lifetime", "5m"),
        ("trusted-proxies", "10.0.0.0/8, fd00::1/128"),
        ("public-url", "https://cron.example.org"),
        ("allowed-hosts", "cron, bell"),
        ("notify", "ops, mail"),
        ("notify-on", "failure, timeout"),
        ("timezone", "Asia/Tokyo"),
        ("log-level", "warn"),
        ("log-format", "json"),
        ("max-concurrent-runs", "3"),
        ("shutdown-grace", "90s"),
        ("history-max-size", "5MB"),
        ("allow-from-labels", "run, local"),
        ("label-dialects", "ofelia"),
    ];

    #[test]
    fn every_setting_has_a_value_that_reads_as_itself() {
        let settings = settle(&OTHERS, false);
        let values = settings.values();
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let known: Vec<&str> = SETTINGS.iter().map(|it| it.name).filter(|it| *it != "config").collect();
        assert_eq!(names, known);
        let secret = |name: &str| find(name).unwrap().secret;
        let written = |name: &str| OTHERS.iter().find(|it| it.0 == name).unwrap().1;
        let again =
            values.iter().map(|(name, it)| (*name, if secret(name) { written(name) } else { it.shown() }));
        assert_eq!(settle(&again.collect::<Vec<_>>(), false), settings);
        let told = format!("{settings:?} {values:?}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(values.iter().all(|(name, it)| !secret(name) || it.shown() == HIDDEN));
    }

    #[test]
    fn what_is_taken_at_the_start_stays_and_the_rest_is_new() {
        let (started, now) = (settle(&[], false), settle(&OTHERS, false));
        let force = now.in_force(&started).values();
        for ((name, is), (_, old), (_, new)) in force
            .iter()
            .zip(started.values())
            .zip(now.values())
            .map(|((is, old), new)| (is.clone(), old, new))
        {
            let at_start = find(name).unwrap().taken == Taken::AtStart;
            assert_eq!(is, if at_start { old } else { new }, "{name}");
        }
    }

    #[test]
    fn what_came_out_of_a_file_and_a_password_in_an_address_are_not_shown() {
        let secret = settle(&[("timezone", "Asia/Tokyo")], true);
        assert!(secret.values().iter().any(|(name, it)| *name == "timezone" && it.shown() == HIDDEN));
        assert!(is_hidden("docker-host", "tcp://user:x@engine:2375"));
        assert!(!is_hidden("docker-host", "unix:///run/docker.sock"));
    }
}
