//! What became of each job in a stretch of time.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::Reader;
use crate::history::{
    schema::{count, duration, nanos, time},
    store::StoreError,
};

/// The ends of one job's occurrences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// How many there were, by the outcome's word.
    pub outcomes: BTreeMap<String, u64>,
    /// The longest run.
    pub longest: Option<Duration>,
    /// When one last ended badly.
    pub last_bad: Option<Timestamp>,
}

impl Reader {
    /// The occurrences that ended in this time, by job, as far as they are still kept.
    pub fn ends(&self, from: Timestamp, to: Timestamp) -> Result<BTreeMap<String, Ends>, StoreError> {
        self.ask(|connection| {
            let mut rows = connection.prepare(
                "SELECT job, outcome, count(*) + sum(and_more), max(duration), max(ended) FROM runs
                 WHERE ended >= ?1 AND ended < ?2 AND outcome IS NOT NULL GROUP BY job, outcome",
            )?;
            let mut jobs: BTreeMap<String, Ends> = BTreeMap::new();
            let mut rows = rows.query((nanos(from), nanos(to)))?;
            while let Some(row) = rows.next()? {
                let ends = jobs.entry(row.get(0)?).or_default();
                let outcome: String = row.get(1)?;
                let longest = row.get::<_, Option<i64>>(3)?.map(duration);
                ends.longest = ends.longest.max(longest);
                if ["failed", "not-started", "timed-out", "lost"].contains(&&*outcome) {
                    ends.last_bad = ends.last_bad.max(Some(time(row.get(4)?)));
                }
                ends.outcomes.insert(outcome, count(row.get(2)?));
            }
            Ok(jobs)
        })
    }
}
