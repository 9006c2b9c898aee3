//! What can go wrong between us and the Engine.

use std::error::Error as StdError;

use bollard::errors::Error as Client;

/// What an Engine answers that was asked in the clear where it speaks TLS.
const WANTS_TLS: &str = "HTTP request to an HTTPS server";

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

/// The refusal of somebody who stands before the Engine.
#[derive(Debug, thiserror::Error)]
#[error("denied")]
pub(super) struct Denied {
    /// The HTTP status.
    pub status: u16,
    /// Method and path, as the table of endpoints has them.
    pub endpoint: String,
}

impl From<Client> for EngineError {
    fn from(error: Client) -> Self {
        if let Client::IOError { err } = &error
            && let Some(Denied { status, endpoint }) = err.get_ref().and_then(|it| it.downcast_ref())
        {
            let message = format!(
                "a proxy before the Engine denies {endpoint}: let it through there; watchbell doctor --grants prints \
                 all that it must"
            );
            return Self::Refused { status: *status, message };
        }
        match error {
            Client::DockerResponseServerError { status_code: 400, message }
                if message.contains(WANTS_TLS) =>
            {
                let mend = "the Engine wants TLS there: set docker-tls-verify and docker-cert-path";
                Self::Refused { status: 400, message: mend.to_owned() }
            }
            // Podman's status for it is that of any failure.
            Client::DockerResponseServerError { status_code: 500, message }
                if message.contains("is already in use") =>
            {
                Self::Refused { status: 409, message: message.trim().to_owned() }
            }
            Client::DockerResponseServerError { status_code, message } => {
                Self::Refused { status: status_code, message: message.trim().to_owned() }
            }
            Client::DockerStreamError { error } => Self::Refused { status: 500, message: error },
            Client::RequestTimeoutError => Self::TimedOut,
            Client::IOError { .. } | Client::HyperResponseError { .. } => {
                Self::Unreachable(innermost(&error))
            }
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// The last cause in the chain: the outer ones only say that a request failed.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = inner.to_string();
        cause = inner.source();
    }
    message
}
