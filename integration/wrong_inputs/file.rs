//! Wrong lines, sections and values of the INI file.

use super::{Case, Input, LINES_BEFORE, SECRET, check_all};

/// `wrong` stands between two good jobs; `line` is counted from its first line.
fn at(what: &'static str, wrong: impl AsRef<[u8]>, line: u32, reason: &'static str) -> Case {
    Case::new(what, Input::file(wrong.as_ref()), format!("config.ini:{}", LINES_BEFORE + line), reason)
}

/// In a job `x` that is right but for one line, its fourth and last.
fn in_job(what: &'static str, line: impl AsRef<[u8]>, reason: &'static str) -> Case {
    let job = b"[job-local \"x\"]\nschedule = @daily\ncommand = x\n";
    at(what, [&job[..], line.as_ref()].concat(), 4, reason).job("x")
}

/// Mistake 35.
#[test]
fn an_unknown_key_or_section_of_the_file_is_told_once_with_its_line() {
    check_all([
        in_job("an unknown key in a job", "shedule = @daily", "did you mean \"schedule\"?"),
        in_job("a slip in a file's key", "environment-fil = x", "did you mean \"environment-file\"?"),
        at("a slip in a setting's file", "[global]\ntimezone-fil = x", 2, "did you mean \"timezone-file\"?"),
        in_job("a key of another kind", "image = x", "it belongs to run"),
        at("an unknown key in the defaults", "[job-defaults]\nbanana = 1", 2, "unknown parameter \"banana\""),
        at(
            "a key of another kind in a kind's defaults",
            "[job-defaults-exec]\nimage = x",
            2,
            "belongs to run",
        ),
        at("an unknown setting", "[global]\nlog-levle = info", 2, "did you mean \"log-level\"?"),
        at("what says where the file is", "[global]\nconfig = x.ini", 2, "cannot stand in it"),
        at("an unknown section", "[glob]\nx = 1\ny", 1, "unknown section \"glob\""),
        at("an unknown kind", "[job-exce \"x\"]\nschedule = @daily", 1, "did you mean \"job-exec\"?"),
        at("an unknown kind's defaults", "[job-defaults-exce]\ntimeout = 1m", 1, "\"job-defaults-exec\"?"),
        at("a channel without a name", "[notify]\nurl = x", 1, "[notify \"name\"]"),
        at("a name where none belongs", "[global \"x\"]\nlog-level = warn", 1, "takes no name"),
        at("an indented section", "  [job-local \"x\"]\n\t comand = y", 2, "did you mean \"command\"?")
            .job("x"),
    ]);
}

#[test]
fn a_section_that_cannot_be_opened_is_told_once_with_its_line() {
    let twice =
        "[job-local \"x\"]\nschedule = @daily\ncommand = x\n[job-exec \"x\"]\nnonsense = 1\ncommand = y";
    let long = format!("[job-local \"{}\"]\nschedule = @daily\ncommand = x", "x".repeat(64));
    check_all([
        at("the same job twice", twice, 4, "the job is also defined at config.ini:5").job("x"),
        at("a bracket in a name", "[job-local \"a]b\"]\ncommand = x", 1, "contains \"]\""),
        at("no closing bracket", "[job-local \"x\"\ncommand = x", 1, "not closed"),
        at("text behind the bracket", "[job-local \"x\"] # nightly\ncommand = x", 1, "a line of its own"),
        at("a section without a name", "[]\nx = 1", 1, "the section has no name"),
        at("a job without a name", "[job-local]\ncommand = x", 1, "[job-local \"name\"]"),
        at("a name that is empty", "[job-local \"\"]\ncommand = x", 1, "[job-local \"name\"]"),
        at("a name that is too long", long, 1, "longer than 63 characters"),
        at("a name with a blank", "[job-local \"a b\"]\ncommand = x", 1, "contains ' '"),
        at("a name that ends with a dot", "[job-exec \"shop.web.\"]\ncommand = x", 1, "no name"),
    ]);
}

#[test]
fn a_line_that_cannot_be_read_is_told_once_with_its_line() {
    let secret = |tail: &[u8]| [b"environment = TOKEN=", SECRET.as_bytes(), tail].concat();
    let megabyte = [b"environment = ".as_slice(), &vec![b'x'; 1 << 20]].concat();
    let windows = b"[job-local \"x\"]\r\nschedule = @daily\r\n \r\n\r\ncomand = x\r\n";
    check_all([
        in_job("no equals sign", SECRET, "there is no \"=\""),
        in_job("no key", format!("= {SECRET}"), "nothing stands before the \"=\""),
        in_job("a NUL byte", secret(b"\0"), "U+0000"),
        in_job("an escape", secret(b"\x1b[1m"), "U+001B"),
        in_job("a lone carriage return", secret(b"\renabled = false"), "a carriage return stands inside"),
        in_job("bytes that are not UTF-8", secret(b"\xff\xfe"), "the line is not UTF-8"),
        in_job("a megabyte", megabyte, "at most 65536 are read"),
        at("a header that is not UTF-8", b"[job-local \"\xe9\"]\ncommand = x", 1, "the line is not UTF-8"),
        at("a mark inside the file", "\u{feff}[global]", 1, "a byte order mark").warning(),
        at("CRLF and blank lines", windows, 5, "did you mean \"command\"?").job("x"),
    ]);
}

#[test]
fn a_line_before_the_first_section_is_told_once() {
    let mut input = Input::file(b"");
    input.file.splice(0..0, *b"\xef\xbb\xbf# x\n\nschedule = @daily\ncommand = x\n");
    check_all([Case::new("lines without a section", input, "config.ini:3", "before the first section")]);
}

