//! What templates may say, and what is told of those that are wrong.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{model::notification::Cause, notify::message::Severity};

/// A message whose output is a secret.
fn message() -> Message {
    let mut data = serde_json::to_value(Data::sample()).unwrap();
    data["output"] = "hunter2 \"<b>\"\n".into();
    data["expected"] = Json::Null;
    let text = |name: &str| -> Arc<str> { name.into() };
    Message {
        key: text("key"),
        thread: text("thread"),
        cause: Cause::Failure,
        severity: Severity::Bad,
        at: jiff::Timestamp::UNIX_EPOCH,
        title: String::new(),
        text: String::new(),
        tail: String::new(),
        link: None,
        facts: Vec::new(),
        data,
        job: String::new(),
        run: String::new(),
        exit_code: None,
        duration: None,
    }
}

fn made(template: &str) -> Result<String, String> {
    render(template, &message())
}

#[test]
fn a_template_asks_for_what_a_message_holds() {
    for (template, wanted) in [
        ("{{ title }}", "shop.db.backup failed with exit code 3"),
        ("{% if run.exit_code == 3 %}three{% else %}other{% endif %}", "three"),
        ("{% if expected %}{{ expected.there }}{% else %}none{% endif %}", "none"),
        ("{% if run and run.attempts > 1 and 'db' in job %}{{ run.attempts }}{% endif %}", "3"),
        ("{% set it = run.container %}{{ it ~ '!' }}", "shop-db-1!"),
        ("{{ expected is none }} {{ job is defined }}", "True True"),
        ("{% for name in run %}{% if loop.first %}{{ name }}{% endif %}{% endfor %}", "and_more"),
        ("", ""),
        ("{{ none }} {{ true }} {{ true | json }}", "None True true"),
    ] {
        assert_eq!(made(template).as_deref(), Ok(wanted), "{template}");
        assert_eq!(check(template), Ok(()), "{template}");
    }
}

