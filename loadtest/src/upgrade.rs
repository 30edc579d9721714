//! The opening handshake, from the client's side.
//!
//! Every connection sends the key of RFC 6455's own example, so that the right answer is known
//! without computing a digest for each of thousands of connections.

use crate::error::Error;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The request that every connection sends.
pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// Checks the answer; gives the length of its head, or `None` while that is not complete.
pub(crate) fn answer(bytes: &[u8]) -> Result<Option<usize>, Error> {
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
    let accept = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"));
    if accept.map(|(_, value)| value.trim()) != Some(ACCEPT) {
        return Err(Error::Refused("a wrong Sec-WebSocket-Accept".into()));
    }
    Ok(Some(end + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_be_whole_and_right() {
        let right = format!("HTTP/1.1 101 Ok\r\nsec-websocket-ACCEPT: {ACCEPT}\r\n\r\nrest");
        assert_eq!(answer(right.as_bytes()).unwrap(), Some(right.len() - 4));
        assert_eq!(answer(&right.as_bytes()[..40]).unwrap(), None);
        assert!(answer(b"HTTP/1.1 503 Full\r\n\r\n").is_err());
        assert!(answer(b"HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: x\r\n\r\n").is_err());
    }
}
