//! What a job of kind `service-run` does: its parameters, each with its type → its spec.

use crate::model::{
    diagnostic::did_you_mean,
    job::{Environment, Work},
    origin::Origin,
    service::{LikeService, Mount, MountSource, Reference, ServiceRunSpec, Size, Tasks},
    swarm::Labelled,
};

use super::{
    layer::{JobLayer, Text},
    params::REPLICAS_LIMIT,
    settle::Settle,
    size, value,
    work::networks,
};

pub(super) const NO_TASK: &str = "a run has at least one task: write 1 or more";

/// What it has in common with other kinds.
pub(super) struct Common {
    pub argv: Option<Vec<String>>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub environment: Environment,
    pub env_files: Vec<String>,
}

impl Settle<'_> {
    /// What is done with a service; `None` if a diagnostic says why not.
    pub(super) fn service_work(&mut self, layer: &JobLayer, common: Common) -> Option<Work> {
        if layer.get("action").is_some() {
            return self.service_action(layer).map(Work::ServiceAction);
        }
        if let Some(written) = layer.get("service") {
            let reason = "it has no effect without action: write action=run, restart or scale, and for a new service that \
                          is like this one like in its place";
            self.warn(written.origin.clone(), "service", reason);
        }
        self.service_run(layer, common).map(|spec| Work::ServiceRun(Box::new(spec)))
    }

    /// The service that carries the job's label.
    pub(super) fn own_service(&self) -> Option<String> {
        match self.home?.on {
            Labelled::Service(service) => Some(service.name.to_string()),
            Labelled::Container(_) => None,
        }
    }

    fn like_service(&mut self, layer: &JobLayer, image: bool) -> Option<LikeService> {
        let own = self.own_service();
        match self.text(layer, "like") {
            Some(name) => Some(LikeService { own: own.as_ref() == Some(&name), name }),
            None if image || layer.get("like").is_some() => None,
            None => own.map(|name| LikeService { name, own: true }),
        }
    }

    pub(super) fn replicas(&mut self, layer: &JobLayer) -> Option<(u16, Origin)> {
        self.read(layer, "replicas", |text| value::count(&value::single(text)?, REPLICAS_LIMIT))
    }

    /// The service; `None` if a diagnostic says why not.
    fn service_run(&mut self, layer: &JobLayer, common: Common) -> Option<ServiceRunSpec> {
        let image = self.text(layer, "image");
        let like = self.like_service(layer, image.is_some());
        let image = if like.is_some() { image } else { Some(self.required(layer, "image", image)?) };
        let networks = self.read(layer, "network", service_networks).map(|(list, _)| list);
        let mounts = self.read(layer, "mount", mounts).map(|(list, _)| list);
        let secrets = self.read(layer, "secret", secrets).map(|(list, _)| list);
        let configs = self.read(layer, "config", configs).map(|(list, _)| list);
        let constraints = self.read(layer, "constraint", constraints).map(|(list, _)| list);
        let memory = self.read(layer, "memory", |text| size::memory(&value::single(text)?));
        let cpus = self.read(layer, "cpus", |text| size::cpus(&value::single(text)?));
        let with_registry_auth = self.flag(layer, "with-registry-auth");
        let Common { argv, user, workdir, environment, env_files } = common;
        let tasks = self.tasks(layer);
        Some(ServiceRunSpec {
            image,
            like,
            argv,
            user,
            workdir,
            environment,
            env_files,
            networks: networks.unwrap_or_default(),
            mounts: mounts.unwrap_or_default(),
            secrets: secrets.unwrap_or_default(),
            configs: configs.unwrap_or_default(),
            constraints: constraints.unwrap_or_default(),
            tasks,
            memory: memory.map(|(memory, _)| memory),
            cpus: cpus.map(|(cpus, _)| cpus),
            with_registry_auth,
        })
    }

    fn tasks(&mut self, layer: &JobLayer) -> Tasks {
        let replicas = self.replicas(layer);
        if !self.flag(layer, "global") {
            if let Some((0, origin)) = &replicas {
                self.reject(origin.clone(), "replicas", NO_TASK);
            }
            return Tasks::Replicas(replicas.map_or(1, |(count, _)| count));
        }
        if let Some((_, origin)) = replicas {
            let reason =
                "it has no effect with global=true, which is one task on each node: remove one of them";
            self.warn(origin, "replicas", reason);
        }
        Tasks::EachNode
    }
}

