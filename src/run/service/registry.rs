//! What the nodes of a Swarm show to the registry of a service's image.

use std::path::Path;

use crate::docker::credentials::{self, Credentials};

/// What the nodes show to the registry.
pub(super) async fn credentials(image: &str, file: Option<&Path>) -> Result<Credentials, String> {
    let Some(path) = file.map(Path::to_owned) else {
        return Err(
            "with-registry-auth: neither DOCKER_CONFIG nor HOME says where the credentials are".to_owned()
        );
    };
    let shown = path.display().to_string();
    // The file may lie on a disk that is slow or gone.
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = text.map_err(|error| error.to_string())?;
    let text = text.map_err(|error| format!("with-registry-auth: {shown} cannot be read: {error}"))?;
    credentials::find(&text, image).map_err(|reason| format!("with-registry-auth: {shown}: {reason}"))
}
