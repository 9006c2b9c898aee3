//! A folder that is held open: what is done in it is done there, wherever its path leads meanwhile. Links below the
//! channel's directory are never followed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use rustix::{
    fs::{
        AtFlags, Dir, FileType, Mode, OFlags, fchmod, fsync, mkdir, mkdirat, open, openat, renameat, statat,
        unlinkat,
    },
    io::Errno,
};

use super::names::{is_begun, stem};
use crate::{model::job::Retention, notify::trouble::Trouble};

/// A file that was begun so long ago has been given up, in seconds.
const GIVEN_UP: i64 = 24 * 60 * 60;

/// Who begins a file twice, because the first time hangs, begins two.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// A folder.
#[derive(Debug)]
pub struct Folder {
    held: OwnedFd,
    path: PathBuf,
}

/// A file that nobody sees yet under its name; it is gone again unless it is finished.
#[derive(Debug)]
pub struct Begun<'a> {
    folder: &'a Folder,
    file: File,
    unfinished: String,
    name: String,
    finished: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // Why it was not finished is told already; what stays is removed as given up.
            let _ = unlinkat(&self.folder.held, &self.unfinished, AtFlags::empty());
        }
    }
}

impl Folder {
    /// The channel's directory. Only the last part of its path is made: where that before is missing, a disk may be.
    pub fn root(path: &Path, mode: u32) -> Result<Self, Trouble> {
        let new = made(mkdir(path, for_folder(mode))).map_err(|it| trouble("making", path, it))?;
        let held = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Self { held: held.map_err(|it| trouble("opening", path, it))?, path: path.to_owned() }
            .whole(new, mode)
    }

    /// A folder in it.
    pub fn inner(&self, name: &str, mode: u32) -> Result<Self, Trouble> {
        let path = self.path.join(name);
        let new =
            made(mkdirat(&self.held, name, for_folder(mode))).map_err(|it| trouble("making", &path, it))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held =
            openat(&self.held, name, flags, Mode::empty()).map_err(|it| trouble("opening", &path, it))?;
        Self { held, path }.whole(new, mode)
    }

    /// A new one has the mode that was asked for, whatever the process leaves out by itself.
    fn whole(self, new: bool, mode: u32) -> Result<Self, Trouble> {
        if new {
            fchmod(&self.held, for_folder(mode))
                .map_err(|it| trouble("setting the mode of", &self.path, it))?;
        }
        Ok(self)
    }

    /// Begins a file.
    pub fn begin(&self, stem: &str, kind: &str, mode: u32) -> Result<Begun<'_>, Trouble> {
        let name = format!("{stem}.{kind}");
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let begun = format!(".{name}.{}-{number}.part", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(&self.held, &begun, flags, Mode::from_raw_mode(mode | 0o200));
        let opened = match open() {
            // An agent of the same number began it, and is gone.
            Err(Errno::EXIST) => unlinkat(&self.held, &begun, AtFlags::empty()).and_then(|()| open()),
            other => other,
        };
        let file = opened.map_err(|it| trouble("writing", &self.path.join(&name), it))?;
        Ok(Begun { folder: self, file: file.into(), unfinished: begun, name, finished: false })
            .and_then(|it| it.with_mode(mode))
    }

    /// What was done in it survives that the power fails.
    pub fn sync(&self) -> Result<(), Trouble> {
        fsync(&self.held).map_err(|it| trouble("writing", &self.path, it))
    }

