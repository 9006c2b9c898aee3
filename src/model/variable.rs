//! How a variable of a command is written.

/// Reads `NAME=VALUE`, split at the first `=`. The error follows the item's place and never shows what is in it.
pub fn parse(item: &str) -> Result<(String, String), &'static str> {
    match item.split_once('=') {
        None | Some(("", _)) => Err("is not NAME=VALUE"),
        // Neither a kernel nor an Engine takes such a value, and the Engine would repeat it.
        Some((_, value)) if value.contains('\0') => Err("contains a NUL character"),
        // Names are shown. A shell's are plainer still; these are all that programs are known to use.
        Some((name, _))
            if name.starts_with(['-', '.'])
                || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) =>
        {
            Err("has a name with other characters than letters, digits, \"_\", \"-\" and \".\"")
        }
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    }
}
