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

    /// The first of them that is not earlier than this.
    pub(super) fn from(&self, year: i16) -> Option<i16> {
        let year = year.max(YEARS.0);
        match &self.0 {
            None => Some(year).filter(|year| *year <= YEARS.1),
            Some(years) => years.get(years.partition_point(|it| *it < year)).copied(),
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
        assert_eq!((all.from(1969), all.from(2000)), (Some(1970), Some(2000)));
        assert_eq!((all.from(2199), all.from(2200)), (Some(2199), None));
    }

    #[test]
    fn the_next_year_is_the_first_that_is_not_earlier() {
        let years = Years::parse("2027,2030", None).unwrap();
        let next = [1900, 2027, 2028, 2031].map(|year| years.from(year));
        assert_eq!(next, [Some(2027), Some(2027), Some(2030), None]);
    }
}
