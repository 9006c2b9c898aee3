//! The promise that the grammar in `labels-spec.md` is that of the parser: of texts that fit each rule, that do not, and
//! that only a comment forbids, both say the same.

use std::collections::BTreeMap;

use crate::spec;
use crate::support::{abnf::Grammar, docs, example::Example};

/// What is tried of one rule.
struct Samples {
    rule: &'static str,
    /// Makes a label, key and value, of a text.
    label: fn(&str) -> (String, String),
    good: &'static [&'static str],
    bad: &'static [&'static str],
    /// What the rule takes and a comment beside it, or the tables, forbid.
    beyond: &'static [&'static str],
}

const LONG: &str = "a23456789-123456789_123456789-123456789_123456789-123456789_123";
const TOO_LONG: &str = "a23456789-123456789_123456789-123456789_123456789-123456789_1234";

/// A label of the job `a`, which is complete without it.
fn of(parameter: &str, value: impl Into<String>) -> (String, String) {
    (format!("watchbell.job-exec.a.{parameter}"), value.into())
}

fn run(parameter: &str, value: impl Into<String>) -> (String, String) {
    (format!("watchbell.job-run.r.{parameter}"), value.into())
}

/// A key; the value fits everywhere that the samples of keys lead to.
fn key(text: impl Into<String>) -> (String, String) {
    (text.into(), "/x=1".to_owned())
}

fn service(parameter: &str, value: impl Into<String>) -> (String, String) {
    (format!("watchbell.job-service-run.s.{parameter}"), value.into())
}

fn length(unit: &str) -> (String, String) {
    of("timeout", format!("5{unit}"))
}

fn schedule(text: impl Into<String>) -> (String, String) {
    of("schedule", text)
}

const fn row(
    rule: &'static str,
    label: fn(&str) -> (String, String),
    good: &'static [&'static str],
    bad: &'static [&'static str],
    beyond: &'static [&'static str],
) -> Samples {
    Samples { rule, label, good, bad, beyond }
}

