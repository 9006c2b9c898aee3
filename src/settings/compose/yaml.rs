//! YAML → a tree in which every node has its place.
//!
//! An alias is a second way to the same node and never a copy of it, so that a small text cannot become a large tree.
//! How deep the text may nest is limited by the parser, how many nodes it may have is limited here.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use crate::model::diagnostic::Severity;

use granit_parser::{Event, Marker, Parser, ScalarStyle};

/// More mistakes of one kind than anyone wants to read.
const PROBLEMS: usize = 100;

/// How high the tree may be; an alias is no step back, so that a long chain of aliases is high as well.
const HEIGHT: u32 = 500;

/// More nodes than any file that a person keeps, and few enough for a small machine.
const NODES: usize = 400_000;

/// Where a node begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

/// One value.
#[derive(Debug)]
pub struct Node {
    /// Where it begins; behind an alias, where it was written.
    pub at: Place,
    /// What it is.
    pub kind: Kind,
    /// How many nodes lie under each other from here, at most.
    height: u32,
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// Text, and whether it stands without quotes and tag, so that it may be meant as something else than a text.
    Scalar(Box<str>, bool),
    /// A sequence.
    List(Vec<Rc<Node>>),
    /// A mapping, in the order of the file.
    Map(Vec<(Rc<Node>, Rc<Node>)>),
    /// It is taken away again, by the tag `!reset`.
    Nothing,
}

/// Something wrong with the text, and where.
#[derive(Debug)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// What it costs.
    pub severity: Severity,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    fn error(at: Place, reason: impl Into<String>) -> Self {
        Self { at, severity: Severity::Error, reason: reason.into() }
    }
}

/// Reads the first document. The second part of the answer has what a strict reader would refuse.
pub fn read(text: &str) -> Result<(Option<Rc<Node>>, Vec<Problem>), Problem> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let mut tree = Tree::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            Problem::error(place(error.marker()), format!("the YAML cannot be read: {}", error.info()))
        })?;
        tree.event(event, place(&span.start))?;
    }
    Ok((tree.root, tree.problems))
}

fn place(marker: &Marker) -> Place {
    let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    Place { line: number(marker.line()).max(1), column: number(marker.col()).saturating_add(1) }
}

#[derive(Default)]
struct Tree {
    root: Option<Rc<Node>>,
    problems: Vec<Problem>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    documents: usize,
}

/// A collection that is being read.
struct Open {
    at: Place,
    anchor: usize,
    what: Collection,
    reset: bool,
}

enum Collection {
    List(Vec<Rc<Node>>),
    /// What there is, and a key that waits for its value.
    Map(Vec<(Rc<Node>, Rc<Node>)>, Option<Rc<Node>>),
}

impl Tree {
    fn event(&mut self, event: Event<'_>, at: Place) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    let reason = "only the first document of the file is read".to_owned();
                    self.problems.push(Problem { at, severity: Severity::Warning, reason });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let reset = tag.is_some_and(|it| it.suffix() == "reset");
                let kind = if reset { Kind::Nothing } else { Kind::Scalar(text.into_owned().into(), plain) };
                self.add(Rc::new(Node { at, kind, height: 0 }), anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::error(at, "the alias stands inside of what it repeats"));
                };
                self.add(node, 0)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let reset = tag.is_some_and(|it| it.suffix() == "reset");
                self.open.push(Open { at, anchor, what: Collection::List(Vec::new()), reset });
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                let reset = tag.is_some_and(|it| it.suffix() == "reset");
                self.open.push(Open { at, anchor, what: Collection::Map(Vec::new(), None), reset });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(Open { at, anchor, what, reset }) = self.open.pop() else { return Ok(()) };
        let height = 1 + match &what {
            Collection::List(items) => items.iter().map(|it| it.height).max(),
            Collection::Map(entries, _) => entries.iter().map(|(key, it)| key.height.max(it.height)).max(),
        }
        .unwrap_or_default();
        if height > HEIGHT {
            return Err(Problem::error(at, "the file nests, or repeats what repeats, too deep"));
        }
        let kind = match what {
            _ if reset => Kind::Nothing,
            Collection::List(items) => Kind::List(items),
            Collection::Map(entries, _) => {
                self.duplicates(&entries);
                Kind::Map(entries)
            }
        };
        self.add(Rc::new(Node { at, kind, height }), anchor)
    }

    fn duplicates(&mut self, entries: &[(Rc<Node>, Rc<Node>)]) {
        if self.documents > 1 || self.problems.len() > PROBLEMS {
            return;
        }
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for (key, _) in entries {
            let Kind::Scalar(text, _) = &key.kind else { continue };
            if let Some(line) = seen.insert(text, key.at.line) {
                let name: String = text.chars().take(100).collect();
                let reason = format!(
                    "the key \"{name}\" is also given in line {line}, and Compose refuses the file: remove one"
                );
                self.problems.push(Problem::error(key.at, reason));
            }
        }
    }

    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES {
            let reason = format!("the file has more than {NODES} values, which is more than is read");
            return Err(Problem::error(node.at, reason));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.what) {
            Some(Collection::List(items)) => items.push(node),
            Some(Collection::Map(entries, waiting)) => match waiting.take() {
                Some(key) => entries.push((key, node)),
                None => *waiting = Some(node),
            },
            None if self.documents <= 1 => self.root = Some(node),
            None => {}
        }
        Ok(())
    }
}

