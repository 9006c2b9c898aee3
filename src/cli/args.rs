//! What can be typed.

use clap::{Args, Parser, Subcommand};

use crate::{
    model::origin::Origin,
    settings::{global::SETTINGS, ini::RawSetting},
};

use super::Output;

/// Cron for containers: labels on containers become jobs on a live schedule.
#[derive(Debug, Parser)]
#[command(name = "watchbell", version, disable_help_subcommand = true)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The command line with the help of each setting's flag as the table of settings has it.
pub fn command() -> clap::Command {
    let command = <Cli as clap::CommandFactory>::command();
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_help))
}

fn with_help(command: clap::Command) -> clap::Command {
    SETTINGS.iter().fold(command, |command, setting| {
        let id = setting.name.replace('-', "_");
        let there = command.get_arguments().any(|argument| argument.get_id() == id.as_str());
        let help = format!("{} [default: {}]", setting.doc, setting.default);
        if there { command.mut_arg(id, |argument| argument.help(help)) } else { command }
    })
}

/// What was typed. Help, the version and wrong usage end the process here.
pub fn typed() -> Cli {
    let mut matches = command().get_matches();
    match <Cli as clap::FromArgMatches>::from_arg_matches_mut(&mut matches) {
        Ok(cli) => cli,
        Err(error) => error.format(&mut command()).exit(),
    }
}

/// One command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the Engine and run jobs when they are due.
    Daemon(SettingFlags),
    /// Say what is wrong with files and labels; no Engine is needed.
    Validate(ValidateArgs),
    /// Say where each value of a job comes from, and what it hid.
    Explain(super::explain::ExplainArgs),
    /// Say what would change with these files, flags and variables; changes nothing.
    Plan(super::plan::PlanArgs),
    /// Print when a schedule, or a job of the file, comes next.
    Next(NextArgs),
    /// Print when all jobs of files and labels come in a stretch of time, and which come at once.
    Simulate(super::simulate::SimulateArgs),
    /// Print what another tool's labels, file or crontab are as ours.
    Migrate(MigrateArgs),
    /// Print the jobs of the running agent.
    Jobs(super::operate::JobsArgs),
    /// Print all that the running agent knows of a job.
    Show(super::operate::JobArgs),
    /// Run a job now, on the same way as one that is due.
    Run(super::operate::RunArgs),
    /// Ask a run to end.
    Stop(super::operate::StopArgs),
    /// Let nothing of a job be due, for a time or until it is resumed.
    Pause(super::operate::PauseArgs),
    /// End the pause of a job.
    Resume(super::operate::JobArgs),
    /// Print the runs of a job, or of all jobs, the newest first.
    History(super::operate::HistoryArgs),
    /// Copy the history, as it is now, into a new file; needs no agent and disturbs none.
    Backup(super::operate::BackupArgs),
    /// Print what a run printed, or prints.
    Logs(super::operate::LogsArgs),
    /// Print what is wrong with what was written; exit code 1 if anything is.
    Problems(super::operate::ProblemsArgs),
    /// Ask about channels of notifications, or try one.
    Notify(super::operate::NotifyArgs),
    /// Ask the running agent how it does; exit code 0 if jobs run, 1 if it is down or does not answer.
    Healthcheck(HealthcheckArgs),
    /// Look at everything that the agent stands on; exit code 1 if something is wrong.
    Doctor(super::doctor::DoctorArgs),
    /// Print what the agent keeps of a password, which is asked for or read from standard input.
    HashPassword(super::hash_password::HashPasswordArgs),
    /// Print a JSON Schema of the labels, for editors of compose files.
    Schema,
    /// Print a script with which a shell completes commands and flags.
    Completions(super::completions::CompletionsArgs),
    /// Print the version.
    Version {
        /// Text or JSON.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// One flag for each setting; `labels-spec.md` describes them. The environment goes over them.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingFlags {
    /// An INI file, a directory of *.ini files, or a pattern such as conf.d/*.ini; can be repeated.
    #[arg(long, value_name = "PATH")]
    pub config: Vec<String>,
    /// Where the Engine listens: a `unix://`, `tcp://` or `https://` address.
    #[arg(long, value_name = "ADDRESS")]
    pub docker_host: Option<String>,
    /// Whether the Engine is asked over TLS.
    #[arg(long, value_name = "BOOLEAN")]
    pub docker_tls_verify: Option<String>,
    /// The directory of the certificates for that.
    #[arg(long, value_name = "DIR")]
    pub docker_cert_path: Option<String>,
    /// The directory of the agent's socket and state.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Where the agent answers over TCP.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The certificate in PEM with which it speaks TLS there.
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// The private key of that certificate.
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Whether it does so although nobody has to say who he is.
    #[arg(long, value_name = "BOOLEAN")]
    pub insecure_no_auth: Option<String>,
    /// What a program shows to see everything; better out of a file (viewer-token-file), for others see what is typed.
    #[arg(long, value_name = "TOKEN")]
    pub viewer_token: Option<String>,
    /// What a program shows to run, pause and stop besides.
    #[arg(long, value_name = "TOKEN")]
    pub operator_token: Option<String>,
    /// What a program shows to do everything.
    #[arg(long, value_name = "TOKEN")]
    pub admin_token: Option<String>,
    /// Whether who asks for health and metrics has to say who he is.
    #[arg(long, value_name = "BOOLEAN")]
    pub metrics_auth: Option<String>,
    /// How long a user who has logged in need not do it again.
    #[arg(long, value_name = "DURATION")]
    pub session_lifetime: Option<String>,
    /// Who says for whom he asks.
    #[arg(long, value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// How the agent is called from outside.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// By which names it may be asked besides.
    #[arg(long, value_name = "NAMES")]
    pub allowed_hosts: Option<String>,
    /// Which channels are told of the jobs that name none themselves.
    #[arg(long, value_name = "NAMES")]
    pub notify: Option<String>,
    /// Of what channels are told of the jobs that do not say it themselves; it goes over what a channel says.
    #[arg(long, value_name = "WORDS")]
    pub notify_on: Option<String>,
    /// The zone of schedules that name none, for example Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// How much is logged: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How a log record looks: json, logfmt or pretty.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// How many runs may go on at once.
    #[arg(long, value_name = "NUMBER")]
    pub max_concurrent_runs: Option<String>,
    /// How long runs may go on after the agent was asked to stop.
    #[arg(long, value_name = "DURATION")]
    pub shutdown_grace: Option<String>,
    /// How large the file of all runs and their output may become.
    #[arg(long, value_name = "SIZE")]
    pub history_max_size: Option<String>,
    /// What labels on ordinary containers may do beyond a command in their own container.
    #[arg(long, value_name = "GRANTS")]
    pub allow_from_labels: Option<String>,
    /// Whose labels are read: watchbell, ofelia, chadburn, deck-chores, swarm-cronjob.
    #[arg(long, value_name = "DIALECTS")]
    pub label_dialects: Option<String>,
    /// A parameter of one job, over its label and file: --set JOB.PARAMETER=VALUE; can be repeated.
    #[arg(long, value_name = "JOB.PARAMETER=VALUE")]
    pub set: Vec<String>,
}

