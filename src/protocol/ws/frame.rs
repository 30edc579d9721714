//! Frame headers (RFC 6455, section 5.2): those that clients send are read, ours are written.

use super::Violation;

/// The longest header that we write: two bytes and a 64-bit length.
pub const HEADER_BYTES_MAX: usize = 10;

/// The longest header that a client sends: the same with a masking key.
pub const CLIENT_HEADER_BYTES_MAX: usize = 14;

/// The most payload that a control frame has (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// The type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message begun.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A ping.
    Ping = 0x9,
    /// A pong.
    Pong = 0xa,
}

impl Opcode {
    fn new(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong; they may stand between the fragments of a message (section 5.5).
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The header of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// This is the last fragment, or the only one.
    pub fin: bool,
    /// The message that begins with this frame is compressed (RFC 7692, section 6).
    pub is_compressed: bool,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The masking key.
    pub key: [u8; 4],
    /// The length of the header.
    pub header_bytes: usize,
    /// The length of the payload.
    pub payload_bytes: u64,
}

/// Set in the first byte of a compressed message's first frame (RFC 7692, section 6).
const RSV1: u8 = 0x40;

/// Reads the header at the start of `bytes`; `None` when more of it must come first. Messages are
/// compressed only if `may_compress`: that was negotiated.
///
/// Each rule is checked as soon as its bytes are there.
pub fn decode(bytes: &[u8], may_compress: bool) -> Result<Option<Header>, Violation> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let is_compressed = first & 0x70 != 0;
    if is_compressed && !(may_compress && begins_compressed(first)) {
        return Err(Violation::ReservedBits);
    }
    let opcode = Opcode::new(first & 0x0f).ok_or(Violation::ReservedOpcode)?;
    let fin = first & 0x80 != 0;
    if opcode.is_control() && !fin {
        return Err(Violation::ControlFragmented);
    }
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    if second & 0x80 == 0 {
        return Err(Violation::NotMasked);
    }
    let (length_bytes, payload_bytes) = match second & 0x7f {
        126 | 127 if opcode.is_control() => return Err(Violation::ControlTooLong),
        126 => {
            let Some(&length) = bytes[2..].first_chunk() else { return Ok(None) };
            let length = u64::from(u16::from_be_bytes(length));
            if length < 126 {
                return Err(Violation::LengthNotMinimal);
            }
            (2, length)
        }
        127 => {
            let Some(&length) = bytes[2..].first_chunk() else { return Ok(None) };
            let length = u64::from_be_bytes(length);
            if length >> 63 != 0 {
                return Err(Violation::LengthOutOfRange);
            }
            if length <= u64::from(u16::MAX) {
                return Err(Violation::LengthNotMinimal);
            }
            (8, length)
        }
        short => (0, u64::from(short)),
    };
    let Some(&key) = bytes[2 + length_bytes..].first_chunk() else { return Ok(None) };
    let header_bytes = 2 + length_bytes + 4;
    Ok(Some(Header { fin, is_compressed, opcode, key, header_bytes, payload_bytes }))
}

/// Whether this is the first byte of a compressed message.
#[cold]
fn begins_compressed(first: u8) -> bool {
    first & 0x70 == RSV1 && matches!(first & 0x0f, 0x1 | 0x2)
}

/// The first byte of a frame that is a whole message.
pub fn first(opcode: Opcode, is_compressed: bool) -> u8 {
    0x80 | opcode as u8 | if is_compressed { RSV1 } else { 0 }
}

/// The length of a frame with so many bytes of payload.
pub fn encoded_bytes(payload_bytes: usize) -> usize {
    payload_bytes
        + match payload_bytes {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        }
}

/// The length of one of our own frames, header included, read from its header.
///
/// The bytes are ours, so an incomplete header is a fault of this program.
pub fn measure(frame: &[u8]) -> usize {
    match frame[1] {
        126 => 4 + usize::from(u16::from_be_bytes([frame[2], frame[3]])),
        127 => {
            let length: [u8; 8] = *frame[2..].first_chunk().expect("a header that we wrote");
            10 + u64::from_be_bytes(length) as usize
        }
        short => 2 + usize::from(short),
    }
}

/// Appends a whole frame to `to`.
pub fn write(opcode: Opcode, payload: &[u8], to: &mut Vec<u8>) {
    write_with(first(opcode, false), payload, to);
}

/// The same, with a first byte that [`first`] made.
pub fn write_with(first: u8, payload: &[u8], to: &mut Vec<u8>) {
    match payload.len() {
        short @ 0..=125 => to.extend_from_slice(&[first, short as u8]),
        middle @ 126..=0xffff => {
            let [high, low] = (middle as u16).to_be_bytes();
            to.extend_from_slice(&[first, 126, high, low]);
        }
        long => {
            to.extend_from_slice(&[first, 127]);
            to.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    to.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_trip() {
        for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 0x12_3456] {
            let mut frame = Vec::new();
            write(Opcode::Binary, &vec![7; length], &mut frame);
            assert_eq!(frame.len(), encoded_bytes(length));
            assert_eq!(measure(&frame), frame.len());
            let header_bytes = frame.len() - length;
            let mut client = frame[..header_bytes].to_vec();
            client[1] |= 0x80;
            client.extend_from_slice(&[1, 2, 3, 4]);
            let header = decode(&client, false).expect("a legal header").expect("a whole header");
            assert_eq!(header.payload_bytes, length as u64);
            assert_eq!(header.header_bytes, header_bytes + 4);
            for cut in 0..client.len() {
                assert_eq!(decode(&client[..cut], false), Ok(None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn the_bit_of_compression() {
        for (first, is_legal) in
            [(0xc1, true), (0x42, true), (0xc0, false), (0xc9, false), (0xd1, false), (0xe1, false)]
        {
            let bytes = [first, 0x80, 1, 2, 3, 4];
            assert_eq!(decode(&bytes, false), Err(Violation::ReservedBits));
            let header = decode(&bytes, true);
            assert_eq!(header.is_ok(), is_legal, "{first:#x}: {header:?}");
            assert!(header.is_ok_and(|header| header.is_some_and(|h| h.is_compressed)) == is_legal);
        }
        assert_eq!((first(Opcode::Text, true), first(Opcode::Text, false)), (0xc1, 0x81));
    }

    #[test]
    fn broken_rules_are_named() {
        let cases: [(&[u8], Violation); 9] = [
            (&[0xc1], Violation::ReservedBits),
            (&[0x83], Violation::ReservedOpcode),
            (&[0x8b], Violation::ReservedOpcode),
            (&[0x81, 0x01], Violation::NotMasked),
            (&[0x09], Violation::ControlFragmented),
            (&[0x89, 0xfe], Violation::ControlTooLong),
            (&[0x82, 0xfe, 0, 125], Violation::LengthNotMinimal),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::LengthNotMinimal),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::LengthOutOfRange),
        ];
        for (bytes, violation) in cases {
            assert_eq!(decode(bytes, false), Err(violation), "{bytes:x?}");
        }
    }
}
