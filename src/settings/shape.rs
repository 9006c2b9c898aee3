//! The shapes that a value can be written in.

/// What can be written as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// `true`, `false` and their kin.
    Boolean,
    /// A length of time with its unit.
    Duration,
    /// A number of bytes with its unit.
    Size,
    /// A number of runs, a length of time, or both.
    Retention,
    /// A number from 1 to this.
    Number(u16),
    /// A number from 0 to this.
    Count(u16),
    /// An amount of memory.
    Memory,
    /// A number of processors.
    Cpus,
    /// A number of processes.
    Pids,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A JSON array, indexed keys or lines.
    List,
    /// Names of channels: a list, of which commas part items as well.
    Channels,
    /// Of what someone is told: a list, of which commas part items as well.
    Causes,
    /// How long is too long.
    Over,
    /// Names of jobs: a list, of which commas part items as well.
    Names,
    /// Exit codes: a list, of which commas part items as well.
    Codes,
    /// A list of `NAME=VALUE`.
    Map,
    /// Shell words or a JSON array.
    Command,
    /// A boolean or the path of a shell.
    Shell,
    /// A schedule.
    Schedule,
    /// The IANA name of a time zone.
    Zone,
}

impl Shape {
    /// The shape in the words of the documentation.
    pub fn words(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Boolean => "boolean".into(),
            Self::Duration => "duration".into(),
            Self::Size => "size such as `64KiB`, or `0`".into(),
            Self::Retention => "`N runs`, a duration, or both; `none`".into(),
            Self::Number(most) => format!("number from 1 to {most}"),
            Self::Count(most) => format!("number from 0 to {most}"),
            Self::Memory => "amount of memory".into(),
            Self::Cpus => "decimal number".into(),
            Self::Pids => "number from 1, or `unlimited`".into(),
            Self::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Self::List => "list".into(),
            Self::Names => "list of jobs, also by comma".into(),
            Self::Channels => "list of channels, also by comma".into(),
            Self::Causes => "list of words, also by comma".into(),
            Self::Over => "`Nx`, a duration, or `none`".into(),
            Self::Codes => "list of exit codes, also by comma".into(),
            Self::Map => "list of `NAME=VALUE`".into(),
            Self::Command => "command".into(),
            Self::Shell => "boolean or path".into(),
            Self::Schedule => "schedule".into(),
            Self::Zone => "time zone".into(),
        }
    }

    /// Whether several items can be written, by indexed keys or repeated keys.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Channels | Self::Causes | Self::Names | Self::Codes | Self::Map)
    }
}
