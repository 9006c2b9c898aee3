//! Names of ours for the jobs of tools that take any text as a name, and the same one for jobs of two kinds.
//!
//! A name that is one of ours stays, so that it does not depend on what else there is; the first of two kinds has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::name::{JobKind, check_name};

/// The longest made-up name, in characters: a kind or a number may follow it.
const LONGEST: usize = 45;

/// The names of all jobs of one source.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<(JobKind, String), String>);

impl Names {
    /// Names them all; `jobs` are in the order of the source.
    pub fn new(jobs: &[(JobKind, &str)]) -> Self {
        let mut out = Self::default();
        let mut taken = BTreeSet::new();
        for (kind, name) in jobs {
            if check_name(name).is_ok() && taken.insert((*name).to_owned()) {
                out.0.insert((*kind, (*name).to_owned()), (*name).to_owned());
            }
        }
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for (kind, name) in jobs {
            let key = (*kind, (*name).to_owned());
            if out.0.contains_key(&key) {
                continue;
            }
            let made = made(name);
            let made = if check_name(name).is_ok() { format!("{made}-{kind}") } else { made };
            let count = counts.entry(made.clone()).or_insert(1);
            let mut free = made.clone();
            while !taken.insert(free.clone()) {
                *count += 1;
                free = format!("{made}-{count}");
            }
            out.0.insert(key, free);
        }
        out
    }

    /// The name that a job with this one, of whatever kind, has here.
    pub fn of_any<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.iter().find(|((_, there), _)| there == name).map_or(name, |(_, here)| here.as_str())
    }

    /// The name of a job; its own if nobody named it.
    pub fn of<'a>(&'a self, kind: JobKind, name: &'a str) -> &'a str {
        self.0.get(&(kind, name.to_owned())).map_or(name, String::as_str)
    }
}

/// What is to be said where a job has another name here than `name`.
pub(super) fn told(name: &str, here: &str) -> Option<String> {
    let why = match check_name(name) {
        _ if name == here => return None,
        Ok(()) => "a job of another kind has this name too".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("{why}: here the job is \"{here}\""))
}

/// The text with our characters only.
fn made(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut out = String::new();
    for c in name.chars().take(LONGEST) {
        if fits(c) {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_matches(['-', '_']);
    if out.is_empty() { "job".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_has_a_name_of_its_own_and_a_good_one_stays() {
        let long = "x".repeat(70);
        let jobs = [
            (JobKind::Exec, "my job"),
            (JobKind::Exec, "my-job"),
            (JobKind::Local, "my-job"),
            (JobKind::Exec, "MariaDB backup"),
            (JobKind::Exec, "site.example"),
            (JobKind::Exec, "é"),
            (JobKind::Run, "ü"),
            (JobKind::Exec, &long),
            (JobKind::Exec, ""),
        ];
        let names = Names::new(&jobs);
        let given: Vec<&str> = jobs.iter().map(|(kind, name)| names.of(*kind, name)).collect();
        assert_eq!(
            given,
            [
                "my-job-2",
                "my-job",
                "my-job-local",
                "MariaDB-backup",
                "site-example",
                "job",
                "job-2",
                &"x".repeat(45),
                "job-3"
            ]
        );
        assert!(told("my job", "my-job-2").unwrap().ends_with("here the job is \"my-job-2\""));
        assert_eq!(told("a", "a"), None);
    }

    proptest::proptest! {
        #[test]
        fn names_are_ours_and_no_two_are_alike(names in proptest::collection::btree_set("[ab-]{0,3}|\\PC{0,70}", 0..12)) {
            let both = [JobKind::Exec, JobKind::Local];
            let jobs: Vec<(JobKind, &str)> =
                names.iter().flat_map(|name| both.map(|kind| (kind, name.as_str()))).collect();
            let made = Names::new(&jobs);
            let all: BTreeSet<&str> = jobs.iter().map(|(kind, name)| made.of(*kind, name)).collect();
            proptest::prop_assert_eq!(all.len(), jobs.len());
            proptest::prop_assert!(all.iter().all(|name| check_name(name).is_ok()), "{:?}", all);
        }
    }
}
