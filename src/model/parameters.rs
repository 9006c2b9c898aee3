//! A job's parameters one by one, as someone would have to write them: for comparing two specs and for showing one.

use std::{fmt::Display, time::Duration};

use super::{
    action::ActionSpec,
    bytes,
    compose::ComposeSpec,
    image::{Like, Pull},
    job::{Environment, ExecSpec, JobSpec, LocalSpec, RunSpec, StartSpec, Work},
    notification::Notify,
    options::ContainerOptions,
    policy::{DEFAULT_GROUP_WAIT, EdgeKind, Group, Policies, Retry},
    service::{LikeService, ServiceActionSpec, ServiceRunSpec, Tasks},
};

/// The value of one parameter in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As it would be written: lists and commands as JSON arrays.
    pub text: String,
    /// What may be shown of it, where that is less than the text.
    pub shown: Option<String>,
}

impl Value {
    /// What may be shown.
    pub fn shown(&self) -> &str {
        self.shown.as_ref().unwrap_or(&self.text)
    }
}

impl JobSpec {
    /// Every parameter that has a value, by name, in the order of the documentation. Every field is taken apart by
    /// name, so that a new one does not compile until someone decides what it is called.
    pub fn parameters(&self) -> Vec<(&'static str, Value)> {
        let Self {
            id: _,
            schedule,
            work,
            enabled,
            overlap,
            timeout,
            grace_period,
            jitter,
            missed,
            missed_max,
            start_deadline,
            run_on_startup,
            max_output,
            history,
            policies,
            origin: _,
        } = self;
        let mut list = List::default();
        list.text("schedule", schedule.text());
        list.text("timezone", schedule.zone().name());
        list.work(work);
        list.text("enabled", enabled);
        list.text("overlap", overlap.as_str());
        list.text("timeout", timeout.map_or_else(|| "none".to_owned(), written));
        match work {
            // Where nobody says otherwise it is the container's own.
            Work::Container(it) => list.optional("grace-period", it.grace.map(written).as_ref()),
            _ => list.text("grace-period", written(*grace_period)),
        }
        list.turns(policies);
        list.text("jitter", written(*jitter));
        list.text("missed", missed.as_str());
        list.text("missed-max", missed_max);
        list.text("start-deadline", start_deadline.map_or_else(|| "none".to_owned(), written));
        list.edges(policies);
        list.text("run-on-startup", run_on_startup);
        list.text("max-output", bytes::written(*max_output));
        list.text("history", history);
        if let Some(notify) = &policies.notify {
            list.notify(notify);
        }
        list.0
    }

    /// The parameters in which `newer` differs.
    pub fn differences(&self, newer: &Self) -> Vec<&'static str> {
        if self.kind() != newer.kind() {
            return vec!["kind"];
        }
        let (old, new) = (self.parameters(), newer.parameters());
        let names = old.iter().chain(new.iter().filter(|(name, _)| find(&old, name).is_none()));
        let mut differ: Vec<&str> =
            names.map(|(name, _)| *name).filter(|name| find(&old, name) != find(&new, name)).collect();
        // What may come along is nobody's parameter: it follows from the grants.
        let like = |it: &Self| match &it.work {
            Work::Run(run) => run.like.clone(),
            _ => None,
        };
        if like(self) != like(newer) && !differ.contains(&"like") {
            differ.push("like");
        }
        // Nor is whether a name is that of a service of a Swarm.
        let of_swarm = |it: &Self| it.policies.stop_during.as_ref().is_some_and(|stop| stop.of_swarm);
        if of_swarm(self) != of_swarm(newer) && !differ.contains(&"stop-during") {
            differ.push("stop-during");
        }
        differ
    }
}

