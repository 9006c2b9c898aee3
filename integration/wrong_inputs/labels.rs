//! Wrong labels.

use super::{Case, Input, SECRET, check_all};

fn origin(label: &str) -> String {
    format!("container web (label watchbell.{label})")
}

/// One wrong label beside the good ones.
fn one(what: &'static str, label: &str, value: &str, reason: &'static str) -> Case {
    let key = format!("watchbell.{label}");
    Case::new(what, Input::labels(&[(&key, value)]), origin(label), reason)
}

/// One wrong label of a job that is right without it.
fn in_job(what: &'static str, parameter: &str, value: &str, reason: &'static str) -> Case {
    let label = format!("job-exec.x.{parameter}");
    let key = format!("watchbell.{label}");
    let labels =
        [("watchbell.job-exec.x.schedule", "@daily"), ("watchbell.job-exec.x.command", "x"), (&key, value)];
    Case::new(what, Input::labels(&labels), origin(&label), reason).job("web.x")
}

/// Mistake 35.
#[test]
fn a_label_that_nobody_knows_is_told_once_with_its_key() {
    let mut prefix = one("a prefix", "x", "", "did you mean \"watchbell.job-exec.x.schedule\"?").warning();
    prefix.input = Input::labels(&[("watchbel.job-exec.x.schedule", "@daily")]);
    prefix.origin = "container web (label watchbel.job-exec.x.schedule)".into();
    check_all([
        prefix,
        one("a label", "enabeld", "true", "did you mean \"watchbell.enabled\"?"),
        one("a part behind the opt-in", "enabled.x", "true", "takes no further part"),
        one("a setting", "log-level", "debug", "never taken from another container's label"),
        one("no parameter", "job-exec.x", "y", "<name>.<parameter>"),
        one("nothing at all", "", "y", "unknown label"),
        one("too many parts", "job-exec.x.environment.0.1", "A=1", "4 parts after the kind"),
        one("a kind", "job-exce.x.schedule", "@daily", "did you mean \"exec\"?").job("web.x"),
        one("a name", "job-exec.-x.schedule", "@daily", "must begin with a letter or a digit"),
        one("no name", "job-exec..schedule", "@daily", "the job has no name"),
        one("a name with a dot", "job-exec.a.b.schedule", "@daily", "a job's name cannot contain a dot")
            .job("web.a"),
        one("a long name", &format!("job-exec.{}.user", "x".repeat(64)), "y", "longer than 63 characters"),
        in_job("a parameter", "shedule", "@daily", "did you mean \"schedule\"?"),
        in_job("a parameter of another kind", "image", "y", "it belongs to run"),
        in_job("a file", "environment-file", SECRET, "only where the operator says so"),
    ]);
}

/// Someone else's labels are none of our business; these are meant for us.
#[test]
fn a_prefix_that_slipped_is_told_in_whatever_letters_the_rest_is_written() {
    let slip = |label: &'static str, meant: &'static str| {
        let input = Input::labels(&[(label, "true")]);
        Case::new(label, input, format!("container web (label {label})"), meant).warning()
    };
    check_all([
        slip("watchbel.Enabled", "did you mean \"watchbell.Enabled\"?"),
        slip("watchbel.enable", "did you mean \"watchbell.enable\"?"),
        slip("watchbel.Job-Exec.a.schedule", "did you mean \"watchbell.Job-Exec.a.schedule\"?"),
        slip("watchbel.exec.a.schedule", "did you mean \"watchbell.exec.a.schedule\"?"),
        slip("watchbell_enabled", "did you mean \"watchbell.enabled\"?"),
        slip("watchbell-job-exec.a.schedule", "did you mean \"watchbell.job-exec.a.schedule\"?"),
    ]);
}

#[test]
fn a_wrong_value_of_a_label_is_told_once_with_its_key() {
    let nul = format!("TOKEN={SECRET}\0");
    let in_name = format!("TOKEN\0={SECRET}");
    let yaml = format!("TOKEN: {SECRET}==");
    let lines = format!("\"TOKEN={SECRET}\"\n\"B=2\"");
    check_all([
        in_job("a NUL in a variable", "environment", &nul, "item 1 contains a NUL character"),
        in_job("a NUL in a variable's name", "environment", &in_name, "item 1 has a name with other"),
        in_job("a variable as YAML has it", "environment", &yaml, "item 1 has a name with other"),
        in_job("quotes around every line", "environment", &lines, "item 1 has a name with other"),
        in_job("a control character", "user", "root\u{1b}[2J", "control character"),
    ]);
    let secret = format!("TOKEN={SECRET}");
    let whole =
        in_job("a list as a whole and by index", "environment", "A=1", "both as a whole and with indexes");
    let mut whole = whole;
    whole.input.labels.insert("watchbell.job-exec.x.environment.0".into(), secret.clone());
    let mut twice = in_job("an index twice", "environment.1", &secret, "the same index is also given");
    twice.input.labels.insert("watchbell.job-exec.x.environment.01".into(), "A=1".into());
    let mut spelt = in_job("two spellings", "grace_period", "1s", "is also given at");
    spelt.input.labels.insert("watchbell.job-exec.x.grace-period".into(), "2s".into());
    let mut kinds = in_job("two kinds", "y", "", "defined as exec and as local");
    kinds.input.labels.remove("watchbell.job-exec.x.y");
    kinds.input.labels.insert("watchbell.job-local.x.workdir".into(), "/".into());
    kinds.origin = origin("job-local.x.workdir");
    let mut alone = one("no command", "job-exec.x.schedule", "@daily", "command: it is missing").job("web.x");
    alone.origin = "container web".into();
    check_all([
        whole,
        twice,
        spelt,
        kinds,
        alone,
        in_job("a boolean", "enabled", "maybe", "is no boolean"),
        in_job("a length", "timeout", "soon", "write for example 90s"),
        in_job("a word", "overlap", "skipp", "did you mean \"skip\"?"),
        in_job("an index that is none", "environment.first", &secret, "\"first\" is no index"),
        in_job("an index where none belongs", "user.0", "x", "takes one value and no index"),
        in_job("an item without a name", "environment.0", SECRET, "item 1 is not NAME=VALUE"),
        in_job("another container", "container", "db", "allow-from-labels=exec-other"),
        in_job("quotes", "user", "\"x\"", "literal quotes").warning(),
        in_job("a megabyte", "timeout", &"9".repeat(1 << 20), "write for example 90s"),
        in_job("a zone", "timezone", "Mars/Base", "Mars/Base"),
    ]);
}

#[test]
fn a_container_that_is_not_opted_in_is_told_once() {
    let without: &[&str] = &["web.good"];
    let mut unclear = one("an opt-in that is unclear", "enabled", "maybe", "none of this container's labels");
    unclear.input.labels.insert("watchbell.enabled".into(), "maybe".into());
    let mut missing =
        one("no opt-in", "job-exec.good.command", "work", "set watchbell.enabled=true").warning();
    missing.input.labels.remove("watchbell.enabled");
    let mut slip = one("a slip in the opt-in", "enable", "true", "did you mean \"watchbell.enabled\"?");
    slip.input.labels.remove("watchbell.enabled");
    let mut both =
        one("an opt-in that contradicts itself", "enabled", "true", "none of this container's labels");
    both.input.labels.insert("watchbell.Enabled".into(), "false".into());
    check_all([unclear, missing, slip, both].map(|case| case.without(without)));
}
