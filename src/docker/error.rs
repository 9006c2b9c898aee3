//! What can go wrong between us and the Engine.

use std::error::Error as _;

use bollard::errors::Error as Client;

/// An operation on the Engine that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers, or the connection broke.
    #[error("cannot reach the Engine: {0}")]
    Unreachable(String),
    /// It answers, and says no.
    #[error("{message} (status {status})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The Engine's words.
        message: String,
    },
    /// It took longer than it may.
    #[error("the Engine did not answer in time")]
    TimedOut,
    /// It answers something that we do not understand.
    #[error("the Engine's answer could not be understood: {0}")]
    Malformed(String),
}

impl EngineError {
    /// Whether the Engine may be gone, as opposed to having answered.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut)
    }

    /// Whether the Engine says that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the Engine says that it does not have the image, or not of the platform that was asked for.
    pub fn is_without_image(&self) -> bool {
        const WORDS: [&str; 3] =
            ["no such image", "image not known", "does not match the specified platform"];
        match self {
            Self::Refused { status: 404, message } => {
                let message = message.to_ascii_lowercase();
                WORDS.iter().any(|words| message.contains(words))
            }
            _ => false,
        }
    }
}

impl From<Client> for EngineError {
    fn from(error: Client) -> Self {
        match error {
            Client::DockerResponseServerError { status_code, message } => {
                Self::Refused { status: status_code, message: message.trim().to_owned() }
            }
            Client::DockerStreamError { error } => Self::Refused { status: 500, message: error },
            Client::RequestTimeoutError => Self::TimedOut,
            Client::SocketNotFoundError(path) => Self::Unreachable(format!("{path} does not exist")),
            Client::IOError { .. } | Client::HyperResponseError { .. } | Client::HyperLegacyError { .. } => {
                Self::Unreachable(innermost(&error))
            }
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// The last cause in the chain: the outer ones only say that a request failed.
fn innermost(error: &Client) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = inner.to_string();
        cause = inner.source();
    }
    message
}
