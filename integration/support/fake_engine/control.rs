//! The hand of the test: what happens in the world, and what goes wrong with the Engine.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    FakeEngine, Gate, Hold,
    behaviour::RunBehaviour,
    running::killed_by,
    spec::{ContainerSpec, Health},
    world::{State, World, digest, tagged},
};

/// Lists are what faults are most often staged on.
const LIST: &str = "GET /containers/json";

/// What happens to containers, by other hands than the agent's. A container that is not there is a mistake in the test.
impl FakeEngine {
    /// Creates and starts a container, and returns its ID.
    pub fn start(&self, spec: ContainerSpec) -> String {
        let id = self.create(spec);
        self.begin(&id);
        id
    }

    /// Creates a container without starting it.
    pub fn create(&self, spec: ContainerSpec) -> String {
        self.world().add(spec)
    }

    /// Creates a container that does this when it is started.
    pub fn scripted(&self, spec: ContainerSpec, behaviour: RunBehaviour) -> String {
        let id = self.create(spec);
        self.world().find_mut(&id).expect("it was just created").behaviour = behaviour;
        id
    }

    /// Starts a container that was stopped or only created.
    pub fn start_again(&self, name: &str) {
        let id = self.id(name);
        self.begin(&id);
    }

    /// SIGTERM, death, "stop".
    pub fn stop(&self, name: &str) {
        self.on_running(name, |world, id| {
            if !world.signal(id, 15) {
                world.signal(id, 9);
            }
            world.stopped(id);
        });
    }

    /// SIGKILL and death, without "stop".
    pub fn kill(&self, name: &str) {
        self.on_running(name, |world, id| {
            world.signal(id, 9);
        });
    }

    /// Dies by itself with this code.
    pub fn die(&self, name: &str, code: i64) {
        self.on_running(name, |world, id| world.finish(id, code));
    }

    /// Runs out of memory: "oom", then death by SIGKILL.
    pub fn out_of_memory(&self, name: &str) {
        self.on_running(name, |world, id| {
            world.emit(id, "oom", &[]);
            world.finish(id, killed_by(9));
        });
    }

    /// Removes it by force, running or not.
    pub fn remove(&self, name: &str) {
        let id = self.id(name);
        let mut world = self.world();
        if world.find(&id).is_some_and(super::world::Container::is_running) {
            world.signal(&id, 9);
        }
        // With `AutoRemove` its death has removed it.
        if world.find(&id).is_some() {
            world.destroy(&id);
        }
    }

    pub fn rename(&self, old: &str, new: &str) {
        let id = self.id(old);
        let mut world = self.world();
        world.find_mut(&id).expect("it has an ID").name = new.into();
        world.emit(&id, "rename", &[("oldName", &format!("/{old}"))]);
    }

    pub fn pause(&self, name: &str) {
        self.on_running(name, |world, id| {
            world.find_mut(id).expect("it runs").state = State::Paused;
            world.emit(id, "pause", &[]);
        });
    }

    pub fn unpause(&self, name: &str) {
        self.on_running(name, |world, id| {
            world.find_mut(id).expect("it runs").state = State::Running;
            world.emit(id, "unpause", &[]);
        });
    }

    /// "kill", "die", "stop", "start", "restart", under the same ID.
    pub fn restart(&self, name: &str) {
        let id = self.id(name);
        self.stop(name);
        self.begin(&id);
        self.world().emit(&id, "restart", &[]);
    }

    /// The result of the container's health check changes.
    pub fn set_health(&self, name: &str, health: Health) {
        self.on_running(name, |world, id| {
            world.find_mut(id).expect("it runs").health = Some(health);
            world.emit(id, format!("health_status: {}", health.as_str()), &[]);
        });
    }

    /// `n` events that say nothing about which containers exist, of a container that never appears in a list.
    pub fn unrelated_events(&self, n: usize) {
        let actions = [
            "exec_create: true",
            "exec_start: true",
            "exec_die",
            "top",
            "health_status: healthy",
            "resize",
            "copy",
        ];
        let mut world = self.world();
        for action in actions.iter().cycle().take(n) {
            let attributes = BTreeMap::from([
                ("image".to_owned(), "elsewhere:1".to_owned()),
                ("name".to_owned(), "elsewhere".to_owned()),
            ]);
            world.publish("container", (*action).to_owned(), digest("elsewhere"), attributes);
        }
    }

    /// An event of a type that the client does not know, as Podman's of pods.
    pub fn foreign_event(&self) {
        self.world().publish("pod", "create".into(), digest("pod"), BTreeMap::new());
    }

    /// That container has just stopped, in Podman's word, which bollard does not know.
    pub fn stopped_in_podman(&self, name: &str) {
        let id = self.id(name);
        self.world().find_mut(&id).expect("it has an ID").strange_state = Some("stopped".into());
    }

    /// That container's state in lists and inspections is a word that no client knows; bollard then fails the whole list.
    pub fn unknown_state(&self, name: &str) {
        let id = self.id(name);
        self.world().find_mut(&id).expect("it has an ID").strange_state = Some("hibernating".into());
    }

    /// Creating a container from this image fails until it is pulled.
    pub fn without_image(&self, image: &str) {
        self.world().missing_images.insert(tagged(image));
    }

    /// The ID of the image of a container.
    pub fn image_id(&self, container: &str) -> String {
        let world = self.world();
        let container = world.find(container).unwrap_or_else(|| panic!("no container named {container}"));
        super::shapes::image_id(&container.image)
    }

