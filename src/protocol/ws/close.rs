//! The body of a close frame (RFC 6455, section 5.5.1).

use super::{CloseCode, Violation, utf8};

/// Reads a close frame's body: empty, or a code and a reason in UTF-8.
pub fn decode(body: &[u8]) -> Result<Option<CloseCode>, Violation> {
    match body {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = CloseCode::new(u16::from_be_bytes([*high, *low]));
            let code = code.ok_or(Violation::CloseCode)?;
            if utf8::is_text(reason) { Ok(Some(code)) } else { Err(Violation::CloseReason) }
        }
        [_] => Err(Violation::CloseCode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        assert_eq!(decode(&[]), Ok(None));
        assert_eq!(decode(&[3]), Err(Violation::CloseCode));
        assert_eq!(decode(&[3, 0xe8]), Ok(Some(CloseCode::NORMAL)));
        assert_eq!(decode(b"\x03\xe8bye"), Ok(Some(CloseCode::NORMAL)));
        assert_eq!(decode(b"\x03\xe8\xff"), Err(Violation::CloseReason));
        assert_eq!(decode(&[3, 0xed]), Err(Violation::CloseCode), "1005 is never sent");
    }
}
