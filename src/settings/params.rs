//! The one table of job parameters: parser, suggestions, `labels-spec.md` and help all come from it.

use crate::model::name::JobKind;

pub use super::{
    look_up::{file_key, find, look_up, near_file_key, spelling},
    param::{MISSED_MAX_LIMIT, NOTIFY_AFTER_LIMIT, Param, REPLICAS_LIMIT, RETRIES_LIMIT, Support},
    shape::Shape,
};

use super::{grants::Grant, param::row};
use JobKind::{Compose, Container, Exec, Local, Run, ServiceRun};

const ALL: &[JobKind] = &JobKind::ALL;
/// The kinds that run a command: an action on a container prints nothing and has no exit code.
const COMMANDS: &[JobKind] = &[Exec, Run, Local, ServiceRun, Compose];
const NOW: Support = Support::Since("0.1.0");

/// Every parameter, in the order of the documentation.
pub static PARAMS: &[Param] = &[
    row("schedule", ALL, Shape::Schedule, "required", NOW, "When the job is due."),
    row("command", COMMANDS, Shape::Command, "required; for `run` and `service-run` the image's own, for `action=run` the service's", NOW, "What is run."),
    row(
        "shell",
        &[Exec, Run, Local, ServiceRun, Compose],
        Shape::Shell,
        "false",
        NOW,
        "Run the command through a shell: `true` is `/bin/sh`, or name the shell's path.",
    ),
    row(
        "container",
        &[Exec, Run, Container],
        Shape::Text,
        "the labelled container",
        NOW,
        "The name of the container in which the command runs, or on which `container` acts; of `run` an existing one that is started in place of a new one.",
    )
    .grant(Grant::ExecOther),
    row(
        "user",
        &[Exec, Run, Local, ServiceRun, Compose],
        Shape::Text,
        "the container's",
        NOW,
        "`user`, `uid`, `user:group` or `uid:gid` that the command runs as.",
    ),
    row(
        "workdir",
        &[Exec, Run, Local, ServiceRun, Compose],
        Shape::Text,
        "the container's",
        NOW,
        "The command's working directory.",
    )
    .or(&["working-dir"]),
    row(
        "environment",
        &[Exec, Run, Local, ServiceRun, Compose],
        Shape::Map,
        "none",
        NOW,
        "Variables added to those that the command has anyway.",
    )
    .or(&["env"])
    .secret(),
    row(
        "env-file",
        &[Exec, Run, ServiceRun],
        Shape::List,
        "none",
        NOW,
        "Files beside the agent with one `NAME=VALUE` a line, read when a run begins; `environment` goes over them.",
    )
    .grant(Grant::EnvFile),
    row(
        "privileged",
        &[Exec, Run],
        Shape::Boolean,
        "false",
        NOW,
        "Give the command all rights that root has on the machine.",
    )
    .grant(Grant::Privileged),
    row("image", &[Run, ServiceRun], Shape::Text, "required, unless `container` or `like` is there", NOW, "The image of the new container, or of the service's tasks."),
    row(
        "network",
        &[Run, ServiceRun],
        Shape::List,
        "the Engine's default",
        NOW,
        "Networks of the new container, by exact name; or one of `none`, `host`, `container:<name>`. Of a service those of the Swarm, or `host`.",
    )
    .or(&["networks"]),
    row(
        "entrypoint",
        &[Run],
        Shape::Command,
        "the image's",
        NOW,
        "The program that `command` is handed to, in place of the image's.",
    ),
    row("hostname", &[Run], Shape::Text, "the container's ID", NOW, "The host name of the new container."),
    row(
        "volume",
        &[Run],
        Shape::List,
        "none",
        NOW,
        "`<source>:<target>`, with `:ro` if it is only read: the source is a volume's name or a path of the machine.",
    )
    .or(&["volumes"])
    .grant(Grant::HostMounts),
    row(
        "timezone",
        ALL,
        Shape::Zone,
        "the agent's `timezone`, else `TZ`, else `UTC`",
        NOW,
        "The zone in which the schedule is read.",
    )
    .or(&["tz"]),
    row("enabled", ALL, Shape::Boolean, "true", NOW, "`false` keeps the job listed and never due."),
    row(
        "overlap",
        ALL,
        Shape::Choice(&["skip", "allow", "queue", "replace"]),
        "skip",
        NOW,
        "What happens when the job is due while its last run goes on: skip the new one, run both, let one wait, or stop the old one.",
    ),
    row("timeout", ALL, Shape::Duration, "none", NOW, "How long a run may take before it is ended."),
    row("grace-period", ALL, Shape::Duration, "10s", NOW, "How long a run has between being asked to stop and being killed."),
    row("group", ALL, Shape::Text, "none", NOW, "Runs of jobs with the same group never go on at the same time."),
    row(
        "group-wait",
        ALL,
        Shape::Duration,
        "1h",
        NOW,
        "How long an occurrence waits for its turn in the group before it is skipped; `none` for as long as it takes.",
    ),
    row("retries", ALL, Shape::Count(RETRIES_LIMIT), "0", NOW, "How often a run tries again after it has failed."),
    row("retry-delay", ALL, Shape::Duration, "10s", NOW, "How long it waits before its second attempt."),
    row("retry-backoff", ALL, Shape::Choice(&["exponential", "fixed"]), "exponential", NOW, "How the wait grows: it doubles with each attempt, or stays the same."),
    row("retry-max-delay", ALL, Shape::Duration, "5m", NOW, "How long a wait that grows becomes at most."),
    row("success-codes", COMMANDS, Shape::Codes, "0", NOW, "Exit codes that count as success."),
    row("jitter", ALL, Shape::Duration, "0s", NOW, "Begin each occurrence at random within this after its moment."),
    row(
        "missed",
        ALL,
        Shape::Choice(&["skip", "once", "all"]),
        "skip",
        NOW,
        "What happens to occurrences that were missed: run none, the newest, or the newest `missed-max` in order.",
    ),
    row(
        "missed-max",
        ALL,
        Shape::Number(MISSED_MAX_LIMIT),
        "10",
        NOW,
        "How many missed occurrences run at most with `missed=all`.",
    ),
    row(
        "start-deadline",
        ALL,
        Shape::Duration,
        "none",
        NOW,
        "How late an occurrence may begin: later it is recorded as missed and never runs.",
    ),
    row(
        "depends-on",
        ALL,
        Shape::Names,
        "none",
        NOW,
        "Jobs that must have succeeded since this job's last run, before it runs again.",
    ),
    row("on-success", ALL, Shape::Names, "none", NOW, "Jobs that start when a run of this one has succeeded."),
    row("on-failure", ALL, Shape::Names, "none", NOW, "Jobs that start when a run of this one has failed."),
    row("run-on-startup", ALL, Shape::Boolean, "false", NOW, "Run once as well when the agent starts."),
    row("max-output", COMMANDS, Shape::Size, "1MiB", NOW, "How much of each stream of a run is kept: its beginning and its end, and how much was dropped between them."),
    row(
        "history",
        ALL,
        Shape::Retention,
        "100 runs, 30 days",
        NOW,
        "How many runs are kept and for how long; `none` keeps the newest only, which always is.",
    ),
    row("notify", ALL, Shape::Channels, "the setting `notify`", NOW, "The channels that are told of the job; `none` is nobody."),
    row("notify-on", ALL, Shape::Causes, "as each channel has it", NOW, "Of what they are told: `failure`, `recovery`, `timeout`, `skip`, `missed`, `lost`, `success`, `start`, `expect`; `always` is all of them, and `none` nothing."),
    row("notify-after", ALL, Shape::Number(NOTIFY_AFTER_LIMIT), "1", NOW, "How many failures must follow each other before the first of them is told."),
    row("cooldown", ALL, Shape::Duration, "1h", NOW, "So long after one message of a sort further ones are counted and told together; `0s` tells each."),
    row("duration-over", ALL, Shape::Over, "none", NOW, "Tell of a success that took longer: `2x` is twice the median of the last ones, or a duration."),
    row("expect-every", ALL, Shape::Duration, "none", NOW, "Tell, once, when there was no success for this long, whatever the reason."),
    row("tty", &[Exec], Shape::Boolean, "false", NOW, "Run the command on a terminal, on which its two streams are one."),
    row(
        "replica",
        &[Exec],
        Shape::Choice(&["one", "all"]),
        "one",
        NOW,
        "Whether the command runs in one of a scaled service's running containers, or in each of them as a run of its own.",
    ),
    row(
        "pull",
        &[Run],
        Shape::Choice(&["missing", "always", "never"]),
        "missing",
        NOW,
        "When the image is pulled: where the Engine does not have it, before each run, or not at all.",
    ),
    row("pull-timeout", &[Run], Shape::Duration, "10m", NOW, "How long a run waits for its image at most."),
    row(
        "mount",
        &[Run, ServiceRun],
        Shape::List,
        "none",
        NOW,
        "`type=<volume, bind or tmpfs>,source=<volume or path>,target=<path>`, as in `docker run` and `docker service create`.",
    )
    .grant(Grant::HostMounts),
    row("tmpfs", &[Run], Shape::List, "none", NOW, "`<path>[:<options>]`: directories in memory, with options such as `size=64m,mode=1777,noexec`."),
    row("volumes-from", &[Run], Shape::List, "none", NOW, "`<container>[:ro]`: containers whose volumes and mounted paths the new one sees as well.").grant(Grant::HostMounts),
    row("network-alias", &[Run], Shape::List, "none", NOW, "Further names of the new container in the networks of `network`."),
    row("dns", &[Run], Shape::List, "the Engine's", NOW, "Addresses of the name servers that it asks."),
    row("extra-hosts", &[Run], Shape::List, "none", NOW, "`<name>:<address>`: names that it knows besides; the address `host-gateway` is the machine's."),
    row(
        "memory",
        &[Run, ServiceRun],
        Shape::Memory,
        "none",
        NOW,
        "The most memory that the container, or each task, may have, such as `512m`.",
    ),
    row(
        "cpus",
        &[Run, ServiceRun],
        Shape::Cpus,
        "none",
        NOW,
        "How many processors the container, or each task, may use, such as `1.5`.",
    ),
    row("pids-limit", &[Run], Shape::Pids, "the Engine's", NOW, "How many processes it may have at once."),
    row("shm-size", &[Run], Shape::Memory, "the Engine's", NOW, "How large `/dev/shm` is, such as `256m`."),
    row("ulimit", &[Run], Shape::List, "the Engine's", NOW, "`<name>=<soft>[:<hard>]`: limits of its processes, such as `nofile=1024:4096`; `-1` is unlimited."),
    row("cap-add", &[Run], Shape::List, "none", NOW, "Capabilities that it has besides those that the Engine gives, such as `NET_ADMIN`, or `ALL`.").grant(Grant::Privileged),
    row("cap-drop", &[Run], Shape::List, "none", NOW, "Capabilities that it does not have although the Engine gives them, or `ALL`."),
    row("device", &[Run], Shape::List, "none", NOW, "`<path>[:<path in the container>][:<some of rwm>]`: devices of the machine.").grant(Grant::Privileged),
    row("gpus", &[Run], Shape::Text, "none", NOW, "Graphics processors: `all`, a number, or `device=<number or ID>,…`, also with `driver=` and `capabilities=`.").grant(Grant::Privileged),
    row("security-opt", &[Run], Shape::List, "none", NOW, "`no-new-privileges`, `seccomp=`, `apparmor=`, `label=` or `systempaths=unconfined`, as `docker run` has them; a label needs the grant for all but the first.").grant(Grant::Privileged),
    row("read-only", &[Run], Shape::Boolean, "false", NOW, "Nothing can be written in it but in volumes and in `tmpfs`."),
    row("init", &[Run], Shape::Boolean, "the Engine's", NOW, "Its first process is a small init that forwards signals and reaps processes."),
    row("label", &[Run], Shape::List, "none", NOW, "`<name>=<value>`: labels of the new container; none of `watchbell.…`."),
    row("stop-signal", &[Run], Shape::Text, "the image's", NOW, "The signal that asks it to stop, such as `SIGINT`."),
    row("platform", &[Run], Shape::Text, "the Engine's", NOW, "`<system>/<processor>`: which of the image's platforms is meant, such as `linux/arm64`."),
    row("runtime", &[Run], Shape::Text, "the Engine's", NOW, "What runs it, of the runtimes that the Engine knows.").grant(Grant::Privileged),
    row("log-driver", &[Run], Shape::Text, "the Engine's", NOW, "Where the Engine keeps or sends what it prints; the run's own output does not depend on it. A label needs the grant where that is elsewhere than on the machine.").grant(Grant::Privileged),
    row("log-opt", &[Run], Shape::Map, "none", NOW, "Options of the log driver. A label needs the grant for those that say where the log goes.").grant(Grant::Privileged).secret(),
    row("delete", &[Run], Shape::Choice(&["always", "on-success", "never"]), "always", NOW, "When its container is removed: once it has ended, only if it succeeded, or not before it is past what `history` keeps."),
    row("like", &[Run, ServiceRun], Shape::Text, "none; on a service `service-run` without `image`: that service", NOW, "A service of Compose, or a container, of which the new container is a copy: image, variables, mounts, networks, user and directory. With `service-run` a service of the Swarm, of which what the job does not say itself is taken.").grant(Grant::ExecOther),
    row("stop-during", &[Exec, Run], Shape::List, "none", NOW, "Containers, services of Compose or replicated services of a Swarm that are stopped before the run and started again after it, whatever happens.").grant(Grant::Container),
    row("secret", &[ServiceRun], Shape::List, "none", NOW, "Secrets of the Swarm that each task sees below `/run/secrets`: a name, or `source=<name>,target=<file>,uid=,gid=,mode=`."),
    row("config", &[ServiceRun], Shape::List, "none", NOW, "Configs of the Swarm that each task sees below `/`, written as `secret`."),
    row("constraint", &[ServiceRun], Shape::List, "none", NOW, "What a node must be for a task to run there, such as `node.role==worker`."),
    row("replicas", &[ServiceRun], Shape::Count(REPLICAS_LIMIT), "1; with `action=run` those of the service", NOW, "How many tasks the service has, all at once; with `action=scale` also 0."),
    row("global", &[ServiceRun], Shape::Boolean, "false", NOW, "One task on each node that meets the constraints, in place of `replicas`."),
    row("with-registry-auth", &[ServiceRun], Shape::Boolean, "false", NOW, "Hand the agent's credentials for the image's registry on to the nodes, so that they can pull it."),
    row("file", &[Compose], Shape::List, "those that the project's containers name", NOW, "The project's compose files beside the agent, by absolute paths; the later goes over the earlier.").or(&["files"]),
    row("project", &[Compose], Shape::Text, "what Compose makes of `file`, else the labelled container's", NOW, "The project's name."),
    row("service", &[Compose, ServiceRun], Shape::List, "all; required for `run` and `exec`; of `service-run` the labelled service", NOW, "The services with which it is done; for `run` and `exec` the one in which the command runs. Of `service-run` with `action` the service of the Swarm.").or(&["services"]),
    row("action", &[Compose, Container, ServiceRun], Shape::Text, "required; of `service-run` none", NOW, "What Compose does: `run`, `exec`, `up`, `start`, `restart`, `stop`, `down` or `pull`. What is done to the container: `start`, `stop`, `restart`, `pause`, `unpause` or `kill`. What is done to a service of the Swarm, in place of making one: `run`, `restart` or `scale`."),
    row("signal", &[Container], Shape::Text, "`KILL` for `kill`, else the container's own", NOW, "The signal that `kill` sends, or that `stop` and `restart` ask with, such as `HUP`."),
];

impl Param {
    /// Whether this version does it for jobs of this kind.
    pub fn works_for(&self, kind: JobKind) -> bool {
        self.support != Support::Planned && self.kinds.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_its_own_spelling_and_has_no_name_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for param in PARAMS {
            for name in param.aliases.iter().chain([&param.name]) {
                assert_eq!(**name, spelling(name));
                assert!(seen.insert(*name), "{name} is there twice");
            }
            assert!(param.support == Support::Planned || !param.doc.is_empty(), "{}", param.name);
        }
    }
}
