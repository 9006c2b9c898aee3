//! What programs read is as it is described, and no message is without bounds.

use jsonschema::{Draft, JSONSchema};
use proptest::prelude::*;

use super::*;

fn read(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn schema() -> serde_json::Value {
    serde_json::from_str(&read("integration/notify/schemas/webhook.json")).unwrap()
}

/// Every field, such as `run.exit_code`.
fn fields(it: &serde_json::Value, before: &str, out: &mut Vec<String>) {
    for (name, value) in it.as_object().unwrap() {
        let path = format!("{before}{name}");
        if value.is_object() {
            fields(value, &format!("{path}."), out);
        }
        out.push(path);
    }
}

fn sample() -> serde_json::Value {
    serde_json::to_value(Data::sample()).unwrap()
}

#[test]
fn the_schema_is_that_of_the_data() {
    let schema = schema();
    let compiled = JSONSchema::options().with_draft(Draft::Draft202012).compile(&schema).unwrap();
    let valid = |data: &serde_json::Value| match compiled.validate(data) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.map(|error| format!("{}: {error}", error.instance_path)).collect(),
    };
    assert_eq!(valid(&sample()), [""; 0]);
    for (_, cause) in Cause::NAMES {
        for run in [None, Some(run("")), Some(run("timed-out")), Some(never_began("missed", "why"))] {
            assert_eq!(valid(&made(&notification(cause, run), &[]).data), [""; 0], "{}", cause.as_str());
        }
    }
    // Each field is required, described, and refused where its type is another.
    let mut paths = Vec::new();
    fields(&sample(), "", &mut paths);
    assert!(paths.len() >= 35);
    for path in paths {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut without = sample();
        without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        assert!(!valid(&without).is_empty(), "{path} is not required");
        let mut other = sample();
        *other.pointer_mut(&pointer).unwrap() = serde_json::json!([1]);
        assert!(!valid(&other).is_empty(), "{path} may be a list");
    }
    let mut more = sample();
    more["run"]["colour"] = "red".into();
    assert!(!valid(&more).is_empty(), "a field that is not described");
}

#[test]
fn every_field_is_described_and_no_other() {
    let text = read("docs/notifications.md");
    let (_, table) = text.split_once("| field | type | meaning |").expect("the table of fields");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut described: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let mut there = Vec::new();
    fields(&sample(), "", &mut there);
    described.sort_unstable();
    there.sort_unstable();
    assert_eq!(described, there);
    let filters = template::filter_names();
    for filter in filters.split(", ") {
        assert!(text.contains(&format!("| `{filter}` |")), "{filter} is not described");
    }
}

#[test]
fn what_a_channel_holds_is_in_no_message() {
    for (_, cause) in Cause::NAMES {
        for template in ["{{ title }}", "{{ url }}", "{{ token", "{{ output | duration }}"] {
            let made = made(&notification(cause, Some(run("failed"))), &[("template", template)]);
            assert!(!format!("{made:?}").contains("hunter2"), "{made:?}");
        }
    }
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
        .prop_map(|at| Timestamp::from_second(at).unwrap())
}

fn any_run() -> impl Strategy<Value = RunFacts> {
    let times = (any_time(), prop::option::of(any_time()), prop::option::of(any_time()));
    let texts = (
        ".{0,40}",
        prop::option::of("(.|\n){0,3000}"),
        prop::option::of(".{0,500}"),
        prop::option::of("(.|\n){0,6000}"),
    );
    let outcome =
        prop::option::of(prop_oneof![Just("failed"), Just("not-started"), Just("timed-out"), Just("x")]);
    let numbers = (any::<Option<Duration>>(), any::<Option<i64>>(), any::<u32>(), any::<u32>());
    (times, texts, outcome, numbers).prop_map(|(times, texts, outcome, numbers)| RunFacts {
        run: texts.0.clone().into(),
        trigger: texts.0.into(),
        occurrence: times.0,
        started: times.1,
        ended: times.2,
        duration: numbers.0,
        outcome: outcome.map(Into::into),
        exit_code: numbers.1,
        reason: texts.1.map(Into::into),
        container: texts.2.map(Into::into),
        attempts: numbers.2,
        and_more: numbers.3,
        tail: texts.3.map(Into::into),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_notification_makes_it_panic_and_no_message_is_long(
        cause in (0..13_usize).prop_map(|at| Cause::NAMES[at].1),
        at in any_time(),
        job in prop::option::of(".{0,400}"),
        run in prop::option::of(any_run()),
        streak in (any::<u32>(), prop::option::of(any_time()), any::<u32>()),
        expected in prop::option::of((any::<Duration>(), prop::option::of(any_time()), any::<bool>())),
        usual in any::<Option<Duration>>(),
        text in prop::option::of("(.|\n){0,20000}"),
        template in prop_oneof![Just("{{ text }}{{ output }}".to_owned()), ".{0,60}"],
    ) {
        let it = Notification {
            job: job.map(|job| JobId::plain(&job)),
            kind: None,
            at,
            streak: notification::Streak { failures: streak.0, since: streak.1, folded: streak.2 },
            expected: expected.map(|(every, last_success, there)| notification::Expected { every, last_success, there }),
            usual,
            text,
            ..notification(cause, run)
        };
        let made = made(&it, &[("template", &template)]);
        prop_assert!(!made.title.is_empty() && made.title.chars().count() <= words::TITLE_LIMIT);
        prop_assert!(made.title.lines().count() == 1);
        prop_assert!(made.text.chars().count() < 30_000);
        prop_assert!(made.tail.chars().count() <= TAIL_LIMIT);
        prop_assert!(made.facts.iter().all(|(_, value)| value.chars().count() <= 300));
        prop_assert!(!made.title.contains(char::is_control));
    }
}
