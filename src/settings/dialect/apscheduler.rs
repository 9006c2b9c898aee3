//! Cron fields of `APScheduler`, which deck-chores uses, as a schedule of ours.
//!
//! They stand in the opposite order, `year month day week day_of_week hour minute second`; missing ones are missing on
//! the left and mean `*`; the week begins with Monday = 0; and a day must fit in every field, where with us either of
//! the two day fields is enough.

const FIELDS: [&str; 8] = ["year", "month", "day", "week", "day of week", "hour", "minute", "second"];
const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// The eight fields, the missing ones filled in.
fn fill(text: &str) -> Result<[&str; 8], String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut fields = ["*"; 8];
    if words.is_empty() {
        return Err("the schedule is empty".to_owned());
    }
    let Some(missing) = fields.len().checked_sub(words.len()) else {
        return Err(format!("there are {} fields, and at most 8 are: {}", words.len(), FIELDS.join(", ")));
    };
    fields[missing..].copy_from_slice(&words);
    Ok(fields)
}

/// The fields with their names, for people.
pub(super) fn in_words(text: &str) -> String {
    match fill(text) {
        Ok(fields) => {
            let named: Vec<String> =
                FIELDS.iter().zip(fields).map(|(name, field)| format!("{name} {field}")).collect();
            format!("{} (Monday is 0)", named.join(", "))
        }
        Err(reason) => reason,
    }
}

/// Our schedule with the same occurrences.
pub(super) fn schedule(text: &str) -> Result<String, String> {
    let [year, month, day, week, weekday, hour, minute, second] = fill(text)?;
    if week != "*" {
        return Err("the week of the year has no counterpart here: write days and months instead".to_owned());
    }
    let weekday = days_of_week(weekday)?;
    let day = if day.eq_ignore_ascii_case("last") { "L" } else { day };
    // With us a day field that begins with a star asks for both, as is meant here; any other asks for either.
    if weekday != "*" && !day.starts_with('*') {
        return Err("a day of the month together with a day of the week has no counterpart here: both must fit there, \
                    and either is enough here. Write MON#1 for the first Monday of the month"
            .to_owned());
    }
    let time = if second == "0" { format!("{minute} {hour}") } else { format!("{second} {minute} {hour}") };
    let year = match (year, second) {
        ("*", _) => return Ok(format!("{time} {day} {month} {weekday}")),
        (year, "0") => return Ok(format!("0 {time} {day} {month} {weekday} {year}")),
        (year, _) => year,
    };
    Ok(format!("{time} {day} {month} {weekday} {year}"))
}

/// The days by name: numbers mean other days with us, and steps begin on another.
fn days_of_week(field: &str) -> Result<String, String> {
    if field == "*" || field == "*/1" {
        return Ok("*".to_owned());
    }
    let mut found = [false; 7];
    for part in field.split(',') {
        let (first, last, step) = range(part)?;
        for day in (first..=last).step_by(step) {
            found[day] = true;
        }
    }
    if found.iter().all(|day| *day) {
        return Ok("*".to_owned());
    }
    let names: Vec<&str> =
        DAYS.iter().zip(found).filter(|(_, found)| *found).map(|(name, _)| *name).collect();
    Ok(names.join(","))
}

fn range(part: &str) -> Result<(usize, usize, usize), String> {
    let wrong = || format!("\"{part}\" is no day of the week: write mon to sun, or 0 (Monday) to 6 (Sunday)");
    let (days, step) = match part.split_once('/') {
        Some((days, step)) => (days, Some(step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?)),
        None => (part, None),
    };
    let day = |text: &str| {
        let named = DAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
        named.or_else(|| text.parse().ok().filter(|day| *day < DAYS.len())).ok_or_else(wrong)
    };
    let (first, last) = match (days, days.split_once('-')) {
        ("*", _) => (0, 6),
        (_, Some((first, last))) => (day(first)?, day(last)?),
        // A day with a step goes on to the end of the week.
        (one, None) => (day(one)?, if step.is_some() { 6 } else { day(one)? }),
    };
    if first > last { Err(wrong()) } else { Ok((first, last, step.unwrap_or(1))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_stand_in_the_opposite_order_and_the_week_begins_on_monday() {
        for (there, here) in [
            ("* * * * * */3 0 0", "0 */3 * * *"),
            ("*/3 0 0", "0 */3 * * *"),
            ("* * * * 6 1 0 0", "0 1 * * SUN"),
            ("6 1 0 0", "0 1 * * SUN"),
            ("0 1 0 0", "0 1 * * MON"),
            ("sun 1 0 0", "0 1 * * SUN"),
            ("1-4 0 0", "0 1-4 * * *"),
            ("mon-fri 8 30 15", "15 30 8 * * MON,TUE,WED,THU,FRI"),
            ("*/2 1 0 0", "0 1 * * MON,WED,FRI,SUN"),
            ("4/2 1 0 0", "0 1 * * FRI,SUN"),
            ("15 * * 2 0 0", "0 2 15 * *"),
            ("last * * 2 0 0", "0 2 L * *"),
            ("*/10 * 4 2 0 0", "0 2 */10 * FRI"),
            ("2027 1 1 * * 0 0 0", "0 0 0 1 1 * 2027"),
            ("30", "30 * * * * *"),
        ] {
            assert_eq!(schedule(there).as_deref(), Ok(here), "{there}");
        }
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        for there in
            ["", "1 2 3 4 5 6 7 8 9", "12 * 1 0 0", "1 * mon 1 0 0", "7 1 0 0", "fri-mon 1 0 0", "x/0 1 0 0"]
        {
            assert!(schedule(there).is_err(), "{there}");
        }
    }
}