#[test]
fn a_wrong_value_of_the_file_is_told_once_with_its_line() {
    let job = |line: &str| format!("[job-local \"x\"]\n{line}\ncommand = x");
    let never = job("schedule = 0 0 30 2 *");
    check_all([
        in_job("a boolean", "enabled = maybe", "\"maybe\" is no boolean").value(),
        in_job("a length without a unit", "timeout = 90", "has no unit").value(),
        in_job("a length that is none", "grace-period = soon", "write for example 90s").value(),
        in_job("a word", "overlap = skipp", "did you mean \"skip\"?").value(),
        in_job("a zone", "timezone = Mars/Base", "Mars/Base").value(),
        in_job("an empty value", "workdir =", "the value is empty"),
        in_job("a key twice", "Schedule = @hourly", "is also given at config.ini:6"),
        in_job("a variable without a name", format!("environment = {SECRET}"), "item 1 is not NAME=VALUE"),
        in_job("a broken list", format!("environment = [\"A={SECRET}\""), "must be a JSON array"),
        in_job(
            "a list on several lines",
            format!("environment = [\n  \"A={SECRET}\",\n\n  \"B=2\"\n]\n"),
            "must be a JSON array",
        ),
        at(
            "the last of several items",
            "[job-local \"x\"]\nschedule = @daily\ncommand = x\nsuccess-codes = 0\nsuccess-codes = 1\nsuccess-codes = x",
            6,
            "\"x\" is no exit code",
        )
        .job("x")
        .value(),
        in_job("an undefined variable", "workdir = /x/${WHERE}", "the variable WHERE is not set").value(),
        in_job("a brace that is open", format!("environment = A={SECRET}${{X"), "\"${\" is not closed"),
        in_job("a file that is not there", format!("environment-file = {SECRET}"), "the file cannot be read"),
        in_job("a file for what is no secret", "workdir-file = x", "unknown parameter"),
        in_job("quotes", "workdir = \"/srv\"", "literal quotes").value().warning(),
        in_job("quotes in a list", "environment = \"A=1\"\nenvironment = 'B=2'", "literal quotes").warning(),
        at("shell syntax", job("schedule = @daily").replace("= x", "= a | b"), 3, "set shell=true")
            .job("x")
            .value()
            .warning(),
        at("a schedule", job("schedule = @dayly"), 2, "did you mean `@daily`?").job("x").value(),
        at("a schedule that never comes", never, 2, "never comes").job("x").value(),
        at("no schedule", job("user = x").replace("user = x", ""), 1, "schedule: it is missing").job("x"),
        at("no command", "[job-local \"x\"]\nschedule = @daily", 1, "command: it is missing").job("x"),
        at("a setting's length", "[global]\nshutdown-grace = 8", 2, "has no unit").value(),
        at("a setting's zone", "[global]\n\ttimezone =  Mars/X", 2, "unknown time zone `Mars/X`").value(),
        at("a setting's number", "[global]\nmax-concurrent-runs = 0", 2, "no number from 1").value(),
        at("a setting's variable", "[global]\ndocker-host = ${WHERE}", 2, "the variable WHERE is not set")
            .value(),
        at("a setting's file", format!("[global]\ntimezone-file = {SECRET}"), 2, "the file cannot be read"),
        at("a setting twice", "[global]\nlog-level = info\nlog-level = warn", 3, "instead of the value")
            .warning(),
    ]);
}

/// Mistake 38, among others.
#[test]
fn what_looks_odd_and_is_right_is_taken_without_a_word() {
    let odd = "\u{feff}# x\r\n \t \r\n  [ Job_Local   \"x\" ]\t\r\n\tSCHEDULE\t=\t@daily  \r\n\
               command = sh -c 'echo a; echo b # c' #y\r\nenvironment = PASSWORD=;#[x] = ${UNSET:-d}$$\r\n;\r\n";
    let mut input = Input::file(b"");
    input.file.splice(0..0, odd.bytes());
    let latin: &[u8] = b"# f\xfcr \0\n[global]\n[job-defaults]\n[global]\n";
    input.file.extend_from_slice(latin);
    let said = input.validate();
    assert_eq!((said.problems.len(), said.code), (0, Some(0)), "{}", said.text);
    assert!(said.jobs.contains_key("x") && said.jobs.len() == super::NEIGHBOURS.len() + 1, "{}", said.text);
}

/// Mistake 36.
#[test]
fn validate_passes_every_good_schedule_and_command_and_no_broken_file() {
    let schedules =
        ["*/5 * * * *", "0 0 1,15 * MON-FRI", "30 0 4 * * SUN", "@every 1h30m", "TZ=UTC 0 0 L * ?"];
    let commands = [
        "sh -c 'a; b # c'",
        "[\"a\", \"b c\", \"\"]",
        "curl 'http://x/?a=1&b=2'",
        "date +%H:%M",
        "[ -f /x ]",
    ];
    let jobs = schedules.iter().zip(commands).enumerate().map(|(number, (schedule, command))| {
        format!("[job-local \"j{number}\"]\nschedule = {schedule}\ncommand = {command}\n")
    });
    let said = Input::file(jobs.collect::<String>().as_bytes()).validate();
    assert_eq!((said.problems.len(), said.code), (0, Some(0)), "{}", said.text);
    assert_eq!(said.jobs.len(), super::NEIGHBOURS.len() + schedules.len());
    for broken in
        ["nonsense", "[open", "[unknown]", "[global]\nunknown = 1", "[job-local \"x\"]\nunknown = 1"]
    {
        assert_eq!(Input::file(broken.as_bytes()).validate().code, Some(1), "{broken}");
    }
}
