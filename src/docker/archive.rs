//! Files that the agent puts into containers.

use std::io;

use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bytes::Bytes;
use futures::Stream;

use super::{client::Engine, error::EngineError};

impl Engine {
    /// The directories of a container into which a file may be put: its root, else its volumes, then directories of
    /// the machine. What is mounted as a tmpfs is none of them: the Engine does not reach it.
    pub async fn writable_places(&self, container: &str) -> Result<Vec<String>, EngineError> {
        let answer = self.inspect_container(container).await?;
        let read_only = answer.host_config.and_then(|it| it.readonly_rootfs).unwrap_or(false);
        let mut places = if read_only { Vec::new() } else { vec!["/".to_owned()] };
        let mounts = answer.mounts.unwrap_or_default();
        for kind in ["volume", "bind"] {
            let writable = mounts.iter().filter(|it| it.typ.as_deref() == Some(kind) && it.rw == Some(true));
            places.extend(writable.filter_map(|it| it.destination.clone()));
        }
        Ok(places)
    }

    /// Unpacks a tar archive in a directory of a container.
    pub async fn put_archive(
        &self,
        container: &str,
        directory: &str,
        tar: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::new().path(directory).build();
        let tar = bollard::body_try_stream(tar);
        Ok(self.docker()?.upload_to_container(container, Some(options), tar).await?)
    }
}
