//! A day as a table.

use std::{cmp::Reverse, fmt::Write, time::Duration};

use jiff::Zoned;

use super::show::{count, duration, line};

/// The most jobs in a digest.
const JOBS: usize = 50;

/// The longest name, in characters.
const NAME: usize = 60;

/// What became of one job in a day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DigestRow {
    /// The job's identity.
    pub job: String,
    /// How many runs succeeded.
    pub succeeded: u64,
    /// How many failed or could not be started.
    pub failed: u64,
    /// How many took longer than their timeout.
    pub timed_out: u64,
    /// Of how many it cannot be told how they ended.
    pub lost: u64,
    /// How many occurrences were missed.
    pub missed: u64,
    /// How many occurrences were skipped.
    pub skipped: u64,
    /// How many runs someone stopped.
    pub stopped: u64,
    /// The longest run.
    pub longest: Option<Duration>,
    /// When a run last ended badly, in the zone in which it is shown.
    pub last_failure: Option<Zoned>,
}

impl DigestRow {
    fn bad(&self) -> u64 {
        [self.timed_out, self.lost, self.missed].into_iter().fold(self.failed, u64::saturating_add)
    }

    fn runs(&self) -> u64 {
        [self.failed, self.timed_out, self.lost, self.stopped]
            .into_iter()
            .fold(self.succeeded, u64::saturating_add)
    }

    fn cells(&self) -> [String; 10] {
        let number = |number: u64| if number == 0 { "-".to_owned() } else { number.to_string() };
        let none = || "-".to_owned();
        [
            line(&self.job, NAME),
            number(self.succeeded),
            number(self.failed),
            number(self.timed_out),
            number(self.lost),
            number(self.missed),
            number(self.skipped),
            number(self.stopped),
            self.longest.map_or_else(none, duration),
            self.last_failure.as_ref().map_or_else(none, |at| at.strftime("%Y-%m-%d %H:%M").to_string()),
        ]
    }
}

const HEAD: [&str; 10] = [
    "job",
    "succeeded",
    "failed",
    "timed out",
    "lost",
    "missed",
    "skipped",
    "stopped",
    "longest",
    "last failure",
];

/// The words of a digest: what there was in all, and a table of the jobs, those with trouble first. A column in which no job
/// has anything is left out.
pub fn digest(rows: &[DigestRow]) -> String {
    if rows.is_empty() {
        return "No occurrence of any job came due.".to_owned();
    }
    let sum = |part: fn(&DigestRow) -> u64| rows.iter().map(part).fold(0, u64::saturating_add);
    let trouble = rows.iter().filter(|row| row.bad() > 0).count() as u64;
    let first = format!(
        "{}, {} succeeded; {} with trouble.",
        count(sum(DigestRow::runs), "run", "runs"),
        sum(|row| row.succeeded),
        count(trouble, "job", "jobs"),
    );
    let mut sorted: Vec<&DigestRow> = rows.iter().collect();
    sorted.sort_by_key(|row| (Reverse(row.bad()), Reverse(row.skipped), row.job.as_str()));
    let shown: Vec<[String; 10]> = sorted.iter().take(JOBS).map(|row| row.cells()).collect();
    let mut text = format!("{first}\n\n{}", table(&shown));
    if let more @ 1.. = rows.len().saturating_sub(JOBS) {
        let _ = write!(text, "\nand {more} more");
    }
    text
}

fn table(rows: &[[String; 10]]) -> String {
    let used = |column: usize| column == 0 || rows.iter().any(|row| row[column] != "-");
    let columns: Vec<(usize, usize)> = (0..HEAD.len())
        .filter(|column| used(*column))
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            (column, cells.chain([HEAD[column].len()]).max().unwrap_or_default())
        })
        .collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = columns.iter().map(|&(column, width)| match column {
            1..=7 => format!("{:>width$}", cell(column)),
            _ => format!("{:<width$}", cell(column)),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&|column| HEAD[column].to_owned());
    let lines = rows.iter().map(|row| line(&|column| row[column].clone()));
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(job: &str) -> DigestRow {
        DigestRow { job: job.to_owned(), ..DigestRow::default() }
    }

    #[test]
    fn a_day_is_a_table_with_trouble_first() {
        let rows = [
            DigestRow { succeeded: 1440, longest: Some(Duration::from_millis(2300)), ..row("shop.web.cron") },
            DigestRow { succeeded: 1, skipped: 2, ..row("a") },
            DigestRow {
                succeeded: 1,
                failed: 2,
                missed: 12,
                longest: Some(Duration::from_secs(7500)),
                last_failure: Some("2026-11-30T03:00:12+01:00[Europe/Berlin]".parse().unwrap()),
                ..row("shop.db.backup")
            },
        ];
        let wanted = "\
1444 runs, 1442 succeeded; 1 job with trouble.

job             succeeded  failed  missed  skipped  longest  last failure
shop.db.backup          1       2      12        -  2h 5m    2026-11-30 03:00
a                       1       -       -        2  -        -
shop.web.cron        1440       -       -        -  2.3s     -";
        assert_eq!(digest(&rows), wanted);
        assert_eq!(digest(&[]), "No occurrence of any job came due.");
    }

    #[test]
    fn of_many_jobs_those_with_trouble_are_shown_and_the_rest_is_counted() {
        let mut rows: Vec<DigestRow> =
            (0..1000).map(|number| DigestRow { succeeded: 1, ..row(&format!("job-{number:04}")) }).collect();
        rows[900].lost = 1;
        let text = digest(&rows);
        assert!(text.ends_with("\nand 950 more"), "{text}");
        assert!(!text.contains("last failure") && text.lines().nth(3).unwrap().starts_with("job-0900"));
        assert_eq!(text.lines().count(), 3 + 50 + 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_day_makes_it_panic_and_none_is_long(
            rows in prop::collection::vec((".{0,200}", any::<[u64; 7]>(), any::<Option<Duration>>()), 0..80),
        ) {
            let rows: Vec<DigestRow> = rows
                .into_iter()
                .map(|(job, n, longest)| DigestRow {
                    job,
                    succeeded: n[0],
                    failed: n[1],
                    timed_out: n[2],
                    lost: n[3],
                    missed: n[4],
                    skipped: n[5],
                    stopped: n[6],
                    longest,
                    last_failure: None,
                })
                .collect();
            let text = digest(&rows);
            prop_assert!(text.chars().count() < 16_000, "{}", text.chars().count());
            prop_assert!(text.lines().count() <= 54);
        }
    }
}
