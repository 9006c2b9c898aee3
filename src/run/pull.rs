//! Images, pulled for runs: one pull for all that wait for the same one.
//!
//! A pull has no task of its own. Whoever waits for it drives it, so it goes on as long as anyone does, and when the last
//! one goes, for whatever reason, the Engine is told by the end of the connection.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::{Instant, timeout};

use crate::{
    docker::{
        client::Engine,
        credentials,
        error::EngineError,
        images::{Progress, PullRequest},
    },
    model::{
        image::Pull,
        run::{Outcome, RunId},
    },
    telemetry::report::{self, RunTags},
};

use super::{registry, unit::Context};

/// How long the Engine may tell nothing of a pull before that counts as standing still. It may be as long silent while it
/// waits for a registry, or puts a large layer into its place on a slow disk.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

/// How often it is told how far a pull has come.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// The pulls that go on.
#[derive(Clone, Default)]
pub struct Pulls(Arc<Mutex<HashMap<PullRequest, GoingOn>>>);

struct GoingOn {
    began_by: RunId,
    end: WeakShared<PullFuture>,
}

type PullFuture = BoxFuture<'static, Result<(), Failure>>;

/// Why an image could not be pulled.
#[derive(Debug, Clone)]
enum Failure {
    Engine(Arc<EngineError>),
    Silence,
}

impl fmt::Debug for Pulls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulls").finish_non_exhaustive()
    }
}

impl Pulls {
    /// The pull that goes on for the same image with the same credentials, else a new one.
    fn join(&self, engine: &Engine, request: PullRequest, tags: &RunTags) -> Shared<PullFuture> {
        let mut pulls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pulls.retain(|_, it| it.end.upgrade().is_some_and(|end| end.peek().is_none()));
        if let Some(it) = pulls.get(&request)
            && let Some(end) = it.end.upgrade()
        {
            report::image_awaited(tags, &request.image, &it.began_by);
            return end;
        }
        let end = pull(engine.clone(), request.clone(), tags.clone()).boxed().shared();
        if let Some(end) = end.downgrade() {
            pulls.insert(request, GoingOn { began_by: tags.run.clone(), end });
        }
        end
    }
}

/// Pulls an image for a run, or waits for a pull of it; an error is the run's outcome. A run that is stopped drops it.
pub(super) async fn pulled(
    image: &str,
    platform: Option<&str>,
    terms: Pull,
    context: &Context,
    tags: &RunTags,
) -> Result<(), Outcome> {
    let pulling = async {
        let found = registry::credentials(image, context.registries.as_deref(), &context.children).await;
        // Most images are for everyone; that there are none is told where one is not.
        let (credentials, without) = match found {
            Ok(credentials) => (Some(credentials), None),
            Err(reason) => (None, Some(reason)),
        };
        let platform = platform.map(str::to_owned);
        let request = PullRequest { image: image.to_owned(), platform, credentials };
        let end = context.pulls.join(&context.engine, request, tags).await;
        end.map_err(|failure| format!("pulling {image}: {}", told(&failure, image, without)))
    };
    let ended = timeout(terms.timeout, pulling).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(terms.timeout);
        Err(format!(
            "pulling {image}: it is not there after {limit}: set pull-timeout higher, or pull it by other means"
        ))
    });
    ended.map_err(|error| Outcome::NotStarted { error })
}

/// What went wrong, and what can be done about it. `without` is why the registry was shown no credentials.
fn told(failure: &Failure, image: &str, without: Option<String>) -> String {
    let registry = credentials::registry(image);
    let error = match failure {
        Failure::Silence => {
            let limit = humantime::format_duration(SILENCE_LIMIT);
            return format!("the Engine told nothing of it for {limit}: look whether it reaches {registry}");
        }
        Failure::Engine(error) => error,
    };
    let EngineError::Refused { message, .. } = &**error else { return error.to_string() };
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|it| message.contains(it));
    let mend = if says(&[
        "unauthorized",
        "denied",
        "no basic auth",
        "authentication required",
        "incorrect username",
    ]) {
        match without {
            None => format!(
                ": {registry} does not take the credentials that it was shown: run docker login {registry} again"
            ),
            Some(reason) => format!(": {registry} was shown no credentials, because {reason}"),
        }
    } else if says(&[
        "manifest unknown",
        "not found",
        "does not exist",
        "name unknown",
        "no matching manifest",
    ]) {
        format!(": look whether {registry} has an image of that name, tag and platform")
    } else if says(&["toomanyrequests", "too many requests"]) {
        format!(": {registry} gives no more for now: log in there, or try later (retries)")
    } else if says(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "timeout",
        "dial tcp",
        "no route to host",
        "server misbehaving",
        "connection reset",
        "eof",
        "awaiting headers",
    ]) {
        format!(": the Engine does not reach {registry}; with retries it is tried again")
    } else {
        String::new()
    };
    format!("{error}{mend}")
}

async fn pull(engine: Engine, request: PullRequest, tags: RunTags) -> Result<(), Failure> {
    let began = Instant::now();
    let image = request.image.clone();
    report::image_pulling(&tags, &image, None);
    let failed = |error| Failure::Engine(Arc::new(error));
    let mut news = engine.pull_image(&request).map_err(failed)?;
    let mut progress = Progress::default();
    let mut told = began;
    loop {
        match timeout(SILENCE_LIMIT, news.next()).await {
            Err(_) => return Err(Failure::Silence),
            Ok(None) => break,
            Ok(Some(it)) => progress.take(it.map_err(failed)?),
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            report::image_pulling(
                &tags,
                &image,
                Some((progress.done(), progress.layers(), progress.bytes())),
            );
        }
    }
    report::image_pulled(&tags, &image, (progress.layers(), progress.bytes()), began.elapsed());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_told_with_the_mend() {
        let none = Some("there is no /x/config.json".to_owned());
        for (message, without, part) in [
            ("Get x: unauthorized: incorrect username or password", None, "does not take the credentials"),
            (
                "pull access denied for x, repository does not exist or may require 'docker login'",
                none,
                "no credentials, because there is no /x/config.json",
            ),
            ("manifest for r.example/x:2 not found: manifest unknown", None, "look whether r.example has"),
            (
                "Get https://r.example/v2/: dial tcp 1.2.3.4:443: connect: connection refused",
                None,
                "does not reach r.example",
            ),
            ("toomanyrequests: You have reached your pull rate limit", None, "try later"),
        ] {
            let error = EngineError::Refused { status: 500, message: message.to_owned() };
            let told = told(&Failure::Engine(Arc::new(error)), "r.example/x:2", without);
            assert!(told.starts_with(message) && told.contains(part), "{told}");
        }
        assert!(told(&Failure::Silence, "x", None).contains("told nothing of it for 2m"));
    }
}
