//! A job of kind `compose`, and the program that carries it out.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{job::Environment, word};

/// A Compose command on a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeSpec {
    /// What is done.
    pub action: ComposeAction,
    /// The project's files beside the agent; none where its containers say which they are.
    pub files: Vec<String>,
    /// The project's name; `None` is what Compose makes of the files.
    pub project: Option<String>,
    /// The services: exactly one where a command runs in it, and none for all of them elsewhere.
    pub services: Vec<String>,
    /// The command; `None` is the service's own.
    pub argv: Option<Vec<String>>,
    /// As whom it runs; the service's own without it.
    pub user: Option<String>,
    /// The working directory; the service's own without it.
    pub workdir: Option<String>,
    /// Variables of the command, or where there is none those that Compose puts into its files.
    pub environment: Environment,
}

impl ComposeSpec {
    /// The one service in which a command runs.
    pub fn service(&self) -> Option<&str> {
        self.services.first().map(String::as_str).filter(|_| self.action.runs_a_command())
    }
}

/// What is done with a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComposeAction {
    /// A command in a new container of a service.
    Run,
    /// A command in the running container of a service.
    Exec,
    /// Services are made, made anew where they changed, and started.
    Up,
    /// Services that were stopped are started.
    Start,
    /// Services are stopped and started.
    Restart,
    /// Services are stopped.
    Stop,
    /// The project's containers and networks are removed.
    Down,
    /// The images of services are pulled.
    Pull,
}

impl ComposeAction {
    /// The actions by their names, which are Compose's own.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("run", Self::Run),
        ("exec", Self::Exec),
        ("up", Self::Up),
        ("start", Self::Start),
        ("restart", Self::Restart),
        ("stop", Self::Stop),
        ("down", Self::Down),
        ("pull", Self::Pull),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }

    /// The action with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(it, _)| *it == name).map(|(_, action)| action)
    }

    /// Whether a command of the job's runs in a service.
    pub fn runs_a_command(self) -> bool {
        matches!(self, Self::Run | Self::Exec)
    }

    /// Whether the plugin does it to a project of which it has no files.
    pub fn needs_no_files(self) -> bool {
        matches!(self, Self::Exec | Self::Start | Self::Restart | Self::Stop | Self::Down)
    }
}

/// A variable by which Compose, or a program that it calls, is led itself. It is never taken from a job.
pub fn leads_compose(variable: &str) -> bool {
    const NAMES: [&str; 9] = [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "LANGUAGE",
        "COMPOSE_FILE",
        "COMPOSE_PROJECT_NAME",
        "SHELL",
        "IFS",
    ];
    const FAMILIES: [&str; 9] =
        ["DOCKER_", "LD_", "PYTHON", "LC_", "XDG_", "SSL_", "SSH_", "BUILDKIT_", "WATCHBELL_"];
    let upper = variable.to_ascii_uppercase();
    NAMES.contains(&&*upper)
        || FAMILIES.iter().any(|family| upper.starts_with(family))
        || upper.ends_with("_PROXY")
}

/// A Compose that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComposeCli {
    /// The plugin of this `docker`.
    Plugin(PathBuf),
    /// A program of its own, such as docker-compose 1.29.
    Program(PathBuf),
}

impl ComposeCli {
    /// What is typed to call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plugin(_) => "docker compose",
            Self::Program(_) => "docker-compose",
        }
    }

    /// The file that is begun, and what comes first behind it.
    pub fn program(&self) -> (&Path, &'static [&'static str]) {
        match self {
            Self::Plugin(docker) => (docker, &["compose"]),
            Self::Program(program) => (program, &[]),
        }
    }
}

/// Looks for a Compose, now.
type Look = dyn Fn() -> Option<ComposeCli> + Send + Sync;

/// What finds Compose beside the agent, whenever it is asked.
#[derive(Clone)]
pub struct ComposeFinder(Arc<Look>);

impl ComposeFinder {
    /// One that looks so.
    pub fn new(look: impl Fn() -> Option<ComposeCli> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// The Compose that is there. It may have to wait for a disk.
    pub fn find(&self) -> Option<ComposeCli> {
        (self.0)()
    }
}

impl fmt::Debug for ComposeFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComposeFinder").finish_non_exhaustive()
    }
}

