//! Which files are read, in which order; and reading them so that no file can take all memory.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::{Path, PathBuf},
};

use glob::MatchOptions;

/// The largest INI file, in bytes.
const FILE_LIMIT: u64 = 16 << 20;
/// The largest file that holds one value, in bytes.
const SECRET_LIMIT: u64 = 64 << 10;

/// What stands where one argument points.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Not a directory and not a pattern: a file, which may not be there.
    File,
    /// A directory, with the paths of what is in it.
    Directory(Vec<String>),
    /// A pattern, with the paths of the files that match it.
    Matches(Vec<String>),
    /// It cannot be looked at, and why.
    Unreadable(String),
}

/// What is said about one argument.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing can be read there.
    Wrong(String),
    /// There is nothing to read.
    Empty(String),
}

/// The files to read: arguments in their order, within one in lexical order, each file once, where it comes first.
/// `same` gives what two names of one file have in common.
pub fn arrange<T: Ord>(
    arguments: Vec<(String, Found)>,
    same: impl Fn(&str) -> T,
) -> (Vec<String>, Vec<Trouble>) {
    let (mut files, mut troubles, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (argument, found) in arguments {
        let mut paths = match found {
            Found::File => vec![argument],
            Found::Directory(inside) => {
                let ini: Vec<String> = inside.into_iter().filter(|path| is_ini(path)).collect();
                if ini.is_empty() {
                    troubles.push(Trouble::Empty(format!("the directory {argument} holds no *.ini file")));
                }
                ini
            }
            Found::Matches(paths) => {
                if paths.is_empty() {
                    troubles.push(Trouble::Wrong(format!("no file matches {argument}")));
                }
                paths
            }
            Found::Unreadable(reason) => {
                troubles.push(Trouble::Wrong(format!("{argument} cannot be read: {reason}")));
                continue;
            }
        };
        paths.sort();
        files.extend(paths.into_iter().filter(|path| seen.insert(same(path))));
    }
    (files, troubles)
}

/// Hidden files are an editor's or a volume's, and nobody's configuration.
fn is_ini(path: &str) -> bool {
    let path = Path::new(path);
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|it| it == "ini")
}

/// Looks what stands where an argument points. A path that is there is never a pattern.
pub fn look(argument: &str) -> Found {
    let path = Path::new(argument);
    if path.is_dir() {
        return match directory(path) {
            Ok(inside) => Found::Directory(inside),
            Err(reason) => Found::Unreadable(reason),
        };
    }
    if path.exists() || !argument.contains(['*', '?', '[']) {
        return Found::File;
    }
    match matches(argument) {
        Ok(paths) => Found::Matches(paths),
        Err(reason) => Found::Unreadable(reason),
    }
}

fn directory(path: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(path).map_err(|error| error.to_string())?;
    let paths = entries.map(|entry| entry.map(|it| it.path()).map_err(|error| error.to_string()));
    paths.filter(|path| path.as_ref().map_or(true, |it| !it.is_dir())).map(|path| name(&path?)).collect()
}

fn matches(pattern: &str) -> Result<Vec<String>, String> {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = glob::glob_with(pattern, options).map_err(|error| format!("it is no pattern: {error}"))?;
    let paths = paths.map(|path| path.map_err(|error| error.to_string()));
    paths.filter(|path| path.as_ref().map_or(true, |it| !it.is_dir())).map(|path| name(&path?)).collect()
}

fn name(path: &Path) -> Result<String, String> {
    let name = path.to_str().map(str::to_owned);
    name.ok_or_else(|| format!("the name {} is not UTF-8: rename it", path.display()))
}

/// What two names of one file have in common.
pub fn identity(path: &str) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

/// The content of an INI file.
pub fn contents(path: &str) -> io::Result<Vec<u8>> {
    limited(path, FILE_LIMIT)
}

