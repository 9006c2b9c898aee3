//! Who asked for what to be changed: told, kept, and answered to those who may know.

use std::{fmt::Write, sync::Arc};

use crate::{
    history::keeper::Keeper,
    model::{audit::Audit, item::Item},
    telemetry::report,
    time::Clock,
};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::Response,
};

use super::{
    api::Api,
    caller::Caller,
    dto::ProblemDetails,
    dto_runs::{AuditItem, AuditList, AuditsQuery},
    guard::is_write,
    jobs::page,
    peer::Peer,
    problem::{Asked, Problem, tagged},
};

/// So much of a path is told and kept.
const PATH: usize = 256;

/// How many records a page has.
const PAGE: u32 = 50;

/// Where it goes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Auditor {
    /// What is kept.
    pub keeper: Keeper,
    /// The agent's clock.
    pub clock: Clock,
}

/// The same routes, with a record of what is asked of them.
pub fn audited(routes: Router, auditor: Auditor) -> Router {
    routes.layer(from_fn_with_state(auditor, audit))
}

/// Records what may change something and was let pass. A login has its record when someone is in.
async fn audit(State(auditor): State<Auditor>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    if !is_write(&method) {
        return next.run(request).await;
    }
    // Where there is nothing, nothing can be changed, and nobody is to fill the records with it.
    if request.extensions().get::<MatchedPath>().is_none() {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().copied();
    let caller = request.extensions().get::<Caller>().map(|it| it.name.clone());
    let path = told(request.uri().path());
    let response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let caller = match (caller, response.extensions().get::<Caller>(), peer) {
        (_, Some(now), _) => now.name.clone(),
        (Some(caller), ..) => caller,
        (None, None, None) => Caller::on_the_socket().name,
        // Nobody knows who it is: there is nothing that he may change.
        (None, None, Some(_)) => return response,
    };
    auditor.record(caller, peer, &method, path, response.status().as_u16());
    response
}

/// A path as it is told and kept: only what is no ASCII may come as it is, and a terminal that shows the record would
/// obey some of that.
fn told(path: &str) -> String {
    let mut told = String::new();
    for byte in path.bytes().take(PATH) {
        if byte.is_ascii_graphic() {
            told.push(byte.into());
        } else {
            let _ = write!(told, "%{byte:02X}");
        }
    }
    told.truncate(PATH);
    told
}

impl Auditor {
    fn record(&self, caller: Arc<str>, peer: Option<Peer>, method: &Method, path: String, status: u16) {
        let from = peer.map(|it| it.address.to_string());
        let method = method.to_string();
        report::audit_written(&caller, from.as_deref(), &method, &path, status);
        let audit = Audit { at: self.clock.now(), caller, from, method, path, status };
        self.keeper.keep([Item::Audited(audit)]);
    }
}

/// What was asked to be changed, by whom and from where, the newest first.
#[utoipa::path(
    get, path = "/api/audits", params(AuditsQuery),
    responses(
        (status = 200, description = "A page; with an ETag", body = AuditList),
        (status = 304, description = "It is the one of If-None-Match"),
        (status = 400, description = "The question makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The history cannot be read", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn list_audits(
    State(api): State<Api>,
    Asked(AuditsQuery { limit, cursor }): Asked<AuditsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = page(limit, PAGE)?;
    api.settle().await;
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut found = api.read(move |reader| reader.audits(cursor, most)).await?.unwrap_or_default();
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|(number, _)| *number);
    let item = |(_, it): (i64, Audit)| AuditItem {
        at: it.at.to_string(),
        caller: it.caller.to_string(),
        from: it.from,
        method: it.method,
        path: it.path,
        status: it.status,
    };
    Ok(tagged(&headers, &AuditList { audits: found.into_iter().map(item).collect(), next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_moves_the_cursor_or_turns_the_line_around() {
        assert_eq!(told("/api/jobs/a%20b/run"), "/api/jobs/a%20b/run");
        assert_eq!(told("/api/jobs/\u{9b}2J\u{202e}/run"), "/api/jobs/%C2%9B2J%E2%80%AE/run");
        assert_eq!(told(&"\u{9b}".repeat(PATH)).len(), PATH);
    }
}
