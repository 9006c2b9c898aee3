//! Containers of runs that are kept after their end: what says so on them, and which of them are past it.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::{job::Retention, options::Delete, run::Outcome};

/// On a container that may stay after its run: `<delete> <runs> <seconds>`, where `-` is any number. It stands on the
/// container itself, so that it holds whatever becomes of the job and of the history.
pub const KEEP_LABEL: &str = "watchbell.keep";

/// When the container of a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// What it depends on.
    pub delete: Delete,
    /// How many stay, and for how long after they were made.
    pub retention: Retention,
}

impl Keep {
    /// As it stands on a container; none where the container goes with its run.
    pub fn label(&self) -> Option<String> {
        let number = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let Self { delete, retention: Retention { runs, age } } = self;
        let (runs, age) = (number(runs.map(u64::from)), number(age.map(|it| it.as_secs())));
        (*delete != Delete::Always).then(|| format!("{} {runs} {age}", delete.as_str()))
    }

    /// What stands on a container.
    pub fn of(labels: &HashMap<String, String>) -> Option<Self> {
        let mut words = labels.get(KEEP_LABEL)?.split(' ');
        let delete = words.next()?;
        let (_, delete) = Delete::NAMES.into_iter().find(|(name, _)| *name == delete)?;
        let mut number = || match words.next()? {
            "-" => Some(None),
            text => text.parse::<u64>().ok().map(Some),
        };
        let runs = number()?.map(|it| u32::try_from(it).unwrap_or(u32::MAX));
        let age = number()?.map(Duration::from_secs);
        Some(Self { delete, retention: Retention { runs, age } })
    }
}

impl Delete {
    /// Whether the container of a run that ended so stays.
    pub fn keeps(self, outcome: &Outcome) -> bool {
        let goes_on = matches!(
            outcome,
            Outcome::TimedOut { still_running: Some(_), .. }
                | Outcome::Stopped { still_running: Some(_), .. }
        );
        // What goes on in it would go on for ever.
        !goes_on
            && match self {
                Self::Always => false,
                Self::OnSuccess => !matches!(outcome, Outcome::Succeeded { .. }),
                Self::Never => true,
            }
    }
}

/// A container that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptContainer {
    /// The Engine's ID.
    pub id: String,
    /// The job of its run.
    pub job: String,
    /// Its run's ID, by which they are in order.
    pub run: String,
    /// When it was made.
    pub made: Timestamp,
    /// What stands on it.
    pub keep: Keep,
}

/// Those that are past what the newest of their job says. The newest itself always stays.
pub fn past(mut kept: Vec<KeptContainer>, now: Timestamp) -> Vec<KeptContainer> {
    kept.sort_by(|a, b| (&a.job, &b.run).cmp(&(&b.job, &a.run)));
    let mut past = Vec::new();
    for of_job in kept.chunk_by(|a, b| a.job == b.job) {
        let Retention { runs, age } = of_job[0].keep.retention;
        let old = |it: &KeptContainer| {
            let is = Duration::try_from(now.duration_since(it.made)).unwrap_or_default();
            age.is_some_and(|age| is > age)
        };
        let most = runs.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX).max(1);
        let rest = of_job.iter().enumerate().skip(1);
        past.extend(rest.filter(|(place, it)| *place >= most || old(it)).map(|(_, it)| it.clone()));
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(runs: Option<u32>, seconds: Option<u64>) -> Keep {
        Keep { delete: Delete::Never, retention: Retention { runs, age: seconds.map(Duration::from_secs) } }
    }

    fn container(job: &str, run: u32, made: i64, keep: Keep) -> KeptContainer {
        let run = format!("{run:04}");
        let made = Timestamp::from_second(made).unwrap();
        KeptContainer { id: format!("{job}{run}"), job: job.to_owned(), run, made, keep }
    }

    fn ids(of: Vec<KeptContainer>, now: i64) -> Vec<String> {
        past(of, Timestamp::from_second(now).unwrap()).into_iter().map(|it| it.id).collect()
    }

    #[test]
    fn what_stands_on_a_container_is_read_as_it_was_written() {
        for delete in [Delete::OnSuccess, Delete::Never] {
            for (runs, age) in [(Some(5), None), (None, Some(60)), (None, None), (Some(0), Some(1))] {
                let keep = Keep { delete, ..keep(runs, age) };
                let labels = HashMap::from([(KEEP_LABEL.to_owned(), keep.label().unwrap())]);
                assert_eq!(Keep::of(&labels), Some(keep));
            }
        }
        assert_eq!(Keep { delete: Delete::Always, ..keep(None, None) }.label(), None);
        for wrong in ["", "never", "never 1", "sometimes 1 1", "never x 1"] {
            assert_eq!(
                Keep::of(&HashMap::from([(KEEP_LABEL.to_owned(), wrong.to_owned())])),
                None,
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_oldest_of_each_job_go_by_count_and_by_age_and_the_newest_never() {
        let two = keep(Some(2), None);
        let of = (1..=4).map(|run| container("a", run, 0, two)).chain([container("b", 1, 0, two)]);
        assert_eq!(ids(of.collect(), 10), ["a0002", "a0001"]);
        let minute = keep(None, Some(60));
        let of =
            vec![container("a", 1, 0, minute), container("a", 2, 50, minute), container("a", 3, 90, minute)];
        assert_eq!(ids(of.clone(), 100), ["a0001"]);
        assert_eq!(ids(of, 1000), ["a0002", "a0001"]);
        let none = keep(Some(0), None);
        assert_eq!(ids(vec![container("a", 1, 0, none), container("a", 2, 0, none)], 1), ["a0001"]);
        // What the newest says holds for the older ones too.
        assert_eq!(
            ids(vec![container("a", 1, 0, keep(None, None)), container("a", 2, 0, none)], 1),
            ["a0001"]
        );
    }

    #[test]
    fn what_could_not_be_ended_is_not_kept() {
        let still =
            |why: Option<&str>| Outcome::TimedOut { still_running: why.map(str::to_owned), waited_for: None };
        let success = Outcome::Succeeded { exit_code: Some(0) };
        let failure = Outcome::Failed { exit_code: Some(1), reason: None };
        for (delete, kept) in [
            (Delete::Always, [false, false, false, false]),
            (Delete::OnSuccess, [false, true, true, false]),
            (Delete::Never, [true, true, true, false]),
        ] {
            let of = [&success, &failure, &still(None), &still(Some("x"))].map(|it| delete.keeps(it));
            assert_eq!(of, kept, "{delete:?}");
        }
    }
}
