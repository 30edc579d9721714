//! Any bytes as what a relay says to `fanfare publish` and `fanfare listen`: never a panic, the
//! same answer in any pieces, and no more memory than was allowed.
#![no_main]

use fanfare::protocol::http::body::{Body, Piece};
use fanfare::protocol::http::event_source::{EventSource, Told};
use fanfare::protocol::http::reply::{Extent, Head};
use libfuzzer_sys::fuzz_target;

/// The bound on an event here.
const EVENT_BYTES_MAX: usize = 256;

fuzz_target!(|input: (u16, u16, &[u8])| {
    let (one, other, bytes) = input;
    let cut = |number: u16| usize::from(number) % (bytes.len() + 1);
    let (first, second) = (cut(one).min(cut(other)), cut(one).max(cut(other)));
    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    // A stream without an answer around it.
    let whole = events(&[bytes]);
    assert_eq!(events(&pieces), whole);
    assert_eq!(events(&single), whole);
    // An answer.
    if let Ok(Some((head, used))) = Head::read(bytes) {
        for cut in [first, second].into_iter().filter(|cut| *cut < used) {
            assert_eq!(Head::read(&bytes[..cut]), Ok(None), "what is good whole is good in parts");
        }
        let rest = &bytes[used..];
        let content = match head.extent {
            Extent::Connection => rest.to_vec(),
            Extent::Framed(framing) => content(Body::new(framing), rest),
        };
        events(&[&content]);
        assert!(content.len() <= rest.len());
    }
});

/// The content of a body, as far as it came.
fn content(mut body: Body, bytes: &[u8]) -> Vec<u8> {
    let (mut content, mut at) = (Vec::new(), 0);
    while let Ok(Some(Piece::Content(piece))) = body.next(bytes, &mut at) {
        content.extend_from_slice(piece);
    }
    content
}

/// What is told in these pieces of a stream: ids and messages; `None` for an event too long.
fn events(pieces: &[&[u8]]) -> Vec<Option<(Option<String>, Option<Told>)>> {
    let (mut source, mut told) = (EventSource::new(EVENT_BYTES_MAX), Vec::new());
    for bytes in pieces {
        let mut at = 0;
        loop {
            match source.next(bytes, &mut at) {
                Ok(Some(event)) => {
                    // A byte that is none of UTF-8 becomes three.
                    assert!(event.data.len() <= 3 * EVENT_BYTES_MAX);
                    assert!(event.id.as_ref().is_none_or(|id| !id.contains(['\r', '\n', '\0'])));
                    told.push(Some((event.id.clone(), event.told())));
                }
                Ok(None) => break,
                Err(_) => {
                    told.push(None);
                    return told;
                }
            }
        }
        assert_eq!(at, bytes.len());
    }
    told
}
