//! The labels of deck-chores.

use super::*;
use crate::model::job::Replica;

#[test]
fn what_is_missing_is_asked_for_in_the_tools_own_labels() {
    let (_, told) = specs(&[Dialect::DeckChores], &[("deck-chores.a.interval", "daily")]);
    assert_eq!(told, ["container web command: it is missing: add it to the job's labels on container web"]);
}

#[test]
fn deck_chores_counts_days_from_monday_and_needs_no_switch() {
    let (jobs, told) = specs(
        &[Dialect::DeckChores],
        &[
            ("deck-chores.dump.command", "sh -c \"mysqldump --all-databases > /dumps/dump\""),
            ("deck-chores.dump.interval", "daily"),
            ("deck-chores.clear-caches.command", "drush cc all"),
            ("deck-chores.clear-caches.cron", "0 3 30 0"),
            ("deck-chores.clear-caches.user", "www-data"),
            ("deck-chores.clear-caches.timezone", "Europe/Berlin"),
            ("deck-chores.clear-caches.max", "3"),
            ("deck-chores.sunday.command", "x"),
            ("deck-chores.sunday.cron", "6 1 0 0"),
            ("deck-chores.sunday.env.TOKEN", "a=b,c"),
            ("deck-chores.sunday.workdir", "/srv"),
            ("deck-chores.options.user", "app"),
            ("deck-chores.options.flags", "image,service"),
        ],
    );
    assert_eq!(
        lines(&jobs),
        [
            "exec web.clear-caches | 30 3 * * MON | drush·cc·all |  | www-data | allow",
            "exec web.dump | @every 24h | sh·-c·mysqldump --all-databases > /dumps/dump |  | app | skip",
            "exec web.sunday | 0 1 * * SUN | x |  | app | skip",
        ]
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("there is no limit of 3 here"), "{told:?}");
    let Work::Exec(exec) = &jobs[&JobId::plain("web.sunday")].work else { panic!("exec") };
    assert_eq!(exec.environment.0, [("TOKEN".to_owned(), "a=b,c".to_owned())]);
}

#[test]
fn noservice_of_deck_chores_is_a_run_in_each_replica() {
    for (flags, replica) in [("noservice,image", Replica::All), ("service", Replica::One)] {
        let labels = [
            ("deck-chores.a.command", "x"),
            ("deck-chores.a.interval", "daily"),
            ("deck-chores.options.flags", flags),
        ];
        let (jobs, told) = specs(&[Dialect::DeckChores], &labels);
        assert_eq!(told, [""; 0]);
        let Work::Exec(exec) = &jobs.values().next().unwrap().work else { panic!("exec") };
        assert_eq!(exec.replica, replica);
    }
}

#[test]
fn options_of_deck_chores_that_mean_something_else_here_are_told() {
    for (label, value, hint) in [
        ("deck-chores.options", "noimage", "noimage"),
        ("deck-chores.options.flags", "noservise", "did you mean \"noservice\"?"),
        ("deck-chores.options.flag", "image", "did you mean \"options.flags\"?"),
    ] {
        let labels = [("deck-chores.a.command", "x"), ("deck-chores.a.interval", "daily"), (label, value)];
        let (jobs, told) = specs(&[Dialect::DeckChores], &labels);
        assert_eq!((jobs.len(), told.len()), (1, 1), "{told:?}");
        assert!(told[0].contains(label) && told[0].contains(hint), "{told:?}");
    }
}

#[test]
fn two_schedules_of_one_chore_and_one_without_counterpart_cost_that_job() {
    let (jobs, told) = specs(
        &[Dialect::DeckChores],
        &[
            ("deck-chores.a.command", "x"),
            ("deck-chores.a.cron", "1 0 0"),
            ("deck-chores.a.interval", "daily"),
            ("deck-chores.b.command", "x"),
            ("deck-chores.b.cron", "12 * 1 0 0"),
            ("deck-chores.c.command", "x"),
            ("deck-chores.c.interval", "hourly"),
        ],
    );
    assert_eq!(lines(&jobs), ["exec web.c | @every 1h | x |  |  | skip"]);
    assert_eq!(told.len(), 2, "{told:?}");
}