/// Networks that a service can join.
fn service_networks(text: &Text) -> Result<Vec<String>, String> {
    let networks = networks(text)?;
    match networks.iter().find(|name| *name == "none" || name.starts_with("container:")) {
        Some(mode) => Err(format!(
            "\"{mode}\" is nothing that a service of a Swarm can have: name networks, or write host"
        )),
        None => Ok(networks),
    }
}

/// What a node can be asked for, besides its labels and those of its Engine.
const NODE_FACTS: [&str; 6] =
    ["node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"];
const LABELS: [&str; 2] = ["node.labels.", "engine.labels."];

/// `<fact>==<value>` or `<fact>!=<value>`, as `docker service create --constraint` reads it.
pub(super) fn constraints(text: &Text) -> Result<Vec<String>, String> {
    let form = "write for example node.role==worker or node.labels.disk!=slow";
    value::list(text)?
        .into_iter()
        .map(|item| {
            let operator = item.find("==").or_else(|| item.find("!="));
            let Some((fact, wanted)) = operator.map(|at| (item[..at].trim(), item[at + 2..].trim())) else {
                return Err(format!("\"{item}\" is no constraint: {form}"));
            };
            let label = |it: &str| {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                fact.strip_prefix(it).is_some_and(|label| !label.is_empty() && label.chars().all(is_part))
            };
            let known = label(LABELS[0])
                || label(LABELS[1])
                || NODE_FACTS.iter().any(|it| fact.eq_ignore_ascii_case(it));
            if !known {
                let hint = did_you_mean(fact, NODE_FACTS).unwrap_or_else(|| form.to_owned());
                return Err(format!("\"{fact}\" is nothing that a node can be asked for: {hint}"));
            }
            if wanted.is_empty() {
                return Err(format!("\"{item}\" asks for nothing: {form}"));
            }
            Ok(item.trim().to_owned())
        })
        .collect()
}

/// Secrets of the Swarm: files of their names below `/run/secrets` unless they say otherwise.
pub(super) fn secrets(text: &Text) -> Result<Vec<Reference>, String> {
    value::list(text)?.iter().map(|item| reference(item, "secret", str::to_owned)).collect()
}

/// Configs of the Swarm: files of their names below `/` unless they say otherwise.
pub(super) fn configs(text: &Text) -> Result<Vec<Reference>, String> {
    value::list(text)?.iter().map(|item| reference(item, "config", |name| format!("/{name}"))).collect()
}

fn reference(item: &str, what: &str, file: fn(&str) -> String) -> Result<Reference, String> {
    let form = "write its name, or source=<name>,target=<file>,uid=<number>,gid=<number>,mode=<octal>";
    let item = item.trim();
    let fields =
        if item.contains('=') { fields(item)? } else { vec![("source".to_owned(), item.to_owned())] };
    let mut it = Reference {
        name: String::new(),
        target: String::new(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode: 0o444,
        text: item.to_owned(),
    };
    for (key, value) in fields {
        let number = || value.parse::<u32>().map(|it| it.to_string());
        match key.as_str() {
            "source" | "src" => it.name = value,
            "target" => it.target = value,
            "uid" => it.uid = number().map_err(|_| format!("\"{value}\" is no number of a user: {form}"))?,
            "gid" => it.gid = number().map_err(|_| format!("\"{value}\" is no number of a group: {form}"))?,
            "mode" => it.mode = permissions(&value)?,
            key => {
                let hint = did_you_mean(key, ["source", "target", "uid", "gid", "mode"]);
                return Err(format!(
                    "\"{key}\" is nothing of a {what}: {}",
                    hint.unwrap_or_else(|| form.to_owned())
                ));
            }
        }
    }
    let named = it.name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if it.name.is_empty() || !named {
        return Err(format!("\"{item}\" names no {what}: {form}"));
    }
    if it.target.is_empty() {
        it.target = file(&it.name);
    }
    Ok(it)
}

/// Permissions as people write them, with or without the leading zero.
fn permissions(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| format!("\"{text}\" is no mode of a file: write for example 0400"))
}

/// Mounts, as `docker service create --mount` reads them.
pub(super) fn mounts(text: &Text) -> Result<Vec<Mount>, String> {
    value::list(text)?.iter().map(|item| mount(item.trim())).collect()
}

