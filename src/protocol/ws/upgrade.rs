//! The opening handshake from the server's side (RFC 6455, section 4.2).

use super::extension::Agreed;
use crate::protocol::http::head::Head;
use crate::protocol::http::{Framing, Refusal, Status, Wants, Writer, path};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

/// The constant that section 1.3 appends to the client's key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The decoder of the client's key: 16 bytes, with any unused bits in the last letter, as in the
/// RFC's example `AQIDBAUGBwgJCgsMDQ4PEC==` (section 4.2.1) and in keys of 22 random letters.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The request's purpose; the path is decoded, without its first slash.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A WebSocket connection; `accept` proves that the server read the key (section 4.2.2).
    Upgrade {
        /// The decoded path.
        path: Vec<u8>,
        /// The value of `Sec-WebSocket-Accept`.
        accept: Accept,
    },
    /// OPTIONS, with any target.
    Options,
    /// POST: a message for the room of this name.
    Publish {
        /// The decoded path.
        path: Vec<u8>,
        /// How the message is delimited.
        framing: Framing,
    },
    /// A plain GET or HEAD.
    Plain {
        /// The decoded path.
        path: Vec<u8>,
        /// The kind of answer that the client accepts.
        wants: Wants,
    },
}

/// The value of `Sec-WebSocket-Accept`: 20 bytes in base64.
pub type Accept = [u8; 28];

/// Judges a request by its head.
pub fn judge(head: &Head<'_>) -> Result<Request, Refusal> {
    head.host()?;
    let framing = Framing::of(head)?;
    match head.method {
        "GET" | "HEAD" | "OPTIONS" => {}
        "POST" => return Ok(Request::Publish { path: path::decode(head.target)?, framing }),
        _ => return Err(Refusal::Method),
    }
    if framing != Framing::NONE {
        return Err(Refusal::Body);
    }
    if head.method == "OPTIONS" {
        return Ok(Request::Options);
    }
    let path = path::decode(head.target)?;
    let has_upgrade = head.has_token("upgrade", "websocket");
    if !has_upgrade || !head.is_http_11 {
        let has_key = head.values("sec-websocket-key").next().is_some();
        return match head.is_http_11 {
            _ if !has_upgrade && !has_key => Ok(Request::Plain { path, wants: Wants::of(head) }),
            true => Err(Refusal::UpgradeHeader),
            false => Err(Refusal::Http10),
        };
    }
    if head.method != "GET" {
        return Err(Refusal::Method);
    }
    if !head.has_token("connection", "upgrade") {
        return Err(Refusal::ConnectionHeader);
    }
    if !head.has_token("sec-websocket-version", "13") {
        return Err(Refusal::WebSocketVersion);
    }
    let key = head.once("sec-websocket-key").ok_or(Refusal::Key)?;
    let mut nonce = [0; 18]; // the most that 24 characters decode to
    match KEY.decode_slice(key, &mut nonce) {
        Ok(16) => Ok(Request::Upgrade { path, accept: accept(key) }),
        _ => Err(Refusal::Key),
    }
}

/// The proof that this server read the client's key (section 4.2.2, item 5.4).
pub fn accept(key: &[u8]) -> Accept {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes make 28 characters");
    accept
}

