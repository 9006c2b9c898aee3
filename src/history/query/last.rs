//! How each job did last: what is known of it before it runs again.

use jiff::Timestamp;

use super::Reader;
use crate::{
    history::{
        schema::{duration, time},
        store::StoreError,
    },
    model::name::JobId,
};

/// How a job's last run ended, and when it last succeeded, also where that run is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEnd {
    /// The job.
    pub job: JobId,
    /// When it last succeeded.
    pub succeeded: Option<Timestamp>,
    /// When its last run ended.
    pub ended: Option<Timestamp>,
    /// How long the command of that one went on.
    pub duration: Option<std::time::Duration>,
    /// Its exit code, where it is known.
    pub exit_code: Option<i64>,
}

impl Reader {
    /// The end of the newest run of each job that was not skipped or missed, and the job's last success.
    pub fn last_ends(&self) -> Result<Vec<LastEnd>, StoreError> {
        self.ask(|connection| {
            let mut rows = connection.prepare(
                "SELECT jobs.job, jobs.succeeded, runs.ended, runs.duration, runs.exit_code FROM jobs
                 LEFT JOIN runs ON runs.run = (
                    SELECT run FROM runs WHERE runs.job = jobs.job AND ended IS NOT NULL
                        AND outcome NOT IN ('skipped', 'missed')
                    ORDER BY run DESC LIMIT 1)
                 WHERE NOT jobs.gone",
            )?;
            let rows = rows.query_map([], |row| {
                Ok(LastEnd {
                    job: JobId::plain(&row.get::<_, String>(0)?),
                    succeeded: row.get::<_, Option<i64>>(1)?.map(time),
                    ended: row.get::<_, Option<i64>>(2)?.map(time),
                    duration: row.get::<_, Option<i64>>(3)?.map(duration),
                    exit_code: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }
}
