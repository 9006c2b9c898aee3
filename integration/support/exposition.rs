//! What `/metrics` says, read as strictly as Prometheus does, and more so: a metric's series stand together under one head,
//! and no series comes twice.

use std::collections::{BTreeMap, BTreeSet};

/// One number with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Of a histogram with `_bucket`, `_sum` or `_count` behind it.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// One metric.
#[derive(Debug, Default)]
pub struct Family {
    pub help: String,
    pub shape: String,
    pub samples: Vec<Sample>,
}

/// All of them, by name.
#[derive(Debug)]
pub struct Exposition(pub BTreeMap<String, Family>);

impl Exposition {
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends as well");
        let mut families = BTreeMap::<String, Family>::new();
        let (mut now, mut seen) = (String::new(), BTreeSet::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                let new = Family { help: help.to_owned(), ..Family::default() };
                assert!(families.insert(name.to_owned(), new).is_none(), "{name} has two heads");
                name.clone_into(&mut now);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, shape) = rest.split_once(' ').expect(line);
                assert_eq!(name, now, "{line}");
                shape.clone_into(&mut families.get_mut(name).unwrap().shape);
            } else {
                let sample = sample(line);
                let family = families.get_mut(&now).unwrap_or_else(|| panic!("no head before {line}"));
                let of_histogram = ["_bucket", "_sum", "_count"].map(|it| format!("{now}{it}"));
                let fits = if family.shape == "histogram" {
                    of_histogram.contains(&sample.name)
                } else {
                    sample.name == now
                };
                assert!(fits, "{line} stands under {now}");
                let labels: Vec<_> = sample.labels.clone().into_iter().collect();
                assert!(seen.insert((sample.name.clone(), labels)), "{line} comes twice");
                family.samples.push(sample);
            }
        }
        Self(families)
    }

    /// The series of a metric with at least these labels.
    pub fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let all = self.0.values().flat_map(|it| &it.samples).filter(|it| it.name == name);
        let fits = |it: &&Sample| {
            labels.iter().all(|(name, value)| it.labels.get(*name).is_some_and(|it| it == value))
        };
        all.filter(fits).collect()
    }

    /// The one number with these labels; `None` where there is none.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.all(name, labels);
        assert!(all.len() <= 1, "{name} {labels:?} is not one: {all:?}");
        all.first().map(|it| it.value)
    }

    /// The same, and it is there.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.0.values().map(|it| it.samples.len()).sum()
    }
}

fn sample(line: &str) -> Sample {
    let at = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(at);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect(line);
            let (value, after) = quoted(after);
            assert!(labels.insert(label.trim_start_matches(',').to_owned(), value).is_none(), "{line}");
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect(line).parse().expect(line);
    Sample { name: name.to_owned(), labels, value }
}

/// A value up to its closing quote, and what comes after that.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            'n' if escaped => value.push('\n'),
            '"' if !escaped => return (value, &text[at + 1..]),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            c => value.push(c),
        }
        escaped = false;
    }
    panic!("no end: {text}")
}
