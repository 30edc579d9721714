//! Numbers as people write them: counts, sizes and times. An error shows what would be valid.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What a size is.
const SIZE: &str = "a size is a number of bytes, as in 65536, 64KB (64,000) or 64KiB (65,536)";

/// What a time is.
const TIME: &str = "a time is a number of seconds or has a unit, as in 30, 30s, 2.5s, 500ms or 5m";

/// Longer than any relay runs, and short enough to be added to any time of today.
const TIME_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The most characters of a number, the most digits of a size, which fit into 64 bits, and the most
/// of a time, all of its numbers together: so few of them, read as days, make 10^12 days. With
/// these, nothing that the parsers compute can overflow.
const LETTERS_MAX: usize = 40;
const SIZE_DIGITS_MAX: usize = 19;
const TIME_DIGITS_MAX: usize = 12;

/// The units of time. Others that the parser knows are left out: M would be a month.
const TIME_UNITS: [&str; 17] = [
    "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes", "h",
    "hour", "hours", "d", "day", "days",
];

/// A whole number within bounds.
pub(super) fn whole<N: TryFrom<u64>>(
    bounds: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| {
            format!("expected a whole number from {} to {}", bounds.start(), bounds.end())
        })
    }
}

/// A number of things.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number, as in 1000".to_owned())
}

/// A number of things, or of whole seconds; 0 where there is no bound.
pub(super) fn number(text: &str) -> Result<u32, String> {
    whole(0..=u32::MAX.into())(text)
}

/// The same in a second.
pub(super) fn per_second(text: &str) -> Result<u32, String> {
    whole(0..=u32::MAX.into())(text)
}

/// Bytes, with a unit or without one.
pub(super) fn size(text: &str) -> Result<usize, String> {
    // No exponents, and not too many digits: with them the parser's numbers overflow. It rounds a
    // number by its first digit that does not fit, and of 184467440737095516156 it made 0.
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || b"._ ".contains(&byte));
    if !is_number || text.len() > LETTERS_MAX {
        return Err(SIZE.to_owned());
    }
    if text.bytes().filter(u8::is_ascii_digit).count() > SIZE_DIGITS_MAX {
        return Err(format!("a size has at most {SIZE_DIGITS_MAX} digits"));
    }
    let unit = text.trim_end_matches(['b', 'B']);
    if text.contains('.') && !unit.ends_with(|last: char| last.is_ascii_alphabetic()) {
        return Err("a size is a whole number of bytes; 1.5KiB is one, 1.5 is not".to_owned());
    }
    match parse_size::parse_size(text) {
        Ok(bytes) => usize::try_from(bytes).map_err(|_| too_large(usize::MAX as u64)),
        Err(parse_size::Error::PosOverflow) => Err(too_large(usize::MAX as u64)),
        Err(_) => Err(SIZE.to_owned()),
    }
}

/// Bytes in a second.
pub(super) fn bytes_per_second(text: &str) -> Result<u32, String> {
    size(text)?.try_into().map_err(|_| too_large(u32::MAX.into()))
}

fn too_large(most: u64) -> String {
    format!("at most {most} bytes")
}

/// A time, in seconds where it has no unit; whole milliseconds.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    if text.bytes().filter(u8::is_ascii_digit).count() > TIME_DIGITS_MAX {
        return Err(format!("a time has at most {TIME_DIGITS_MAX} digits, and at most 100 years"));
    }
    let units = text.split(|letter: char| !letter.is_alphabetic());
    let mut units = units.filter(|unit| !unit.is_empty());
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // The parser reads over blanks between digits: "1 0s" would be ten seconds.
    let mut words = text.split_whitespace().map(str::as_bytes);
    let mut last = b'a';
    let is_torn = words.any(|word| {
        let ends_in = std::mem::replace(&mut last, word[word.len() - 1]);
        !ends_in.is_ascii_alphabetic() && !word[0].is_ascii_alphabetic()
    });
    if text.len() > LETTERS_MAX || is_torn || !units.all(|unit| TIME_UNITS.contains(&unit)) {
        return Err(TIME.to_owned());
    }
    let with_unit = format!("{text}{}", if is_number { "s" } else { "" });
    let time = humantime::parse_duration(&with_unit).map_err(|_| TIME.to_owned())?;
    if time > TIME_MAX {
        return Err("a time is at most 100 years".to_owned());
    }
    match time.subsec_nanos() % 1_000_000 {
        0 => Ok(time),
        _ => Err("a time is a whole number of milliseconds, as in 1ms or 2.5s".to_owned()),
    }
}

