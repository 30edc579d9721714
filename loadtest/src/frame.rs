//! Frames on the wire: what a client writes (masked) and what a server writes (unmasked).

use std::hash::{BuildHasher, RandomState};

use crate::error::Error;

/// Says that a message is compressed.
const RSV1: u8 = 0x40;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The start of a server's frame: its kind, and where its payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// RSV1, which only the first frame of a message may have (RFC 7692, section 6).
    pub(crate) compressed: bool,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Reads a server's header; `None` while the frame is not complete.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (start, length) = match second {
        0..126 => (2, u64::from(*second)),
        126 => match rest.first_chunk() {
            Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        _ => return Err(Error::Protocol("a server's frame is masked")),
    };
    let kind = match first {
        0x81 | 0xc1 => Kind::Text,
        0x82 | 0xc2 => Kind::Binary,
        0x88 => Kind::Close,
        0x89 => Kind::Ping,
        0x8a => Kind::Pong,
        0x00..=0x02 | 0x80 | 0x41 | 0x42 => return Err(Error::Protocol("a fragmented message")),
        0x40 | 0xc0 => return Err(Error::Protocol("RSV1 within a message")),
        0xc8..=0xca => return Err(Error::Protocol("RSV1 on a control frame")),
        _ => return Err(Error::Protocol("an unknown kind of frame")),
    };
    if length > u64::from(u32::MAX) {
        return Err(Error::Protocol("a frame beyond 4 GiB"));
    }
    let end = start + length as usize;
    let compressed = first & RSV1 != 0;
    Ok((bytes.len() >= end).then_some(Header { kind, compressed, start, end }))
}

/// Appends one whole masked frame.
pub(crate) fn write(out: &mut Vec<u8>, kind: Kind, payload: &[u8], key: [u8; 4]) {
    const MASKED: u8 = 0x80;
    out.push(0x80 | kind as u8);
    match payload.len() {
        length @ 0..126 => out.push(MASKED | length as u8),
        length @ 126..65536 => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    for (at, byte) in out[start..].iter_mut().enumerate() {
        *byte ^= key[at % 4];
    }
}

/// A source of masking keys, never zero in any byte (a zero would leave bytes unmasked).
pub(crate) struct Keys(u64);

impl Keys {
    /// Keys that differ from run to run.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().hash_one(0x5eed) | 1)
    }

    /// The next key (xorshift; masks need to vary here, not to be secret).
    pub(crate) fn next(&mut self) -> [u8; 4] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) as u32).to_le_bytes().map(|byte| byte.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_only_when_the_frame_is_whole() {
        let frame = [0x81, 3, b'a', b'b', b'c'];
        for cut in 0..frame.len() {
            assert_eq!(read(&frame[..cut]).unwrap(), None);
        }
        let header = Header { kind: Kind::Text, compressed: false, start: 2, end: 5 };
        assert_eq!(read(&frame).unwrap(), Some(header));
        let compressed = [0xc1, 3, b'a', b'b', b'c'];
        assert_eq!(read(&compressed).unwrap(), Some(Header { compressed: true, ..header }));
    }

    #[test]
    fn rsv1_is_for_the_first_frame_of_a_message() {
        for (first, why) in [
            (0x40, "RSV1 within"),
            (0xc0, "RSV1 within"),
            (0x41, "fragmented"),
            (0xc8, "RSV1 on a control"),
            (0xc9, "RSV1 on a control"),
            (0xca, "RSV1 on a control"),
            (0xa1, "unknown"),
            (0xd1, "unknown"),
            (0xc3, "unknown"),
        ] {
            let complaint = read(&[first, 0]).expect_err(why).to_string();
            assert!(complaint.contains(why), "{first:x}: {complaint}");
        }
    }

    #[test]
    fn what_is_written_unmasks_to_the_payload() {
        for length in [0, 1, 125, 126, 65535, 65536] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let key = Keys::new().next();
            let mut out = Vec::new();
            write(&mut out, Kind::Text, &payload, key);
            let start = out.len() - length;
            assert_eq!(&out[start - 4..start], &key);
            let plain: Vec<u8> =
                out[start..].iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            assert_eq!(plain, payload);
            out[1] &= 0x7f;
            out.drain(start - 4..start);
            assert_eq!(read(&out).unwrap().unwrap().end, out.len());
        }
    }
}
