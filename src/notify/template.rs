//! Templates: what an operator writes in place of the usual words.
//!
//! They are Jinja's. What one can ask for is [`Data`], whose fields are always there, so that a name that is not among them is
//! a mistake, and is told when the settings are read. Nothing is escaped: what the text becomes part of, the template alone
//! knows; there are filters for JSON (`json`) and HTML (`escape`).
//!
//! A template can neither read nor do anything, and is stopped when it takes too many steps, holds too much or says too much.
//! Its errors name lines and fields, and never what a field holds.

mod filters;
mod sample;

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, Template, UndefinedBehavior};
use serde_json::Value as Json;

use crate::model::diagnostic::did_you_mean;

use super::message::{Data, Message};

/// The longest result, in bytes.
pub const LIMIT: usize = 64 * 1024;

/// How much it may do: a step costs one, and so do each 64 bytes that it makes.
const FUEL: u64 = 50_000;

/// How deep loops may lead into themselves.
const DEPTH: usize = 20;

/// What a template is called in its own errors, which are not shown.
const NAME: &str = "template";

/// Whether it can be used: its syntax, its names, and that it works for a message in which everything is known.
pub fn check(text: &str) -> Result<(), String> {
    let data = serde_json::to_value(Data::sample())
        .map_err(|error| format!("no message can be made to try it with ({error}): report this as a bug"))?;
    let environment = environment();
    let template = compiled(&environment, text)?;
    // Also in branches that the message that it is tried with does not reach.
    if let Some(unknown) = unknown(&template, &data).first() {
        return Err(unknown.clone());
    }
    rendered(&template, &data).map(drop)
}

/// The names of the filters.
pub fn filter_names() -> String {
    filters::names()
}

/// What it makes of a message.
pub fn render(template: &str, message: &Message) -> Result<String, String> {
    let environment = environment();
    rendered(&compiled(&environment, template)?, &message.data)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    filters::add(&mut environment);
    environment
}

fn compiled<'a>(environment: &'a Environment<'_>, text: &'a str) -> Result<Template<'a, 'a>, String> {
    environment.template_from_named_str(NAME, text).map_err(|error| told(&error, None))
}

fn rendered(template: &Template<'_, '_>, data: &Json) -> Result<String, String> {
    let mut out = Limited(Vec::new());
    template
        .render_captured_to(filters::value(data), &mut out)
        .map_err(|error| told(&error, unknown(template, data).first()))?;
    // It is made of whole texts, and is cut nowhere.
    String::from_utf8(out.0)
        .map_err(|_| "it makes something that is no UTF-8: report this as a bug".to_owned())
}

/// Takes so much and no more.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LIMIT {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error in words of ours: the engine's own may repeat values. `unknown` is the first name that is not there.
fn told(error: &Error, unknown: Option<&String>) -> String {
    let own = std::error::Error::source(error).and_then(|it| it.downcast_ref::<filters::Wrong>());
    let detail = error.detail().unwrap_or("it cannot be read");
    let why = match error.kind() {
        // These repeat what the template says, and no value.
        ErrorKind::SyntaxError | ErrorKind::BadEscape => format!("{detail}: mend its syntax"),
        ErrorKind::UnknownFilter => format!("{detail}: there are {}", filters::names()),
        ErrorKind::UnknownTest => format!("{detail}: there are defined, undefined and none"),
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            format!("{detail}: there are no functions, use a filter, as in `run.duration_seconds | duration`")
        }
        ErrorKind::UndefinedError => match unknown {
            Some(unknown) => unknown.clone(),
            None => "it asks for something that is not there: ask whether it is, with `if`".to_owned(),
        },
        ErrorKind::OutOfFuel => {
            "it takes too many steps or makes too much text: make its loops shorter".to_owned()
        }
        ErrorKind::WriteFailure => format!("it makes more than {} KiB: say less", LIMIT / 1024),
        _ => match own {
            // What is not there is why, more often than not.
            Some(wrong) => {
                unknown.map_or_else(|| wrong.to_string(), |unknown| format!("{wrong} ({unknown})"))
            }
            None => format!("{}: look at what kind of value each name has", error.kind()),
        },
    };
    match error.line() {
        Some(line) => format!("line {line}: {why}"),
        None => why,
    }
}

/// Each name that the template asks for and that is not there, in words.
fn unknown(template: &Template<'_, '_>, data: &Json) -> Vec<String> {
    let asked: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
    asked.iter().filter_map(|path| missing(path, data)).collect()
}

/// Why there is nothing by this name, such as `run.exit_code`.
fn missing(path: &str, data: &Json) -> Option<String> {
    let mut at = data;
    let mut walked = String::new();
    for name in path.split('.') {
        let Json::Object(fields) = at else {
            let what = match at {
                Json::Null => {
                    return Some(format!(
                        "`{walked}` is not known here: ask for it with `{{% if {walked} %}}`"
                    ));
                }
                Json::String(_) => "a text",
                Json::Number(_) => "a number",
                _ => "a single value",
            };
            return Some(format!("`{walked}` is {what} and has no `{name}`: leave it away"));
        };
        let Some(next) = fields.get(name) else {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            let mend =
                did_you_mean(name, names.iter().copied()).map_or_else(String::new, |it| format!("; {it}"));
            let of = if walked.is_empty() { "there are".to_owned() } else { format!("`{walked}` has") };
            let dot = if walked.is_empty() { "" } else { "." };
            return Some(format!("there is no `{walked}{dot}{name}`: {of} {}{mend}", names.join(", ")));
        };
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(name);
        at = next;
    }
    None
}

#[cfg(test)]
mod tests;
