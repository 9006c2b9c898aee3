//! The variables of a command: from files beside the agent, from the job, and the mark by which its processes are found.

use std::{fs::File, io::Read, path::Path};

use crate::model::{job::Environment, variable};

use super::{order::RunOrder, unit::MARK};

/// The largest file of variables, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// `NAME=VALUE` in the order in which the later goes over the earlier: files, `added`, the mark. An error is about a
/// file and never shows what is in it.
pub async fn environment(
    order: &RunOrder,
    files: &[String],
    added: &Environment,
) -> Result<Vec<String>, String> {
    let mut variables = Vec::new();
    for path in files {
        let file = path.clone();
        // A file may lie on a disk that is slow or gone.
        let read = tokio::task::spawn_blocking(move || variables_of(&file)).await;
        variables.extend(read.map_err(|error| error.to_string()).flatten()?);
    }
    // Engines and kernels differ in which of two equal names counts; so only one is handed over.
    variables.retain(|it| added.0.iter().all(|(name, _)| *name != name_of(it)));
    variables.extend(added.0.iter().map(|(name, value)| format!("{name}={value}")));
    variables.push(format!("{MARK}={}", order.run));
    Ok(variables)
}

fn name_of(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

fn variables_of(path: &str) -> Result<Vec<String>, String> {
    let unreadable = |error: std::io::Error| format!("the env-file {path} cannot be read: {error}");
    // Opening anything else could wait for ever.
    if !std::fs::metadata(Path::new(path)).map_err(unreadable)?.is_file() {
        return Err(format!("the env-file {path} is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT) {
        return Err(format!("the env-file {path} is larger than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("the env-file {path} is not UTF-8"))?;
    parse(&text).map_err(|(line, reason)| format!("the env-file {path}: line {line} {reason}"))
}

/// One `NAME=VALUE` a line; empty lines and those that begin with `#` are passed over. An error is the line's number and what is wrong with it.
fn parse(text: &str) -> Result<Vec<String>, (usize, &'static str)> {
    let mut variables: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, _) = variable::parse(line).map_err(|reason| (number, reason))?;
        variables.retain(|it| name_of(it) != name);
        variables.push(line.to_owned());
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_variable_a_line_and_the_later_counts() {
        assert_eq!(parse("\u{feff}# c\n\n A=1\nB=x=y # z\r\nA=2\n").unwrap(), ["B=x=y # z", "A=2"]);
        assert_eq!(parse("A=1\nexport B=2\n").unwrap_err().0, 2);
        assert_eq!(parse("hunter2"), Err((1, "is not NAME=VALUE")));
        assert_eq!(parse("A=hunter\0"), Err((1, "contains a NUL character")));
    }
}
