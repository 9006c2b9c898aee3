//! What is said and asked over HTTP, of jobs. Stable: the model can change, and these do not follow by themselves.
//!
//! Every moment is RFC 3339; those that a schedule names have the offset of its zone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Why something is not answered: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// Always `about:blank`: `status` and `detail` say it all.
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong, and the mend where there is one.
    pub detail: String,
    /// The run that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// All that is wrong with what was written, where a job is refused for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemRow>,
}

/// Which jobs are asked for.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// How many at most, from 1 to 1000; 100 unless it is said.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Those after this one: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    pub state: Option<JobState>,
    /// Only those of this kind, such as `exec`.
    pub kind: Option<String>,
    /// Only those whose name has this in it, in whatever letter case.
    pub name: Option<String>,
}

/// How a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It runs when it is due.
    Enabled,
    /// Nothing of it is due for now.
    Paused,
    /// A run of it goes on.
    Running,
    /// An occurrence of it came due and waits its turn.
    Waiting,
    /// It is listed and never due.
    Disabled,
    /// What was written makes no job; its diagnostics say why. No list has it: the problems do.
    Rejected,
}

impl JobState {
    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Disabled => "disabled",
            Self::Rejected => "rejected",
        }
    }
}

/// A page of jobs, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<JobItem>,
    /// How many there are that were asked for, on all pages.
    pub total: usize,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One job of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobItem {
    /// Its identity.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How it does.
    pub state: JobState,
    /// Why it is disabled or rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// That it is paused, whatever its state is besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// When it is due; absent where what was written makes no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleWords>,
    /// The next moment that the schedule names, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The container in which its runs go now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Where it was defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How many runs of it go on.
    pub running: usize,
    /// How many occurrences of it wait their turn.
    pub waiting: usize,
    /// The newest run that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// When it ends by itself; absent where it lasts until the job is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleWords {
    /// As it was written.
    pub text: String,
    /// In words.
    pub words: String,
    /// The zone of its clock.
    pub timezone: String,
}

/// The end of a run, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastRun {
    /// The run.
    pub run: String,
    /// How it ended.
    pub outcome: String,
    /// The exit code, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// When.
    pub ended: String,
    /// How long its command went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetails {
    /// What a list says of it.
    #[serde(flatten)]
    pub job: JobItem,
    /// The next five moments that the schedule names.
    pub upcoming: Vec<String>,
    /// The last five occurrences of the schedule that left a record, the newest first.
    pub previous: Vec<Previous>,
    /// The runs that go on or wait their turn, the oldest first.
    pub now: Vec<Now>,
    /// Every parameter of its kind.
    pub parameters: Vec<ParameterRow>,
    /// What its kept runs come to.
    pub statistics: Statistics,
    /// What is wrong with what was written of it.
    pub diagnostics: Vec<ProblemRow>,
}

/// An occurrence that left its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Previous {
    /// The moment that the schedule named.
    pub occurrence: String,
    /// The run.
    pub run: String,
    /// How it ended; absent while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Now {
    /// The run.
    pub run: String,
    /// `waiting` or `running`.
    pub phase: String,
    /// Since when: its start, or when it came due.
    pub since: String,
}

/// One parameter or setting, with where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParameterRow {
    /// Its name.
    pub name: String,
    /// What is in force; of a secret only what may be shown.
    pub value: String,
    /// Where that was written.
    pub origin: String,
    /// What is written on top, wrong, and so not in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<PlacedValue>,
    /// What lower layers say, the nearest first.
    pub hides: Vec<PlacedValue>,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedValue {
    /// The value; of a secret only what may be shown.
    pub value: String,
    /// Where it was written.
    pub origin: String,
}

/// What the kept runs of a job come to, of at most the thousand newest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Statistics {
    /// How many have ended.
    pub runs: u64,
    /// How many of them by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The median of how long their commands went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_duration_seconds: Option<f64>,
    /// How many succeeded one after the other, up to the newest. What was skipped or missed is no run here.
    pub success_streak: u64,
    /// When a run last succeeded, also where it is no longer kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemRow {
    /// `error` or `warning`.
    pub severity: String,
    /// The job that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Whether that job is not on the schedule because of it.
    pub rejects: bool,
    /// Where it was written.
    pub origin: String,
    /// The parameter, as it was written, of what someone asks for over the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong, and the mend where there is one.
    pub reason: String,
}

/// How long a job is to be paused. Without any of these it is until it is resumed.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Until this moment, RFC 3339 with an offset.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// For so long, such as `2h`.
    #[schema(pattern = "^[0-9]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#for: Option<String>,
}

/// What is sent where nothing is to be said.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NothingToSay {}

/// The run that was begun, or waits its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Begun {
    /// Its ID.
    pub run: String,
    /// The IDs of its runs in further containers, of a job with `replica=all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<String>,
}

impl Begun {
    /// All of them.
    pub fn runs(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.run).chain(&self.further)
    }
}
