//! What each role may do: one table, from which come what is let pass, what the description says of it, and the
//! documentation.

use axum::http::Method;
use utoipa::openapi::{
    ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    path::{HttpMethod, Operation, PathItem},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::settings::access::Role;

use super::caller::COOKIE;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone: it is how he says who he is.
    Nothing,
    /// Anyone, unless `metrics-auth` is on: then who may see everything.
    Probe,
    /// Who has this role, or one that may more.
    Role(Role),
}

/// One thing to ask for.
#[derive(Debug)]
pub struct Right {
    /// The method; `HEAD` goes with `GET`.
    pub method: Method,
    /// The path as the router has it.
    pub path: &'static str,
    /// Who may.
    pub needs: Needs,
}

const fn probe(path: &'static str) -> Right {
    Right { method: Method::GET, path, needs: Needs::Probe }
}

const fn sees(path: &'static str) -> Right {
    Right { method: Method::GET, path, needs: Needs::Role(Role::Viewer) }
}

const fn operates(path: &'static str) -> Right {
    Right { method: Method::POST, path, needs: Needs::Role(Role::Operator) }
}

const fn administers(method: Method, path: &'static str) -> Right {
    Right { method, path, needs: Needs::Role(Role::Admin) }
}

/// All of it. What is not here nobody but an admin may.
pub static RIGHTS: &[Right] = &[
    probe("/health"),
    probe("/live"),
    probe("/ready"),
    probe("/metrics"),
    sees("/api/jobs"),
    sees("/api/jobs/{name}"),
    sees("/api/jobs/{name}/history"),
    sees("/api/jobs/{name}/notification"),
    sees("/api/channels"),
    sees("/api/runs"),
    sees("/api/runs/{id}"),
    sees("/api/runs/{id}/output"),
    sees("/api/problems"),
    sees("/api/config"),
    sees("/api/endpoints"),
    sees("/api/events"),
    sees("/api/openapi.json"),
    sees("/api/session"),
    Right { method: Method::POST, path: "/api/login", needs: Needs::Nothing },
    // To end one's own session one need not be more.
    Right { method: Method::POST, path: "/api/logout", needs: Needs::Role(Role::Viewer) },
    Right { method: Method::GET, path: "/api/audits", needs: Needs::Role(Role::Admin) },
    administers(Method::POST, "/api/jobs"),
    administers(Method::PUT, "/api/jobs/{name}"),
    administers(Method::DELETE, "/api/jobs/{name}"),
    operates("/api/jobs/{name}/run"),
    operates("/api/jobs/{name}/pause"),
    operates("/api/jobs/{name}/resume"),
    operates("/api/runs/{id}/stop"),
    operates("/api/channels/{name}/test"),
];

/// Who may ask for this; `path` is the router's, if it has one.
pub fn needs(method: &Method, path: Option<&str>) -> Needs {
    // That there is nothing, or not with this method, is for those who may see what there is.
    let Some(path) = path else { return Needs::Role(Role::Viewer) };
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut there = RIGHTS.iter().filter(|it| it.path == path).peekable();
    let nothing = if there.peek().is_some() { Role::Viewer } else { Role::Admin };
    there.find(|it| it.method == *method).map_or(Needs::Role(nothing), |it| it.needs)
}

/// Writes into the description who may what, and what others are answered.
pub fn describe(document: &mut OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of the agent's settings. On its unix socket, and where no token is set, nobody needs one.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    let cookie = ApiKeyValue::with_description(
        COOKIE,
        "What POST /api/login sets. What changes something needs the header X-CSRF-Token besides.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if method != Method::GET {
                answers(operation, "408", "The body did not come to its end in time");
                answers(operation, "413", "The body is too large");
            }
            let (role, nobody) = match needs(&method, Some(path)) {
                Needs::Nothing => continue,
                Needs::Probe => (Role::Viewer, Some(SecurityRequirement::default())),
                Needs::Role(role) => (role, None),
            };
            let shown = ["bearer", "session"].map(|it| SecurityRequirement::new(it, [role.as_str()]));
            operation.security = Some(nobody.into_iter().chain(shown).collect());
            answers(operation, "401", "Nobody says who asks, or the token is not one of the agent's");
            answers(
                operation,
                "403",
                "Who asks may not, or asks in a way that only a page of another site does",
            );
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| {
        let method = match method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Delete => Method::DELETE,
            HttpMethod::Patch => Method::PATCH,
            _ => Method::GET,
        };
        Some((method, operation.as_mut()?))
    })
}

fn answers(operation: &mut Operation, status: &str, words: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails"))).build();
    let response: Response =
        ResponseBuilder::new().description(words).content("application/problem+json", problem).build();
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_is_for_admins_and_what_is_not_there_for_those_who_may_see() {
        for (method, path, expected) in [
            (Method::GET, Some("/live"), Needs::Probe),
            (Method::HEAD, Some("/api/jobs"), Needs::Role(Role::Viewer)),
            (Method::POST, Some("/api/runs/{id}/stop"), Needs::Role(Role::Operator)),
            (Method::DELETE, Some("/api/runs/{id}/stop"), Needs::Role(Role::Viewer)),
            (Method::POST, Some("/live"), Needs::Role(Role::Viewer)),
            (Method::GET, Some("/new"), Needs::Role(Role::Admin)),
            (Method::GET, None, Needs::Role(Role::Viewer)),
        ] {
            assert_eq!(needs(&method, path), expected, "{method} {path:?}");
        }
    }
}
