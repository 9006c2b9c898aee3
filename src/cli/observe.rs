//! One look at the Engine, for the commands that show what it has and change nothing.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    docker::{client::Engine, error::EngineError},
    model::container::Inventory,
    watch::{file::Reading, identity},
};

/// How long the Engine may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Every container that the Engine has now, or why that cannot be told. With settings that are wrong it might be another
/// Engine than was meant.
pub async fn observe(reading: &Reading) -> Result<Inventory, String> {
    if reading.is_broken() {
        return Err(
            "files and settings have mistakes with which no agent starts; see watchbell validate".into()
        );
    }
    let settings = &reading.sources.settings;
    let engine = Engine::at(&settings.docker_host, settings.certificates());
    let look = async {
        let facts = engine.facts().await?;
        let (inventory, _) = engine.inventory(&identity::of_this_process()).await?;
        let services = engine.services(&facts.swarm, None).await;
        Ok::<_, EngineError>(Inventory { services, ..inventory })
    };
    let answer = timeout(LIMIT, look).await;
    let host = &settings.docker_host;
    match answer {
        Ok(Ok(inventory)) => Ok(inventory),
        Ok(Err(error)) => Err(format!("the Engine at {host} cannot be asked: {error}; see watchbell doctor")),
        Err(_) => Err(format!("the Engine at {host} did not answer in time; see watchbell doctor")),
    }
}