/// The fields of one mount as they were written.
#[derive(Default)]
struct Fields {
    kind: String,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<String>,
    no_copy: bool,
    driver: Option<String>,
    options: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    size: Option<Size>,
    mode: Option<u32>,
    /// The type of mount that a field belongs to alone, with the field.
    of: Option<(&'static str, String)>,
}

const MOUNT_FORM: &str =
    "write type=<volume, bind or tmpfs>,source=<volume or /path>,target=</path in the container>";

fn mount(item: &str) -> Result<Mount, String> {
    let mut it = Fields { kind: "volume".to_owned(), ..Fields::default() };
    for (key, value) in fields(item)? {
        it.take(&key, value)?;
    }
    if let Some((_, field)) = it.of.as_ref().filter(|(of, _)| *of != it.kind) {
        return Err(format!("\"{field}\" has no meaning for a mount of type {}: remove it", it.kind));
    }
    let target = it.target.take().filter(|target| target.starts_with('/'));
    let target = target.ok_or_else(|| {
        format!("\"{item}\" has no absolute path in the container as its target: {MOUNT_FORM}")
    })?;
    let Fields { source, propagation, no_copy, driver, options, labels, size, mode, .. } = it;
    let source = match (it.kind.as_str(), source) {
        ("bind", Some(path)) if path.starts_with('/') => MountSource::Bind { path, propagation },
        ("bind", _) => return Err(format!("\"{item}\" names no absolute path of the machine: {MOUNT_FORM}")),
        ("tmpfs", None) => MountSource::Tmpfs { size, mode },
        ("tmpfs", Some(_)) => {
            return Err(format!("\"{item}\" names a source, which memory has not: remove it"));
        }
        (_, name) => {
            let named = |name: &String| {
                name.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
            };
            if let Some(path) = name.as_ref().filter(|name| !named(name)) {
                return Err(format!(
                    "\"{path}\" is no volume's name: for a path of the machine write type=bind"
                ));
            }
            MountSource::Volume { name, no_copy, driver, options, labels }
        }
    };
    Ok(Mount { source, target, read_only: it.read_only, text: item.to_owned() })
}

impl Fields {
    fn take(&mut self, key: &str, value: String) -> Result<(), String> {
        let on = |value: &str| if value.is_empty() { Ok(true) } else { value::boolean(value) };
        let pair = |value: &str| {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            (name.to_owned(), value.to_owned())
        };
        let of = key.split_once('-').map(|(of, _)| of);
        if let Some(of) = of.and_then(|of| ["volume", "bind", "tmpfs"].into_iter().find(|it| *it == of)) {
            self.of.get_or_insert((of, key.to_owned()));
            if self.of.as_ref().is_some_and(|(first, _)| *first != of) {
                return Err(format!("\"{key}\" belongs to a mount of another type than the rest: remove it"));
            }
        }
        match key {
            "type" => value::choice(&value, &["volume", "bind", "tmpfs"])?.clone_into(&mut self.kind),
            "source" | "src" => self.source = Some(value).filter(|it| !it.is_empty()),
            "target" | "dst" | "destination" => self.target = Some(value),
            "readonly" | "ro" => self.read_only = on(&value)?,
            "bind-propagation" => {
                let known = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
                self.propagation = Some(value::choice(&value, &known)?.to_owned());
            }
            "volume-nocopy" => self.no_copy = on(&value)?,
            "volume-driver" => self.driver = Some(value),
            "volume-opt" => self.options.push(pair(&value)),
            "volume-label" => self.labels.push(pair(&value)),
            "tmpfs-size" => self.size = Some(size::size(&value)?),
            "tmpfs-mode" => self.mode = Some(permissions(&value)?),
            key => {
                let known = [
                    "type",
                    "source",
                    "target",
                    "readonly",
                    "bind-propagation",
                    "volume-nocopy",
                    "volume-driver",
                    "volume-opt",
                    "volume-label",
                    "tmpfs-size",
                    "tmpfs-mode",
                ];
                let hint = did_you_mean(key, known).unwrap_or_else(|| MOUNT_FORM.to_owned());
                return Err(format!("\"{key}\" is nothing of a mount: {hint}"));
            }
        }
        Ok(())
    }
}

/// `key=value` with commas between; a field in double quotes may have commas of its own.
fn fields(item: &str) -> Result<Vec<(String, String)>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in item.chars() {
        match (c, fields.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    if quoted {
        return Err(format!("\"{item}\" has a double quote that is not closed: close it"));
    }
    let pairs = fields.iter().map(|field| {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        (key.trim().to_ascii_lowercase(), value.trim().to_owned())
    });
    Ok(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_a_volume_a_path_or_memory() {
        let it = mount("type=bind,source=/srv/data,target=/data,readonly,bind-propagation=rslave").unwrap();
        let bind = MountSource::Bind { path: "/srv/data".into(), propagation: Some("rslave".into()) };
        assert_eq!((&it.source, &*it.target, it.read_only), (&bind, "/data", true));
        assert_eq!(it.of_the_machine(), Some("/srv/data"));
        let it = mount("src=data,dst=/data,ro=false,volume-nocopy,volume-label=a=b").unwrap();
        let MountSource::Volume { name, no_copy, labels, .. } = &it.source else { panic!("{it:?}") };
        assert_eq!((name.as_deref(), *no_copy, labels.len(), it.read_only), (Some("data"), true, 1, false));
        assert_eq!(it.of_the_machine(), None);
        assert!(matches!(
            mount("type=volume,target=/x").unwrap().source,
            MountSource::Volume { name: None, .. }
        ));
        let it = mount("type=tmpfs,destination=/tmp,tmpfs-size=64m,tmpfs-mode=1770").unwrap();
        assert_eq!(it.source, MountSource::Tmpfs { size: Some(Size(64 << 20)), mode: Some(0o1770) });
    }

    /// What the driver `local` is told to mount can be any path.
    #[test]
    fn a_volume_whose_driver_has_options_shows_the_machine() {
        let it =
            mount("source=x,target=/x,\"volume-opt=o=bind,ro\",volume-opt=type=none,volume-opt=device=/etc")
                .unwrap();
        assert_eq!(it.of_the_machine(), Some("/etc"));
        assert!(mount("source=x,target=/x,volume-driver=any").unwrap().of_the_machine().is_some());
    }

    #[test]
    fn a_mount_that_cannot_be_meant_is_refused() {
        for (wrong, part) in [
            ("", "is nothing of a mount"),
            ("data:/data", "is nothing of a mount"),
            ("type=bind,source=./x,target=/x", "no absolute path of the machine"),
            ("type=bind,target=/x", "no absolute path of the machine"),
            ("source=/srv,target=/x", "write type=bind"),
            ("source=data", "target"),
            ("source=data,target=x", "target"),
            ("type=npipe,source=x,target=/x", "none of volume, bind, tmpfs"),
            ("type=tmpfs,source=x,target=/x", "memory"),
            ("type=bind,source=/x,target=/x,volume-nocopy", "no meaning for a mount of type bind"),
            ("target=/x,tmpfs-size=1m,volume-nocopy", "another type"),
            ("source=a,tarket=/x", "did you mean \"target\"?"),
            ("source=a,target=/x,readonly=perhaps", "no boolean"),
            ("\"source=a,target=/x", "not closed"),
        ] {
            let reason = mount(wrong).expect_err(wrong);
            assert!(reason.contains(part), "{wrong}: {reason}");
        }
    }

    #[test]
    fn a_secret_and_a_config_are_names_or_fields() {
        let items = |text: &str| Text::Items(vec![text.into()]);
        let it = secrets(&items("db-password")).unwrap().remove(0);
        assert_eq!((&*it.name, &*it.target, it.mode), ("db-password", "db-password", 0o444));
        assert_eq!(configs(&items("app.conf")).unwrap()[0].target, "/app.conf");
        let it = secrets(&items("source=db,target=/run/pw,uid=33,gid=34,mode=0400")).unwrap().remove(0);
        assert_eq!((&*it.target, &*it.uid, &*it.gid, it.mode), ("/run/pw", "33", "34", 0o400));
        for wrong in
            ["", "a b", "target=x", "source=a,mode=9", "source=a,uid=root", "source=a,modus=1", "a,b"]
        {
            assert!(secrets(&items(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_constraint_asks_for_something_that_nodes_have() {
        let one = |text: &str| constraints(&Text::Items(vec![text.into()]));
        for good in
            ["node.role==manager", "node.labels.disk != slow", "engine.labels.x==y", "node.hostname==a"]
        {
            assert_eq!(one(good).unwrap(), [good]);
        }
        for (wrong, part) in [
            ("node.role=manager", "no constraint"),
            ("node.rolle==manager", "did you mean \"node.role\"?"),
            ("node.labels.==x", "nothing that a node"),
            ("role==manager", "nothing that a node"),
            ("node.role==", "asks for nothing"),
        ] {
            let reason = one(wrong).expect_err(wrong);
            assert!(reason.contains(part), "{wrong}: {reason}");
        }
    }

    #[test]
    fn a_service_joins_no_network_of_a_container() {
        let one = |text: &str| service_networks(&Text::One(text.into()));
        assert_eq!(one("front\nback").unwrap(), ["front", "back"]);
        assert_eq!(one("host").unwrap(), ["host"]);
        assert!(one("none").is_err() && one("container:x").is_err());
    }
}
