//! A time zone by its IANA name.
//!
//! The one place that asks for the rules of zones: those of the system, and for each zone that the system does not have,
//! or has damaged, those that were built in. It never falls back to another zone: a name that neither knows is an error,
//! because a job that silently runs in UTC runs at the wrong time.

use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::{self, TimeZone, TimeZoneDatabase};

use super::error::{ScheduleError, closest, shown};
use super::year::YEARS;

/// A time zone with the name it was found under. Two zones are equal when their names are.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
    built_in: bool,
}

impl Zone {
    /// Coordinated universal time, named `UTC`.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC, built_in: true }
    }

    /// The zone with this IANA name. Case does not count, and [`Zone::name`] gives the database's spelling.
    ///
    /// Fails with [`ScheduleError::UnknownZone`], which suggests the closest name.
    pub fn parse(name: &str) -> Result<Self, ScheduleError> {
        let name = name.trim();
        let find = |from: &TimeZoneDatabase, built_in| from.get(name).ok().map(|zone| (zone, built_in));
        let found = if is_alias_of_nothing(name) {
            None
        } else {
            find(tz::db(), false).or_else(|| find(built_in(), true))
        };
        match found {
            // `Etc/Unknown` is found, and behaves as UTC: exactly the silence that must not be.
            Some((rules, built_in)) if !rules.is_unknown() => {
                let name = rules.iana_name().unwrap_or(name).to_owned();
                Ok(Self { name, rules, built_in })
            }
            _ => Err(ScheduleError::UnknownZone { name: shown(name), suggestion: suggest(name) }),
        }
    }

    /// The IANA name, such as `Europe/Berlin`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the rules are those that were built in, because the system has none that can be read.
    pub fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// Whether both clocks show the same in every year in which a schedule can come, as those of `US/Eastern` and
    /// `America/New_York` do.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let (from, to) = YEARS;
        let ends =
            [from, to + 1].map(|year| Date::constant(year, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC));
        let [Ok(from), Ok(to)] = ends else { return self == other };
        let offsets = |zone: &Self| -> Vec<_> {
            let changes =
                zone.rules.following(from.timestamp()).take_while(|it| it.timestamp() < to.timestamp());
            changes.map(|it| (it.timestamp(), it.offset())).collect()
        };
        let first = |zone: &Self| zone.rules.to_offset(from.timestamp());
        self == other || (first(self) == first(other) && offsets(self) == offsets(other))
    }

    /// The rules of the zone.
    pub fn time_zone(&self) -> &TimeZone {
        &self.rules
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

/// The rules that were built in, also where the system has some.
fn built_in() -> &'static TimeZoneDatabase {
    static BUILT_IN: OnceLock<TimeZoneDatabase> = OnceLock::new();
    BUILT_IN.get_or_init(TimeZoneDatabase::bundled)
}

/// Files that a zoneinfo directory may hold without being zones: the machine's own choice, a placeholder that means
/// UTC, and the copies with leap seconds.
fn is_alias_of_nothing(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "localtime" | "posixrules" | "factory")
        || name.starts_with("right/")
        || name.starts_with("posix/")
}

fn suggest(name: &str) -> Option<String> {
    let known: Vec<String> = [tz::db(), built_in()]
        .into_iter()
        .flat_map(TimeZoneDatabase::available)
        .map(|n| n.as_str().to_owned())
        .filter(|n| !is_alias_of_nothing(n))
        .collect();
    let spaced = name.replace(' ', "_");
    // People remember the city: `Berlin` alone is closest to `Bermuda` as a whole name, so look there first.
    let city = spaced.rsplit('/').next().unwrap_or_default();
    known
        .iter()
        .find(|n| n.rsplit('/').next().is_some_and(|c| c.eq_ignore_ascii_case(city)))
        .cloned()
        .or_else(|| closest(&spaced, &known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_count_and_the_name_is_the_databases() {
        assert_eq!(Zone::parse(" europe/BERLIN ").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::parse("utc").unwrap(), Zone::utc());
        assert_ne!(Zone::parse("Europe/Berlin").unwrap(), Zone::utc());
    }

    #[test]
    fn two_names_of_one_clock_agree() {
        let agree = |one, other| Zone::parse(one).unwrap().agrees_with(&Zone::parse(other).unwrap());
        assert!(agree("US/Eastern", "America/New_York") && agree("UTC", "Etc/UTC"));
        assert!(!agree("Europe/Berlin", "Asia/Tokyo") && !agree("Europe/Berlin", "Europe/London"));
        // The same since 1970 but for some years.
        assert!(!agree("America/Phoenix", "America/Denver"));
    }

    #[test]
    fn an_unknown_zone_is_an_error_that_suggests_the_closest() {
        for (written, meant) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("America/New York", "America/New_York"),
        ] {
            let error = Zone::parse(written).unwrap_err().to_string();
            assert!(error.contains(&format!("`{written}`, did you mean `{meant}`?")), "{error}");
        }
    }

    #[test]
    fn what_would_be_utc_in_silence_is_refused() {
        for written in
            ["", "Etc/Unknown", "Factory", "localtime", "posixrules", "right/UTC", "../zone", "qqqqqqqq"]
        {
            let error = Zone::parse(written).unwrap_err();
            assert!(matches!(error, ScheduleError::UnknownZone { .. }), "{written}: {error}");
        }
    }
}
