//! Promises about the source itself: who may import whom, which crate is named where, and what stands nowhere.
//! `ARCHITECTURE.md` says why; the tables are here. Each rule is tried on a bad snippet as well: a check that cannot
//! fail is worth nothing.

use std::path::Path;

use crate::support::{
    expect,
    source::{self, Source},
};

/// Each module, and what it may import: a module, or one part of it.
pub const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("time", &[]),
    ("shutdown", &[]),
    ("outward", &[]),
    // Templates are tried when they are read, on all that a message can say: that is pure, and needs no more than `model`.
    ("settings", &["model", "notify::services", "notify::template"]),
    ("plan", &["model", "settings"]),
    ("telemetry", &["model", "outward", "time"]),
    ("docker", &["model"]),
    ("history", &["model", "telemetry::report", "time::Clock"]),
    ("watch", &["docker", "model", "settings", "telemetry", "time"]),
    ("run", &["docker", "history::installation", "history::keeper", "model", "plan", "telemetry", "time"]),
    // Who reaps orphans has to know each child of the agent, so there is one way to start a process beside it.
    (
        "notify",
        &[
            "history::keeper",
            "history::outbox",
            "history::query",
            "model",
            "outward",
            "run::own_variables",
            "run::reap",
            "telemetry::report",
            "time::Alarm",
            "time::Clock",
        ],
    ),
    (
        "agent",
        &[
            "docker::client",
            "history::keeper",
            "history::outbox",
            "model",
            "plan",
            "run::halt",
            "run::kept",
            "run::leftovers",
            "run::order",
            "run::takeover",
            "run::unit",
            "settings",
            "shutdown::Stage",
            "telemetry::report",
            "telemetry::legs",
            "time::Alarm",
            "time::Clock",
        ],
    ),
    (
        "http",
        &[
            "agent::event::Refused",
            "agent::handle",
            "agent::making",
            "docker::endpoints",
            "docker::probe",
            "history::keeper",
            "history::live",
            "history::query",
            "history::store::StoreError",
            "model",
            "notify::board",
            "notify::handle",
            "notify::message",
            "plan::Entry",
            "settings::access",
            "settings::explain",
            "settings::made",
            "settings::resolve::Sources",
            "settings::resolve::View",
            "telemetry",
            "time::Clock",
        ],
    ),
    (
        "cli",
        &[
            "docker",
            "history::query",
            "history::store::StoreError",
            "http",
            "model",
            "outward",
            "settings",
            "telemetry",
            "time",
            "watch::file",
            "watch::identity",
        ],
    ),
    (
        "app",
        &[
            "agent",
            "docker",
            "history",
            "http",
            "model",
            "notify",
            "outward::http",
            "run",
            "settings",
            "shutdown",
            "telemetry",
            "time",
            "watch",
        ],
    ),
    (
        "main",
        &[
            "app",
            "cli",
            "model::gather",
            "outward::http",
            "run::ending",
            "run::own_variables",
            "run::user",
            "settings",
            "telemetry",
            "time",
            "watch::file",
        ],
    ),
    ("lib", &[]),
];

/// Parts of modules that are as pure as `model` and import nothing but it and each other, so that also a module before their
/// own may import them.
const PARTS: &[&str] = &["notify::message", "notify::request", "notify::services", "notify::template"];

/// What decides is told the time and what there is; it neither waits nor talks.
const PURE: &[&str] = &[
    "src/model/",
    "src/settings/",
    "src/notify/message",
    "src/notify/request",
    "src/notify/services",
    "src/notify/template",
    "src/plan.rs",
    "src/agent/state.rs",
    "src/agent/state/",
    "src/agent/timetable.rs",
    "src/agent/event.rs",
    "src/agent/gap.rs",
    "src/agent/keep.rs",
    "src/agent/line.rs",
    "src/agent/dependencies.rs",
    "src/agent/notices.rs",
    "src/agent/notices/",
    "src/agent/operator.rs",
    "src/agent/reconcile.rs",
    "src/agent/records.rs",
    "src/agent/takeover.rs",
    "src/run/adoption.rs",
    "src/agent/admission.rs",
];
const PURE_NOT: &[&str] = &["tokio", "std::fs", "std::net", "std::process", "std::env", "futures"];

