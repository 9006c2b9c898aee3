//! Texts in the repository that a test keeps right: compared, or with `UPDATE_EXPECT=1` written anew. A check (`CI` is
//! set) only compares: a text that is written while it is checked is always right.

use std::path::Path;

/// Whether the expected texts are to be written and not compared.
fn update() -> bool {
    #[expect(clippy::disallowed_methods, reason = "asked by whoever runs the tests, and by nothing else")]
    let [update, ci] = ["UPDATE_EXPECT", "CI"].map(|name| std::env::var(name).unwrap_or_default());
    writes(&update, &ci).unwrap_or_else(|why| panic!("{why}"))
}

/// The same by the values of the two variables, empty where they are not set.
fn writes(update: &str, ci: &str) -> Result<bool, &'static str> {
    match (update == "1", ci.is_empty()) {
        (true, false) => {
            Err("UPDATE_EXPECT=1 is refused where CI is set: a check compares the texts, and writes none")
        }
        (wanted, _) => Ok(wanted),
    }
}

/// Compares the file's text with what it should be. The error shows the first line that differs.
pub fn same(path: &Path, text: &str, wanted: &str) -> Result<(), String> {
    // Asked first, so that it is refused also where nothing is to be written.
    let update = update();
    if text == wanted {
        return Ok(());
    }
    if update {
        return std::fs::write(path, wanted).map_err(|error| format!("{}: {error}", path.display()));
    }
    Err(format!("{}\nUPDATE_EXPECT=1 writes it anew", difference(path, text, wanted)))
}

fn difference(path: &Path, text: &str, wanted: &str) -> String {
    let mut number = 1;
    let (mut ours, mut theirs) = (wanted.lines(), text.lines());
    loop {
        match (theirs.next(), ours.next()) {
            (Some(there), Some(is)) if there == is => number += 1,
            (there, is) => {
                return format!(
                    "{}:{number}\n  expected: {}\n  it is:    {}",
                    path.display(),
                    there.unwrap_or("(the end)"),
                    is.unwrap_or("(the end)")
                );
            }
        }
    }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_never_writes_what_it_compares() {
        assert_eq!((writes("", ""), writes("1", ""), writes("", "true")), (Ok(false), Ok(true), Ok(false)));
        assert!(writes("1", "true").unwrap_err().contains("CI"));
    }

    #[test]
    fn a_difference_is_shown_by_its_line() {
        let shown = difference(Path::new("a.txt"), "x\ny\n", "x\nz\n");
        assert_eq!(shown, "a.txt:2\n  expected: y\n  it is:    z");
        assert_eq!(difference(Path::new("a"), "x", "x\ny"), "a:2\n  expected: (the end)\n  it is:    y");
    }
}
