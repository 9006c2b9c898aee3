//! What a job does: the parameters of its kind, each with its type → its [`Work`].

use crate::model::{
    image::{DEFAULT_PULL_TIMEOUT, Like, Pull, PullPolicy},
    job::{Environment, ExecSpec, LocalSpec, Replica, RunSpec, StartSpec, Volume, Work},
    name::JobKind,
    origin::Origin,
};

use super::{
    grants::Grant,
    layer::{JobLayer, Text},
    params::PARAMS,
    service::Common,
    settle::{Settle, choice},
    value,
};

impl Settle<'_> {
    /// What the job does; `None` if that cannot be told, which a diagnostic then says.
    pub(super) fn work(&mut self, layer: &JobLayer) -> Option<Work> {
        let argv = self.command(layer);
        let user = self.text(layer, "user");
        let workdir = self.text(layer, "workdir");
        let environment = self.read(layer, "environment", value::map);
        let environment = Environment(environment.map(|(items, _)| items).unwrap_or_default());
        let env_files = self.read(layer, "env-file", paths).map(|(list, _)| list).unwrap_or_default();
        let privileged = self.flag(layer, "privileged");
        match self.kind {
            JobKind::Exec => {
                let container = self.text(layer, "container");
                if container.is_none() && self.home.is_none() {
                    self.required::<()>(layer, "container", None);
                }
                let argv = self.required(layer, "command", argv)?;
                Some(Work::Exec(Box::new(ExecSpec {
                    container,
                    argv,
                    user,
                    workdir,
                    environment,
                    env_files,
                    privileged,
                    tty: self.flag(layer, "tty"),
                    replica: self.replica(layer),
                })))
            }
            JobKind::Run if layer.get("container").is_some() => self.existing(layer).map(Work::Start),
            JobKind::Run => {
                let image = self.text(layer, "image");
                let pull = self.pull(layer);
                let like = self.like(layer);
                let image = if like.is_some() { image } else { Some(self.required(layer, "image", image)?) };
                let networks =
                    self.read(layer, "network", networks).map(|(list, _)| list).unwrap_or_default();
                let options = self.container_options(layer, &networks);
                let entrypoint =
                    self.read(layer, "entrypoint", |text| value::command(&value::single(text)?, None));
                let volumes = self.read(layer, "volume", volumes).map(|(list, _)| list);
                let hostname = self.text(layer, "hostname");
                Some(Work::Run(Box::new(RunSpec {
                    image,
                    pull,
                    like,
                    argv,
                    user,
                    workdir,
                    environment,
                    env_files,
                    networks,
                    entrypoint: entrypoint.map(|(command, _)| command.argv),
                    hostname,
                    volumes: volumes.unwrap_or_default(),
                    privileged,
                    delete: self.delete(layer),
                    options,
                })))
            }
            JobKind::Local => {
                let argv = self.required(layer, "command", argv)?;
                Some(Work::Local(LocalSpec { argv, user, workdir, environment }))
            }
            JobKind::ServiceRun => {
                let common = Common { argv, user, workdir, environment, env_files };
                self.service_work(layer, common)
            }
            JobKind::Compose => {
                let common = Common { argv, user, workdir, environment, env_files };
                self.compose(layer, common).map(|spec| Work::Compose(Box::new(spec)))
            }
            JobKind::Container => self.action(layer).map(|spec| Work::Container(Box::new(spec))),
        }
    }

    fn replica(&mut self, layer: &JobLayer) -> Replica {
        let replica = self.read(layer, "replica", |text| choice(&value::single(text)?, Replica::NAMES));
        replica.map(|(value, _)| value).unwrap_or_default()
    }

    fn pull(&mut self, layer: &JobLayer) -> Pull {
        let policy = self.read(layer, "pull", |text| choice(&value::single(text)?, PullPolicy::NAMES));
        let timeout = self.read(layer, "pull-timeout", |text| value::duration(&value::single(text)?));
        Pull {
            policy: policy.map(|(policy, _)| policy).unwrap_or_default(),
            timeout: timeout.map_or(DEFAULT_PULL_TIMEOUT, |(length, _)| length),
        }
    }

    fn like(&mut self, layer: &JobLayer) -> Option<Like> {
        let (name, origin) = self.read(layer, "like", |text| value::text(&value::single(text)?))?;
        if let Some(written) = layer.get("pull").filter(|_| layer.get("image").is_none())
            && !self.is_default("pull", &written.origin)
        {
            let reason =
                format!("it has no effect: like at {origin} has the image that the container was made of");
            self.warn(written.origin.clone(), "pull", &reason);
        }
        // The operator's own jobs need no grant.
        let free = self.home.is_none_or(|home| home.read.own);
        let may = |grant| free || self.settings.grants.has(grant);
        let (host_mounts, host_network) = (may(Grant::HostMounts), may(Grant::Privileged));
        Some(Like { name, host_mounts, host_network, other_network: may(Grant::ExecOther) })
    }

    /// A container that is there already: it is what it was made as, so nothing that makes one can be said of it.
    fn existing(&mut self, layer: &JobLayer) -> Option<StartSpec> {
        let container = self.text(layer, "container");
        let making = PARAMS.iter().filter(|it| it.kinds.len() < JobKind::ALL.len() || it.name == "command");
        for param in making.filter(|it| it.name != "container" && it.name != "stop-during") {
            let Some(written) = layer.get(param.name) else { continue };
            // A default of the file, or of another tool, is for the jobs that make theirs.
            if self.is_default(param.name, &written.origin) || matches!(written.origin, Origin::Container(_))
            {
                continue;
            }
            let reason =
                "it has no effect with \"container\", which starts one as it was made: remove one of them";
            // Other tools pass over what they are told besides.
            if matches!(param.name, "command" | "image") && !self.is_of_another_tool() {
                self.reject(written.origin.clone(), param.name, reason);
            } else {
                self.warn(written.origin.clone(), param.name, reason);
            }
        }
        Some(StartSpec { container: container? })
    }

    fn command(&mut self, layer: &JobLayer) -> Option<Vec<String>> {
        let shell = match layer.get("shell") {
            // A command that is read as if through a shell shows its own mistakes beside those of the shell.
            Some(_) => {
                let shell = self.read(layer, "shell", |text| value::shell(&value::single(text)?));
                shell.map_or_else(|| Some("/bin/sh".to_owned()), |(shell, _)| shell)
            }
            None => None,
        };
        let (command, origin) =
            self.read(layer, "command", |text| value::command(&value::single(text)?, shell.as_deref()))?;
        if let Some(warning) = command.warning {
            self.warn(origin, "command", &warning);
        }
        Some(command.argv)
    }

    pub(super) fn flag(&mut self, layer: &JobLayer, name: &'static str) -> bool {
        self.read(layer, name, |text| value::boolean(&value::single(text)?)).is_some_and(|(value, _)| value)
    }
}

