//! What a template can do with a value.

use std::{collections::BTreeMap, time::Duration};

use minijinja::{
    Environment, Error, ErrorKind, Value,
    value::{Rest, ValueKind},
};
use serde_json::Value as Json;

use crate::notify::message::show;

/// Why a filter does not take what it is given. It never says what that was.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(&'static str);

type Filter = fn(&[Value]) -> Result<Value, Wrong>;

/// Each by its name, in the order of the documentation. The engine's own would be larger than the rest of it.
const FILTERS: [(&str, Filter); 10] = [
    ("default", default),
    ("duration", duration),
    ("json", json),
    ("length", length),
    ("lower", |it| {
        Ok(text(it, Wrong("lower takes a text: use it as in `job | lower`"))?.to_lowercase().into())
    }),
    ("replace", replace),
    ("round", round),
    ("trim", |it| Ok(text(it, Wrong("trim takes a text: use it as in `text | trim`"))?.trim().into())),
    ("truncate", truncate),
    ("upper", |it| {
        Ok(text(it, Wrong("upper takes a text: use it as in `job | upper`"))?.to_uppercase().into())
    }),
];

/// Their names.
pub fn names() -> String {
    FILTERS.map(|(name, _)| name).into_iter().chain(["escape"]).collect::<Vec<_>>().join(", ")
}

/// Makes them known.
pub fn add(environment: &mut Environment<'_>) {
    for (name, filter) in FILTERS {
        // One closure for all: the code for each further type would be made anew.
        environment.add_filter(name, move |it: Rest<Value>| {
            filter(&it).map_err(|why| Error::new(ErrorKind::InvalidOperation, "").with_source(why))
        });
    }
}

fn text(it: &[Value], wrong: Wrong) -> Result<&str, Wrong> {
    it.first().and_then(Value::as_str).ok_or(wrong)
}

fn default(it: &[Value]) -> Result<Value, Wrong> {
    match it {
        [value, _] if !value.is_none() && !value.is_undefined() => Ok(value.clone()),
        [_, other] => Ok(other.clone()),
        _ => Err(Wrong("default takes one value: write `run.container | default(\"none\")`")),
    }
}

fn duration(it: &[Value]) -> Result<Value, Wrong> {
    let wrong = Wrong("duration takes a number of seconds: use it as in `run.duration_seconds | duration`");
    let [value] = it else { return Err(wrong) };
    let seconds = number(value).ok_or(wrong)?;
    let length = Duration::try_from_secs_f64(seconds.abs()).map_err(|_| wrong)?;
    let sign = if seconds < 0.0 { "-" } else { "" };
    Ok(format!("{sign}{}", show::duration(length)).into())
}

fn json(it: &[Value]) -> Result<Value, Wrong> {
    let [value] = it else {
        return Err(Wrong("json takes no value beside the one before it: write `title | json`"));
    };
    let json =
        back(value, 0).ok_or(Wrong("json takes what a message holds: a text, a number, or a part of it"))?;
    Ok(json.to_string().into())
}

fn length(it: &[Value]) -> Result<Value, Wrong> {
    let wrong = Wrong("length takes a text: use it as in `output | length`");
    Ok(it.first().and_then(Value::len).ok_or(wrong)?.into())
}

fn replace(it: &[Value]) -> Result<Value, Wrong> {
    let wrong = Wrong("replace takes a text and two more: use it as in `job | replace(\".\", \"/\")`");
    let [text, from, to] = it else { return Err(wrong) };
    let [Some(text), Some(from), Some(to)] = [text, from, to].map(|it| it.as_str()) else {
        return Err(wrong);
    };
    // What is made must not be able to grow without an end before it is counted.
    let grown = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if from.is_empty() || grown > super::LIMIT {
        return Err(Wrong("replace would make too long a text, or replaces nothing: replace less"));
    }
    Ok(text.replace(from, to).into())
}

fn round(it: &[Value]) -> Result<Value, Wrong> {
    let wrong =
        Wrong("round takes a number, and how many digits: use it as in `run.duration_seconds | round(1)`");
    let (value, digits) = match it {
        [value] => (value, 0),
        [value, digits] => (value, digits.as_i64().filter(|it| (0..=9).contains(it)).ok_or(wrong)?),
        _ => return Err(wrong),
    };
    let number = number(value).ok_or(wrong)?;
    let digits = usize::try_from(digits).map_err(|_| wrong)?;
    Ok(format!("{number:.digits$}").into())
}

fn truncate(it: &[Value]) -> Result<Value, Wrong> {
    let wrong = Wrong("truncate takes a text and how many characters: use it as in `output | truncate(100)`");
    let [text, limit] = it else { return Err(wrong) };
    let (Some(text), Some(limit)) = (text.as_str(), limit.as_usize()) else { return Err(wrong) };
    Ok(show::cut(text, limit).into())
}

fn number(value: &Value) -> Option<f64> {
    (value.kind() == ValueKind::Number).then(|| f64::try_from(value.clone()).ok()).flatten()
}

/// JSON as the engine's value.
pub fn value(it: &Json) -> Value {
    match it {
        Json::Null => Value::from(()),
        Json::Bool(it) => Value::from(*it),
        Json::Number(it) => match (it.as_i64(), it.as_u64()) {
            (Some(it), _) => Value::from(it),
            (None, Some(it)) => Value::from(it),
            (None, None) => Value::from(it.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(it) => Value::from(it.as_str()),
        Json::Array(it) => Value::from(it.iter().map(value).collect::<Vec<_>>()),
        Json::Object(it) => {
            Value::from(it.iter().map(|(name, it)| (name.clone(), value(it))).collect::<BTreeMap<_, _>>())
        }
    }
}

/// The engine's value as JSON; nothing where it is none, or lists lie too deep in each other.
fn back(it: &Value, depth: usize) -> Option<Json> {
    if depth > super::DEPTH {
        return None;
    }
    Some(match it.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(it.is_true()),
        ValueKind::Number if it.is_integer() => Json::from(it.as_i64()?),
        ValueKind::Number => Json::from(number(it)?),
        ValueKind::String => Json::from(it.as_str()?),
        ValueKind::Seq => {
            let items = it.try_iter().ok()?.map(|item| back(&item, depth + 1));
            Json::Array(items.collect::<Option<Vec<_>>>()?)
        }
        ValueKind::Map => {
            let names = it.try_iter().ok()?;
            let fields = names.map(|name| {
                let value = it.get_item(&name).ok()?;
                Some((name.as_str()?.to_owned(), back(&value, depth + 1)?))
            });
            Json::Object(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
