//! A JSON Schema (draft 2020-12) of our labels in a compose file, from the tables of parameters and
//! settings.
//!
//! It refuses what the agent refuses by name, kind and type, and leaves to the agent what a pattern cannot tell: whether
//! a schedule ever comes, or a zone exists. A text with a `$` in it passes, for what Compose puts in its place is not
//! known to an editor. Patterns are those of ECMA-262, which has no way to leave the letter case open inside of one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::model::name::{JobKind, NAME_LIMIT};

use super::{
    channels::table::CHANNEL_PARAMS,
    global::{SETTINGS, Taken},
    label::PREFIX,
    params::{PARAMS, Param, Shape},
};

/// Any text, lines included.
const ANY: &str = r"[\s\S]*";
const BOOLEANS: [&str; 8] = ["true", "false", "1", "0", "yes", "no", "on", "off"];

/// The schema of a compose file, as far as our labels go: everything else passes.
pub fn compose() -> Value {
    let mut definitions = Map::new();
    let mut entries = Map::new();
    let mut names = vec![format!("{}{}", prefix(), any_case(".enabled"))];
    let mut items = vec![format!("{}({})", any_case(&format!("{PREFIX}.enabled=")), Type::Boolean.pattern())];
    entries.insert(whole(&names[0]), definition("enabled"));
    definitions.insert("enabled".to_owned(), {
        let mut it = Type::Boolean.schema();
        it["description"] = "Opts the container in: without it none of its labels has an effect.".into();
        it
    });
    for setting in SETTINGS.iter().filter(|setting| setting.taken == Taken::AlsoFromLabels) {
        let name = format!("{}{}", prefix(), any_case(&format!(".{}", setting.name)));
        let mut it = Type::Text.schema();
        it["title"] = setting.name.into();
        it["description"] = format!("{} Only on the agent's own container.", setting.doc).into();
        definitions.insert(format!("setting-{}", setting.name), it);
        entries.insert(whole(&name), definition(&format!("setting-{}", setting.name)));
        items.push(format!("{name}={ANY}"));
        names.push(name);
    }
    channels(&mut definitions, &mut entries, &mut items, &mut names);
    for kind in JobKind::ALL {
        for param in PARAMS.iter().filter(|param| param.works_for(kind)) {
            let of = Type::of(param.shape);
            definitions.entry(param.name).or_insert_with(|| described(param, of));
            let name = key(kind, param.name);
            entries.insert(whole(&name), definition(param.name));
            items.push(format!("{name}=({})", of.pattern()));
            names.push(name.clone());
            if param.shape.is_list() {
                let indexed = format!(r"{name}\.[0-9]+");
                entries.insert(whole(&indexed), definition("item"));
                items.push(format!("{indexed}={ANY}"));
                names.push(indexed);
            }
        }
    }
    definitions.insert("item".to_owned(), {
        let mut it = Type::Text.schema();
        it["description"] = "One item of a list, in order of the number.".into();
        it
    });
    let foreign = |end: &str| json!({ "not": { "pattern": format!(r"^{}(\.|{end}$)", prefix()) } });
    let known = |patterns: &[String]| json!({ "pattern": whole(&patterns.join("|")) });
    definitions.insert(
        "map".to_owned(),
        json!({
            "type": "object",
            "patternProperties": entries,
            "propertyNames": { "anyOf": [foreign(""), known(&names)] },
        }),
    );
    definitions.insert(
        "list".to_owned(),
        json!({ "type": "array", "items": { "type": "string", "anyOf": [foreign("=|"), known(&items)] } }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Labels of watchbell in a compose file",
        "type": "object",
        "properties": {
            "services": {
                "type": ["object", "null"],
                "additionalProperties": {
                    "type": ["object", "null"],
                    "properties": {
                        "labels": { "anyOf": [
                            { "$ref": "#/$defs/map" },
                            { "$ref": "#/$defs/list" },
                            { "type": "null" },
                        ] },
                    },
                },
            },
        },
        "$defs": definitions,
    })
}

/// The labels of channels, which only the agent's own container can have. What each of them takes depends on its type.
fn channels(
    definitions: &mut Map<String, Value>,
    entries: &mut Map<String, Value>,
    items: &mut Vec<String>,
    names: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for param in CHANNEL_PARAMS.iter().filter(|it| seen.insert(it.name)) {
        let secret = CHANNEL_PARAMS.iter().any(|it| it.name == param.name && it.secret);
        let file = if secret { format!("({})?", any_case("-file")) } else { String::new() };
        let index = if param.shape.is_list() { r"(\.[0-9]+)?" } else { "" };
        let head = any_case(&format!("{PREFIX}.notify."));
        let name = format!("{head}{}{}{file}{index}", name(), any_case(&format!(".{}", param.name)));
        let mut it = Type::Text.schema();
        it["title"] = param.name.into();
        it["description"] = format!("{} Only on the agent's own container.", param.doc).into();
        definitions.insert(format!("notify-{}", param.name), it);
        entries.insert(whole(&name), definition(&format!("notify-{}", param.name)));
        items.push(format!("{name}={ANY}"));
        names.push(name);
    }
}

