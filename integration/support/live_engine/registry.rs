//! A registry of images with a password, on the loopback of the Engine's machine.

use std::{path::PathBuf, process::Command};

use super::{Stage, WORKER, eventually, run};

/// The image of the registry.
const IMAGE: &str = "watchbell-registry:local";
/// The registry's one account.
pub const USER: &str = "anna";
/// Its password: nothing but these tests has it, so it must stand nowhere that they look.
pub const PASSWORD: &str = "wb-registry-canary";
/// Ports from here on; the machine hands none of them out by itself.
const PORTS: (u32, u32) = (20_000, 10_000);

/// A registry, gone when the test ends, with the images that came from it.
#[derive(Debug)]
pub struct Registry<'a> {
    stage: &'a Stage,
    container: String,
    /// `127.0.0.1:<port>`.
    pub address: String,
}

impl Stage {
    /// Starts a registry.
    pub fn registry(&self) -> Registry<'_> {
        let there = self.try_docker(["image", "inspect", "--format", "{{.Id}}", IMAGE]);
        assert!(
            there.is_ok(),
            "there is no image {IMAGE}: run integration/registry-image, or `make test`, which does it"
        );
        // Nobody can say from here which ports are free there.
        for attempt in 0..20 {
            let port = PORTS.0 + (std::process::id() * 31 + attempt * 977) % PORTS.1;
            let container = self.name(&format!("registry-{attempt}"));
            let address = format!("127.0.0.1:{port}");
            let variable = format!("REGISTRY_HTTP_ADDR={address}");
            let label = self.label();
            self.docker([
                "run",
                "-d",
                "--network",
                "host",
                "--label",
                &label,
                "--name",
                &container,
                "-e",
                &variable,
                IMAGE,
            ]);
            let registry = Registry { stage: self, container, address };
            let mut listens = false;
            eventually("the registry listens, or its port is taken", || {
                listens = registry.log().contains("listening on");
                listens || !registry.runs()
            });
            if listens {
                return registry;
            }
        }
        panic!("no port is free for a registry");
    }
}

impl Registry<'_> {
    /// The name of an image in it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Puts an image there that prints this line; the Engine forgets it.
    pub fn put(&self, name: &str, prints: &str) {
        let image = self.image(name);
        let label = self.stage.label();
        let container = self.stage.docker(["create", "--label", &label, "--network", "none", WORKER]);
        let command = format!("CMD [\"echo\", \"{prints}\"]");
        self.stage.docker(["commit", "--change", &command, &container, &image]);
        self.stage.docker(["rm", &container]);
        let config = self.log_in("push", USER, PASSWORD);
        let config = config.parent().and_then(|it| it.to_str()).expect("a path that is text");
        self.stage.docker(["--config", config, "push", &image]);
        self.forget(name);
    }

    /// Removes an image from the Engine.
    pub fn forget(&self, name: &str) {
        // The container of a run goes a moment after its record.
        let image = self.image(name);
        eventually("the Engine lets it go", || {
            let _ = self.stage.try_docker(["image", "rm", &image]);
            self.stage.try_docker(["image", "inspect", "--format", "{{.Id}}", &image]).is_err()
        });
    }

    /// A `config.json` as `docker login` writes it, in a directory of this name.
    pub fn log_in(&self, directory: &str, user: &str, password: &str) -> PathBuf {
        let entry = format!("\"username\": \"{user}\", \"password\": \"{password}\"");
        self.config(directory, &format!("{{\"auths\": {{\"{}\": {{{entry}}}}}}}", self.address))
    }

    /// A `config.json` with this text, in a directory of this name.
    pub fn config(&self, directory: &str, text: &str) -> PathBuf {
        let directory = self.stage.dir().join(directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        let file = directory.join("config.json");
        std::fs::write(&file, text).expect("the file can be written");
        file
    }

    /// How often a manifest of this image was asked for and given.
    pub fn given(&self, name: &str) -> usize {
        let asked = format!("/v2/{name}/manifests/");
        self.log().lines().filter(|it| it.contains(&asked) && it.contains("HTTP/1.1\" 200")).count()
    }

    /// It takes connections and answers none.
    pub fn hold(&self) {
        self.stage.docker(["pause", &self.container]);
    }

    /// It answers again.
    pub fn release(&self) {
        self.stage.docker(["unpause", &self.container]);
    }

    /// Stops it.
    pub fn stop(&self) {
        self.stage.docker(["kill", &self.container]);
    }

    fn runs(&self) -> bool {
        self.stage.inspect(&self.container, "{{.State.Running}}") == "true"
    }

    /// It writes to both streams.
    fn log(&self) -> String {
        let script = "docker logs \"$0\" 2>&1";
        run(Command::new("sh").args(["-c", script, &self.container]).env("DOCKER_HOST", self.stage.host()))
            .unwrap_or_else(|why| panic!("{why}"))
    }
}

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        let filter = format!("reference={}/*", self.address);
        let left = self.stage.ids(&["image", "ls", "-q", "--filter", &filter]);
        // Runs that go on still have theirs; the agent has ended before the stage, and with it what it made.
        for image in left {
            let _ = self.stage.try_docker(["image", "rm", "-f", &image]);
        }
    }
}
