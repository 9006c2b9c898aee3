//! Thousands of expressions, zones and starts, around every change of the clock: our occurrences are the oracle's.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use watchbell::model::schedule::Zone;

use super::{
    at,
    expression::{Expression, Part},
    occurrences, oracle, schedule,
};

/// Zones that change by an hour, by half an hour, by two, at midnight, in the other half of the year, by law of that
/// year, for a month of fasting, or not at all.
const ZONES: [&str; 20] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "Antarctica/Troll",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Almaty",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Jerusalem",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
];

/// Changes of years that are past, for what will hardly come again.
const EARLIER: [(&str, &str); 8] = [
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2019-02-17T02:00:00Z"),
    ("America/Caracas", "2016-05-01T07:00:00Z"),
    ("Asia/Beirut", "2023-03-29T22:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
    ("Europe/Istanbul", "2015-11-08T01:00:00Z"),
];

/// How many triples there are at least.
const TRIPLES: usize = 5_200;

/// How many occurrences of each are compared, and how far ahead they are looked for, in days.
const COMPARED: usize = 4;
const AHEAD: i64 = 366 * 9;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(count)).unwrap()
    }

    fn between(&mut self, least: u32, greatest: u32) -> u32 {
        least + self.below(greatest - least + 1)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(u32::try_from(from.len()).unwrap()) as usize].clone()
    }

    /// A value of a time field; of the hours mostly those in which clocks change.
    fn value(&mut self, greatest: u32) -> u32 {
        if greatest == 23 && self.below(3) > 0 {
            self.pick(&[0, 1, 2, 3, 4, 23])
        } else {
            self.between(0, greatest)
        }
    }

    fn step(&mut self, greatest: u32) -> Option<u32> {
        (self.below(3) == 0).then(|| self.between(1, greatest.min(20)))
    }

    fn time(&mut self, greatest: u32) -> Vec<Part> {
        let values = |dice: &mut Self, count: u32| -> Vec<Part> {
            (0..count).map(|_| Part::One(dice.value(greatest), None)).collect()
        };
        match self.below(12) {
            0..=2 => vec![Part::Star(None)],
            3 => vec![Part::Star(Some(self.between(2, greatest)))],
            4..=6 => values(self, 1),
            7 => values(self, 2),
            8 => values(self, 3),
            9 => vec![Part::Range(self.value(greatest), self.value(greatest), self.step(greatest))],
            10 => vec![Part::One(self.value(greatest), Some(self.between(1, greatest)))],
            _ => vec![self.hash(0, greatest)],
        }
    }

    fn hash(&mut self, least: u32, greatest: u32) -> Part {
        let range =
            (self.below(2) == 0).then(|| (self.between(least, greatest), self.between(least, greatest)));
        let step = self.step(greatest);
        Part::Hash(range, step)
    }

    fn day(&mut self) -> Vec<Part> {
        let one = match self.below(16) {
            0..=6 => Part::Star(None),
            7 => Part::Star(Some(self.between(2, 15))),
            8 => Part::FromEnd(self.below(8), false),
            9 => Part::FromEnd(self.pick(&[0, 0, 1, 3, 28]), true),
            10 => Part::Nearest(self.pick(&[1, 2, 15, 28, 30, 31])),
            11 => Part::Range(self.between(1, 31), self.between(1, 31), self.step(31)),
            12 => self.hash(1, 31),
            _ => Part::One(self.between(1, 31), None),
        };
        let more = if one != Part::Star(None) && self.below(3) == 0 {
            let choices =
                [Part::FromEnd(0, false), Part::One(13, None), Part::Nearest(15), Part::FromEnd(0, true)];
            Some(self.pick(&choices))
        } else {
            None
        };
        [one].into_iter().chain(more).collect()
    }

    fn month(&mut self) -> Vec<Part> {
        match self.below(8) {
            0 => vec![Part::One(self.between(1, 12), None), Part::One(self.between(1, 12), None)],
            1 => vec![Part::Range(self.between(1, 12), self.between(1, 12), self.step(12))],
            2 => vec![self.hash(1, 12)],
            _ => vec![Part::Star(None)],
        }
    }

    fn weekday(&mut self) -> Vec<Part> {
        match self.below(14) {
            0 => vec![Part::One(self.between(0, 7), None)],
            1 => vec![Part::Range(self.between(0, 7), self.between(0, 7), self.step(7))],
            2 => vec![Part::Nth(self.between(0, 7), self.between(1, 5))],
            3 => vec![Part::LastOf(self.between(0, 7)), Part::One(self.between(0, 6), None)],
            4 => vec![Part::Star(Some(self.between(2, 6)))],
            5 => vec![self.hash(0, 7)],
            _ => vec![Part::Star(None)],
        }
    }

    fn expression(&mut self) -> Expression {
        let second = (self.below(3) == 0).then(|| self.time(59));
        let year = (second.is_some() && self.below(2) == 0).then(|| match self.below(4) {
            0 => vec![Part::Star(None)],
            1 => vec![Part::Range(self.between(2022, 2026), self.between(2026, 2032), self.step(4))],
            2 => vec![Part::One(self.between(2024, 2032), None), Part::One(self.between(2024, 2032), None)],
            _ => vec![Part::One(self.between(2020, 2030), Some(self.between(1, 5)))],
        });
        let (minute, hour) = (self.time(59), self.time(23));
        Expression {
            second,
            minute,
            hour,
            day: self.day(),
            month: self.month(),
            weekday: self.weekday(),
            year,
        }
    }
}

