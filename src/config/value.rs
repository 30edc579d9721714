//! A value in the configuration file, and the message when it has the wrong type.

use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// What is wrong, and where in the file, in bytes.
pub(super) type Wrong = (Range<usize>, String);

/// A string, or a number as it would stand on the command line.
pub(super) fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Some(number.as_str().trim_start_matches('+').to_owned())
        }
        DeValue::Integer(number) => {
            let number = u64::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// What kind of value it is, for people.
pub(super) fn kind(value: &Spanned<DeValue<'_>>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `true` or `false`.
pub(super) fn switch(value: &Spanned<DeValue<'_>>) -> Result<bool, Wrong> {
    match value.get_ref() {
        DeValue::Boolean(is_on) => Ok(*is_on),
        _ => Err((value.span(), format!("expected true or false, not {}", kind(value)))),
    }
}

/// What `parse` makes of a string or a number.
pub(super) fn parsed<T>(
    value: &Spanned<DeValue<'_>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Wrong> {
    let text = scalar(value).ok_or_else(|| {
        (value.span(), format!("expected a text or a number, not {}", kind(value)))
    })?;
    parse(&text).map_err(|why| (value.span(), format!("`{text}` is not valid: {why}")))
}

/// The one of `choices` that is named.
pub(super) fn choice<T: Copy>(
    value: &Spanned<DeValue<'_>>,
    choices: &[(&str, T)],
) -> Result<T, Wrong> {
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let found = match value.get_ref() {
        DeValue::String(text) => choices.iter().find(|(name, _)| *name == text.as_ref()),
        _ => None,
    };
    let expected = || (value.span(), format!("expected {}", names.join(" or ")));
    found.map(|(_, one)| *one).ok_or_else(expected)
}
