//! What a new container is given of the machine, or is held to: capabilities, devices, graphics processors and security
//! options, each with its type.

use crate::model::{
    diagnostic::did_you_mean,
    options::{Device, Gpus, SecurityOption},
};

use super::{layer::Text, options::each, value};

/// Those of the kernel, without `CAP_`.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

pub(super) fn capabilities(text: &Text) -> Result<Vec<String>, String> {
    each(text, |item| {
        let name = item.to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        if name == "ALL" {
            return Ok(name.to_owned());
        }
        if CAPABILITIES.contains(&name) {
            return Ok(format!("CAP_{name}"));
        }
        let hint = did_you_mean(name, CAPABILITIES.into_iter().chain(["ALL"]));
        let hint = hint.unwrap_or_else(|| "write for example NET_ADMIN, or ALL".to_owned());
        Err(format!("\"{item}\" is no capability: {hint}"))
    })
}

pub(super) fn devices(text: &Text) -> Result<Vec<Device>, String> {
    const FORM: &str = "write </dev/name>[:</path in the container>][:<some of rwm>]";
    each(text, |item| {
        let permissions = |text: &str| {
            let right = !text.is_empty() && text.len() <= 3 && text.chars().all(|c| "rwm".contains(c));
            right.then(|| text.to_owned()).ok_or_else(|| {
                format!("\"{text}\" are no rights on a device: write some of r (read), w (write) and m (make nodes)")
            })
        };
        let parts: Vec<&str> = item.split(':').collect();
        let (source, target, rights) = match parts[..] {
            [source] => (source, source, "rwm"),
            [source, target] if target.starts_with('/') => (source, target, "rwm"),
            [source, rights] => (source, source, rights),
            [source, target, rights] => (source, target, rights),
            _ => return Err(format!("\"{item}\" is no device: {FORM}")),
        };
        if let Some(path) = [source, target].into_iter().find(|path| !path.starts_with('/')) {
            return Err(format!("\"{path}\" is no absolute path of a device: {FORM}"));
        }
        Ok(Device { source: source.to_owned(), target: target.to_owned(), permissions: permissions(rights)? })
    })
}

pub(super) fn gpus(text: &str) -> Result<Gpus, String> {
    const FORM: &str =
        "write all, a number, or device=<number or ID>,…; driver= and capabilities= can stand with it";
    let text = text.trim();
    let mut it = Gpus {
        count: None,
        devices: Vec::new(),
        driver: String::new(),
        capabilities: vec!["gpu".to_owned()],
        text: text.to_owned(),
    };
    let count = |value: &str| match value {
        "all" => Ok(-1),
        value => value
            .parse()
            .ok()
            .filter(|it| (1..=1024).contains(it))
            .ok_or_else(|| format!("\"{value}\" is no number of graphics processors: {FORM}")),
    };
    let mut last = "";
    // Quotes around one of them, as the command line of Docker has them, do not matter: a comma parts either way.
    for field in text.split(',').map(|field| field.trim().trim_matches('"')) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim(), value.trim()),
            // Behind one with a name more of the same can follow.
            None if matches!(last, "device" | "capabilities") => (last, field),
            None => ("count", field),
        };
        match key {
            "count" => it.count = Some(count(value)?),
            "device" => it.devices.push(value.to_owned()),
            "driver" => value.clone_into(&mut it.driver),
            "capabilities" => {
                it.capabilities.extend(Some(value).filter(|it| *it != "gpu").map(str::to_owned));
            }
            key => return Err(format!("\"{key}\" is nothing of a graphics processor: {FORM}")),
        }
        last = key;
    }
    match (&it.count, it.devices.is_empty()) {
        (Some(_), false) => Err(format!("it names a number of graphics processors, and which: {FORM}")),
        (None, true) => Ok(Gpus { count: Some(-1), ..it }),
        _ if it.devices.iter().any(String::is_empty) => {
            Err(format!("it names a graphics processor without a number or ID: {FORM}"))
        }
        _ => Ok(it),
    }
}

