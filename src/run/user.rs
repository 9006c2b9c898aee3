//! As whom a process beside the agent runs.
//!
//! To become someone else is a matter of the process that does it, and the agent stays who it is. So it begins itself
//! once more, and that process drops its rights and becomes the command.

use std::{ffi::OsString, os::unix::process::CommandExt as _};

use nix::unistd::{Gid, Uid, getgid, getuid, setgid, setgroups, setuid};
use tokio::{process::Command, task::spawn_blocking};

/// The first argument of what becomes someone else. Nobody types it: it is no command of the command line.
const BECOME: &str = "become-another-user-and-run";

/// What the agent may do as far as the kernel lets it: the numbers of these rights.
const SETGID: u32 = 6;
const SETUID: u32 = 7;

/// Who someone is.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    uid: u32,
    gid: u32,
    /// The further groups.
    groups: Vec<u32>,
    /// The name, where there is one.
    name: Option<String>,
    home: String,
}

/// The command that runs `argv` as this user. An error says why nobody can.
pub async fn command(user: &str, argv: &[String]) -> Result<Command, String> {
    // A file may lie on a disk that is slow or gone.
    let read = spawn_blocking(|| {
        ["/etc/passwd", "/etc/group", "/proc/self/status"]
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
    });
    let [passwd, group, status] = read.await.map_err(|error| error.to_string())?;
    let identity = identity(user, &passwd, &group)?;
    let own = (getuid().as_raw(), getgid().as_raw());
    if own != (identity.uid, identity.gid) && !(may(&status, SETGID) && may(&status, SETUID)) {
        return Err(format!(
            "the agent runs as user {} and may not run a process as {user}: start it as root, in a container with the \
             capabilities SETUID and SETGID",
            own.0
        ));
    }
    let mut command = Command::new("/proc/self/exe");
    let groups: Vec<String> = identity.groups.iter().map(ToString::to_string).collect();
    command
        .args([BECOME, &identity.uid.to_string(), &identity.gid.to_string(), &groups.join(",")])
        .args(argv)
        .env("HOME", &identity.home);
    // Whoever the agent is, it is not that.
    for variable in ["USER", "LOGNAME"] {
        match &identity.name {
            Some(name) => command.env(variable, name),
            None => command.env_remove(variable),
        };
    }
    Ok(command)
}

/// Becomes another user and runs the command, if the process was begun for that. It comes back only where that failed,
/// with the exit code that a shell would have given and what to say.
pub fn become_another(arguments: impl IntoIterator<Item = OsString>) -> Option<(u8, String)> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != BECOME {
        return None;
    }
    let (uid, gid, groups) = (arguments.next()?, arguments.next()?, arguments.next()?);
    let program = arguments.next()?;
    let number = |text: &str| text.parse::<u32>().ok();
    let (uid, gid) = (number(uid.to_str()?)?, number(gid.to_str()?)?);
    let groups: Vec<Gid> = groups.to_str()?.split(',').filter_map(number).map(Gid::from_raw).collect();
    let dropped = if (getuid().as_raw(), getgid().as_raw()) == (uid, gid) && setgroups(&groups).is_err() {
        // It is who it is to become, and has no rights to lose.
        Ok(())
    } else {
        setgroups(&groups).and_then(|()| setgid(Gid::from_raw(gid))).and_then(|()| setuid(Uid::from_raw(uid)))
    };
    if let Err(error) = dropped {
        return Some((126, format!("user {uid} cannot be become: {error}")));
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    let program = program.to_string_lossy();
    Some(if error.kind() == std::io::ErrorKind::NotFound {
        (127, format!("there is no program \"{program}\" beside the agent"))
    } else {
        (126, format!("starting \"{program}\" as user {uid}: {error}"))
    })
}

/// Whether the process has this right, as `/proc/<pid>/status` has it.
fn may(status: &str, right: u32) -> bool {
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    rights.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).is_some_and(|it| it >> right & 1 == 1)
}

/// Who `user`, `uid`, `user:group` or `uid:gid` is. With a group there are no others. A number that nobody has is a user
/// with the group of the same number.
fn identity(text: &str, passwd: &str, group: &str) -> Result<Identity, String> {
    let (user, of_group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let number = user.parse::<u32>().ok();
    // Its fields are name, password, uid, gid, comment, home and shell.
    let found = lines
        .find(|it| it.len() >= 6 && (it[0] == user || (number.is_some() && it[2].parse().ok() == number)));
    let found = found
        .and_then(|it| Some((it[0].to_owned(), it[2].parse().ok()?, it[3].parse().ok()?, it[5].to_owned())));
    let (name, uid, gid, home) = match (found, number) {
        (Some((name, uid, gid, home)), _) => (Some(name), uid, gid, home),
        (None, Some(number)) => (None, number, number, String::new()),
        (None, None) => {
            return Err(format!(
                "there is no user \"{user}\" in /etc/passwd beside the agent: name another, or its number"
            ));
        }
    };
    let home = if home.is_empty() { "/".to_owned() } else { home };
    // Name, password, gid and members with commas between them.
    let known: Vec<(&str, u32, &str)> = group
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name, fields.nth(1)?.parse().ok()?, fields.next().unwrap_or_default()))
        })
        .collect();
    if let Some(group) = of_group {
        let by_name = known.iter().find(|it| it.0 == group).map(|it| it.1);
        let gid = by_name.or_else(|| group.parse().ok()).ok_or_else(|| {
            format!(
                "there is no group \"{group}\" in /etc/group beside the agent: name another, or its number"
            )
        })?;
        return Ok(Identity { uid, gid, groups: vec![gid], name, home });
    }
    let is_member =
        |members: &str| name.as_deref().is_some_and(|name| members.split(',').any(|it| it == name));
    let further = known.iter().filter(|(_, id, members)| *id != gid && is_member(members)).map(|it| it.1);
    Ok(Identity { uid, gid, groups: [gid].into_iter().chain(further).collect(), name, home })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www:/var/www:/bin/sh\nodd\nnobody:x:65534:65534::";
    const GROUP: &str = "root:x:0:\nwww-data:x:33:\nbackup:x:34:www-data,x\nshadow:x:42:xwww-data\n";

    fn who(text: &str) -> Result<Identity, String> {
        identity(text, PASSWD, GROUP)
    }

    #[test]
    fn a_user_has_the_groups_of_its_machine_and_with_a_group_that_one_only() {
        let www = |gid, groups: &[u32]| Identity {
            uid: 33,
            gid,
            groups: groups.to_vec(),
            name: Some("www-data".to_owned()),
            home: "/var/www".to_owned(),
        };
        assert_eq!(who("www-data"), Ok(www(33, &[33, 34])));
        assert_eq!(who("33"), Ok(www(33, &[33, 34])));
        assert_eq!(who("www-data:backup"), Ok(www(34, &[34])));
        assert_eq!(who("33:7"), Ok(www(7, &[7])));
        let nobody = Identity { uid: 1234, gid: 1234, groups: vec![1234], name: None, home: "/".to_owned() };
        assert_eq!(who("1234"), Ok(nobody));
        assert_eq!(who("nobody").unwrap().home, "/", "a home that is not there");
        for wrong in ["nobody2", "odd", "", "www-data:nogroup2", "-1"] {
            assert!(who(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_right_is_read_from_what_the_kernel_says() {
        let status = "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t00000000a80425fb\n";
        assert!(may(status, SETUID) && may(status, SETGID));
        assert!(!may("CapEff:\t0000000000000040\n", SETUID) && !may("", SETUID));
    }
}
