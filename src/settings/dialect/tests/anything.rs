//! Whatever is written, nothing panics, and what is taken names its label.

use proptest::prelude::*;

use super::*;

fn any_label() -> impl Strategy<Value = (String, String)> {
    let head = prop::sample::select(vec![
        "ofelia.",
        "chadburn.",
        "deck-chores.",
        "swarm.cronjob.",
        "ofelai.",
        "ofelia.job-exec.",
        "ofelia.job-run.",
        "deck-chores.options.",
        "chadburn.job-local.a.",
        "deck-chores.a.",
    ]);
    let tail = prop::sample::select(vec![
        "enabled",
        "service",
        "schedule",
        "cron",
        "interval",
        "date",
        "max",
        "env.A",
        "environment",
        "command",
        "tty",
        "user",
        "container",
        "image",
        "flags",
        "max-runtime",
        "jitter",
        "no-overlap",
        "retry-delay-ms",
        "",
    ]);
    (head, "[a-zà.]{0,3}", tail, prop_oneof![Just("true".to_owned()), "\\PC{0,20}", "[0-9*/,:. a-z-]{0,24}"])
        .prop_map(|(head, middle, tail, value)| (format!("{head}{middle}{tail}"), value))
}

proptest! {
    #[test]
    fn no_labels_make_it_panic_and_every_value_names_its_label(labels in prop::collection::vec(any_label(), 0..8)) {
        let all: Vec<Dialect> = Dialect::NAMES.iter().map(|(_, dialect)| *dialect).collect();
        let mut it = container(&[("ofelia.enabled", "true"), ("chadburn.enabled", "true")]);
        it.labels.extend(labels);
        for own in [false, true] {
            let read = read(&it, own, &all);
            for job in read.jobs.values() {
                prop_assert!(job.layer.iter().all(|(_, written)| written.origin.is_label()));
            }
        }
    }

    #[test]
    fn no_file_makes_it_panic(text in "(\\[job-(exec|run|local|x) \"?[a-z ]{0,3}\"?\\]\n|[a-z-]{0,8} ?= ?\\PC{0,12}\n|\\PC{0,20}\n){0,12}") {
        for dialect in [Dialect::Ofelia, Dialect::Chadburn] {
            ini_of(dialect, &text);
        }
    }

    #[test]
    fn no_schedule_makes_it_panic(text in "\\PC{0,40}|[0-9*/,a-z -]{0,40}") {
        go::schedule(&text);
        go::duration(&text);
        let _ = apscheduler::schedule(&text);
        for (_, dialect) in Dialect::NAMES {
            dialect.in_words(&text);
        }
    }
}
