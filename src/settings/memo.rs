//! What one pass of [`resolve_again`](super::resolve::resolve_again) leaves for the next.
//!
//! Reading text is nearly all that a pass costs, and from one pass to the next nearly all text is the same. Nothing in
//! here changes what a pass answers, which a test holds on to; a [`Memo`] goes with one
//! [`Sources`], whose text does not change either, but for the jobs of the API, which are told apart one by one. What a pass did not ask for is dropped at
//! its end, so that nothing piles up.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use crate::model::{
    channel::Channels,
    container::{Container, ContainerId},
    diagnostic::Diagnostic,
    job::JobSpec,
    name::JobId,
    schedule::Schedule,
    swarm::Service,
};

use super::{
    dialect::{self, Dialect},
    global::Settings,
    label::ContainerLabels,
    layer::JobLayer,
    made::MadeJob,
    resolve::Sources,
    sources::{ChannelPlaces, Own, Settled},
};

/// What was read before.
#[derive(Debug, Default)]
pub struct Memo {
    pass: u64,
    containers: HashMap<ContainerId, (u64, Arc<Read>)>,
    /// By the Swarm's ID; the labels of a service that is there can be changed.
    services: HashMap<Arc<str>, KeptService>,
    jobs: HashMap<JobId, Kept>,
    asked: (usize, usize),
    settings: Option<KeptSettings>,
    /// The schedules in force that name years, by job: they may have come for the last time, and are no mistake then.
    ending: HashMap<JobId, (u64, Schedule)>,
}

/// The labels of a service, and what was read of them.
#[derive(Debug)]
struct KeptService {
    pass: u64,
    labels: BTreeMap<String, String>,
    read: Arc<Read>,
}

/// The settings with the labels of the agent's own container; kept, and so never mistaken for another that came to lie
/// in its place.
#[derive(Debug)]
struct KeptSettings {
    own: Option<Arc<Read>>,
    observed: bool,
    settled: SettledSettings,
}

/// What holds for the agent as a whole.
#[derive(Debug, Clone)]
pub(super) struct SettledSettings {
    pub settings: Arc<Settings>,
    pub channels: Arc<Channels>,
    pub places: Arc<ChannelPlaces>,
    pub diagnostics: Vec<Diagnostic>,
}

/// The labels of one container or service, read. The Engine never changes the labels of a container that is there, so they are known
/// by its ID; and by its name, which stands in identities and places and can be changed.
#[derive(Debug)]
pub(super) struct Read {
    pub name: Arc<str>,
    /// Whether the agent itself runs in it.
    pub own: bool,
    /// Its labels are not meant for it.
    pub passed_over: bool,
    pub labels: ContainerLabels,
}

impl Read {
    fn new(container: &Container, own: bool, dialects: &[Dialect]) -> Self {
        // What `docker compose run` makes carries its service's labels and is not the service; what we make for a run
        // carries its image's.
        let passed_over = container.is_one_off() || container.is_run();
        let labels =
            if passed_over { ContainerLabels::default() } else { dialect::read(container, own, dialects) };
        Self { name: container.name.clone(), own, passed_over, labels }
    }

    fn of_service(service: &Service, dialects: &[Dialect]) -> Self {
        let passed_over = service.is_run();
        let labels =
            if passed_over { ContainerLabels::default() } else { dialect::read_service(service, dialects) };
        Self { name: service.name.clone(), own: false, passed_over, labels }
    }
}

/// All that a job's spec follows from, but for the sources.
#[derive(Debug, Clone)]
pub(super) struct Basis<'a> {
    /// The labels in force.
    pub home: Option<&'a Arc<Read>>,
    /// The job of the API.
    pub made: Option<&'a Arc<MadeJob>>,
    /// Whether the Engine was observed.
    pub observed: bool,
    /// Whether it is rejected already.
    pub spoiled: bool,
    /// Flags and environment.
    pub upper: Option<&'a JobLayer>,
}

/// A job's spec, if it has one, and what is wrong with it.
pub(super) type SettledJob = (Option<Arc<JobSpec>>, Vec<Diagnostic>);

