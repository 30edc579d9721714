//! Frames (RFC 6455, section 5.2): a client's are masked, a server's are not.

use std::hash::{BuildHasher, RandomState};

use crate::error::Error;

const FIN: u8 = 0x80;
/// The message is compressed (RFC 7692, section 6).
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A server's frame that lies whole in a buffer: what it is, and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: Opcode,
    pub(crate) compressed: bool,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Finds a server's frame at the start of `bytes`; `None` while it is not complete.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Frame>, Error> {
    let Some((start, length)) = lengths(bytes) else { return Ok(None) };
    if bytes[1] & MASKED != 0 {
        return Err(Error::Protocol("a server's frame is masked"));
    }
    let opcode = match bytes[0] {
        0x81 | 0xc1 => Opcode::Text,
        0x82 | 0xc2 => Opcode::Binary,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        0x00..=0x02 | 0x80 | 0x41 | 0x42 => return Err(Error::Protocol("a fragmented message")),
        0x40 | 0xc0 => return Err(Error::Protocol("RSV1 within a message")),
        0xc8..=0xca => return Err(Error::Protocol("RSV1 on a control frame")),
        _ => return Err(Error::Protocol("an unknown opcode or reserved bit")),
    };
    if length > u64::from(u32::MAX) {
        return Err(Error::Protocol("a frame beyond 4 GiB"));
    }
    let end = start + length as usize;
    let compressed = bytes[0] & RSV1 != 0;
    Ok((bytes.len() >= end).then_some(Frame { opcode, compressed, start, end }))
}

/// The lengths of a frame's header, without a masking key, and of its payload; `None` while the
/// header is not complete.
#[inline]
pub(crate) fn lengths(bytes: &[u8]) -> Option<(usize, u64)> {
    let [_, second, rest @ ..] = bytes else { return None };
    Some(match second & !MASKED {
        126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length => (2, u64::from(length)),
    })
}

/// Appends one whole masked frame.
pub(crate) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    write_header(out, FIN | opcode as u8, MASKED, payload.len());
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    for (at, byte) in out[start..].iter_mut().enumerate() {
        *byte ^= key[at % 4];
    }
}

/// Appends the header of a frame with this first byte, without a masking key.
pub(crate) fn write_header(out: &mut Vec<u8>, first: u8, masked: u8, length: usize) {
    out.push(first);
    match length {
        0..126 => out.push(masked | length as u8),
        126..65_536 => {
            out.push(masked | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Masking keys. They differ from frame to frame, as they must, but are no secret here.
pub(crate) struct Keys(u32);

impl Keys {
    /// Keys that differ from run to run, and from connection to connection.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().hash_one(0) as u32 | 1)
    }

    /// The next key (xorshift), with no byte of zero: that would leave bytes as they are.
    pub(crate) fn next(&mut self) -> [u8; 4] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.to_le_bytes().map(|byte| byte.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_only_when_it_is_whole() {
        let frame = [0x81, 3, b'a', b'b', b'c'];
        for cut in 0..frame.len() {
            assert_eq!(read(&frame[..cut]).unwrap(), None);
        }
        let whole = Frame { opcode: Opcode::Text, compressed: false, start: 2, end: 5 };
        assert_eq!(read(&frame).unwrap(), Some(whole));
        let compressed = [0xc1, 3, b'a', b'b', b'c'];
        assert_eq!(read(&compressed).unwrap(), Some(Frame { compressed: true, ..whole }));
    }

    #[test]
    fn rsv1_is_only_for_the_first_frame_of_a_message() {
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
    fn a_written_frame_unmasks_to_its_payload() {
        for length in [0, 1, 125, 126, 65535, 65536] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let key = Keys::new().next();
            let mut out = Vec::new();
            write(&mut out, Opcode::Text, &payload, key);
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
