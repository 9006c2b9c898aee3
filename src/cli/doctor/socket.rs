//! The Engine's unix socket: why it cannot be used, if it cannot.

use std::{
    fs::Metadata,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream,
    },
};

use super::Check;

/// What is wrong with the socket at `path`; `None` if it takes connections.
pub(super) fn check(path: &str) -> Option<Check> {
    let wrong = |found: String, advice: String| Some(Check::error("engine", found, advice));
    let facts = match std::fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return wrong(
                format!("the way to {path} is closed to this user: {error}"),
                "let the user enter the folders above it, or run as another".to_owned(),
            );
        }
        Err(error) => {
            return wrong(
                format!("{path} cannot be found: {error}"),
                format!(
                    "start Docker; in a container, mount its socket: --volume /var/run/docker.sock:{path}; rootless \
                     Docker has it at $XDG_RUNTIME_DIR/docker.sock"
                ),
            );
        }
    };
    if facts.is_dir() {
        return wrong(
            format!("{path} is a directory and no socket"),
            "Docker makes a directory where what is mounted is not there: remove it on the host, start Docker, and \
             mount the path at which its socket really is"
                .to_owned(),
        );
    }
    if !facts.file_type().is_socket() {
        return wrong(
            format!("{path} is no socket"),
            "name the Engine's socket with --docker-host".to_owned(),
        );
    }
    match UnixStream::connect(path) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
            let (found, advice) = refused(path, facts.mode(), facts.uid(), facts.gid(), &groups);
            wrong(found, advice)
        }
        Err(error) => {
            let (found, advice) = silent(path, &facts, &error);
            wrong(found, advice)
        }
    }
}

/// The socket is there and the permission is not.
fn refused(path: &str, mode: u32, user: u32, group: u32, groups: &str) -> (String, String) {
    let found = format!(
        "permission for {path} is denied: it belongs to user {user} and group {group} with mode {:03o}",
        mode & 0o777
    );
    if mode & 0o060 != 0o060 {
        let advice = format!(
            "its group may not use it: run as the user {user}, in compose with user: \"{user}\", or have Docker give \
             the socket the mode 660"
        );
        return (found, advice);
    }
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(group)).then_some(name)
    });
    let person = name.map_or_else(
        || format!("make a group with groupadd --gid {group} docker and then usermod -aG docker USER"),
        |name| format!("usermod -aG {name} USER"),
    );
    let advice = format!(
        "in compose: group_add: [\"{group}\"]; with docker run: --group-add {group}; for a person: {person}, and log \
         in again"
    );
    (found, advice)
}

/// The socket is there and nobody takes the connection.
fn silent(path: &str, facts: &Metadata, error: &io::Error) -> (String, String) {
    if facts.nlink() == 0 {
        let found = format!("{path} was replaced on the host since it was mounted");
        let advice = "start this container anew, or mount the folder of the socket in place of the socket";
        return (found, advice.to_owned());
    }
    let advice = "start Docker; if it runs, this is the socket of one that ended: start this container anew, so that \
                  the present one is mounted";
    (format!("nobody listens at {path}: {error}"), advice.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_that_takes_connections_has_nothing_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(check(path.to_str().unwrap()).is_none());
        drop(listener);
        assert!(check(path.to_str().unwrap()).unwrap().found.contains("nobody listens"));
    }

    #[test]
    fn a_missing_socket_a_directory_and_a_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("dir")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        for (name, found) in
            [("none", "cannot be found"), ("dir", "is a directory"), ("file", "is no socket")]
        {
            assert!(check(&at(name)).unwrap().found.contains(found), "{name}");
        }
    }

    #[test]
    fn a_denied_socket_names_the_group_to_add() {
        let groups = "root:x:0:\ndocker:x:999:someone\n";
        let (found, advice) = refused("/s", 0o140_660, 0, 999, groups);
        assert!(found.contains("group 999 with mode 660"), "{found}");
        for part in ["group_add: [\"999\"]", "--group-add 999", "usermod -aG docker USER"] {
            assert!(advice.contains(part), "{advice}");
        }
        assert!(refused("/s", 0o140_660, 0, 998, groups).1.contains("groupadd --gid 998"));
        assert!(refused("/s", 0o140_600, 1000, 999, groups).1.contains("user: \"1000\""));
    }
}
