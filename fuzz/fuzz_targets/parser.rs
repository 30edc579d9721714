//! Any bytes as frames: never a panic, and the same events wherever TCP cuts them.
//!
//! The input's first byte says how many bytes of cuts follow, each the length of a piece less one;
//! the rest is what the client sends.
#![no_main]

use fanfare::protocol::ws::deflate;
use fanfare::protocol::{Accepts, CloseCode, Event, Kind, Parser, Violation};
use libfuzzer_sys::fuzz_target;

const MESSAGE_BYTES_MAX: usize = 2000;
const ACCEPTS: Accepts = Accepts { message_bytes_max: MESSAGE_BYTES_MAX, compressed: true };

/// An event that owns its bytes.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Message(Kind, Vec<u8>),
    Compressed(Vec<u8>),
    Ping(Vec<u8>),
    Fragment,
    Pong,
    Close(Option<CloseCode>),
    Wrong(Violation),
}

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let (cuts, bytes) = rest.split_at(usize::from(*count).min(rest.len()));
    let whole = said(bytes, std::iter::empty());
    assert_eq!(whole, said(bytes, cuts.iter().map(|cut| usize::from(*cut) + 1)));
    assert_eq!(whole, said(bytes, std::iter::repeat(1)));
    for event in whole {
        match event {
            Said::Message(Kind::Text, text) => assert!(str::from_utf8(&text).is_ok()),
            Said::Message(Kind::Binary, bytes) => assert!(bytes.len() <= MESSAGE_BYTES_MAX),
            Said::Compressed(bytes) => {
                assert!(bytes.len() <= deflate::compressed_bytes_max(MESSAGE_BYTES_MAX));
            }
            Said::Ping(bytes) => assert!(bytes.len() <= 125),
            Said::Fragment | Said::Pong | Said::Close(_) | Said::Wrong(_) => {}
        }
    }
});

/// What is said by bytes that arrive in pieces of these lengths, the rest in one.
fn said(bytes: &[u8], mut pieces: impl Iterator<Item = usize>) -> Vec<Said> {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let take = pieces.next().unwrap_or(rest.len()).min(rest.len());
        let mut piece = rest[..take].to_vec();
        rest = &rest[take..];
        let mut at = 0;
        loop {
            match parser.next(&mut piece, &mut at, ACCEPTS) {
                Ok(Some(Event::Message(kind, bytes))) => {
                    events.push(Said::Message(kind, bytes.to_vec()));
                }
                Ok(Some(Event::Compressed(_, bytes))) => {
                    events.push(Said::Compressed(bytes.to_vec()));
                }
                Ok(Some(Event::Ping(bytes))) => events.push(Said::Ping(bytes.to_vec())),
                Ok(Some(Event::Fragment)) => events.push(Said::Fragment),
                Ok(Some(Event::Pong)) => events.push(Said::Pong),
                Ok(Some(Event::Close(code))) => events.push(Said::Close(code)),
                Ok(None) => break,
                Err(violation) => {
                    events.push(Said::Wrong(violation));
                    return events;
                }
            }
        }
        assert_eq!(at, piece.len(), "all bytes are used before more are asked for");
        // A box, and at most twice what a message and a control frame may hold.
        assert!(parser.held_bytes() <= 3 * MESSAGE_BYTES_MAX + 2 * 125 + 500);
    }
    events
}
