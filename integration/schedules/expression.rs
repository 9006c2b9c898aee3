//! Cron expressions that are made and never read: what each part names is known before it is text.
//!
//! The meaning is written from `labels-spec.md`, one value at a time, and from nothing else.

use super::IDENTITY;

/// One part of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `*`, `*/n`.
    Star(Option<u32>),
    /// `a`, `a/n`.
    One(u32, Option<u32>),
    /// `a-b`, `a-b/n`.
    Range(u32, u32, Option<u32>),
    /// `H`, `H(a-b)`, each with `/n`.
    Hash(Option<(u32, u32)>, Option<u32>),
    /// `L`, `L-n`, `LW`, `L-nW`.
    FromEnd(u32, bool),
    /// `nW`.
    Nearest(u32),
    /// `d#n`.
    Nth(u32, u32),
    /// `dL`.
    LastOf(u32),
}

/// The name of a field, and its least and greatest value.
pub type Kind = (&'static str, u32, u32);

pub const SECOND: Kind = ("second", 0, 59);
pub const MINUTE: Kind = ("minute", 0, 59);
pub const HOUR: Kind = ("hour", 0, 23);
pub const DAY: Kind = ("day-of-month", 1, 31);
pub const MONTH: Kind = ("month", 1, 12);
pub const WEEKDAY: Kind = ("day-of-week", 0, 6);
pub const YEAR: Kind = ("year", 1970, 2199);

/// A day of the calendar. Sunday is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub year: u32,
    pub month: u32,
    pub day: u32,
    pub weekday: u32,
    /// How many days its month has.
    pub length: u32,
}

/// An expression of 5, 6 or 7 fields.
#[derive(Debug, Clone)]
pub struct Expression {
    pub second: Option<Vec<Part>>,
    pub minute: Vec<Part>,
    pub hour: Vec<Part>,
    pub day: Vec<Part>,
    pub month: Vec<Part>,
    pub weekday: Vec<Part>,
    pub year: Option<Vec<Part>>,
}

impl Part {
    fn text(self) -> String {
        let step = |step: Option<u32>| step.map(|n| format!("/{n}")).unwrap_or_default();
        match self {
            Self::Star(n) => format!("*{}", step(n)),
            Self::One(a, n) => format!("{a}{}", step(n)),
            Self::Range(a, b, n) => format!("{a}-{b}{}", step(n)),
            Self::Hash(None, n) => format!("H{}", step(n)),
            Self::Hash(Some((a, b)), n) => format!("H({a}-{b}){}", step(n)),
            Self::FromEnd(0, weekday) => format!("L{}", if weekday { "W" } else { "" }),
            Self::FromEnd(back, weekday) => format!("L-{back}{}", if weekday { "W" } else { "" }),
            Self::Nearest(day) => format!("{day}W"),
            Self::Nth(day, nth) => format!("{day}#{nth}"),
            Self::LastOf(day) => format!("{day}L"),
        }
    }

    /// Whether it is one of those that hold for a value alone, and holds for this.
    fn names(self, kind: Kind, value: u32) -> bool {
        self.values(kind).contains(&value)
    }

    fn values(self, kind: Kind) -> Vec<u32> {
        let (name, least, greatest) = kind;
        let stepped = |values: Vec<u32>, first: usize, n: Option<u32>| -> Vec<u32> {
            values.into_iter().skip(first).step_by(n.unwrap_or(1) as usize).collect()
        };
        match self {
            Self::Star(n) => stepped((least..=greatest).collect(), 0, n),
            Self::One(a, None) => vec![sunday(kind, a)],
            Self::One(a, n) => stepped((sunday(kind, a)..=greatest).collect(), 0, n),
            Self::Range(a, b, n) => stepped(round(kind, a, b), 0, n),
            Self::Hash(range, n) => {
                let all = match range {
                    Some((a, b)) => round(kind, a, b),
                    None if name == "day-of-month" => (1..=28).collect(),
                    None => (least..=greatest).collect(),
                };
                let choice = n.map_or(all.len(), |n| all.len().min(n as usize)) as u64;
                let first = usize::try_from(hash(&format!("{IDENTITY}:{name}")) % choice).unwrap();
                if n.is_some() { stepped(all, first, n) } else { vec![all[first]] }
            }
            Self::FromEnd(..) | Self::Nearest(_) | Self::Nth(..) | Self::LastOf(_) => Vec::new(),
        }
    }

