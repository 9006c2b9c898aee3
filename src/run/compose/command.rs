//! What Compose is told: the arguments and the variables of one command. Both generations take all of it, but for what
//! stands here of one of them. Pure.

use std::{collections::BTreeMap, path::Path};

use crate::model::{
    compose::{ComposeAction, ComposeCli, ComposeSpec, leads_compose},
    run::RunId,
};

use super::super::unit::MARK;

/// A project as Compose is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// Its files; none where it is known by its name alone.
    pub files: Vec<String>,
    /// The directory from which paths in them count; `None` is that of the first.
    pub directory: Option<String>,
    /// Its name; `None` is what Compose makes of the files.
    pub name: Option<String>,
}

/// Variables of the agent that would say which project or which Engine is meant: that is said otherwise.
pub const LEFT_OUT: [&str; 6] = [
    "COMPOSE_FILE",
    "COMPOSE_PROJECT_NAME",
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
];

/// Nothing asks, nothing is coloured, and nothing is drawn over itself.
const PLAIN: [(&str, &str); 5] = [
    ("COMPOSE_ANSI", "never"),
    ("COMPOSE_PROGRESS", "plain"),
    ("COMPOSE_MENU", "false"),
    ("DOCKER_CLI_HINTS", "false"),
    ("NO_COLOR", "1"),
];

/// The arguments behind the program. `name` and `labels` are those of the container that `run` makes.
pub fn arguments(
    cli: &ComposeCli,
    spec: &ComposeSpec,
    project: &Project,
    (run, name): (&RunId, &str),
    labels: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut line: Vec<String> = cli.program().1.iter().map(|it| (*it).to_owned()).collect();
    let mut add = |words: &[&str]| line.extend(words.iter().map(|it| (*it).to_owned()));
    add(&["--ansi", "never"]);
    for file in &project.files {
        add(&["-f", file]);
    }
    if let Some(directory) = &project.directory {
        add(&["--project-directory", directory]);
    }
    if let Some(name) = &project.name {
        add(&["-p", name]);
    }
    add(&[spec.action.as_str()]);
    match spec.action {
        // Detached: from then on the container is followed as any other, and outlives whoever asked for it.
        ComposeAction::Run => {
            add(&["-d", "-T"]);
            if matches!(cli, ComposeCli::Plugin(_)) {
                // Nobody would ever close what it reads.
                add(&["--interactive=false"]);
            }
            add(&["--name", name]);
            for (label, value) in labels {
                add(&["-l", &format!("{label}={value}")]);
            }
        }
        ComposeAction::Exec => add(&["-T"]),
        ComposeAction::Up => add(&["-d", "--no-color", "--quiet-pull"]),
        ComposeAction::Pull => add(&["--quiet"]),
        ComposeAction::Start | ComposeAction::Restart | ComposeAction::Stop | ComposeAction::Down => {}
    }
    if spec.action.runs_a_command() {
        add(&["-e", &format!("{MARK}={run}")]);
        for (variable, value) in &spec.environment.0 {
            // A command line can be read by everyone on the machine: Compose takes the value from its own variables,
            // unless it is led by them itself.
            if leads_compose(variable) {
                add(&["-e", &format!("{variable}={value}")]);
            } else {
                add(&["-e", variable]);
            }
        }
        if let Some(user) = &spec.user {
            add(&["-u", user]);
        }
        if let Some(workdir) = &spec.workdir {
            add(&["-w", workdir]);
        }
    }
    for service in &spec.services {
        add(&[service]);
    }
    line.extend(spec.argv.iter().flatten().cloned());
    line
}

