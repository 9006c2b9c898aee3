//! A moment as it is typed: RFC 3339, with a zone in brackets or not, or what a clock shows.

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    fmt::temporal::{Pieces, PiecesOffset, TimeZoneAnnotation, TimeZoneAnnotationKind},
    tz::AmbiguousOffset,
};

use crate::{model::schedule::Zone, telemetry::report::rfc3339};

/// A moment, and how it was read where there was a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub at: Timestamp,
    pub note: Option<String>,
}

/// RFC 3339 with offset, or a local time of `zone`, or of the one in brackets.
pub(super) fn moment(text: &str, zone: &Zone) -> Result<Moment, String> {
    let pieces = Pieces::parse(text).map_err(|_| {
        format!("\"{text}\" is no time: write 2026-03-29T00:00:00 or 2026-03-29T00:00:00+01:00")
    })?;
    let wall = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let named = match pieces.time_zone_annotation().map(TimeZoneAnnotation::kind) {
        None => None,
        Some(TimeZoneAnnotationKind::Named(name)) => {
            Some(Zone::parse(name.as_str()).map_err(|error| error.to_string())?)
        }
        Some(_) => {
            return Err(format!("\"{text}\" has no name of a zone in its brackets: write [Europe/Berlin]"));
        }
    };
    let Some(offset) = pieces.offset() else { return local(wall, named.as_ref().unwrap_or(zone)) };
    let at = offset.to_numeric_offset().to_timestamp(wall).map_err(|_| too_far(text))?;
    // `Z` says nothing of a place, so any may stand beside it.
    if let (Some(named), PiecesOffset::Numeric(_)) = (&named, offset) {
        let there = named.time_zone().to_offset(at);
        if there != offset.to_numeric_offset() {
            let name = named.name();
            return Err(format!(
                "\"{text}\" is no time of {name}, whose clock is {there} then: remove one of them"
            ));
        }
    }
    Ok(Moment { at, note: None })
}

/// What a clock shows, which in a year's two nights is no moment or two of them.
fn local(wall: DateTime, zone: &Zone) -> Result<Moment, String> {
    let ambiguous = zone.time_zone().to_ambiguous_timestamp(wall);
    let why = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => Some("is left out by the clock"),
        AmbiguousOffset::Fold { .. } => Some("comes twice on the clock"),
    };
    let at = ambiguous.compatible().map_err(|_| too_far(&wall.to_string()))?;
    let note = why.map(|why| {
        let read = rfc3339(at, zone.time_zone());
        format!("{wall} {why} of {}: it is read as {read}, write an offset for another", zone.name())
    });
    Ok(Moment { at, note })
}

fn too_far(text: &str) -> String {
    // The whole second is what a person would write.
    let ends = [Timestamp::MIN, Timestamp::MAX].map(Timestamp::as_second);
    let [first, last] = ends.map(|end| Timestamp::from_second(end).unwrap_or_default());
    format!("\"{text}\" is too far away: write a moment from {first} to {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Moment, String> {
        moment(text, &Zone::parse("Europe/Berlin").unwrap())
    }

    #[test]
    fn an_offset_or_a_zone_in_brackets_counts_before_the_usual_zone() {
        for (text, expected) in [
            ("2026-03-28", "2026-03-27T23:00:00Z"),
            ("2026-03-28T12:00:00", "2026-03-28T11:00:00Z"),
            ("2026-03-28 12:00:00.5", "2026-03-28T11:00:00.5Z"),
            ("2026-03-28T12:00:00Z", "2026-03-28T12:00:00Z"),
            ("2026-03-28T12:00:00-05:00", "2026-03-28T17:00:00Z"),
            ("2026-03-28T12:00:00[America/New_York]", "2026-03-28T16:00:00Z"),
            ("2026-03-28T12:00:00-04:00[america/new_york]", "2026-03-28T16:00:00Z"),
            ("2026-03-28T12:00:00Z[America/New_York]", "2026-03-28T12:00:00Z"),
        ] {
            let expected = Moment { at: expected.parse().unwrap(), note: None };
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_a_clock_leaves_out_or_shows_twice_is_read_with_a_note() {
        for (text, at, words) in [
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z", "is left out by the clock of Europe/Berlin"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z", "comes twice on the clock of Europe/Berlin"),
            ("2026-11-01T01:30[America/New_York]", "2026-11-01T05:30:00Z", "clock of America/New_York"),
        ] {
            let found = read(text).unwrap();
            let note = found.note.unwrap();
            assert_eq!(found.at.to_string(), at, "{text}");
            assert!(note.contains(words) && note.contains("write an offset for another"), "{note}");
        }
        assert_eq!(read("2026-10-25T02:30:00+01:00").unwrap().note, None);
    }

    #[test]
    fn what_is_no_moment_says_why() {
        for (text, words) in [
            ("tomorrow", "is no time: write 2026-03-29T00:00:00"),
            ("2026-02-30T00:00:00", "is no time"),
            (
                "9999-12-31T23:59:59Z",
                "is too far away: write a moment from -009999-01-02T01:59:59Z to 9999-12-30T22:00:00Z",
            ),
            ("9999-12-31T23:59:59", "is too far away"),
            ("2026-03-28T12:00:00[Nope/X]", "unknown time zone `Nope/X`"),
            ("2026-03-28T12:00:00[+01:00]", "no name of a zone in its brackets"),
            (
                "2026-03-28T12:00:00+01:00[America/New_York]",
                "no time of America/New_York, whose clock is -04 then",
            ),
        ] {
            let reason = read(text).unwrap_err();
            assert!(reason.contains(words), "{text}: {reason}");
        }
    }
}
