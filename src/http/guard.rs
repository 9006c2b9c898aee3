//! Before anything is answered over TCP: whether it was asked for by a name of the agent's own, not by a page of
//! somebody else's in the browser of someone who may, and by someone who may.

use std::{net::SocketAddr, sync::Arc};

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
///
/// `place` is where it was asked for, in the words of the settings by which the agent listens there.
pub async fn guard(
    State((guard, place)): State<(Guard, Option<SocketAddr>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let needs = rights::needs(&method, request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    {
        let access = &guard.sources.borrow().settings.access;
        let peer = request.extensions().get::<Peer>().map(|it| it.seen_through(access, request.headers()));
        let secure = peer.is_some_and(|it| it.secure);
        let caller = match admitted((access, place), &guard.sessions, &request, secure) {
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
    (access, place): (&Access, Option<SocketAddr>),
    sessions: &Sessions,
    request: &Request,
    secure: bool,
) -> Result<Option<Caller>, Box<Response>> {
    // Who asks in the moment between a change of the settings and the end of what listens by the old ones is measured by
    // the new ones, and those may let anyone in, elsewhere.
    if access.listen != place || access.refused().is_some() {
        let detail = "the agent is not asked here any more: its setting listen says where";
        return Err(Box::new(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()));
    }
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    check(access, (request.method(), request.uri(), secure), request.headers())
        .map_err(|problem| Box::new(problem.into_response()))?;
    let caller = caller::identify(access, sessions, request.headers());
    let needs = rights::needs(request.method(), path);
    caller::may(access, (needs, request.method(), request.headers()), &caller)?;
    Ok(caller.ok())
}

fn check(
    access: &Access,
    (method, uri, secure): (&Method, &Uri, bool),
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let asked = asked_host(uri, headers)?;
    if !access.is_called(asked.host()) {
        let detail = format!(
            "\"{}\" is no name of this agent: ask by its address or as localhost, or write the name into allowed-hosts",
            asked.host()
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    if is_write(method) && !is_same_site(access, (&asked, secure), headers) {
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

/// Browsers say which page asks; other programs say nothing of it. A page that came in the clear can be anyone's, so where
/// the way is secure it is none of ours, by whatever name. The other way round it may be: a proxy that is not trusted may
/// speak TLS for us.
fn is_same_site(access: &Access, (asked, secure): (&Authority, bool), headers: &HeaderMap) -> bool {
    let fetch_site = headers.get_all("sec-fetch-site").iter();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    fetch_site.map(HeaderValue::as_bytes).all(|it| matches!(it, b"same-origin" | b"none"))
        && origins.all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let Some((scheme, authority)) = origin.split_once("://") else { return false };
            let in_the_clear = !scheme.eq_ignore_ascii_case("https");
            match access.public_url.as_ref().filter(|it| authority.eq_ignore_ascii_case(&it.authority)) {
                Some(public) => !(in_the_clear && (secure || public.is_secure())),
                None => authority.eq_ignore_ascii_case(asked.as_str()) && !(in_the_clear && secure),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        status_over((method, uri, false), headers)
    }

    fn status_over((method, uri, secure): (&str, &str, bool), headers: &[(&str, &str)]) -> u16 {
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
        let checked = check(&access, (&method, &uri.parse().unwrap(), secure), &all);
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
    fn who_still_asks_where_the_settings_say_nothing_any_more_is_not_let_in_by_what_they_say_of_another_place()
     {
        let place = |text: &str| crate::settings::access::listen(text).unwrap();
        let sessions =
            Sessions::new(vec![], crate::history::keeper::Keeper::none(), crate::time::Clock::System);
        let request =
            Request::builder().uri("/api/jobs").header("host", "localhost").body(Body::empty()).unwrap();
        for (before, now, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", 200),
            ("0.0.0.0:1", "127.0.0.1:1", 503),
            ("0.0.0.0:1", "none", 503),
            // There it would be refused to listen without a token.
            ("0.0.0.0:1", "0.0.0.0:1", 503),
        ] {
            let access = Access { listen: place(now), ..Access::default() };
            let admitted = admitted((&access, place(before)), &sessions, &request, false);
            let status = admitted.map_or_else(|refused| refused.status().as_u16(), |_| 200);
            assert_eq!(status, expected, "{before} {now}");
        }
    }

    #[test]
    fn a_page_of_another_site_asks_for_nothing() {
        let asks = |method: &str, more: &[(&str, &str)]| {
            status(method, "/api/jobs/a/run", &[&[("host", "localhost:8080")], more].concat())
        };
        for (header, value, expected) in [
            ("origin", "http://localhost:8080", 200),
            ("origin", "https://cron.example.org", 200),
            ("origin", "http://cron.example.org", 403),
            // A proxy may speak TLS for us.
            ("origin", "https://localhost:8080", 200),
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
        let over_tls = |origin: &str| {
            let headers = [("host", "localhost:8080"), ("origin", origin)];
            status_over(("POST", "/api/jobs/a/run", true), &headers)
        };
        for (origin, expected) in [
            ("https://localhost:8080", 200),
            ("HTTPS://localhost:8080", 200),
            ("https://cron.example.org", 200),
            ("http://localhost:8080", 403),
            ("http://cron.example.org", 403),
        ] {
            assert_eq!(over_tls(origin), expected, "{origin}");
        }
        assert_eq!(asks("POST", &[]), 200);
        let both = [("origin", "http://localhost:8080"), ("origin", "https://evil.example")];
        assert_eq!(asks("POST", &both), 403);
    }
}
