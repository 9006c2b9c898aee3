//! What a job of kind `run` asks for its container beside image, command and volumes: each parameter with its type.

use crate::model::{
    diagnostic::did_you_mean,
    job::Environment,
    options::{ContainerOptions, Delete, Pids, Tmpfs, Ulimit, takes_aliases},
    service::Size,
};

use super::{
    layer::{JobLayer, Text},
    params::Param,
    rights::{capabilities, devices, gpus, security},
    service::mounts,
    settle::{Settle, choice},
    size, value,
};

impl Settle<'_> {
    /// What else the container is given; `None` where nothing is.
    pub(super) fn container_options(
        &mut self,
        layer: &JobLayer,
        networks: &[String],
    ) -> Option<Box<ContainerOptions>> {
        let aliases = self.read(layer, "network-alias", aliases);
        if let Some((_, origin)) = aliases.as_ref().filter(|(list, _)| !list.is_empty())
            && layer.get("like").is_none_or(|_| !networks.is_empty())
            && !networks.iter().any(|name| takes_aliases(name))
        {
            let reason = "a container has further names only in networks that someone made: name one with \
                          \"network\", or remove it";
            self.reject(origin.clone(), "network-alias", reason);
        }
        let options = ContainerOptions {
            mounts: self.items(layer, "mount", mounts),
            tmpfs: self.items(layer, "tmpfs", tmpfs),
            volumes_from: self.items(layer, "volumes-from", volumes_from),
            aliases: aliases.map(|(list, _)| list).unwrap_or_default(),
            dns: self.items(layer, "dns", dns),
            extra_hosts: self.items(layer, "extra-hosts", extra_hosts),
            memory: self.one(layer, "memory", size::memory),
            cpus: self.one(layer, "cpus", size::cpus),
            pids_limit: self.one(layer, "pids-limit", pids),
            shm_size: self.one(layer, "shm-size", shm_size),
            ulimits: self.items(layer, "ulimit", ulimits),
            cap_add: self.items(layer, "cap-add", capabilities),
            cap_drop: self.items(layer, "cap-drop", capabilities),
            devices: self.items(layer, "device", devices),
            gpus: self.one(layer, "gpus", gpus),
            security: self.items(layer, "security-opt", security),
            read_only: self.flag(layer, "read-only"),
            init: self.one(layer, "init", value::boolean),
            labels: self.items(layer, "label", labels),
            stop_signal: self.one(layer, "stop-signal", signal),
            platform: self.one(layer, "platform", platform),
            runtime: self.one(layer, "runtime", word),
            log_driver: self.one(layer, "log-driver", word),
            log_options: Environment(self.items(layer, "log-opt", value::map)),
        };
        (options != ContainerOptions::default()).then(|| Box::new(options))
    }

    /// When the container is removed.
    pub(super) fn delete(&mut self, layer: &JobLayer) -> Delete {
        self.one(layer, "delete", |text| choice(text, Delete::NAMES)).unwrap_or_default()
    }

    fn items<T>(
        &mut self,
        layer: &JobLayer,
        name: &'static str,
        read: fn(&Text) -> Result<Vec<T>, String>,
    ) -> Vec<T> {
        self.read(layer, name, read).map(|(list, _)| list).unwrap_or_default()
    }

    pub(super) fn one<T>(
        &mut self,
        layer: &JobLayer,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(layer, name, |text| read(&value::single(text)?)).map(|(value, _)| value)
    }
}