#[derive(Debug)]
struct Kept {
    pass: u64,
    /// Kept, and so never mistaken for another that came to lie in its place.
    home: Option<Arc<Read>>,
    made: Option<Arc<MadeJob>>,
    observed: bool,
    spoiled: bool,
    upper: Option<JobLayer>,
    settled: SettledJob,
}

impl Kept {
    fn follows_from(&self, basis: &Basis<'_>) -> bool {
        same(self.home.as_ref(), basis.home)
            && same(self.made.as_ref(), basis.made)
            && self.observed == basis.observed
            && self.spoiled == basis.spoiled
            && self.upper.as_ref() == basis.upper
    }
}

fn same<T>(old: Option<&Arc<T>>, new: Option<&Arc<T>>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => Arc::ptr_eq(old, new),
        (None, None) => true,
        _ => false,
    }
}

impl Memo {
    /// A pass begins.
    pub(super) fn begin(&mut self) {
        self.pass += 1;
        self.asked = (0, 0);
    }

    /// A container's labels, in the dialects that are read.
    pub(super) fn read(&mut self, container: &Container, own: bool, dialects: &[Dialect]) -> Arc<Read> {
        self.asked.0 += 1;
        match self.containers.get_mut(&container.id) {
            Some((pass, read)) if read.own == own && read.name == container.name => {
                *pass = self.pass;
                read.clone()
            }
            _ => {
                let read = Arc::new(Read::new(container, own, dialects));
                self.containers.insert(container.id.clone(), (self.pass, read.clone()));
                read
            }
        }
    }

    /// The labels of a service.
    pub(super) fn read_service(&mut self, service: &Service, dialects: &[Dialect]) -> Arc<Read> {
        let pass = self.pass;
        match self.services.get_mut(&service.id) {
            Some(kept) if kept.labels == service.labels && kept.read.name == service.name => {
                kept.pass = pass;
                kept.read.clone()
            }
            _ => {
                let read = Arc::new(Read::of_service(service, dialects));
                let kept = KeptService { pass, labels: service.labels.clone(), read: read.clone() };
                self.services.insert(service.id.clone(), kept);
                read
            }
        }
    }

    /// The agent's settings and channels. The settings are under all jobs, and jobs name channels: others mean that every
    /// job is read again.
    pub(super) fn settings(
        &mut self,
        sources: &Sources,
        own: Option<&Arc<Read>>,
        observed: bool,
    ) -> SettledSettings {
        let known = |kept: &&KeptSettings| same(kept.own.as_ref(), own) && kept.observed == observed;
        if let Some(kept) = self.settings.as_ref().filter(known) {
            return kept.settled.clone();
        }
        let labels = match own {
            Some(own) => Own::Labels(&own.labels),
            None if observed => Own::None,
            None => Own::Unknown,
        };
        let Settled { settings, channels, places, diagnostics } = sources.settle(labels);
        let (settings, channels) = match self.settings.take().map(|kept| kept.settled) {
            Some(kept) if *kept.settings == settings && kept.channels.keys().eq(channels.keys()) => {
                let same = *kept.channels == channels;
                (kept.settings, if same { kept.channels } else { Arc::new(channels) })
            }
            _ => {
                self.jobs.clear();
                (Arc::new(settings), Arc::new(channels))
            }
        };
        let settled = SettledSettings { settings, channels, places: Arc::new(places), diagnostics };
        self.settings = Some(KeptSettings { own: own.cloned(), observed, settled: settled.clone() });
        settled
    }

    /// A job's spec; `settle` reads it if it is not known.
    ///
    /// It is told the schedule that is in force for the job, if that names years: whether a schedule ever comes is
    /// asked when the job is new or its schedule is, not when its last moment has passed since.
    pub(super) fn job(
        &mut self,
        id: &JobId,
        basis: &Basis<'_>,
        settle: impl FnOnce(Option<&Schedule>) -> SettledJob,
    ) -> &SettledJob {
        self.asked.1 += 1;
        let settle = || settle(self.ending.get(id).map(|(_, schedule)| schedule));
        let fresh = |settled| Kept {
            pass: self.pass,
            home: basis.home.cloned(),
            made: basis.made.cloned(),
            observed: basis.observed,
            spoiled: basis.spoiled,
            upper: basis.upper.cloned(),
            settled,
        };
        let kept = match self.jobs.entry(id.clone()) {
            Entry::Occupied(known) => {
                let kept = known.into_mut();
                if kept.follows_from(basis) {
                    kept.pass = self.pass;
                } else {
                    *kept = fresh(settle());
                }
                kept
            }
            Entry::Vacant(place) => place.insert(fresh(settle())),
        };
        if let Some(spec) = kept.settled.0.as_ref().filter(|spec| spec.schedule.names_years()) {
            let schedule = spec.schedule.clone();
            self.ending.insert(id.clone(), (self.pass, schedule));
        }
        &kept.settled
    }

