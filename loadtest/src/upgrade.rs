//! The opening handshake, from the client's side.
//!
//! Every connection sends the key of RFC 6455's own example, so that the right answer is known
//! without computing a digest for each of thousands of connections.

use crate::error::Error;
use crate::offer::{self, Agreed, Offer};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The request that every connection sends.
pub(crate) fn request(host: &str, path: &str, offer: Option<Offer>) -> Vec<u8> {
    let extensions = match offer {
        Some(offer) => format!("Sec-WebSocket-Extensions: {}\r\n", offer.value()),
        None => String::new(),
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         {extensions}\r\n"
    )
    .into_bytes()
}

/// Checks the answer; gives the length of its head and what was agreed about compression, or `None`
/// while the head is not complete.
pub(crate) fn answer(
    bytes: &[u8],
    offer: Option<Offer>,
) -> Result<Option<(usize, Option<Agreed>)>, Error> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(Error::Refused("an endless head".into()));
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
    let extensions = field("sec-websocket-extensions");
    let agreed = match offer {
        Some(offer) => Some(offer.judge(extensions)?),
        None => offer::judge_nothing(extensions).map(|()| None)?,
    };
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
        assert!(answer(right.as_bytes(), Some(Offer::Alone)).is_err(), "nothing was agreed on");
        assert!(answer(b"HTTP/1.1 503 Full\r\n\r\n", None).is_err());
        assert!(answer(b"HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: x\r\n\r\n", None).is_err());
    }

    #[test]
    fn extensions_stand_in_any_number_of_fields() {
        let head = |fields: &str| {
            format!("HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: {ACCEPT}\r\n{fields}\r\n\r\n")
        };
        let one = head("sec-websocket-extensions: permessage-deflate; server_max_window_bits=9");
        let agreed = Agreed { window_bits: 9, keeps_context: true };
        let found = answer(one.as_bytes(), Some(Offer::Context)).unwrap();
        assert_eq!(found, Some((one.len(), Some(agreed))));
        assert!(answer(one.as_bytes(), None).is_err(), "nothing was offered");
        let two =
            head("Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: x");
        assert!(answer(two.as_bytes(), Some(Offer::Context)).is_err());
    }
}
