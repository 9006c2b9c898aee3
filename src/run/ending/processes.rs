//! The processes of a run among those that the kernel tells of: which they are, and how they are signalled from beside
//! them. `find.sh` does the same with the words of a shell.

use std::{fs, path::Path};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::wanted::{Answer, Ender, Target, Wanted};
use crate::run::unit::MARK;

/// How often is looked whether those that were killed have gone, and for what they began meanwhile.
const PASSES: u32 = 200;

/// What the kernel says of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// It.
    pub target: Target,
    parent: i32,
    group: i32,
    session: i32,
    /// It has ended, and its number is still in use.
    ended: bool,
    mark: Mark,
}

/// What its environment says, as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ours,
    AnotherRuns,
    None,
}

/// Who looks; it is no target of itself.
#[derive(Debug, Clone, Copy)]
pub struct Looker {
    /// Its process ID.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
}

impl Looker {
    /// This process.
    pub fn this() -> Self {
        Self { pid: Pid::this().as_raw(), parent: Pid::parent().as_raw() }
    }
}

/// Those that belong to the run: they have its mark, or are known, or descend from such a one, or are in a session or
/// a process group that one of them began. One that dropped its environment is still the command's first process if
/// it is the only one that this can be.
pub fn targets(processes: &[Process], wanted: &Wanted, looker: Looker, uptime: u64) -> Vec<Target> {
    let others = || processes.iter().filter(|it| it.target.pid > 1 && it.target.pid != looker.pid);
    let is_hit = |it: &&Process| it.mark == Mark::Ours || wanted.known.contains(&it.target);
    let mut hits: Vec<i32> = others().filter(is_hit).map(|it| it.target.pid).collect();
    // Where others are hidden, the only one that is seen need not be the only one.
    let sees_all = processes.iter().any(|it| it.target.pid == 1);
    if let Some(age) = wanted.age
        && sees_all
        && !others().any(|it| is_hit(&it) && it.parent == looker.parent)
    {
        let oldest = uptime.saturating_sub(age);
        // Who is begun from outside has the same parent as the looker, which is none but where the container sees
        // the machine's processes; there the Engine's number is ours.
        let mut first = others().filter(|it| {
            let shared = looker.parent != 0;
            it.parent == looker.parent
                && it.mark == Mark::None
                && it.target.start >= oldest
                && (!shared || Some(it.target.pid) == wanted.outer)
        });
        if let (Some(only), None) = (first.next(), first.next()) {
            hits.push(only.target.pid);
        }
    }
    // A number that nobody has any more may still be that of a session or a group.
    let gone = wanted.known.iter().filter(|known| processes.iter().all(|it| it.target.pid != known.pid));
    hits.extend(gone.map(|it| it.pid));
    loop {
        let further: Vec<i32> = others()
            .filter(|it| !hits.contains(&it.target.pid))
            .filter(|it| [it.parent, it.group, it.session].iter().any(|id| hits.contains(id)))
            .map(|it| it.target.pid)
            .collect();
        if further.is_empty() {
            break;
        }
        hits.extend(further);
    }
    others().filter(|it| !it.ended && hits.contains(&it.target.pid)).map(|it| it.target).collect()
}

/// Among which processes is looked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Among<'a> {
    /// Those of a container only.
    pub container: Option<&'a str>,
    /// This process group has the signal already.
    pub but_group: Option<i32>,
}

/// Looks for the processes of the run and signals them; none where no process can be seen at all.
pub fn end(wanted: &Wanted, looker: Looker, among: Among<'_>) -> Option<Answer> {
    let mut wanted = wanted.clone();
    let mut answer = Answer::default();
    for _ in 0..PASSES {
        let processes = read(&wanted.mark, among.container);
        if processes.is_empty() {
            return None;
        }
        let found = targets(&processes, &wanted, looker, uptime());
        answer.left = found.iter().filter(|it| answer.signalled.contains(it)).copied().collect();
        let new: Vec<Target> =
            found.into_iter().filter(|it| answer.found().all(|known| known != *it)).collect();
        let over = new.is_empty() && answer.left.is_empty();
        for target in new {
            let has_it = |it: &Process| it.target == target && Some(it.group) == among.but_group;
            let sent = if processes.iter().any(has_it) { Ok(()) } else { send(target, wanted.signal) };
            match sent {
                Ok(()) | Err(Errno::ESRCH) => answer.signalled.push(target),
                Err(_) => answer.denied.push(target),
            }
            wanted.known.push(target);
        }
        // A soft signal is sent once: what a process does about it may need children.
        if over || wanted.signal == Ender::Term {
            break;
        }
    }
    Some(answer)
}

