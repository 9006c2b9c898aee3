//! The command line's way in: read it, start the runtime, choose the exit code.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use tracing_subscriber::layer::SubscriberExt;
use watchbell::{
    app,
    cli::{
        Environment, Output,
        args::{Command, HealthcheckArgs, SettingFlags, typed},
        completions, contexts, doctor, explain, hash_password, healthcheck, load, migrate, next,
        operate::{self, AgentArgs, Desk},
        plan, print, schema, simulate, validate,
    },
    model::gather::Gather,
    outward::http::Client,
    run::{ending, own_variables::OwnVariables, user},
    settings::{env::PREFIX, global::Settings},
    telemetry::{
        logging::{self, LogFilter, LogFormat, LogLevel},
        metrics::Metrics,
        otlp::{self, Export, Traces},
        report,
        sink::LogSink,
        stream::EventStream,
    },
    time::Clock,
    watch::file,
};

fn main() -> ExitCode {
    // As a helper in a container without a shell it does one thing and knows of nothing else.
    if let Some(answer) =
        ending::answer_as_helper(std::env::args_os().map(|it| it.to_string_lossy().into_owned()))
    {
        print::exactly(format_args!("{answer}"));
        return ExitCode::SUCCESS;
    }
    if let Some((code, error)) = user::become_another(std::env::args_os()) {
        print::complain(format_args!("watchbell: {error}"));
        return ExitCode::from(code);
    }
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| {
            // One that we read and that is not UTF-8, in its name or its value, is told of, and not as if it were not set.
            let ours = [PREFIX, otlp::PREFIX].iter().any(|it| name.to_string_lossy().starts_with(it));
            let name = if ours { name.to_string_lossy().into_owned() } else { name.into_string().ok()? };
            let ours = ours.then(|| value.to_string_lossy().into_owned());
            Some((name, value.into_string().ok().or(ours)?))
        })
        .into_map();
    print::end(match typed().command {
        Command::Daemon(flags) => return daemon(&flags, &environment),
        Command::Validate(args) => validate::run(&args, &environment, &Clock::System),
        Command::Explain(args) => runtime(1, explain::run(args, environment, Clock::System)),
        Command::Plan(args) => runtime(1, plan::run(args, environment, Clock::System)),
        Command::Next(args) => next::run(&args, &environment, &Clock::System),
        Command::Simulate(args) => simulate::run(&args, &environment, &Clock::System),
        Command::Doctor(args) => runtime(1, doctor::run(&args, &environment, &Clock::System)),
        Command::Migrate(args) => migrate::run(&args, &environment, &Clock::System),
        Command::HashPassword(args) => hash_password::run(&args),
        Command::Schema => schema::run(),
        Command::Completions(args) => completions::run(&args),
        Command::Jobs(args) => asks(&args.agent.clone(), &environment, |desk| operate::jobs(args, desk)),
        Command::Show(args) => asks(&args.agent.clone(), &environment, |desk| operate::show(args, desk)),
        Command::Run(args) => asks(&args.agent.clone(), &environment, |desk| operate::run(args, desk)),
        Command::Stop(args) => asks(&args.agent.clone(), &environment, |desk| operate::stop(args, desk)),
        Command::Pause(args) => asks(&args.agent.clone(), &environment, |desk| operate::pause(args, desk)),
        Command::Resume(args) => asks(&args.agent.clone(), &environment, |desk| operate::resume(args, desk)),
        Command::History(args) => {
            asks(&args.agent.clone(), &environment, |desk| operate::history(args, desk))
        }
        Command::Backup(args) => asks(&args.agent.clone(), &environment, |desk| operate::backup(args, desk)),
        Command::Logs(args) => asks(&args.agent.clone(), &environment, |desk| operate::logs(args, desk)),
        Command::Problems(args) => {
            asks(&args.agent.clone(), &environment, |desk| operate::problems(args, desk))
        }
        Command::Notify(args) => {
            asks(&args.agent().clone(), &environment, |desk| operate::notify(args, desk))
        }
        Command::Healthcheck(args) => ask_health(args, &environment),
        Command::Version { output: Output::Text } => {
            print::line(concat!("watchbell ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Command::Version { output: Output::Json } => {
            print::exactly(format_args!("{}\n", serde_json::json!({ "version": env!("CARGO_PKG_VERSION") })));
            ExitCode::SUCCESS
        }
    })
}

fn daemon(flags: &SettingFlags, environment: &Environment) -> ExitCode {
    let reader = load::reader(flags.clone(), environment.clone());
    // Before they are read: what changes meanwhile is then seen as a change.
    let seen = file::look(&reader, &[]);
    let loaded = (reader.read)();
    if loaded.is_broken() {
        for it in &loaded.diagnostics {
            print::complain(format_args!("watchbell: {}: {}", it.origin, it.reason));
        }
        print::complain("watchbell: not started: mend the above, and check it with watchbell validate");
        return ExitCode::FAILURE;
    }
    let sink = LogSink::stdout();
    let events = EventStream::default();
    let export = Export::new(otlp::read(environment).0);
    let metrics = match start_logging(&loaded.sources.settings, &sink, &events, export.traces()) {
        Ok(metrics) => metrics,
        Err(reason) => {
            print::complain(format_args!("watchbell: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    let context = contexts::unread(flags, environment, &loaded.sources.settings);
    context.iter().for_each(report::problem);
    // Two threads: one job's heavy output never keeps the agent from the others' moments.
    let client = Client::new(&|name| environment.get(name).cloned());
    let own_variables = OwnVariables::among(std::env::vars_os().map(|(name, _)| name));
    let found = (registries(environment), load::compose(environment), own_variables, client);
    runtime(2, app::run(loaded, reader, seen, (sink, events, metrics, export), found))
}

/// Where `docker login` keeps what it knows.
fn registries(environment: &Environment) -> Option<PathBuf> {
    contexts::docker_folder(environment).map(|folder| folder.join("config.json"))
}

fn start_logging(
    settings: &Settings,
    sink: &LogSink,
    events: &EventStream,
    traces: Traces,
) -> Result<Metrics, String> {
    let terminal = std::io::stdout().is_terminal();
    let format = match &settings.log_format {
        Some(format) => format.parse().map_err(|error: logging::UnknownLogFormat| error.to_string())?,
        None if terminal => LogFormat::Pretty,
        None => LogFormat::Json,
    };
    let level: LogLevel =
        settings.log_level.parse().map_err(|error: logging::UnknownLogLevel| error.to_string())?;
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let layer = logging::layer(format, Clock::System, sink.clone(), terminal);
    let subscriber = tracing_subscriber::registry()
        .with(layer)
        .with(events.layer(Clock::System))
        .with(metrics.clone())
        .with(traces)
        .with(LogFilter::new(level));
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())?;
    Ok(metrics)
}

/// A command that asks the running agent.
fn asks<F: Future<Output = ExitCode>>(
    agent: &AgentArgs,
    environment: &Environment,
    command: impl FnOnce(Desk) -> F,
) -> ExitCode {
    runtime(1, command(Desk::new(agent, environment)))
}

fn ask_health(args: HealthcheckArgs, environment: &Environment) -> ExitCode {
    let flags = SettingFlags { state_dir: args.state_dir, ..SettingFlags::default() };
    // What else may be wrong is not the question here.
    let settings = load::load(&flags, environment).sources.settings;
    runtime(1, async move { healthcheck::run(&settings.state_dir, args.output).await })
}

fn runtime(threads: usize, main: impl Future<Output = ExitCode>) -> ExitCode {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads);
        builder
    };
    match builder.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(main);
            // A name that is still being looked up must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            print::complain(format_args!("watchbell: the runtime could not be started: {error}"));
            ExitCode::FAILURE
        }
    }
}