impl Node {
    /// The text of a scalar as Compose hands it on, after the types of YAML: `0x10` is `16`, and nothing is empty.
    /// `None` for a list or a map.
    pub fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Scalar(text, true) => Some(typed(text)),
            Kind::Scalar(text, false) => Some(text.to_string()),
            Kind::Nothing => Some(String::new()),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The items of a list, or nothing.
    pub fn items(&self) -> &[Rc<Node>] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// Whether nothing is written: `null`, or no text at all.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(text, true) => matches!(&**text, "" | "~" | "null" | "Null" | "NULL"),
            Kind::Nothing => true,
            _ => false,
        }
    }
}

/// A scalar without quotes, after its type was found and written out again, as Compose does it.
fn typed(text: &str) -> String {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return String::new(),
        "true" | "True" | "TRUE" => return "true".to_owned(),
        "false" | "False" | "FALSE" => return "false".to_owned(),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return "+Inf".to_owned(),
        "-.inf" | "-.Inf" | "-.INF" => return "-Inf".to_owned(),
        ".nan" | ".NaN" | ".NAN" => return "NaN".to_owned(),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return text.to_owned();
    }
    let bare = text.replace('_', "");
    integer(&bare).or_else(|| float(&bare)).unwrap_or_else(|| text.to_owned())
}

fn integer(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, base).ok()?);
    let number = if negative { -number } else { number };
    (number >= i128::from(i64::MIN)).then(|| number.to_string())
}

fn float(text: &str) -> Option<String> {
    let fits = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = text.parse().ok().filter(|number: &f64| fits && number.is_finite())?;
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if number != 0.0 && !(-4..21).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return Some(format!("{digits}e{sign}{:02}", exponent.abs()));
    }
    Some(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_written_out_as_compose_does() {
        for (written, is) in [
            ("true", "true"),
            ("True", "true"),
            ("yes", "yes"),
            ("~", ""),
            ("5", "5"),
            ("+5", "5"),
            ("010", "8"),
            ("0x1F", "31"),
            ("1_000", "1000"),
            ("09", "9"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("1e21", "1e+21"),
            ("0.00001", "1e-05"),
            ("1h30m", "1h30m"),
            ("10.0.0.1", "10.0.0.1"),
            ("-", "-"),
            (".inf", "+Inf"),
            ("0o", "0o"),
        ] {
            assert_eq!(typed(written), is, "{written}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_read_is_told_with_its_place() {
        let Problem { at, reason, .. } = read("a: 1\nb: [1, 2\nc: }\n").unwrap_err();
        assert!(at.line >= 2 && !reason.is_empty(), "{at:?} {reason}");
        assert!(read("a: &a [*a]").unwrap_err().reason.contains("inside"));
        assert!(read("a: *b").is_err());
    }

    #[test]
    fn a_text_that_nests_or_grows_without_end_is_refused() {
        assert!(read(&"[".repeat(100_000)).is_err());
        let chain: Vec<String> = (1..5000).map(|n| format!("a{n}: &a{n} {{<<: *a{}}}", n - 1)).collect();
        assert!(
            read(&format!("a0: &a0 {{x: 1}}\n{}", chain.join("\n"))).unwrap_err().reason.contains("too deep")
        );
        assert!(read(&format!("[{}]", "a,".repeat(NODES + 1))).unwrap_err().reason.contains("more than"));
    }
}
