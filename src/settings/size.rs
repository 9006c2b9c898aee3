//! Amounts: of memory, as `512m` or `1.5GiB`, and of processors, as `0.5`.

use crate::model::service::{Cpus, Size};

/// Engines refuse a container with less memory than this.
const LEAST_MEMORY: Size = Size(6 << 20);

/// Reads an amount of memory: a number with a unit, of which each is 1024 of the one before.
pub fn size(text: &str) -> Result<Size, String> {
    let text = text.trim();
    let wrong = || format!("\"{text}\" is no amount of memory: write for example 512m or 1.5g");
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "b" => 1,
        unit => {
            let letter = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit);
            let found = Size::UNITS.into_iter().find(|(known, _)| letter.chars().eq([*known]));
            found.ok_or_else(wrong)?.1
        }
    };
    scaled(number, factor).map(Size).ok_or_else(wrong)
}

/// Reads how much memory a container may have.
pub fn memory(text: &str) -> Result<Size, String> {
    match size(text)? {
        least if least < LEAST_MEMORY => Err(format!(
            "\"{}\" is less than the {LEAST_MEMORY} that a container needs at least: write for example 512m",
            text.trim()
        )),
        size => Ok(size),
    }
}

/// Reads a number of processors, with at most nine places behind the point.
pub fn cpus(text: &str) -> Result<Cpus, String> {
    let text = text.trim();
    match scaled(text, Cpus::ONE).map(Cpus) {
        Some(cpus) if cpus.0 >= Cpus::ONE / 1000 => Ok(cpus),
        Some(_) => {
            Err(format!("\"{text}\" is less than the 0.001 processors that a container needs at least"))
        }
        None => Err(format!("\"{text}\" is no number of processors: write for example 0.5 or 2")),
    }
}

/// A decimal number times `factor`, as a whole number; `None` for what is none, or too large for the Engine.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(places) || whole.len() + places.len() == 0 || places.len() > 9 {
        return None;
    }
    let parse = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let power = 10_u128.pow(u32::try_from(places.len()).ok()?);
    let number = parse(whole)?.checked_mul(power)?.checked_add(parse(places)?)?;
    let scaled = number.checked_mul(factor.into())? / power;
    // The Engine has 63 bits for it.
    i64::try_from(scaled).ok().and_then(|it| u64::try_from(it).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_has_a_unit_of_1024_each() {
        for (text, bytes) in [
            ("512m", 512 << 20),
            ("512M", 512 << 20),
            ("512MB", 512 << 20),
            ("512 MiB", 512 << 20),
            ("1.5g", 1536 << 20),
            (".5g", 512 << 20),
            ("10000k", 10_000 << 10),
            ("1T", 1 << 40),
            ("67108864", 64 << 20),
            ("67108864b", 64 << 20),
        ] {
            assert_eq!(memory(text), Ok(Size(bytes)), "{text}");
        }
        for wrong in
            ["", "m", "-1m", "1.2.3m", "12x", "12mm", "1e3m", "1,5g", "99999999999g", ".", "½g", "1i"]
        {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_amount_that_no_engine_takes_is_refused_with_a_hint() {
        assert!(memory("512").unwrap_err().contains("less than the 6m"));
        assert!(memory("0").is_err() && memory("6143k").is_err());
        assert_eq!(memory("6m"), Ok(LEAST_MEMORY));
        assert_eq!(size("0"), Ok(Size(0)), "elsewhere it may be less");
    }

    #[test]
    fn processors_are_a_decimal_number() {
        for (text, billionths) in [
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            (" .25 ", 250_000_000),
            ("0.001", 1_000_000),
            ("2.", 2_000_000_000),
        ] {
            assert_eq!(cpus(text), Ok(Cpus(billionths)), "{text}");
        }
        for wrong in ["", ".", "0", "0.0009", "-1", "1.0000000001", "1e3", "one", "99999999999"] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(bytes in (6_u64 << 20)..1 << 50, billionths in 1_000_000_u64..1 << 45) {
            prop_assert_eq!(memory(&Size(bytes).to_string()), Ok(Size(bytes)));
            prop_assert_eq!(cpus(&Cpus(billionths).to_string()), Ok(Cpus(billionths)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.kmgtpib -]{0,24}|\\PC{0,8}") {
            let _ = (size(&text), cpus(&text));
        }
    }
}
