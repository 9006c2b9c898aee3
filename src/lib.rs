//! watchbell: cron for containers.
//!
//! The modules in the order in which a job passes through them, from its label to its record:
//!
//! * [`model`]: the nouns. Jobs, schedules, runs, containers, diagnostics. Pure.
//! * [`settings`]: text to specs. Labels, file, flags and environment become layers, and layers become jobs. Pure.
//! * [`plan`]: the jobs that are against the jobs that there should be. Pure.
//! * [`agent`]: decides. A pure state that is told what happened and answers with effects, and the actor around it.
//! * [`watch`]: observes. Keeps an up-to-date observation of the Engine.
//! * [`docker`]: talks. The only place that names the Engine's client library.
//! * [`run`]: executes. One unit a run.
//! * [`history`]: remembers. What outlives the agent; the only place that names the database.
//! * [`notify`]: tells someone. Messages of what became of jobs, and one small file for each way to send them.
//! * [`http`]: answers. The only place that names the web framework.
//! * [`outward`]: connects to others than the Engine, and sends them requests.
//! * [`telemetry`]: reports. One function for each thing worth telling.
//! * [`cli`]: the command line. [`app`] puts all of it together and is the only place that starts long-lived tasks;
//!   [`shutdown`] takes it apart again. [`time`] is the wall clock.
//!
//! What always holds:
//!
//! 1. Parsing never fails as a whole: a bad label costs its own job.
//! 2. Unknown is not empty: without a complete observation no job is added, changed or removed.
//! 3. [`agent::state::State::handle`] never waits and never reads a clock.
//! 4. A run order leaves no choices.
//! 5. Every occurrence leaves one record, skipped and missed ones included.
//! 6. A run's phase only moves forward.
//! 7. Every task belongs to a `JoinSet` or a `TaskTracker`.
//! 8. Sinks cannot hurt runs.

pub mod agent;
pub mod app;
pub mod cli;
pub mod docker;
pub mod history;
pub mod http;
pub mod model;
pub mod notify;
pub mod outward;
pub mod plan;
pub mod run;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod time;
pub mod watch;
