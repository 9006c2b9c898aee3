//! Which of the Engine's endpoints are asked, by what, and what for: the table behind the documentation, behind the allow
//! list of `doctor --grants`, and behind the tests that the agent asks these and no others.
//!
//! Whoever has something new asked adds its row here, and where it is asked by something new, a word of [`By`] and its
//! place in `asked_by`.

use std::collections::BTreeSet;

use crate::model::{
    image::PullPolicy,
    job::{JobSpec, Work},
    name::JobKind,
    origin::Origin,
};

/// What asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Every agent, whatever its jobs.
    Agent,
    /// Every agent, when it is asked how it does; a proxy may refuse it.
    Health,
    /// Every agent whose Engine manages a Swarm; a proxy may refuse it, and then there are no jobs of services.
    Swarm,
    /// Jobs of kind `exec`.
    Exec,
    /// Commands in containers without a shell, when they are ended; a proxy may refuse it.
    Helper,
    /// Jobs of kind `run`.
    Run,
    /// Those of them whose image may be pulled.
    Pull,
    /// Those of them that are like a container.
    Like,
    /// Jobs of kind `service-run`.
    Service,
    /// Jobs of kind `container`.
    Action,
    /// Jobs that stop containers while they run.
    Halt,
    /// Those of them that stop services of a Swarm.
    HaltService,
    /// Jobs of kind `service-run` with an action.
    ServiceAction,
    /// The next agent, of commands in containers that the last one began.
    NextExec,
    /// The next agent, of containers that the last one began.
    NextRun,
    /// The next agent, of services that the last one began.
    NextService,
}

impl By {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Agent => "every agent",
            Self::Health => "every agent, when it is asked for `/health`; a proxy may refuse it",
            Self::Swarm => "an agent whose Engine manages a Swarm",
            Self::Exec => "jobs of kind `exec`",
            Self::Helper => "jobs of kind `exec` without `/bin/sh`",
            Self::Run => "jobs of kind `run`",
            Self::Pull => "jobs of kind `run`, unless with `pull=never`",
            Self::Like => "jobs of kind `run` with `like`",
            Self::Service => "jobs of kind `service-run`",
            Self::Action => "jobs of kind `container`",
            Self::Halt => "jobs with `stop-during`",
            Self::HaltService => "jobs with `stop-during` of a service of a Swarm",
            Self::ServiceAction => "jobs of kind `service-run` with `action`",
            Self::NextExec => "jobs of kind `exec`, at the start of an agent that follows another one",
            Self::NextRun => "jobs of kind `run`, at the start of an agent that follows another one",
            Self::NextService => {
                "jobs of kind `service-run`, at the start of an agent that follows another one"
            }
        }
    }
}

/// One endpoint that something asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// What asks.
    pub by: By,
    /// The method.
    pub method: &'static str,
    /// The path, without the version that it may begin with; a part in braces is whatever stands there.
    pub path: &'static str,
    /// What for.
    pub what: &'static str,
}

const fn row(by: By, method: &'static str, path: &'static str, what: &'static str) -> Endpoint {
    Endpoint { by, method, path, what }
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
    row(By::ServiceAction, "GET", "/services/{id}/logs", "with `action=run` their output as it comes"),
    row(By::ServiceAction, "GET", "/tasks/{id}/logs", "the rest of their output when they have ended"),
    row(By::NextExec, "GET", "/containers/{id}/json", "whether the container of a command runs as before"),
    row(By::NextExec, "GET", "/containers/{id}/top", "whether a command whose connection was cut goes on"),
    row(By::NextRun, "GET", "/containers/{id}/json", "how the container does"),
    row(By::NextRun, "GET", "/containers/{id}/logs", "what it printed and prints"),
    row(By::NextService, "GET", "/services", "the service, and those that nobody waits for"),
];

/// The endpoint that a request is to, of whoever asks it. Of two that it may be, it is the one that says more.
pub fn known(method: &str, path: &str) -> Option<&'static Endpoint> {
    let fits = |it: &&Endpoint| it.method == method && it.is_for(path);
    ENDPOINTS.iter().filter(fits).min_by_key(|it| it.path.matches('{').count())
}

impl Endpoint {
    fn is_for(&self, path: &str) -> bool {
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some(part), Some(it)) if part == it || part.starts_with('{') => {}
                _ => return false,
            }
        }
    }
}

