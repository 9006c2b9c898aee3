//! Which of the Engine's endpoints are asked, by what, and what for: the table behind the documentation, behind the allow
//! list of `doctor --grants`, and behind the tests that the agent asks these and no others.
//!
//! Whoever has something new asked adds its row here, and where it is asked by something new, a word of [`By`] and its
//! place in `asked_by`.

mod by;
mod table;

use std::collections::BTreeSet;

use crate::model::{
    compose::{ComposeAction, ComposeSpec},
    image::PullPolicy,
    job::{JobSpec, Work},
    name::JobKind,
    origin::Origin,
};

pub use self::{
    by::{By, ByCompose},
    table::{ENDPOINTS, Endpoint},
};

/// The endpoint that a request of the agent is to. Of two that it may be, it is the one that says more. What Compose
/// alone asks is none of the agent's.
pub fn known(method: &str, path: &str) -> Option<&'static Endpoint> {
    let fits = |it: &&Endpoint| !it.by.is_compose() && it.method == method && it.is_for(path);
    ENDPOINTS.iter().filter(fits).min_by_key(|it| it.path.matches('{').count())
}

impl Endpoint {
    fn is_for(&self, path: &str) -> bool {
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some(part), Some(it)) if part == it || (part.starts_with('{') && !it.is_empty()) => {}
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
        Work::Compose(compose) => match compose.action {
            // What these begin is followed and ended as what the agent begins itself.
            ComposeAction::Run => &[By::Run, By::NextRun],
            ComposeAction::Exec => &[By::Exec, By::Helper],
            _ => &[],
        },
        Work::Container(_) => &[By::Action],
    };
    let compose = match &job.work {
        Work::Compose(compose) => asked_by_compose(compose),
        _ => Vec::new(),
    };
    let halts: &[By] = match &job.policies.stop_during {
        None => &[],
        Some(stop) if seen && !stop.of_swarm => &[By::Halt],
        Some(_) => &[By::Halt, By::HaltService],
    };
    kind.iter().chain(halts).copied().chain(compose.into_iter().map(By::Compose))
}

