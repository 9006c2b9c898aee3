//! The variables that the agent was given for itself. Tokens and what exporters show to receivers are among them, and a job
//! shows its output to others: no process beside the agent has them, unless its job says so.

use std::{ffi::OsString, sync::Arc};

use tokio::process::Command;

/// What the names of settings begin with, and the one that every process may have: with it, the agent's commands find
/// the agent.
const SETTINGS: &str = "WATCHBELL_";
const PLACE: &str = "WATCHBELL_STATE_DIR";

/// Between these stands the signal in the names of the variables with which exporters of OpenTelemetry say who they are.
/// Where else things go, and as what, jobs that export by themselves may want to know.
const EXPORTERS: (&str, &str) = ("OTEL_", "_HEADERS");

/// Their names, as the agent found them when it began; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct OwnVariables(Arc<[OsString]>);

impl OwnVariables {
    /// Those among all names.
    pub fn among(names: impl IntoIterator<Item = OsString>) -> Self {
        let is_own = |name: &OsString| {
            let name = name.to_string_lossy();
            (name.starts_with(SETTINGS) && name != PLACE)
                || (name.starts_with(EXPORTERS.0) && name.ends_with(EXPORTERS.1))
        };
        Self(names.into_iter().filter(is_own).collect())
    }

    /// Leaves them out of what a process gets; what is put in afterwards is the job's.
    pub fn leave_out(&self, command: &mut Command) {
        for name in &*self.0 {
            command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn settings_and_the_headers_of_exporters_are_the_agents_own() {
        let strange = OsString::from_vec(b"WATCHBELL_\xff".to_vec());
        let names = [
            "PATH",
            "WATCHBELL_STATE_DIR",
            "WATCHBELL_ADMIN_TOKEN",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_SERVICE_NAME",
            "MY_OTEL_HEADERS",
        ];
        let names = names.map(OsString::from).into_iter().chain([strange.clone()]);
        let own = [
            "WATCHBELL_ADMIN_TOKEN".into(),
            "OTEL_EXPORTER_OTLP_HEADERS".into(),
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS".into(),
            strange,
        ];
        assert_eq!(*OwnVariables::among(names).0, own);
    }
}
