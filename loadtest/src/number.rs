//! Numbers as people write them, in options and in scenarios: what is none is told with what is.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};

/// A whole number.
pub(crate) fn count<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "expected a whole number, as in 1000".into())
}

/// Any number that is not below 0.
pub(crate) fn decimal(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number, 0 or more, as in 2.5".into())
}

/// A number per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("a rate is above 0 and at most a million per second".into()),
    }
}

/// Bytes, with a unit or without one.
pub(crate) fn size<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    // No exponents, and not too many digits: with them the parser's numbers may overflow.
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || b"._ ".contains(&byte));
    let bytes = Some(text).filter(|text| is_number && text.len() <= 40);
    let bytes = bytes.and_then(|text| parse_size::parse_size(text).ok());
    bytes
        .and_then(|bytes| N::try_from(bytes).ok())
        .ok_or_else(|| "a size is a number of bytes, as in 1000, 64KB or 64KiB".into())
}

/// Seconds, with a unit or without one; at most a day.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = match text.parse() {
        Ok(seconds) => Some(seconds),
        // Longer texts are no times of a run, and their numbers might not fit anywhere.
        Err(_) if text.len() > 12 => None,
        Err(_) => humantime::parse_duration(text).ok().map(|time| time.as_secs_f64()),
    };
    seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds)).ok_or_else(|| {
        "a time is a number of seconds or has a unit, as in 5, 2.5s, 500ms or 1m, at most a day"
            .into()
    })
}

/// What a scenario says of a number: a number, or a text with a unit.
fn word<'a, D: Deserializer<'a>>(from: D) -> Result<String, D::Error> {
    struct Word;
    impl Visitor<'_> for Word {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    from.deserialize_any(Word)
}

/// A whole number in a scenario.
pub(crate) fn count_in<'a, D: Deserializer<'a>>(from: D) -> Result<usize, D::Error> {
    count(&word(from)?).map_err(Error::custom)
}

/// Any number in a scenario.
pub(crate) fn decimal_in<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    decimal(&word(from)?).map_err(Error::custom)
}

/// A size in a scenario.
pub(crate) fn size_in<'a, D: Deserializer<'a>>(from: D) -> Result<usize, D::Error> {
    size(&word(from)?).map_err(Error::custom)
}

/// A time in a scenario.
pub(crate) fn seconds_in<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    seconds(&word(from)?).map_err(Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for bad in ["0", "-1", "NaN", "inf", "x", "2e6"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn units() {
        assert_eq!(
            [size("64KB"), size("1MiB"), size("64")],
            [Ok(64_000_usize), Ok(1 << 20), Ok(64)]
        );
        assert_eq!(
            ["5", "2.5s", "500ms", "1m"].map(seconds),
            [Ok(5.0), Ok(2.5), Ok(0.5), Ok(60.0)]
        );
        assert_eq!((count("7"), decimal("0.1")), (Ok(7_usize), Ok(0.1)));
        for bad in ["", "x", "-1", "NaN", "inf", "1e400", "99999999999999999999s", "2d"] {
            assert!(seconds(bad).is_err_and(|why| why.contains("500ms")), "{bad}");
            assert!(count::<usize>(bad).is_err_and(|why| why.contains("a whole number")), "{bad}");
        }
        for bad in ["", "x", "-1", "64KBit", "99EB9", "1e3", "0.5e-2147483648"] {
            assert!(size::<usize>(bad).is_err_and(|why| why.contains("64KiB")), "{bad}");
        }
        for bad in ["", "x", "-1", "NaN", "inf"] {
            assert!(decimal(bad).is_err_and(|why| why.contains("0 or more")), "{bad}");
        }
    }
}
