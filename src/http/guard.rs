//! Before anything is answered over TCP: whether it was asked for by a name of the agent's own, not by a page of
//! somebody else's in the browser of someone who may, and by someone who may.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use tokio::sync::watch;

use crate::settings::{access::Access, resolve::Sources};

use super::{
    caller::{self, Caller},
    peer::Peer,
    problem::Problem,
    rights::{self, Needs},
    sessions::Sessions,
};

/// What is looked at; cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The settings that are in force.
    pub sources: watch::Receiver<Arc<Sources>>,
    /// Who has logged in.
    pub sessions: Sessions,
}

impl Guard {
    /// Comes to its end when who asks so is not let in any more.
    async fn revoked(mut self, needs: Needs, method: Method, headers: HeaderMap) {
        let mut ended = self.sessions.ended();
        loop {
            ended.mark_unchanged();
            let until = {
                let access = &self.sources.borrow_and_update().settings.access;
                let caller = caller::identify(access, &self.sessions, &headers);
                if caller::may(access, (needs, &method, &headers), &caller).is_err() {
                    return;
                }
                caller.ok().and_then(|it| it.session).map(|it| it.until)
            };
            tokio::select! {
                Ok(()) = self.sources.changed() => {}
                Ok(()) = ended.changed() => {}
                () = self.sessions.over(until) => {}
            }
        }
    }
}

/// Lets pass what may, and a stream of events for as long as it may.
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let needs = rights::needs(&method, request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    {
        let access = &guard.sources.borrow().settings.access;
        let peer = request.extensions().get::<Peer>().map(|it| it.seen_through(access, request.headers()));
        let caller = match admitted(access, &guard.sessions, &request) {
            Ok(caller) => caller,
            Err(refused) => return *refused,
        };
        let extensions = request.extensions_mut();
        peer.and_then(|it| extensions.insert(it));
        caller.and_then(|it| extensions.insert(it));
    }
    let response = next.run(request).await;
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|it| it != "text/event-stream") {
        return response;
    }
    let revoked = guard.revoked(needs, method, headers);
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(revoked)))
}

/// Who asks, if he says so and may.
fn admitted(
    access: &Access,
    sessions: &Sessions,
    request: &Request,
) -> Result<Option<Caller>, Box<Response>> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    check(access, request.method(), request.uri(), request.headers())
        .map_err(|problem| Box::new(problem.into_response()))?;
    let caller = caller::identify(access, sessions, request.headers());
    let needs = rights::needs(request.method(), path);
    caller::may(access, (needs, request.method(), request.headers()), &caller)?;
    Ok(caller.ok())
}

fn check(access: &Access, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let asked = asked_host(uri, headers)?;
    if !access.is_called(asked.host()) {
        let detail = format!(
            "\"{}\" is no name of this agent: ask by its address or as localhost, or write the name into allowed-hosts",
            asked.host()
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    if is_write(method) && !is_same_site(access, &asked, headers) {
        let detail = "a page of another site asks for it: only the agent's own pages and programs may";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

/// Whether something may be changed by it.
pub(super) fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whom the request is for, which must be said once.
fn asked_host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
    let wrong = || Problem::bad("the header Host must be there once, and name a host");
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    // A request to a proxy says it in the first line as well.
    match uri.authority() {
        Some(other) if *other != named => Err(wrong()),
        _ if named.host().is_empty() || named.as_str().contains('@') => Err(wrong()),
        _ => Ok(named),
    }
}

/// Browsers say which page asks; other programs say nothing of it.
fn is_same_site(access: &Access, asked: &Authority, headers: &HeaderMap) -> bool {
    let fetch_site = headers.get_all("sec-fetch-site").iter();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    fetch_site.map(HeaderValue::as_bytes).all(|it| matches!(it, b"same-origin" | b"none"))
        && origins.all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let Some((_, authority)) = origin.split_once("://") else { return false };
            authority.eq_ignore_ascii_case(asked.as_str())
                || access.public_url.as_ref().is_some_and(|it| authority.eq_ignore_ascii_case(&it.authority))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let access = Access {
            public_url: crate::settings::access::public_url("https://cron.example.org").unwrap(),
            ..Access::default()
        };
        let method: Method = method.parse().unwrap();
        let headers = headers.iter().map(|(name, value)| {
            (header::HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        });
        let mut all = HeaderMap::new();
        headers.for_each(|(name, value)| {
            all.append(name, value);
        });
        let checked = check(&access, &method, &uri.parse().unwrap(), &all);
        checked.map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn a_name_that_is_not_the_agents_own_is_refused() {
        for (host, expected) in [
            ("127.0.0.1:8080", 200),
            ("[::1]:8080", 200),
            ("localhost", 200),
            ("10.0.0.7:80", 200),
            ("cron.example.org", 200),
            ("evil.example:8080", 403),
            ("127.0.0.1.evil.example", 403),
            ("evil@localhost", 400),
            ("", 400),
            ("a b", 400),
        ] {
            assert_eq!(status("GET", "/api/jobs", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status("GET", "/health", &[]), 400);
        assert_eq!(status("GET", "/health", &[("host", "localhost"), ("host", "localhost")]), 400);
        assert_eq!(status("GET", "http://evil.example/health", &[("host", "localhost")]), 400);
        assert_eq!(status("GET", "http://localhost/health", &[("host", "localhost")]), 200);
    }

    #[test]
    fn a_page_of_another_site_asks_for_nothing() {
        let asks = |method: &str, more: &[(&str, &str)]| {
            status(method, "/api/jobs/a/run", &[&[("host", "localhost:8080")], more].concat())
        };
        for (header, value, expected) in [
            ("origin", "http://localhost:8080", 200),
            ("origin", "https://cron.example.org", 200),
            ("origin", "http://localhost:9999", 403),
            ("origin", "https://evil.example", 403),
            ("origin", "null", 403),
            ("origin", "", 403),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "same-site", 403),
            ("sec-fetch-site", "cross-site", 403),
        ] {
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                assert_eq!(asks(method, &[(header, value)]), expected, "{method} {header}: {value}");
            }
            assert_eq!(asks("GET", &[(header, value)]), 200);
        }
        assert_eq!(asks("POST", &[]), 200);
        let both = [("origin", "http://localhost:8080"), ("origin", "https://evil.example")];
        assert_eq!(asks("POST", &both), 403);
    }
}
