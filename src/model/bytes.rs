//! How a number of bytes is written: with its unit, such as `64KiB`, `1MB` or `0`.

/// The units by their names in lower case. One letter alone means what it means to Docker.
const UNITS: [(&str, u64); 13] = [
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
];

/// Reads a size; the error is a fragment that follows the text, such as `has no unit`.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = match number.parse() {
        Ok(number) => number,
        Err(_) if number.is_empty() => return Err("is no size".to_owned()),
        Err(_) => return Err("is too large".to_owned()),
    };
    let unit = unit.trim().to_ascii_lowercase();
    if unit.is_empty() {
        return if number == 0 { Ok(0) } else { Err("has no unit".to_owned()) };
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err("is no size".to_owned());
    };
    number.checked_mul(*factor).ok_or_else(|| "is too large".to_owned())
}

/// The size as it would be written, exactly.
pub fn written(size: u64) -> String {
    let largest = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match largest.into_iter().find(|(_, factor)| size >= *factor && size.is_multiple_of(*factor)) {
        _ if size == 0 => "0".to_owned(),
        Some((unit, factor)) => format!("{}{unit}", size / factor),
        None => format!("{size}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units_and_written_so_that_they_read_the_same() {
        for (text, size) in [
            ("0", 0),
            ("0B", 0),
            ("64KiB", 65_536),
            ("1MB", 1_000_000),
            (" 1 mib ", 1 << 20),
            ("64k", 65_536),
            ("2G", 2 << 30),
            ("1000B", 1_000),
            ("3Gi", 3 << 30),
        ] {
            assert_eq!(parse(text), Ok(size), "{text}");
            assert_eq!(parse(&written(size)), Ok(size), "{text}");
        }
        assert_eq!(written(1 << 20), "1MiB");
        for (text, why) in [
            ("64", "has no unit"),
            ("", "is no size"),
            ("big", "is no size"),
            ("-1KiB", "is no size"),
            ("1.5MiB", "is no size"),
            ("1 month", "is no size"),
            ("99999999999999999999B", "is too large"),
            ("18446744073709551615k", "is too large"),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()), "{text}");
        }
    }
}
