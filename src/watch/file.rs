//! Keeps what the files say up to date: looks at them every few seconds, and at SIGHUP at once.
//!
//! Looking is asking for size, times and inode, through links and past mounts; that sees a write in place, a file put
//! in another's place and a link that points elsewhere alike, which a watch on the file itself would not. What cannot
//! be taken as it is changes nothing: the old set stays, and the reason is told.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::MetadataExt,
    sync::Arc,
    time::Duration,
};

use tokio::{signal::unix::Signal, sync::watch, time::sleep};

use crate::{
    model::{
        diagnostic::{Diagnostic, Severity},
        origin::Origin,
    },
    settings::resolve::Sources,
    telemetry::report,
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long a file must have stayed the same before it is read: whoever writes it in place has it empty for a moment.
const SETTLED: Duration = Duration::from_secs(1);

/// A file that never stays the same is read all the same after so many looks.
const LOOKS: u32 = 4;

/// One reading of everything that is no label.
#[derive(Debug)]
pub struct Reading {
    /// What was read.
    pub sources: Sources,
    /// What is wrong with files and settings; an error among it means that this cannot be taken.
    pub diagnostics: Vec<Diagnostic>,
    /// Every file that was looked at, in order, those that are missing included.
    pub files: Vec<SourceFile>,
}

/// A file as it was found: two that are equal hold the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as it was named or found.
    pub path: String,
    /// A digest of what it holds; `None` if it is not there or cannot be read.
    pub digest: Option<u64>,
    /// Whether it may be missing, when the agent starts.
    pub optional: bool,
}

impl SourceFile {
    /// The file at `path` with what was read there.
    pub fn new(path: &str, contents: &io::Result<Vec<u8>>) -> Self {
        let digest = contents.as_ref().ok().map(|bytes| {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            hasher.finish()
        });
        Self { path: path.to_owned(), digest, optional: false }
    }
}

impl Reading {
    /// Whether it must not be taken: what cannot be read is never taken for empty.
    pub fn is_broken(&self) -> bool {
        self.diagnostics.iter().any(|it| it.severity == Severity::Error)
    }
}

/// How the files are read; the same way at the start and later.
#[derive(Clone)]
pub struct Reader {
    /// Reads them.
    pub read: Arc<dyn Fn() -> Reading + Send + Sync>,
    /// The paths of all files that there are to read now, by name and by pattern.
    pub paths: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// What all the files look like, without reading them.
pub fn look(reader: &Reader, known: &[SourceFile]) -> u64 {
    let mut sum = DefaultHasher::new();
    let paths: BTreeSet<String> =
        (reader.paths)().into_iter().chain(known.iter().map(|file| file.path.clone())).collect();
    for path in &paths {
        path.hash(&mut sum);
        // The path may have become a link to another file, which is the change that is looked for.
        std::fs::metadata(path)
            // The link count tells of a mounted file that lost its place on the host, and its times do as well.
            .map(|it| {
                let times = (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec());
                (it.dev(), it.ino(), it.size(), it.nlink(), times)
            })
            .map_err(|error| error.kind())
            .hash(&mut sum);
    }
    sum.finish()
}

/// Looks at the files for as long as the agent lives.
#[derive(Debug)]
pub struct FileWatcher {
    /// How they are read.
    pub reader: Reader,
    /// The files of the reading that is in force.
    pub files: Vec<SourceFile>,
    /// The files of the last reading, whether it could be taken or not.
    pub watched: Vec<SourceFile>,
    /// What they looked like before that reading.
    pub seen: u64,
    /// Where what was read goes.
    pub sources: watch::Sender<Arc<Sources>>,
}

impl FileWatcher {
    /// Watches for ever; `hangup` asks for a reading at once.
    pub async fn watch(mut self, mut hangup: Signal) {
        loop {
            let asked = tokio::select! {
                Some(()) = hangup.recv() => true,
                () = sleep(LOOK_EVERY) => false,
            };
            let Some(seen) = self.changed(asked).await else { continue };
            self.seen = seen;
            let read = self.reader.read.clone();
            // A disk that is slow or gone holds up nothing else.
            match tokio::task::spawn_blocking(move || read()).await {
                Ok(reading) => self.take(reading, asked),
                Err(error) => report::problem(&Diagnostic::error(
                    Origin::Place("files".into()),
                    format!("they could not be read: {error}"),
                )),
            }
        }
    }

    /// What the files look like now, if that is a reason to read them.
    async fn changed(&self, asked: bool) -> Option<u64> {
        let mut now = self.look().await?;
        if asked || now == self.seen {
            return asked.then_some(now);
        }
        for _ in 0..LOOKS {
            sleep(SETTLED).await;
            let again = self.look().await?;
            if std::mem::replace(&mut now, again) == again {
                break;
            }
        }
        // It may be as it was.
        (now != self.seen).then_some(now)
    }

