//! The images of runs, as the operator reads it.

use std::time::Duration;

use tracing::info;

use crate::model::run::RunId;

use super::RunTags;

/// An image is being pulled; `so_far` are the layers that are there, those that there are, and the bytes that came.
pub fn image_pulling(tags: &RunTags, image: &str, so_far: Option<(usize, usize, u64)>) {
    let (done, layers, bytes) = so_far.map_or((None, None, None), |(a, b, c)| (Some(a), Some(b), Some(c)));
    let words =
        so_far.map(|(done, layers, bytes)| format!(": {done} of {layers} layers, {bytes} bytes so far"));
    info!(
        event = "image.pulling",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        image,
        layers,
        layers_done = done,
        bytes,
        "{image} is being pulled{}", words.unwrap_or_default()
    );
}

/// A run waits for a pull that another one began.
pub fn image_awaited(tags: &RunTags, image: &str, began_by: &RunId) {
    let reason = format!("run {began_by} pulls it already");
    info!(
        event = "image.pulling",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        image,
        reason,
        "{} waits for {image}: {reason}", tags.job
    );
}

/// An image was pulled.
pub fn image_pulled(tags: &RunTags, image: &str, (layers, bytes): (usize, u64), took: Duration) {
    info!(
        event = "image.pulled",
        job = %tags.job,
        kind = %tags.kind,
        run = %tags.run,
        attempt = tags.attempt,
        image,
        layers,
        bytes,
        duration_seconds = took.as_secs_f64(),
        "{image} was pulled"
    );
}