/// What Compose asks for the sake of a job, whichever Compose is there and whatever is in the project's files.
fn asked_by_compose(job: &ComposeSpec) -> Vec<ByCompose> {
    use ByCompose::{Any, Build, ByName, Containers, Down, Exec, Hooks, Pull, Restart, Run, Start, Stop, Up};
    let action: &[ByCompose] = match job.action {
        ComposeAction::Run => &[Containers, Up, Build, Run, Hooks],
        ComposeAction::Up => &[Containers, Up, Build, Hooks],
        ComposeAction::Exec => &[Containers, Exec],
        ComposeAction::Start => &[Containers, Start, Hooks],
        ComposeAction::Restart => &[Containers, ByName, Restart, Hooks],
        ComposeAction::Stop => &[Containers, ByName, Stop, Hooks],
        ComposeAction::Down => &[Containers, ByName, Down, Hooks],
        ComposeAction::Pull => &[Pull],
    };
    let needed = action.iter().copied().filter(|it| *it != ByName || job.files.is_empty());
    [Any].into_iter().chain(needed).collect()
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
    /// The path as a regular expression for the whole of it. Where Compose asks, a version may stand before it.
    pub fn pattern(&self) -> String {
        let part = |it: &'static str| match it.strip_prefix('{') {
            Some(name) if name.ends_with("...}") => ".+",
            Some(_) => "[^/]+",
            None => it,
        };
        let path = self.path.split('/').map(part).collect::<Vec<_>>().join("/");
        let version = if self.uses.iter().any(|(by, _)| by.is_compose()) { r"(/v[0-9.]+)?" } else { "" };
        format!("{version}{path}")
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

    fn job(work: Work) -> JobSpec {
        let schedule = Schedule::parse("@daily", &Zone::utc()).unwrap();
        JobSpec::new(JobId::plain("sync"), schedule, work)
    }

    fn compose(action: ComposeAction, files: &[&str]) -> JobSpec {
        job(Work::Compose(Box::new(ComposeSpec {
            action,
            files: files.iter().map(|it| (*it).to_owned()).collect(),
            project: Some("shop".into()),
            services: Vec::new(),
            argv: None,
            user: None,
            workdir: None,
            environment: Environment::default(),
        })))
    }

    fn lines(jobs: &[&JobSpec]) -> Vec<String> {
        let line = |it: Allowed| format!("{} {}", it.method, it.path);
        allow_list(jobs.iter().map(|job| (*job, true))).into_iter().map(line).collect()
    }

    #[test]
    fn an_agent_without_jobs_on_the_engine_asks_only_for_what_every_agent_asks() {
        let work = Work::Local(LocalSpec {
            argv: vec!["true".into()],
            user: None,
            workdir: None,
            environment: Environment::default(),
        });
        let paths: Vec<&str> = allow_list([(&job(work), true)]).iter().map(|it| it.path).collect();
        assert_eq!(paths, ["/info", "/version", "/containers/json", "/events", "/_ping"]);
    }

    #[test]
    fn an_action_of_compose_opens_no_more_than_it_needs() {
        let makes = ["POST /containers/create", "POST /build", "POST /volumes/create"].map(str::to_owned);
        for (name, action) in ComposeAction::NAMES {
            let lines = lines(&[&compose(action, &["/srv/shop/compose.yaml"])]);
            let has = |line: &str| lines.iter().any(|it| it == line);
            let up = matches!(action, ComposeAction::Run | ComposeAction::Up);
            assert!(makes.iter().all(|it| has(it) == up), "{name}: {lines:?}");
            assert_eq!(has("POST /images/create"), up || action == ComposeAction::Pull, "{name}");
            assert_eq!(has("DELETE /networks/{id}"), up || action == ComposeAction::Down, "{name}");
            assert_eq!(has("POST /containers/{id}/restart"), action == ComposeAction::Restart, "{name}");
            assert_eq!(has("POST /containers/{id}/exec"), action != ComposeAction::Pull, "{name}");
            assert_eq!(has("POST /containers/{id}/attach"), action == ComposeAction::Run, "{name}");
            assert!(!has("GET /volumes"), "{name}");
        }
        let by_name = |action| lines(&[&compose(action, &[])]).contains(&"GET /volumes".to_owned());
        let with = ComposeAction::NAMES.into_iter().filter(|(_, action)| by_name(*action));
        assert_eq!(with.map(|(name, _)| name).collect::<Vec<_>>(), ["restart", "stop", "down"]);
    }

    #[test]
    fn a_pattern_takes_any_one_part_in_place_of_a_name_and_several_in_place_of_an_images() {
        let pattern = |path, by: &[By]| {
            Allowed { method: "POST", path, uses: by.iter().map(|by| (*by, "it")).collect() }.pattern()
        };
        assert_eq!(pattern("/containers/{id}/exec", &[By::Exec]), "/containers/[^/]+/exec");
        // A version is begun with by Compose alone.
        let composes = By::Compose(ByCompose::Up);
        assert_eq!(pattern("/images/{name...}/json", &[composes]), "(/v[0-9.]+)?/images/.+/json");
        assert_eq!(pattern("/version", &[By::Agent, composes]), "(/v[0-9.]+)?/version");
    }

    #[test]
    fn what_compose_alone_asks_the_agent_does_not() {
        assert!(known("GET", "/containers/json").is_some());
        assert_eq!(known("POST", "/containers/1/rename"), None);
        assert_eq!(known("GET", "/images/a/b/json"), None);
        assert_eq!(known("GET", "/exec//json"), None);
        assert_eq!(known("GET", "/services/1").map(|it| it.path), Some("/services/{id}"));
    }

    #[test]
    fn no_endpoint_is_there_twice_for_the_same_asker() {
        for (at, row) in ENDPOINTS.iter().enumerate() {
            let again = |it: &&Endpoint| (it.by, it.method, it.path) == (row.by, row.method, row.path);
            assert_eq!(ENDPOINTS[at + 1..].iter().find(again), None);
        }
    }
}
