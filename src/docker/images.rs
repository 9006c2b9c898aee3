//! Images, pulled from their registries.

use std::collections::BTreeMap;

use bollard::{models::CreateImageInfo, query_parameters::CreateImageOptionsBuilder};
use futures::{Stream, StreamExt};

use super::{
    client::{ANSWER_LIMIT, Engine},
    credentials::Credentials,
    error::EngineError,
};

/// An image to be pulled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PullRequest {
    /// Its name.
    pub image: String,
    /// Which of its platforms; `None` is the Engine's own.
    pub platform: Option<String>,
    /// What is shown to the registry.
    pub credentials: Option<Credentials>,
}

/// One thing that the Engine tells of a pull.
#[derive(Debug)]
pub struct PullNews(CreateImageInfo);

/// How far a pull has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    layers: BTreeMap<String, Layer>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Layer {
    done: bool,
    bytes: u64,
}

impl Progress {
    /// Takes in what the Engine tells.
    pub fn take(&mut self, PullNews(news): PullNews) {
        let (Some(id), Some(status)) = (news.id, news.status) else { return };
        let layer = match status.as_str() {
            "Pulling fs layer" | "Waiting" | "Downloading" | "Verifying Checksum" | "Download complete"
            | "Extracting" | "Pull complete" | "Already exists" => self.layers.entry(id).or_default(),
            // Of the image as a whole; other Engines have words of their own.
            _ => return,
        };
        layer.done |= matches!(status.as_str(), "Pull complete" | "Already exists");
        if status == "Downloading" {
            let current = news.progress_detail.and_then(|it| it.current);
            layer.bytes = layer.bytes.max(current.and_then(|it| it.try_into().ok()).unwrap_or_default());
        }
    }

    /// How many layers the image has, as far as is known.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// How many of them are there.
    pub fn done(&self) -> usize {
        self.layers.values().filter(|it| it.done).count()
    }

    /// How many bytes came for it.
    pub fn bytes(&self) -> u64 {
        self.layers.values().map(|it| it.bytes).sum()
    }
}

impl Engine {
    /// Pulls an image; the end of the stream is the end of the pull. The Engine gives it up when the stream is dropped.
    pub fn pull_image(
        &self,
        request: &PullRequest,
    ) -> Result<impl Stream<Item = Result<PullNews, EngineError>> + Send + 'static, EngineError> {
        // A registry that is slow to say what it has keeps the Engine from answering; whoever reads this watches it.
        let mut docker = self.docker()?.with_timeout(ANSWER_LIMIT * 10);
        if let Some(credentials) = &request.credentials {
            docker = credentials.sent_by(docker);
        }
        let options = CreateImageOptionsBuilder::new().from_image(&tagged(&request.image));
        let options = match &request.platform {
            Some(platform) => options.platform(platform),
            None => options,
        };
        let stream = docker.create_image(Some(options.build()), None, None);
        Ok(stream.map(|news| news.map(PullNews).map_err(EngineError::from)))
    }
}

/// The name with a tag: without one the Engine would pull all that there are.
fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn news(id: &str, status: &str, current: i64) -> PullNews {
        PullNews(CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current: Some(current), total: Some(100) }),
            ..CreateImageInfo::default()
        })
    }

    #[test]
    fn layers_and_bytes_are_counted_and_what_is_said_of_the_whole_is_not() {
        let mut progress = Progress::default();
        for it in [
            news("3.18", "Pulling from library/alpine", 0),
            news("a", "Already exists", 0),
            news("b", "Pulling fs layer", 0),
            news("c", "Pulling fs layer", 0),
            news("b", "Downloading", 40),
            news("b", "Downloading", 100),
            news("c", "Downloading", 7),
            news("b", "Extracting", 3),
            news("b", "Pull complete", 0),
        ] {
            progress.take(it);
        }
        assert_eq!((progress.layers(), progress.done(), progress.bytes()), (3, 2, 107));
    }

    #[test]
    fn an_image_without_a_tag_is_not_pulled_with_all_of_its_tags() {
        assert_eq!(tagged("alpine"), "alpine:latest");
        assert_eq!(tagged("127.0.0.1:5000/a/b"), "127.0.0.1:5000/a/b:latest");
        for whole in ["alpine:3", "a@sha256:00", "localhost:1/a:b"] {
            assert_eq!(tagged(whole), whole);
        }
    }
}