/// What asks for the sake of a job; `seen` is as in [`allow_list`].
fn asked_by(job: &JobSpec, seen: bool) -> impl Iterator<Item = By> {
    let kind: &[By] = match &job.work {
        Work::Exec(_) => &[By::Exec, By::Helper, By::NextExec],
        Work::Run(run) => match (run.image.is_some() && run.pull.policy != PullPolicy::Never, &run.like) {
            (false, None) => &[By::Run, By::NextRun],
            (true, None) => &[By::Run, By::Pull, By::NextRun],
            (false, Some(_)) => &[By::Run, By::Like, By::NextRun],
            (true, Some(_)) => &[By::Run, By::Pull, By::Like, By::NextRun],
        },
        Work::Start(_) => &[By::Run, By::NextRun],
        Work::Local(_) => &[],
        Work::ServiceRun(_) => &[By::Service, By::NextService],
        Work::ServiceAction(_) => &[By::ServiceAction],
        // What Compose asks beyond what is asked for its containers and commands is its own affair.
        Work::Compose(_) => &[By::Exec, By::Helper, By::Run, By::NextRun],
        Work::Container(_) => &[By::Action],
    };
    let halts: &[By] = match &job.policies.stop_during {
        None => &[],
        Some(stop) if seen && !stop.of_swarm => &[By::Halt],
        Some(_) => &[By::Halt, By::HaltService],
    };
    kind.iter().chain(halts).copied()
}

/// One endpoint that a proxy before the Engine must let through, and all that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The method.
    pub method: &'static str,
    /// The path, as in [`Endpoint::path`].
    pub path: &'static str,
    /// What asks for it, and what for.
    pub uses: Vec<(By, &'static str)>,
}

impl Allowed {
    /// The path as a regular expression for the whole of it.
    pub fn pattern(&self) -> String {
        let part = |it: &str| if it.starts_with('{') { "[^/]+".to_owned() } else { it.to_owned() };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// Where a job says that there is a Swarm, what that asks.
fn asked_of_the_swarm(job: &JobSpec) -> &'static [By] {
    let by_service = matches!(job.origin, Origin::ServiceLabel { .. } | Origin::Service(_));
    if by_service || job.kind() == JobKind::ServiceRun { &[By::Swarm] } else { &[] }
}

/// What an agent with these jobs may ask for, each endpoint once, in the order of the table. With each goes
/// whether it was seen which names in it are those of containers, and which those of services.
pub fn allow_list<'a>(jobs: impl IntoIterator<Item = (&'a JobSpec, bool)>) -> Vec<Allowed> {
    let of_job =
        |(job, seen): (&'a JobSpec, bool)| asked_by(job, seen).chain(asked_of_the_swarm(job).iter().copied());
    let by: BTreeSet<By> = jobs.into_iter().flat_map(of_job).chain([By::Agent, By::Health]).collect();
    let mut allowed: Vec<Allowed> = Vec::new();
    for row in ENDPOINTS.iter().filter(|row| by.contains(&row.by)) {
        let uses = (row.by, row.what);
        if let Some(it) = allowed.iter_mut().find(|it| (it.method, it.path) == (row.method, row.path)) {
            it.uses.push(uses);
        } else {
            allowed.push(Allowed { method: row.method, path: row.path, uses: vec![uses] });
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        job::{Environment, LocalSpec},
        name::JobId,
        schedule::{Schedule, Zone},
    };

    #[test]
    fn an_agent_without_jobs_on_the_engine_asks_only_for_what_every_agent_asks() {
        let work = Work::Local(LocalSpec {
            argv: vec!["true".into()],
            user: None,
            workdir: None,
            environment: Environment::default(),
        });
        let schedule = Schedule::parse("@daily", &Zone::utc()).unwrap();
        let job = JobSpec::new(JobId::plain("sync"), schedule, work);
        let paths: Vec<&str> = allow_list([(&job, true)]).iter().map(|it| it.path).collect();
        assert_eq!(paths, ["/info", "/version", "/containers/json", "/events", "/_ping"]);
    }

    #[test]
    fn a_pattern_takes_any_one_part_in_place_of_a_name() {
        let allowed = Allowed { method: "POST", path: "/containers/{id}/exec", uses: Vec::new() };
        assert_eq!(allowed.pattern(), "/containers/[^/]+/exec");
    }

    #[test]
    fn no_endpoint_is_there_twice_for_the_same_asker() {
        for (at, row) in ENDPOINTS.iter().enumerate() {
            let again = |it: &&Endpoint| (it.by, it.method, it.path) == (row.by, row.method, row.path);
            assert_eq!(ENDPOINTS[at + 1..].iter().find(again), None);
        }
    }
}