pub(super) fn security(text: &Text) -> Result<Vec<SecurityOption>, String> {
    const NAMES: [&str; 5] = ["no-new-privileges", "seccomp", "apparmor", "label", "systempaths"];
    each(text, |item| {
        let (name, value) = item.split_once(['=', ':']).unwrap_or((item, ""));
        let given = || match value {
            "" => Err(format!("\"{item}\" has no value: write {name}=<value>")),
            value => Ok(value.to_owned()),
        };
        match name {
            "no-new-privileges" if value.is_empty() => Ok(SecurityOption::NoNewPrivileges(true)),
            "no-new-privileges" => value::boolean(value).map(SecurityOption::NoNewPrivileges),
            "seccomp" if value.starts_with('{') => {
                let right = serde_json::from_slice::<serde_json::Value>(value.as_bytes()).is_ok();
                right.then(|| SecurityOption::Seccomp(value.to_owned())).ok_or_else(|| {
                    "the profile after seccomp= is no JSON: write it as one line, or unconfined".to_owned()
                })
            }
            "seccomp" if matches!(value, "unconfined" | "builtin") => {
                Ok(SecurityOption::Seccomp(value.to_owned()))
            }
            "seccomp" => Err(format!(
                "\"{value}\" is no seccomp profile: write unconfined, or the profile itself as JSON, for the Engine \
                 reads no file"
            )),
            "apparmor" => given().map(SecurityOption::AppArmor),
            "label" => given().map(SecurityOption::Label),
            "systempaths" if value == "unconfined" => Ok(SecurityOption::AllPaths),
            "systempaths" => Err(format!("\"{item}\" means nothing: write systempaths=unconfined")),
            name => {
                let hint =
                    did_you_mean(name, NAMES).unwrap_or_else(|| format!("there are {}", NAMES.join(", ")));
                Err(format!("\"{name}\" is no security option: {hint}"))
            }
        }
    })
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
    fn capabilities_are_those_of_the_kernel_in_any_spelling() {
        for text in ["NET_ADMIN", "cap_net_admin", "Net_Admin"] {
            assert_eq!(one(capabilities, text).unwrap(), "CAP_NET_ADMIN");
        }
        assert_eq!(one(capabilities, "all").unwrap(), "ALL");
        refused(
            |it| one(capabilities, it),
            &[("NET_ADMON", "did you mean \"NET_ADMIN\"?"), ("root", "no capability"), ("", "no capability")],
        );
    }

    #[test]
    fn a_device_has_a_path_on_both_sides_and_rights() {
        for (text, told) in [
            ("/dev/fuse", "/dev/fuse:/dev/fuse:rwm"),
            ("/dev/sda:r", "/dev/sda:/dev/sda:r"),
            ("/dev/sda:/dev/xvda", "/dev/sda:/dev/xvda:rwm"),
            ("/dev/sda:/dev/xvda:rw", "/dev/sda:/dev/xvda:rw"),
        ] {
            assert_eq!(one(devices, text).unwrap().to_string(), told);
        }
        refused(
            |it| one(devices, it),
            &[
                ("fuse", "no absolute path"),
                ("/dev/a:/dev/b:x", "no rights"),
                ("/dev/a:", "no rights"),
                ("/dev/a:b:c:d", "no device"),
                ("/dev/a:b:r", "no absolute path"),
            ],
        );
    }

    #[test]
    fn graphics_processors_are_all_some_or_named() {
        let of = |text: &str| {
            let it = gpus(text).unwrap();
            (it.count, it.devices.join(" "), it.driver, it.capabilities.join(" "))
        };
        let none = String::new;
        assert_eq!(of("all"), (Some(-1), none(), none(), "gpu".into()));
        assert_eq!(of("2"), (Some(2), none(), none(), "gpu".into()));
        assert_eq!(of("device=0,GPU-3a"), (None, "0 GPU-3a".into(), none(), "gpu".into()));
        assert_eq!(of("\"device=0,1\",driver=x"), (None, "0 1".into(), "x".into(), "gpu".into()));
        assert_eq!(of("capabilities=gpu,utility,count=1"), (Some(1), none(), none(), "gpu utility".into()));
        refused(
            gpus,
            &[
                ("", "no number of graphics processors"),
                ("0", "no number"),
                ("some", "no number"),
                ("1,device=0", "and which"),
                ("device=", "without a number"),
                ("model=x", "nothing of a graphics processor"),
            ],
        );
    }

    #[test]
    fn a_security_option_is_known_and_only_one_of_them_only_tightens() {
        for (text, told, tightens) in [
            ("no-new-privileges", "no-new-privileges=true", true),
            ("no-new-privileges:true", "no-new-privileges=true", true),
            ("no-new-privileges=false", "no-new-privileges=false", false),
            ("seccomp=unconfined", "seccomp=unconfined", false),
            ("seccomp:{\"a\":1}", "seccomp={\"a\":1}", false),
            ("apparmor=docker-default", "apparmor=docker-default", false),
            ("label=type:container_t", "label=type:container_t", false),
            ("systempaths=unconfined", "systempaths=unconfined", false),
        ] {
            let it = one(security, text).unwrap();
            assert_eq!((it.to_string().as_str(), it.only_tightens()), (told, tightens));
        }
        refused(
            |it| one(security, it),
            &[
                ("no-new-privilege", "did you mean \"no-new-privileges\"?"),
                ("no-new-privileges=perhaps", "no boolean"),
                ("seccomp=/etc/profile.json", "the Engine reads no file"),
                ("seccomp={", "no JSON"),
                ("apparmor", "has no value"),
                ("systempaths=x", "means nothing"),
                ("", "no security option"),
            ],
        );
    }
}
