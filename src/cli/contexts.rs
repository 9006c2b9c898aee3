//! Contexts of the docker command: named Engines of which the agent knows nothing. Who uses one and says nothing else
//! would have another Engine watched than he thinks.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    settings::global::Settings,
};

use super::{Environment, args::SettingFlags};

/// The address where nobody says one.
const USUAL: &str = "unix:///var/run/docker.sock";

/// The part of the docker command's own configuration that matters here.
#[derive(Deserialize)]
struct Config {
    #[serde(default, rename = "currentContext")]
    current_context: String,
}

/// The folder of the docker command's own configuration.
pub fn docker_folder(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))
}

/// The context that the docker command would use here, where nobody has named the agent's Engine.
pub fn unread(flags: &SettingFlags, environment: &Environment, settings: &Settings) -> Option<Diagnostic> {
    let set = |name: &str| environment.get(name).filter(|it| !it.is_empty());
    let named = flags.docker_host.is_some()
        || set("DOCKER_HOST").is_some()
        || set("WATCHBELL_DOCKER_HOST").is_some()
        || settings.docker_host != USUAL;
    if named {
        return None;
    }
    let (origin, context) = match set("DOCKER_CONTEXT") {
        Some(context) => (Origin::Environment("DOCKER_CONTEXT".into()), context.clone()),
        None => {
            let path = docker_folder(environment)?.join("config.json");
            let config: Config = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            let place = format!("file {} (currentContext)", path.display());
            (Origin::Place(place.into()), config.current_context)
        }
    };
    (!context.is_empty() && context != "default").then(|| {
        Diagnostic::warning(
            origin,
            format!(
                "the docker command uses the context \"{context}\" here; contexts are its own and are not read, and \
                 the Engine at {USUAL} is asked: name another with docker-host, for example what docker context \
                 inspect prints as Host"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::global::layers::{Upper, settle};

    fn told(file: &str, variables: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".docker")).unwrap();
        std::fs::write(folder.path().join(".docker/config.json"), file).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut environment: Environment = variables.iter().map(own).collect();
        environment.insert("HOME".to_owned(), folder.path().display().to_string());
        let variable = |name: &str| environment.get(name).cloned();
        let (settings, _) = settle(&[], &[], &Upper::new(vec![], vec![], &variable));
        unread(&SettingFlags::default(), &environment, &settings)
            .map(|it| format!("{}: {}", it.origin, it.reason))
    }

    #[test]
    fn a_context_that_is_not_read_is_told_unless_the_engine_is_named() {
        let remote = r#"{"currentContext": "remote", "auths": {}}"#;
        let found = told(remote, &[]).unwrap();
        assert!(found.contains("config.json (currentContext): ") && found.contains("\"remote\""), "{found}");
        let found = told("{}", &[("DOCKER_CONTEXT", "other")]).unwrap();
        assert!(found.contains("DOCKER_CONTEXT: ") && found.contains("\"other\""), "{found}");
        assert_eq!(told(remote, &[("DOCKER_HOST", "tcp://engine:2375")]), None);
        assert_eq!(told(remote, &[("DOCKER_CONTEXT", "default")]), None);
        for file in [r#"{"currentContext": "default"}"#, r#"{"auths": {}}"#, "", "[]"] {
            assert_eq!(told(file, &[]), None, "{file}");
        }
    }
}
