//! The container of a run, made; its image is pulled before, where that is needed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    docker::{containers::CreateRequest, error::EngineError},
    model::{image::PullPolicy, job::RunSpec, run::Outcome},
    telemetry::{
        legs::{Leg, Legs},
        report::RunTags,
    },
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
/// `making` is whether the Engine may be making it now, and `legs` are told what is done.
pub(super) async fn made(
    request: CreateRequest,
    spec: &RunSpec,
    context: &Context,
    tags: &RunTags,
    (making, legs): (&AtomicBool, &Legs),
) -> Result<String, Unmade> {
    let image = request.image.clone();
    let pulled = || async {
        making.store(false, Ordering::Relaxed);
        legs.enter(Leg::Pull, context.clock.now());
        let platform = spec.options.as_ref().and_then(|it| it.platform.as_deref());
        pulled(&image, platform, spec.pull, context, tags).await.map_err(Unmade::Unpulled)
    };
    let create = |request| {
        making.store(true, Ordering::Relaxed);
        legs.enter(Leg::Create, context.clock.now());
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
