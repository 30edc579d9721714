//! Which connection is meant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest as _, Sha1};
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

/// A connection's id as clients and backends are told it. As text it has 22 characters, which need
/// no escape in a URL.
///
/// It follows from the connection and a secret word of the relay, so an id of another relay, or of
/// one before a restart, names nobody here. Without the word, no other connection's id can be
/// computed from it, nor how many connections there were: it is a digest of the connection, and the
/// connection encrypted under that digest, as in SIV (RFC 5297).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicId {
    digest: u64,
    encrypted: u64,
}

impl PublicId {
    /// The id of a connection, with the relay's secret word.
    pub(crate) fn new(word: u64, id: ConnId) -> PublicId {
        let digest = keyed_digest(word, b"digest", id.into());
        PublicId { digest, encrypted: u64::from(id) ^ keyed_digest(word, b"cipher", digest) }
    }

    /// The connection of which this is the id, if it was made with this word.
    pub(crate) fn conn_id(self, word: u64) -> Option<ConnId> {
        let id = ConnId::from(self.encrypted ^ keyed_digest(word, b"cipher", self.digest));
        (PublicId::new(word, id) == self).then_some(id)
    }
}

/// A number that nobody computes without the word. The word stands at both ends, so nobody computes
/// it from the digest of something shorter either.
fn keyed_digest(word: u64, purpose: &[u8; 6], number: u64) -> u64 {
    let digest = Sha1::new().chain_update(word.to_be_bytes()).chain_update(purpose);
    let digest = digest.chain_update(number.to_be_bytes()).chain_update(word.to_be_bytes());
    u64::from_be_bytes(*digest.finalize().first_chunk().expect("8 of 20"))
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u128::from(self.digest) << 64 | u128::from(self.encrypted);
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
                Ok(PublicId { digest: (number >> 64) as u64, encrypted: number as u64 })
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
        let public = PublicId { digest: u64::MAX - 1, encrypted: 0xffff_ffff_0000_0007 };
        let text = public.to_string();
        assert_eq!((text.as_str(), text.parse()), ("__________7_____AAAABw", Ok(public)));
        for none in ["", "x", &text[1..], &format!("{text}A"), "__________7_____AAAAB=", "7"] {
            assert_eq!(none.parse::<PublicId>(), Err(NoId), "{none}");
        }
    }

    #[test]
    fn a_public_id_names_its_connection_to_the_relay_alone() {
        let ids = [(0, 1), (0, 2), (1, 2), (7, u32::MAX)];
        let ids = ids.map(|(index, generation)| ConnId { index, generation });
        for id in ids {
            let public = PublicId::new(3, id);
            assert_eq!((public.conn_id(3), public.conn_id(4)), (Some(id), None));
            for bit in 0..64 {
                let digest = PublicId { digest: public.digest ^ 1 << bit, ..public };
                let encrypted = PublicId { encrypted: public.encrypted ^ 1 << bit, ..public };
                assert_eq!([digest.conn_id(3), encrypted.conn_id(3)], [None; 2], "bit {bit}");
            }
        }
    }

    /// Of two neighbours, half of all bits differ: a client that knows its own id knows nothing
    /// about the next one.
    #[test]
    fn public_ids_of_neighbours_have_nothing_in_common() {
        let public = |number: u32| {
            let public = PublicId::new(3, ConnId { index: number, generation: number + 1 });
            [public.digest, public.encrypted]
        };
        for half in 0..2 {
            let differing = |number| (public(number)[half] ^ public(number + 1)[half]).count_ones();
            let sum: u32 = (0..1_000).map(differing).sum();
            assert!((31_000..33_000).contains(&sum), "{sum} of 64,000 bits");
        }
    }

    #[test]
    fn there_and_back() {
        let id = ConnId { index: 7, generation: u32::MAX };
        assert_eq!(ConnId::from(u64::from(id)), id);
    }
}