    /// Other sources: nothing that was read holds, but what was in force until now was in force.
    pub fn renew(&mut self) {
        *self = Self { pass: self.pass, ending: std::mem::take(&mut self.ending), ..Self::default() };
    }

    /// A pass is done.
    pub(super) fn end(&mut self) {
        let pass = self.pass;
        if self.containers.len() > self.asked.0 {
            self.containers.retain(|_, (last, _)| *last == pass);
        }
        self.services.retain(|_, kept| kept.pass == pass);
        if self.jobs.len() > self.asked.1 {
            self.jobs.retain(|_, kept| kept.pass == pass);
        }
        self.ending.retain(|_, (last, _)| *last == pass);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{
            container::{ContainerState, Inventory},
            swarm::Services,
        },
        settings::{
            env::parse_set,
            global::layers::Upper,
            ini,
            resolve::{View, resolve, resolve_again},
        },
    };

    fn sources() -> Sources {
        let nothing = |_: &str| None;
        let text = "[job-exec \"filed\"]\nschedule = @daily\ncontainer = n1\ncommand = x\n\
            [job-local \"l\"]\nschedule = @daily\ncommand = x\n\
            [job-exec \"shop.web.a\"]\nuser = file\n\
            [job-run \"n1.b\"]\nimage = i\nschedule = @daily\n";
        let overrides = ["shop.web.a.workdir=/x", "n1.b.user=y"].map(|it| parse_set(it).unwrap());
        Sources::new(ini::parse("f", text, &nothing), Upper::default(), overrides.into())
    }

