//! Names: what a person calls a job, the identity that follows from it, and the kinds of job.

use std::{fmt, sync::Arc};

/// The longest name a person may give a job, in characters.
pub const NAME_LIMIT: usize = 63;

/// A job's identity: `<compose project>.<compose service>.<name>`, `<container name>.<name>`, or `<name>`.
///
/// It never contains a container ID, so it survives recreation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

/// Why a text is no job name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing before the parameter.
    #[error("the job has no name")]
    Empty,
    /// More than [`NAME_LIMIT`] characters.
    #[error("the job name \"{0}\" is longer than {NAME_LIMIT} characters")]
    TooLong(String),
    /// A character that cannot be part of a name.
    #[error(
        "the job name \"{name}\" contains {character:?}; a name has only letters, digits, \"_\" and \"-\""
    )]
    Character {
        /// The name as written.
        name: String,
        /// The first character that does not fit.
        character: char,
    },
    /// It begins with `-` or `_`.
    #[error("the job name \"{0}\" must begin with a letter or a digit")]
    Beginning(String),
}

/// Checks the name a person gave a job: 1 to 63 of letters, digits, `_` and `-`, beginning with a letter or digit.
pub fn check_name(name: &str) -> Result<(), NameError> {
    check(name, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'), NAME_LIMIT)
}

fn check(name: &str, allowed: impl Fn(char) -> bool, limit: usize) -> Result<(), NameError> {
    let Some(first) = name.chars().next() else { return Err(NameError::Empty) };
    if let Some(character) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character { name: name.to_owned(), character });
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::Beginning(name.to_owned()));
    }
    if name.chars().count() > limit {
        return Err(NameError::TooLong(name.to_owned()));
    }
    Ok(())
}

impl JobId {
    /// The identity of a job that is defined on a container; `home` is what [`super::container::Container::home`]
    /// says.
    pub fn at_home(home: &str, name: &str) -> Self {
        Self(format!("{home}.{name}").into())
    }

    /// The identity of a job without a home: the file's, or the agent's own container's.
    pub fn plain(name: &str) -> Self {
        Self(name.into())
    }

    /// Checks an identity as a person writes it in the file or on the command line: a name, or names with dots
    /// between them.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'), 255)?;
        Ok(Self(text.into()))
    }

    /// What the identities of jobs that are defined together begin with: the part before the last dot.
    pub fn home(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(home, _)| home)
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity as it stands in the name of an environment variable: upper case, every other character `_`.
    pub fn environment_name(&self) -> String {
        environment_name(&self.0)
    }
}

/// Upper case, with every character outside A-Z and 0-9 as `_`.
pub fn environment_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of work a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// A command in a running container.
    Exec,
    /// A new container.
    Run,
    /// A process beside the agent.
    Local,
    /// A one-shot Swarm service.
    ServiceRun,
    /// A Compose command.
    Compose,
    /// An action on an existing container.
    Container,
}

impl JobKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Exec, Self::Run, Self::Local, Self::ServiceRun, Self::Compose, Self::Container];

    /// The kind as it stands behind `job-` in a label and in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Run => "run",
            Self::Local => "local",
            Self::ServiceRun => "service-run",
            Self::Compose => "compose",
            Self::Container => "container",
        }
    }

    /// The kind with this name, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_sixty_three_plain_characters() {
        for good in ["a", "9lives", "db-backup_2", &"x".repeat(63)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert!(matches!(check_name("a.b"), Err(NameError::Character { character: '.', .. })));
        assert!(matches!(check_name("naïve"), Err(NameError::Character { character: 'ï', .. })));
        assert!(matches!(check_name("-a"), Err(NameError::Beginning(_))));
        assert!(matches!(check_name(&"x".repeat(64)), Err(NameError::TooLong(_))));
    }

    #[test]
    fn an_identity_becomes_an_environment_name() {
        assert_eq!(JobId::at_home("shop.web-1", "sync").environment_name(), "SHOP_WEB_1_SYNC");
    }
}
