//! Promises about the documentation: its tables are the code's, its examples work, and every name in it exists.
//! `UPDATE_EXPECT=1` writes the generated tables anew.

use std::{collections::BTreeSet, path::Path, process::Command as Process};

use clap::CommandFactory;
use watchbell::{
    cli::args::Cli,
    model::{
        channel::ChannelKind,
        name::{JobKind, environment_name},
    },
    notify::message::Data,
    settings::{
        channels::table::CHANNEL_PARAMS,
        dialect::{Dialect, table::Becomes},
        global::{SETTINGS, Taken},
        grants::Grant,
        params::{PARAMS, Support, find},
    },
    telemetry::{metrics::METRICS, report::EVENTS},
};

use crate::support::{
    docs::{self, Fence},
    example,
    expect::{self, root},
    source,
};
use crate::{api, endpoints, metrics, otlp, tidy};

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "labels-spec.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/notifications.md",
];

pub fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn none(failures: &[String]) {
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

// --- Tables ---------------------------------------------------------------------------------------------------------

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A default as a person reads it: what would be written is code, what is said about it is not.
fn default(text: &str) -> String {
    let said = text.contains([' ', '`', ';']) || matches!(text, "none" | "required");
    if said { text.to_owned() } else { code(text) }
}

/// The keys of another tool. Those that mean the same share a row.
fn dialect(dialect: Dialect) -> String {
    let mut rows: Vec<(Vec<String>, String, String)> = Vec::new();
    for key in dialect.keys() {
        let kinds: Vec<&str> = key.kinds.iter().map(|kind| kind.as_str()).collect();
        let name = match &kinds[..] {
            // Without a meaning it does not matter where it stands.
            _ if matches!(key.becomes, Becomes::Nothing) => code(key.name),
            [] if key.name.starts_with("options") => code(key.name),
            [] => format!("{} of the tool itself", code(key.name)),
            _ => code(key.name),
        };
        let becomes = match key.becomes {
            Becomes::Parameter(name, _) => {
                let works = |kind: &JobKind| find(name).is_some_and(|param| param.works_for(*kind));
                let yet = if key.kinds.iter().any(works) { "" } else { ", not yet" };
                format!("{}{yet}", code(name))
            }
            Becomes::Reader => "as it says".to_owned(),
            Becomes::Nothing => "nothing".to_owned(),
        };
        match rows
            .iter_mut()
            .find(|(_, known, doc)| *known == becomes && doc == key.doc && becomes == "nothing")
        {
            Some((names, ..)) if names.contains(&name) => {}
            Some((names, ..)) => names.push(name),
            None => rows.push((vec![name], becomes, key.doc.to_owned())),
        }
    }
    let rows = rows.into_iter().map(|(names, becomes, doc)| vec![names.join(", "), becomes, doc]);
    docs::table(&["key there", "here", "meaning"], rows)
}

/// Everything that can be typed, with its words: in place of a command that only leads to others stand those.
pub fn typed(cli: &clap::Command) -> Vec<(String, &clap::Command)> {
    let mut all = Vec::new();
    for it in cli.get_subcommands() {
        if it.has_subcommands() {
            let below = typed(it).into_iter();
            all.extend(below.map(|(name, command)| (format!("{} {name}", it.get_name()), command)));
        } else {
            all.push((it.get_name().to_owned(), it));
        }
    }
    all
}

/// The commands with what they take that has no dashes before it.
fn commands_table() -> String {
    let cli = watchbell::cli::args::command();
    let rows = typed(&cli).into_iter().map(|(name, it)| {
        let names = it.get_positionals().map(|argument| {
            let name = argument.get_id().as_str().to_uppercase();
            if argument.is_required_set() { format!(" {name}") } else { format!(" [{name}]") }
        });
        let about = it.get_about().map(ToString::to_string).unwrap_or_default();
        vec![code(&format!("watchbell {name}{}", names.collect::<String>())), about]
    });
    docs::table(&["command", "what it does"], rows)
}

fn table(section: &str) -> Option<String> {
    let made = match section {
        "parameters" => docs::table(
            &["parameter", "kinds", "value", "default", "by label", "since", "meaning"],
            PARAMS.iter().filter_map(|param| {
                let kinds: Vec<&str> = JobKind::ALL
                    .into_iter()
                    .filter(|kind| param.works_for(*kind))
                    .map(JobKind::as_str)
                    .collect();
                let Support::Since(since) = param.support else { return None };
                let names: Vec<String> =
                    [&param.name].into_iter().chain(param.aliases).map(|it| code(it)).collect();
                let secret = if param.secret { " A secret: only its names are shown." } else { "" };
                let cells = [
                    names.join(", "),
                    kinds.join(", "),
                    param.shape.words(),
                    default(param.default),
                    param.grant.map_or("yes".to_owned(), |grant| code(&grant.to_string())),
                    since.to_owned(),
                    format!("{}{secret}", param.doc),
                ];
                (!kinds.is_empty()).then(|| cells.to_vec())
            }),
        ),
        "settings" => docs::table(
            &["setting and flag", "variable", "value", "default", "taken while it runs", "meaning"],
            SETTINGS.iter().map(|setting| {
                let file = if setting.in_file { "" } else { " Not in the file." };
                let taken = match setting.taken {
                    Taken::AlsoFromLabels => "also from its own label",
                    Taken::WhileRunning => "yes",
                    Taken::AtStart => "no",
                };
                let variable = format!("WATCHBELL_{}", environment_name(setting.name));
                vec![
                    code(&format!("--{}", setting.name)),
                    code(&variable),
                    setting.shape.to_owned(),
                    default(setting.default),
                    taken.to_owned(),
                    format!("{}{file}", setting.doc),
                ]
            }),
        ),
        "channels" => docs::table(
            &["key", "types", "value", "default", "meaning"],
            CHANNEL_PARAMS.iter().map(|it| {
                let all = it.kinds.len() == ChannelKind::NAMES.len();
                let types: Vec<&str> = it.kinds.iter().map(|kind| kind.as_str()).collect();
                let file = if it.secret {
                    format!(", {}", code(&format!("{}-file", it.name)))
                } else {
                    String::new()
                };
                vec![
                    format!("{}{file}", code(it.name)),
                    if all { "all".to_owned() } else { types.join(", ") },
                    it.shape.words(),
                    default(it.default),
                    format!("{}{}", it.doc, if it.secret { " A secret." } else { "" }),
                ]
            }),
        ),
        "grants" => docs::table(
            &["grant", "allows"],
            Grant::ALL.map(|(_, name, allows)| vec![code(name), allows.to_owned()]),
        ),
        "events" => docs::table(
            &["event", "meaning"],
            EVENTS.iter().map(|(name, meaning)| vec![code(name), (*meaning).to_owned()]),
        ),
        "endpoints" => endpoints::table(),
        "metrics" => metrics::table(),
        "export" => otlp::table(),
        "api" => api::description::table(),
        "health" => api::health::table(),
        "commands" => commands_table(),
        "imports" => docs::table(
            &["module", "may import"],
            tidy::IMPORTS.iter().filter(|(module, _)| !matches!(*module, "main" | "lib")).map(
                |(module, allowed)| {
                    let allowed: Vec<String> = allowed.iter().map(|it| code(it)).collect();
                    let none = if allowed.is_empty() { "nothing" } else { "" };
                    vec![code(module), format!("{none}{}", allowed.join(", "))]
                },
            ),
        ),
        other => dialect(Dialect::parse(other.strip_prefix("dialect-")?)?),
    };
    Some(made)
}

#[test]
fn the_generated_tables_are_those_of_the_code() {
    let mut there = BTreeSet::new();
    for name in DOCUMENTS {
        let text = read(name);
        let (wanted, sections) = docs::generate(name, &text, table).unwrap();
        there.extend(sections.into_iter().map(|section| (name, section)));
        expect::same(&root().join(name), &text, &wanted).unwrap();
    }
    let dialects = Dialect::NAMES[1..].iter().map(|(name, _)| format!("dialect-{name}"));
    let sections = [
        "parameters",
        "channels",
        "settings",
        "grants",
        "endpoints",
        "api",
        "health",
        "events",
        "metrics",
        "export",
    ]
    .map(str::to_owned);
    for section in sections.into_iter().chain(dialects) {
        assert!(there.contains(&("labels-spec.md", section.clone())), "labels-spec.md has no {section}");
    }
    for section in ["events", "commands"] {
        assert!(there.contains(&("README.md", section.to_owned())));
    }
}

// --- Examples -------------------------------------------------------------------------------------------------------

/// What may stand in a fence; nothing else would be tried.
const TAGS: [&str; 8] = ["labels", "ini", "yaml", "diagnostics", "sh", "output", "json", "text"];

fn all_fences() -> Vec<Fence> {
    DOCUMENTS.iter().flat_map(|name| docs::fences(name, &read(name)).unwrap()).collect()
}

#[test]
fn every_example_of_labels_files_and_compose_is_read_without_complaint() {
    let fences = all_fences();
    let unknown = fences.iter().filter(|fence| !TAGS.contains(&&*fence.tag));
    none(
        &unknown.map(|fence| format!("{}: nobody tries \"{}\"", fence.place, fence.tag)).collect::<Vec<_>>(),
    );
    let examples = example::examples(&fences).unwrap();
    assert!(examples.len() >= 10, "only {} examples", examples.len());
    none(&examples.iter().filter_map(|it| it.check().err()).collect::<Vec<_>>());
}

/// Whether every command of the text can be typed.
pub fn commands(place: &str, text: &str) -> Result<(), String> {
    for words in docs::commands(text) {
        for command in words.split(|word| word == "|") {
            command_exists(command).map_err(|reason| format!("{place}: {}: {reason}", command.join(" ")))?;
        }
    }
    Ok(())
}

/// Whether the command can be typed: ours are read by our own parser, and of others the ones that we know of.
fn command_exists(words: &[String]) -> Result<(), String> {
    let assigned = words.iter().take_while(|word| word.contains('=') && !word.starts_with('-')).count();
    let Some((program, arguments)) = words[assigned..].split_first() else { return Ok(()) };
    let ours =
        |word: &String| word.split(':').next().is_some_and(|it| it == "watchbell" || it == "/watchbell");
    match &**program {
        "watchbell" => example::command_line(arguments).map(drop),
        "docker" | "docker-compose" => match arguments.iter().rposition(ours) {
            Some(at) if at + 1 < arguments.len() => example::command_line(&arguments[at + 1..]).map(drop),
            _ => Ok(()),
        },
        "make" => {
            let makefile = read("Makefile");
            let there = |it: &&String| makefile.lines().any(|line| line.starts_with(&format!("{it}:")));
            let mut targets = arguments.iter().filter(|it| !it.contains('='));
            targets.find(|it| !there(it)).map_or(Ok(()), |it| Err(format!("there is no target {it}")))
        }
        "cargo" | "git" | "cd" | "set" | "systemctl" => Ok(()),
        other if other.contains('/') && root().join(other).exists() => Ok(()),
        other => Err(format!("nobody knows {other}")),
    }
}

#[test]
fn every_command_that_is_shown_can_be_typed_and_prints_what_is_shown() {
    let fences = all_fences();
    let mut failures = Vec::new();
    let mut outputs = 0;
    for (fence, after) in fences.iter().zip(fences.iter().skip(1).map(Some).chain([None])) {
        if fence.tag != "sh" {
            continue;
        }
        failures.extend(commands(&fence.place, &fence.text).err());
        if let Some(output) = after.filter(|it| it.tag == "output") {
            outputs += 1;
            let printed = run(&fence.text);
            if printed != output.text {
                failures.push(format!("{}: it prints\n{printed}", output.place));
            }
        }
    }
    assert!(outputs >= 2, "only {outputs} outputs are shown");
    none(&failures);
}

/// What the one command of the text prints, in the repository and without our environment.
fn run(text: &str) -> String {
    let commands = docs::commands(text);
    let [words] = &commands[..] else { panic!("one command: {text}") };
    assert_eq!(words[0], "watchbell");
    let output = Process::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(&words[1..])
        .env_clear()
        .current_dir(root())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn every_log_record_that_is_shown_is_one_of_ours() {
    let mut shown = 0;
    for fence in all_fences().iter().filter(|fence| fence.tag == "json") {
        for line in fence.text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let event = record["event"].as_str().unwrap_or_else(|| panic!("{}: {line}", fence.place));
            assert!(EVENTS.iter().any(|(name, _)| *name == event), "{}: {event}", fence.place);
            shown += 1;
        }
    }
    assert!(shown > 0);
}

// --- Names ----------------------------------------------------------------------------------------------------------

/// Variables of ours that are no settings.
const VARIABLES: [&str; 6] =
    ["WATCHBELL_", "WATCHBELL_JOB_", "WATCHBELL_RUN", "WATCHBELL_JOB", "WATCHBELL_URL", "WATCHBELL_TOKEN"];

/// Flags that the documents name and that are other programs'.
const FLAGS_OF_OTHERS: [&str; 7] =
    ["--rm", "--name", "--label", "--all-targets", "--locked", "--workspace", "--manifest-path"];

fn flags() -> BTreeSet<String> {
    let cli = Cli::command();
    let commands = typed(&cli);
    let arguments = commands.iter().flat_map(|(_, command)| command.get_arguments());
    let mut flags: BTreeSet<String> =
        arguments.filter_map(|it| it.get_long()).map(|it| format!("--{it}")).collect();
    flags.extend(["--help".to_owned(), "--version".to_owned()]);
    flags
}

fn unknown_names(place: &str, text: &str) -> Vec<String> {
    let variables: BTreeSet<String> =
        SETTINGS.iter().map(|it| format!("WATCHBELL_{}", environment_name(it.name))).collect();
    let heads: BTreeSet<&str> = EVENTS.iter().filter_map(|(name, _)| Some(name.split_once('.')?.0)).collect();
    let flags = flags();
    let sample = serde_json::to_value(Data::sample()).unwrap();
    let mut unknown = Vec::new();
    for word in docs::words(text) {
        let known = if word.starts_with("watchbell_") {
            METRICS.iter().any(|it| it.name == word)
        } else if word.starts_with("WATCHBELL_") {
            variables.contains(word.strip_suffix("_FILE").unwrap_or(word))
                || VARIABLES.contains(&word)
                || word.starts_with("WATCHBELL_JOB_")
                || word.starts_with("WATCHBELL_NOTIFY_")
        } else if word.starts_with("--") && word.len() > 3 && !word.starts_with("---") {
            flags.contains(word) || FLAGS_OF_OTHERS.contains(&word)
        } else if let Some((head, tail)) = word.split_once('.').filter(|(head, _)| heads.contains(head)) {
            let file = matches!(tail, "ini" | "sock" | "rs" | "txt" | "md" | "yaml");
            // A field of a message, such as `run.outcome`.
            let field = sample[head].get(tail).is_some();
            // A host of a service, such as `api.example.com`.
            let host = [".com", ".net", ".org"].iter().any(|it| tail.ends_with(it));
            file || host || field || EVENTS.iter().any(|(name, _)| *name == format!("{head}.{tail}"))
        } else {
            true
        };
        if !known {
            unknown.push(format!("{place}: {word} does not exist"));
        }
    }
    unknown
}

/// The text outside fences, but for what they hold of ours.
fn prose(text: &str) -> String {
    let parts = text.split("```").enumerate();
    parts.filter(|(index, _)| index % 2 == 0).map(|(_, part)| part).collect()
}

#[test]
fn every_setting_flag_variable_and_event_that_is_named_exists() {
    let found: Vec<String> =
        DOCUMENTS.iter().flat_map(|name| unknown_names(name, &prose(&read(name)))).collect();
    none(&found);
}

fn lost_links(place: &str, text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let lost = |target: &&str| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let folder = Path::new(place).parent().unwrap_or(Path::new(""));
        let at = if file.is_empty() { root().join(place) } else { root().join(folder).join(file) };
        let found = || std::fs::read_to_string(&at).is_ok_and(|text| docs::anchors(&text).contains(anchor));
        !target.contains("://") && !(at.exists() && (anchor.is_empty() || found()))
    };
    targets.filter(lost).map(|target| format!("{place}: {target} leads nowhere")).collect()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    none(&DOCUMENTS.iter().flat_map(|name| lost_links(name, &prose(&read(name)))).collect::<Vec<_>>());
    let bad = "[a](#there-is-none) [b](labels-spec.md#values) [c](nowhere.md)";
    assert_eq!(lost_links("README.md", bad).len(), 2);
}

