//! What tells the agent of one state directory from the others on the same Engine: a number that was drawn once. It is on
//! all that the agent makes there, so that no agent ever touches what belongs to another.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

/// The file in the state directory. It is none of the database's, whose damage must not make us a stranger.
const FILE: &str = "installation";

/// As many digits and letters as there are in one.
const LENGTH: usize = 26;

/// What tells one agent from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The number, as text.
    pub id: Arc<str>,
    /// Whether no agent had it before, so that nothing on the Engine can be of it.
    pub is_new: bool,
}

/// The one of this state directory; drawn now if it has none. Where it cannot be kept, it holds for this life only.
pub fn of(directory: &Path) -> Installation {
    let path = directory.join(FILE);
    if let Some(known) = read(&path) {
        return known;
    }
    let drawn = unknown();
    // Only one can make it; another agent here would be refused by its socket, and the file says who was first.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match made.and_then(|mut file| writeln!(file, "{}", drawn.id)) {
        Ok(()) => drawn,
        Err(_) => read(&path).unwrap_or(drawn),
    }
}

/// One that nobody has.
pub fn unknown() -> Installation {
    Installation { id: ulid::Ulid::generate().to_string().into(), is_new: true }
}

fn read(path: &Path) -> Option<Installation> {
    let text = std::fs::read_to_string(path).ok()?;
    let id = text.trim();
    let is_one = id.len() == LENGTH && id.bytes().all(|it| it.is_ascii_alphanumeric());
    is_one.then(|| Installation { id: id.into(), is_new: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same_and_differs_between_directories() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let first = of(one.path());
        assert!(first.is_new);
        assert_eq!(of(one.path()), Installation { is_new: false, ..first.clone() });
        assert_ne!(of(other.path()), first);
        assert_ne!(of(Path::new("/nowhere/at/all")), of(Path::new("/nowhere/at/all")));
    }
}