/// Crates that stand at one border, and the place that may name them.
const BORDERS: &[(&str, &[&str])] = &[
    ("bollard", &["src/docker/"]),
    ("axum", &["src/http/"]),
    ("utoipa", &["src/http/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("clap_complete", &["src/cli/completions.rs"]),
    ("croner", &["src/model/schedule/shapes.rs"]),
    ("argon2", &["src/model/password.rs"]),
    ("subtle", &["src/model/secret.rs"]),
    ("rusqlite", &["src/history/"]),
    ("lz4_flex", &["src/history/", "src/http/api.rs"]),
    ("serde_ini", &["src/settings/ini/lines.rs"]),
    ("minijinja", &["src/notify/template"]),
    ("granit_parser", &["src/settings/compose/yaml.rs"]),
    ("tracing_subscriber", &["src/telemetry/", "src/main.rs"]),
    ("nix", &["src/run/", "src/app.rs", "src/time.rs"]),
    ("opentelemetry", &["src/telemetry/metrics/"]),
    ("opentelemetry_prometheus", &["src/telemetry/metrics/"]),
    ("opentelemetry_sdk", &["src/telemetry/metrics/"]),
    ("prometheus", &["src/telemetry/metrics/"]),
];

/// What stands nowhere outside tests, and why.
const NOWHERE: &[(&str, &str)] = &[
    ("todo!", "unfinished"),
    ("unimplemented!", "unfinished"),
    ("dbg!", "left over"),
    (".unwrap()", "a panic takes every job along: give the error a name"),
    (".expect(", "a panic takes every job along: give the error a name"),
    ("tokio::spawn", "every task belongs to a JoinSet"),
    ("task::spawn(", "every task belongs to a JoinSet"),
    ("println!", "it panics when the reader has gone: src/cli/print.rs writes"),
    ("print!(", "it panics when the reader has gone: src/cli/print.rs writes"),
];

/// Where one of those may stand all the same.
const EXCEPT: &[(&str, &str)] = &[
    // In a constant: it is tried when the crate is compiled.
    (".unwrap()", "src/settings/global/layers.rs"),
    // It ends with the request and the answer that it carries, and whoever waits for those ends them.
    ("tokio::spawn", "src/docker/transport.rs"),
];

/// A longer file is asking to be two.
const LINES: usize = 400;

/// Files that are longer and not yet two. They may not grow further; the list may only get shorter.
const LONGER: &[(&str, usize)] = &[];

fn imports(file: &Source) -> Vec<String> {
    let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == file.module()) else {
        return vec![format!("{}: the module is not in the table", file.path)];
    };
    let is_in = |import: &str, part: &str| import == part || import.starts_with(&format!("{part}::"));
    let part = PARTS.iter().find(|part| is_of(file, part));
    let fits = |import: &str| {
        if part.is_some() {
            return is_in(import, "model") || PARTS.iter().any(|part| is_in(import, part));
        }
        let own = import == file.module() || import.starts_with(&format!("{}::", file.module()));
        own || allowed.iter().any(|it| import == *it || import.starts_with(&format!("{it}::")))
    };
    source::imports(&file.code)
        .into_iter()
        .filter(|import| !fits(import))
        .map(|import| format!("{}: imports {import}", file.path))
        .collect()
}

/// Whether a file is of this part of its module: `src/a/b.rs`, or one below `src/a/b`.
fn is_of(file: &Source, part: &str) -> bool {
    let path = format!("src/{}", part.replace("::", "/"));
    file.path.strip_prefix(&path).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn borders(file: &Source) -> Vec<String> {
    let words = source::words(&file.code);
    let named = BORDERS.iter().filter(|(name, places)| {
        words.contains(name) && !places.iter().any(|place| file.path.starts_with(place))
    });
    named.map(|(name, _)| format!("{}: names {name}", file.path)).collect()
}

fn pure(file: &Source) -> Vec<String> {
    if is_of_tests(file) || !PURE.iter().any(|place| file.path.starts_with(place)) {
        return Vec::new();
    }
    let found = PURE_NOT.iter().filter(|it| source::names(&file.code, it));
    found.map(|it| format!("{}: is pure and names {it}", file.path)).collect()
}

/// Files of tests only, which their module declares under `cfg(test)`.
fn is_of_tests(file: &Source) -> bool {
    file.path.ends_with("/tests.rs") || file.path.contains("/tests/")
}

fn nowhere(file: &Source) -> Vec<String> {
    if is_of_tests(file) {
        return Vec::new();
    }
    let excepted = |text: &str| EXCEPT.iter().any(|(it, place)| *it == text && file.path.starts_with(place));
    NOWHERE
        .iter()
        .filter(|(text, _)| file.code.contains(text) && !excepted(text))
        .map(|(text, why)| format!("{}: has {text} ({why})", file.path))
        .collect()
}

fn shape(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let limit = LONGER.iter().find(|(path, _)| *path == file.path).map_or(LINES, |(_, lines)| *lines);
    if file.lines > limit && !is_of_tests(file) {
        found.push(format!(
            "{}: has {} lines before its tests, and {limit} are enough",
            file.path, file.lines
        ));
    }
    if !file.text.starts_with("//! ") {
        found.push(format!("{}: does not open with what it is for (//! …)", file.path));
    }
    found
}

fn every_file(check: fn(&Source) -> Vec<String>) {
    let files = source::folder(expect::root(), Path::new("src"));
    assert!(files.len() > 40, "only {} files", files.len());
    let found: Vec<String> = files.iter().flat_map(check).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn modules_import_in_one_direction_only() {
    every_file(imports);
}

#[test]
fn each_outside_crate_has_one_border() {
    every_file(borders);
}

#[test]
fn what_decides_neither_waits_nor_talks() {
    every_file(pure);
}

#[test]
fn nothing_unfinished_and_nothing_that_panics_is_left() {
    every_file(nowhere);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    every_file(shape);
}

/// The direction has no circles: but for parts that import nothing which could lead back.
#[test]
fn the_table_itself_goes_in_one_direction() {
    let position = |module: &str| IMPORTS.iter().position(|(name, _)| *name == module).unwrap();
    for (module, allowed) in IMPORTS {
        for import in allowed.iter().filter(|it| !PARTS.contains(it)) {
            let import = import.split("::").next().unwrap();
            assert!(position(import) < position(module), "{module} imports {import}, which comes later");
        }
    }
}

#[test]
fn every_rule_sees_what_it_forbids() {
    let bad = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let wrong_way = bad(
        "src/settings/x.rs",
        "//! X.\nuse crate::{\n    agent::state::State,\n    model::{job::Work},\n};\n",
    );
    assert_eq!(imports(&wrong_way), ["src/settings/x.rs: imports agent::state::State"]);
    assert_eq!(imports(&bad("src/settings/x.rs", "use crate::notify::{courier, template};")).len(), 1);
    for path in ["src/notify/template.rs", "src/notify/message/x.rs"] {
        assert_eq!(imports(&bad(path, "use crate::{notify::message::Data, outward};")).len(), 1, "{path}");
        assert_eq!(imports(&bad(path, "use crate::notify::courier;")).len(), 1, "{path}");
    }
    assert_eq!(imports(&bad("src/http/x.rs", "fn f() { crate::app::run() }")).len(), 1);
    assert_eq!(imports(&bad("src/http/x.rs", "use crate::agent::{actor::Actor, handle::Handle};")).len(), 1);
    assert_eq!(imports(&bad("src/new/x.rs", "")).len(), 1, "a module that nobody placed");
    assert_eq!(borders(&bad("src/run/x.rs", "use bollard::Docker;")), ["src/run/x.rs: names bollard"]);
    assert_eq!(borders(&bad("src/docker/x.rs", "use bollard::Docker;")), Vec::<String>::new());
    assert_eq!(borders(&bad("src/cli/x.rs", "use axum::Router;")).len(), 1);
    assert_eq!(pure(&bad("src/agent/state.rs", "use tokio::time::sleep;")).len(), 1);
    assert_eq!(pure(&bad("src/plan.rs", "use std::{fs, io};")).len(), 1);
    assert_eq!(nowhere(&bad("src/x.rs", "fn f() { dbg!(1); None.unwrap(); tokio::spawn(x) }")).len(), 3);
    let in_tests = "//! X.\nfn f() {}\n#[cfg(test)]\nmod tests { fn g() { None.unwrap() } }\n";
    assert_eq!(nowhere(&bad("src/cli/x.rs", "fn f() { println!(); eprint!(\"x\") }")).len(), 2);
    assert_eq!(nowhere(&bad("src/x.rs", in_tests)), Vec::<String>::new());
    assert_eq!(nowhere(&bad("src/x.rs", "// dbg!(1)\n/// `todo!`\nfn f() {}")), Vec::<String>::new());
    assert_eq!(shape(&bad("src/x.rs", &"x\n".repeat(LINES + 1))).len(), 2);
}
