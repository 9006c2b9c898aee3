//! Flags and environment → the two uppermost layers of jobs.
//!
//! `--set JOB.PARAMETER=VALUE` and `WATCHBELL_JOB_<IDENTITY>_<PARAMETER>`. Both speak of jobs that are defined
//! elsewhere, so they can be matched only when the jobs are known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::gather::Gather;
use crate::model::{
    diagnostic::{Diagnostic, did_you_mean, nearest},
    name::{JobId, JobKind, environment_name},
    origin::Origin,
};

use super::{
    channels, global,
    layer::{JobLayer, Text, Written},
    params,
};

/// What every environment variable of ours begins with.
pub const PREFIX: &str = "WATCHBELL_";
/// What follows it where a job's parameter is meant.
pub const JOB: &str = "JOB_";

/// One value from `--set` or the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// What it speaks of.
    pub target: Target,
    /// The text.
    pub value: Arc<str>,
    /// The place.
    pub origin: Origin,
}

/// How an override names its job and parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `--set`: exactly.
    Exact {
        /// The job's identity.
        job: JobId,
        /// The parameter as written.
        parameter: String,
    },
    /// The environment: identity and parameter in one, upper case, dots and dashes as `_`.
    Joined(String),
}

/// Reads the argument of one `--set`.
pub fn parse_set(argument: &str) -> Result<Override, String> {
    let form = "write --set JOB.PARAMETER=VALUE";
    let (left, value) = argument.split_once('=').ok_or_else(|| format!("it has no \"=\": {form}"))?;
    let (job, parameter) =
        left.rsplit_once('.').ok_or_else(|| format!("it names no parameter before the \"=\": {form}"))?;
    let job = JobId::parse(job).map_err(|error| format!("{error}: {form}"))?;
    Ok(Override {
        target: Target::Exact { job, parameter: parameter.to_owned() },
        value: value.into(),
        origin: Origin::Flag(format!("--set {left}").into()),
    })
}

/// The overrides among the environment's variables; the name without [`PREFIX`] begins with `JOB_`.
pub fn from_environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Override> {
    variables
        .into_iter()
        .filter_map(|(name, value)| {
            let joined = name.strip_prefix(PREFIX)?.strip_prefix(JOB)?;
            Some(Override {
                target: Target::Joined(joined.to_owned()),
                value: value.into(),
                origin: Origin::Environment(name.into()),
            })
        })
        .collect()
}

/// Whether a variable's value is text. What is not UTF-8 arrives with the character that stands for unknown ones.
pub fn check_text(value: &str) -> Result<(), String> {
    if value.contains('\u{fffd}') { Err("the value is not UTF-8: set it anew".to_owned()) } else { Ok(()) }
}

/// A variable whose name almost begins with [`PREFIX`] and then names something of ours.
pub fn near_miss(name: &str) -> Option<Diagnostic> {
    let (head, rest) = name.split_once('_')?;
    let ours = PREFIX.trim_end_matches('_').to_ascii_lowercase();
    let known = rest.starts_with(JOB)
        || rest.starts_with(channels::PREFIX)
        || rest == "CONFIG"
        || global::find(rest).is_some()
        || global::file_key(rest).is_some();
    nearest(head, [ours.as_str()]).filter(|_| known)?;
    Some(Diagnostic::warning(
        Origin::Environment(name.into()),
        format!("the variable is not ours and has no effect: did you mean \"{PREFIX}{rest}\"?"),
    ))
}

/// The layers that `overrides` make for the jobs in `kinds`, and what matched nothing. `complete` says that every
/// job is known: before that, a name that matches nothing may yet match.
pub fn layers(
    overrides: &[Override],
    kinds: &BTreeMap<&JobId, JobKind>,
    complete: bool,
) -> (BTreeMap<JobId, JobLayer>, Vec<Diagnostic>) {
    let mut layers: BTreeMap<JobId, JobLayer> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    if overrides.is_empty() {
        return (layers, diagnostics);
    }
    let mut names: BTreeMap<String, Vec<&JobId>> = BTreeMap::new();
    for id in kinds.keys() {
        names.entry(id.environment_name()).or_default().push(id);
    }
    for it in overrides {
        let (jobs, parameter) = match &it.target {
            Target::Exact { job, parameter } if kinds.contains_key(job) => (vec![job], parameter.clone()),
            Target::Exact { job, .. } => {
                if complete {
                    let hint = did_you_mean(job.as_str(), kinds.keys().map(|id| id.as_str()));
                    diagnostics.push(unmatched(it, &format!("there is no job \"{job}\""), hint));
                }
                continue;
            }
            Target::Joined(joined) => {
                if let Some(found) = split(joined, &names) {
                    found
                } else {
                    if complete {
                        diagnostics.push(unmatched(
                            it,
                            "it names no job and parameter that there are",
                            near(joined, &names),
                        ));
                    }
                    continue;
                }
            }
        };
        if let [first, second, ..] = jobs[..] {
            let reason = format!("it speaks of the jobs {first} and {second} alike and is taken for both");
            diagnostics.push(Diagnostic::warning(it.origin.clone(), reason));
        }
        for job in jobs {
            if let Err(reason) = check_text(&it.value) {
                diagnostics.push(Diagnostic::rejects(job, it.origin.clone(), reason));
                continue;
            }
            match params::look_up(&parameter, kinds[job]) {
                Ok(param) => {
                    let written = Written::new(Text::One(it.value.clone()), it.origin.clone());
                    let before = layers.entry(job.clone()).or_default().set(param, written);
                    // The environment goes over a flag; a flag goes over no other flag in silence.
                    if before.is_some_and(|before| same_layer(&before.origin, &it.origin)) {
                        let reason =
                            format!("\"{}\" is given more than once: this one is in force", param.name);
                        diagnostics.push(Diagnostic::warning(it.origin.clone(), reason).about(job));
                    }
                }
                Err(reason) => match it.target {
                    Target::Exact { .. } => {
                        diagnostics.push(Diagnostic::rejects(job, it.origin.clone(), reason));
                    }
                    // It may be meant for a job with a longer identity that is not there now.
                    Target::Joined(_) if complete => {
                        diagnostics.push(Diagnostic::error(it.origin.clone(), reason).about(job));
                    }
                    Target::Joined(_) => {}
                },
            }
        }
    }
    (layers, diagnostics)
}

