//! Reads a grammar in ABNF (RFC 5234, and `%s"…"` of RFC 7405) and says whether a text is one of its sentences.

use std::collections::{BTreeMap, BTreeSet};

/// The rules by name. Those of RFC 5234's core that we use are there as well.
#[derive(Debug)]
pub struct Grammar(BTreeMap<String, Node>);

#[derive(Debug)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Repeat(usize, usize, Box<Node>),
    Text { text: Vec<char>, exact: bool },
    Range(char, char),
    Rule(String),
}

const CORE: &str = "ALPHA = %x41-5A / %x61-7A\nDIGIT = %x30-39\nSP = %x20\nWSP = %x20 / %x09\n";

impl Grammar {
    /// Reads the rules, and the names of those that the text itself has, in order.
    pub fn read(text: &str) -> Result<(Self, Vec<String>), String> {
        let mut rules = BTreeMap::new();
        let mut names = Vec::new();
        for (ours, line) in CORE.lines().map(|it| (false, it)).chain(text.lines().map(|it| (true, it))) {
            let line = uncommented(line);
            if line.trim().is_empty() {
                continue;
            }
            let (name, rule) = line.split_once('=').ok_or(format!("{line}: no rule"))?;
            let name = name.trim().to_owned();
            let mut reader = Reader { rest: rule.trim().chars().collect::<Vec<_>>(), at: 0 };
            let node = reader.any()?;
            if reader.at < reader.rest.len() || rules.insert(name.clone(), node).is_some() {
                return Err(format!("{line}: cannot be read, or is there twice"));
            }
            if ours {
                names.push(name);
            }
        }
        Ok((Self(rules), names))
    }

    /// Whether the whole text is a sentence of the rule.
    pub fn has(&self, rule: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.ends(&Node::Rule(rule.to_owned()), &text, 0).contains(&text.len())
    }

    /// Where a sentence that begins at `at` can end.
    fn ends(&self, node: &Node, text: &[char], at: usize) -> BTreeSet<usize> {
        match node {
            Node::Rule(name) => {
                self.ends(self.0.get(name).unwrap_or_else(|| panic!("no rule {name}")), text, at)
            }
            Node::Any(nodes) => nodes.iter().flat_map(|it| self.ends(it, text, at)).collect(),
            Node::All(nodes) => {
                nodes.iter().fold(BTreeSet::from([at]), |ends, it| self.after(it, text, &ends))
            }
            Node::Repeat(least, most, it) => {
                let (mut now, mut all) = (BTreeSet::from([at]), BTreeSet::new());
                for count in 0..=*most {
                    if count >= *least {
                        all.extend(&now);
                    }
                    now = self.after(it, text, &now);
                    if now.is_empty() || (count >= *least && now.is_subset(&all)) {
                        break;
                    }
                }
                all
            }
            Node::Text { text: wanted, exact } => {
                let same = |a: &char, b: &char| if *exact { a == b } else { a.eq_ignore_ascii_case(b) };
                let there = text.get(at..at + wanted.len());
                let fits = there.is_some_and(|it| it.iter().zip(wanted).all(|(a, b)| same(a, b)));
                fits.then_some(at + wanted.len()).into_iter().collect()
            }
            Node::Range(first, last) => {
                let fits = text.get(at).is_some_and(|it| (first..=last).contains(&it));
                fits.then_some(at + 1).into_iter().collect()
            }
        }
    }

    fn after(&self, node: &Node, text: &[char], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        starts.iter().flat_map(|at| self.ends(node, text, *at)).collect()
    }
}

/// The line up to a `;` that is not in quotes.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    line[..end.unwrap_or(line.len())].trim_end()
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        self.at += usize::from(there);
        there
    }

    fn blanks(&mut self) {
        while self.take(' ') {}
    }

    fn while_is(&mut self, fits: impl Fn(char) -> bool) -> String {
        let from = self.at;
        while self.peek().is_some_and(&fits) {
            self.at += 1;
        }
        self.rest[from..self.at].iter().collect()
    }

    fn any(&mut self) -> Result<Node, String> {
        let mut nodes = vec![self.all()?];
        while self.take('/') {
            nodes.push(self.all()?);
        }
        Ok(Node::Any(nodes))
    }

    fn all(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        self.blanks();
        while self.peek().is_some_and(|c| !matches!(c, '/' | ')' | ']')) {
            nodes.push(self.repeat()?);
            self.blanks();
        }
        Ok(Node::All(nodes))
    }

    fn repeat(&mut self) -> Result<Node, String> {
        let least = self.while_is(|c| c.is_ascii_digit());
        if self.take('*') {
            let most = self.while_is(|c| c.is_ascii_digit());
            let (least, most) = (least.parse().unwrap_or(0), most.parse().unwrap_or(usize::MAX - 1));
            return Ok(Node::Repeat(least, most, Box::new(self.element()?)));
        }
        let element = self.element()?;
        Ok(match least.parse() {
            Ok(times) => Node::Repeat(times, times, Box::new(element)),
            Err(_) => element,
        })
    }

    fn element(&mut self) -> Result<Node, String> {
        let here: String = self.rest[self.at..].iter().collect();
        if self.take('(') {
            let node = self.any()?;
            return if self.take(')') { Ok(node) } else { Err(format!("{here}: not closed")) };
        }
        if self.take('[') {
            let node = self.any()?;
            return if self.take(']') { Ok(Node::Repeat(0, 1, Box::new(node))) } else { Err(here) };
        }
        if self.take('%') && !self.take('s') {
            self.at += 1;
            let mut number = || u32::from_str_radix(&self.while_is(|c| c.is_ascii_hexdigit()), 16).ok();
            let first = number().and_then(char::from_u32).ok_or(here.clone())?;
            let last = if self.take('-') {
                let last = u32::from_str_radix(&self.while_is(|c| c.is_ascii_hexdigit()), 16).ok();
                last.and_then(char::from_u32).ok_or(here)?
            } else {
                first
            };
            return Ok(Node::Range(first, last));
        }
        if self.take('"') {
            let text = self.while_is(|c| c != '"');
            self.at += 1;
            return Ok(Node::Text { text: text.chars().collect(), exact: here.starts_with("%s") });
        }
        let name = self.while_is(|c| c.is_ascii_alphanumeric() || c == '-');
        if name.is_empty() { Err(format!("{here}: not understood")) } else { Ok(Node::Rule(name)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grammar_says_which_texts_are_its_sentences() {
        let text = "a = 1*2b [ \"X\" ] ; \"c\nb = %x30-31 / %s\"y\"\n\nc = 2( b \";\" )\n";
        let (grammar, names) = Grammar::read(text).unwrap();
        assert_eq!(names, ["a", "b", "c"]);
        for (rule, good) in [("a", "0"), ("a", "y1x"), ("a", "11X"), ("c", "0;y;"), ("WSP", "\t")] {
            assert!(grammar.has(rule, good), "{rule} {good}");
        }
        for (rule, bad) in [("a", ""), ("a", "Y"), ("a", "011"), ("a", "0XX"), ("c", "0;"), ("c", "0;0;0;")] {
            assert!(!grammar.has(rule, bad), "{rule} {bad}");
        }
        assert!(Grammar::read("a = ( b").is_err() && Grammar::read("a b").is_err());
    }
}