/// The variables that it has beside the agent's. `host` is where the agent has its Engine, and `certificates` the
/// directory with what that asks for, where it is reached over TLS.
pub fn variables(spec: &ComposeSpec, host: &str, certificates: Option<&Path>) -> Vec<(String, String)> {
    let own = PLAIN.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = spec.environment.0.iter().filter(|(name, _)| !leads_compose(name)).cloned();
    let bare = ["http://", "https://"].iter().find_map(|scheme| host.strip_prefix(scheme));
    let host = bare.map_or_else(|| host.to_owned(), |it| format!("tcp://{it}"));
    let tls = certificates.map(|folder| {
        [("DOCKER_TLS_VERIFY", "1".to_owned()), ("DOCKER_CERT_PATH", folder.display().to_string())]
    });
    let engine = [("DOCKER_HOST", host)].into_iter().chain(tls.into_iter().flatten());
    let engine = engine.map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(given).chain(engine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::Environment;

    fn spec(action: ComposeAction) -> ComposeSpec {
        ComposeSpec {
            action,
            files: Vec::new(),
            project: None,
            services: vec!["web".into()],
            argv: Some(vec!["echo".into(), "a b".into(), "--x".into()]),
            user: Some("www".into()),
            workdir: Some("/srv".into()),
            environment: Environment(vec![
                ("TOKEN".into(), "hunter2".into()),
                ("PATH".into(), "/bin".into()),
            ]),
        }
    }

    fn line(cli: &ComposeCli, spec: &ComposeSpec, project: &Project) -> String {
        let labels = BTreeMap::from([("watchbell.run".to_owned(), "01R".to_owned())]);
        arguments(cli, spec, project, (&RunId("01R".into()), "watchbell-x-1"), &labels).join("·")
    }

    fn both() -> [ComposeCli; 2] {
        [ComposeCli::Plugin("/usr/bin/docker".into()), ComposeCli::Program("/usr/bin/docker-compose".into())]
    }

    #[test]
    fn a_command_in_a_new_container_is_begun_detached_under_our_name_and_labels() {
        let [plugin, program] = both();
        let project = Project { files: vec!["/a.yaml".into(), "/b.yaml".into()], ..Project::default() };
        let rest = "--name·watchbell-x-1·-l·watchbell.run=01R·-e·WATCHBELL_RUN=01R·-e·TOKEN·-e·PATH=/bin·-u·www·-w·/srv\
                    ·web·echo·a b·--x";
        let head = "--ansi·never·-f·/a.yaml·-f·/b.yaml·run·-d·-T";
        let run = spec(ComposeAction::Run);
        assert_eq!(line(&program, &run, &project), format!("{head}·{rest}"));
        assert_eq!(line(&plugin, &run, &project), format!("compose·{head}·--interactive=false·{rest}"));
    }

    #[test]
    fn a_command_in_a_running_container_has_no_terminal_and_the_mark_of_its_run() {
        let project = Project { name: Some("shop".into()), ..Project::default() };
        let line = line(&both()[1], &spec(ComposeAction::Exec), &project);
        let wanted = "--ansi·never·-p·shop·exec·-T·-e·WATCHBELL_RUN=01R·-e·TOKEN·-e·PATH=/bin·-u·www·-w·/srv·web·echo·a b·--x";
        assert_eq!(line, wanted);
    }

    #[test]
    fn what_runs_no_command_names_the_services_and_never_waits_for_anybody() {
        let project = Project {
            files: vec!["/srv/shop/compose.yaml".into()],
            directory: Some("/srv/shop".into()),
            name: Some("shop".into()),
        };
        let head = "--ansi·never·-f·/srv/shop/compose.yaml·--project-directory·/srv/shop·-p·shop";
        for (action, words) in [
            (ComposeAction::Up, "up·-d·--no-color·--quiet-pull"),
            (ComposeAction::Start, "start"),
            (ComposeAction::Restart, "restart"),
            (ComposeAction::Stop, "stop"),
            (ComposeAction::Down, "down"),
            (ComposeAction::Pull, "pull·--quiet"),
        ] {
            let it = ComposeSpec {
                services: vec!["web".into(), "db".into()],
                argv: None,
                user: None,
                workdir: None,
                ..spec(action)
            };
            assert_eq!(line(&both()[1], &it, &project), format!("{head}·{words}·web·db"));
        }
    }

    #[test]
    fn values_go_by_variables_and_the_engine_is_the_agents() {
        let run = spec(ComposeAction::Run);
        let variables = variables(&run, "http://10.0.0.1:2375", Some(Path::new("/certs")));
        let of = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| &*it.1);
        assert_eq!((of("TOKEN"), of("PATH")), (Some("hunter2"), None));
        assert_eq!(of("DOCKER_HOST"), Some("tcp://10.0.0.1:2375"));
        assert_eq!((of("DOCKER_TLS_VERIFY"), of("DOCKER_CERT_PATH")), (Some("1"), Some("/certs")));
        assert_eq!((of("COMPOSE_ANSI"), of("COMPOSE_PROGRESS")), (Some("never"), Some("plain")));
    }
}