/// Where clocks change, and some moments for zones where they do not.
fn moments() -> Vec<(&'static str, Timestamp)> {
    let (from, to) = (at("2024-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z"));
    let mut moments: Vec<(&str, Timestamp)> = EARLIER.map(|(zone, moment)| (zone, at(moment))).into();
    for zone in ZONES {
        let found = Zone::parse(zone).unwrap();
        let changes = found.time_zone().following(from).map(|it| it.timestamp()).take_while(|it| *it < to);
        let before = moments.len();
        moments.extend(changes.map(|it| (zone, it)));
        if moments.len() == before {
            moments.extend([at("2024-02-28T23:00:00Z"), at("2027-12-31T12:00:00Z")].map(|it| (zone, it)));
        }
    }
    moments
}

#[test]
fn what_we_compute_is_what_the_oracle_finds_second_by_second() {
    let mut dice = Dice(4);
    let (mut triples, mut zones, mut differences) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let moments = moments();
    assert!(moments.len() > 200, "only {} changes", moments.len());
    let mut compared = 0;
    for (zone, moment) in moments.iter().cycle() {
        if triples.len() >= TRIPLES {
            break;
        }
        let it = dice.expression();
        let near = i64::from(dice.pick(&[2_000, 4_000, 9_000, 60_000]));
        let shift = i64::from(dice.below(2 * u32::try_from(near).unwrap())) - near;
        let start = *moment + SignedDuration::new(shift, i32::from(dice.below(4) == 0) * 500_000_000);
        let text = it.text();
        if !triples.insert((text.clone(), *zone, start)) {
            continue;
        }
        zones.insert(*zone);
        let end = start.as_second() + AHEAD * 86_400;
        let ours = schedule(&text, zone);
        let found = oracle::occurrences(&it, ours.zone().time_zone(), start, end, COMPARED);
        let ours = occurrences(&ours, start, COMPARED).into_iter();
        let ours: Vec<i64> = ours.map(Timestamp::as_second).take_while(|it| *it < end).collect();
        compared += found.len();
        if ours != found {
            let shown = |all: &[i64]| {
                let all = all.iter().map(|it| Timestamp::from_second(*it).unwrap().to_string());
                all.collect::<Vec<_>>().join(" ")
            };
            differences.push(format!(
                "{text} in {zone} after {start}: {} not {}",
                shown(&ours),
                shown(&found)
            ));
        }
    }
    let first = differences.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {}\n{first}", differences.len(), triples.len());
    assert!(zones.len() >= 12 && compared > 3 * TRIPLES, "{} zones, {compared} moments", zones.len());
}