/// What is wrong with the value of one of these parameters; `None` where it is none of them.
pub(super) fn check(param: &Param, text: &Text) -> Option<Result<(), String>> {
    let one = |read: &dyn Fn(&str) -> Result<(), String>| value::single(text).and_then(|text| read(&text));
    Some(match param.name {
        "tmpfs" => tmpfs(text).map(drop),
        "volumes-from" => volumes_from(text).map(drop),
        "network-alias" => aliases(text).map(drop),
        "dns" => dns(text).map(drop),
        "extra-hosts" => extra_hosts(text).map(drop),
        "ulimit" => ulimits(text).map(drop),
        "cap-add" | "cap-drop" => capabilities(text).map(drop),
        "device" => devices(text).map(drop),
        "security-opt" => security(text).map(drop),
        "label" => labels(text).map(drop),
        "pids-limit" => one(&|it| pids(it).map(drop)),
        "shm-size" => one(&|it| shm_size(it).map(drop)),
        "gpus" => one(&|it| gpus(it).map(drop)),
        "stop-signal" => one(&|it| signal(it).map(drop)),
        "platform" => one(&|it| platform(it).map(drop)),
        "runtime" | "log-driver" => one(&|it| word(it).map(drop)),
        _ => return None,
    })
}

pub(super) fn each<T>(text: &Text, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    value::list(text)?.iter().map(|item| read(item.trim())).collect()
}

/// Letters, digits and a few signs, and a letter or digit first.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// What a directory in memory can be told without a value.
const TMPFS_FLAGS: [&str; 19] = [
    "defaults",
    "ro",
    "rw",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "sync",
    "async",
    "dirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
];

/// What it can be told with one.
const TMPFS_VALUES: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

fn tmpfs(text: &Text) -> Result<Vec<Tmpfs>, String> {
    const FORM: &str =
        "write </path in the container>, with options after a colon, such as /cache:size=64m,mode=1777";
    let found = each(text, |item| {
        let (path, options) = item.split_once(':').unwrap_or((item, ""));
        if !path.starts_with('/') {
            return Err(format!("\"{path}\" is no absolute path in the container: {FORM}"));
        }
        for option in options.split(',').filter(|it| !it.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let right =
                if value.is_empty() { TMPFS_FLAGS.contains(&option) } else { TMPFS_VALUES.contains(&name) };
            if !right {
                let hint = did_you_mean(name, TMPFS_FLAGS.into_iter().chain(TMPFS_VALUES));
                let hint = hint.unwrap_or_else(|| FORM.to_owned());
                return Err(format!("\"{option}\" is no option of a directory in memory: {hint}"));
            }
            let number = |value: &str| {
                let digits = value.trim_end_matches(['k', 'm', 'g', 'K', 'M', 'G', '%']);
                value.len() - digits.len() <= 1
                    && !digits.is_empty()
                    && digits.bytes().all(|c| c.is_ascii_digit())
            };
            if name != "mpol" && !value.is_empty() && !number(value) {
                return Err(format!("\"{option}\" has no number as its value: {FORM}"));
            }
        }
        Ok(Tmpfs { path: path.to_owned(), options: options.to_owned() })
    })?;
    match found.iter().enumerate().find(|(at, it)| found[..*at].iter().any(|other| other.path == it.path)) {
        Some((_, twice)) => Err(format!("{} is there twice: remove one of them", twice.path)),
        None => Ok(found),
    }
}

fn volumes_from(text: &Text) -> Result<Vec<String>, String> {
    const FORM: &str = "write <container>, with :ro after it if they are only read";
    each(text, |item| {
        let (name, mode) = item.split_once(':').map_or((item, None), |(name, mode)| (name, Some(mode)));
        if !is_name(name) {
            return Err(format!("\"{item}\" names no container: {FORM}"));
        }
        match mode.and_then(|mode| mode.split(',').find(|it| !["ro", "rw", "z", "Z"].contains(it))) {
            Some(word) => Err(format!("\"{word}\" is no mode of a volume: {FORM}")),
            None => Ok(item.to_owned()),
        }
    })
}

fn aliases(text: &Text) -> Result<Vec<String>, String> {
    each(text, |item| {
        let right = is_name(item);
        right.then(|| item.to_owned()).ok_or_else(|| {
            format!("\"{item}\" is no name of a host: write letters, digits, \"-\", \"_\" and \".\"")
        })
    })
}

fn address(text: &str) -> Option<core::net::IpAddr> {
    text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text).parse().ok()
}

