//! The agent's own program as a helper in a container that has no shell: how it gets there, and what it does there.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio_util::io::ReaderStream;

use super::{
    processes::{self, Among, Looker},
    wanted::Wanted,
};

/// The first argument of the helper that ends processes. Nobody types it: it is no command of the command line.
pub const END: &str = "end-the-processes-of-a-run";

/// The first argument of the helper that only removes itself.
pub const REMOVE: &str = "remove-this-helper";

/// What the helper answers for each file that it removed, before the path.
pub const REMOVED: &str = "removed ";

/// A block of a tar archive.
const BLOCK: usize = 512;

const READ_CAPACITY: usize = 64 * 1024;

/// What the process is to print if it was begun as a helper: `path END mark signal age outer known [file…]`, or
/// `path REMOVE [file…]`.
pub fn answer(arguments: impl IntoIterator<Item = String>) -> Option<String> {
    let arguments: Vec<String> = arguments.into_iter().skip(1).collect();
    let (what, rest) = arguments.split_first()?;
    if what == REMOVE {
        return Some(remove(rest));
    }
    if what != END {
        return None;
    }
    let (words, files) = rest.split_at_checked(5)?;
    let wanted = Wanted::read(words)?;
    // First: what runs needs no name any more, and nothing can come in between.
    let removed = remove(files);
    Some(removed + &processes::end(&wanted, Looker::this(), Among::default()).unwrap_or_default().to_string())
}

fn remove(files: &[String]) -> String {
    let removed = files.iter().filter(|file| std::fs::remove_file(file).is_ok());
    removed.fold(String::new(), |said, file| said + REMOVED + file + "\n")
}

/// The program that is copied.
#[derive(Debug, Clone)]
pub struct Program(Arc<Path>);

impl Program {
    /// The agent's own.
    pub fn own() -> Self {
        Self(Path::new("/proc/self/exe").into())
    }

    /// Another one.
    pub fn at(path: PathBuf) -> Self {
        Self(path.into())
    }

    /// It as a tar archive that holds nothing else, under this name; an error says why it would not run elsewhere.
    pub async fn archive(
        &self,
        name: &str,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static, String> {
        let path = self.0.clone();
        let opened = tokio::task::spawn_blocking(move || open(&path)).await;
        let (file, size) = opened.map_err(|error| error.to_string()).flatten()?;
        let header = stream::iter([Ok(Bytes::copy_from_slice(&header(name, size)))]);
        let content = ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_CAPACITY);
        let rest = usize::try_from(size).map_err(|error| error.to_string())? % BLOCK;
        // The last block is filled up, and two empty ones are the end.
        let end = vec![0; (BLOCK - rest) % BLOCK + 2 * BLOCK];
        Ok(header.chain(content).chain(stream::iter([Ok(end.into())])))
    }
}

fn open(path: &Path) -> Result<(File, u64), String> {
    let unreadable = |error: io::Error| format!("the agent's program cannot be read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    if !is_static(&mut file).map_err(unreadable)? {
        return Err("the agent's program needs libraries that a container need not have: use the static one, which is \
                    that of the image"
            .to_owned());
    }
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    Ok((file, size))
}

/// Whether an ELF file of 64 bits names no interpreter, which would load its libraries.
fn is_static(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();
    let mut start = [0; 64];
    file.read_exact(&mut start)?;
    let [0x7f, b'E', b'L', b'F', 2, 1, ..] = start else { return Ok(false) };
    let offset = u64::from_le_bytes(start[32..40].try_into().unwrap_or_default());
    let length = u16::from_le_bytes([start[54], start[55]]);
    let count = u16::from_le_bytes([start[56], start[57]]);
    for index in 0..count {
        file.seek(SeekFrom::Start(offset + u64::from(index) * u64::from(length)))?;
        let mut kind = [0; 4];
        file.read_exact(&mut kind)?;
        if kind == INTERPRETER {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The header of a file of root's that everybody may execute.
fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name.get(..name.len().min(99)).unwrap_or("helper"));
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    // While the sum is made, blanks stand for it.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(segment: u32) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        (bytes[54], bytes[56]) = (56, 1);
        bytes.extend(segment.to_le_bytes());
        bytes.resize(64 + 56, 0);
        bytes
    }

    #[test]
    fn a_program_that_names_an_interpreter_is_not_static() {
        assert!(is_static(&mut io::Cursor::new(elf(1))).unwrap());
        assert!(!is_static(&mut io::Cursor::new(elf(3))).unwrap());
        assert!(!is_static(&mut io::Cursor::new(vec![b'#'; 64])).unwrap(), "a script");
    }

    #[tokio::test]
    async fn the_archive_is_one_that_tar_unpacks() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        let content = elf(1);
        std::fs::write(&program, &content).unwrap();
        let archive: Vec<_> = Program::at(program).archive(".copy-1").await.unwrap().collect().await;
        let archive: Vec<u8> = archive.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(archive.len(), 4 * BLOCK);
        let tar = dir.path().join("x.tar");
        std::fs::write(&tar, archive).unwrap();
        let unpacked =
            std::process::Command::new("tar").arg("-xf").arg(&tar).current_dir(dir.path()).status();
        assert!(unpacked.unwrap().success());
        assert_eq!(std::fs::read(dir.path().join(".copy-1")).unwrap(), content);
    }

    #[tokio::test]
    async fn a_program_that_is_not_static_is_refused_with_the_reason() {
        let why = Program::at("/bin/sh".into()).archive("x").await.err().unwrap();
        assert!(why.contains("needs libraries"), "{why}");
    }

    #[test]
    fn what_is_typed_is_never_taken_for_a_helper() {
        let asked = |words: &[&str]| answer(words.iter().map(|it| (*it).to_owned()));
        assert_eq!(asked(&["watchbell"]), None);
        assert_eq!(asked(&["watchbell", "daemon"]), None);
        assert_eq!(asked(&["watchbell", END, "m", "HUP", "-", "-", ""]), None);
        assert_eq!(asked(&["watchbell", REMOVE]), Some(String::new()));
    }
}
