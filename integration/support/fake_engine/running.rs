//! Containers and execs from start to end, with the events of a real Engine in its order.

use super::{
    FakeEngine,
    process::{Process, wait},
    world::{State, World},
};

/// The exit code of a process that a signal ended.
pub fn killed_by(signal: u8) -> i64 {
    128 + i64::from(signal)
}

impl World {
    /// The part of a start that the world sees; the caller lets the process play.
    pub fn begin(&mut self, id: &str) -> Process {
        let now = self.now();
        let container = self.find_mut(id).expect("the caller found it");
        if container.process.exit().is_some() {
            container.process = Process::new();
        }
        container.state = State::Running;
        container.started = Some(now);
        let process = container.process.clone();
        self.emit_networks(id, "connect");
        self.emit(id, "start", &[]);
        process
    }

    /// The container's process ended: its execs end with it, those who wait hear of it.
    pub fn finish(&mut self, id: &str, code: i64) {
        let now = self.now();
        for exec in self.execs.iter_mut().filter(|exec| exec.request.container_id == id) {
            if exec.started.is_some() && exec.process.exit().is_none() {
                exec.process.end(killed_by(9));
                exec.process.close();
                exec.ended = Some(now);
            }
        }
        let container = self.find_mut(id).expect("the caller found it");
        container.state = State::Exited;
        container.finished = Some(now);
        container.process.end(code);
        container.process.close();
        let auto_remove = container.auto_remove;
        self.emit(id, "die", &[("exitCode", &code.to_string())]);
        self.emit_networks(id, "disconnect");
        let container = self.find_mut(id).expect("the caller found it");
        container.life.send_modify(|life| {
            life.exits += 1;
            life.last_exit = code;
        });
        if auto_remove {
            self.destroy(id);
        }
    }

    /// A signal to the container's process. True when it ended it.
    pub fn signal(&mut self, id: &str, signal: u8) -> bool {
        self.emit(id, "kill", &[("signal", &signal.to_string())]);
        let container = self.find(id).expect("the caller found it");
        let deadly = match signal {
            9 => true,
            2 | 3 | 6 | 15 => !container.behaviour.ignores_term,
            _ => false,
        };
        if deadly {
            self.finish(id, killed_by(signal));
        }
        deadly
    }

    /// What comes after the process of a stopped container has ended.
    pub fn stopped(&mut self, id: &str) {
        // With `AutoRemove` there is nothing left that could be said to have stopped.
        if self.find(id).is_some() {
            self.emit(id, "stop", &[]);
        }
    }

    /// Removes a container that does not run.
    pub fn destroy(&mut self, id: &str) {
        self.emit(id, "destroy", &[]);
        let at = self.position(id).expect("the caller found it");
        let container = self.containers.remove(at);
        container.process.close();
        container.life.send_modify(|life| life.removed = true);
        for exec in self.execs.iter_mut().filter(|exec| exec.request.container_id == id) {
            exec.forgotten = true;
        }
    }

    /// Ends an exec's command and its whole tree.
    pub fn end_exec(&mut self, id: &str, code: i64) -> bool {
        let now = self.now();
        let Some(exec) =
            self.find_exec(id).filter(|exec| exec.started.is_some() && exec.process.exit().is_none())
        else {
            return false;
        };
        exec.process.end(code);
        exec.process.close();
        exec.ended = Some(now);
        self.exec_died(id, code);
        true
    }

    fn exec_died(&mut self, id: &str, code: i64) {
        let Some(exec) = self.find_exec(id) else { return };
        if exec.behaviour.never_starts {
            return; // The Engine tells of no end of what never began.
        }
        let container = exec.request.container_id.clone();
        self.emit(&container, "exec_die", &[("execID", id), ("exitCode", &code.to_string())]);
    }
}

impl FakeEngine {
    /// Starts a container that exists and does not run.
    pub(super) fn begin(&self, id: &str) {
        let (process, script) = {
            let mut world = self.world();
            let process = world.begin(id);
            (process, world.find(id).expect("it was just started").behaviour.script.clone())
        };
        let (engine, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            if process.play(&script).await {
                let mut world = engine.world();
                // By now it may have been killed, and started anew.
                let current = world.find(&id).is_some_and(|container| container.process.is_same(&process));
                if current && process.exit().is_none() {
                    world.finish(&id, script.exit);
                }
            }
        });
    }

    /// Starts an exec that was created.
    pub(super) fn begin_exec(&self, id: &str) {
        let (process, behaviour) = {
            let mut world = self.world();
            let now = world.now();
            let exec = world.find_exec(id).expect("the caller found it");
            exec.started = Some(now);
            let (process, behaviour) = (exec.process.clone(), exec.behaviour.clone());
            let container = exec.request.container_id.clone();
            let action = format!("exec_start: {}", exec.request.cmd.join(" "));
            world.emit(&container, action, &[("execID", id)]);
            (process, behaviour)
        };
        if let Some(hook) = &behaviour.on_start {
            hook(self);
        }
        let (engine, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            if !process.play(&behaviour.script).await {
                return;
            }
            {
                let mut world = engine.world();
                if process.exit().is_some() {
                    return;
                }
                let now = world.now();
                let code = behaviour.script.exit;
                process.end(code);
                if let Some(exec) = world.find_exec(&id) {
                    exec.ended = Some(now);
                    world.exec_died(&id, code);
                }
            }
            wait(behaviour.stream_outlives).await;
            process.close();
        });
    }
}