fn dns(text: &Text) -> Result<Vec<String>, String> {
    each(text, |item| {
        let found = address(item).map(|it| it.to_string());
        found
            .ok_or_else(|| format!("\"{item}\" is no address of a name server: write for example 192.0.2.53"))
    })
}

/// The address that stands for the machine itself.
pub(super) const HOST_GATEWAY: &str = "host-gateway";

fn extra_hosts(text: &Text) -> Result<Vec<String>, String> {
    const FORM: &str = "write <name>:<address>, such as db:192.0.2.7 or host.docker.internal:host-gateway";
    each(text, |item| {
        let (name, ip) = item
            .split_once(['=', ':'])
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| format!("\"{item}\" is no name with an address: {FORM}"))?;
        match address(ip) {
            Some(ip) => Ok(format!("{name}:{ip}")),
            None if ip == HOST_GATEWAY => Ok(format!("{name}:{ip}")),
            None => Err(format!("\"{ip}\" is no address: {FORM}")),
        }
    })
}

/// The most processes that a kernel can number.
const PIDS_LIMIT: u32 = 4_194_304;

fn pids(text: &str) -> Result<Pids, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("unlimited") || text == "-1" {
        return Ok(Pids::Unlimited);
    }
    let most = text.parse().ok().filter(|it| (1..=PIDS_LIMIT).contains(it)).map(Pids::Most);
    most.ok_or_else(|| {
        format!("\"{text}\" is no number from 1 to {PIDS_LIMIT}: write for example 100, or unlimited")
    })
}

fn shm_size(text: &str) -> Result<Size, String> {
    match size::size(text)? {
        Size(0) => Err("a size of 0 is none: write for example 256m".to_owned()),
        size => Ok(size),
    }
}

/// What a process can be limited in.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn ulimits(text: &Text) -> Result<Vec<Ulimit>, String> {
    const FORM: &str = "write <name>=<soft>[:<hard>], such as nofile=1024:4096; -1 is unlimited";
    let found = each(text, |item| {
        let Some((name, limits)) = item.split_once('=') else {
            return Err(format!("\"{item}\" is no limit: {FORM}"));
        };
        let Some(name) = ULIMITS.into_iter().find(|it| it.eq_ignore_ascii_case(name.trim())) else {
            let hint = did_you_mean(name, ULIMITS)
                .unwrap_or_else(|| format!("the limits are {}", ULIMITS.join(", ")));
            return Err(format!("\"{name}\" is nothing that a process can be limited in: {hint}"));
        };
        let number = |text: &str| match text.trim() {
            "unlimited" => Ok(-1),
            text => text
                .parse()
                .ok()
                .filter(|it: &i64| *it >= -1)
                .ok_or_else(|| format!("\"{text}\" is no limit: {FORM}")),
        };
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let (soft, hard) = (number(soft)?, number(hard)?);
        if hard != -1 && (soft == -1 || soft > hard) {
            return Err(format!("\"{item}\" has a soft limit above the hard one: {FORM}"));
        }
        Ok(Ulimit { name, soft, hard })
    })?;
    match found.iter().enumerate().find(|(at, it)| found[..*at].iter().any(|other| other.name == it.name)) {
        Some((_, twice)) => Err(format!("{} is limited twice: remove one of them", twice.name)),
        None => Ok(found),
    }
}

/// Labels of a container. Ours are not for others to write: by them a run is found again.
fn labels(text: &Text) -> Result<Vec<(String, String)>, String> {
    each(text, |item| {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains(char::is_control) {
            return Err(format!("\"{item}\" is no label: write <name>=<value>"));
        }
        let ours = |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
        if ours("watchbell.") {
            return Err(format!(
                "\"{name}\" is a label that only watchbell itself writes on the container of a run: take another name"
            ));
        }
        Ok((name.to_owned(), value.to_owned()))
    })
}

/// Signals by their names without `SIG`, as they are on Linux.
const SIGNALS: [&str; 31] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG",
    "USR1", "USR2", "WINCH", "XCPU",
];

