//! Logging in and out.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use utoipa::ToSchema;

use crate::{
    model::secret::TokenHash,
    settings::access::{Access, User},
    telemetry::report,
};

use super::{
    caller::{self, COOKIE, Caller},
    dto::{NothingToSay, ProblemDetails},
    guard::Guard,
    peer::Peer,
    problem::{Problem, Said},
    sessions::{Begun, csrf},
    throttle::Throttle,
};

/// So many passwords are tried at once: each takes some megabytes and a core.
const TURNS: usize = 2;

/// How long one waits for his turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who wants to log in.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct LoginRequest {
    /// His name.
    #[schema(min_length = 1)]
    pub user: String,
    /// His password.
    #[schema(min_length = 1)]
    pub password: String,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").finish_non_exhaustive()
    }
}

/// Who asks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionItem {
    /// `user` or `token` with a name, `socket`, or `anyone` where nobody has to say who he is.
    pub caller: String,
    /// What he may: `viewer`, `operator` or `admin`.
    pub role: String,
    /// What the header `X-CSRF-Token` must say where something is changed; only of who has logged in.
    pub csrf: Option<String>,
    /// When he has to log in again.
    pub until: Option<String>,
}

/// What is needed for it.
#[derive(Debug, Clone)]
struct Login {
    guard: Guard,
    throttle: Throttle,
    turns: Arc<Semaphore>,
}

/// `/api/login`, `/api/logout` and `/api/session`.
pub fn routes(guard: Guard) -> Router {
    let turns = Arc::new(Semaphore::new(TURNS));
    Router::new()
        .route("/api/login", post(login))
        .route("/api/logout", post(logout))
        .route("/api/session", get(session))
        .with_state(Login { guard, throttle: Throttle::default(), turns })
}

/// A user logs in. The answer sets a cookie that only the browser can read; programs use tokens.
#[utoipa::path(
    post, path = "/api/login", request_body = LoginRequest,
    responses(
        (status = 200, description = "He is in", body = SessionItem),
        (status = 400, description = "The body makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "User or password is wrong", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "A page of another site asks", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 429, description = "There were too many tries from there; Retry-After says in how many seconds", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "Too many try at once", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
async fn login(
    State(login): State<Login>,
    peer: Option<Extension<Peer>>,
    Said(LoginRequest { user, password }): Said<LoginRequest>,
) -> Result<Response, Problem> {
    if user.is_empty() || password.is_empty() {
        return Err(Problem::bad("say who logs in: {\"user\": …, \"password\": …}"));
    }
    let peer = peer.map(|Extension(it)| it);
    let place = peer.map(Peer::neighbourhood);
    if let Some(Err(wait)) = place.map(|it| login.throttle.tries(it)) {
        let mut response =
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "there were too many tries from this address: wait")
                .into_response();
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        return Ok(response);
    }
    let access = login.guard.sources.borrow().settings.access.clone();
    let known = access.users.iter().find(|it| it.name == user);
    if !is_right(&login, known.or_else(|| instead(&access, &user)), password).await? || known.is_none() {
        report::login_refused(known.map(|it| it.name.as_str()), peer.map(|it| it.address));
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "user or password is wrong"));
    }
    // That took its time, in which a reload may have taken him away, or his password.
    let access = login.guard.sources.borrow().settings.access.clone();
    let still = known
        .and_then(|it| access.users.iter().find(|now| now.name == it.name && now.password == it.password));
    if still.is_none() {
        report::login_refused(known.map(|it| it.name.as_str()), peer.map(|it| it.address));
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "user or password is wrong"));
    }
    let Some((user, Begun { token, until })) = (match still {
        Some(user) => login.guard.sessions.begin(&access, user).await.map(|begun| (user, begun)),
        None => None,
    }) else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this machine has no randomness now"));
    };
    if let Some(place) = place {
        login.throttle.succeeded(place);
    }
    let item = SessionItem {
        caller: Caller::user(user).name.to_string(),
        role: user.role.as_str().to_owned(),
        csrf: Some(csrf(&token)),
        until: Some(until.to_string()),
    };
    let age = access.session_lifetime.as_secs();
    let mut response = (cookie(&token, age, peer.is_some_and(|it| it.secure)), Json(item)).into_response();
    // For the audit record: until now nobody knew who it is.
    response.extensions_mut().insert(Caller::user(user));
    Ok(response)
}

/// Whose password is tried for a name that nobody has: always the same one's for the same name, as it would be if it were
/// somebody's. Hashes may take unlike lengths of time, and the first user's own would tell.
fn instead<'a>(access: &'a Access, name: &str) -> Option<&'a User> {
    let drawn = usize::from(TokenHash::of(name).bytes()[0]);
    access.users.get(drawn.checked_rem(access.users.len())?)
}