/// What there is to say where no Compose was found.
pub const NO_COMPOSE: &str = "there is no Compose beside the agent, which does what such a job asks for: use the image \
    that has it (make image-full), or install the docker command with its plugin compose, or docker-compose";

/// Where Compose is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComposePlaces {
    /// The directories of programs, in order.
    programs: Vec<PathBuf>,
    /// The directories of plugins of `docker`.
    plugins: Vec<PathBuf>,
}

const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

impl ComposePlaces {
    /// Those that these variables of the agent name: `PATH`, and the directory where `docker` keeps what is a user's own.
    pub fn new(path: Option<&str>, own: Option<&Path>) -> Self {
        let programs =
            path.unwrap_or_default().split(':').filter(|it| it.starts_with('/')).map(PathBuf::from);
        let plugins = own.map(|it| it.join("cli-plugins")).into_iter().chain(PLUGINS.map(PathBuf::from));
        Self { programs: programs.collect(), plugins: plugins.collect() }
    }

    /// The Compose that is there: the plugin before the program. `is_program` asks for a file that can be executed.
    pub fn find(&self, is_program: impl Fn(&Path) -> bool) -> Option<ComposeCli> {
        let program = |name: &str| self.programs.iter().map(|it| it.join(name)).find(|it| is_program(it));
        let plugin = || self.plugins.iter().any(|it| is_program(&it.join("docker-compose")));
        let docker = program("docker").filter(|_| plugin());
        docker.map(ComposeCli::Plugin).or_else(|| program("docker-compose").map(ComposeCli::Program))
    }

    /// Every file whose coming or going changes what is found.
    pub fn all(&self) -> impl Iterator<Item = PathBuf> {
        let programs = self.programs.iter().flat_map(|it| [it.join("docker"), it.join("docker-compose")]);
        programs.chain(self.plugins.iter().map(|it| it.join("docker-compose")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str]) -> Option<ComposeCli> {
        let places =
            ComposePlaces::new(Some("/usr/bin::relative:/opt/bin"), Some(Path::new("/root/.docker")));
        let seen: Vec<PathBuf> = places.all().collect();
        let found = places.find(|path| files.contains(&path.to_str().unwrap()));
        assert!(files.iter().all(|file| seen.contains(&PathBuf::from(file))), "all of them are watched");
        found
    }

    #[test]
    fn the_plugin_is_taken_before_the_program_and_only_where_docker_is_there() {
        let plugin = "/usr/libexec/docker/cli-plugins/docker-compose";
        assert_eq!(found(&[]), None);
        assert_eq!(found(&["/usr/bin/docker"]), None);
        assert_eq!(found(&[plugin]), None);
        assert_eq!(found(&["/usr/bin/docker", plugin]), Some(ComposeCli::Plugin("/usr/bin/docker".into())));
        let own = "/root/.docker/cli-plugins/docker-compose";
        assert_eq!(found(&["/opt/bin/docker", own]), Some(ComposeCli::Plugin("/opt/bin/docker".into())));
        let program = "/opt/bin/docker-compose";
        assert_eq!(found(&["/usr/bin/docker", program]), Some(ComposeCli::Program(program.into())));
        assert_eq!(found(&["/usr/bin/docker", plugin, program]).unwrap().name(), "docker compose");
    }

    #[test]
    fn what_leads_compose_is_told_from_what_a_command_is_given() {
        for leads in ["PATH", "ld_preload", "DOCKER_HOST", "PYTHONPATH", "https_proxy", "COMPOSE_FILE"] {
            assert!(leads_compose(leads), "{leads}");
        }
        for plain in ["TAG", "COMPOSE_PROFILES", "MY_PATH", "PASSWORD"] {
            assert!(!leads_compose(plain), "{plain}");
        }
    }

    #[test]
    fn an_action_has_one_name() {
        for (name, action) in ComposeAction::NAMES {
            assert_eq!((action.as_str(), ComposeAction::parse(name)), (name, Some(action)));
        }
    }
}
