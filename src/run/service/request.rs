//! The service of a run, as it is to be made.

use crate::{
    docker::{
        client::Engine,
        error::EngineError,
        services::{ServiceRequest, Template},
    },
    model::{run::Outcome, service::ServiceRunSpec},
};

use super::super::{
    environment::environment, new_container::labels, order::RunOrder, registry, unit::Context,
};

/// What its service is to be; an error is why there is none.
pub(super) async fn request(
    order: &RunOrder,
    spec: &ServiceRunSpec,
    context: &Context,
) -> Result<ServiceRequest, String> {
    let like = match &spec.like {
        Some(like) => Some(template(&like.name, &context.engine).await?),
        None => None,
    };
    let image = spec.image.as_deref().or_else(|| like.as_ref()?.image());
    let credentials = if spec.with_registry_auth {
        let (file, children) = (context.registries.as_deref(), &context.children);
        let found = registry::credentials(image.unwrap_or_default(), file, children).await;
        Some(found.map_err(|reason| format!("with-registry-auth: {reason}"))?)
    } else {
        None
    };
    Ok(ServiceRequest {
        name: order.service_name(),
        like,
        image: spec.image.clone(),
        argv: spec.argv.clone(),
        environment: environment(order, &spec.env_files, &spec.environment).await?,
        user: spec.user.clone(),
        workdir: spec.workdir.clone(),
        networks: spec.networks.clone(),
        mounts: spec.mounts.clone(),
        secrets: spec.secrets.clone(),
        configs: spec.configs.clone(),
        constraints: spec.constraints.clone(),
        tasks: spec.tasks,
        memory: spec.memory.map(|it| it.0),
        cpus: spec.cpus.map(|it| it.0),
        grace: order.grace_period(),
        labels: labels(order, context),
        credentials,
    })
}

async fn template(name: &str, engine: &Engine) -> Result<Template, String> {
    match engine.service_template(name).await {
        Ok(Some(template)) => Ok(template),
        Ok(None) => Err(format!("like: the Swarm has no service {name}: deploy it, or name another one")),
        Err(error) => Err(format!("like: asking for the service {name}: {error}{}", no_manager(&error))),
    }
}

/// What to do where the Engine manages no Swarm.
pub(in crate::run) fn no_manager(error: &EngineError) -> &'static str {
    match error {
        EngineError::Refused { message, .. } if message.contains("not a swarm manager") => {
            ": jobs of kind service-run need an Engine that manages a Swarm; docker swarm init makes one of it"
        }
        // Podman's words.
        EngineError::Refused { message, .. } if message.contains("does not support service") => {
            ": jobs of kind service-run need Docker's Engine with a Swarm; this one has none"
        }
        _ => "",
    }
}

/// Why no service was made.
pub(super) fn not_started(error: &EngineError, spec: &ServiceRunSpec) -> Outcome {
    let mend = match error {
        EngineError::Refused { status: 409, .. } => {
            ": this occurrence has a service already and is not run twice"
        }
        _ => no_manager(error),
    };
    Outcome::NotStarted { error: format!("making a service of {}: {error}{mend}", spec.source()) }
}
