//! What a container was made of, for another one that is to be like it.

use bollard::models::{
    Mount as MountBody, MountBindOptions, MountBindOptionsPropagationEnum as Propagation, MountPoint,
    MountType,
};

use crate::model::options::Tmpfs;

use super::{
    answers::{Inspected, InspectedNetworks},
    client::Engine,
    error::EngineError,
};

/// What a container was made of.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// The ID of its image: the very one, whatever its name means by now.
    pub image: String,
    /// `NAME=VALUE`, those of the image among them.
    pub environment: Vec<String>,
    /// What its command is handed to.
    pub entrypoint: Option<Vec<String>>,
    /// Its command.
    pub argv: Option<Vec<String>>,
    /// As whom.
    pub user: Option<String>,
    /// Where.
    pub workdir: Option<String>,
    /// Its networks by name, the first of which may be a mode such as `host`.
    pub networks: Vec<String>,
    /// What is mounted into it.
    pub mounts: Vec<CopiedMount>,
    /// Directories in memory.
    pub tmpfs: Vec<Tmpfs>,
}

/// Something that is mounted into a container.
#[derive(Debug, Clone)]
pub struct CopiedMount {
    /// Where.
    pub target: String,
    /// The path of the machine that it shows.
    pub host_path: Option<String>,
    pub(super) body: MountBody,
}

