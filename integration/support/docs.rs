//! Reads the documentation as far as the tests need: fenced examples, generated sections, and names in the text.

use std::collections::BTreeSet;

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// `README.md:12`.
    pub place: String,
    /// The word behind the fence: what language it is.
    pub tag: String,
    /// What else stands there.
    pub words: Vec<String>,
    /// The text.
    pub text: String,
}

/// Every fenced block of a document.
pub fn fences(name: &str, text: &str) -> Result<Vec<Fence>, String> {
    let mut fences = Vec::new();
    let mut open: Option<Fence> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => fences.extend(open.take()),
            (Some(info), None) => {
                let mut words = info.split(' ').map(str::to_owned);
                let tag = words.next().unwrap_or_default();
                let place = format!("{name}:{number}");
                open = Some(Fence { place, tag, words: words.collect(), text: String::new() });
            }
            (None, Some(fence)) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (None, None) => {}
        }
    }
    match open {
        Some(fence) => Err(format!("{}: the fence is not closed", fence.place)),
        None => Ok(fences),
    }
}

/// The document with each section between `<!-- begin generated: X -->` and its end replaced by what `table` gives for
/// X, and the names of those sections.
pub fn generate(
    name: &str,
    text: &str,
    table: impl Fn(&str) -> Option<String>,
) -> Result<(String, Vec<String>), String> {
    const BEGIN: &str = "<!-- begin generated: ";
    let mut out = String::new();
    let mut rest = text;
    let mut sections = Vec::new();
    while let Some(at) = rest.find(BEGIN) {
        let head = at + BEGIN.len();
        let end = rest[head..].find(" -->\n").ok_or(format!("{name}: a mark is not closed"))? + head;
        let section = &rest[head..end];
        let close = format!("<!-- end generated: {section} -->");
        let last = rest.find(&close).ok_or(format!("{name}: {section} has no end"))?;
        out.push_str(&rest[..end]);
        out.push_str(" -->\n\n");
        out.push_str(&table(section).ok_or(format!("{name}: nobody makes {section}"))?);
        out.push('\n');
        sections.push(section.to_owned());
        rest = &rest[last..];
    }
    out.push_str(rest);
    Ok((out, sections))
}

/// A Markdown table.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|it| (*it).to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let rows = rows.into_iter().map(|cells| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        line(&cells)
    });
    format!("{}{rule}{}", line(&head), rows.collect::<String>())
}

/// The words of a text that can be names: letters, digits, and `_`, `-` and `.` inside.
pub fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .map(|word| word.trim_end_matches(['.', '-']))
        .filter(|word| !word.is_empty())
        .collect()
}

/// What the headings of a document are called by in links.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once(' '));
    let kept =
        |c: char| if c == ' ' { Some('-') } else { Some(c).filter(|c| c.is_alphanumeric() || *c == '-') };
    headings.map(|(_, heading)| heading.to_lowercase().chars().filter_map(kept).collect()).collect()
}

/// The lines of a shell example as commands: continued lines are one, comments and blank lines none.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|line| shell_words::split(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_found_with_their_place_and_words() {
        let found = fences("a.md", "x\n```labels A=1 B=2\nk=v\n```\n").unwrap();
        let [fence] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&*fence.place, &*fence.tag, &*fence.text), ("a.md:2", "labels", "k=v\n"));
        assert_eq!(fence.words, ["A=1", "B=2"]);
        assert!(fences("a.md", "```\nx\n").is_err());
    }

    #[test]
    fn a_generated_section_is_replaced_and_the_rest_stays() {
        let text = "a\n<!-- begin generated: t -->\nold\n<!-- end generated: t -->\nb\n";
        let (out, sections) = generate("a.md", text, |_| Some("new\n".to_owned())).unwrap();
        assert_eq!(out, "a\n<!-- begin generated: t -->\n\nnew\n\n<!-- end generated: t -->\nb\n");
        assert_eq!(sections, ["t"]);
        assert!(generate("a.md", text, |_| None).is_err());
        assert_eq!(generate("a.md", &out, |_| Some("new\n".to_owned())).unwrap().0, out);
    }
}