/// The value in a file that holds one, without its last newline; or why there is none, in words that repeat neither
/// the path nor the content.
pub fn secret(contents: io::Result<Vec<u8>>) -> Result<String, String> {
    let bytes = contents.map_err(|error| format!("the file cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(text.to_owned())
}

/// The bytes of a file that holds one value.
pub fn secret_contents(path: &str) -> io::Result<Vec<u8>> {
    limited(path, SECRET_LIMIT)
}

fn limited(path: &str, limit: u64) -> io::Result<Vec<u8>> {
    // Anything else, such as a pipe, could keep its reader waiting for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {} KiB", limit >> 10)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arguments_keep_their_order_and_what_one_stands_for_is_in_lexical_order() {
        let (files, troubles) = arrange(
            vec![
                ("z.ini".into(), Found::File),
                (
                    "d".into(),
                    Found::Directory(paths(&["d/b.ini", "d/a.ini", "d/.c.ini", "d/x.txt", "d/ini"])),
                ),
                ("p*".into(), Found::Matches(paths(&["p2.conf", "p10.conf"]))),
            ],
            str::to_owned,
        );
        assert_eq!(files, ["z.ini", "d/a.ini", "d/b.ini", "p10.conf", "p2.conf"]);
        assert_eq!(troubles, []);
    }

    #[test]
    fn a_file_that_is_named_twice_is_read_once_where_it_comes_first() {
        let named = vec![
            ("b.ini".into(), Found::File),
            ("./a.ini".into(), Found::File),
            ("d".into(), Found::Matches(paths(&["a.ini", "b.ini", "c.ini"]))),
        ];
        let (files, _) = arrange(named, |path| path.trim_start_matches("./").to_owned());
        assert_eq!(files, ["b.ini", "./a.ini", "c.ini"]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_wrong_and_an_empty_directory_is_only_empty() {
        let named = vec![
            ("*.ini".into(), Found::Matches(vec![])),
            ("d".into(), Found::Directory(paths(&["d/README"]))),
            ("e".into(), Found::Unreadable("permission denied".into())),
        ];
        let (files, troubles) = arrange(named, str::to_owned);
        assert_eq!(files, [""; 0]);
        assert_eq!(
            troubles,
            [
                Trouble::Wrong("no file matches *.ini".into()),
                Trouble::Empty("the directory d holds no *.ini file".into()),
                Trouble::Wrong("e cannot be read: permission denied".into()),
            ]
        );
    }

    #[test]
    fn files_are_found_by_directory_and_pattern() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        std::fs::create_dir_all(at("sub/deep")).unwrap();
        std::fs::create_dir(at("d.ini")).unwrap();
        for name in ["b.ini", "a.ini", ".h.ini", "[x].ini", "sub/c.ini", "sub/deep/d.ini"] {
            std::fs::write(at(name), "").unwrap();
        }
        let named = |pattern: &str| arrange(vec![(at(pattern), look(&at(pattern)))], identity).0;
        let all = |names: &[&str]| names.iter().map(|name| at(name)).collect::<Vec<_>>();
        assert_eq!(named(""), all(&["[x].ini", "a.ini", "b.ini"]));
        assert_eq!(named("?.ini"), all(&["a.ini", "b.ini"]));
        assert_eq!(named("sub/**/*.ini"), all(&["sub/c.ini", "sub/deep/d.ini"]));
        assert_eq!(named("[x].ini"), all(&["[x].ini"]), "a path that is there is no pattern");
        assert!(matches!(look(&at("[x.ini")), Found::Unreadable(it) if it.starts_with("it is no pattern")));
    }

    #[test]
    fn a_value_out_of_a_file_loses_one_newline_and_must_be_small_text() {
        let read = |bytes: &[u8]| secret(Ok(bytes.to_vec()));
        assert_eq!(read(b"a\n\n"), Ok("a\n".into()));
        assert_eq!(read(b"a\r\n"), Ok("a".into()));
        assert_eq!(read(b" a "), Ok(" a ".into()));
        assert_eq!(read(b"hunter2\xff"), Err("the file is not UTF-8".into()));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large").display().to_string();
        std::fs::write(&path, vec![b'x'; 64 * 1024]).unwrap();
        assert!(secret(secret_contents(&path)).is_ok());
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert_eq!(
            secret(secret_contents(&path)),
            Err("the file cannot be read: it is larger than 64 KiB".into())
        );
    }
}