impl Engine {
    /// What a container was made of, in whatever state it is; none where there is no such container.
    pub async fn pattern(&self, id: &str) -> Result<Option<Pattern>, EngineError> {
        match self.inspect_container(id).await {
            Ok(answer) => Ok(Some(pattern(answer))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn pattern(answer: Inspected) -> Pattern {
    let config = answer.config.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let set = |text: Option<String>| text.filter(|it| !it.is_empty());
    let list = |list: Option<Vec<String>>| list.filter(|it| !it.is_empty());
    let declared = host.mounts.unwrap_or_default();
    let effective = answer.mounts.unwrap_or_default();
    Pattern {
        image: answer.image.unwrap_or_default(),
        // One without a value was taken away from those of the image.
        environment: config.env.unwrap_or_default().into_iter().filter(|it| it.contains('=')).collect(),
        entrypoint: list(config.entrypoint),
        argv: list(config.cmd),
        user: set(config.user),
        workdir: set(config.working_dir),
        networks: networks(host.network_mode.as_deref().unwrap_or_default(), answer.network_settings),
        mounts: effective.into_iter().filter_map(|it| mount(it, &declared)).collect(),
        tmpfs: host.tmpfs.into_iter().flatten().map(|(path, options)| Tmpfs { path, options }).collect(),
    }
}

/// The network that it was made with first, then the others by name.
fn networks(mode: &str, settings: Option<InspectedNetworks>) -> Vec<String> {
    if matches!(mode, "none" | "host") || mode.starts_with("container:") {
        return vec![mode.to_owned()];
    }
    let first = if matches!(mode, "default" | "") { "bridge" } else { mode };
    let mut names: Vec<String> =
        settings.and_then(|it| it.networks).unwrap_or_default().into_keys().collect();
    names.sort_by_key(|name| (name != first, name.clone()));
    // One that is in no network is not to be given the Engine's default.
    if names.is_empty() { vec!["none".to_owned()] } else { names }
}

/// What was declared says more than what came of it; but a volume without a name is not to be a new one.
fn mount(it: MountPoint, declared: &[MountBody]) -> Option<CopiedMount> {
    let target = it.destination?;
    let same = declared.iter().find(|body| body.target.as_deref() == Some(&target));
    let same = same.filter(|body| {
        body.typ != Some(MountType::VOLUME) || body.source.as_ref().is_some_and(|it| !it.is_empty())
    });
    let read_only = Some(it.rw == Some(false));
    let made = match it.typ.as_deref() {
        Some("bind") => MountBody {
            typ: Some(MountType::BIND),
            source: it.source.clone(),
            bind_options: it.propagation.and_then(|it| it.parse::<Propagation>().ok()).map(|propagation| {
                MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() }
            }),
            ..MountBody::default()
        },
        Some("volume") => MountBody { typ: Some(MountType::VOLUME), source: it.name, ..MountBody::default() },
        // Nothing is known of it but what was declared.
        _ => same?.clone(),
    };
    let body = same.cloned().unwrap_or(MountBody { target: Some(target.clone()), read_only, ..made });
    let host_path = body.source.clone().filter(|_| body.typ == Some(MountType::BIND));
    Some(CopiedMount { target, host_path, body })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(answer: Value) -> Pattern {
        pattern(serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn networks_are_those_that_it_is_in_and_the_first_stays_the_first() {
        let of = |mode: &str, names: &[&str]| {
            let names: serde_json::Map<String, Value> =
                names.iter().map(|it| ((*it).to_owned(), json!({}))).collect();
            of(json!({"HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": names}})).networks
        };
        assert_eq!(of("shop_front", &["a", "shop_front", "b"]), ["shop_front", "a", "b"]);
        assert_eq!(of("default", &["bridge"]), ["bridge"]);
        assert_eq!(of("default", &[]), ["none"]);
        assert_eq!(of("host", &["host"]), ["host"]);
        assert_eq!(of("container:0123", &[]), ["container:0123"]);
        assert_eq!(of("left", &["joined"]), ["joined"]);
    }

    #[test]
    fn mounts_are_the_same_places_and_a_volume_without_a_name_is_the_same_volume() {
        let it = of(json!({
            "Image": "sha256:aa",
            "Config": {"Env": ["A=1", "GONE"], "User": "", "WorkingDir": "/srv", "Cmd": ["x"], "Entrypoint": null},
            "HostConfig": {
                "Mounts": [
                    {"Type": "volume", "Source": "data", "Target": "/sub", "VolumeOptions": {"NoCopy": true}},
                    {"Type": "volume", "Target": "/unnamed"},
                    {"Type": "tmpfs", "Target": "/mem", "TmpfsOptions": {"SizeBytes": 7}},
                ],
                "Tmpfs": {"/run": "size=1m"},
            },
            "Mounts": [
                {"Type": "bind", "Source": "/etc/x:y", "Destination": "/x", "RW": false, "Propagation": "rprivate"},
                {"Type": "volume", "Name": "0f0f", "Source": "/var/lib/docker/v", "Destination": "/unnamed", "RW": true},
                {"Type": "volume", "Name": "data", "Destination": "/sub", "RW": true},
                {"Type": "tmpfs", "Destination": "/mem", "RW": true},
                {"Type": "npipe", "Destination": "/odd", "RW": true},
            ],
        }));
        assert_eq!((&*it.image, &it.user, it.workdir.as_deref()), ("sha256:aa", &None, Some("/srv")));
        assert_eq!(
            (it.environment, it.argv, it.entrypoint),
            (vec!["A=1".into()], Some(vec!["x".into()]), None)
        );
        assert_eq!(it.tmpfs, [Tmpfs { path: "/run".into(), options: "size=1m".into() }]);
        let shown: Vec<Value> = it.mounts.iter().map(|it| serde_json::to_value(&it.body).unwrap()).collect();
        assert_eq!(shown[0]["Source"], "/etc/x:y");
        assert_eq!((&shown[0]["Target"], &shown[0]["ReadOnly"]), (&json!("/x"), &json!(true)));
        assert_eq!((&shown[1]["Source"], &shown[1]["Type"]), (&json!("0f0f"), &json!("volume")));
        assert_eq!(shown[2]["VolumeOptions"]["NoCopy"], true);
        assert_eq!(shown[3]["TmpfsOptions"]["SizeBytes"], 7);
        assert_eq!(shown.len(), 4);
        let paths: Vec<_> = it.mounts.iter().filter_map(|it| it.host_path.as_deref()).collect();
        assert_eq!(paths, ["/etc/x:y"]);
    }
}
