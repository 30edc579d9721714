//! What was meant by a misspelt name.

/// The one of `names` that was probably meant by a misspelt name.
pub(super) fn similar<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let (like, edits) = most_like(names, name)?;
    (edits <= 3 && edits * 2 <= name.len().max(like.len())).then_some(like)
}

/// The one of `names` that is most like this one, and how many letters they differ by.
pub(super) fn most_like<'a>(
    names: impl Iterator<Item = &'a str>,
    name: &str,
) -> Option<(&'a str, usize)> {
    names.map(|key| (key, strsim::damerau_levenshtein(key, name))).min_by_key(|(_, edits)| *edits)
}
