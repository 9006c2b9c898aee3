//! `WATCHBELL_NOTIFY_<NAME>_<KEY>`: of which channel and key a variable speaks.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    model::{
        diagnostic::{Diagnostic, nearest},
        name::environment_name,
        origin::Origin,
    },
    settings::{
        env,
        layer::{Text, Written},
        params::spelling,
    },
};

use super::{
    From, RawChannel, RawValue, check_channel,
    table::{self, CHANNEL_PARAMS},
};

/// What follows `WATCHBELL_` where a channel is meant.
pub const PREFIX: &str = "NOTIFY_";

/// A variable, before anyone knows which channels there are.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name and key of the channel in one, upper case.
    pub joined: String,
    /// Its value; `None` is one that could not be taken, which was told.
    pub value: Option<Arc<str>>,
    /// Whether that was read from the file that it names.
    pub from_file: bool,
    /// The place.
    pub origin: Origin,
}

/// Its value may be secret.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Reads the variable with this name, of which `joined` is what follows the prefix; `file` reads the file that
/// `…_FILE` names, and `is_set` says whether another variable is there. With a reason it is one without a value.
pub fn variable(
    name: &str,
    joined: &str,
    value: &str,
    file: &dyn Fn(&str) -> Result<String, String>,
    is_set: &dyn Fn(&str) -> bool,
) -> (Variable, Option<String>) {
    let of_file = |stem: &&str| {
        let secret = |key: &str| table::file_key(&format!("{key}-file")).is_some();
        readings(joined).is_empty() && readings(stem).iter().any(|(_, key)| secret(key))
    };
    let stem = joined.strip_suffix("_FILE").filter(of_file);
    let plain = format!("{}{PREFIX}{}", env::PREFIX, stem.unwrap_or_default());
    let read = env::check_text(value).and_then(|()| match stem {
        Some(_) if is_set(&plain) => Err(format!("it is set together with {plain}: use one of them")),
        Some(_) => file(value),
        None => Ok(value.to_owned()),
    });
    let (value, reason) = match read {
        Ok(value) => (Some(value.into()), None),
        Err(reason) => (None, Some(reason)),
    };
    let origin = Origin::Environment(name.into());
    let joined = stem.unwrap_or(joined).to_owned();
    (Variable { joined, value, from_file: stem.is_some(), origin }, reason)
}

/// Each way to part it into a name and a known key, the shortest name first.
fn readings(joined: &str) -> Vec<(&str, &'static str)> {
    let parts = joined.match_indices('_').filter(|(at, _)| *at > 0);
    parts.filter_map(|(at, _)| Some((&joined[..at], table::named(&joined[at + 1..])?))).collect()
}

/// The layer that the variables make, by the names of channels; `known` are those that files and labels have.
pub(super) fn layer<'a>(
    variables: &[Variable],
    known: impl Iterator<Item = &'a Arc<str>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<Arc<str>, RawChannel> {
    let mut names: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
    for name in known {
        let all = names.entry(environment_name(name)).or_default();
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    let mut layer = BTreeMap::new();
    for it in variables {
        match find(&it.joined, &names) {
            Ok((meant, key)) => {
                if let [first, second, ..] = &meant[..] {
                    let reason =
                        format!("it speaks of the channels {first} and {second} alike and is taken for both");
                    diagnostics.push(Diagnostic::warning(it.origin.clone(), reason));
                }
                for name in meant {
                    put(&mut layer, &name, key, it);
                }
            }
            // What could not be taken was told of.
            Err(_) if it.value.is_none() => {}
            Err(reason) => diagnostics.push(Diagnostic::error(it.origin.clone(), reason)),
        }
    }
    layer
}

fn put(layer: &mut BTreeMap<Arc<str>, RawChannel>, name: &Arc<str>, key: &'static str, it: &Variable) {
    let channel = layer.entry(name.clone()).or_insert_with(|| RawChannel::new(name, it.origin.clone()));
    let Some(value) = &it.value else {
        channel.spoiled = true;
        return;
    };
    let from = if it.from_file { From::File } else { From::Here };
    let written = Written::new(Text::One(value.clone()), it.origin.clone());
    channel.values.retain(|it| it.key != key);
    channel.values.push(RawValue { key, written, from });
}

