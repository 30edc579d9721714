//! The HTTP answers: the switch of protocols, a page, a refusal.

use super::Refusal;
use super::upgrade::Accept;
use std::io::Write;

/// `101`: from here on the connection speaks WebSocket (RFC 6455, section 4.2.2).
pub fn switching_protocols(accept: &Accept, to: &mut Vec<u8>) {
    to.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    to.extend_from_slice(accept);
    to.extend_from_slice(b"\r\n\r\n");
}

/// `200` with an HTML page that may load nothing from anywhere.
pub fn page(html: &[u8], head_only: bool, to: &mut Vec<u8>) {
    let extra = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
                 X-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\n";
    answer((200, "OK"), extra, "text/html; charset=utf-8", html, head_only, to);
}

/// The status that tells the client why, in a sentence.
pub fn refusal(refusal: Refusal, head_only: bool, to: &mut Vec<u8>) {
    let extra = match refusal {
        Refusal::Method => "Allow: GET, HEAD\r\n",
        // A 426 names what to upgrade to (RFC 9110, section 15.5.22).
        Refusal::WebSocketVersion | Refusal::UpgradeRequired => {
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        }
        Refusal::ConnectionsFull | Refusal::RoomsFull | Refusal::Draining => "Retry-After: 5\r\n",
        _ => "",
    };
    let body = format!("{}\n", refusal.explanation());
    answer(refusal.status(), extra, "text/plain; charset=utf-8", body.as_bytes(), head_only, to);
}

fn answer(
    (status, phrase): (u16, &str),
    extra: &str,
    content_type: &str,
    body: &[u8],
    head_only: bool,
    to: &mut Vec<u8>,
) {
    // A 426 must list `upgrade` beside `close` (RFC 9110, section 7.8).
    let connection = if status == 426 { "upgrade, close" } else { "close" };
    let length = body.len();
    write!(
        to,
        "HTTP/1.1 {status} {phrase}\r\n{extra}Content-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"
    )
    .expect("writing to memory");
    if !head_only {
        to.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_named() {
        let mut to = Vec::new();
        refusal(Refusal::WebSocketVersion, false, &mut to);
        let text = String::from_utf8(to).expect("text");
        assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: upgrade, close\r\n"), "{text}");
    }

    #[test]
    fn length_fits_the_body() {
        let mut whole = Vec::new();
        page(b"<p>hello", false, &mut whole);
        let mut head = Vec::new();
        page(b"<p>hello", true, &mut head);
        assert!(whole.starts_with(&head));
        assert_eq!(&whole[head.len()..], b"<p>hello");
        assert!(String::from_utf8_lossy(&head).contains("Content-Length: 8\r\n"));
    }
}
