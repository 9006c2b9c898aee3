//! What is said and asked over HTTP, of runs and of the agent. As stable as [`dto`](super::dto).

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::dto::{ParameterRow, ProblemRow};

/// Which runs are asked for.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// How many at most, from 1 to 1000; 50 unless it is said.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Those before this one: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Only those of this job.
    pub job: Option<String>,
    /// Only those with this outcome, such as `failed`.
    pub outcome: Option<String>,
}

/// Which runs of one job are asked for.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// How many at most, from 1 to 1000; 50 unless it is said.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Those before this one: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Only those with this outcome, such as `failed`.
    pub outcome: Option<String>,
}

/// A page of runs, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    /// The runs.
    pub runs: Vec<RunItem>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One run of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunItem {
    /// Its ID.
    pub run: String,
    /// Its job.
    pub job: String,
    /// The job's kind.
    pub kind: String,
    /// Why it began: `schedule`, `startup`, `catch-up`, `manual` or `dependency`.
    pub trigger: String,
    /// `waiting`, `running` or `ended`.
    pub phase: String,
    /// The moment that the schedule named.
    pub occurrence: String,
    /// The moment from which it was to begin: with jitter a little later.
    pub fires: String,
    /// When it came due.
    pub admitted: String,
    /// When its command was first started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it was known how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How long its command went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The exit code, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What there is to say beyond the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The container in which, or as which, it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// How many times it was tried so far.
    pub attempts: u32,
    /// How many further occurrences its record speaks for.
    pub and_more: u32,
    /// How many bytes it printed to standard output, kept or not; 0 before it has ended.
    pub stdout_bytes: u64,
    /// The same of standard error.
    pub stderr_bytes: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDetails {
    /// What a list says of it.
    #[serde(flatten)]
    pub run: RunItem,
    /// Its attempts, in order.
    pub tries: Vec<AttemptRow>,
}

/// One attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptRow {
    /// Which, from 1.
    pub number: u32,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The exit code, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What there is to say beyond the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What of a run's output is asked for, and how.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OutputQuery {
    /// Which stream; both unless it is said: as text, standard output first.
    #[param(inline)]
    pub stream: Option<StreamChoice>,
    /// Whether what comes is told as it comes, as server-sent events.
    pub follow: Option<bool>,
    /// Whether a browser is to store it as a file rather than to show it.
    pub download: Option<bool>,
}

/// One of the streams of a run, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamChoice {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// One and the other.
    #[default]
    Both,
}

/// The data of the events `stdout` and `stderr`: something that was printed. Its bytes are `text` or, where they are no
/// UTF-8 by themselves, `base64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrintedPiece {
    /// In which attempt.
    pub attempt: u32,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// What was printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was printed, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// The data of the event `dropped`: something that was printed and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedPiece {
    /// Of which stream: `stdout` or `stderr`.
    pub stream: String,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// How many bytes it had.
    pub bytes: u64,
}

/// Everything that is wrong with what was written, and with where what happens is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemList {
    /// By job, then by place.
    pub problems: Vec<ProblemRow>,
}

/// The agent's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentConfig {
    /// The agent's version.
    pub version: String,
    /// Every setting, with where its value comes from.
    pub settings: Vec<ParameterRow>,
    /// Every channel.
    pub channels: Vec<ChannelConfig>,
    /// Those whom sections of the files let in by a token or a password; what lets them in is told nowhere.
    pub callers: Vec<CallerRow>,
    /// What is wrong with them, and with the sources as such.
    pub problems: Vec<ProblemRow>,
}

/// Where someone can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelConfig {
    /// Its name.
    pub name: String,
    /// The service, or the way.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is written.
    pub origin: String,
    /// What is written of it, with where that is; of a secret only that it is there.
    pub values: Vec<ParameterRow>,
}

/// One whom a section of the files lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallerRow {
    /// The word of the section: `token` or `user`.
    pub section: String,
    /// The name.
    pub name: String,
    /// What it may: `viewer`, `operator` or `admin`.
    pub role: String,
    /// Where the section is.
    pub origin: String,
}

/// Which audit records are asked for.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditsQuery {
    /// How many at most, from 1 to 1000; 50 unless it is said.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Those before this one: `next_cursor` of the page before.
    pub cursor: Option<i64>,
}

/// A page of audit records, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The records.
    pub audits: Vec<AuditItem>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<i64>,
}

/// One audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditItem {
    /// When it was answered.
    pub at: String,
    /// Who asked: `user` or `token` with a name, `socket` or `anyone`.
    pub caller: String,
    /// From which address; absent on the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentEvent {
    /// Its name.
    pub event: String,
    /// How far it goes, where one can go on from there.
    pub id: Option<String>,
    /// What it says, in JSON.
    pub data: String,
}
