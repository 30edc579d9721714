//! The opening handshake (RFC 6455, section 4.1).
//!
//! Every connection sends the key of the RFC's own example. The right answer to it is known, and no
//! digest has to be computed for each of thousands of connections.

use super::deflate::{self, Agreed, Deflate};
use super::head::Head;
use crate::error::Error;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

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
    let Some(head) = Head::read(bytes)? else { return Ok(None) };
    head.expect(101)?;
    if head.field("sec-websocket-accept").next() != Some(ACCEPT) {
        return Err(Error::Refused("a wrong Sec-WebSocket-Accept".into()));
    }
    let agreed = deflate::agreed(deflate, head.field("sec-websocket-extensions"))?;
    Ok(Some((head.bytes, agreed)))
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
        assert!(answer(&[b'x'; 16 * 1024 + 1], None).is_err());
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
