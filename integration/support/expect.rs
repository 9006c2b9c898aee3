//! Texts in the repository that a test keeps right: compared, or with `UPDATE_EXPECT=1` written anew.

use std::path::Path;

/// Whether the expected texts are to be written and not compared.
fn update() -> bool {
    #[expect(clippy::disallowed_methods, reason = "asked by whoever runs the tests, and by nothing else")]
    let wanted = std::env::var("UPDATE_EXPECT");
    wanted.is_ok_and(|it| it == "1")
}

/// Compares the file's text with what it should be. The error shows the first line that differs.
pub fn same(path: &Path, text: &str, wanted: &str) -> Result<(), String> {
    if text == wanted {
        return Ok(());
    }
    if update() {
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
    fn a_difference_is_shown_by_its_line() {
        let shown = difference(Path::new("a.txt"), "x\ny\n", "x\nz\n");
        assert_eq!(shown, "a.txt:2\n  expected: y\n  it is:    z");
        assert_eq!(difference(Path::new("a"), "x", "x\ny"), "a:2\n  expected: (the end)\n  it is:    y");
    }
}