fn same_layer(a: &Origin, b: &Origin) -> bool {
    matches!((a, b), (Origin::Flag(_), Origin::Flag(_)) | (Origin::Environment(_), Origin::Environment(_)))
}

fn unmatched(it: &Override, what: &str, hint: Option<String>) -> Diagnostic {
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    Diagnostic::error(it.origin.clone(), format!("{what}, and it has no effect{hint}"))
}

/// The jobs and the parameter that a joined name speaks of. Of several readings the one with the longest identity
/// and a known parameter is meant; a known identity with an unknown parameter comes last.
fn split<'a>(joined: &str, names: &BTreeMap<String, Vec<&'a JobId>>) -> Option<(Vec<&'a JobId>, String)> {
    let readings: Vec<_> = joined
        .match_indices('_')
        .filter_map(|(at, _)| Some((names.get(&joined[..at])?, &joined[at + 1..])))
        .collect();
    let known = readings.iter().rev().find(|(_, rest)| params::find(rest).is_some());
    known.or(readings.last()).map(|(jobs, rest)| ((*jobs).clone(), params::spelling(rest)))
}

fn near(joined: &str, names: &BTreeMap<String, Vec<&JobId>>) -> Option<String> {
    let parameters: BTreeSet<String> =
        params::PARAMS.iter().map(|param| environment_name(param.name)).collect();
    let (job, parameter) = parameters.iter().find_map(|parameter| {
        let job = joined.strip_suffix(parameter.as_str())?.strip_suffix('_')?;
        Some((job.to_ascii_lowercase(), parameter))
    })?;
    let lower: BTreeMap<String, &String> =
        names.keys().map(|name| (name.to_ascii_lowercase(), name)).into_map();
    let best = nearest(&job, lower.keys().map(String::as_str))?;
    Some(format!("did you mean \"{PREFIX}{JOB}{}_{parameter}\"?", lower[best]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(variables: &[(&str, &str)], jobs: &[&str]) -> (BTreeMap<JobId, JobLayer>, Vec<String>) {
        let ids: Vec<JobId> = jobs.iter().map(|job| JobId::plain(job)).collect();
        let kinds = ids.iter().map(|id| (id, JobKind::Exec)).collect();
        let (layers, diagnostics) = layers(&from_environment(variables.iter().copied()), &kinds, true);
        (layers, diagnostics.into_iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect())
    }

    #[test]
    fn a_variable_finds_the_job_with_the_longest_identity() {
        let (layers, diagnostics) =
            run(&[("WATCHBELL_JOB_SHOP_WEB_SYNC_GRACE_PERIOD", "5s")], &["shop.web.sync", "shop"]);
        assert_eq!(diagnostics, Vec::<String>::new());
        assert!(layers[&JobId::plain("shop.web.sync")].get("grace-period").is_some());
    }

    #[test]
    fn a_variable_that_matches_nothing_is_pointed_out() {
        let (_, diagnostics) = run(
            &[("WATCHBELL_JOB_WEB_SNYC_SCHEDULE", "@daily"), ("WATCHBELL_JOB_WEB_SYNC_SHEDULE", "@daily")],
            &["web.sync"],
        );
        assert!(
            diagnostics[0].contains("did you mean \"WATCHBELL_JOB_WEB_SYNC_SCHEDULE\"?"),
            "{diagnostics:?}"
        );
        assert!(
            diagnostics[1].contains("unknown parameter \"shedule\": did you mean \"schedule\"?"),
            "{diagnostics:?}"
        );
    }

    #[test]
    fn a_set_flag_is_split_at_the_first_equals_sign_and_the_last_dot() {
        let set = parse_set("shop.web.sync.command=echo a=b.c").unwrap();
        assert_eq!(&*set.value, "echo a=b.c");
        assert!(
            matches!(set.target, Target::Exact { job, parameter } if job.as_str() == "shop.web.sync" && parameter == "command")
        );
        assert!(parse_set("sync.command").is_err() && parse_set("command=x").is_err());
    }
}