    /// Removes what need not be kept, but never what was just written, and nothing that is not named as we name it.
    pub fn prune(&self, newest: &str, keep: Retention, now: Timestamp) -> Result<(), Trouble> {
        let pruned = self.entries(now).and_then(|(groups, given_up)| {
            let gone = beyond(&groups, newest, keep);
            let files =
                groups.iter().filter(|(stem, _)| gone.contains(stem.as_str())).flat_map(|(_, it)| &it.names);
            for name in files.chain(&given_up) {
                match unlinkat(&self.held, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        pruned.map_err(|error| {
            let path = self.path.display();
            Trouble::lasting(format!(
                "it is saved, but older files in {path} stay ({error}): check who may remove them"
            ))
        })
    }

    /// Our own files by their runs, and those that were given up.
    fn entries(&self, now: Timestamp) -> Result<(BTreeMap<String, Group>, Vec<String>), Errno> {
        let (mut groups, mut given_up) = (BTreeMap::<String, Group>::new(), Vec::new());
        for entry in Dir::read_from(&self.held)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let run = stem(name);
            if run.is_none() && !is_begun(name) {
                continue;
            }
            let facts = match statat(&self.held, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
                continue;
            }
            let age = now.as_second() - facts.st_mtime;
            match run {
                Some(run) => {
                    let group = groups.entry(run.to_owned()).or_insert(Group { names: Vec::new(), age });
                    group.age = group.age.min(age);
                    group.names.push(name.to_owned());
                }
                None if age > GIVEN_UP => given_up.push(name.to_owned()),
                None => {}
            }
        }
        Ok((groups, given_up))
    }
}

impl Begun<'_> {
    fn with_mode(self, mode: u32) -> Result<Self, Trouble> {
        let set = fchmod(&self.file, Mode::from_raw_mode(mode));
        set.map_err(|it| trouble("setting the mode of", &self.path(), it)).map(|()| self)
    }

    fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    /// Writes more of it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.file.write_all(bytes).map_err(|it| told("writing", &self.path(), &it))
    }

    /// Gives it its name.
    pub fn finish(mut self) -> Result<(), Trouble> {
        self.file.sync_data().map_err(|it| told("writing", &self.path(), &it))?;
        let held = &self.folder.held;
        renameat(held, &self.unfinished, held, &self.name)
            .map_err(|it| trouble("writing", &self.path(), it))?;
        self.finished = true;
        Ok(())
    }
}

/// The files of a run.
#[derive(Debug)]
struct Group {
    names: Vec<String>,
    /// How long ago it was last written to, in seconds.
    age: i64,
}

/// Which runs are not to be kept.
fn beyond<'a>(groups: &'a BTreeMap<String, Group>, newest: &str, keep: Retention) -> BTreeSet<&'a str> {
    let most = keep.runs.map_or(usize::MAX, |it| usize::try_from(it.max(1)).unwrap_or(usize::MAX));
    let oldest = keep.age.map_or(i64::MAX, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX));
    // What was just written comes first, then the newest, which their IDs tell.
    let mut stems: Vec<_> = groups.iter().map(|(stem, it)| (stem != newest, it.age, &**stem)).collect();
    stems.sort_by(|(other, _, stem), (their, _, others)| other.cmp(their).then(others.cmp(stem)));
    let stays = |at: usize, age: i64| at == 0 || (at < most && age <= oldest);
    let gone = stems.into_iter().enumerate().filter(|(at, (_, age, _))| !stays(*at, *age));
    gone.map(|(_, (.., stem))| stem).collect()
}

/// Whether it is new; one that is there already will do.
fn made(answer: Result<(), Errno>) -> Result<bool, Errno> {
    match answer {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who may read a folder may enter it.
fn for_folder(mode: u32) -> Mode {
    Mode::from_raw_mode(mode | ((mode & 0o444) >> 2) | 0o700)
}

fn trouble(what: &str, path: &Path, error: Errno) -> Trouble {
    told(what, path, &error.into())
}

/// An operator can mend each of these.
fn told(what: &str, path: &Path, error: &io::Error) -> Trouble {
    let mend = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "make room, or set keep",
        Some(Errno::ROFS) => "mount it so that it can be written",
        Some(Errno::ACCESS | Errno::PERM) => "let the agent's user write there",
        Some(Errno::LOOP | Errno::NOTDIR) => "put a folder there, and no link or file",
        Some(Errno::NOENT) => "make the folder above it, or mount it",
        _ => "check its disk",
    };
    Trouble::passing(format!("{what} {} failed ({error}): {mend}", path.display()))
}