pub(super) fn networks(text: &Text) -> Result<Vec<String>, String> {
    let networks: Vec<String> = value::list(text)?.iter().map(|name| name.trim().to_owned()).collect();
    if networks.iter().any(String::is_empty) {
        return Err("the name of a network is empty: write one, or remove the item".to_owned());
    }
    let alone = |name: &str| matches!(name, "none" | "host") || name.starts_with("container:");
    if let Some(mode) = networks.iter().find(|name| alone(name)).filter(|_| networks.len() > 1) {
        return Err(format!("\"{mode}\" cannot be combined with other networks"));
    }
    Ok(networks)
}

/// Absolute paths: beside the agent there is no other directory that a person would mean.
pub(super) fn paths(text: &Text) -> Result<Vec<String>, String> {
    let paths = value::list(text)?;
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(format!("\"{path}\" is no absolute path: begin with /")),
        None => Ok(paths),
    }
}

pub(in crate::settings) fn volumes(text: &Text) -> Result<Vec<Volume>, String> {
    value::list(text)?.iter().map(|item| volume(item)).collect()
}

/// What can stand after the second colon.
const MODES: [&str; 14] = [
    "ro",
    "rw",
    "z",
    "Z",
    "nocopy",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "cached",
    "delegated",
    "consistent",
];

/// `<source>:<target>[:<mode>]`, as `docker run --volume` reads it.
fn volume(item: &str) -> Result<Volume, String> {
    let form = "write <volume or /path>:</path in the container>, with :ro after it if it is only read";
    let mut parts = item.split(':');
    let (Some(source), Some(target), mode, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("\"{item}\" is no volume: {form}"));
    };
    let named = source.starts_with(|c: char| c.is_ascii_alphanumeric())
        && source.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if !named && !source.starts_with('/') {
        return Err(format!("\"{source}\" is neither a volume's name nor an absolute path: {form}"));
    }
    if !target.starts_with('/') {
        return Err(format!("\"{target}\" is no absolute path in the container: {form}"));
    }
    if let Some(word) = mode.and_then(|mode| mode.split(',').find(|word| !MODES.contains(word))) {
        return Err(format!("\"{word}\" is no mode of a volume: write ro, rw, z, Z or nocopy"));
    }
    Ok(Volume { source: source.to_owned(), target: target.to_owned(), mode: mode.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_name_or_a_path_and_a_place() {
        let it = volume("/var/backups:/backup:ro").unwrap();
        assert_eq!(
            (it.host_path(), &*it.target, it.mode.as_deref()),
            (Some("/var/backups"), "/backup", Some("ro"))
        );
        assert_eq!(volume("data:/data").unwrap().host_path(), None);
        for wrong in ["/data", "./x:/y", "~/x:/y", "data:y", "a:/b:rx", "a:/b:ro:z", ":/b", "../etc:/b"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
    }
}