    async fn look(&self) -> Option<u64> {
        let (reader, files) = (self.reader.clone(), self.watched.clone());
        tokio::task::spawn_blocking(move || look(&reader, &files)).await.ok()
    }

    fn take(&mut self, mut reading: Reading, asked: bool) {
        self.watched.clone_from(&reading.files);
        let gone = self.files.iter().filter(|old| {
            old.optional
                && old.digest.is_some()
                && reading.files.iter().any(|new| new.path == old.path && new.digest.is_none())
        });
        reading.diagnostics.extend(gone.map(|file| {
            let reason = "the file is gone: put it back, or start the agent again to go on without it";
            Diagnostic::error(Origin::Place(format!("file {}", file.path).into()), reason)
        }));
        let refused_before = !self.sources.borrow().refused.is_empty();
        if reading.is_broken() {
            let wrong = reading.diagnostics.into_iter().filter(|it| it.severity == Severity::Error);
            // Also the job that it is about stays as it was.
            let kept = |it: Diagnostic| Diagnostic {
                reason: format!("{}; what was read before stays in force", it.reason),
                rejects: false,
                ..it
            };
            let refused: Vec<_> = wrong.map(kept).collect();
            self.sources.send_modify(|sources| Arc::make_mut(sources).refused = refused);
            return;
        }
        let same_compose = reading.sources.compose == self.sources.borrow().compose;
        if reading.files == self.files && same_compose && !asked && !refused_before {
            // What is said of files, such as that a mount shows an old one, may have changed although they have not.
            let news = reading.sources.diagnostics;
            if self.sources.borrow().diagnostics != news {
                self.sources.send_modify(|sources| Arc::make_mut(sources).diagnostics = news);
            }
            return;
        }
        let files = reading.files.iter().filter(|file| file.digest.is_some()).count();
        self.files = reading.files;
        let mut sources = reading.sources;
        sources.started.clone_from(&self.sources.borrow().started);
        // Whoever reads that it was done finds it in force, and before anything that follows from it.
        self.sources.send_modify(|now| {
            *now = Arc::new(sources);
            report::config_reloaded(files);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::signal::unix::{SignalKind, signal};

    use super::*;
    use crate::settings::{
        global::layers::Upper,
        ini,
        resolve::{View, resolve},
    };

    /// A default file whose content the test sets; a file of the system stands for what it looks like.
    fn reader(content: &Arc<Mutex<Option<String>>>, place: &std::path::Path) -> Reader {
        let (content, path) = (content.clone(), place.display().to_string());
        let paths = vec![path.clone()];
        let read = move || {
            let text = content.lock().unwrap().clone();
            let found = text.clone().map(String::into_bytes).ok_or_else(|| io::ErrorKind::NotFound.into());
            let outside = ini::Outside { variable: &|_| None, file: &|_| Err(String::new()) };
            let file = ini::read(&path, text.unwrap_or_default().as_bytes(), outside);
            let sources = Sources::new(file, Upper::default(), Vec::new());
            let files = vec![SourceFile { optional: true, ..SourceFile::new(&path, &found) }];
            Reading { diagnostics: sources.mistakes(), sources, files }
        };
        Reader { read: Arc::new(read), paths: Arc::new(move || paths.clone()) }
    }

    #[tokio::test]
    async fn a_default_file_that_goes_is_told_and_keeps_its_jobs_until_it_is_back() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("config.ini");
        let job = "[job-local \"a\"]\nschedule = @daily\ncommand = true\n";
        let content = Arc::new(Mutex::new(Some(job.to_owned())));
        let reader = reader(&content, &place);
        let Reading { sources, files, .. } = (reader.read)();
        let (sender, mut sources) = watch::channel(Arc::new(sources));
        let seen = look(&reader, &files);
        let watcher = FileWatcher { reader, watched: files.clone(), files, seen, sources: sender };
        let hangup = signal(SignalKind::hangup()).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(watcher.watch(hangup));
        let say = |number: u8, text: Option<&str>| {
            *content.lock().unwrap() = text.map(str::to_owned);
            std::fs::write(&place, [number]).unwrap();
        };

        say(1, None);
        sources.changed().await.unwrap();
        let now = sources.borrow_and_update().clone();
        assert_eq!(now.refused.len(), 1);
        assert!(now.refused[0].reason.starts_with("the file is gone"), "{:?}", now.refused);
        assert_eq!(now.file.jobs.len(), 1);

        say(2, Some(job));
        sources.changed().await.unwrap();
        let now = sources.borrow_and_update().clone();
        assert_eq!((now.refused.len(), now.file.jobs.len()), (0, 1));

        say(3, Some(&job.replace("command =", "command")));
        sources.changed().await.unwrap();
        let now = sources.borrow_and_update().clone();
        let desired = resolve(&now, View::FilesOnly, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(
            desired.jobs.len(),
            1,
            "the job with the broken line stays too: {:?}",
            desired.diagnostics
        );
        assert!(now.refused[0].reason.contains("there is no \"=\""), "{:?}", now.refused);
    }
}
