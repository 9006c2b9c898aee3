//! What the agent asks of the Engine for its jobs: what a proxy between the two must let through.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    docker::endpoints::{Allowed, allow_list},
    model::job::JobSpec,
};

use super::api::Api;

/// What a proxy before the Engine must let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointList {
    /// Each endpoint of the Engine once.
    pub endpoints: Vec<EndpointItem>,
}

/// One endpoint of the Engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointItem {
    /// The method.
    pub method: String,
    /// The path without a version, in which `{id}` is any one part, and `{name...}` one or more.
    pub path: String,
    /// The path as a regular expression for the whole of it: without a version as the agent asks, and also with one where
    /// Compose does.
    pub pattern: String,
    /// What asks for it.
    pub uses: Vec<EndpointUse>,
}

/// One use of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointUse {
    /// What asks.
    pub by: String,
    /// What for.
    pub r#for: String,
}

impl EndpointList {
    /// What an agent with these jobs may ask for; with each goes what [`allow_list`] has with it.
    pub fn of<'a>(jobs: impl IntoIterator<Item = (&'a JobSpec, bool)>) -> Self {
        let item = |it: Allowed| EndpointItem {
            method: it.method.to_owned(),
            path: it.path.to_owned(),
            pattern: it.pattern(),
            uses: it
                .uses
                .iter()
                .map(|(by, what)| EndpointUse {
                    by: by.words().replace('`', ""),
                    r#for: what.replace('`', ""),
                })
                .collect(),
        };
        Self { endpoints: allow_list(jobs).into_iter().map(item).collect() }
    }
}

/// Every endpoint of the Engine that the agent may ask for the sake of its jobs: what a proxy between the two must let
/// through.
#[utoipa::path(
    get, path = "/api/endpoints",
    responses((status = 200, description = "Each endpoint once", body = EndpointList))
)]
pub async fn endpoints(State(api): State<Api>) -> Json<EndpointList> {
    let snapshot = api.agent.snapshot();
    Json(EndpointList::of(snapshot.catalog.iter().map(|(_, entry)| (&*entry.spec, true))))
}