impl SettingFlags {
    /// What was typed, as settings. `config` is not among them: it says where the rest is read.
    pub fn settings(&self) -> Vec<RawSetting> {
        let Self {
            config: _,
            docker_host,
            docker_tls_verify,
            docker_cert_path,
            state_dir,
            listen,
            tls_cert,
            tls_key,
            insecure_no_auth,
            viewer_token,
            operator_token,
            admin_token,
            metrics_auth,
            session_lifetime,
            trusted_proxies,
            public_url,
            allowed_hosts,
            notify,
            notify_on,
            timezone,
            log_level,
            log_format,
            max_concurrent_runs,
            shutdown_grace,
            history_max_size,
            allow_from_labels,
            label_dialects,
            set: _,
        } = self;
        [
            ("docker-host", docker_host),
            ("docker-tls-verify", docker_tls_verify),
            ("docker-cert-path", docker_cert_path),
            ("state-dir", state_dir),
            ("listen", listen),
            ("tls-cert", tls_cert),
            ("tls-key", tls_key),
            ("insecure-no-auth", insecure_no_auth),
            ("viewer-token", viewer_token),
            ("operator-token", operator_token),
            ("admin-token", admin_token),
            ("metrics-auth", metrics_auth),
            ("session-lifetime", session_lifetime),
            ("trusted-proxies", trusted_proxies),
            ("public-url", public_url),
            ("allowed-hosts", allowed_hosts),
            ("notify", notify),
            ("notify-on", notify_on),
            ("timezone", timezone),
            ("log-level", log_level),
            ("log-format", log_format),
            ("max-concurrent-runs", max_concurrent_runs),
            ("shutdown-grace", shutdown_grace),
            ("history-max-size", history_max_size),
            ("allow-from-labels", allow_from_labels),
            ("label-dialects", label_dialects),
        ]
        .into_iter()
        .filter_map(|(key, value)| {
            let origin = Origin::Flag(format!("--{key}").into());
            Some(RawSetting::new(key, value.clone()?, origin))
        })
        .collect()
    }
}