/// Whether it is this user's password.
async fn is_right(login: &Login, user: Option<&User>, password: String) -> Result<bool, Problem> {
    let Some(hash) = user.map(|it| it.password.clone()) else { return Ok(false) };
    let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many log in at once: try again");
    let turn = timeout(PATIENCE, login.turns.clone().acquire_owned()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    let tried = spawn_blocking(move || {
        let _turn = turn;
        hash.is_of(&password)
    });
    Ok(tried.await.unwrap_or(false))
}

/// Who has logged in is out again, wherever else his cookie may be.
#[utoipa::path(
    post, path = "/api/logout", request_body = Option<NothingToSay>,
    responses(
        (status = 204, description = "He is out, or was not in"),
        (status = 400, description = "The body makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
async fn logout(
    State(login): State<Login>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Said(NothingToSay {}): Said<NothingToSay>,
) -> Response {
    if let Some(token) = caller::cookie(&headers) {
        login.guard.sessions.end(token).await;
    }
    let secure = peer.is_some_and(|Extension(it)| it.secure);
    (StatusCode::NO_CONTENT, cookie("", 0, secure)).into_response()
}

/// Who asks, and what he may.
#[utoipa::path(
    get, path = "/api/session",
    responses((status = 200, description = "Who it is", body = SessionItem))
)]
async fn session(caller: Option<Extension<Caller>>) -> Json<SessionItem> {
    let caller = caller.map_or_else(Caller::on_the_socket, |Extension(it)| it);
    let session = caller.session;
    Json(SessionItem {
        caller: caller.name.to_string(),
        role: caller.role.as_str().to_owned(),
        until: session.as_ref().map(|it| it.until.to_string()),
        csrf: session.map(|it| it.csrf),
    })
}

/// No script reads it, and no other site's page has it sent.
fn cookie(token: &str, age: u64, secure: bool) -> HeaderMap {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(header::SET_COOKIE, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;

    use super::*;
    use crate::{
        history::keeper::Keeper,
        http::sessions::Sessions,
        model::{origin::Origin, password::PasswordHash},
        settings::{access::Role, global::layers::Upper, ini::Ini, resolve::Sources},
        time::Clock,
    };

    fn sources(users: &[(&str, &str, Role)]) -> Arc<Sources> {
        let mut sources = Sources::new(Ini::default(), Upper::default(), vec![]);
        let users = users.iter().map(|(name, password, role)| User {
            name: (*name).to_owned(),
            password: PasswordHash::of(password, &[1; 16]).unwrap(),
            role: *role,
            origin: Origin::Default,
        });
        sources.settings.access.users = users.collect();
        Arc::new(sources)
    }

    /// Anna logs in, and before her password is tried the settings become these.
    async fn while_it_is_tried(after: Arc<Sources>) -> Result<String, u16> {
        let (change, sources) = watch::channel(sources(&[("anna", "hunter2", Role::Operator)]));
        let sessions = Sessions::new(vec![], Keeper::none(), Clock::System);
        let login_state = Login {
            guard: Guard { sources, sessions },
            throttle: Throttle::default(),
            turns: Arc::new(Semaphore::new(TURNS)),
        };
        let turns = login_state.turns.clone().acquire_many_owned(2).await.unwrap();
        let request = LoginRequest { user: "anna".into(), password: "hunter2".into() };
        let asked = login(State(login_state), None, Said(request));
        tokio::pin!(asked);
        let waiting = timeout(Duration::from_millis(50), &mut asked).await;
        assert!(waiting.is_err(), "it waits for its turn");
        change.send_replace(after);
        drop(turns);
        let response = asked.await.map_err(|problem| problem.into_response().status().as_u16())?;
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        Ok(serde_json::from_slice::<SessionItem>(&body).unwrap().role)
    }

    #[tokio::test]
    async fn who_is_removed_while_his_password_is_tried_does_not_get_in() {
        let anna = |password, role| sources(&[("anna", password, role)]);
        assert_eq!(while_it_is_tried(anna("hunter2", Role::Operator)).await, Ok("operator".to_owned()));
        assert_eq!(while_it_is_tried(anna("hunter2", Role::Viewer)).await, Ok("viewer".to_owned()));
        assert_eq!(while_it_is_tried(anna("hunter3", Role::Operator)).await, Err(401));
        assert_eq!(while_it_is_tried(sources(&[("ben", "hunter2", Role::Admin)])).await, Err(401));
    }
}
