//! Whether the Engine answers at this moment, for whoever asks how the agent does.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{client::Engine, error::EngineError};

/// How long the Engine may take.
const LIMIT: Duration = Duration::from_secs(3);

/// The same for the one of those who ask that asks the Engine: who waits for his answer is to have it in time.
const ASK_LIMIT: Duration = Duration::from_millis(2_900);

/// An answer that is no older is as good as a new one: however many ask, the Engine is asked by one of them.
const FRESH: Duration = Duration::from_secs(1);

/// An answer, and when it came.
type Last = Option<(Instant, Result<(), String>)>;

/// Asks it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Probe {
    engine: Engine,
    last: Arc<Mutex<Last>>,
}

impl Probe {
    /// Of this Engine.
    pub fn of(engine: Engine) -> Self {
        Self { engine, last: Arc::default() }
    }

    /// Whether it answers, whatever it says, or why not; known within its limit, three seconds.
    pub async fn answers(&self) -> Result<(), String> {
        let silent = format!("it accepts and has not answered for {} s", LIMIT.as_secs());
        timeout(LIMIT, self.ask(&silent)).await.unwrap_or(Err(silent))
    }

    async fn ask(&self, silent: &str) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let asked = timeout(ASK_LIMIT, self.engine.ping()).await;
        let answer = asked.unwrap_or_else(|_| Err(silent.to_owned()));
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

impl Engine {
    async fn ping(&self) -> Result<(), String> {
        let docker = self.docker().map_err(|error| error.to_string())?;
        match docker.ping().await.map_err(EngineError::from) {
            // A proxy that refuses the question stands before an Engine; one that finds none says so by such a status.
            Err(EngineError::Refused { status, .. }) if status < 500 => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_one_that_never_answers_ask_once_and_know_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let probe = Probe::of(Engine::at(&format!("unix://{}", path.display()), None));
        let begun = Instant::now();
        let answers = join_all((0..20).map(|_| probe.answers())).await;
        assert!(answers.iter().all(|it| it.as_ref().is_err_and(|why| why.contains("has not answered"))));
        assert!(begun.elapsed() <= LIMIT, "{:?}", begun.elapsed());
        let connected = async {
            let mut n = 0;
            while timeout(FRESH, listener.accept()).await.is_ok() {
                n += 1;
            }
            n
        };
        assert_eq!(connected.await, 1);
    }

    #[tokio::test]
    async fn one_that_is_not_there_does_not_answer() {
        let probe = Probe::of(Engine::at("unix:///no/such/engine.sock", None));
        assert!(probe.answers().await.unwrap_err().contains("cannot reach the Engine"));
    }
}
