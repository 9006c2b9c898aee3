//! Single files that are mounted, and what became of them where they come from.

use std::path::Path;

/// Whether the file at `path` is mounted by itself and no longer stands under its name where it comes from: whoever
/// edits it there by putting a new file in its place leaves the mount with the old one.
pub fn is_moved(path: &str) -> bool {
    let Ok(path) = std::fs::canonicalize(path) else { return false };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    moved(&mounts, &path)
}

/// The kernel says under which name the mounted file goes now. Its first name was most likely that of the place that
/// it is mounted on; where the names never were alike, nothing can be told.
fn moved(mountinfo: &str, path: &Path) -> bool {
    let mount = mountinfo.lines().rev().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (Path::new(&unescaped(point)) == path).then(|| unescaped(root))
    });
    let Some(root) = mount else { return false };
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (there, here) = (name(Path::new(&root)), name(path));
    root.ends_with("//deleted") || there.zip(here).is_some_and(|(there, here)| is_backup(&there, &here))
}

/// Whether `there` is a name under which editors keep what they replaced: `config.ini~`, `config.ini.bak`,
/// `.config.ini.swp`.
fn is_backup(there: &str, here: &str) -> bool {
    there != here && there.trim_start_matches(['.', '#']).starts_with(here)
}

/// The kernel writes blanks and the like in octal.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_file_that_was_replaced_or_kept_as_a_backup_where_it_comes_from_is_seen() {
        let line = |root: &str| {
            format!(
                "1 2 8:1 / / rw - ext4 /dev/a rw\n7 1 8:1 {root} /etc/watchbell/config.ini rw - ext4 /dev/a rw"
            )
        };
        let moved = |root: &str| moved(&line(root), Path::new("/etc/watchbell/config.ini"));
        for root in [
            "/srv/wb/config.ini//deleted",
            "/srv/wb/config.ini~",
            "/srv/wb/config.ini.bak",
            "/srv/.config.ini.swp",
        ] {
            assert!(moved(root), "{root}");
        }
        for root in ["/srv/wb/config.ini", "/srv/my\\040jobs.ini"] {
            assert!(!moved(root), "{root}");
        }
        assert!(!super::moved(&line("/x~"), Path::new("/etc/other.ini")));
    }
}
