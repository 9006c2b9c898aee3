//! Where a value was written, to the place: what a person needs to go and mend it.

use std::{fmt, sync::Arc};

/// The exact place a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody wrote it: the built-in default.
    Default,
    /// A line of an INI file.
    File {
        /// The file's path as it was given.
        path: Arc<str>,
        /// The line, from 1.
        line: u32,
    },
    /// A label of a container.
    Label {
        /// The container's name, without the leading slash.
        container: Arc<str>,
        /// The label's whole key.
        label: Arc<str>,
    },
    /// A container as a whole, where no single label is meant.
    Container(Arc<str>),
    /// A label of a service of a Swarm.
    ServiceLabel {
        /// The service's name.
        service: Arc<str>,
        /// The label's whole key.
        label: Arc<str>,
    },
    /// A service of a Swarm as a whole.
    Service(Arc<str>),
    /// A command-line flag, as it was written.
    Flag(Arc<str>),
    /// Something that is in force, wherever it was written; in words, such as `setting state-dir`.
    Place(Arc<str>),
    /// An environment variable.
    Environment(Arc<str>),
    /// What someone asked for over the API, as a whole or a key of it.
    Api(Option<Arc<str>>),
}

impl Origin {
    /// Whether someone who can label a container or a service wrote it.
    pub fn is_label(&self) -> bool {
        matches!(self, Self::Label { .. } | Self::Container(_) | Self::ServiceLabel { .. } | Self::Service(_))
    }

    /// The key of the label that is meant, if it is one.
    pub fn label(&self) -> Option<&Arc<str>> {
        match self {
            Self::Label { label, .. } | Self::ServiceLabel { label, .. } => Some(label),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Label { container, label } => write!(f, "container {container} (label {label})"),
            Self::Container(container) => write!(f, "container {container}"),
            Self::ServiceLabel { service, label } => write!(f, "service {service} (label {label})"),
            Self::Service(service) => write!(f, "service {service}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Place(place) => f.write_str(place),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Api(None) => f.write_str("API"),
            Self::Api(Some(key)) => write!(f, "API (parameter {key})"),
        }
    }
}
