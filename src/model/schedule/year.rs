//! The year field, the last of seven.
//!
//! It is apart from the other fields because its values are too many for bits, and because a schedule that names years
//! can come to its end.

use super::error::ScheduleError;
use super::field::Kind;
use super::part;

/// The first and the last year in which a schedule can come. Every search ends there.
pub(super) const YEARS: (i16, i16) = (1970, 2199);

/// The years in which a schedule comes; none are named when there is no such field, or `*` in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Years(Option<Box<[i16]>>);

impl Years {
    /// Reads the field. The text holds no white space.
    pub(super) fn parse(text: &str, identity: Option<&str>) -> Result<Self, ScheduleError> {
        let kind = Kind::Year;
        if text == "*" {
            return Ok(Self(None));
        }
        if text == "?" {
            return Err(kind.fail(text, "only has a meaning in the day fields", "write `*`"));
        }
        let upper = text.to_ascii_uppercase();
        let mut years = Vec::new();
        for (written, part) in text.split(',').zip(upper.split(',')) {
            kind.check_part(text, &upper, part)?;
            years.extend(part::read(kind, written, part, identity)?);
        }
        let mut years: Vec<i16> = years.into_iter().filter_map(|it| it.try_into().ok()).collect();
        years.sort_unstable();
        years.dedup();
        Ok(Self(Some(years.into())))
    }

    /// The years, where they are named; ascending.
    pub(super) fn named(&self) -> Option<&[i16]> {
        self.0.as_deref()
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, year: i16) -> bool {
        (YEARS.0..=YEARS.1).contains(&year)
            && self.0.as_ref().is_none_or(|years| years.binary_search(&year).is_ok())
    }

    /// The field as the engine is to read it.
    pub(super) fn for_engine(&self) -> String {
        match &self.0 {
            None => format!("{}-{}", YEARS.0, YEARS.1),
            Some(years) => years.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn years(text: &str) -> Vec<i16> {
        Years::parse(text, Some("job")).unwrap().named().unwrap().to_vec()
    }

    #[test]
    fn years_are_lists_ranges_and_steps() {
        assert_eq!(years("2027"), [2027]);
        assert_eq!(years("2030,2027-2028,2027"), [2027, 2028, 2030]);
        assert_eq!(years("2024-2036/4"), [2024, 2028, 2032, 2036]);
        assert_eq!(years("2190/4"), [2190, 2194, 2198]);
        assert_eq!(years("*/100"), [1970, 2070, 2170]);
        assert!(Years::parse("*", None).unwrap().named().is_none());
        let [year] = years("H(2027-2030)")[..] else { panic!("one year") };
        assert!((2027..=2030).contains(&year));
    }

    #[test]
    fn no_year_is_outside_the_two_centuries() {
        let all = Years::parse("*", None).unwrap();
        assert!(all.has(1970) && all.has(2199) && !all.has(1969) && !all.has(2200));
        assert!(!Years::parse("2027", None).unwrap().has(2028));
    }
}
