//! What is wrong with what was written, for the person who wrote it.
//!
//! A diagnostic is about text; an operation that failed is an error and lives where the operation does.

use super::{name::JobId, origin::Origin};

/// How much a mistake costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What was written is not in force: a job is rejected, or a line or label has no effect.
    Error,
    /// It is in force, but probably not what was meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One mistake: place, reason and mend. Sorted by job, then place, so that lists are stable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The job that it concerns, if it is about one.
    pub job: Option<JobId>,
    /// Where it was written.
    pub origin: Origin,
    /// What it costs.
    pub severity: Severity,
    /// Whether the job named above is not on the schedule because of this.
    pub rejects: bool,
    /// What is wrong: a lowercase fragment, with the mend where there is one.
    pub reason: String,
}

impl Diagnostic {
    /// Something that is not in force, with no job lost.
    pub fn error(origin: Origin, reason: impl Into<String>) -> Self {
        Self { job: None, origin, severity: Severity::Error, rejects: false, reason: shorten(reason.into()) }
    }

    /// Something in force that was probably meant otherwise.
    pub fn warning(origin: Origin, reason: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, reason) }
    }

    /// A mistake that keeps `job` off the schedule.
    pub fn rejects(job: &JobId, origin: Origin, reason: impl Into<String>) -> Self {
        Self { job: Some(job.clone()), rejects: true, ..Self::error(origin, reason) }
    }

    /// The same, about `job`.
    #[must_use]
    pub fn about(mut self, job: &JobId) -> Self {
        self.job = Some(job.clone());
        self
    }
}

/// The longest reason, in bytes: it may repeat what was written, and a label can hold megabytes.
const REASON_LIMIT: usize = 1000;

fn shorten(reason: String) -> String {
    if reason.len() <= REASON_LIMIT {
        return reason;
    }
    let end: Vec<char> = reason.chars().rev().take(300).collect();
    reason.chars().take(600).chain(" … ".chars()).chain(end.into_iter().rev()).collect()
}

/// `did you mean "x"?` for the candidate nearest to `text`, if one is near enough to be a slip of the fingers.
pub fn did_you_mean<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(text, candidates).map(|best| format!("did you mean \"{best}\"?"))
}

/// The candidate nearest to `text`, if one is near enough.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&text, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            // A third of the letters may be wrong, and always one.
            *distance <= (candidate.chars().count() / 3).max(1)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_repeats_megabytes_is_told_short() {
        let long = Diagnostic::error(Origin::Default, format!("{}: mend", "é".repeat(1 << 20)));
        assert!(long.reason.len() < 2000 && long.reason.ends_with("é: mend"));
    }

    #[test]
    fn a_slip_of_the_fingers_is_recognised_and_nonsense_is_not() {
        let known = ["schedule", "command", "user", "workdir"];
        assert_eq!(nearest("schedul", known), Some("schedule"));
        assert_eq!(nearest("comand", known), Some("command"));
        assert_eq!(nearest("usre", known), Some("user"));
        assert_eq!(nearest("banana", known), None);
    }
}
