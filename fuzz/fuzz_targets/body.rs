//! Any bytes as the body of a request: never a panic, and the same content and end in any pieces.
#![no_main]

use fanfare::protocol::http::body::{Body, Piece};
use fanfare::protocol::http::{Framing, Refusal};
use libfuzzer_sys::fuzz_target;

/// What a body came to.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    content: Vec<u8>,
    /// How many bytes belong to the body, if it has ended, or why it is none.
    end: Option<Result<usize, Refusal>>,
}

fuzz_target!(|input: (Option<u16>, u16, u16, &[u8])| {
    let (length, one, other, bytes) = input;
    let framing = length.map_or(Framing::Chunked, |length| Framing::Length(length.into()));
    let cut = |number: u16| usize::from(number) % (bytes.len() + 1);
    let (first, second) = (cut(one).min(cut(other)), cut(one).max(cut(other)));
    let whole = read(framing, &[bytes]);
    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
    assert_eq!(read(framing, &pieces), whole);
    // The end of a body without content is seen when it is asked for.
    let single: Vec<&[u8]> = bytes.chunks(1).chain([&[][..]]).collect();
    assert_eq!(read(framing, &single), whole);
    assert!(whole.content.len() <= bytes.len());
    if let (Framing::Length(length), Some(Ok(end))) = (framing, whole.end) {
        assert_eq!(end as u64, length);
        assert_eq!(whole.content, bytes[..end]);
    }
    if framing == Framing::Chunked && matches!(whole.end, Some(Ok(_))) {
        // What is read as content is read as the same content again.
        let again = format!("{:x}\r\n", whole.content.len()).into_bytes();
        let again = [&again, &whole.content[..], b"\r\n0\r\n\r\n"].concat();
        if !whole.content.is_empty() {
            assert_eq!(read(framing, &[&again]).content, whole.content);
        }
    }
});

fn read(framing: Framing, pieces: &[&[u8]]) -> Read {
    let (mut body, mut content, mut before) = (Body::new(framing), Vec::new(), 0);
    for bytes in pieces {
        let mut at = 0;
        loop {
            match body.next(bytes, &mut at) {
                Ok(Some(Piece::Content(piece))) => {
                    assert!(!piece.is_empty());
                    content.extend_from_slice(piece);
                }
                Ok(Some(Piece::End)) => return Read { content, end: Some(Ok(before + at)) },
                Ok(None) => break,
                Err(refusal) => return Read { content, end: Some(Err(refusal)) },
            }
        }
        assert_eq!(at, bytes.len(), "what belongs to it was taken");
        before += bytes.len();
    }
    Read { content, end: None }
}
