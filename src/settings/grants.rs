//! What a label on an ordinary container may do.
//!
//! By default: a command in its own container. Everything else needs a grant from the operator. The check works on the
//! finished spec, so no spelling of a key slips past it.

use std::{collections::BTreeSet, fmt};

use crate::model::{
    diagnostic::did_you_mean,
    job::{JobSpec, Work},
    name::JobKind,
};

/// Something that a label may do only if `allow-from-labels` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// A command in another container than the labelled one.
    ExecOther,
    /// A new container.
    Run,
    /// A process beside the agent.
    Local,
}

impl Grant {
    /// Every grant, with what it allows.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::ExecOther, "exec-other", "a command in another container than the labelled one"),
        (Self::Run, "run", "a new container"),
        (Self::Local, "local", "a process beside the agent"),
    ];

    fn row(self) -> (Self, &'static str, &'static str) {
        Self::ALL[self as usize]
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

/// The grants in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(BTreeSet<Grant>);

impl Grants {
    /// Reads names with commas, blanks or lines between them; `all` is every grant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut grants = BTreeSet::new();
        for word in text.split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
            let word = word.to_ascii_lowercase();
            if word == "all" {
                grants.extend(Grant::ALL.map(|(grant, ..)| grant));
                continue;
            }
            let names = Grant::ALL.map(|(_, name, _)| name);
            let Some((grant, ..)) = Grant::ALL.into_iter().find(|(_, name, _)| *name == word) else {
                let hint = did_you_mean(&word, names.into_iter().chain(["all"]));
                let hint = hint.unwrap_or_else(|| format!("the grants are {}, all", names.join(", ")));
                return Err(format!("there is no grant \"{word}\": {hint}"));
            };
            grants.insert(grant);
        }
        Ok(Self(grants))
    }

    /// The names of the grants in force.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|grant| grant.row().1).collect()
    }

    /// What `spec`, defined by a label on an ordinary container named `home`, asks for and may not have.
    ///
    /// `by_label` says that a label, and not the operator alone, named the container or what is done in it.
    pub fn refusals(&self, spec: &JobSpec, home: &str, by_label: bool) -> Vec<String> {
        let asked = match &spec.work {
            Work::Exec(exec) => match &exec.container {
                Some(other) if other != home && by_label => {
                    Some((Grant::ExecOther, format!("a command in the container \"{other}\"")))
                }
                _ => None,
            },
            Work::Run(_) => Some((Grant::Run, format!("a job of kind {}", JobKind::Run))),
            Work::Local(_) => Some((Grant::Local, format!("a job of kind {}", JobKind::Local))),
        };
        asked
            .into_iter()
            .filter(|(grant, _)| !self.0.contains(grant))
            .map(|(grant, what)| {
                format!(
                    "a label may not ask for {what}: the operator can allow it with allow-from-labels={grant}"
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (grant, name, _) in Grant::ALL {
            assert_eq!(grant.to_string(), name);
        }
    }

    #[test]
    fn grants_are_read_with_commas_blanks_or_lines() {
        let grants = Grants::parse("run, Exec-Other\nlocal").unwrap();
        assert_eq!(grants, Grants::parse("all").unwrap());
        assert!(Grants::parse("exec_othr").unwrap_err().contains("grant"));
        assert!(Grants::parse("locl").unwrap_err().contains("did you mean \"local\"?"));
    }
}
