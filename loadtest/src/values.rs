//! Numbers, sizes and times as people write them, in options and in scenarios.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::de::{Deserialize, Deserializer, Error};

/// No option needs a longer time.
const TIME_MAX: Duration = Duration::from_secs(86_400);

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

/// A time, in seconds or with a unit.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        // The numbers of longer texts might not fit anywhere.
        Err(_) => Some(text)
            .filter(|text| text.len() <= 12)
            .and_then(|text| humantime::parse_duration(text).ok()),
    };
    time.filter(|time| *time <= TIME_MAX).ok_or_else(|| {
        "a time is a number of seconds or has a unit, as in 5, 2.5s, 500ms or 1m, at most a day"
            .into()
    })
}

/// A value in a scenario, which may be a number or a text with a unit.
pub(crate) fn within<'a, D: Deserializer<'a>, T, E: Display>(
    from: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    let text = match toml::Value::deserialize(from)? {
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::String(text) => text,
        _ => return Err(D::Error::custom("expected a number")),
    };
    parse(&text).map_err(D::Error::custom)
}

/// The word on the command line for one of an option's values.
pub(crate) fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("no value is hidden").get_name().to_owned()
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
        let sizes = ["64KB", "1MiB", "64"].map(size::<usize>);
        assert_eq!(sizes, [Ok(64_000), Ok(1 << 20), Ok(64)]);
        let times = ["5", "2.5s", "500ms", "1m"].map(|text| time(text).map(|it| it.as_secs_f64()));
        assert_eq!(times, [Ok(5.0), Ok(2.5), Ok(0.5), Ok(60.0)]);
        assert_eq!((count("7"), decimal("0.1")), (Ok(7_usize), Ok(0.1)));
        for bad in ["", "x", "-1", "NaN", "inf", "1e400", "99999999999999999999s", "2d"] {
            assert!(time(bad).is_err_and(|why| why.contains("500ms")), "{bad}");
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
