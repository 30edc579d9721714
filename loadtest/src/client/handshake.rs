//! The opening handshake (RFC 6455, section 4.1).
//!
//! Every connection sends the key of the RFC's own example. The right answer to it is known, and no
//! digest has to be computed for each of thousands of connections.

use super::deflate::{self, Agreed, Deflate};
use crate::error::Error;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The request.
pub(crate) fn request(host: &str, path: &str, deflate: Option<Deflate>) -> Vec<u8> {
    let extensions = match deflate {
        Some(deflate) => format!("Sec-WebSocket-Extensions: {}\r\n", deflate.offer()),
        None => String::new(),
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    )
    .into_bytes()
}

/// Checks the answer; gives the length of its head and what was agreed about compression, or `None`
/// while the head is not complete.
pub(crate) fn answer(
    bytes: &[u8],
    deflate: Option<Deflate>,
) -> Result<Option<(usize, Option<Agreed>)>, Error> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(Error::Refused("the head of the answer does not end".into()));
        }
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101 ") {
        return Err(Error::Refused(status.into()));
    }
    let field = |wanted| {
        let fields = lines.clone().filter_map(|line| line.split_once(':'));
        let own = fields.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        own.map(|(_, value)| value.trim())
    };
    if field("sec-websocket-accept").next() != Some(ACCEPT) {
        return Err(Error::Refused("a wrong Sec-WebSocket-Accept".into()));
    }
    let agreed = deflate::agreed(deflate, field("sec-websocket-extensions"))?;
    Ok(Some((end + 4, agreed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_be_whole_and_right() {
        let right = format!("HTTP/1.1 101 Ok\r\nsec-websocket-ACCEPT: {ACCEPT}\r\n\r\nrest");
        assert_eq!(answer(right.as_bytes(), None).unwrap(), Some((right.len() - 4, None)));
        assert_eq!(answer(&right.as_bytes()[..40], None).unwrap(), None);
        assert!(answer(right.as_bytes(), Some(Deflate::Alone)).is_err(), "nothing was agreed on");
        assert!(answer(b"HTTP/1.1 503 Full\r\n\r\n", None).is_err());
        assert!(answer(b"HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: x\r\n\r\n", None).is_err());
        assert!(answer(&[b'x'; HEAD_BYTES_MAX + 1], None).is_err());
    }

    #[test]
    fn extensions_stand_in_any_number_of_fields() {
        let head = |fields: &str| {
            format!("HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: {ACCEPT}\r\n{fields}\r\n\r\n")
        };
        let one = head("sec-websocket-extensions: permessage-deflate; server_max_window_bits=9");
        let agreed = Agreed { window_bits: 9, keeps_context: true };
        let found = answer(one.as_bytes(), Some(Deflate::Context)).unwrap();
        assert_eq!(found, Some((one.len(), Some(agreed))));
        assert!(answer(one.as_bytes(), None).is_err(), "nothing was offered");
        let two =
            head("Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: x");
        assert!(answer(two.as_bytes(), Some(Deflate::Context)).is_err());
    }
}
