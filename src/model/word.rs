//! Values that are written as one of a few words.

/// The word for this value.
pub(super) fn of<T: Copy + PartialEq, const N: usize>(
    words: [(&'static str, T); N],
    value: T,
) -> &'static str {
    words.into_iter().find(|(_, it)| *it == value).map_or("", |(word, _)| word)
}