fn send(target: Target, signal: Ender) -> Result<(), Errno> {
    if look_at(Path::new("/proc"), target.pid).is_none_or(|it| it.target != target) {
        return Err(Errno::ESRCH);
    }
    let signal = match signal {
        Ender::Term => Signal::SIGTERM,
        Ender::Kill => Signal::SIGKILL,
    };
    kill(Pid::from_raw(target.pid), signal)
}

/// The process with this number, while there is one.
pub fn target_of(pid: i32) -> Option<Target> {
    look_at(Path::new("/proc"), pid).map(|it| it.target)
}

/// Whether it is in a namespace of process IDs within ours: then its number is the one that it has outside of it.
pub fn is_seen_from_outside(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.is_some_and(|ids| ids.split_whitespace().count() > 1)
}

/// Whether it is one of this container's, as far as the kernel tells us.
pub fn is_of_container(pid: i32, container: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|it| it.contains(container))
}

/// All that can be seen, or those of a container.
fn read(mark: &str, container: Option<&str>) -> Vec<Process> {
    let root = Path::new("/proc");
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let pids = pids.filter(|pid| container.is_none_or(|id| is_of_container(*pid, id)));
    pids.filter_map(|pid| {
        let process = look_at(root, pid)?;
        // What cannot be read is known by what it descends from.
        let environment = fs::read(root.join(pid.to_string()).join("environ")).unwrap_or_default();
        Some(Process { mark: mark_in(&environment, mark), ..process })
    })
    .collect()
}

fn mark_in(environment: &[u8], mark: &str) -> Mark {
    let mut variables = environment.split(|byte| *byte == 0);
    if variables.clone().any(|it| it == mark.as_bytes()) {
        return Mark::Ours;
    }
    let is_mark = |it: &[u8]| it.strip_prefix(MARK.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    if variables.any(is_mark) { Mark::AnotherRuns } else { Mark::None }
}

fn look_at(root: &Path, pid: i32) -> Option<Process> {
    parse(pid, &fs::read_to_string(root.join(pid.to_string()).join("stat")).ok()?)
}

/// Reads a line of `/proc/<pid>/stat`; the name in brackets may itself contain brackets and blanks.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse().ok();
    Some(Process {
        target: Target { pid, start: fields.get(19)?.parse().ok()? },
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        ended: matches!(*fields.first()?, "Z" | "X"),
        mark: Mark::None,
    })
}

