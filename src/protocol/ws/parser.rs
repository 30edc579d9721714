//! The incremental frame parser: bytes in any pieces go in, messages come out.
//!
//! Between messages it has no buffer. A message that is complete in the given bytes is unmasked and
//! checked in place; a partial or fragmented one is copied into a box that is freed at its end.

use super::frame::{self, Header, Opcode};
use super::partial::Partial;
use super::{Accepts, Event, Kind, Violation, mask, utf8};

/// Reads one client's frames.
#[derive(Debug, Default)]
pub struct Parser {
    partial: Option<Box<Partial>>,
}

impl Parser {
    /// The next event in `bytes`, from `at` on; `at` moves past the bytes that were used.
    ///
    /// `None` when more bytes must come; then all of `bytes` was used. Payload is unmasked in
    /// place. After an error the connection has failed, and must not be parsed further.
    pub fn next<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        at: &mut usize,
        accepts: Accepts,
    ) -> Result<Option<Event<'a>>, Violation> {
        self.let_go();
        if self.partial.is_none() {
            if *at == bytes.len() {
                return Ok(None);
            }
            if let Some(header) = frame::decode(&bytes[*at..], accepts.compressed)? {
                let start = *at + header.header_bytes;
                let whole = header.payload_bytes <= (bytes.len() - start) as u64;
                if whole && header.fin && header.opcode != Opcode::Continuation {
                    *at = start + header.payload_bytes as usize;
                    return whole_frame(&header, &mut bytes[start..*at], accepts);
                }
            }
        }
        self.partial.get_or_insert_default().next(bytes, at, accepts)
    }

    /// Frees the message that was given last.
    #[inline]
    pub fn let_go(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.clear_handed_out();
            if partial.is_empty() {
                self.partial = None;
            }
        }
    }

    /// Whether there is no partial frame or message.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Since when a message is partial, as `note_unfinished` was told.
    pub fn unfinished_since(&self) -> Option<u32> {
        self.partial.as_ref().map(|partial| partial.since)
    }

    /// Notes the time, which is not 0, if a partial message has begun.
    pub fn note_unfinished(&mut self, now: u32) {
        if let Some(partial) = &mut self.partial
            && partial.since == 0
        {
            partial.since = now;
        }
    }

    /// The memory held between reads, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.held_bytes())
    }
}

/// A complete frame that is a whole message or a control frame.
fn whole_frame<'a>(
    header: &Header,
    payload: &'a mut [u8],
    accepts: Accepts,
) -> Result<Option<Event<'a>>, Violation> {
    if header.is_compressed {
        return whole_compressed(header, payload, accepts);
    }
    if !header.opcode.is_control() && payload.len() > accepts.message_bytes_max {
        return Err(Violation::MessageTooLong);
    }
    if header.opcode == Opcode::Text {
        let is_ascii = mask::unmask_text(payload, header.key, 0);
        return match is_ascii || utf8::is_text(payload) {
            true => Ok(Some(Event::Message(Kind::Text, payload))),
            false => Err(Violation::NotUtf8),
        };
    }
    mask::unmask(payload, header.key, 0);
    let event = match header.opcode {
        Opcode::Binary => Event::Message(Kind::Binary, payload),
        control => Event::of_control(control, payload)?,
    };
    Ok(Some(event))
}

