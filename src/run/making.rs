//! The container of a run, made; its image is pulled before, where that is needed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    docker::{containers::CreateRequest, error::EngineError},
    model::{image::PullPolicy, job::RunSpec, run::Outcome},
    telemetry::report::RunTags,
};

use super::{pull::pulled, reasons::is_id, unit::Context};

/// Why there is no container.
pub(super) enum Unmade {
    /// Its image could not be pulled.
    Unpulled(Outcome),
    /// The Engine did not make it.
    Refused(EngineError),
}

/// Makes the container, whose image is pulled before where the job says so or the Engine lacks it. The answer is its ID.
/// `making` is whether the Engine may be making it now.
pub(super) async fn made(
    request: CreateRequest,
    spec: &RunSpec,
    context: &Context,
    tags: &RunTags,
    making: &AtomicBool,
) -> Result<String, Unmade> {
    let image = request.image.clone();
    let pulled = || async {
        making.store(false, Ordering::Relaxed);
        let platform = spec.options.as_ref().and_then(|it| it.platform.as_deref());
        pulled(&image, platform, spec.pull, context, tags).await.map_err(Unmade::Unpulled)
    };
    let create = |request| {
        making.store(true, Ordering::Relaxed);
        context.engine.create_container(request)
    };
    // What is named by its ID no registry can be asked for.
    let policy = if is_id(&image) { PullPolicy::Never } else { spec.pull.policy };
    if policy == PullPolicy::Always {
        pulled().await?;
    }
    match create(request.clone()).await {
        Err(error) if policy == PullPolicy::Missing && error.is_without_image() => {
            pulled().await?;
            create(request).await
        }
        made => made,
    }
    .map_err(Unmade::Refused)
}
