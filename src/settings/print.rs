//! Layers → the text that says the same: a section of the INI file, or labels.
//!
//! Reading what is printed here gives what was printed, which laws hold on to. Values are printed as they are, secrets
//! included: whom they are shown to is the caller's to decide.

use crate::model::name::{JobId, JobKind};

use super::{
    ini, label,
    layer::{JobLayer, Text},
    params::{self, Param},
    value,
};

/// Why a value cannot stand in the INI file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter \"{parameter}\" {reason}")]
pub struct Unprintable {
    /// The parameter.
    pub parameter: &'static str,
    /// The reason, without the value.
    pub reason: &'static str,
}

/// A job's section: its header and a line for each value, `$` written so that nothing is put in for it.
pub fn section(id: &JobId, kind: JobKind, layer: &JobLayer) -> Result<String, Unprintable> {
    Ok(format!("[job-{kind} \"{id}\"]\n{}", lines(layer)?))
}

/// The lines of a section, each with its newline.
pub fn lines(layer: &JobLayer) -> Result<String, Unprintable> {
    let mut out = String::new();
    for (name, written) in layer.iter() {
        let Some(param) = params::find(name) else { continue };
        for line in values(param, &written.text)? {
            let line = format!("{name} = {}", line.replace('$', "$$"));
            if line.len() > ini::LINE_LIMIT {
                return Err(Unprintable { parameter: param.name, reason: "is longer than a line can be" });
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    Ok(out)
}

/// The labels of a job on an ordinary container, where `name` is the last part of its identity.
pub fn labels(kind: JobKind, name: &str, layer: &JobLayer) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (parameter, written) in layer.iter() {
        let key = format!("{}.job-{kind}.{name}.{parameter}", label::PREFIX);
        match &written.text {
            Text::One(text) => out.push((key, text.to_string())),
            Text::Items(items) => {
                let items = items.iter().enumerate();
                out.extend(items.map(|(index, item)| (format!("{key}.{index}"), item.to_string())));
            }
        }
    }
    out
}

/// One text a line: a value, or the items of a list.
fn values(param: &'static Param, text: &Text) -> Result<Vec<String>, Unprintable> {
    match text {
        Text::One(text) if fits(text.trim()) => Ok(vec![text.trim().to_owned()]),
        Text::Items(items) if items.len() > 1 && items.iter().all(|item| fits(item) && is_bare(item)) => {
            Ok(items.iter().map(ToString::to_string).collect())
        }
        _ if param.shape.is_list() => {
            let reason = "is no list that can be read";
            let items = value::list(&value::bare(text).0)
                .map_err(|_| Unprintable { parameter: param.name, reason })?;
            Ok(vec![json(&items)])
        }
        _ => Err(Unprintable {
            parameter: param.name,
            reason: "has lines or characters that no line can hold",
        }),
    }
}

/// Whether a line can hold it.
fn fits(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && c != '\t')
}

/// Whether reading takes nothing off its ends.
fn is_bare(item: &str) -> bool {
    item.trim() == item
}

/// A JSON array that stands on one line, whatever the items hold.
fn json(items: &[String]) -> String {
    let text = serde_json::Value::from(items).to_string();
    let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{
            container::{Container, ContainerId, ContainerState},
            origin::Origin,
        },
        settings::layer::Written,
    };

    /// What a text means where it is read; a mistake is a mistake.
    fn meaning(param: &Param, text: &Text) -> Option<Vec<String>> {
        let (text, _) = value::bare(text);
        if param.shape.is_list() {
            value::list(&text).ok()
        } else {
            value::single(&text).ok().map(|text| vec![text.trim().to_owned()])
        }
    }

    fn texts(layer: &JobLayer) -> Vec<(&'static str, Text)> {
        layer.iter().map(|(name, written)| (name, written.text.clone())).collect()
    }

    fn meanings(layer: &JobLayer) -> Vec<(&'static str, Option<Vec<String>>)> {
        layer.iter().map(|(name, it)| (name, meaning(params::find(name).unwrap(), &it.text))).collect()
    }

    fn read_section(text: &str) -> JobLayer {
        let ini = ini::parse("f", text, &|_| None);
        assert_eq!((&ini.diagnostics, &ini.broken), (&vec![], &vec![]), "{text}");
        ini.jobs[&JobId::plain("a")].layer.clone()
    }

    fn read_labels(labels: Vec<(String, String)>) -> JobLayer {
        let container = Container {
            id: ContainerId("x".into()),
            name: "web".into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: labels.into_iter().collect(),
        };
        let read = label::parse(&container, true);
        assert_eq!(read.diagnostics, []);
        read.jobs.into_values().next().map(|job| job.layer).unwrap_or_default()
    }

    fn any_text() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "B=",
            "$",
            "${",
            "}",
            "$$",
            "#",
            ";",
            " ",
            "\t",
            "[",
            "]",
            "\"",
            "'",
            "\\",
            ",",
            "=",
            "é",
            "\n",
            "\0",
            "\r\n",
            "\u{7f}",
            "\u{85}",
            "[\"a\"]",
            "[\"x y\", \"\"]",
            "\u{feff}",
        ]);
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn any_layer() -> impl Strategy<Value = JobLayer> {
        let param = prop::sample::select(
            params::PARAMS.iter().filter(|param| param.works_for(JobKind::Run)).collect::<Vec<_>>(),
        );
        let value = (any_text(), prop::collection::vec(any_text(), 1..4), any::<bool>());
        prop::collection::vec((param, value), 0..5).prop_map(|values| {
            let mut layer = JobLayer::default();
            for (param, (one, items, several)) in values {
                let items = Text::Items(items.into_iter().map(Arc::from).collect());
                let text = if several && param.shape.is_list() { items } else { Text::One(one.into()) };
                layer.set(param, Written::new(text, Origin::Default));
            }
            layer
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_section_that_is_printed_and_read_means_the_same(layer in any_layer()) {
            if let Ok(text) = section(&JobId::plain("a"), JobKind::Run, &layer) {
                let read = read_section(&text);
                prop_assert_eq!(meanings(&read), meanings(&layer), "{}", text);
                // What a file can say, it says again in the same words.
                prop_assert_eq!(section(&JobId::plain("a"), JobKind::Run, &read), Ok(text));
            }
        }

        #[test]
        fn whatever_a_file_said_is_printed_and_read_as_the_same(values in prop::collection::vec(any_text(), 0..5)) {
            let keys = ["schedule", "command", "environment", "environment", "network"];
            let lines: Vec<String> = keys.iter().zip(values).map(|(key, it)| format!("{key} = {it}")).collect();
            let lines = lines.join("\n");
            let ini = ini::parse("f", format!("[job-run \"a\"]\n{lines}"), &|_| None);
            let layer = &ini.jobs[&JobId::plain("a")].layer;
            let text = section(&JobId::plain("a"), JobKind::Run, layer).unwrap();
            prop_assert_eq!(meanings(&read_section(&text)), meanings(layer), "{}", text);
        }

        #[test]
        fn labels_that_are_printed_and_read_are_the_same(layer in any_layer()) {
            prop_assert_eq!(texts(&read_labels(labels(JobKind::Run, "a", &layer))), texts(&layer));
        }
    }

    #[test]
    fn a_section_reads_as_a_person_would_write_it() {
        let text = "[job-exec \"a\"]\ncommand = sh -c 'a; b # $$HOME'\ncontainer = web\nenvironment = A=1\n\
                    environment = B=2\nschedule = @daily\n";
        assert_eq!(section(&JobId::plain("a"), JobKind::Exec, &read_section(text)), Ok(text.to_owned()));
    }

    #[test]
    fn items_that_no_line_can_hold_become_a_json_array_and_other_values_are_refused() {
        let layer = read_labels(vec![
            ("watchbell.job-exec.a.environment.0".into(), "KEY=-----\nx\u{7f}\n".into()),
            ("watchbell.job-exec.a.environment.1".into(), "B=2".into()),
        ]);
        let text = "environment = [\"KEY=-----\\nx\\u007f\\n\",\"B=2\"]\n";
        assert_eq!(lines(&layer), Ok(text.to_owned()));
        let script = read_labels(vec![("watchbell.job-exec.a.command".into(), "a\nb".into())]);
        let refused = lines(&script).unwrap_err().to_string();
        assert_eq!(refused, "the parameter \"command\" has lines or characters that no line can hold");
    }
}
