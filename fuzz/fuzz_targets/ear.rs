//! A client's ear in the fuzz target `relay`.

use flate2::{Decompress, FlushDecompress};

/// A client's ear: it knows a whole frame from a torn one.
#[derive(Default)]
pub struct Ear {
    bytes: Vec<u8>,
    is_open: bool,
    is_closed: bool,
    /// It keeps its context for as long as it lives, unless it was told otherwise.
    inflate: Option<(Decompress, bool)>,
}

impl Ear {
    pub fn hear(&mut self, bytes: &[u8]) {
        assert!(!self.is_closed, "nothing follows a close frame");
        self.bytes.extend_from_slice(bytes);
        if !self.is_open {
            assert!(b"HTTP/1.1 ".starts_with(&self.bytes[..self.bytes.len().min(9)]));
            let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end.filter(|_| self.bytes.starts_with(b"HTTP/1.1 101 ")) else {
                return;
            };
            let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
            if head.contains("permessage-deflate") {
                let forgets = head.contains("server_no_context_takeover");
                let state = Decompress::new_with_window_bits(false, 15);
                self.inflate = Some((state, forgets));
            }
            self.bytes.drain(..end + 4);
            self.is_open = true;
        }
        let mut rest = &self.bytes[..];
        while let Some((first, payload, behind)) = split_frame(rest) {
            assert!(!self.is_closed, "nothing follows a close frame");
            match first {
                0x81 => assert!(str::from_utf8(payload).is_ok()),
                0x82 => {}
                0xc1 | 0xc2 => {
                    let (state, forgets) = self.inflate.as_mut().expect("it was agreed on");
                    let message = inflate(state, *forgets, payload);
                    assert!(first == 0xc2 || str::from_utf8(&message).is_ok());
                }
                0x88..=0x8a => assert!(payload.len() <= 125),
                other => panic!("no frame of a relay begins with {other:#x}"),
            }
            self.is_closed = first == 0x88;
            rest = behind;
        }
        let used = self.bytes.len() - rest.len();
        self.bytes.drain(..used);
        assert!(!self.is_closed || self.bytes.is_empty(), "nothing follows a close frame");
    }
}

/// The first byte and the payload of a server's frame, and what is behind it; read apart from the
/// code under test.
fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..126 => (usize::from(*length), rest),
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        // 2000 bytes in JSON are less than 64 KiB; and a server does not mask.
        other => panic!("no length of a relay's frame: {other}"),
    };
    let (payload, behind) = rest.split_at_checked(length)?;
    Some((*first, payload, behind))
}

fn inflate(state: &mut Decompress, forgets: bool, payload: &[u8]) -> Vec<u8> {
    if forgets {
        state.reset(false);
    }
    let mut message = Vec::with_capacity(16_000);
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    state.decompress_vec(&input, &mut message, FlushDecompress::Sync).expect("it inflates");
    message
}
