//! Any bytes as frames: never a panic, and the same words wherever TCP cuts them.
#![no_main]

use fanfare::protocol::{Event, Parser, Violation};
use libfuzzer_sys::fuzz_target;

const MESSAGE_BYTES_MAX: usize = 2000;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (cuts, bytes) = input;
    let pieces = cuts.iter().map(|cut| usize::from(*cut) + 1);
    let whole = said(bytes, std::iter::empty());
    assert_eq!(whole, said(bytes, pieces));
    for word in whole.into_iter().flatten() {
        assert!(word.len() <= MESSAGE_BYTES_MAX.max(125));
    }
});

/// What is said by bytes that arrive in pieces of these lengths, the rest in one.
fn said(
    bytes: &[u8],
    mut pieces: impl Iterator<Item = usize>,
) -> Vec<Result<Vec<u8>, Violation>> {
    let mut parser = Parser::default();
    let mut words = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let take = pieces.next().unwrap_or(rest.len()).min(rest.len());
        let mut piece = rest[..take].to_vec();
        rest = &rest[take..];
        let mut at = 0;
        loop {
            match parser.next(&mut piece, &mut at, MESSAGE_BYTES_MAX) {
                Ok(Some(Event::Message(_, payload) | Event::Ping(payload))) => {
                    words.push(Ok(payload.to_vec()));
                }
                Ok(Some(Event::Pong)) => words.push(Ok(Vec::new())),
                Ok(Some(Event::Close(code))) => {
                    let number = code.map_or(0, |code| code.number());
                    words.push(Ok(number.to_be_bytes().to_vec()));
                }
                Ok(None) => break,
                Err(violation) => {
                    words.push(Err(violation));
                    return words;
                }
            }
        }
        assert_eq!(at, piece.len(), "all bytes are used before more are asked for");
    }
    assert!(parser.held_bytes() <= 4 * MESSAGE_BYTES_MAX + 1000);
    words
}