    /// What holds for a day as a whole.
    fn names_day(self, day: Day) -> bool {
        match self {
            Self::FromEnd(back, false) => day.day + back == day.length,
            Self::FromEnd(back, true) => back < day.length && nearest(day, day.length - back) == day.day,
            Self::Nearest(target) => target <= day.length && nearest(day, target) == day.day,
            Self::Nth(weekday, nth) => {
                day.weekday == weekday % 7
                    && (1..=day.day).filter(|it| it % 7 == day.day % 7).count() == nth as usize
            }
            Self::LastOf(weekday) => day.weekday == weekday % 7 && day.day + 7 > day.length,
            _ => false,
        }
    }
}

/// 7 is Sunday as well.
fn sunday(kind: Kind, value: u32) -> u32 {
    if kind == WEEKDAY { value % 7 } else { value }
}

/// From `a` up to `b`; past the greatest value it goes on with the least.
fn round(kind: Kind, a: u32, b: u32) -> Vec<u32> {
    let (_, least, greatest) = kind;
    if a <= b {
        return (a..=b).map(|value| sunday(kind, value)).collect();
    }
    (a..=greatest).chain(least..=b).collect()
}

/// Of the Mondays to Fridays of that month, the one nearest to the day `target`.
fn nearest(day: Day, target: u32) -> u32 {
    let weekday = |it: u32| (day.weekday + 35 + it - day.day) % 7;
    let working = (1..=day.length).filter(|it| (1..=5).contains(&weekday(*it)));
    working.min_by_key(|it| it.abs_diff(target)).unwrap()
}

/// As the document has it: FNV-1a of 64 bits, then the finalizer of `MurmurHash3`.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(14_695_981_039_346_656_037_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    });
    let first = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let second = (first ^ (first >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    second ^ (second >> 33)
}

fn has_star(field: &[Part]) -> bool {
    field.iter().any(|part| matches!(part, Part::Star(_)))
}

fn names(field: &[Part], kind: Kind, value: u32) -> bool {
    field.iter().any(|part| part.names(kind, value))
}

impl Expression {
    pub fn text(&self) -> String {
        let five = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        let fields = self.second.iter().chain(five).chain(&self.year);
        let field = |parts: &Vec<Part>| parts.iter().map(|it| it.text()).collect::<Vec<_>>().join(",");
        fields.map(field).collect::<Vec<_>>().join(" ")
    }

    /// None of its second, minute and hour fields has a `*`.
    pub fn is_fixed(&self) -> bool {
        !(self.second.as_deref().is_some_and(has_star) || has_star(&self.minute) || has_star(&self.hour))
    }

    pub fn names_second(&self, second: u32) -> bool {
        self.second.as_ref().map_or(second == 0, |field| names(field, SECOND, second))
    }

    pub fn names_minute(&self, minute: u32) -> bool {
        names(&self.minute, MINUTE, minute)
    }

    pub fn names_hour(&self, hour: u32) -> bool {
        names(&self.hour, HOUR, hour)
    }

    pub fn names_day(&self, day: Day) -> bool {
        let year = self.year.as_ref().is_none_or(|field| names(field, YEAR, day.year));
        if !year || !names(&self.month, MONTH, day.month) {
            return false;
        }
        let whole = |field: &[Part]| field.iter().any(|part| part.names_day(day));
        let in_month = names(&self.day, DAY, day.day) || whole(&self.day);
        let in_week = names(&self.weekday, WEEKDAY, day.weekday) || whole(&self.weekday);
        let begins_with_star = |field: &[Part]| matches!(field.first(), Some(Part::Star(_)));
        if begins_with_star(&self.day) || begins_with_star(&self.weekday) {
            in_month && in_week
        } else {
            in_month || in_week
        }
    }
}
