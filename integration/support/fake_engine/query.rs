//! Paths, queries and filters: what a request asks for, without any knowledge of the answer.

use std::collections::BTreeMap;

use hyper::Request;
use serde_json::Value;

/// Takes the `/vX.YY` prefix off the request's path, and names the request as `METHOD /path`.
pub fn strip_version<B>(request: &mut Request<B>) -> String {
    let path = request.uri().path();
    let stripped = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
        Some((version, rest)) if version.starts_with(|c: char| c.is_ascii_digit()) => format!("/{rest}"),
        _ => path.to_owned(),
    };
    let line = format!("{} {stripped}", request.method());
    let target = request.uri().query().map_or(stripped.clone(), |query| format!("{stripped}?{query}"));
    *request.uri_mut() = target.parse().expect("a part of a valid URI is one");
    line
}

/// Whether a `METHOD /path` line matches a pattern in which `*` stands for any one segment.
pub fn line_matches(pattern: &str, line: &str) -> bool {
    let mut wanted = pattern.split(['/', ' ']);
    let mut given = line.split(['/', ' ']);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(w), Some(g)) if w == g || w == "*" => {}
            _ => return false,
        }
    }
}

/// A query string as decoded parameters; of repeated ones the last wins.
pub fn parameters(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// Whether a parameter is set to what the Engine takes for true.
pub fn flag(parameters: &BTreeMap<String, String>, name: &str) -> bool {
    parameters.get(name).is_some_and(|value| !matches!(value.as_str(), "" | "0" | "no" | "false" | "none"))
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: Vec<u8> = bytes.by_ref().take(2).collect();
                let hex = str::from_utf8(&hex).expect("the client sends ASCII");
                u8::from_str_radix(hex, 16).expect("the client sends valid escapes")
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).expect("the client sends UTF-8")
}

/// The `filters` parameter: for each name the values of which at least one must match.
#[derive(Debug, Clone, Default)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads both forms that clients send, `{"a":["b"]}` and `{"a":{"b":true}}`; refuses names that are not `known`.
    pub fn parse(parameters: &BTreeMap<String, String>, known: &[&str]) -> Result<Self, String> {
        let Some(text) = parameters.get("filters").filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        let raw: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("invalid filter: {error}"))?;
        let mut filters = BTreeMap::new();
        for (name, values) in raw {
            if !known.contains(&name.as_str()) {
                return Err(format!("Invalid filter '{name}'"));
            }
            let values = match values {
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
                Value::Object(map) => map.into_iter().map(|(value, _)| value).collect(),
                _ => return Err(format!("invalid filter: {name}")),
            };
            filters.insert(name, values);
        }
        Ok(Self(filters))
    }

    /// The values asked for under `name`; `None` when it was not filtered by.
    pub fn values(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice).filter(|values| !values.is_empty())
    }

    /// Whether at least one value under `name` passes, or there is none.
    pub fn any(&self, name: &str, passes: impl Fn(&str) -> bool) -> bool {
        self.values(name).is_none_or(|values| values.iter().any(|value| passes(value)))
    }

    /// Whether every `label` value (`key` or `key=value`) is among `labels`.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").unwrap_or_default().iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|given| given == value),
            None => labels.contains_key(wanted),
        })
    }
}
