//! A text as a JSON string, byte for byte as PHP's `json_encode` writes it with its defaults.
//!
//! JSON allows many spellings of one string; clients of PHP servers expect PHP's: `/` as `\/`, five
//! short escapes, other control characters and everything beyond ASCII as `\uXXXX` in lower-case
//! digits, with surrogate pairs beyond the first plane. DEL stays.

/// Appends `text`, which is UTF-8, as a JSON string; `false` when there is no memory for it.
pub fn encode(text: &str, to: &mut Vec<u8>) -> bool {
    if to.try_reserve(encoded_bytes(text)).is_err() {
        return false;
    }
    to.push(b'"');
    for char in text.chars() {
        match char {
            '"' => to.extend_from_slice(b"\\\""),
            '\\' => to.extend_from_slice(b"\\\\"),
            '/' => to.extend_from_slice(b"\\/"),
            '\u{8}' => to.extend_from_slice(b"\\b"),
            '\u{c}' => to.extend_from_slice(b"\\f"),
            '\n' => to.extend_from_slice(b"\\n"),
            '\r' => to.extend_from_slice(b"\\r"),
            '\t' => to.extend_from_slice(b"\\t"),
            ' '..='\u{7f}' => to.push(char as u8),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    to.extend_from_slice(&escaped(*unit));
                }
            }
        }
    }
    to.push(b'"');
    true
}

/// The length of `text` as a JSON string, in bytes.
fn encoded_bytes(text: &str) -> usize {
    let bytes = |char: char| match char {
        '"' | '\\' | '/' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        ' '..='\u{7f}' => 1,
        _ => 6 * char.len_utf16(),
    };
    text.chars().map(bytes).sum::<usize>() + 2
}

/// The most bytes that `text_bytes` of UTF-8 become: a control character has six for one.
pub fn encoded_bytes_max(text_bytes: usize) -> usize {
    text_bytes.saturating_mul(6).saturating_add(2)
}

fn escaped(unit: u16) -> [u8; 6] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u16| DIGITS[usize::from(unit >> shift & 0xf)];
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was printed by PHP 8.2: `echo json_encode($text)`.
    #[test]
    fn as_php_writes_it() {
        let cases = [
            ("", r#""""#),
            (r#"{"a":1}"#, r#""{\"a\":1}""#),
            ("a/b\\c", r#""a\/b\\c""#),
            ("\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}", r#""\u0000\u0001\b\t\n\u000b\f\r\u001f""#),
            ("\u{7f}<&'>", "\"\u{7f}<&'>\""),
            ("é你\u{feff}\u{2028}", r#""\u00e9\u4f60\ufeff\u2028""#),
            ("🎺", r#""\ud83c\udfba""#),
        ];
        for (text, expected) in cases {
            let mut to = Vec::new();
            encode(text, &mut to);
            assert_eq!(String::from_utf8_lossy(&to), expected);
            assert!(to.len() <= encoded_bytes_max(text.len()));
        }
    }
}