/// What `validate` looks at.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The settings; --config names the files to look at.
    #[command(flatten)]
    pub flags: SettingFlags,
    /// A compose file, or the JSON of `docker inspect`; - is standard input; can be repeated.
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// What `next` computes.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// A schedule, or the name of a job in the file.
    pub what: String,
    /// How many occurrences, at most 10000.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub count: u16,
    /// Strictly after this moment: RFC 3339, or a local time such as 2026-03-29T00:00:00; now by default.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// The zone of the schedule and of a local --from.
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Whose schedule it is, by identity: `H` follows from it.
    #[arg(long, value_name = "JOB")]
    pub identity: Option<String>,
    /// Whose way of writing a schedule: watchbell, ofelia, chadburn, deck-chores, swarm-cronjob.
    #[arg(long, value_name = "DIALECT")]
    pub dialect: Option<String>,
    /// An INI file, a directory of *.ini files, or a pattern such as conf.d/*.ini; can be repeated.
    #[arg(long, value_name = "PATH")]
    pub config: Vec<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// What `migrate` reads and prints.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Whose it is.
    #[arg(long, value_enum)]
    pub from: From,
    /// Labels, as the JSON of `docker inspect` or a compose file; an INI file of Ofelia or Chadburn; or a crontab. In a
    /// file, or on standard input (-).
    pub file: String,
    /// The crontab is one of the system's, with a user in each line.
    #[arg(long, conflicts_with = "user")]
    pub system: bool,
    /// The crontab is a user's, without users in its lines.
    #[arg(long)]
    pub user: bool,
    /// An INI file, or labels for a compose file; by default as it was.
    #[arg(long, value_enum)]
    pub to: Option<Form>,
    /// The zone of schedules that name none, for example Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Whose labels or file `migrate` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// Ofelia, of either maker.
    Ofelia,
    /// Chadburn.
    Chadburn,
    /// deck-chores.
    DeckChores,
    /// swarm-cronjob.
    SwarmCronjob,
    /// A user's crontab, or one of the system's.
    Crontab,
}

impl From {
    /// The name as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ofelia => "ofelia",
            Self::Chadburn => "chadburn",
            Self::DeckChores => "deck-chores",
            Self::SwarmCronjob => "swarm-cronjob",
            Self::Crontab => "crontab",
        }
    }
}

/// What `migrate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// An INI file.
    Ini,
    /// Labels for a compose file.
    Labels,
}

/// Which agent `healthcheck` asks.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// The directory of the agent's socket and state.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_token_that_is_typed_is_said_to_be_there_for_everyone_to_read() {
        let help = command().find_subcommand_mut("daemon").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for role in ["viewer", "operator", "admin"] {
            let (_, rest) = help.split_once(&format!("--{role}-token <")).unwrap();
            let its = rest.split(" --").next().unwrap();
            assert!(its.contains("everyone on the machine"), "{its}");
            assert!(
                its.contains(&format!("{role}-token-file in a file of settings, or the environment")),
                "{its}"
            );
        }
    }

    #[test]
    fn every_setting_has_its_flag_and_every_flag_its_setting() {
        let cli = Cli::command();
        let daemon = cli.find_subcommand("daemon").unwrap();
        let mut flags: Vec<String> = daemon
            .get_arguments()
            .filter_map(|it| it.get_long().map(str::to_owned))
            .filter(|it| it != "set")
            .collect();
        let mut settings: Vec<String> = SETTINGS.iter().map(|it| it.name.to_owned()).collect();
        flags.sort();
        settings.sort();
        assert_eq!(flags, settings);
        let all = SettingFlags {
            docker_host: Some("x".into()),
            docker_tls_verify: Some("x".into()),
            docker_cert_path: Some("x".into()),
            state_dir: Some("x".into()),
            listen: Some("x".into()),
            tls_cert: Some("x".into()),
            tls_key: Some("x".into()),
            insecure_no_auth: Some("x".into()),
            viewer_token: Some("x".into()),
            operator_token: Some("x".into()),
            admin_token: Some("x".into()),
            metrics_auth: Some("x".into()),
            session_lifetime: Some("x".into()),
            trusted_proxies: Some("x".into()),
            public_url: Some("x".into()),
            allowed_hosts: Some("x".into()),
            notify: Some("x".into()),
            notify_on: Some("x".into()),
            timezone: Some("x".into()),
            log_level: Some("x".into()),
            log_format: Some("x".into()),
            max_concurrent_runs: Some("x".into()),
            shutdown_grace: Some("x".into()),
            history_max_size: Some("x".into()),
            allow_from_labels: Some("x".into()),
            label_dialects: Some("x".into()),
            ..SettingFlags::default()
        };
        let help = command().find_subcommand_mut("daemon").unwrap().render_long_help().to_string();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for setting in SETTINGS {
            assert!(words(&help).contains(&words(setting.doc)), "{}: {help}", setting.name);
        }
        let mut named: Vec<String> =
            all.settings().into_iter().map(|it| it.key).chain(["config".to_owned()]).collect();
        named.sort();
        assert_eq!(named, settings, "what is typed arrives");
    }
}
