//! The configuration files: which were read, and whether they are still those of the host.

use std::os::unix::fs::MetadataExt;

use crate::{
    model::diagnostic::{Diagnostic, Severity},
    watch::file::SourceFile,
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::super::Status;
    use super::*;
    use crate::model::origin::Origin;

    #[test]
    fn a_file_that_was_replaced_since_it_was_mounted_is_told() {
        // What is left of a file that is gone is reached as a mount would reach it.
        let file = tempfile::tempfile().unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let check = check(&[SourceFile::new(&path, &Ok(Vec::new()))], &[]);
        assert_eq!(check.status, Status::Warning);
        assert!(check.found.contains("replaced"), "{}", check.found);
    }

    #[test]
    fn a_missing_default_file_is_fine_and_an_error_in_a_file_is_not() {
        let missing = SourceFile { path: "/nowhere".to_owned(), digest: None, optional: true };
        assert_eq!(check(std::slice::from_ref(&missing), &[]).status, Status::Ok);
        let told = [Diagnostic::error(Origin::Default, "words")];
        assert_eq!(check(&[missing], &told).status, Status::Error);
    }
}
