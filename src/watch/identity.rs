//! Which container the agent itself runs in: candidates for its ID, from what the kernel says.
//!
//! Never from a label or a variable, which another container could have as well. The Engine has the last word: a
//! candidate counts only if the Engine has a container with that ID.

use crate::docker::inventory::OwnIds;

/// The same of this process.
pub fn of_this_process() -> OwnIds {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    own_ids(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"), &read("/etc/hostname"))
}

/// IDs that the agent's own container may have. Arguments are the contents of `/proc/self/mountinfo`,
/// `/proc/self/cgroup` and `/etc/hostname`, empty where they cannot be read.
pub fn own_ids(mountinfo: &str, cgroup: &str, hostname: &str) -> OwnIds {
    let ids: Vec<String> = cgroup.lines().filter_map(|line| line.rsplit('/').find_map(long_id)).collect();
    if !ids.is_empty() {
        return OwnIds { ids, certain: true };
    }
    let mut ids: Vec<String> = mountinfo.lines().filter_map(mounted_id).collect();
    let hostname = hostname.trim();
    if hostname.len() >= 12 && hostname.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        ids.push(hostname.to_owned());
    }
    ids.dedup();
    OwnIds { ids, certain: false }
}

/// The Engine mounts its own files over these three, from a folder that has the container's ID as its name. On the
/// host the same folders are mounted elsewhere, for other containers.
fn mounted_id(line: &str) -> Option<String> {
    let mut fields = line.split(' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    matches!(point, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf")
        .then(|| root.split('/').find_map(long_id))
        .flatten()
}

/// 64 hexadecimal digits, with or without what systemd puts around them.
fn long_id(part: &str) -> Option<String> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let part = part.rsplit('-').next()?;
    (part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit())).then(|| part.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4e1c0b9a8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f";

    #[test]
    fn the_mounts_of_a_container_name_it_and_those_of_a_host_do_not() {
        let inside =
            format!("1 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda rw");
        assert_eq!(own_ids(&inside, "", "").ids, [ID]);
        let host = format!("1 2 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw");
        assert_eq!(own_ids(&host, "", "").ids, Vec::<String>::new());
    }

    #[test]
    fn control_groups_of_both_drivers_name_it() {
        assert_eq!(own_ids("", &format!("12:pids:/docker/{ID}"), "").ids, [ID]);
        assert_eq!(own_ids("", &format!("0::/system.slice/docker-{ID}.scope"), "").ids, [ID]);
        assert_eq!(own_ids("", "0::/", "").ids, Vec::<String>::new());
    }

    #[test]
    fn a_host_name_counts_only_if_it_looks_like_an_id() {
        assert_eq!(own_ids("", "", "3f4e1c0b9a8d\n").ids, ["3f4e1c0b9a8d"]);
        assert_eq!(own_ids("", "", "watchbell\n").ids, Vec::<String>::new());
    }
}
