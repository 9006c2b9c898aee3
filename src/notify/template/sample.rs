//! A message in which everything is known: what a template is tried with when the settings are read.

use crate::notify::message::{Data, Expected, Run, Streak, VERSION};

impl Data {
    /// One in which no field is `null`.
    pub fn sample() -> Self {
        let at = |time: &str| format!("2026-11-30T{time}Z");
        Self {
            version: VERSION,
            key: "01KB9Q4Z8T5XJ3M7N2P6R9S0VW-failure-ops".into(),
            thread: "watchbell:shop.db.backup".into(),
            cause: "failure",
            severity: "error",
            at: at("03:00:12"),
            job: Some("shop.db.backup".to_owned()),
            kind: Some("exec"),
            title: "shop.db.backup failed with exit code 3".to_owned(),
            text: "Reason: the disk is full\nBegan 2026-11-30 03:00:00 +00:00, ended 2026-11-30 03:00:12 +00:00, took 12s."
                .to_owned(),
            link: Some("https://cron.example.org/api/runs/01KB9Q4Z8T5XJ3M7N2P6R9S0VW".to_owned()),
            run: Some(Run {
                id: "01KB9Q4Z8T5XJ3M7N2P6R9S0VW".into(),
                trigger: "schedule".into(),
                occurrence: at("03:00:00"),
                started: Some(at("03:00:00.004")),
                ended: Some(at("03:00:12.1")),
                duration_seconds: Some(12.096),
                outcome: Some("failed".into()),
                exit_code: Some(3),
                reason: Some("the disk is full".to_owned()),
                container: Some("shop-db-1".to_owned()),
                attempts: 3,
                and_more: 0,
            }),
            streak: Streak {
                failures: 2,
                since: Some(at("02:00:12")),
                folded: 0,
                broken_for_seconds: Some(3600.0),
            },
            expected: Some(Expected {
                every_seconds: 93_600.0,
                last_success: Some(at("01:00:12")),
                there: true,
            }),
            usual_seconds: Some(11.5),
            output: "pg_dump: error: could not write to output file: No space left on device".to_owned(),
        }
    }
}
