//! Who asks.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use crate::{
    model::secret::TokenHash,
    settings::access::{Access, Role, User},
};

use super::{
    problem::Problem,
    rights::Needs,
    sessions::{Sessions, csrf},
};

/// What a browser shows is called so.
pub const COOKIE: &str = "watchbell-session";

/// What a page of ours shows beside it.
const CSRF: &str = "x-csrf-token";

/// Who asks, and what he may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// His name, for those who read what was done.
    pub name: Arc<str>,
    /// What he may.
    pub role: Role,
    /// If he has logged in.
    pub session: Option<OwnSession>,
}

/// The session of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// What his page must show where something is changed.
    pub csrf: String,
    /// When he has to log in again.
    pub until: Timestamp,
}

impl Caller {
    /// Who can open the agent's socket, and with it all that the agent has.
    pub fn on_the_socket() -> Self {
        Self { name: "socket".into(), role: Role::Admin, session: None }
    }

    /// A user.
    pub fn user(user: &User) -> Self {
        Self { name: format!("user {}", user.name).into(), role: user.role, session: None }
    }

    /// Whoever it is, where nobody has to say who he is.
    fn anyone(access: &Access) -> Self {
        Self { name: ANYONE.into(), role: access.role_of_anyone(), session: None }
    }
}

/// The name of whoever need not say who he is.
const ANYONE: &str = "anyone";

/// Why someone is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// He says nothing.
    Silent,
    /// What he shows is nothing of ours, or not any more.
    Unknown,
}

/// Who it is that sends this.
pub fn identify(access: &Access, sessions: &Sessions, headers: &HeaderMap) -> Result<Caller, Stranger> {
    if !access.asks_who() {
        return Ok(Caller::anyone(access));
    }
    // A browser sends a proxy's own word, such as Basic, with everything: it says nothing to us beside a session.
    let is_bearer =
        |it: &HeaderValue| it.as_bytes().get(..7).is_some_and(|it| it.eq_ignore_ascii_case(b"bearer "));
    let shown = headers.get_all(header::AUTHORIZATION);
    if shown.iter().any(is_bearer) || (shown.iter().next().is_some() && cookie(headers).is_none()) {
        return by_token(access, headers).ok_or(Stranger::Unknown);
    }
    let token = cookie(headers).ok_or(Stranger::Silent)?;
    let (user, until) = sessions.find(access, token).ok_or(Stranger::Unknown)?;
    Ok(Caller { session: Some(OwnSession { csrf: csrf(token), until }), ..Caller::user(user) })
}

fn by_token(access: &Access, headers: &HeaderMap) -> Option<Caller> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return None };
    let (scheme, token) = shown.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let hash = TokenHash::of(token.trim());
    // All of them are looked at, whichever it is.
    let known =
        access.tokens.iter().fold(None, |known, it| if it.hash.is(&hash) { Some(it) } else { known })?;
    Some(Caller { name: format!("token {}", known.name).into(), role: known.role, session: None })
}

/// What the browser shows.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut all = all.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    all.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Whether he may; if he may not, what he is told.
pub fn may(
    access: &Access,
    (needs, method, headers): (Needs, &Method, &HeaderMap),
    caller: &Result<Caller, Stranger>,
) -> Result<(), Box<Response>> {
    let role = match needs {
        Needs::Nothing => return Ok(()),
        Needs::Probe if !access.metrics_auth => return Ok(()),
        Needs::Probe => Role::Viewer,
        Needs::Role(role) => role,
    };
    match caller {
        Ok(caller) if caller.role < role => {
            let (name, has, needs) = (&caller.name, caller.role.as_str(), role.as_str());
            let detail = if **name == *ANYONE {
                format!(
                    "nobody has to say who he is here, and this is for the role {needs}: set a token or a user, ask on the \
                     agent's socket, or write insecure-no-auth = true where whoever reaches it may be root on its machine"
                )
            } else {
                format!("{name} has the role {has}, and this is for the role {needs}")
            };
            Err(Box::new(Problem::new(StatusCode::FORBIDDEN, detail).into_response()))
        }
        Ok(caller) if super::guard::is_write(method) && !shows_csrf(caller, headers) => {
            let detail = "the header X-CSRF-Token must say what GET /api/session says of it";
            Err(Box::new(Problem::new(StatusCode::FORBIDDEN, detail).into_response()))
        }
        Ok(_) => Ok(()),
        Err(stranger) => {
            let detail = match stranger {
                Stranger::Silent => {
                    "say who asks: log in, or send Authorization: Bearer and a token of the agent's settings"
                }
                Stranger::Unknown => "the token is none of the agent's, or the session is over",
            };
            let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
            Err(Box::new(response))
        }
    }
}

/// Whose browser shows a cookie by itself must show what only a page of ours knows as well.
fn shows_csrf(caller: &Caller, headers: &HeaderMap) -> bool {
    let Some(session) = &caller.session else { return true };
    let mut shown = headers.get_all(CSRF).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return false };
    let shown = TokenHash::of(shown.to_str().unwrap_or_default());
    shown.is(&TokenHash::of(&session.csrf))
}
