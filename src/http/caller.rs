//! Who asks.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    model::secret::TokenHash,
    settings::access::{Access, Role},
};

use super::{problem::Problem, rights::Needs};

/// Who asks, and what he may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// His name, for those who read what was done.
    pub name: Arc<str>,
    /// What he may.
    pub role: Role,
}

impl Caller {
    /// Whoever it is, where nobody has to say who he is.
    fn anyone() -> Self {
        Self { name: "anyone".into(), role: Role::Admin }
    }
}

/// Why someone is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// He says nothing.
    Silent,
    /// What he shows is nothing of ours.
    Unknown,
}

/// Who it is that sends this.
pub fn identify(access: &Access, headers: &HeaderMap) -> Result<Caller, Stranger> {
    if !access.asks_who() {
        return Ok(Caller::anyone());
    }
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return Err(Stranger::Silent) };
    let (scheme, token) = shown.to_str().ok().and_then(|it| it.split_once(' ')).ok_or(Stranger::Unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Stranger::Unknown);
    }
    let hash = TokenHash::of(token.trim());
    // All of them are looked at, whichever it is.
    let known = access.tokens.iter().fold(None, |known, it| if it.hash.is(&hash) { Some(it) } else { known });
    let known = known.ok_or(Stranger::Unknown)?;
    Ok(Caller { name: format!("token {}", known.name).into(), role: known.role })
}

/// Whether he may; if he may not, what he is told.
pub fn may(access: &Access, needs: Needs, caller: &Result<Caller, Stranger>) -> Result<(), Box<Response>> {
    let role = match needs {
        Needs::Probe if !access.metrics_auth => return Ok(()),
        Needs::Probe => Role::Viewer,
        Needs::Role(role) => role,
    };
    match caller {
        Ok(caller) if caller.role >= role => Ok(()),
        Ok(caller) => {
            let detail = format!(
                "{} has the role {}, and this is for the role {}",
                caller.name,
                caller.role.as_str(),
                role.as_str()
            );
            Err(Box::new(Problem::new(StatusCode::FORBIDDEN, detail).into_response()))
        }
        Err(stranger) => {
            let detail = match stranger {
                Stranger::Silent => "say who asks: Authorization: Bearer and a token of the agent's settings",
                Stranger::Unknown => "the token is none of the agent's",
            };
            let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
            Err(Box::new(response))
        }
    }
}
