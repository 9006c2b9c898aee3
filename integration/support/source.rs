//! Reads Rust source as far as `tidy` needs: its code without comments and tests, and the paths that it imports.

use std::{collections::BTreeSet, path::Path};

/// One source file.
#[derive(Debug)]
pub struct Source {
    /// From the repository's root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The text before the tests, without comments.
    pub code: String,
    /// How many lines there are before the tests.
    pub lines: usize,
}

impl Source {
    /// Reads the text of the file at `path`.
    pub fn new(path: String, text: String) -> Self {
        let before = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = before.lines().count();
        let tests = path.ends_with("/tests.rs");
        let code = if tests { "" } else { before };
        let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        let code = code.join("\n");
        Self { path, text, code, lines }
    }

    /// The module of the crate that it belongs to: `src/run/unit.rs` is of `run`.
    pub fn module(&self) -> &str {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

/// Every Rust file below `folder`, in order.
pub fn folder(root: &Path, folder: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    let mut entries: Vec<_> =
        std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let below = path.strip_prefix(root).unwrap();
        if path.is_dir() {
            files.extend(self::folder(root, below));
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            files.push(Source::new(below.display().to_string(), text));
        }
    }
    files
}

/// The paths below `crate::` or `watchbell::` that the code names, with braces written out: `a::{b, c::d}` is `a::b`
/// and `a::c::d`.
pub fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for head in ["crate::", "watchbell::"] {
        for (at, _) in code.match_indices(head) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                tree(&code[at + head.len()..], "", &mut found);
            }
        }
    }
    found
}

/// Reads one path or braced list of them and gives what follows it.
fn tree<'a>(code: &'a str, prefix: &str, found: &mut BTreeSet<String>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = tree(rest, prefix, found);
            // What is no path ends the list: the code is not what we take it for.
            if after.len() == rest.len() {
                return after;
            }
            rest = after;
        }
    }
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let path = match (prefix, name) {
        (_, "self" | "") => prefix.to_owned(),
        ("", name) => name.to_owned(),
        (prefix, name) => format!("{prefix}::{name}"),
    };
    if let Some(rest) = rest.strip_prefix("::") {
        return tree(rest, &path, found);
    }
    found.insert(path);
    rest
}

/// The words of the code.
pub fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

/// Whether the code names the crate, or the module of the standard library, at the beginning of a path.
pub fn names(code: &str, path: &str) -> bool {
    match path.split_once("::") {
        None => words(code).contains(path),
        Some((head, module)) => {
            let mut named = BTreeSet::new();
            for (at, _) in code.match_indices(&format!("{head}::")) {
                tree(&code[at + head.len() + 2..], "", &mut named);
            }
            named.iter().any(|it| it == module || it.starts_with(&format!("{module}::")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_written_out() {
        let code = "use crate::{\n a::{self, b::C},\n d,\n};\nfn f() { crate::e::f(1) } use other_crate::x;";
        let found: Vec<String> = imports(code).into_iter().collect();
        assert_eq!(found, ["a", "a::b::C", "d", "e::f"]);
    }

    #[test]
    fn a_module_of_the_standard_library_is_found_in_braces() {
        assert!(names("use std::{\n    fs,\n    io};", "std::fs"));
        assert!(names("std::fs::read(x)", "std::fs"));
        assert!(!names("use std::{fmt, io};", "std::fs"));
    }
}