/// A signal by its name or number, as the Engine is told it.
fn signal(text: &str) -> Result<String, String> {
    let word = text.trim().to_ascii_uppercase();
    if let Ok(number) = word.parse::<u8>() {
        return if (1..=64).contains(&number) {
            Ok(number.to_string())
        } else {
            Err(format!(
                "\"{text}\" is no number of a signal: write one from 1 to 64, or a name such as SIGINT"
            ))
        };
    }
    let name = word.strip_prefix("SIG").unwrap_or(&word);
    let real_time = |end: &str, sign: char, most: u8| {
        let rest = name.strip_prefix(end)?;
        let number = if rest.is_empty() { 0 } else { rest.strip_prefix(sign)?.parse().ok()? };
        (number <= most).then_some(())
    };
    let known = SIGNALS.contains(&name)
        || matches!(name, "XFSZ" | "VTALRM")
        || real_time("RTMIN", '+', 15).is_some()
        || real_time("RTMAX", '-', 14).is_some();
    if known {
        return Ok(format!("SIG{name}"));
    }
    let hint = did_you_mean(name, SIGNALS).unwrap_or_else(|| "write for example SIGINT or 2".to_owned());
    Err(format!("\"{text}\" is no signal: {hint}"))
}

fn platform(text: &str) -> Result<String, String> {
    let text = text.trim();
    let parts: Vec<&str> = text.split('/').collect();
    let right = parts.len() <= 3 && parts.iter().all(|part| is_name(part));
    right
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| format!("\"{text}\" is no platform: write <system>/<processor>, such as linux/arm64"))
}

