//! What a command in a container takes longer through us than through the least possible client.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing_subscriber::layer::SubscriberExt;
use watchbell::{
    docker::client::Engine,
    history::keeper::{Keeper, Kept},
    model::{
        compose::ComposeFinder,
        container::ContainerId,
        container::Holder,
        job::{Environment, ExecSpec, JobSpec, Replica, Work},
        name::JobId,
        run::{Outcome, RunId, Trigger},
        schedule::{Schedule, Zone},
    },
    run::{
        ending::Program,
        halts::Halts,
        order::RunOrder,
        own_variables::OwnVariables,
        pull::Pulls,
        reap::Children,
        unit::{self, Context},
    },
    telemetry::{
        logging::{self, LogFilter, LogFormat, LogLevel},
        sink::LogSink,
    },
    time::Clock,
};

use crate::kit::{
    Failure,
    agent::Agent,
    bare::Bare,
    engine::{self, Worker},
    samples::Samples,
    table::Table,
};

const ROUNDS: usize = 40;

/// Between two measured commands; each finds the machine as quiet as the others do.
const PAUSE: Duration = Duration::from_millis(150);

/// One round: the agent's own run, as its schedule has it, then the bare client and the run unit in turns.
pub async fn measure(worker: &Worker, table: &mut Table) -> Result<(), Failure> {
    let bare = Bare::at(&engine::host())?;
    let unit = Unit::new(worker);
    let file =
        format!("[job-exec \"e\"]\nschedule = @every 2s\ncontainer = {}\ncommand = true\n", worker.name);
    let mut agent = Agent::start(&file, &[]).await?;
    let (mut bare_times, mut unit_times, mut agent_times) =
        (Samples::default(), Samples::default(), Samples::default());
    for round in 0..=ROUNDS {
        let record = agent.record("run.finished", Duration::from_secs(10), |it| it["job"] == "e").await?;
        if record["outcome"] != "succeeded" {
            return Err(format!("the agent's run went wrong: {record}").into());
        }
        let by_agent = record["duration_seconds"].as_f64().ok_or("no duration")?;
        let (mut by_bare, mut by_unit) = (0.0, 0.0);
        for turn in 0..2 {
            sleep(PAUSE).await;
            if (round + turn) % 2 == 0 {
                by_bare = bare.exec(&worker.id, &["true"]).await?.took.as_secs_f64();
            } else {
                by_unit = unit.run().await?.as_secs_f64();
            }
        }
        // The first round warms up.
        if round > 0 {
            bare_times.push(by_bare);
            unit_times.push(by_unit);
            agent_times.push(by_agent);
        }
    }
    let alone = bare_times.median();
    table.beside("exec_bare_ms", format!("exec by a bare client, median of {ROUNDS}"), alone * 1e3, "ms");
    let ratio = unit_times.median() / alone;
    table.figure("exec_unit_ratio", "exec by the run unit over the bare client, medians", ratio, "", 1.05);
    let ratio = agent_times.median() / alone;
    table.figure("exec_agent_ratio", "exec by the agent over the bare client, medians", ratio, "", 1.05);
    Ok(())
}

/// The product's way to run a command, its log lines included.
struct Unit {
    context: Context,
    spec: Arc<JobSpec>,
    holder: Holder,
}

impl Unit {
    fn new(worker: &Worker) -> Self {
        let sink = LogSink::start(std::io::sink());
        let layer = logging::layer(LogFormat::Json, Clock::System, sink.clone(), false);
        let subscriber = tracing_subscriber::registry().with(layer).with(LogFilter::new(LogLevel::Info));
        // Once a process; that it stays does no harm, because nothing else here logs.
        let _ = tracing::subscriber::set_global_default(subscriber);
        let exec = ExecSpec {
            container: None,
            argv: vec!["true".to_owned()],
            user: None,
            workdir: None,
            environment: Environment::default(),
            env_files: Vec::new(),
            privileged: false,
            tty: false,
            replica: Replica::One,
        };
        Self {
            context: Context {
                engine: Engine::at(&engine::host(), None),
                clock: Clock::System,
                sink,
                children: Children::default(),
                keeper: Keeper::none(),
                installation: watchbell::history::installation::unknown(),
                pulls: Pulls::default(),
                registries: None,
                compose: ComposeFinder::new(|| None),
                program: Program::own(),
                halts: Halts::default(),
                own_variables: OwnVariables::default(),
            },
            spec: Arc::new(JobSpec::new(
                JobId::plain("bench"),
                Schedule::parse("@hourly", &Zone::utc()).expect("a schedule"),
                Work::Exec(Box::new(exec)),
            )),
            holder: Holder {
                id: ContainerId(worker.id.as_str().into()),
                name: worker.name.as_str().into(),
                running: true,
                passing: false,
            },
        }
    }

    async fn run(&self) -> Result<Duration, Failure> {
        let order = RunOrder {
            run: RunId("01BENCH".into()),
            spec: self.spec.clone(),
            container: Some(self.holder.clone()),
            trigger: Trigger::Schedule,
            occurrence: Timestamp::UNIX_EPOCH,
            fires: Timestamp::UNIX_EPOCH,
            admitted: Timestamp::UNIX_EPOCH,
        };
        let (_stop, stopped) = watch::channel(None);
        let began = Instant::now();
        let end = unit::run(order, Kept::nothing(), self.context.clone(), stopped).await;
        let took = began.elapsed();
        match end.record.outcome {
            Outcome::Succeeded { .. } => Ok(took),
            other => Err(format!("the run went wrong: {other:?}").into()),
        }
    }
}
