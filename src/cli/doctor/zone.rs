//! The zone of schedules, and where its rules are from.

use std::path::Path;

use crate::{model::schedule::Zone, settings::global::Settings};

use super::{Check, Environment};

/// Where systems keep the rules of zones; where they are not, those that were built in count.
const RULES: &str = "/usr/share/zoneinfo";

/// Which zone counts. Whether it exists was asked when the settings were read.
pub(super) fn check(settings: &Settings, environment: &Environment) -> Check {
    const NAME: &str = "timezone";
    let zone = settings.timezone.name();
    let folder = environment.get("TZDIR").filter(|it| !it.is_empty()).map_or(RULES, String::as_str);
    let file = Path::new(folder).join(zone);
    let is_system = file.is_file() && !settings.timezone.is_built_in();
    let whence = if is_system { "the system's, in " } else { "those that were built in" };
    let whence = format!("its rules are {whence}{}", if is_system { folder } else { "" });
    let found = format!("schedules that name no zone are read in {zone}; {whence}");
    if !is_system && file.is_file() && zone != "UTC" {
        return Check::warning(
            NAME,
            format!("{found}: {} cannot be read as rules", file.display()),
            "install the system's zones anew, or take the file away",
        );
    }
    let other = environment
        .get("TZ")
        .filter(|it| !it.is_empty() && Zone::parse(it).is_ok_and(|it| it.name() != zone));
    match other {
        Some(other) => Check::warning(
            NAME,
            format!("{found}; TZ is {other} and does not count"),
            "the setting timezone is over TZ: take away the one that is not meant",
        ),
        None => Check::ok(NAME, found),
    }
}
