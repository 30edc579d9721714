//! A message that arrives in pieces, checked while it arrives.

use super::{Violation, frame::Opcode, mask, utf8};

/// Text or binary; a relayed message keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The opcode of a whole message of this kind.
    pub fn opcode(self) -> Opcode {
        match self {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        }
    }
}

/// A partial message.
#[derive(Debug)]
pub struct Message {
    /// Text or binary.
    pub kind: Kind,
    /// It is compressed, and checked later.
    pub is_compressed: bool,
    bytes: Vec<u8>,
    /// Up to here the bytes are complete UTF-8 characters.
    checked: usize,
}

impl Message {
    /// An empty partial message.
    pub fn new(kind: Kind, is_compressed: bool) -> Message {
        Message { kind, is_compressed, bytes: Vec::new(), checked: 0 }
    }

    fn is_to_be_checked(&self) -> bool {
        self.kind == Kind::Text && !self.is_compressed
    }

    /// Takes the next piece, which is masked and `offset` bytes inside of its frame; text fails at
    /// its first invalid byte (section 8.1). The piece is unmasked in place.
    pub fn push(&mut self, piece: &mut [u8], key: [u8; 4], offset: u64) -> Result<(), Violation> {
        self.bytes.try_reserve(piece.len()).map_err(|_| Violation::NoMemory)?;
        if !self.is_to_be_checked() {
            mask::unmask(piece, key, offset);
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        let is_ascii = mask::unmask_text(piece, key, offset);
        let is_between_characters = self.checked == self.bytes.len();
        self.bytes.extend_from_slice(piece);
        if is_ascii && is_between_characters {
            self.checked = self.bytes.len();
            return Ok(());
        }
        let text = utf8::text_so_far(&self.bytes[self.checked..]);
        self.checked += text.ok_or(Violation::NotUtf8)?;
        Ok(())
    }

    /// Ends the message: an incomplete character makes the text invalid.
    pub fn finish(&self) -> Result<(), Violation> {
        if self.is_to_be_checked() && self.checked < self.bytes.len() {
            return Err(Violation::NotUtf8);
        }
        Ok(())
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The memory that it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(message: &mut Message, piece: &[u8]) -> Result<(), Violation> {
        message.push(&mut piece.to_vec(), [0; 4], 0)
    }

    #[test]
    fn text_in_any_pieces() {
        let text = "κόσμε 你好 🎺, then ASCII alone".as_bytes();
        for cut in 0..=text.len() {
            let mut message = Message::new(Kind::Text, false);
            push(&mut message, &text[..cut]).expect("still text");
            push(&mut message, &text[cut..]).expect("still text");
            message.finish().expect("whole text");
            assert_eq!(message.bytes(), text);
        }
    }

    #[test]
    fn open_end_and_early_failure() {
        let mut message = Message::new(Kind::Text, false);
        push(&mut message, b"\xf0\x9f").expect("may become a character");
        assert_eq!(message.finish(), Err(Violation::NotUtf8));
        assert_eq!(push(&mut message, b"A"), Err(Violation::NotUtf8));
        let mut message = Message::new(Kind::Binary, false);
        push(&mut message, b"\xff\xff").expect("any bytes");
        message.finish().expect("any bytes");
    }
}
