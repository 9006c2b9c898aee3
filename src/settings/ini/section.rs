//! A section's header → the section, or the reason why there is none.

use crate::{
    model::{
        diagnostic::did_you_mean,
        name::{JobId, JobKind, check_name},
    },
    settings::{channels::check_channel, params},
};

use super::CallerSort;

/// Where the lines that follow belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    /// Before the first header.
    Before,
    /// After a header that could not be taken: its lines are passed over, having been told of.
    PassedOver,
    Global,
    Defaults(Option<JobKind>),
    Job(JobId, JobKind),
    Caller(CallerSort, String),
    /// A channel that begins.
    NewChannel(String),
    /// The last of the channels.
    Channel,
}

/// Why a header opens no section.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was meant for the agent itself, or nobody knows for what: the agent does not start without it.
    Agent(String),
    /// It was meant for jobs, and costs no more than them.
    Jobs(String),
}

const SECTIONS: &str = "the sections are [global], [job-defaults], [job-defaults-<kind>], [job-<kind> \"name\"], [token \"name\"], \
     [user \"name\"] and [notify \"name\"]";

/// Reads what stands between the brackets.
pub(super) fn read(header: &str) -> Result<Section, Refused> {
    let (word, name) = match header.split_once(char::is_whitespace) {
        Some((word, name)) => (word, Some(name.trim())),
        // A name that follows its quote at once: [job-local"a"].
        None => match header.find('"') {
            Some(at) => (&header[..at], Some(&header[at..])),
            None => (header, None),
        },
    };
    let word = params::spelling(word);
    let name =
        name.map(|name| name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name));
    match (word.as_str(), name) {
        ("", _) => Err(Refused::Agent(format!("the section has no name: {SECTIONS}"))),
        ("global", None) => Ok(Section::Global),
        ("global", Some(_)) => Err(Refused::Agent("[global] takes no name".to_owned())),
        ("job-defaults", None) => Ok(Section::Defaults(None)),
        ("token", name) => caller(CallerSort::Token, name).map_err(Refused::Agent),
        ("user", name) => caller(CallerSort::User, name).map_err(Refused::Agent),
        ("notify", name) => channel(name).map_err(Refused::Agent),
        (word, name) => jobs(word, name),
    }
}

fn caller(sort: CallerSort, name: Option<&str>) -> Result<Section, String> {
    let word = sort.as_str();
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(format!("the section needs the {word}'s name: [{word} \"name\"]"));
    };
    check_name(name).map_err(|error| error.to_string().replace("job name", &format!("{word}'s name")))?;
    Ok(Section::Caller(sort, name.to_owned()))
}

fn channel(name: Option<&str>) -> Result<Section, String> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err("the section needs the channel's name: [notify \"name\"]".to_owned());
    };
    check_channel(name)?;
    Ok(Section::NewChannel(name.to_owned()))
}

fn jobs(word: &str, name: Option<&str>) -> Result<Section, Refused> {
    let defaults = word.strip_prefix("job-defaults").and_then(|rest| {
        let kind = rest.strip_prefix('-').unwrap_or(rest);
        (kind.is_empty() || rest.starts_with('-')).then_some(kind)
    });
    if let (Some(_), Some(_)) = (defaults, name) {
        return Err(Refused::Jobs(format!("[{word}] takes no name: it holds for all jobs")));
    }
    let Some(text) = defaults.or_else(|| word.strip_prefix("job-")) else { return Err(unknown(word)) };
    let kind = JobKind::parse(text).ok_or_else(|| unknown(word))?;
    if defaults.is_some() {
        return Ok(Section::Defaults(Some(kind)));
    }
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(Refused::Jobs(format!("the section needs the job's name: [{word} \"name\"]")));
    };
    identity(name).map(|id| Section::Job(id, kind)).map_err(Refused::Jobs)
}

/// A name, or the whole identity of a job that labels define, which ends with a name.
fn identity(text: &str) -> Result<JobId, String> {
    let id = JobId::parse(text).map_err(|error| error.to_string())?;
    let name = text.rsplit_once('.').map_or(text, |(_, name)| name);
    check_name(name).map_err(|error| error.to_string())?;
    Ok(id)
}

fn unknown(word: &str) -> Refused {
    let known: Vec<String> = JobKind::ALL
        .iter()
        .flat_map(|kind| [format!("job-{kind}"), format!("job-defaults-{kind}")])
        .chain(["global", "job-defaults", "token", "user", "notify"].map(str::to_owned))
        .collect();
    let hint = did_you_mean(word, known.iter().map(String::as_str)).unwrap_or_else(|| SECTIONS.to_owned());
    let reason = format!("unknown section \"{word}\", and its lines have no effect: {hint}");
    if word.starts_with("job") { Refused::Jobs(reason) } else { Refused::Agent(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, kind: JobKind) -> Section {
        Section::Job(JobId::plain(name), kind)
    }

    #[test]
    fn headers_are_read_in_any_letter_case_with_and_without_quotes() {
        assert_eq!(read("Global"), Ok(Section::Global));
        assert_eq!(read("JOB_DEFAULTS_EXEC"), Ok(Section::Defaults(Some(JobKind::Exec))));
        for header in ["job-exec \"shop.web.sync\"", "job-exec  shop.web.sync", "Job_Exec\"shop.web.sync\""] {
            assert_eq!(read(header), Ok(job("shop.web.sync", JobKind::Exec)), "{header}");
        }
    }

    #[test]
    fn a_header_that_opens_nothing_says_why_and_costs_no_more_than_it_must() {
        for (header, part) in [
            ("", "the section has no name"),
            ("\"x\"", "the section has no name"),
            ("globl", "did you mean \"global\"?"),
            ("global \"x\"", "[global] takes no name"),
            ("notify", "needs the channel's name"),
            ("notify \"a b\"", "the channel's name \"a b\" contains ' '"),
        ] {
            assert!(matches!(read(header), Err(Refused::Agent(reason)) if reason.contains(part)), "{header}");
        }
        let long = format!("job-local \"{}\"", "x".repeat(64));
        for (header, part) in [
            ("job-local", "needs the job's name: [job-local \"name\"]"),
            ("job-local \"\"", "needs the job's name"),
            ("job-exce \"a\"", "did you mean \"job-exec\"?"),
            ("job-defaults \"a\"", "takes no name"),
            ("job-defaults-exec \"a\"", "takes no name"),
            ("job-defaults-exce", "did you mean \"job-defaults-exec\"?"),
            ("job-local \"a b\"", "contains ' '"),
            ("job-local \"a", "contains '\"'"),
            ("job-local \"-a\"", "must begin with a letter or a digit"),
            ("job-exec \"web.\"", "has no name"),
            (&long, "longer than 63 characters"),
        ] {
            let refused = read(header);
            assert!(matches!(&refused, Err(Refused::Jobs(it)) if it.contains(part)), "{header}: {refused:?}");
        }
    }
}
