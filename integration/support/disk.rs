//! File systems of a test's own, which can be full, read-only or hang. They are mounted, so this needs root, as the tests of
//! a real Engine do.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A file system of its own, unmounted at the end.
pub struct Disk {
    folder: TempDir,
    /// What holds it, where that is a file; it may hang.
    image: Option<TempDir>,
}

impl Disk {
    /// In memory, of this size.
    pub fn new(size: &str) -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap(), image: None };
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        disk
    }

    /// One that can be made to hang: whoever writes to it then waits in the kernel, as with a network file system
    /// whose server is gone.
    pub fn that_can_hang() -> Self {
        let image = tempfile::tempdir().unwrap();
        let file = image.path().join("image");
        std::fs::File::create(&file).unwrap().set_len(32 << 20).unwrap();
        does(Command::new("/sbin/mkfs.ext4").arg("-q").arg(&file));
        let disk = Self { folder: tempfile::tempdir().unwrap(), image: Some(image) };
        disk.mount(&["-o", "loop", &file.display().to_string()]);
        disk
    }

    /// Whoever writes to it waits from now on.
    pub fn hang(&self) {
        does(Command::new("/sbin/fsfreeze").arg("--freeze").arg(self.path()));
    }

    /// It hangs no more.
    pub fn go_on(&self) {
        does(Command::new("/sbin/fsfreeze").arg("--unfreeze").arg(self.path()));
    }

    /// Mounts with these arguments.
    pub fn mount(&self, arguments: &[&str]) {
        let done = Command::new("mount").args(arguments).arg(self.folder.path()).output().unwrap();
        assert!(
            done.status.success(),
            "this test mounts a file system, and that is refused: run it as root, in a container with --cap-add \
             SYS_ADMIN: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no byte free; the answer is the file that takes them.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut size = 4 << 20;
        while size > 0 {
            let mut bytes = std::fs::read(&path).unwrap_or_default();
            let before = bytes.len();
            bytes.resize(before + size, 7);
            if std::fs::write(&path, &bytes).is_err() {
                let _ = std::fs::write(&path, &bytes[..before]);
                size /= 2;
            }
        }
        path
    }
}

fn does(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.image.is_some() {
            // One that hangs still would hold whoever writes to it for ever; otherwise there is nothing to do.
            let _ = Command::new("/sbin/fsfreeze").arg("--unfreeze").arg(self.folder.path()).output();
        }
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
