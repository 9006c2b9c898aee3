//! What PID 1 owes to orphans: a process whose parent is gone becomes our child, and stays a zombie until someone
//! asks how it ended.
//!
//! Our own children are asked by those who started them. So that an exit code never goes to the wrong one, a child is
//! entered here under the same lock under which it is started. That holds for whatever is started beside the agent: jobs,
//! and commands of channels.

use std::{
    collections::HashSet,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use rustix::process::PidfdFlags;
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use super::ending::is_seen_from_outside;

/// The agent's own children.
#[derive(Debug, Clone, Default)]
pub struct Children(Arc<Mutex<HashSet<i32>>>);

/// One of the agent's own children; it is struck off when this is dropped.
#[derive(Debug)]
pub struct OwnChild {
    /// The process.
    pub child: Child,
    /// Its process ID, which is also its group's.
    pub pid: i32,
    /// Whether its whole group is killed when this is dropped, rather than left to itself.
    pub kill_group: bool,
    children: Children,
}

/// When a process began, in the kernel's ticks since boot; `None` once it is gone.
pub fn began(pid: i32) -> Option<u64> {
    let facts = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may contain anything.
    let (_, rest) = facts.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// A process that is none of our children.
#[derive(Debug)]
pub struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    /// The process with this ID that began then; none where it has ended.
    pub fn of(pid: i32, start: u64) -> Option<Self> {
        let named = rustix::process::Pid::from_raw(pid)?;
        let opened = rustix::process::pidfd_open(named, PidfdFlags::empty()).ok()?;
        // From here on the number is nobody else's; whether it was before, the time of its start says.
        let facts = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ended = facts.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
        if ended || began(pid) != Some(start) {
            return None;
        }
        #[expect(
            deprecated,
            reason = "its successor is unsafe code; the owned descriptor is what that asks for"
        )]
        AsyncFd::with_interest(opened, Interest::READABLE).ok().map(Self)
    }

    /// Waits until it has ended.
    pub async fn gone(&self) {
        // An error would come at once and for ever; then it counts as gone.
        let _ = self.0.readable().await;
    }
}

/// The process that leads a group of its own and has this `NAME=VALUE` in its environment, and when it began.
pub fn marked(mark: &str) -> Option<(i32, u64)> {
    std::fs::read_dir("/proc").ok()?.find_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        if !environment.split(|byte| *byte == 0).any(|it| it == mark.as_bytes()) {
            return None;
        }
        if is_seen_from_outside(pid) {
            // A container has the mark of its run as well.
            return None;
        }
        let facts = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let group = facts.rsplit_once(") ")?.1.split(' ').nth(2)?;
        (group.parse() == Ok(pid)).then_some((pid, began(pid)?))
    })
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        if self.kill_group {
            // Whoever waited for it has given it up; the group may be gone already.
            let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
        self.children.lock().remove(&self.pid);
    }
}

impl Children {
    /// Starts a process as our own child.
    pub fn spawn(&self, command: &mut Command) -> io::Result<OwnChild> {
        let mut own = self.lock();
        let child = command.spawn()?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .ok_or_else(|| io::Error::other("no process ID"))?;
        own.insert(pid);
        Ok(OwnChild { child, pid, kill_group: true, children: self.clone() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reaps orphans for ever, if we are PID 1.
    pub async fn reap_orphans(self) {
        if std::process::id() != 1 {
            return;
        }
        // Without the signal zombies stay; that is no reason not to run jobs.
        let Ok(mut ended) = signal(SignalKind::child()) else { return };
        while ended.recv().await.is_some() {
            self.reap();
        }
    }

    fn reap(&self) {
        let own = self.lock();
        for pid in zombies_of(1) {
            if !own.contains(&pid) {
                // It may have been reaped in between, which is just as well.
                let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
            }
        }
    }
}

/// The zombies among the children of `parent`.
fn zombies_of(parent: i32) -> Vec<i32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            is_zombie_of(&stat, parent).then_some(pid)
        })
        .collect()
}

/// Reads a line of `/proc/<pid>/stat`; the name in brackets may itself contain brackets and blanks.
fn is_zombie_of(stat: &str, parent: i32) -> bool {
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let mut fields = rest.split(' ');
    fields.next() == Some("Z") && fields.next().and_then(|ppid| ppid.parse().ok()) == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_known_by_its_state_and_its_parent() {
        assert!(is_zombie_of("7 (a) b) Z 1 7 7 0", 1));
        assert!(!is_zombie_of("7 (a) Z 1) S 1 7 7 0", 1));
        assert!(!is_zombie_of("7 (a) Z 2 7 7 0", 1));
        assert!(!is_zombie_of("", 1));
    }
}
