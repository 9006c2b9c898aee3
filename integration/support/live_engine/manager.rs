//! An Engine that manages a Swarm: the one that the tests were given, if it does already, else a private one. Nobody's
//! Engine is made a manager behind its owner's back.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::OnceLock,
};

use super::{Stage, WORKER, docker_at, engine, hand_over, run};

/// Where it listens, and what keeps it: the end of the process, whatever its reason, closes the pipe, and with that the
/// script stops the Engine and removes all of it.
struct Manager {
    host: String,
    _lent: Option<ChildStdin>,
}

/// Whether the Engine that the tests were given manages a Swarm.
pub fn given_is_manager() -> bool {
    let asked = run(docker_at(engine()).args(["info", "--format", "{{.Swarm.ControlAvailable}}"]));
    asked.as_deref() == Ok("true")
}

/// Where an Engine listens that manages a Swarm and has the image of the workers. All tests of a run have the same.
pub fn manager() -> &'static str {
    static MANAGER: OnceLock<Result<Manager, String>> = OnceLock::new();
    let made = MANAGER.get_or_init(|| {
        if given_is_manager() {
            return Ok(Manager { host: engine().to_owned(), _lent: None });
        }
        lend()
    });
    match made {
        Ok(manager) => &manager.host,
        Err(why) => panic!(
            "jobs on a Swarm need an Engine that manages one. The one given does not, and a private one could not be \
             had: {why}"
        ),
    }
}

fn lend() -> Result<Manager, String> {
    let user = run(Command::new("id").arg("-u"))?;
    if user != "0" {
        return Err("only root can start one: run `make test` as root".to_owned());
    }
    // Not below the target directory: a socket's path may be only so long.
    let dir =
        tempfile::Builder::new().prefix("wb-swarm.").tempdir().map_err(|error| error.to_string())?.keep();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/private-engine");
    // A session of its own: what ends the tests at a terminal must not end what clears up after them.
    let mut child = Command::new("setsid")
        .arg(script)
        .arg("lend")
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("setsid cannot be run: {error}"))?;
    let lent = child.stdin.take();
    let mut socket = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("the pipe is ours"));
    stdout.read_line(&mut socket).map_err(|error| error.to_string())?;
    if socket.trim().is_empty() {
        let _ = stdout.read_to_string(&mut socket);
        return Err("dockerd did not start; the lines above say why".to_owned());
    }
    let host = format!("unix://{}", socket.trim());
    let manager = Manager { host: host.clone(), _lent: lent };
    hand_over(&Stage::at(engine()), &Stage::at(&host), WORKER);
    // The new network namespace has its loopback down where there was no program to bring it up.
    let up = [
        "run",
        "--rm",
        "--network",
        "host",
        "--cap-add",
        "NET_ADMIN",
        WORKER,
        "ip",
        "link",
        "set",
        "lo",
        "up",
    ];
    run(docker_at(&host).args(up))?;
    run(docker_at(&host).args(["swarm", "init", "--advertise-addr", "127.0.0.1"]))?;
    Ok(manager)
}