fn definition(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn described(param: &Param, of: Type) -> Value {
    let mut it = of.schema();
    it["title"] = param.name.into();
    it["description"] = format!("{} Default: {}.", param.doc, param.default).into();
    it
}

/// What a value looks like. All values are texts in the end; Compose makes a text of a number and a boolean.
#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Boolean,
    Duration,
    /// From this one.
    Number(u8),
    /// Bytes with their unit.
    Size,
    /// Runs, a length of time or both.
    Retention,
    Choice(&'static [&'static str]),
    Shell,
    /// Text that cannot be empty.
    Some,
    /// `NAME=VALUE`, in lines or as JSON.
    Map,
}

impl Type {
    fn of(shape: Shape) -> Self {
        match shape {
            Shape::Text | Shape::List | Shape::Channels | Shape::Causes | Shape::Names | Shape::Codes => {
                Self::Text
            }
            Shape::Boolean => Self::Boolean,
            Shape::Duration => Self::Duration,
            Shape::Number(_) => Self::Number(1),
            Shape::Count(_) => Self::Number(0),
            Shape::Size => Self::Size,
            Shape::Retention => Self::Retention,
            Shape::Choice(words) => Self::Choice(words),
            Shape::Map => Self::Map,
            Shape::Shell => Self::Shell,
            Shape::Over
            | Shape::Command
            | Shape::Schedule
            | Shape::Zone
            | Shape::Memory
            | Shape::Cpus
            | Shape::Pids => Self::Some,
        }
    }

    /// The pattern of the whole text.
    fn pattern(self) -> String {
        let words = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| any_case(word)).collect();
            words.join("|")
        };
        let is = match self {
            Self::Text => return ANY.to_owned(),
            Self::Some => r"[\s\S]*\S[\s\S]*".to_owned(),
            Self::Map => r"[\s\S]*=[\s\S]*|\s*|\s*\[\s*\]\s*".to_owned(),
            Self::Boolean => words(&BOOLEANS),
            Self::Choice(choices) => words(choices),
            Self::Duration => format!(r"{}|([0-9]+\s*[a-zA-Z]+\s*)+", any_case("none")),
            Self::Number(_) => "[0-9]+".to_owned(),
            Self::Size => r"0|[0-9]+\s*[kmgKMG]?[iI]?[bB]?".to_owned(),
            Self::Retention => {
                let part = r"\s*[0-9]+\s*[a-zA-Z][0-9a-zA-Z\s]*";
                format!("{}|{part}(,{part})?", any_case("none"))
            }
            Self::Shell => format!("/{ANY}|{}", words(&BOOLEANS)),
        };
        // Literal quotes around it are taken off, with a warning.
        format!(r#"\s*["']?({is})["']?\s*|{ANY}\${ANY}"#)
    }

    fn schema(self) -> Value {
        let pattern = whole(&self.pattern());
        match self {
            Self::Text => json!({ "type": ["string", "number", "boolean", "null"] }),
            Self::Boolean => json!({ "anyOf": [
                { "type": "boolean" },
                { "enum": [0, 1] },
                { "type": "string", "pattern": pattern },
            ] }),
            Self::Number(least) => json!({ "anyOf": [
                { "type": "integer", "minimum": least },
                { "type": "string", "pattern": pattern },
            ] }),
            Self::Size => json!({ "anyOf": [
                { "enum": [0] },
                { "type": "string", "pattern": pattern },
            ] }),
            Self::Choice(words) => json!({ "anyOf": [
                { "enum": words },
                { "type": "string", "pattern": pattern },
            ] }),
            Self::Shell => json!({ "anyOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": pattern },
            ] }),
            Self::Some | Self::Duration | Self::Retention | Self::Map => {
                json!({ "type": "string", "pattern": pattern })
            }
        }
    }
}

fn prefix() -> String {
    any_case(PREFIX)
}

/// The pattern of a name.
fn name() -> String {
    format!("[a-zA-Z0-9][a-zA-Z0-9_-]{{0,{}}}", NAME_LIMIT - 1)
}

/// The pattern of a job's label, without an index.
fn key(kind: JobKind, parameter: &str) -> String {
    let head = any_case(&format!("{PREFIX}.job-{kind}."));
    format!("{head}{}{}", name(), any_case(&format!(".{parameter}")))
}

/// The pattern of this text in any letter case, with `-` or `_`.
fn any_case(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' => out.extend(['[', c, c.to_ascii_uppercase(), ']']),
            '-' => out.push_str("[-_]"),
            '.' => out.push_str(r"\."),
            c => out.push(c),
        }
    }
    out
}

fn whole(pattern: &str) -> String {
    format!("^({pattern})$")
}