const SAMPLES: &[Samples] = &[
    row(
        "label",
        |it| key(it),
        &["watchbell.job-exec.a.workdir"],
        &["watchbell.", "watchbell"],
        &["watchbell.jobs"],
    ),
    row(
        "opt-in",
        |it| (it.into(), "yes".into()),
        &["watchbell.enabled", "Watchbell.ENABLED"],
        &["watchbell.enable", "watchbel.enabled", "watchbell.enabled.x"],
        &[],
    ),
    row(
        "setting",
        |it| (it.into(), "UTC".into()),
        &["watchbell.timezone", "WATCHBELL.TimeZone"],
        &["watchbell.time zone", "watchbell.timezone.x", "watchbell."],
        &["watchbell.colour", "watchbell.allow-from-labels"],
    ),
    row(
        "job",
        |it| key(it),
        &[
            "watchbell.job-exec.a.workdir",
            "Watchbell.JOB_Exec.a.Working_Dir",
            "watchbell.job-exec.a.env-file.0",
        ],
        &[
            "watchbell.job.exec.a.workdir",
            "watchbell.job-exec.a",
            "watchbell.job-exec.a.b.workdir",
            "watchbell.job-exec.a.env.x",
        ],
        &["watchbell.job-exec.a.workdir.0"],
    ),
    row(
        "kind",
        |it| {
            (
                format!(
                    "watchbell.job-{it}.{}.workdir",
                    match it.to_ascii_lowercase().as_str() {
                        "run" => "r",
                        "exec" => "a",
                        _ => "s",
                    }
                ),
                "/x".into(),
            )
        },
        &["exec", "RUN", "service-run", "Service_Run"],
        &["exce", "service.run", "compose", ""],
        &["local"],
    ),
    row(
        "name",
        |it| (format!("watchbell.job-exec.{it}.enabled"), "no".into()),
        &["a", "A", "9lives", "db-backup_2", LONG],
        &["", "-a", "_a", "a.b", "a b", "naïve", TOO_LONG],
        &[],
    ),
    row(
        "word",
        |it| of(it, "/x"),
        &["workdir", "WORKING_DIR"],
        &["", "1workdir", "-workdir", "work dir"],
        &["colour", "workdir-"],
    ),
    row("sep", |it| key(format!("watchbell.job{it}exec.a.workdir")), &["-", "_"], &["", ".", "--", " "], &[]),
    row(
        "index",
        |it| of(&format!("env.{it}"), "A=1"),
        &["0", "7", "007", "4294967295"],
        &["", "-1", "+1", "x", "1.0"],
        &["4294967296"],
    ),
    row(
        "ALNUM",
        |it| (format!("watchbell.job-exec.{it}.enabled"), "no".into()),
        &["a", "Z", "7"],
        &["", "é", "-"],
        &[],
    ),
    row(
        "boolean",
        |it| of("enabled", it),
        &["true", "FALSE", "1", "0", "Yes", "no", "on", "OFF"],
        &["", "y", "2", "ture", "enabled"],
        &[],
    ),
    row(
        "duration",
        |it| of("timeout", it),
        &["90s", "1h30m", "1h 30m", "1 day", "250ms", "1.5h", "999999999999w"],
        &["", "90", "s", "1.h", ".5h", "1,5h", "-1s", "5M", "1H", "1month", "1y", "9999999999999s", "soon"],
        &["0s"],
    ),
    row(
        "unit",
        |it| of("timeout", format!("5{it}")),
        &["ns", "us", "ms", "s", "m", "h", "d", "w"],
        &["", "M", "S", "y", "fortnight"],
        &[],
    ),
    row(
        "long-unit",
        length,
        &["nsec", "secs", "minutes", "hr", "days", "week", "wks"],
        &["", "Hour", "month", "years"],
        &[],
    ),
    row("small-unit", length, &["nsec", "nanos", "usec", "msec", "millis"], &["", "NS", "micros"], &[]),
    row("seconds", length, &["sec", "secs", "second", "seconds"], &["", "Seconds", "secon"], &[]),
    row("minutes", length, &["min", "mins", "minute", "minutes"], &["", "MIN", "minu"], &[]),
    row("hours", length, &["hr", "hrs", "hour", "hours"], &["", "HOURS", "hou"], &[]),
    row(
        "map-item",
        |it| of("environment", it),
        &["A=1", "A=", "A=b=c", "a.b-c=ü"],
        &["A", "=1", "a b=1", "-a=1"],
        &[],
    ),
    row(
        "variable",
        |it| of("environment", format!("{it}=1")),
        &["A", "_x", "9a.b-c"],
        &["", "a b", ".a", "-a", "ü"],
        &[],
    ),
    row("shell", |it| of("shell", it), &["true", "no", "/bin/bash"], &["bash", "./sh", ""], &[]),
    row("absolute", |it| of("env-file", it), &["/", "/run/secrets/x", "/a b"], &["x", "./x", "~/x"], &[]),
    row(
        "volume",
        |it| run("volume", it),
        &["data:/data", "/srv:/srv:ro", "data:/data:ro,nocopy", "d.a-t_a:/x:rshared"],
        &["data", "/data", "./x:/y", "~/x:/y", "data:y", ":/y", "data:/y:rx", "../etc:/b", "a:/b:ro:z"],
        &[],
    ),
    row("path", |it| run("volume", format!("{it}:/x")), &["/", "/srv", "/a b"], &["./x", "/a:b"], &[]),
    row(
        "volume-name",
        |it| run("volume", format!("{it}:/x")),
        &["data", "9d", "a.b-c_d"],
        &["", "-a", ".a", "a b", "é"],
        &[],
    ),
    row(
        "mode",
        |it| run("volume", format!("v:/x:{it}")),
        &["ro", "rw", "z", "Z", "nocopy", "slave", "cached"],
        &["", "RO", "x"],
        &[],
    ),
    row(
        "propagation",
        |it| run("volume", format!("v:/x:{it}")),
        &["private", "rprivate", "shared", "rshared", "slave", "rslave"],
        &["", "Shared", "rrslave"],
        &[],
    ),
    row(
        "consistency",
        |it| run("volume", format!("v:/x:{it}")),
        &["cached", "delegated", "consistent"],
        &["", "Cached"],
        &[],
    ),
    row(
        "memory",
        |it| service("memory", it),
        &["512m", "1.5 GiB", "67108864", "64000kb", "7340032B"],
        &["", "m", "-1m", "64x", "64mm", "1i", "64,5m", "1e9"],
        &["512", "6143k", "99999999p"],
    ),
    row(
        "unit-of-memory",
        |it| service("memory", format!("10000000000{it}")),
        &["b", "K", "kb", "KiB", "m"],
        &["x", "ki", "mm", "byte"],
        &["p"],
    ),
    row(
        "cpus",
        |it| service("cpus", it),
        &["2", "0.5", ".25", "1."],
        &["", ".", "1.0000000001", "-1", "two"],
        &["0", "0.0001", "99999999999"],
    ),
    row("decimal", |it| service("cpus", it), &["1", "1.000000001", ".5"], &["", "1.2.3", "1,5"], &["0.0"]),
    row(
        "constraint",
        |it| service("constraint", it),
        &["node.role==worker", "node.labels.disk != slow"],
        &["x", "node.role", "node.role=worker", "==worker", "node.role=="],
        &[],
    ),
    row(
        "fact",
        |it| service("constraint", format!("{it}==x")),
        &["node.id", "Node.Hostname", "node.platform.os", "node.labels.a-b", "engine.labels.x.y"],
        &["", "node", "role", "node.labels.", "node.labels.a b", "node.rolle"],
        &[],
    ),
    row(
        "label-of",
        |it| service("constraint", format!("{it}==x")),
        &["node.labels.disk", "engine.labels.x_y"],
        &["Node.labels.disk", "engine.labels.", "labels.x"],
        &[],
    ),
    row(
        "schedule",
        |it| schedule(it),
        &[
            "@daily",
            "TZ=Europe/Berlin 0 3 * * *",
            "cron_tz=UTC  @hourly",
            "TZ=UTC @every 5m",
            "0 */5 * * * *",
            "0 0 0 1 1 * 2199",
            "H * * * *",
            "@reboot",
        ],
        &["", "daily", "TZ=UTC", "ZT=UTC @daily", "@daily x", "* * * *", "0 0 0 1 1 * 2030 1"],
        &["TZ=Mars @daily", "0 0 30 2 *"],
    ),
    row(
        "zone",
        |it| of("timezone", it),
        &["UTC", "Europe/Berlin", "etc/gmt+5", "America/Port-au-Prince"],
        &["", "Europe Berlin", "+5"],
        &["Mars"],
    ),
    row(
        "shorthand",
        |it| schedule(it),
        &["@yearly", "@annually", "@monthly", "@weekly", "@Daily", "@midnight", "@HOURLY"],
        &["@dayly", "@", "hourly"],
        &[],
    ),
    row(
        "moment",
        |it| schedule(it),
        &["@startup", "@Reboot", "@triggered", "@manual", "@none"],
        &["@boot", "startup"],
        &[],
    ),
    row(
        "every",
        |it| schedule(it),
        &["@every 90s", "@Every\t1h 30m"],
        &["@every", "@every 90", "@every90s", "every 1h"],
        &["@every 999ms"],
    ),
    row(
        "cron",
        |it| schedule(it),
        &["* * * * *", "0 0 * * * *", "0 0 LW JAN-MAR fri", "0 0 0 * * * *"],
        &["* * * *", "* * * * * * * *", "0 0 JAN * *", "0 0 * FRI *", "L 0 * * *"],
        &["60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8"],
    ),
    row(
        "fields",
        |it| schedule(it),
        &["* * * * *", "H H(0-3) L-2 * MON#1"],
        &["* * * *", "* * * * * *"],
        &["* * * * 2030"],
    ),
    row(
        "times",
        |it| schedule(format!("{it} 0 * * *")),
        &["*", "*/15", "1,2", "50-10", "1,5-9/2,*/30"],
        &["", "*,1", "1,,2", "1,", "*-5", "?", "JAN"],
        &["*/0", "*/61", "60"],
    ),
    row(
        "time",
        |it| schedule(format!("{it} 0 * * *")),
        &["5", "05", "00000005", "5/20", "1-5", "22-2/2", "*/15", "*/0005"],
        &["", "-5", "5-", "/5", "1-2-3", "5//2", "+5"],
        &["75"],
    ),
    row(
        "hash",
        |it| schedule(format!("{it} 0 * * *")),
        &["H", "h", "H/15", "H(0-29)", "H(0-29)/10", "H(50-10)", "H(005-10)"],
        &["HH", "H-3", "H()", "H(5)", "H(0-29", "H/", "H(0/5)", "H(*)"],
        &["H(0-90)", "H/90", "H(JAN-MAR)"],
    ),
    row(
        "value",
        |it| schedule(format!("0 0 * * H({it}-6)")),
        &["0", "005", "SUN", "fri"],
        &["", "MONDAY", "*", "1-2"],
        &["JAN", "8"],
    ),
    row(
        "days",
        |it| schedule(format!("0 0 {it} * *")),
        &["*", "?", "1,15", "L,1W", "L,LW", "*/2"],
        &["?,1", "*,L", "W"],
        &["32"],
    ),
    row(
        "day",
        |it| schedule(format!("0 0 {it} * *")),
        &["1", "L", "lw", "L-3", "L-3W", "15W", "1-5/2"],
        &["L3", "W15", "1-5W", "LL", "MON"],
        &["0", "32W"],
    ),
    row(
        "months",
        |it| schedule(format!("0 0 1 {it} *")),
        &["*", "1,JUN", "*/3", "nov-feb"],
        &["?", "JANUARY", "JAN,"],
        &["0"],
    ),
    row(
        "month",
        |it| schedule(format!("0 0 1 {it} *")),
        &["12", "jan", "OCT-MAR/2", "JAN-3", "11-FEB", "JAN/2", "H", "H(MAR-MAY)", "H(3-MAY)/2", "*/3"],
        &["JANFEB", "JAN-", "L", "JANL", "JAN#1", "JAN-MAR-MAY"],
        &["13", "H(MON-FRI)"],
    ),
    row("in-year", |it| schedule(format!("0 0 1 {it} *")), &["1", "012", "JAN"], &["", "MON", "J"], &["13"]),
    row(
        "month-name",
        |it| schedule(format!("0 0 1 {it} *")),
        &["JAN", "feb", "Mar", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        &["JA", "MON"],
        &[],
    ),
    row(
        "weekdays",
        |it| schedule(format!("0 0 * * {it}")),
        &["*", "?", "MON-FRI", "FRIL,1", "MON#1,MON#3"],
        &["*,1", "MON,"],
        &["8"],
    ),
    row(
        "weekday",
        |it| schedule(format!("0 0 * * {it}")),
        &[
            "0",
            "7",
            "sun",
            "FRI-MON",
            "MON-FRI/2",
            "7-3/2",
            "MON-5",
            "1-FRI/2",
            "MON#2",
            "5#L",
            "friL",
            "5L",
            "THU-FRI#3",
            "THU-5#L",
            "MON-FRIL",
            "1-5L",
            "FRI-MON#1",
            "H",
            "H(MON-FRI)",
            "H(1-FRI)/2",
            "*/2",
        ],
        &["L", "#2", "MON#", "LMON", "*#2", "MON/2#1", "MON-FRI/2L", "MON-L", "H#2", "HL", "MON#1-2"],
        &["MON#6", "8", "MON#0", "H(JAN-MAR)"],
    ),
    row("in-week", |it| schedule(format!("0 0 * * {it}")), &["7", "007", "SUN"], &["", "JAN", "S"], &["8"]),
    row(
        "years",
        |it| schedule(format!("0 0 0 1 1 * {it}")),
        &["*", "2199", "2198,2199", "2100-2199/5", "*/2"],
        &["2199,", "?", "H"],
        &["1900", "2300"],
    ),
    row(
        "year",
        |it| schedule(format!("0 0 0 1 1 * {it}")),
        &["2199", "2100-2199", "*/4", "2100/3", "H(2100-2199)", "h(2100-2199)/7", "002199"],
        &["2100-", "JAN", "21W", "H", "H/2", "H(2100)"],
        &["99", "2199-2100", "H(2199-2100)"],
    ),
    row(
        "day-name",
        |it| schedule(format!("0 0 * * {it}")),
        &["SUN", "mon", "Tue", "WED", "THU", "FRI", "SAT"],
        &["MONDAY", "JAN"],
        &[],
    ),
    row(
        "number",
        |it| schedule(format!("{it} 0 * * *")),
        &["0", "007", "00000005", "59"],
        &["", "-1", "+1", "x"],
        &["60"],
    ),
];

/// Whether the parser takes the label, beside the complete jobs `a`, `r` and `s` of the agent's own container.
fn takes((key, value): (String, String)) -> bool {
    let base = [
        ("watchbell.job-exec.a.schedule", "@daily"),
        ("watchbell.job-exec.a.command", "work"),
        ("watchbell.job-exec.a.container", "web"),
        ("watchbell.job-run.r.schedule", "@daily"),
        ("watchbell.job-run.r.image", "work:1"),
        ("watchbell.job-service-run.s.schedule", "@daily"),
        ("watchbell.job-service-run.s.image", "work:1"),
    ];
    let mut labels: BTreeMap<String, String> =
        base.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if let Some(name) = key.strip_prefix("watchbell.job-exec.").and_then(|it| it.strip_suffix(".enabled")) {
        // A job of its own by this name.
        for (parameter, value) in [("schedule", "@daily"), ("command", "work"), ("container", "web")] {
            labels.insert(format!("watchbell.job-exec.{name}.{parameter}"), value.to_owned());
        }
    }
    labels.insert(key, value);
    let containers = BTreeMap::from([("watchbell".to_owned(), labels)]);
    let (_, problems) = Example { containers, ..Example::default() }.read().unwrap();
    problems.is_empty()
}

#[test]
fn every_rule_of_the_grammar_takes_what_the_parser_takes() {
    let fences = docs::fences("labels-spec.md", &spec::read("labels-spec.md")).unwrap();
    let fence = fences.iter().find(|it| it.text.starts_with("label ")).unwrap();
    let (grammar, rules) = Grammar::read(&fence.text).unwrap();
    let tried: Vec<&str> = SAMPLES.iter().map(|it| it.rule).collect();
    assert_eq!(tried, rules, "each rule is tried");
    let mut failures = Vec::new();
    for it in SAMPLES {
        assert!(!it.good.is_empty() && !it.bad.is_empty(), "{}", it.rule);
        let groups = [(it.good, (true, true)), (it.bad, (false, false)), (it.beyond, (true, false))];
        for (text, wanted) in
            groups.iter().flat_map(|(texts, wanted)| texts.iter().map(move |it| (it, wanted)))
        {
            let is = (grammar.has(it.rule, text), takes((it.label)(text)));
            if is != *wanted {
                failures.push(format!("{} {text:?}: grammar and parser say {is:?}, not {wanted:?}", it.rule));
            }
        }
    }
    spec::none(&failures);
}
