//! Which connection is meant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// A connection, and which use of its slot: a late event never meets a newer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// The slot.
    pub index: u32,
    /// The use of the slot, never 0; it wraps after four thousand million connections.
    pub generation: u32,
}

impl From<ConnId> for u64 {
    fn from(id: ConnId) -> u64 {
        u64::from(id.generation) << 32 | u64::from(id.index)
    }
}

impl From<u64> for ConnId {
    fn from(number: u64) -> ConnId {
        ConnId { index: number as u32, generation: (number >> 32) as u32 }
    }
}

/// A connection's id as clients and backends are told it: a random word of the relay, so that an id
/// of another relay, or of one before a restart, names nobody here. As text it has 22 characters,
/// which need no escape in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicId {
    pub(crate) word: u64,
    pub(crate) id: ConnId,
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u128::from(self.word) << 64 | u128::from(u64::from(self.id));
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes.to_be_bytes()))
    }
}

/// The text is no public id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoId;

impl FromStr for PublicId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<PublicId, NoId> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => {
                let number = u128::from_be_bytes(bytes);
                Ok(PublicId { word: (number >> 64) as u64, id: ConnId::from(number as u64) })
            }
            _ => Err(NoId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_id_is_text_that_needs_no_escape() {
        let id = ConnId { index: 7, generation: u32::MAX };
        let public = PublicId { word: u64::MAX - 1, id };
        let text = public.to_string();
        assert_eq!((text.as_str(), text.parse()), ("__________7_____AAAABw", Ok(public)));
        for none in ["", "x", &text[1..], &format!("{text}A"), "__________7_____AAAAB=", "7"] {
            assert_eq!(none.parse::<PublicId>(), Err(NoId), "{none}");
        }
    }

    #[test]
    fn there_and_back() {
        let id = ConnId { index: 7, generation: u32::MAX };
        assert_eq!(ConnId::from(u64::from(id)), id);
    }
}