fn find<'a>(list: &'a [(&'static str, Value)], name: &str) -> Option<&'a Value> {
    list.iter().find(|(it, _)| *it == name).map(|(_, value)| value)
}

fn written(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

#[derive(Default)]
struct List(Vec<(&'static str, Value)>);

impl List {
    fn text(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, Value { text: value.to_string(), shown: None }));
    }

    fn optional(&mut self, name: &'static str, value: Option<&String>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn list(&mut self, name: &'static str, items: &[String]) {
        if !items.is_empty() {
            self.text(name, serde_json::json!(items));
        }
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        if value {
            self.text(name, value);
        }
    }

    /// As whom, where and with which variables a command runs.
    fn surroundings(
        &mut self,
        user: Option<&String>,
        workdir: Option<&String>,
        environment: &Environment,
        env_files: &[String],
    ) {
        self.optional("user", user);
        self.optional("workdir", workdir);
        self.secrets("environment", environment);
        self.list("env-file", env_files);
    }

    /// Pairs whose values are not shown.
    fn secrets(&mut self, name: &'static str, Environment(items): &Environment) {
        if items.is_empty() {
            return;
        }
        let all = |shown: fn(&str) -> &str| {
            let items = items.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            serde_json::json!(items.collect::<Vec<_>>()).to_string()
        };
        let value = Value { text: all(|value| value), shown: Some(all(|_| HIDDEN)) };
        self.0.push((name, value));
    }

    /// Turns and attempts.
    fn turns(&mut self, policies: &Policies) {
        let Policies { retry, success_codes, group, edges: _, stop_during, notify: _ } = policies;
        let Retry { retries, delay, backoff, max_delay } = retry;
        if let Some(Group { name, wait: _ }) = group {
            self.text("group", name);
        }
        let wait = group.as_ref().map_or(Some(DEFAULT_GROUP_WAIT), |group| group.wait);
        self.text("group-wait", wait.map_or_else(|| "none".to_owned(), written));
        self.text("retries", retries);
        self.text("retry-delay", written(*delay));
        self.text("retry-backoff", backoff.as_str());
        self.text("retry-max-delay", written(*max_delay));
        self.list("success-codes", &success_codes.texts());
        self.list("stop-during", stop_during.as_ref().map(|it| &*it.names).unwrap_or_default());
    }

    fn edges(&mut self, policies: &Policies) {
        for kind in EdgeKind::ALL {
            let names: Vec<String> = policies.named(kind).map(|edge| edge.name.to_string()).collect();
            self.list(kind.as_str(), &names);
        }
    }

    /// Who is told, and of what.
    fn notify(&mut self, notify: &Notify) {
        let Notify { channels, on, after, cooldown, duration_over, expect_every } = notify;
        self.list("notify", &texts(channels));
        if let Some(on) = on {
            self.list("notify-on", &texts(&on.words()));
        }
        self.text("notify-after", after);
        self.text("cooldown", written(*cooldown));
        if let Some(over) = duration_over {
            self.text("duration-over", over);
        }
        if let Some(every) = expect_every {
            self.text("expect-every", written(*every));
        }
    }

    fn work(&mut self, work: &Work) {
        match work {
            Work::Exec(it) => {
                let ExecSpec {
                    container,
                    argv,
                    user,
                    workdir,
                    environment,
                    env_files,
                    privileged,
                    tty,
                    replica,
                } = &**it;
                self.list("command", argv);
                self.optional("container", container.as_ref());
                self.surroundings(user.as_ref(), workdir.as_ref(), environment, env_files);
                self.flag("privileged", *privileged);
                self.flag("tty", *tty);
                self.text("replica", replica.as_str());
            }
            Work::Run(it) => self.run(it),
            Work::Start(StartSpec { container }) => self.text("container", container),
            Work::Local(LocalSpec { argv, user, workdir, environment }) => {
                self.list("command", argv);
                self.surroundings(user.as_ref(), workdir.as_ref(), environment, &[]);
            }
            Work::ServiceRun(it) => self.service_run(it),
            Work::ServiceAction(ServiceActionSpec { service, action }) => {
                self.text("service", service);
                self.text("action", action.as_str());
                self.optional("replicas", action.replicas().map(|it| it.to_string()).as_ref());
            }
            Work::Compose(it) => self.compose(it),
            Work::Container(it) => {
                // How long it has to stop stands where all kinds have it.
                let ActionSpec { container, action, signal, grace: _ } = &**it;
                self.optional("container", container.as_ref());
                self.text("action", action.as_str());
                self.optional("signal", signal.as_ref());
            }
        }
    }

    fn run(&mut self, it: &RunSpec) {
        let RunSpec {
            image,
            pull: Pull { policy, timeout },
            like,
            argv,
            user,
            workdir,
            environment,
            env_files,
            networks,
            entrypoint,
            hostname,
            volumes,
            privileged,
            delete,
            options,
        } = it;
        self.list("command", argv.as_deref().unwrap_or_default());
        self.surroundings(user.as_ref(), workdir.as_ref(), environment, env_files);
        self.flag("privileged", *privileged);
        self.optional("image", image.as_ref());
        self.list("network", networks);
        self.list("entrypoint", entrypoint.as_deref().unwrap_or_default());
        self.optional("hostname", hostname.as_ref());
        self.list("volume", &texts(volumes));
        self.text("pull", policy.as_str());
        self.text("pull-timeout", written(*timeout));
        if let Some(Like { name, host_mounts: _, host_network: _, other_network: _ }) = like {
            self.text("like", name);
        }
        if let Some(options) = options {
            self.options(options);
        }
        self.text("delete", delete.as_str());
    }

    fn options(&mut self, it: &ContainerOptions) {
        let ContainerOptions {
            mounts,
            tmpfs,
            volumes_from,
            aliases,
            dns,
            extra_hosts,
            memory,
            cpus,
            pids_limit,
            shm_size,
            ulimits,
            cap_add,
            cap_drop,
            devices,
            gpus,
            security,
            read_only,
            init,
            labels,
            stop_signal,
            platform,
            runtime,
            log_driver,
            log_options,
        } = it;
        self.list("mount", &texts(mounts));
        self.list("tmpfs", &texts(tmpfs));
        self.list("volumes-from", volumes_from);
        self.list("network-alias", aliases);
        self.list("dns", dns);
        self.list("extra-hosts", extra_hosts);
        self.optional("memory", memory.map(|it| it.to_string()).as_ref());
        self.optional("cpus", cpus.map(|it| it.to_string()).as_ref());
        self.optional("pids-limit", pids_limit.map(|it| it.to_string()).as_ref());
        self.optional("shm-size", shm_size.map(|it| it.to_string()).as_ref());
        self.list("ulimit", &texts(ulimits));
        self.list("cap-add", cap_add);
        self.list("cap-drop", cap_drop);
        self.list("device", &texts(devices));
        self.optional("gpus", gpus.as_ref().map(|it| &it.text));
        self.list("security-opt", &texts(security));
        self.flag("read-only", *read_only);
        self.optional("init", init.map(|it| it.to_string()).as_ref());
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.list("label", &pairs);
        self.optional("stop-signal", stop_signal.as_ref());
        self.optional("platform", platform.as_ref());
        self.optional("runtime", runtime.as_ref());
        self.optional("log-driver", log_driver.as_ref());
        self.secrets("log-opt", log_options);
    }

    fn compose(&mut self, it: &ComposeSpec) {
        let ComposeSpec { action, files, project, services, argv, user, workdir, environment } = it;
        self.list("command", argv.as_deref().unwrap_or_default());
        self.surroundings(user.as_ref(), workdir.as_ref(), environment, &[]);
        self.list("file", files);
        self.optional("project", project.as_ref());
        self.list("service", services);
        self.text("action", action.as_str());
    }

    fn service_run(&mut self, it: &ServiceRunSpec) {
        let ServiceRunSpec {
            image,
            like,
            argv,
            user,
            workdir,
            environment,
            env_files,
            networks,
            mounts,
            secrets,
            configs,
            constraints,
            tasks,
            memory,
            cpus,
            with_registry_auth,
        } = it;
        self.list("command", argv.as_deref().unwrap_or_default());
        self.surroundings(user.as_ref(), workdir.as_ref(), environment, env_files);
        self.optional("image", image.as_ref());
        if let Some(LikeService { name, own: _ }) = like {
            self.text("like", name);
        }
        self.list("network", networks);
        self.list("mount", &texts(mounts));
        self.optional("memory", memory.map(|it| it.to_string()).as_ref());
        self.optional("cpus", cpus.map(|it| it.to_string()).as_ref());
        self.list("secret", &texts(secrets));
        self.list("config", &texts(configs));
        self.list("constraint", constraints);
        match tasks {
            Tasks::Replicas(count) => self.text("replicas", count),
            Tasks::EachNode => self.flag("global", true),
        }
        self.flag("with-registry-auth", *with_registry_auth);
    }
}

fn texts(items: &[impl Display]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// What stands in place of a secret.
pub const HIDDEN: &str = "…";
