//! How a run in a container is signalled, on an Engine without processes.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::START;
use crate::support::fake_engine::{ExecBehaviour, ExecRequest, FakeEngine};

/// Execs do `work`, and the agent's second exec, which signals what carries a run's mark, does so for the signals that
/// the work `obeys`. The codes are those of a shell: 143 and 137.
pub fn signalled(
    engine: &FakeEngine,
    obeys: &'static [&'static str],
    work: impl Fn() -> ExecBehaviour + Send + Sync + 'static,
) {
    engine.on_exec(move |exec| match Signalling::of(exec) {
        Some(signalling) if signalling.by_shell => signalling.answered(obeys),
        _ => work(),
    });
}

/// Execs do `work` in a container that has no shell; the helper that is copied there ends what carries the mark.
pub fn without_shell(
    engine: &FakeEngine,
    work: impl Fn(&ExecRequest) -> ExecBehaviour + Send + Sync + 'static,
) {
    engine.on_exec(move |exec| match Signalling::of(exec) {
        Some(signalling) if signalling.by_shell => ExecBehaviour::missing_command("/bin/sh", 127),
        Some(signalling) => signalling.answered(&["TERM", "KILL"]),
        None => work(exec),
    });
}

/// One exec of the agent that signals what carries a mark.
pub struct Signalling {
    /// By the shell, or else by a helper.
    pub by_shell: bool,
    container: String,
    /// `WATCHBELL_RUN=…`
    mark: String,
    /// `TERM` or `KILL`.
    pub signal: String,
    /// Files that it is to remove first.
    files: Vec<String>,
}

impl Signalling {
    /// None where the exec is another one.
    pub fn of(exec: &ExecRequest) -> Option<Self> {
        let (by_shell, words) = match &exec.cmd[..] {
            [shell, flag, _, _, words @ ..] if shell == "/bin/sh" && flag == "-c" => (true, words),
            [helper, what, words @ ..]
                if helper.contains("/.watchbell-") && what == "end-the-processes-of-a-run" =>
            {
                (false, words)
            }
            _ => return None,
        };
        let [mark, signal, _, _, _, files @ ..] = words else { return None };
        mark.starts_with("WATCHBELL_RUN=").then(|| Self {
            by_shell,
            container: exec.container.clone(),
            mark: mark.clone(),
            signal: signal.clone(),
            files: files.to_vec(),
        })
    }

    /// It finds a process and signals it; the command ends by signals that it `obeys`.
    pub fn answered(self, obeys: &'static [&'static str]) -> ExecBehaviour {
        let files = self.files.iter();
        let removed = files.fold(String::new(), |said, file| said + "removed " + file + "\n");
        ExecBehaviour::exit(0).stdout(format!("{removed}signalled 7:700\nlooked\n")).on_start(move |engine| {
            for file in &self.files {
                engine.remove_file(&self.container, file);
            }
            if obeys.contains(&&*self.signal) {
                engine.end_execs_with_env(&self.mark, if self.signal == "KILL" { 137 } else { 143 });
            }
        })
    }
}

/// The signals that the agent sent to what carries a run's mark by the shell and as the command's user, with the
/// seconds since the start of the test.
pub fn signals(engine: &FakeEngine) -> Vec<(String, i64)> {
    let start: Timestamp = START.parse().expect("it is a time");
    let sent = engine.execs().into_iter().filter(|exec| exec.cmd[0] == "/bin/sh");
    let sent = sent.filter(|exec| exec.user.as_deref() != Some("0"));
    sent.map(|exec| (exec.cmd[5].clone(), exec.started.unwrap_or(start).duration_since(start).as_secs()))
        .collect()
}

/// A program that looks as if it needed no library: it can be copied, and nobody runs it.
pub fn program(folder: &Path) -> PathBuf {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let path = folder.join("program");
    std::fs::write(&path, bytes).expect("the file can be written");
    path
}