#[test]
fn every_flag_and_command_is_described() {
    let text = DOCUMENTS[..2].iter().map(|name| read(name)).collect::<String>();
    let words = docs::words(&text);
    let missing: Vec<String> =
        flags().into_iter().filter(|flag| *flag != "--help" && !words.contains(&**flag)).collect();
    none(&missing);
    let cli = Cli::command();
    let missing: Vec<String> = typed(&cli)
        .into_iter()
        .map(|(name, _)| format!("`watchbell {name}"))
        .filter(|command| !text.contains(command.as_str()))
        .collect();
    none(&missing);
}

#[test]
fn every_event_of_the_code_is_in_the_table_and_the_other_way_round() {
    let mut told = BTreeSet::new();
    for file in source::folder(root(), Path::new("src/telemetry")) {
        for mark in [
            "event = \"",
            "event: \"",
            "\"event\", \"",
            "tell!(info, \"",
            "tell!(warn, \"",
            "tell!(error, \"",
        ] {
            for (at, _) in file.code.match_indices(mark) {
                told.extend(file.code[at + mark.len()..].split('"').next().map(str::to_owned));
            }
        }
    }
    // What only `debug` shows has no name of its own.
    told.remove("log");
    let table: BTreeSet<String> = EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(told, table);
}

#[test]
fn a_wrong_example_and_a_name_that_does_not_exist_are_seen() {
    let bad = "```labels\nwatchbell.enabled=true\nwatchbell.job-exec.a.shedule=x\n```\n";
    let examples = example::examples(&docs::fences("x.md", bad).unwrap()).unwrap();
    assert!(examples[0].check().unwrap_err().contains("did you mean \"schedule\"?"));
    let bad = "```yaml\nservices:\n  web:\n    labels:\n      watchbell.enabled: true\n```\n";
    let examples = example::examples(&docs::fences("x.md", bad).unwrap()).unwrap();
    assert!(examples[0].check().unwrap_err().contains("it makes no job"));
    let bad = "Set `WATCHBELL_COLOUR`, `--colour`, and wait for `job.vanished` or `watchbell_luck`; see config.ini.";
    assert_eq!(unknown_names("x.md", bad).len(), 4);
    assert!(commands("x", "watchbell dance").is_err() && commands("x", "make coffee").is_err());
    assert!(commands("x", "docker run --rm watchbell:latest daemon --colour").is_err());
}