/// How long the machine has been up, in hundredths of a second.
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let digits: String = text.chars().take_while(|it| *it != ' ').filter(|it| *it != '.').collect();
    digits.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a container, where the one who looks has no parent.
    const INSIDE: Looker = Looker { pid: 90, parent: 0 };

    fn process(pid: i32, parent: i32, session: i32, mark: Mark) -> Process {
        let target = Target { pid, start: u64::try_from(pid).unwrap() };
        Process { target, parent, group: session, session, ended: false, mark }
    }

    fn wanted(age: Option<u64>, known: &[i32]) -> Wanted {
        let known =
            known.iter().map(|pid| Target { pid: *pid, start: u64::try_from(*pid).unwrap() }).collect();
        Wanted { mark: "WATCHBELL_RUN=1".to_owned(), signal: Ender::Kill, age, outer: None, known }
    }

    fn pids(processes: &[Process], wanted: &Wanted, looker: Looker) -> Vec<i32> {
        targets(processes, wanted, looker, 100).into_iter().map(|it| it.pid).collect()
    }

    #[test]
    fn children_without_the_mark_belong_to_those_that_have_it_and_nobody_else_does() {
        let processes = [
            process(1, 0, 1, Mark::None),
            process(5, 1, 1, Mark::None),
            process(10, 0, 10, Mark::Ours),
            process(11, 10, 10, Mark::None),
            process(12, 11, 12, Mark::None),
            process(13, 1, 10, Mark::None),
            process(14, 1, 14, Mark::Ours),
            process(20, 0, 20, Mark::AnotherRuns),
            process(21, 20, 20, Mark::None),
            process(90, 0, 90, Mark::None),
        ];
        assert_eq!(pids(&processes, &wanted(Some(100), &[]), INSIDE), [10, 11, 12, 13, 14]);
    }

    #[test]
    fn a_first_process_without_the_mark_is_found_where_there_is_only_one_that_it_can_be() {
        let mut processes = vec![
            process(1, 0, 1, Mark::None),
            process(40, 0, 40, Mark::None),
            process(60, 0, 60, Mark::None),
            process(61, 60, 61, Mark::None),
            process(70, 0, 70, Mark::AnotherRuns),
            process(90, 0, 90, Mark::None),
        ];
        assert_eq!(pids(&processes, &wanted(Some(50), &[]), INSIDE), [60, 61], "40 is older than the run");
        assert_eq!(pids(&processes, &wanted(Some(70), &[]), INSIDE), [0; 0], "it may be 40 or 60");
        assert_eq!(pids(&processes, &wanted(None, &[]), INSIDE), [0; 0], "it has ended");
        assert_eq!(pids(&processes[1..], &wanted(Some(50), &[]), INSIDE), [0; 0], "others are hidden");
        processes.push(process(80, 0, 80, Mark::Ours));
        assert_eq!(pids(&processes, &wanted(Some(50), &[]), INSIDE), [80], "it has the mark");
    }

    #[test]
    fn where_a_container_sees_the_machine_the_engines_number_says_which_is_the_first() {
        let looker = Looker { pid: 90, parent: 30 };
        let processes = [
            process(1, 0, 1, Mark::None),
            process(30, 1, 30, Mark::None),
            process(31, 30, 31, Mark::None),
            process(60, 30, 60, Mark::None),
            process(61, 30, 61, Mark::None),
        ];
        let mut wanted = wanted(Some(50), &[]);
        assert_eq!(pids(&processes, &wanted, looker), [0; 0]);
        wanted.outer = Some(60);
        assert_eq!(pids(&processes, &wanted, looker), [60]);
        wanted.outer = Some(31);
        assert_eq!(pids(&processes, &wanted, looker), [0; 0], "that is older than the run");
    }

    #[test]
    fn what_a_known_process_left_is_known_by_its_session_unless_the_number_has_a_new_owner() {
        let left = process(12, 1, 10, Mark::None);
        assert_eq!(pids(std::slice::from_ref(&left), &wanted(None, &[10]), INSIDE), [12]);
        let mut new = process(10, 1, 10, Mark::None);
        new.target.start = 77;
        assert_eq!(pids(&[left, new], &wanted(None, &[10]), INSIDE), [0; 0]);
    }

    #[test]
    fn one_that_has_ended_is_not_signalled_and_its_children_are() {
        let mut ended = process(10, 0, 10, Mark::Ours);
        ended.ended = true;
        assert_eq!(pids(&[ended, process(11, 10, 11, Mark::None)], &wanted(None, &[]), INSIDE), [11]);
    }

    #[test]
    fn a_mark_is_a_whole_variable() {
        assert_eq!(mark_in(b"A=1\0WATCHBELL_RUN=1\0", "WATCHBELL_RUN=1"), Mark::Ours);
        assert_eq!(mark_in(b"A=1\0WATCHBELL_RUN=12\0", "WATCHBELL_RUN=1"), Mark::AnotherRuns);
        assert_eq!(mark_in(b"A_WATCHBELL_RUN=1\0", "WATCHBELL_RUN=1"), Mark::None);
    }

    #[test]
    fn a_line_of_the_kernel_is_read_whatever_the_process_is_called() {
        let rest = "S 2 3 4 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 555 0 0";
        let read = parse(7, &format!("7 (a) Z 1) {rest}")).unwrap();
        assert_eq!((read.parent, read.group, read.session, read.target.start), (2, 3, 4, 555));
        assert!(!read.ended);
        assert_eq!(parse(7, "7 (a) S 2"), None);
    }
}