    /// Each pull so far: the image, and what the registry was to be shown.
    pub fn pulls(&self) -> Vec<(String, Option<String>)> {
        self.world().pulls.clone()
    }

    /// Pulls of this image begin, and go on with a layer every ten seconds until the gate opens.
    pub fn slow_pulls(&self, image: &str, gate: &Gate) {
        self.world().slow_pulls.push((tagged(image), gate.clone()));
    }

    /// Pulls fail with this text.
    pub fn refuse_pulls(&self, message: &str) {
        self.world().pull_error = Some(message.to_owned());
    }

    pub fn add_network(&self, name: &str) {
        self.world().networks.insert(name.to_owned());
    }

    /// Ends a running exec with this code, as when something in its container killed it. False when it does not run.
    pub fn end_exec(&self, id: &str, code: i64) -> bool {
        self.world().end_exec(id, code)
    }

    /// Ends all running execs whose environment holds exactly this `NAME=value`; says how many there were. This is what
    /// a kill by a marker in the environment does, once the test's rule has recognized one.
    pub fn end_execs_with_env(&self, entry: &str, code: i64) -> usize {
        let mut world = self.world();
        let marked: Vec<String> = world
            .execs
            .iter()
            .filter(|exec| exec.request.env.iter().any(|given| given == entry))
            .map(|exec| exec.request.id.clone())
            .collect();
        marked.iter().filter(|id| world.end_exec(id, code)).count()
    }

    /// The paths of files that were copied into a container and are still there.
    pub fn files(&self, name: &str) -> Vec<String> {
        let world = self.world();
        world.find(name).unwrap_or_else(|| panic!("no container named {name}")).files.clone()
    }

    /// A file that a command in the container removed. False where there is none.
    pub fn remove_file(&self, container: &str, path: &str) -> bool {
        let id = self.id(container);
        let mut world = self.world();
        let files = &mut world.find_mut(&id).expect("it has an ID").files;
        let there = files.len();
        files.retain(|it| it != path);
        files.len() < there
    }

    /// The ID of a container.
    pub fn id_of(&self, name: &str) -> String {
        self.id(name)
    }

    /// The name of a container that is or was there.
    pub fn name_of(&self, id: &str) -> Option<String> {
        self.world().find(id).map(|it| it.name.clone())
    }

    fn id(&self, name: &str) -> String {
        let world = self.world();
        world.find(name).unwrap_or_else(|| panic!("no container named {name}")).id.clone()
    }

    fn on_running(&self, name: &str, act: impl FnOnce(&mut World, &str)) {
        let id = self.id(name);
        let mut world = self.world();
        assert!(world.find(&id).is_some_and(super::world::Container::is_running), "{name} does not run");
        act(&mut world, &id);
    }
}

/// What goes wrong. Patterns are `METHOD /path`, where a segment `*` stands for any one segment.
impl FakeEngine {
    /// Refuses connections and cuts every open one. Containers and execs go on.
    pub fn down(&self) {
        self.world().go_down();
    }

    /// Takes connections again.
    pub fn up(&self) {
        self.world().up = true;
    }

    /// Forgets past events, as a restarted Engine does.
    pub fn forget_events(&self) {
        self.world().events.forget();
    }

    /// The next `n` lists of containers answer with this status.
    pub fn fail_lists(&self, n: usize, status: u16) {
        self.fail(LIST, n, status, "something went wrong");
    }

    /// Lists of containers wait until the hold is released or dropped, and then tell the state of that moment.
    #[must_use = "dropping the hold releases it"]
    pub fn hold_lists(&self) -> Hold {
        self.hold(LIST)
    }

    /// The next `n` requests that match answer with this status and are not carried out.
    pub fn fail(&self, pattern: &str, n: usize, status: u16, message: &str) {
        self.world().faults.fail(pattern, n, status, message);
    }

    /// Requests that match wait, and are carried out when the hold is released.
    #[must_use = "dropping the hold releases it"]
    pub fn hold(&self, pattern: &str) -> Hold {
        self.world().faults.hold_requests(pattern)
    }

    /// Requests that match are carried out at once; their answers wait, and are stale when they come.
    #[must_use = "dropping the hold releases it"]
    pub fn hold_answers(&self, pattern: &str) -> Hold {
        self.world().faults.hold_answers(pattern)
    }

    /// The next `n` requests that match are carried out, and the client gets a reset connection instead of the answer.
    pub fn lose_answers(&self, pattern: &str, n: usize) {
        self.world().faults.lose_answers(pattern, n);
    }

    /// Ends every event stream in good order, as a proxy does that has waited long enough.
    pub fn cut_event_streams(&self) {
        self.world().events.cut();
    }

    /// Event streams that are open now stay open and never say anything again.
    pub fn wedge_event_streams(&self) {
        self.world().events.wedge();
    }

    /// The next event that somebody gets is not JSON.
    pub fn garble_events(&self) {
        self.world().events.garble_next();
    }

    /// Ends the output streams of execs and attached containers while the commands go on.
    pub fn cut_output_streams(&self) {
        self.world().cut_outputs();
    }

    /// Waits until `n` requests in all have matched `pattern`: for tests that must act right after one. Panics when an
    /// hour brings no more than fewer.
    pub async fn requested(&self, pattern: &str, n: usize) {
        let deadline = Instant::now() + Duration::from_secs(3600);
        while self.count(pattern) < n {
            assert!(
                Instant::now() < deadline,
                "{} of {n} requests {pattern} within an hour",
                self.count(pattern)
            );
            sleep(Duration::from_millis(1)).await;
        }
    }
}