/// `101` (RFC 6455, section 4.2.2), with the agreed extension; `subprotocol` is one that the client
/// offered.
pub fn switching_protocols(
    accept: &Accept,
    subprotocol: Option<&[u8]>,
    agreed: Option<&Agreed>,
    to: &mut Vec<u8>,
) {
    let mut answer = Writer::begin(Status::SWITCHING_PROTOCOLS, to)
        .lines("Upgrade: websocket\r\n")
        .field_by("Sec-WebSocket-Accept", |to| to.extend_from_slice(accept));
    if let Some(subprotocol) = subprotocol {
        answer = answer.field("Sec-WebSocket-Protocol", subprotocol);
    }
    if let Some(agreed) = agreed {
        answer = answer.field_by("Sec-WebSocket-Extensions", |to| agreed.write(to));
    }
    answer.no_body();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    fn judged(request: &str) -> Result<Request, Refusal> {
        judge(&head::parse(request.as_bytes())?)
    }

    #[test]
    fn the_example_of_the_rfc() {
        let accept = *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(judged(GOOD), Ok(Request::Upgrade { path: b"chat".to_vec(), accept }));
        assert!(
            judged(
                &GOOD.to_uppercase().replace("DGHLIHNHBXBSZSBUB25JZQ", "dGhlIHNhbXBsZSBub25jZQ")
            )
            .is_ok()
        );
    }

    #[test]
    fn each_rule() {
        let cases = [
            ("GET", "PUT", Refusal::Method),
            ("GET", "HEAD", Refusal::Method),
            ("HTTP/1.1", "HTTP/1.0", Refusal::Http10),
            ("HTTP/1.1", "HTTP/2.0", Refusal::HttpVersion),
            ("/chat", "chat", Refusal::TargetForm),
            ("Host: h\r\n", "", Refusal::Host),
            ("Host: h\r\n", "Host: h\r\nHost: h\r\n", Refusal::Host),
            ("Host: h\r\n", "Host: h@h\r\n", Refusal::Host),
            ("Host: h\r\n", "Host: h\r\nContent-Length: 5\r\n", Refusal::Body),
            ("Host: h\r\n", "Host: h\r\nContent-Length: +5\r\n", Refusal::BodyLength),
            ("Host: h\r\n", "Host: h\r\nTransfer-Encoding: x\r\n", Refusal::TransferCoding),
            ("/chat", "/%c", Refusal::Path),
            ("keep-alive, Upgrade", "keep-alive", Refusal::ConnectionHeader),
            ("Version: 13", "Version: 8", Refusal::WebSocketVersion),
            ("Sec-WebSocket-Version: 13\r\n", "", Refusal::WebSocketVersion),
            ("Upgrade: websocket\r\n", "", Refusal::UpgradeHeader),
            ("Upgrade: websocket", "Upgrade: h2c", Refusal::UpgradeHeader),
            ("Version: 13", "Version: 130", Refusal::WebSocketVersion),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", Refusal::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=", Refusal::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE=", Refusal::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j ZQ==", Refusal::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", Refusal::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "!!!!IHNhbXBsZSBub25jZQ==", Refusal::Key),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", Refusal::Key),
        ];
        for (part, instead, refusal) in cases {
            let request = GOOD.replacen(part, instead, 1);
            assert_eq!(judged(&request), Err(refusal), "{request}");
        }
    }

    #[test]
    fn keys_that_other_servers_accept() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        for (part, instead) in [
            ("websocket", "WebSocket"),
            ("Upgrade: websocket", "Upgrade: , websocket ,"),
            ("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"),
            ("keep-alive, Upgrade", "Upgrade"),
            ("keep-alive, Upgrade", "\t upgrade\t"),
            ("keep-alive, Upgrade", "Upgrade,keep-alive"),
            ("keep-alive, Upgrade", "keep-alive,, ,UPGRADE"),
            ("keep-alive, Upgrade", "keep-alive\r\nConnection: upgrade"),
            ("Version: 13", "Version:13"),
            ("Version: 13", "Version: 13, 8"),
            ("Version: 13", "Version: 8 , 13"),
            ("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13"),
            ("HTTP/1.1", "HTTP/1.2"),
        ] {
            let request = GOOD.replacen(part, instead, 1);
            let accept = accept(key.as_bytes());
            let expected = Request::Upgrade { path: b"chat".to_vec(), accept };
            assert_eq!(judged(&request), Ok(expected), "{request}");
        }
    }

    #[test]
    fn a_key_is_16_bytes_whatever_the_last_bits_are_and_is_answered_as_it_was_sent() {
        for (key, proof) in [
            ("AQIDBAUGBwgJCgsMDQ4PEC==", b"OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
            ("AQIDBAUGBwgJCgsMDQ4PEA==", b"C/0nmHhBztSRGR1CwL6Tf4ZjwpY="),
            ("abcdefghijklmnopqrstuv==", b"bgAIe1Uyl8RkKSUGzScol17gp1Y="),
            ("zzzzzzzzzzzzzzzzzzzzzz==", b"kIBRZdExWWO45oxXMzy1FGq6sM0="),
        ] {
            let request = GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", key);
            let expected = Request::Upgrade { path: b"chat".to_vec(), accept: *proof };
            assert_eq!(judged(&request), Ok(expected), "{key}");
        }
    }

    #[test]
    fn post_publishes_its_body() {
        let post = "POST /a%20b?x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
        let expected = |framing| Ok(Request::Publish { path: b"a b".to_vec(), framing });
        assert_eq!(judged(post), expected(Framing::Length(5)));
        assert_eq!(judged(&post.replace("1.1", "1.0")), expected(Framing::Length(5)));
        let chunked = post.replace("Content-Length: 5", "Transfer-Encoding: chunked");
        assert_eq!(judged(&chunked), expected(Framing::Chunked));
        assert_eq!(judged(&post.replace("Host: h\r\n", "")), Err(Refusal::Host));
        assert_eq!(judged(&post.replace("/a", "*")), Err(Refusal::TargetForm));
    }

    #[test]
    fn http_1_0_is_answered() {
        let plain = Request::Plain { path: b"x".to_vec(), wants: Wants::default() };
        assert_eq!(judged("GET /x HTTP/1.0\r\n\r\n"), Ok(plain));
        assert!(judged("HEAD /x HTTP/1.0\r\nHost: h\r\n\r\n").is_ok());
        let two = "GET /x HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n";
        assert_eq!(judged(two), Err(Refusal::Host));
        // As nginx passes an upgrade on by default.
        let key = "GET /x HTTP/1.0\r\nConnection: close\r\nSec-WebSocket-Key: x\r\n\r\n";
        assert_eq!(judged(key), Err(Refusal::Http10));
    }

    #[test]
    fn options_may_have_any_target() {
        for target in ["*", "/", "/news", "http://h/"] {
            let request = format!("OPTIONS {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(judged(&request), Ok(Request::Options), "{target}");
        }
        assert_eq!(judged("OPTIONS / HTTP/1.0\r\n\r\n"), Ok(Request::Options));
    }

    #[test]
    fn plain_requests() {
        let plain = |page, head_only| {
            let wants = Wants { page, head_only, ..Wants::default() };
            Request::Plain { path: b"x".to_vec(), wants }
        };
        assert_eq!(judged("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"), Ok(plain(false, false)));
        assert_eq!(judged("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"), Ok(plain(false, true)));
        let browser = "GET /x HTTP/1.1\r\nHost: h\r\nAccept: text/html,*/*\r\n\r\n";
        assert_eq!(judged(browser), Ok(plain(true, false)));
        let other = "GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n";
        assert_eq!(judged(other), Ok(plain(false, false)));
        let lists = "GET /x HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, GZip\r\n\
                     If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n\r\n";
        let wants = Wants { gzip: true, known: b"\"a\",\"b\"".to_vec(), ..Wants::default() };
        assert_eq!(judged(lists), Ok(Request::Plain { path: b"x".to_vec(), wants }));
    }
}
