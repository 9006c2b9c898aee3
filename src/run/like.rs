//! A run that is like a container that is there: what it takes of that, under what its job says itself.

use crate::{
    docker::{containers::CreateRequest, pattern::Pattern},
    model::{container::Holder, image::Like, job::RunSpec},
};

use super::unit::Context;

/// What the container was made of; an error is why the run cannot be like it.
pub(super) async fn pattern(
    like: &Like,
    holder: Option<&Holder>,
    spec: &RunSpec,
    context: &Context,
) -> Result<Pattern, String> {
    let Some(holder) = holder else { return Err(format!("like: there is no container \"{}\"", like.name)) };
    let (name, id) = (&holder.name, &holder.id.0);
    let found = context.engine.pattern(id).await;
    let found = found.map_err(|error| format!("like: looking at container {name}: {error}"))?;
    let mut found = found.ok_or_else(|| format!("like: container {name} was removed just now"))?;
    let options = spec.options.as_deref();
    let own = spec.volumes.iter().map(|it| &it.target);
    let own = own.chain(options.into_iter().flat_map(|it| it.mounts.iter().map(|it| &it.target)));
    let own: Vec<&String> =
        own.chain(options.into_iter().flat_map(|it| it.tmpfs.iter().map(|it| &it.path))).collect();
    let replaced = |target: &str| own.iter().any(|it| is_same_path(it, target));
    found.mounts.retain(|it| !replaced(&it.target));
    found.tmpfs.retain(|it| !replaced(&it.path));
    if !spec.networks.is_empty() {
        found.networks.clear();
    }
    match asked(like, &found) {
        Some((what, grant)) => Err(format!(
            "like: container {name} {what}, which a label may not ask for: the operator can allow it with \
             allow-from-labels={grant}"
        )),
        None => Ok(found),
    }
}

/// What would come along and may not, and the grant that allows it.
fn asked(like: &Like, pattern: &Pattern) -> Option<(String, &'static str)> {
    let path = pattern.mounts.iter().find_map(|it| it.host_path.as_ref()).filter(|_| !like.host_mounts);
    let network = pattern.networks.first().map_or("", String::as_str);
    if let Some(path) = path {
        Some((format!("shows the path {path} of the machine"), "host-mounts"))
    } else if network == "host" && !like.host_network {
        Some(("is in the network of the machine itself".to_owned(), "privileged"))
    } else if network.starts_with("container:") && !like.other_network {
        Some(("is in the network of another container".to_owned(), "exec-other"))
    } else {
        None
    }
}

/// Puts what was taken under what the job says. Neither names in networks nor ports are taken: who asks for the service
/// is not to get the run. Nor are rights, limits and labels.
pub(super) fn under(request: CreateRequest, pattern: Pattern) -> CreateRequest {
    let mut environment = pattern.environment;
    environment.retain(|it| request.environment.iter().all(|over| name(over) != name(it)));
    environment.extend(request.environment);
    let mut options = request.options;
    options.tmpfs.extend(pattern.tmpfs);
    // Its command is for its own entrypoint.
    let argv = request.argv.or_else(|| pattern.argv.filter(|_| request.entrypoint.is_none()));
    CreateRequest {
        image: if request.image.is_empty() { pattern.image } else { request.image },
        argv,
        entrypoint: request.entrypoint.or(pattern.entrypoint),
        environment,
        user: request.user.or(pattern.user),
        workdir: request.workdir.or(pattern.workdir),
        networks: if request.networks.is_empty() { pattern.networks } else { request.networks },
        copied: pattern.mounts,
        options,
        ..request
    }
}

fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

fn is_same_path(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}
