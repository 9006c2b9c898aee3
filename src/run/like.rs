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
    let replaced = |target: &str| spec.volumes.iter().any(|it| is_same_path(&it.target, target));
    found.mounts.retain(|it| !replaced(&it.target));
    found.tmpfs.retain(|target, _| !replaced(target));
    if let Some(path) = found.mounts.iter().find_map(|it| it.host_path.as_ref()).filter(|_| !like.host_mounts)
    {
        return Err(format!(
            "like: container {name} shows the path {path} of the machine, which a label may not ask for: the operator \
             can allow it with allow-from-labels=host-mounts"
        ));
    }
    Ok(found)
}

/// Puts what was taken under what the job says. Neither names in networks nor ports are taken: who asks for the service
/// is not to get the run. Nor are rights, limits and labels.
pub(super) fn under(request: CreateRequest, pattern: Pattern) -> CreateRequest {
    let mut environment = pattern.environment;
    environment.retain(|it| request.environment.iter().all(|over| name(over) != name(it)));
    environment.extend(request.environment);
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
        mounts: pattern.mounts,
        tmpfs: pattern.tmpfs,
        ..request
    }
}

fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

fn is_same_path(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}
