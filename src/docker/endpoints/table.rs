//! The table itself: who asks which endpoint, and what for.

use super::by::{By, ByCompose};

/// One endpoint that something asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// What asks.
    pub by: By,
    /// The method.
    pub method: &'static str,
    /// The path, without the version that it may begin with; `{id}` is any one part of it, and `{name...}` one or more,
    /// as images have slashes in their names.
    pub path: &'static str,
    /// What for.
    pub what: &'static str,
}

const fn row(by: By, method: &'static str, path: &'static str, what: &'static str) -> Endpoint {
    Endpoint { by, method, path, what }
}

const fn compose(by: ByCompose, method: &'static str, path: &'static str, what: &'static str) -> Endpoint {
    row(By::Compose(by), method, path, what)
}

/// Each endpoint and what it is for, in the order of the documentation.
pub static ENDPOINTS: &[Endpoint] = &[
    row(By::Agent, "GET", "/info", "who the Engine is, and its clock"),
    row(By::Agent, "GET", "/version", "who the Engine is, where a proxy refuses `/info`"),
    row(By::Agent, "GET", "/containers/json", "the containers and their labels"),
    row(By::Agent, "GET", "/events", "hints that the list has changed"),
    row(By::Health, "GET", "/_ping", "whether it answers"),
    row(By::Swarm, "GET", "/services", "the services and their labels"),
    row(By::Swarm, "GET", "/tasks", "where the tasks of labelled services run"),
    row(By::Exec, "GET", "/exec/{id}/json", "how the command ended"),
    row(By::Exec, "POST", "/containers/{id}/exec", "the command; a second one ends it at its timeout"),
    row(By::Exec, "POST", "/exec/{id}/start", "its start and its output"),
    row(
        By::Helper,
        "GET",
        "/containers/{id}/json",
        "where a helper can be copied to that ends it at its timeout",
    ),
    row(By::Helper, "PUT", "/containers/{id}/archive", "that helper"),
    row(By::Run, "POST", "/containers/create", "the container"),
    row(By::Run, "POST", "/networks/{id}/connect", "each network after the first"),
    row(By::Run, "POST", "/containers/{id}/attach", "its output"),
    row(By::Run, "POST", "/containers/{id}/start", "its start"),
    row(By::Run, "POST", "/containers/{id}/wait", "how it ended"),
    row(By::Run, "GET", "/containers/{id}/json", "whether it was killed for lack of memory"),
    row(By::Run, "POST", "/containers/{id}/stop", "its end at the timeout"),
    row(By::Run, "POST", "/containers/{id}/kill", "its end where it does not listen"),
    row(By::Run, "DELETE", "/containers/{id}", "its removal"),
    row(By::Pull, "POST", "/images/create", "the pull of the image; its answer lasts as long as that"),
    row(By::Like, "GET", "/containers/{id}/json", "what the other container is made of"),
    row(By::Service, "POST", "/services/create", "the service"),
    row(By::Service, "GET", "/secrets", "the IDs of its secrets"),
    row(By::Service, "GET", "/configs", "the IDs of its configs"),
    row(By::Service, "GET", "/tasks", "where its tasks stand"),
    row(By::Service, "GET", "/services/{id}/logs", "their output as it comes"),
    row(By::Service, "GET", "/tasks/{id}/logs", "the rest of their output when they have ended"),
    row(By::Service, "GET", "/services/{id}", "its version, without which it cannot be changed"),
    row(
        By::Service,
        "POST",
        "/services/{id}/update",
        "the end of its tasks, at the timeout and before its removal",
    ),
    row(By::Service, "POST", "/containers/{id}/kill", "the end of those on this node that do not listen"),
    row(By::Service, "DELETE", "/services/{id}", "its removal"),
    row(
        By::Service,
        "DELETE",
        "/containers/{id}",
        "the containers that the Engine leaves of it on this node",
    ),
    row(By::Action, "GET", "/containers/{id}/json", "how the container is before and after"),
    row(By::Action, "GET", "/version", "whether it can be stopped with a `signal`"),
    row(By::Action, "POST", "/containers/{id}/start", "`action=start`"),
    row(By::Action, "POST", "/containers/{id}/stop", "`action=stop`"),
    row(By::Action, "POST", "/containers/{id}/restart", "`action=restart`"),
    row(By::Action, "POST", "/containers/{id}/pause", "`action=pause`"),
    row(By::Action, "POST", "/containers/{id}/unpause", "`action=unpause`"),
    row(By::Action, "POST", "/containers/{id}/kill", "`action=kill`"),
    row(By::Halt, "GET", "/containers/{id}/json", "whether what is to be stopped or started runs"),
    row(By::Halt, "POST", "/containers/{id}/stop", "its stop before the run"),
    row(By::Halt, "POST", "/containers/{id}/start", "its start after the run"),
    row(By::HaltService, "GET", "/services", "which service is called so"),
    row(By::HaltService, "GET", "/services/{id}", "how many tasks it has"),
    row(
        By::HaltService,
        "POST",
        "/services/{id}/update",
        "the end of its tasks before the run, and as many after it",
    ),
    row(By::HaltService, "GET", "/tasks", "whether its tasks have ended"),
    row(By::ServiceAction, "GET", "/services/{id}", "the service as it is"),
    row(By::ServiceAction, "POST", "/services/{id}/update", "what is done to it"),
    row(By::ServiceAction, "GET", "/tasks", "where its tasks stand"),
    row(By::ServiceAction, "GET", "/tasks/{id}/logs", "with `action=run` their output when they have ended"),
    row(
        By::ServiceAction,
        "POST",
        "/containers/{id}/kill",
        "with `action=run` the end of those on this node that do not listen",
    ),
    row(By::NextExec, "GET", "/containers/{id}/json", "whether the container of a command runs as before"),
    row(By::NextExec, "GET", "/containers/{id}/top", "whether a command whose connection was cut goes on"),
    row(By::NextRun, "GET", "/containers/{id}/json", "how the container does"),
    row(By::NextRun, "GET", "/containers/{id}/logs", "what it printed and prints"),
    row(By::NextService, "GET", "/services", "the service, and those that nobody waits for"),
    // Measured with docker-compose 1.29.2 and with the plugin 2.26.1 and 2.40.3, and read in their sources. Each of them
    // asks less than all of them together.
    compose(
        ByCompose::Any,
        "HEAD",
        "/_ping",
        "which API the Engine has, for the plugin and the docker command",
    ),
    compose(
        ByCompose::Any,
        "GET",
        "/version",
        "the same, for docker-compose, and for the plugin before it makes containers",
    ),
    compose(ByCompose::Any, "GET", "/info", "whether it manages a Swarm, or is Docker Desktop's"),
    compose(
        ByCompose::Any,
        "GET",
        "/networks/{id}",
        "the networks; docker-compose looks at them whatever it does",
    ),
    compose(
        ByCompose::Any,
        "GET",
        "/volumes/{id}",
        "the volumes; docker-compose looks at them whatever it does",
    ),
    compose(ByCompose::Containers, "GET", "/containers/json", "the containers of the project"),
    compose(
        ByCompose::Containers,
        "GET",
        "/containers/{id}/json",
        "what they are made of, and whether they are healthy",
    ),
    compose(
        ByCompose::ByName,
        "GET",
        "/networks",
        "the networks of the project, where its files cannot be read",
    ),
    compose(
        ByCompose::ByName,
        "GET",
        "/volumes",
        "the volumes of the project, where its files cannot be read",
    ),
    compose(ByCompose::Exec, "POST", "/containers/{id}/exec", "the command"),
    compose(ByCompose::Exec, "POST", "/exec/{id}/start", "its start and its output"),
    compose(ByCompose::Exec, "GET", "/exec/{id}/json", "how the command ended"),
    compose(ByCompose::Up, "GET", "/images/{name...}/json", "whether the image is there, and what it says"),
    compose(
        ByCompose::Up,
        "POST",
        "/images/create",
        "the pull of an image that is missing; its answer lasts as long as that",
    ),
    compose(ByCompose::Up, "GET", "/networks", "the networks, for the plugin"),
    compose(ByCompose::Up, "POST", "/networks/create", "a network that is missing"),
    compose(ByCompose::Up, "POST", "/volumes/create", "a volume that is missing"),
    compose(ByCompose::Up, "POST", "/containers/create", "a container that is missing or has changed"),
    compose(ByCompose::Up, "POST", "/networks/{id}/connect", "its networks"),
    compose(
        ByCompose::Up,
        "POST",
        "/networks/{id}/disconnect",
        "a network that it has to enter anew, or that has changed",
    ),
    compose(
        ByCompose::Up,
        "PUT",
        "/containers/{id}/archive",
        "configs and secrets that are no files, for the plugin",
    ),
    compose(ByCompose::Up, "POST", "/containers/{id}/start", "its start"),
    compose(
        ByCompose::Up,
        "POST",
        "/containers/{id}/stop",
        "the end of one that has changed, or is one too many",
    ),
    compose(ByCompose::Up, "POST", "/containers/{id}/rename", "its name, which goes over to the new one"),
    compose(ByCompose::Up, "DELETE", "/containers/{id}", "its removal"),
    compose(
        ByCompose::Up,
        "DELETE",
        "/networks/{id}",
        "the removal of a network that has changed, for the plugin",
    ),
    compose(ByCompose::Build, "POST", "/build", "the image, where BuildKit does not make it"),
    compose(ByCompose::Build, "POST", "/session", "what BuildKit makes it of; the connection is taken over"),
    compose(ByCompose::Build, "POST", "/grpc", "how BuildKit makes it; the connection is taken over"),
    compose(ByCompose::Run, "POST", "/containers/{id}/kill", "a signal that the plugin passes on"),
    compose(ByCompose::Start, "POST", "/containers/{id}/start", "the start of the containers"),
    compose(ByCompose::Restart, "POST", "/containers/{id}/restart", "the restart of the containers"),
    compose(ByCompose::Stop, "POST", "/containers/{id}/stop", "the end of the containers"),
    compose(ByCompose::Down, "POST", "/containers/{id}/stop", "the end of the containers"),
    compose(ByCompose::Down, "DELETE", "/containers/{id}", "their removal"),
    compose(ByCompose::Down, "GET", "/networks", "the networks, for the plugin"),
    compose(ByCompose::Down, "DELETE", "/networks/{id}", "their removal"),
    compose(ByCompose::Pull, "GET", "/images/{name...}/json", "which images are there, for the plugin"),
    compose(
        ByCompose::Pull,
        "POST",
        "/images/create",
        "the pull of the images; its answer lasts as long as that",
    ),
    compose(ByCompose::Hooks, "POST", "/containers/{id}/exec", "these commands"),
    compose(ByCompose::Hooks, "POST", "/exec/{id}/start", "their start and their output"),
    compose(ByCompose::Hooks, "GET", "/exec/{id}/json", "how they ended"),
];
