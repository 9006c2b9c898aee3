//! The configuration files: which were read, and whether they are still those of the host.

use std::os::unix::fs::MetadataExt;

use crate::{
    cli::files::SourceFile,
    model::diagnostic::{Diagnostic, Severity},
};

use super::Check;

const NAME: &str = "files";

/// `told` is what loading them found.
pub(super) fn check(files: &[SourceFile], told: &[Diagnostic]) -> Check {
    let read: Vec<&str> = files.iter().filter(|it| it.digest.is_some()).map(|it| it.path.as_str()).collect();
    let found = if read.is_empty() {
        "no file was read, and none need be there".to_owned()
    } else {
        format!("read {}", read.join(", "))
    };
    let errors = told.iter().filter(|it| it.severity == Severity::Error).count();
    if errors > 0 {
        return Check::error(
            NAME,
            format!("{found}; {errors} errors in files and settings"),
            "the agent does not start with these: mend what is told below",
        );
    }
    let replaced: Vec<&str> =
        read.into_iter().filter(|path| std::fs::metadata(path).is_ok_and(|it| it.nlink() == 0)).collect();
    if !replaced.is_empty() {
        return Check::warning(
            NAME,
            format!(
                "{} was replaced on the host since it was mounted, and the old one is read",
                replaced.join(", ")
            ),
            "mount the folder in place of the file, or start this container anew",
        );
    }
    Check::ok(NAME, found)
}