/// A time of which only whole seconds are counted.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let time = time(text)?;
    match u32::try_from(time.as_secs()) {
        Ok(seconds) if time.subsec_nanos() == 0 => Ok(seconds),
        _ => Err("expected whole seconds, as in 30, 30s or 2m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("65_536", 65_536),
            ("64KB", 64_000),
            ("64kb", 64_000),
            ("64 KiB", 65_536),
            ("64K", 64_000),
            ("64Ki", 65_536),
            ("1MB", 1_000_000),
            ("1MiB", 1 << 20),
            ("1.5MiB", 3 << 19),
            ("2GiB", 2 << 30),
            ("10B", 10),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KB", "many", "-1", "64 KBit", "64KiBs", "0x10", "1e3"] {
            assert_eq!(size(text), Err(SIZE.to_owned()), "{text}");
        }
        // The fuzzer's: a sum overflowed in the parser.
        for text in ["0.5e-2147483648", "1e99999999999", "inf", "1,5MB", &"9".repeat(50)] {
            assert_eq!(size(text), Err(SIZE.to_owned()), "{text}");
        }
        for text in ["1.5", "1.5B", "0.1"] {
            assert!(size(text).is_err_and(|why| why.contains("a whole number of bytes")), "{text}");
        }
        for text in ["99EB", "9999999999999999999KB"] {
            assert_eq!(size(text), Err(too_large(usize::MAX as u64)), "{text}");
        }
        // The fuzzer's: the parser rounds by the first digit that does not fit.
        for text in ["184467440737095516156", "18446744073709551615.9KB", "99999999999999999999"] {
            assert!(size(text).is_err_and(|why| why.contains("at most 19 digits")), "{text}");
        }
        assert_eq!(bytes_per_second("1MB"), Ok(1_000_000));
        assert_eq!(bytes_per_second("4GiB"), Err("at most 4294967295 bytes".to_owned()));
    }

    #[test]
    fn times() {
        for (text, ms) in [
            ("0", 0),
            ("30", 30_000),
            ("2.5", 2_500),
            ("30s", 30_000),
            ("2.5s", 2_500),
            ("500ms", 500),
            ("0.5 s", 500),
            ("5m", 300_000),
            ("1m 30s", 90_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("100seconds", 100_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "", "s", "-1", "-1s", "soon", "5M", "1y", "1 week", "30 s s", "1.s", "3µs", "1 0s",
            "1. 5s", "1 .5s", "1m 3 0s",
        ] {
            assert_eq!(time(text), Err(TIME.to_owned()), "{text}");
        }
        // The fuzzer's: with blanks between them, digits enough for a sum that overflowed.
        for text in ["1844674407370 9551615.9s 1.9s", "18446744073 709551615s 1.5s"] {
            assert!(time(text).is_err_and(|why| why.contains("at most 12 digits")), "{text}");
        }
        for text in ["1000000000000s", "18446744073709551615s1000ms", "36501d"] {
            assert!(time(text).is_err_and(|why| why.contains("100 years")), "{text}");
        }
        for text in ["0.0001", "0.5ms"] {
            assert!(time(text).is_err_and(|why| why.contains("milliseconds")), "{text}");
        }
        assert_eq!([seconds("2m"), seconds("30")], [Ok(120), Ok(30)]);
        for text in ["2.5", "2500ms", "100d 0.5s"] {
            assert!(seconds(text).is_err_and(|why| why.contains("whole seconds")), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!([count("0"), count("4294967296")], [Ok(0), Ok(4_294_967_296)]);
        for text in ["", "-1", "1.5", "many", "99999999999999999999", "1KB"] {
            assert_eq!(count(text).expect_err(text), "expected a whole number, as in 1000");
        }
        let error = per_second("4294967296").expect_err("too many");
        assert_eq!(error, "expected a whole number from 0 to 4294967295");
        let level = whole::<u8>(1..=9);
        assert_eq!((level("9"), level("10").is_err(), level("0").is_err()), (Ok(9), true, true));
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_told_what_one_is(
            text in "[0-9.]{0,25}[a-zA-Zµ ]{0,3}[0-9a-z ]{0,25}",
        ) {
            let reasons = [size(&text).err(), time(&text).err(), count(&text).err()];
            prop_assert!(reasons.into_iter().flatten().all(|why| !why.is_empty()));
        }
    }
}
