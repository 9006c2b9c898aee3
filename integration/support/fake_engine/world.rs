//! Everything the Engine knows, behind one lock. Nothing in here waits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    behaviour::{ExecBehaviour, Gate, RunBehaviour, Script},
    events::{Event, EventLog},
    faults::Faults,
    process::{Listen, Process},
    spec::{ContainerSpec, CreateRecord, ExecRecord, ExecRequest, Health},
    swarm::Swarm,
};

pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;
pub type ExecRule = Arc<dyn Fn(&ExecRequest) -> ExecBehaviour + Send + Sync>;
pub type RunRule = Arc<dyn Fn(&CreateRecord) -> RunBehaviour + Send + Sync>;

/// The states a container can be in, by the Engine's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Created,
    Running,
    Paused,
    Exited,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
        }
    }
}

/// What those who wait for a container look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    /// How often it has exited.
    pub exits: u64,
    pub last_exit: i64,
    pub removed: bool,
}

#[derive(Debug)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
    pub labels: BTreeMap<String, String>,
    pub networks: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<String>,
    pub tty: bool,
    pub auto_remove: bool,
    pub stop_timeout: Option<i64>,
    pub health: Option<Health>,
    pub state: State,
    /// A state that no client has heard of, shown in place of the true one.
    pub strange_state: Option<String>,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub read_only: bool,
    /// Where writable volumes are mounted.
    pub volumes: Vec<String>,
    /// Paths of the machine, and where they are mounted.
    pub binds: Vec<(String, String)>,
    /// The paths of files that were copied into it.
    pub files: Vec<String>,
    pub behaviour: RunBehaviour,
    pub process: Process,
    pub life: watch::Sender<Life>,
}

impl Container {
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    pub fn shown_state(&self) -> &str {
        self.strange_state.as_deref().unwrap_or(self.state.as_str())
    }
}

pub struct Exec {
    pub request: ExecRequest,
    pub behaviour: ExecBehaviour,
    /// What its creator attached to.
    pub listen: Listen,
    pub process: Process,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Its container is gone, and with it what the Engine knew; the record stays for the test.
    pub forgotten: bool,
}

pub struct World {
    clock: Clock,
    counter: u64,
    /// In order of creation.
    pub containers: Vec<Container>,
    pub execs: Vec<Exec>,
    pub events: EventLog,
    pub faults: Faults,
    /// Images that are not there until they are pulled.
    pub missing_images: BTreeSet<String>,
    /// The image of each pull, and what the registry was to be shown.
    pub pulls: Vec<(String, Option<String>)>,
    /// Images whose pulls begin and do not end before the gate opens.
    pub slow_pulls: Vec<(String, Gate)>,
    /// Why a pull fails, if it does.
    pub pull_error: Option<String>,
    pub networks: BTreeSet<String>,
    pub exec_rule: ExecRule,
    pub run_rule: RunRule,
    pub up: bool,
    /// Ends every connection when the Engine goes down.
    pub connections: CancellationToken,
    /// Ends the output streams of execs and attached containers.
    pub outputs: CancellationToken,
    /// Each request's line and raw query.
    pub requests: Vec<(String, String)>,
    pub unknown: Vec<String>,
    pub refused: usize,
    pub created: Vec<CreateRecord>,
    pub swarm: Swarm,
}

