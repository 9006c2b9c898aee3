//! How a run in a container is signalled, on an Engine without processes.

use jiff::Timestamp;

use super::START;
use crate::support::fake_engine::{ExecBehaviour, FakeEngine};

/// Execs do `work`, and the agent's second exec, which signals what carries a run's mark, does so for the signals that
/// the work `obeys`. The codes are those of a shell: 143 and 137.
pub fn signalled(
    engine: &FakeEngine,
    obeys: &'static [&'static str],
    work: impl Fn() -> ExecBehaviour + Send + Sync + 'static,
) {
    engine.on_exec(move |exec| match &exec.cmd[..] {
        [shell, _, _, _, mark, signal] if shell == "/bin/sh" && mark.starts_with("WATCHBELL_RUN=") => {
            let (mark, signal) = (mark.clone(), signal.clone());
            ExecBehaviour::exit(0).on_start(move |engine| {
                if obeys.contains(&&*signal) {
                    engine.end_execs_with_env(&mark, if signal == "KILL" { 137 } else { 143 });
                }
            })
        }
        _ => work(),
    });
}

/// The signals that the agent sent to what carries a run's mark, with the seconds since the start of the test.
pub fn signals(engine: &FakeEngine) -> Vec<(String, i64)> {
    let start: Timestamp = START.parse().expect("it is a time");
    let sent = engine.execs().into_iter().filter(|exec| exec.cmd[0] == "/bin/sh");
    sent.map(|exec| (exec.cmd[5].clone(), exec.started.unwrap_or(start).duration_since(start).as_secs()))
        .collect()
}
