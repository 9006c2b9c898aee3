//! What a job does beyond its work: attempts, turns, and the jobs before and after it, each value with its type.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::model::{
    name::JobId,
    policy::{Backoff, DEFAULT_GROUP_WAIT, Edge, EdgeKind, Group, Policies, Retry, SuccessCodes},
};

use super::{
    layer::{JobLayer, Text},
    params::RETRIES_LIMIT,
    settle::{Settle, choice},
    value,
};

impl Settle<'_> {
    /// The policies that only some jobs have.
    pub(super) fn policies(&mut self, layer: &JobLayer) -> Policies {
        let retry = self.retry(layer);
        let codes = self.read(layer, "success-codes", success_codes);
        let name = self.read(layer, "group", |text| value::text(&value::single(text)?));
        let wait = self.read(layer, "group-wait", |text| value::wait(&value::single(text)?));
        let wait = wait.map_or(Some(DEFAULT_GROUP_WAIT), |(wait, _)| wait);
        let edges = EdgeKind::ALL.into_iter().flat_map(|kind| self.edges(layer, kind)).collect();
        Policies {
            retry,
            success_codes: codes.map(|(codes, _)| codes).unwrap_or_default(),
            group: name.map(|(name, _)| Group { name: name.into(), wait }),
            edges,
            stop_during: self.stop_during(layer),
            notify: self.notify(layer),
        }
    }

    fn retry(&mut self, layer: &JobLayer) -> Retry {
        let retries = self.read(layer, "retries", |text| value::count(&value::single(text)?, RETRIES_LIMIT));
        let mut length = |name| -> Option<Duration> {
            self.read(layer, name, |text| value::duration(&value::single(text)?)).map(|(length, _)| length)
        };
        let (delay, max_delay) = (length("retry-delay"), length("retry-max-delay"));
        let backoff = self.read(layer, "retry-backoff", |text| choice(&value::single(text)?, Backoff::NAMES));
        let unless = Retry::default();
        Retry {
            retries: retries.map_or(unless.retries, |(value, _)| value),
            delay: delay.unwrap_or(unless.delay),
            backoff: backoff.map_or(unless.backoff, |(value, _)| value),
            max_delay: max_delay.unwrap_or(unless.max_delay),
        }
    }

    fn edges(&mut self, layer: &JobLayer, kind: EdgeKind) -> Vec<Edge> {
        let Some((names, origin)) = self.read(layer, kind.as_str(), names) else { return Vec::new() };
        let edge = |name: Arc<str>| Edge { kind, name, origin: origin.clone() };
        names.into_iter().map(edge).collect::<Vec<Edge>>()
    }
}

/// Reads names of jobs: a list of which items may also be parted by commas, because no name has one. Each counts once.
pub(super) fn names(text: &Text) -> Result<Vec<Arc<str>>, String> {
    let items = value::list(text)?;
    let names: BTreeSet<&str> =
        items.iter().flat_map(|item| item.split(',')).map(str::trim).filter(|it| !it.is_empty()).collect();
    for name in &names {
        JobId::parse(name).map_err(|error| format!("{error}: write the name or the identity of a job"))?;
    }
    Ok(names.into_iter().map(Arc::from).collect())
}

/// Reads exit codes: a list of numbers of which items may also be parted by commas, or a JSON array.
pub(super) fn success_codes(text: &Text) -> Result<SuccessCodes, String> {
    let wrong = |item: &str| format!("\"{item}\" is no exit code from 0 to 255: write for example 0,1");
    let items: Vec<String> = match text {
        Text::One(one) if one.trim_start().starts_with('[') => {
            let items: Vec<serde_json::Value> =
                serde_json::from_slice(one.trim().as_bytes()).map_err(|_| wrong(one.trim()))?;
            items.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect()
        }
        other => value::list(other)?,
    };
    let items = items.iter().flat_map(|item| item.split(',')).map(str::trim).filter(|it| !it.is_empty());
    let codes: Result<Vec<u8>, String> = items.map(|item| item.parse().map_err(|_| wrong(item))).collect();
    SuccessCodes::new(codes?).ok_or_else(|| "there is no exit code in it: write for example 0,1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Text {
        Text::One(text.into())
    }

    #[test]
    fn exit_codes_are_read_however_a_list_of_numbers_is_written() {
        let read = |text| success_codes(&text).map(|it| it.texts().join(" "));
        for text in [one("0,1"), one("[1, 0]"), one("[\"0\", \"1\"]"), one("1\n0"), one(" 0 , 1 ,")] {
            assert_eq!(read(text.clone()), Ok("0 1".to_owned()), "{text:?}");
        }
        assert_eq!(read(Text::Items(vec!["0".into(), "24,1".into()])), Ok("0 1 24".to_owned()));
        for text in ["", "256", "-1", "one", "[0", "[[0]]", "0x1"] {
            assert!(read(one(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_parted_by_commas_or_lines_and_count_once() {
        let read = |text| names(&text).map(|it| it.join(" "));
        assert_eq!(read(one("b, a\nb")), Ok("a b".to_owned()));
        assert_eq!(read(one("[\"shop.db.dump\"]")), Ok("shop.db.dump".to_owned()));
        assert_eq!(read(one("")), Ok(String::new()));
        assert!(read(one("a b")).is_err());
    }
}