/// The channels and the key that are meant: those that are there before one that is not, then the longest key.
fn find(
    joined: &str,
    names: &BTreeMap<String, Vec<Arc<str>>>,
) -> Result<(Vec<Arc<str>>, &'static str), String> {
    let readings = readings(joined);
    if let Some((meant, key)) = readings.iter().rev().find_map(|(name, key)| Some((names.get(*name)?, *key)))
    {
        return Ok((meant.clone(), key));
    }
    if let Some((name, key)) = readings.first() {
        let name = spelling(name);
        check_channel(&name)?;
        return Ok((vec![name.into()], key));
    }
    let of_known = names
        .keys()
        .filter_map(|name| joined.strip_prefix(&**name)?.strip_prefix('_'))
        .min_by_key(|it| it.len());
    let unknown = of_known.or_else(|| joined.split_once('_').map(|(_, key)| key)).unwrap_or(joined);
    let before = &joined[..joined.len() - unknown.len()];
    let start = format!("{}{PREFIX}", env::PREFIX);
    let keys: Vec<String> = CHANNEL_PARAMS.iter().map(|it| environment_name(it.name)).collect();
    let near =
        nearest(unknown, keys.iter().map(String::as_str)).filter(|_| !before.trim_matches('_').is_empty());
    let hint = near.map_or_else(
        || format!("write {start}<NAME>_<KEY>, such as {start}OPS_URL"),
        |key| format!("did you mean \"{start}{before}{key}\"?"),
    );
    Err(format!("it names no key of a channel, and has no effect: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(variables: &[(&str, &str)], known: &[&str]) -> (Vec<String>, Vec<String>) {
        let known: Vec<Arc<str>> = known.iter().map(|it| (*it).into()).collect();
        let file =
            |path: &str| if path == "/it" { Ok("hunter2".to_owned()) } else { Err("not found".to_owned()) };
        let is_set = |name: &str| variables.iter().any(|(it, _)| format!("WATCHBELL_NOTIFY_{it}") == name);
        let (mut read, mut told) = (Vec::new(), Vec::new());
        for (joined, value) in variables {
            let (it, reason) = variable(&format!("WATCHBELL_NOTIFY_{joined}"), joined, value, &file, &is_set);
            read.push(it);
            told.extend(reason);
        }
        let mut diagnostics = Vec::new();
        let layer = layer(&read, known.iter(), &mut diagnostics);
        told.extend(diagnostics.into_iter().map(|it| it.reason));
        let texts = layer.values().flat_map(|channel| {
            channel.values.iter().map(|it| {
                let Text::One(text) = &it.written.text else { panic!("items") };
                format!("{} {} {text}", channel.name, it.key)
            })
        });
        (texts.collect(), told)
    }

    #[test]
    fn a_variable_finds_its_channel_whatever_the_name_is_and_makes_one_that_is_not_there() {
        for (joined, known, meant) in [
            ("OPS_URL", &[][..], "ops url x"),
            ("OPS_TEAM_URL", &[], "ops-team url x"),
            ("OPS_TEAM_URL", &["ops_team"], "ops_team url x"),
            ("OPS_TEAM_URL", &["Ops-Team"], "Ops-Team url x"),
            ("X_BODY_TEMPLATE", &[], "x body-template x"),
            ("X_BODY_TEMPLATE", &["x-body"], "x-body template x"),
            ("X_CA_FILE", &[], "x ca-file x"),
            ("ON_NOTIFY_ON", &[], "on notify-on x"),
        ] {
            assert_eq!(run(&[(joined, "x")], known), (vec![meant.to_owned()], vec![]), "{joined}");
        }
        assert_eq!(run(&[("OPS_TOKEN_FILE", "/it")], &[]).0, ["ops token hunter2"]);
    }

    #[test]
    fn a_variable_that_means_nothing_says_what_was_meant() {
        for (variables, part) in [
            (&[("OPS_ULR", "hunter2")][..], "did you mean \"WATCHBELL_NOTIFY_OPS_URL\"?"),
            (&[("OPS", "hunter2")], "write WATCHBELL_NOTIFY_<NAME>_<KEY>"),
            (&[("OPS_BANANA", "hunter2")], "write WATCHBELL_NOTIFY_<NAME>_<KEY>"),
            (&[("_URL", "hunter2")], "write WATCHBELL_NOTIFY_<NAME>_<KEY>"),
            (&[("__URL", "hunter2")], "must begin with a letter"),
            (&[("OPS_TOKEN_FILE", "/hunter2")], "not found"),
        ] {
            let (values, told) = run(variables, &[]);
            assert_eq!((values.len(), told.len()), (0, 1), "{variables:?}");
            assert!(told[0].contains(part) && !told[0].contains("hunter2"), "{told:?}");
        }
        let (values, told) = run(&[("OPS_TOKEN", "x"), ("OPS_TOKEN_FILE", "/it")], &[]);
        assert_eq!((values.len(), told.len()), (1, 1));
        assert!(told[0].contains("together with WATCHBELL_NOTIFY_OPS_TOKEN: use one of them"), "{told:?}");
        let (values, told) = run(&[("A_B_URL", "x")], &["a-b", "a_b"]);
        assert_eq!((values.len(), told.len()), (2, 1), "{told:?}");
    }
}
