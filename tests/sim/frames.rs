//! A stream of bytes as heads and frames, for faults that are planted in it.

/// What the next bytes are.
#[derive(Default)]
enum Stage {
    #[default]
    Head,
    Frames,
    /// What does not look like frames is left as it is.
    Bytes,
}

/// Cuts one direction of a connection into a head and frames.
#[derive(Default)]
pub struct Cutter {
    stage: Stage,
    rest: Vec<u8>,
}

/// A piece of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub bytes: Vec<u8>,
    /// It is a frame with this first byte.
    pub first: Option<u8>,
    /// Where its payload begins.
    pub start: usize,
}

impl Piece {
    /// A server's frame.
    pub fn frame(first: u8, payload: &[u8]) -> Piece {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(length as u8),
            length => {
                bytes.push(126);
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        Piece { bytes, first: Some(first), start }
    }

    /// A close frame's bytes.
    pub fn close(code: u16) -> Vec<u8> {
        Piece::frame(0x88, &code.to_be_bytes()).bytes
    }

    pub fn opcode(&self) -> Option<u8> {
        self.first.map(|first| first & 0x0f)
    }

    /// A whole message that is not compressed.
    pub fn is_message(&self) -> bool {
        matches!(self.first, Some(0x81 | 0x82))
    }

    /// Whether the relay says this to a client of `fanfare.v1`.
    pub fn says(&self, kind: &str) -> bool {
        let begin = format!("\n{{\"type\":\"{kind}\"");
        self.is_message() && self.payload().starts_with(begin.as_bytes())
    }

    /// The frame's bytes with the first of these words in its text replaced by the second.
    pub fn with(&self, word: &str, other: &str) -> Vec<u8> {
        match String::from_utf8(self.payload()) {
            Ok(text) => {
                let text = text.replacen(word, other, 1);
                Piece::frame(self.first.unwrap_or_default(), text.as_bytes()).bytes
            }
            Err(_) => self.bytes.clone(),
        }
    }

    /// The payload, without its mask.
    pub fn payload(&self) -> Vec<u8> {
        let payload = &self.bytes[self.start..];
        match self.bytes[1] >= 0x80 {
            false => payload.to_vec(),
            true => {
                let key = &self.bytes[self.start - 4..self.start];
                payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
            }
        }
    }
}

impl Cutter {
    /// The pieces that are whole with these bytes.
    pub fn cut(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.rest.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while let Some((used, first, start)) = self.next().filter(|(used, ..)| *used > 0) {
            let bytes = self.rest.drain(..used).collect();
            pieces.push(Piece { bytes, first, start });
        }
        pieces
    }

    /// Whether the bytes ended between two pieces.
    pub fn is_between_pieces(&self) -> bool {
        self.rest.is_empty()
    }

    fn next(&mut self) -> Option<(usize, Option<u8>, usize)> {
        let bytes = &self.rest;
        match self.stage {
            Stage::Bytes => Some((bytes.len(), None, 0)),
            Stage::Head => {
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
                let is_refusal = bytes.starts_with(b"HTTP") && !bytes.starts_with(b"HTTP/1.1 101");
                self.stage = if is_refusal { Stage::Bytes } else { Stage::Frames };
                Some((end, None, 0))
            }
            Stage::Frames => {
                let (first, second) = (*bytes.first()?, *bytes.get(1)?);
                if first & 0x30 != 0 || first & 0x0f > 10 {
                    self.stage = Stage::Bytes;
                    return self.next();
                }
                let (start, length): (usize, usize) = match second & 0x7f {
                    126 => (4, u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?) as usize),
                    127 => (10, u64::from_be_bytes(*bytes.get(2..10)?.first_chunk()?) as usize),
                    short => (2, usize::from(short)),
                };
                let start = start + if second & 0x80 != 0 { 4 } else { 0 };
                let used = start.saturating_add(length);
                (used <= bytes.len()).then_some((used, Some(first), start))
            }
        }
    }
}