#[cold]
fn whole_compressed<'a>(
    header: &Header,
    payload: &'a mut [u8],
    accepts: Accepts,
) -> Result<Option<Event<'a>>, Violation> {
    if payload.len() > accepts.payload_bytes_max(true) {
        return Err(Violation::MessageTooLong);
    }
    mask::unmask(payload, header.key, 0);
    let kind = if header.opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
    Ok(Some(Event::Compressed(kind, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ws::deflate;
    use proptest::prelude::*;

    const KEY: [u8; 4] = [0xa5, 0x01, 0xff, 0x3c];
    const ACCEPTS: Accepts = Accepts { message_bytes_max: 1000, compressed: true };

    /// A client's frame, written independently of the code under test.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(KEY);
        frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[i % 4]));
        frame
    }

    /// A fragment, then what fails the connection.
    fn fragment_and(violation: Violation) -> [Result<String, Violation>; 2] {
        [Ok("Fragment".into()), Err(violation)]
    }

    /// The events of `bytes` in pieces of these lengths, then of the rest.
    fn said(bytes: &[u8], pieces: &[usize]) -> Vec<Result<String, Violation>> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        let mut rest = bytes;
        let mut pieces = pieces.iter();
        while !rest.is_empty() {
            let take = (*pieces.next().unwrap_or(&rest.len())).clamp(1, rest.len());
            let mut piece = rest[..take].to_vec();
            rest = &rest[take..];
            let mut at = 0;
            loop {
                match parser.next(&mut piece, &mut at, ACCEPTS) {
                    Ok(Some(event)) => out.push(Ok(format!("{event:?}"))),
                    Ok(None) => break,
                    Err(violation) => {
                        out.push(Err(violation));
                        return out;
                    }
                }
            }
            assert_eq!(at, piece.len(), "all bytes are used before more are asked for");
        }
        out
    }

    #[test]
    fn fragments_with_a_ping_between() {
        let mut bytes = client_frame(0x01, b"Hel");
        bytes.extend(client_frame(0x89, b"?"));
        bytes.extend(client_frame(0x00, b""));
        bytes.extend(client_frame(0x80, b"lo"));
        let expected: Vec<_> = [
            Event::Fragment,
            Event::Ping(b"?"),
            Event::Fragment,
            Event::Message(Kind::Text, b"Hello"),
        ]
        .iter()
        .map(|event| Ok(format!("{event:?}")))
        .collect();
        assert_eq!(said(&bytes, &[]), expected);
        assert_eq!(said(&bytes, &vec![1; bytes.len()]), expected);
    }

    #[test]
    fn order_of_fragments() {
        let alone = said(&client_frame(0x80, b"x"), &[]);
        assert_eq!(alone, [Err(Violation::NothingToContinue)]);
        let mut bytes = client_frame(0x02, b"x");
        bytes.extend(client_frame(0x82, b"y"));
        assert_eq!(said(&bytes, &[]), fragment_and(Violation::MessageInterrupted));
    }

    #[test]
    fn size_is_judged_on_the_header() {
        let header_only = &client_frame(0x82, &[0; 1001])[..8];
        assert_eq!(said(header_only, &[]), [Err(Violation::MessageTooLong)]);
        let mut bytes = client_frame(0x02, &[0; 600]);
        bytes.extend(&client_frame(0x80, &[0; 401])[..8]);
        assert_eq!(said(&bytes, &[]), fragment_and(Violation::MessageTooLong));
        assert_eq!(said(&client_frame(0x82, &[0; 1001]), &[]), [Err(Violation::MessageTooLong)]);
        assert_eq!(said(&client_frame(0x82, &[0; 1000]), &[]).len(), 1);
    }

    #[test]
    fn bad_text_fails_before_the_message_ends() {
        let mut bytes = client_frame(0x01, b"ok \xce");
        bytes.extend(client_frame(0x00, b"\x28"));
        assert_eq!(said(&bytes, &[]), fragment_and(Violation::NotUtf8));
        let cut = &client_frame(0x81, b"\xff........")[..7];
        assert_eq!(said(cut, &[]), [Err(Violation::NotUtf8)]);
    }

    #[test]
    fn compressed_messages_are_given_compressed() {
        let mut bytes = client_frame(0x41, b"\xff");
        bytes.extend(client_frame(0x89, b"?"));
        bytes.extend(client_frame(0x80, b"\xfe"));
        bytes.extend(client_frame(0xc2, b"\x00"));
        let expected: Vec<_> = [
            Event::Fragment,
            Event::Ping(b"?"),
            Event::Compressed(Kind::Text, b"\xff\xfe"),
            Event::Compressed(Kind::Binary, b"\x00"),
        ]
        .iter()
        .map(|event| Ok(format!("{event:?}")))
        .collect();
        assert_eq!(said(&bytes, &[]), expected);
        assert_eq!(said(&bytes, &vec![1; bytes.len()]), expected);
        let mut bytes = client_frame(0x41, b"");
        bytes.extend(client_frame(0xc0, b""));
        let expected = fragment_and(Violation::ReservedBits);
        assert_eq!(said(&bytes, &[]), expected, "the first fragment says it");
        let longest = deflate::compressed_bytes_max(1000);
        assert_eq!(said(&client_frame(0xc2, &vec![0; longest]), &[]).len(), 1);
        let too_long = client_frame(0xc2, &vec![0; longest + 1]);
        assert_eq!(said(&too_long, &[]), [Err(Violation::MessageTooLong)]);
        assert_eq!(said(&too_long, &[9; 200]), [Err(Violation::MessageTooLong)]);
    }

    #[test]
    fn nothing_is_held_between_messages() {
        let bytes = client_frame(0x81, b"hello");
        let mut parser = Parser::default();
        for cut in 1..bytes.len() {
            let (mut head, mut tail) = (bytes[..cut].to_vec(), bytes[cut..].to_vec());
            assert_eq!(parser.next(&mut head, &mut 0, ACCEPTS), Ok(None));
            assert!(parser.held_bytes() > 0);
            let mut at = 0;
            let event = parser.next(&mut tail, &mut at, ACCEPTS);
            assert_eq!(event, Ok(Some(Event::Message(Kind::Text, b"hello"))));
            assert_eq!(parser.next(&mut tail, &mut at, ACCEPTS), Ok(None));
            assert_eq!(parser.held_bytes(), 0);
        }
    }

    #[test]
    fn the_time_belongs_to_one_message() {
        let mut parser = Parser::default();
        let bytes = client_frame(0x81, b"hello");
        let say = |parser: &mut Parser, bytes: &[u8], now| {
            let (mut bytes, mut at) = (bytes.to_vec(), 0);
            while parser.next(&mut bytes, &mut at, ACCEPTS).expect("legal frames").is_some() {}
            parser.note_unfinished(now);
            parser.unfinished_since()
        };
        assert_eq!(say(&mut parser, &bytes[..3], 7), Some(7));
        assert_eq!(say(&mut parser, &bytes[3..5], 8), Some(7));
        let rest_and_more = [&bytes[5..], &bytes[..1]].concat();
        assert_eq!(say(&mut parser, &rest_and_more, 9), Some(9), "another message");
        assert_eq!(say(&mut parser, &bytes[1..], 10), None);
    }

    proptest! {
        /// The same frames give the same events in any pieces.
        #[test]
        fn cuts_do_not_matter(
            frames in prop::collection::vec(
                (prop::sample::select(
                    vec![0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1, 0x42]),
                 prop::collection::vec(any::<u8>(), 0..200)), 1..8),
            pieces in prop::collection::vec(1usize..40, 0..60),
        ) {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(first, payload)| client_frame(*first, payload)).collect();
            prop_assert_eq!(said(&bytes, &pieces), said(&bytes, &[]));
        }

        /// Any bytes give events, a violation or a need for more; never a panic.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600),
                     pieces in prop::collection::vec(1usize..40, 0..60)) {
            prop_assert_eq!(said(&bytes, &pieces), said(&bytes, &[]));
        }
    }
}