#[test]
fn nothing_is_quoted_unless_it_is_asked_for() {
    assert_eq!(made("{{ output }}").unwrap(), "hunter2 \"<b>\"\n");
    assert_eq!(made("{\"text\": {{ output | json }}}").unwrap(), r#"{"text": "hunter2 \"<b>\"\n"}"#);
    assert_eq!(made("{{ output | trim | escape }}").unwrap(), "hunter2 &quot;&lt;b&gt;&quot;");
    let run: Json = serde_json::from_str(&made("{{ run | json }}").unwrap()).unwrap();
    assert_eq!(run, message().data["run"]);
    assert_eq!(
        made("{{ expected | json }}{{ [1, 'a', none, true, 1.5] | json }}").unwrap(),
        r#"null[1,"a",null,true,1.5]"#
    );
}

#[test]
fn each_filter_does_what_its_name_says_and_takes_nothing_else() {
    for (template, wanted) in [
        ("{{ 7500 | duration }} {{ 0.35 | duration }} {{ -90 | duration }}", "2h 5m 350ms -1m 30s"),
        ("{{ run.duration_seconds | round }} {{ run.duration_seconds | round(1) }}", "12 12.1"),
        ("{{ job | upper }} {{ 'ÄB' | lower }} {{ ' x ' | trim }}", "SHOP.DB.BACKUP äb x"),
        ("{{ job | replace('.', '/') }} {{ 'äöü' | length }}", "shop/db/backup 3"),
        ("{{ 'äöüß' | truncate(3) }} {{ none | default('-') }} {{ 'x' | default('-') }}", "äö… - x"),
    ] {
        assert_eq!(made(template).as_deref(), Ok(wanted), "{template}");
    }
    for filter in filters::names().split(", ").filter(|it| !matches!(*it, "escape" | "default" | "json")) {
        let error = made(&format!("{{{{ true | {filter} }}}}")).unwrap_err();
        assert!(error.starts_with(&format!("line 1: {filter} takes ")), "{error}");
    }
    for wrong in [
        "{{ 1e300 | duration }}",
        "{{ output | duration }}",
        "{{ 1 | round(99) }}",
        "{{ 'x' | default }}",
        "{{ output | json(1) }}",
    ] {
        let error = made(wrong).unwrap_err();
        assert!(error.contains(" takes ") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_wrong_template_is_told_with_its_line_and_the_mend() {
    for (template, wanted) in [
        ("a\n{{ title", "line 2: unexpected end of input, expected end of variable block: mend its syntax"),
        ("{% if job %}", "line 1: unexpected end of input, expected end of block: mend its syntax"),
        ("{{ jobb }}", "there is no `jobb`: there are at, cause, expected, job, "),
        ("{{ jobb }}", "; did you mean \"job\"?"),
        (
            "{% if false %}{{ run.exitcode }}{% endif %}",
            "there is no `run.exitcode`: `run` has and_more, attempts, ",
        ),
        ("{% if false %}{{ run.exitcode }}{% endif %}", "; did you mean \"exit_code\"?"),
        ("{{ title.long }}", "`title` is a text and has no `long`: leave it away"),
        ("\n{{ job | shout }}", "line 2: filter shout is unknown: there are default, duration, json, "),
        ("{{ job is odd }}", "line 1: test odd is unknown: there are defined, undefined and none"),
        ("{{ range(3) }}", "there is no `range`: there are at, "),
        ("{{ job.upper() }}", "`job` is a text and has no `upper`: leave it away"),
        ("{% include 'x' %}", "mend its syntax"),
        ("{{ job / 2 }}", "line 1: invalid operation: look at what kind of value each name has"),
    ] {
        let error = check(template).expect_err(template);
        assert!(error.contains(wanted), "{template}: {error}");
    }
}

#[test]
fn an_error_never_says_what_the_message_holds() {
    for template in [
        "{{ output + 1 }}",
        "{{ output / 0 }}",
        "{{ -output }}",
        "{{ output | round }}",
        "{{ output.x.y }}",
        "{{ output[1][2] }}",
        "{{ output() }}",
        "{{ output.upper() }}",
        "{% for a in output %}{{ a.b.c }}{% endfor %}",
        "{{ run[output].x }}",
        "{{ output | json | duration }}",
        "{{ {'a': output} | duration }}",
        "{% set x, y, z = output %}",
        "{{ output * 99999999999 }}",
        "{{ output ** output }}",
        "{{ run(output) }}",
        "{{ output < run }}{{ output in 1 }}",
        "{{ output[::0] }}",
    ] {
        let error = made(template).expect_err(template);
        assert!(!error.contains("hunter2"), "{template}: {error}");
        assert!(error.contains(": "), "{error}");
    }
}

#[test]
fn a_template_can_neither_hang_nor_fill_the_memory() {
    let doubled = format!("{{% set x = output %}}{}{{{{ x | length }}}}", "{% set x = x ~ x %}".repeat(60));
    let loops = "{% for a in output * 1000 %}{% for b in output * 1000 %}{% endfor %}{% endfor %}";
    let squared = format!("{{% set x = 'a' * 60000 %}}{}", "{% set x = x | replace('a', 'aa') %}".repeat(40));
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    for template in [&*doubled, loops, &*squared, &format!("{{{{ {deep} }}}}"), "{{ 'x' * 10000000000 }}"] {
        assert!(made(template).is_err() && check(template).is_err(), "{template:.60}");
    }
    let long = made("{{ 'x' * 65537 }}").unwrap_err();
    assert_eq!(long, "it makes more than 64 KiB: say less");
    assert_eq!(made("{{ 'x' * 65536 }}").unwrap().len(), LIMIT);
    let told = made(loops).unwrap_err();
    assert_eq!(told, "line 1: it takes too many steps or makes too much text: make its loops shorter");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_template_makes_it_panic(
        parts in prop::collection::vec(
            prop_oneof![
                Just("{{".to_owned()), Just("}}".to_owned()), Just("{%".to_owned()), Just("%}".to_owned()),
                Just(" for a in run ".to_owned()), Just(" endfor ".to_owned()), Just(" if ".to_owned()), Just(" endif ".to_owned()),
                Just("output".to_owned()), Just("|".to_owned()), Just("json".to_owned()), Just("duration".to_owned()),
                Just("truncate(3)".to_owned()), Just(".".to_owned()), Just("-".to_owned()), Just("'a'".to_owned()), Just("1e308".to_owned()),
                Just("set x =".to_owned()), Just("#}".to_owned()), ".{0,5}",
            ],
            0..20,
        ),
    ) {
        let template = parts.concat();
        if let Err(error) = made(&template) {
            prop_assert!(!error.contains("hunter2"), "{template}: {error}");
        }
        let _ = check(&template);
    }
}