impl World {
    pub fn new(clock: Clock) -> Self {
        let connections = CancellationToken::new();
        Self {
            clock,
            counter: 0,
            containers: Vec::new(),
            execs: Vec::new(),
            events: EventLog::default(),
            faults: Faults::default(),
            missing_images: BTreeSet::new(),
            pulls: Vec::new(),
            slow_pulls: Vec::new(),
            pull_error: None,
            networks: ["bridge", "host", "none"].map(ToOwned::to_owned).into(),
            exec_rule: Arc::new(|_| ExecBehaviour::exit(0)),
            run_rule: Arc::new(|_| RunBehaviour::exit(0)),
            up: true,
            outputs: connections.child_token(),
            connections,
            requests: Vec::new(),
            unknown: Vec::new(),
            refused: 0,
            created: Vec::new(),
            swarm: Swarm::default(),
        }
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The next ID: 64 hex digits, the same in every run, and no two alike in their first twelve.
    pub fn next_id(&mut self) -> String {
        self.counter += 1;
        digest(&self.counter.to_string())
    }

    /// A container by ID, name (with or without slash) or a unique start of its ID.
    pub fn find(&self, reference: &str) -> Option<&Container> {
        self.position(reference).map(|at| &self.containers[at])
    }

    pub fn find_mut(&mut self, reference: &str) -> Option<&mut Container> {
        self.position(reference).map(|at| &mut self.containers[at])
    }

    pub fn position(&self, reference: &str) -> Option<usize> {
        let name = reference.strip_prefix('/').unwrap_or(reference);
        let exact =
            self.containers.iter().position(|container| container.id == reference || container.name == name);
        exact.or_else(|| {
            let mut starts = self.containers.iter().enumerate().filter(|(_, c)| c.id.starts_with(reference));
            let (at, _) = starts.next().filter(|_| !reference.is_empty())?;
            starts.next().is_none().then_some(at)
        })
    }

    pub fn find_exec(&mut self, id: &str) -> Option<&mut Exec> {
        self.execs.iter_mut().find(|exec| exec.request.id == id && !exec.forgotten)
    }

    pub fn exec_records(&self) -> Vec<ExecRecord> {
        self.execs
            .iter()
            .map(|exec| ExecRecord {
                id: exec.request.id.clone(),
                container_name: exec.request.container.clone(),
                container_id: exec.request.container_id.clone(),
                cmd: exec.request.cmd.clone(),
                env: exec.request.env.clone(),
                user: exec.request.user.clone(),
                workdir: exec.request.workdir.clone(),
                started: exec.started,
                ended: exec.ended,
                exit: exec.process.exit(),
            })
            .collect()
    }

    /// Adds a container from outside the API, not started yet.
    pub fn add(&mut self, spec: ContainerSpec) -> String {
        assert!(self.find(&spec.name).is_none(), "a container named {} exists already", spec.name);
        let container = Container {
            id: self.next_id(),
            name: spec.name,
            image: spec.image,
            labels: spec.labels,
            networks: spec.networks,
            cmd: vec!["serve".into()],
            env: spec.env,
            tty: false,
            auto_remove: false,
            stop_timeout: spec.stop_timeout,
            health: spec.health,
            state: State::Created,
            strange_state: None,
            created: self.now(),
            started: None,
            finished: None,
            read_only: spec.read_only,
            volumes: spec.volumes,
            binds: spec.binds,
            files: Vec::new(),
            behaviour: RunBehaviour { script: Script::forever(), ..RunBehaviour::exit(0) },
            process: Process::new(),
            life: watch::Sender::default(),
        };
        self.insert(container)
    }

    pub fn insert(&mut self, container: Container) -> String {
        let id = container.id.clone();
        self.containers.push(container);
        self.emit(&id, "create", &[]);
        id
    }

    /// An event of a container that exists.
    pub fn emit(&mut self, id: &str, action: impl Into<String>, extra: &[(&str, &str)]) {
        let container = self.find(id).expect("events are of containers that exist");
        let mut attributes = container.labels.clone();
        attributes.insert("image".into(), container.image.clone());
        attributes.insert("name".into(), container.name.clone());
        attributes.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.publish("container", action.into(), id.to_owned(), attributes);
    }

    /// The events of a container's networks.
    pub fn emit_networks(&mut self, id: &str, action: &str) {
        let networks = self.find(id).expect("events are of containers that exist").networks.clone();
        for network in networks {
            let attributes = BTreeMap::from([
                ("container".to_owned(), id.to_owned()),
                ("name".to_owned(), network.clone()),
                ("type".to_owned(), "bridge".to_owned()),
            ]);
            self.publish("network", action.to_owned(), digest(&network), attributes);
        }
    }

    pub fn publish(
        &mut self,
        kind: &'static str,
        action: String,
        id: String,
        attributes: BTreeMap<String, String>,
    ) {
        // A clock that stands still while a test acts must not make two events one moment: a real Engine's never are.
        let now = self.now().as_nanosecond();
        let at = match self.events.last() {
            Some(last) if (now..now + 1_000_000).contains(&last) => last + 1,
            _ => now,
        };
        self.events.publish(Event { kind, action, id, attributes, at });
    }

    pub fn cut_outputs(&mut self) {
        self.outputs.cancel();
        self.outputs = self.connections.child_token();
    }

    pub fn go_down(&mut self) {
        self.up = false;
        self.connections.cancel();
        self.events.cut();
        self.connections = CancellationToken::new();
        self.outputs = self.connections.child_token();
    }
}

pub fn no_such_container(reference: &str) -> String {
    format!("No such container: {reference}")
}

pub fn no_such_image(image: &str) -> String {
    format!("No such image: {}", tagged(image))
}

/// An image reference with its tag, as the Engine completes it.
pub fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// 64 hex digits that follow from `text`.
pub fn digest(text: &str) -> String {
    // FNV-1a to take in the text, then four steps of SplitMix64.
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut hex = String::with_capacity(64);
    for _ in 0..4 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        write!(hex, "{mixed:016x}").expect("a string takes everything");
    }
    hex
}
