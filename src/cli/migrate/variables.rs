//! Variables in what is printed: where the tool replaces `${NAME}`, our file and Compose do so as well.

use std::collections::BTreeSet;

use crate::{
    cli::Environment,
    model::{diagnostic::Diagnostic, name::JobId},
    settings::{
        dialect::{
            ofelia_values::{is_command, reference},
            table::Draft,
        },
        layer::{JobLayer, Text},
        params,
    },
};

/// Which variables stay variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Whether the tool replaces any.
    pub replaced: bool,
    /// Those that are set where `migrate` runs; their values are nobody's to see.
    set: BTreeSet<String>,
}

impl Variables {
    /// Of a tool that replaces them, or does not.
    pub fn new(replaced: bool, environment: &Environment) -> Self {
        let set = environment.iter().filter(|(_, value)| !value.is_empty());
        Self { replaced, set: set.map(|(name, _)| name.clone()).collect() }
    }

    /// Whether the tool would replace what stands between the braces. In a command it may be meant for a shell.
    fn replaces(&self, parameter: &str, inside: &str) -> bool {
        self.replaced
            && reference(inside).is_some_and(|(name, default)| match default {
                Some(default) => !default.contains('$'),
                None => !is_command(parameter) || self.set.contains(name),
            })
    }

    /// A value in which every `$` is doubled, with those variables as variables again.
    pub fn keep(&self, parameter: &str, doubled: &str) -> String {
        let mut out = String::new();
        let mut rest = doubled;
        while let Some(at) = rest.find("$$") {
            out.push_str(&rest[..at]);
            rest = &rest[at + 2..];
            let inside = rest.strip_prefix('{').and_then(|inside| Some(&inside[..inside.find('}')?]));
            let stays = inside.is_some_and(|inside| self.replaces(parameter, inside));
            out.push_str(if stays { "$" } else { "$$" });
        }
        out + rest
    }

    /// What is to be said about a command whose variables stay for its shell.
    pub fn told(&self, id: &JobId, layer: &JobLayer) -> Vec<Diagnostic> {
        let commands = layer.iter().filter(|(name, _)| self.replaced && is_command(name));
        let found = commands.filter_map(|(name, written)| {
            let Text::One(text) = &written.text else { return None };
            let stays = text.split("${").skip(1).find_map(|rest| {
                let inside = &rest[..rest.find('}')?];
                reference(inside).filter(|_| !self.replaces(name, inside))
            })?;
            let reason = format!(
                "\"{name}\": ${{{0}}} is not set here and is left to the shell: write ${{{0}}} with one \"$\" if the \
                 agent is to put it in",
                stays.0
            );
            Some(Diagnostic::warning(written.origin.clone(), reason).about(id))
        });
        found.collect()
    }
}

/// The draft with those texts in which variables stand, as they stand there.
pub(super) fn with_variables(mut draft: Draft, there: Option<&Draft>) -> Draft {
    for (name, written) in there.into_iter().flat_map(|there| there.layer.iter()) {
        let has_some = match &written.text {
            Text::One(text) => text.contains("${"),
            Text::Items(items) => items.iter().any(|item| item.contains("${")),
        };
        if let Some(param) = params::find(name).filter(|_| has_some) {
            draft.layer.set(param, written.clone());
        }
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tool_replaces_stays_a_variable_and_what_a_shell_does_is_text() {
        let environment = Environment::from([("SET".to_owned(), "hunter2".to_owned())]);
        let variables = Variables::new(true, &environment);
        for (parameter, doubled, kept) in [
            ("image", "x:$${TAG} $${TAG:-a b}", "x:${TAG} ${TAG:-a b}"),
            (
                "command",
                "sh -c 'echo $${A} $${SET} $${A:-b} $$HOME'",
                "sh -c 'echo $${A} ${SET} ${A:-b} $$HOME'",
            ),
            ("image", "$$$${A} $${ $${1} $${A:-$$B} $$", "$$${A} $${ $${1} $${A:-$$B} $$"),
        ] {
            assert_eq!(variables.keep(parameter, doubled), kept);
            assert_eq!(Variables::default().keep(parameter, doubled), doubled);
        }
    }
}