    /// A container's labels follow from its ID, as the Engine has it; the rest changes.
    fn container(id: u8, name: u8, state: u8, healthy: Option<bool>, created: i64) -> Container {
        let schedule = ["@daily", "@hourly", "@every 90s", "nonsense"][usize::from(id % 4)];
        let mut labels = vec![
            ("watchbell.enabled", if id == 7 { "maybe" } else { "true" }),
            ("watchbell.job-exec.a.schedule", schedule),
            ("watchbell.job-exec.a.command", "true"),
        ];
        if id.is_multiple_of(2) {
            labels.push(("com.docker.compose.project", "shop"));
            labels.push(("com.docker.compose.service", "web"));
        }
        if id.is_multiple_of(3) {
            labels.push(("watchbell.job-exec.b.shedule", "@daily"));
            labels.push(("watchbell.job-run.c.image", "i"));
        }
        if id == 9 {
            labels.push(("watchbell.timezone", "Asia/Tokyo"));
        }
        if id == 8 {
            labels.push(("com.docker.compose.oneoff", "True"));
        }
        Container {
            id: ContainerId(format!("id{id}").into()),
            name: format!("n{name}").into(),
            state: [ContainerState::Running, ContainerState::Paused, ContainerState::Stopped]
                [usize::from(state)],
            healthy,
            created,
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    /// The labels of a service can be changed.
    fn service(id: u8, labels: u8, name: u8) -> Service {
        Service {
            id: format!("s{id}").into(),
            name: format!("n{name}").into(),
            created: 0,
            labels: container(labels, name, 0, None, 0).labels,
            is_replicated: true,
            here: BTreeMap::new(),
            elsewhere: 0,
        }
    }

    fn any_inventory() -> impl Strategy<Value = Option<Inventory>> {
        let one = (0_u8..4, 0_u8..3, any::<Option<bool>>(), 0_i64..3);
        let services = prop::collection::btree_map(0_u8..3, (0_u8..10, 0_u8..3), 0..3);
        let inventory =
            (prop::collection::btree_map(0_u8..10, one, 0..7), prop::option::of(0_u8..10), services);
        prop::option::weighted(
            0.9,
            inventory.prop_map(|(containers, own, services)| Inventory {
                containers: containers
                    .into_iter()
                    .map(|(id, (name, state, healthy, created))| container(id, name, state, healthy, created))
                    .collect(),
                own: own.map(|id| ContainerId(format!("id{id}").into())),
                services: Services {
                    list: services
                        .into_iter()
                        .map(|(id, (labels, name))| service(id, labels, name))
                        .collect(),
                    unseen: None,
                },
            }),
        )
    }

    proptest! {
        #[test]
        fn a_pass_that_remembers_answers_as_one_that_does_not(
            inventories in prop::collection::vec(any_inventory(), 1..8),
        ) {
            let (sources, mut memo) = (sources(), Memo::default());
            for inventory in inventories {
                let view = inventory.as_ref().map_or(View::Unknown, View::Observed);
                let now = Timestamp::UNIX_EPOCH;
                let desired = resolve_again(&sources, view, now, &mut memo);
                prop_assert_eq!(&desired, &resolve(&sources, view, now));
                prop_assert_eq!(memo.containers.len(), inventory.as_ref().map_or(0, |it| it.containers.len()));
                prop_assert_eq!(memo.services.len(), inventory.map_or(0, |it| it.services.list.len()));
                prop_assert_eq!(memo.jobs.len(), memo.asked.1, "nothing that was not asked for is kept");
            }
        }
    }

    /// Jobs after each pass, and what was told.
    fn pass(memo: &mut Memo, text: &str, now: &str) -> (usize, Vec<String>) {
        let sources = Sources::new(ini::parse("f", text, &|_: &str| None), Upper::default(), Vec::new());
        let desired = resolve_again(&sources, View::FilesOnly, now.parse().unwrap(), memo);
        (desired.jobs.len(), desired.diagnostics.into_iter().map(|it| it.reason).collect())
    }

    #[test]
    fn a_job_that_came_for_the_last_time_stays_and_is_refused_when_it_is_new() {
        let once = |year: u16| format!("[job-local \"once\"]\nschedule = 0 0 12 1 5 * {year}\ncommand = x\n");
        let (before, after) = ("2027-04-01T00:00:00Z", "2027-06-01T00:00:00Z");
        let (text, mut memo) = (once(2027), Memo::default());
        assert_eq!(pass(&mut memo, &text, before), (1, vec![]));
        assert_eq!(pass(&mut memo, &text, after), (1, vec![]));
        memo.renew();
        assert_eq!(pass(&mut memo, &format!("{text}workdir = /\n"), after).0, 1, "the file is another");
        let refused = |(jobs, told): (usize, Vec<String>)| {
            assert_eq!((jobs, told.len()), (0, 1), "{told:?}");
            assert!(told[0].contains("never comes: year field: `2027` is past"), "{told:?}");
        };
        refused(pass(&mut Memo::default(), &text, after));
        // A job that went and comes again is new, and so is another schedule.
        memo.renew();
        assert_eq!(pass(&mut memo, "", after).0, 0);
        memo.renew();
        refused(pass(&mut memo, &text, after));
        memo.renew();
        assert_eq!(pass(&mut memo, &once(2028), after).0, 1);
        memo.renew();
        refused(pass(&mut memo, &text, after));
    }

    #[test]
    fn what_did_not_change_is_the_same_spec() {
        let (sources, mut memo) = (sources(), Memo::default());
        let mut inventory = Inventory {
            containers: vec![container(1, 1, 0, None, 0)],
            own: None,
            services: Services::none(),
        };
        let mut pass = |inventory: &Inventory| {
            let desired =
                resolve_again(&sources, View::Observed(inventory), Timestamp::UNIX_EPOCH, &mut memo);
            desired.jobs[&JobId::at_home("n1", "a")].spec.clone()
        };
        let first = pass(&inventory);
        inventory.containers[0].state = ContainerState::Stopped;
        inventory.containers.push(container(5, 2, 0, None, 0));
        assert!(Arc::ptr_eq(&first, &pass(&inventory)));
    }
}