/// A text without blanks.
fn word(text: &str) -> Result<String, String> {
    match value::text(text)? {
        text if text.contains(char::is_whitespace) => {
            Err(format!("\"{text}\" has blanks in it: it is one name"))
        }
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<T>(read: fn(&Text) -> Result<Vec<T>, String>, text: &str) -> Result<T, String> {
        read(&Text::Items(vec![text.into()])).map(|mut list| list.remove(0))
    }

    /// What is said of each wrong value.
    fn refused<T: std::fmt::Debug>(read: impl Fn(&str) -> Result<T, String>, cases: &[(&str, &str)]) {
        for (wrong, part) in cases {
            let reason = read(wrong).expect_err(wrong);
            assert!(reason.contains(part), "{wrong}: {reason}");
        }
    }

    #[test]
    fn a_directory_in_memory_is_a_path_with_options() {
        for good in ["/tmp", "/tmp:size=64m,mode=1777,noexec", "/tmp:size=50%,uid=33"] {
            assert_eq!(one(tmpfs, good).unwrap().to_string(), good);
        }
        refused(
            |it| one(tmpfs, it),
            &[
                ("tmp", "no absolute path"),
                ("/tmp:seize=1m", "did you mean \"size\"?"),
                ("/tmp:size=big", "no number"),
                ("/tmp:size", "no option"),
                ("/tmp:noexec=1", "no option"),
                ("/tmp:size=1mm", "no number"),
            ],
        );
        let twice = tmpfs(&Text::One("/a\n/b\n/a:ro".into())).unwrap_err();
        assert!(twice.contains("/a is there twice"), "{twice}");
    }

    #[test]
    fn volumes_of_another_container_are_its_name_with_a_mode() {
        assert_eq!(one(volumes_from, "data:ro").unwrap(), "data:ro");
        refused(
            |it| one(volumes_from, it),
            &[("", "names no container"), ("/srv", "names no container"), ("data:x", "no mode")],
        );
    }

    #[test]
    fn addresses_and_names_of_hosts_are_checked() {
        assert_eq!(one(dns, "2001:db8::1").unwrap(), "2001:db8::1");
        refused(
            |it| one(dns, it),
            &[("dns.example", "no address"), ("192.0.2", "no address"), ("", "no address")],
        );
        for (text, told) in [
            ("db:192.0.2.7", "db:192.0.2.7"),
            ("db=192.0.2.7", "db:192.0.2.7"),
            ("db:2001:db8::1", "db:2001:db8::1"),
            ("db:[2001:db8::1]", "db:2001:db8::1"),
            ("host.docker.internal:host-gateway", "host.docker.internal:host-gateway"),
        ] {
            assert_eq!(one(extra_hosts, text).unwrap(), told);
        }
        refused(
            |it| one(extra_hosts, it),
            &[("db", "no name with an address"), (":1.2.3.4", "no name"), ("db:gateway", "no address")],
        );
        refused(|it| one(aliases, it), &[("", "no name of a host"), ("a b", "no name"), ("-a", "no name")]);
    }

    #[test]
    fn numbers_of_processes_and_sizes_are_within_what_an_engine_takes() {
        assert_eq!(
            (pids("100"), pids("unlimited"), pids("-1")),
            (Ok(Pids::Most(100)), Ok(Pids::Unlimited), Ok(Pids::Unlimited))
        );
        refused(
            pids,
            &[
                ("0", "no number from 1"),
                ("4194305", "no number"),
                ("many", "no number"),
                ("1.5", "no number"),
            ],
        );
        assert_eq!(shm_size("256m"), Ok(Size(256 << 20)));
        refused(shm_size, &[("0", "is none"), ("large", "no amount of memory")]);
    }

    #[test]
    fn a_limit_of_processes_has_a_soft_and_a_hard_value() {
        for (text, told) in [
            ("nofile=1024", "nofile=1024:1024"),
            ("NOFILE=1024:4096", "nofile=1024:4096"),
            ("memlock=-1", "memlock=-1:-1"),
            ("core=0:unlimited", "core=0:-1"),
        ] {
            assert_eq!(one(ulimits, text).unwrap().to_string(), told);
        }
        refused(
            |it| one(ulimits, it),
            &[
                ("nofile", "no limit"),
                ("nofiel=1", "did you mean \"nofile\"?"),
                ("nofile=x", "no limit"),
                ("nofile=2:1", "above the hard one"),
                ("nofile=-1:1", "above the hard one"),
                ("nofile=-2", "no limit"),
                ("files=1", "nothing that a process can be limited in"),
            ],
        );
        assert!(ulimits(&Text::One("nproc=1\nnproc=2".into())).unwrap_err().contains("limited twice"));
    }

    #[test]
    fn a_label_is_any_but_ours() {
        assert_eq!(one(labels, "com.example/a=b=c").unwrap(), ("com.example/a".into(), "b=c".into()));
        assert_eq!(one(labels, "flag").unwrap(), ("flag".into(), String::new()));
        refused(
            |it| one(labels, it),
            &[
                ("=x", "no label"),
                ("a b=x", "no label"),
                ("watchbell.run=x", "only watchbell itself"),
                ("WatchBell.enabled=true", "only watchbell itself"),
            ],
        );
    }

    #[test]
    fn signals_platforms_and_names_are_checked() {
        for (text, told) in [
            ("SIGINT", "SIGINT"),
            ("int", "SIGINT"),
            ("2", "2"),
            ("SIGRTMIN+3", "SIGRTMIN+3"),
            ("rtmax-1", "SIGRTMAX-1"),
            ("XFSZ", "SIGXFSZ"),
        ] {
            assert_eq!(signal(text).unwrap(), told);
        }
        refused(
            signal,
            &[
                ("0", "no number of a signal"),
                ("65", "no number"),
                ("SIGTREM", "did you mean \"TERM\"?"),
                ("RTMIN+16", "no signal"),
                ("", "no signal"),
            ],
        );
        assert_eq!(platform("Linux/ARM64/v8").unwrap(), "linux/arm64/v8");
        refused(
            platform,
            &[
                ("", "no platform"),
                ("linux/", "no platform"),
                ("a/b/c/d", "no platform"),
                ("linux arm", "no platform"),
            ],
        );
        refused(word, &[("", "empty"), ("json file", "blanks")]);
    }
}
