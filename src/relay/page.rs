//! What the relay serves to a browser: the live page, its parts, and what is known of a room.

use super::{Limits, Relay};
use crate::protocol::response::Asset;
use std::fmt::Write;

/// Paths below this are the relay's own.
pub(super) const RESERVED: &[u8] = b"_/";

/// Paths below this tell what is known of a room.
const ROOM: &[u8] = b"_/room/";

/// Files by their path; the page itself, which stands at every room's path, is the first.
const ASSETS: &[(&[u8], Asset)] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page of a room.
pub(super) fn page() -> &'static Asset {
    &ASSETS[0].1
}

/// The file at one of the relay's own paths.
pub(super) fn asset(path: &[u8]) -> Option<&'static Asset> {
    ASSETS[1..].iter().find(|(own, _)| *own == path).map(|(_, asset)| asset)
}

impl Relay {
    /// What is known of a room, as JSON, if the path asks for that. Asking makes no room.
    pub(super) fn about(&self, path: &[u8]) -> Option<String> {
        let name = path.strip_prefix(ROOM)?;
        let Limits { echo, encoding, heartbeat, message_bytes_max, .. } = &self.limits;
        let mut json = String::new();
        let members = self.rooms.members(name);
        let is_json = *encoding == super::Encoding::Json;
        write!(json, "{{\"members\":{members},\"echo\":{echo},\"json\":{is_json},\"heartbeat\":")
            .expect("writing to memory");
        match heartbeat {
            None => json.push_str("null"),
            Some(pair) => {
                let mut words = Vec::new();
                for (before, word) in [("[", &pair.word), (",", &pair.answer)] {
                    words.extend_from_slice(before.as_bytes());
                    crate::protocol::json::encode(word, &mut words);
                }
                json.push_str(&String::from_utf8_lossy(&words));
                json.push(']');
            }
        }
        write!(json, ",\"max_message\":{message_bytes_max}}}").expect("writing to memory");
        Some(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Heartbeat;

    #[test]
    fn the_page_and_its_parts_are_light() {
        let bytes: usize = ASSETS.iter().map(|(_, asset)| asset.gzip.len()).sum();
        assert!(bytes <= 30 * 1024, "{bytes} bytes over the wire");
        assert!(page().content_type.starts_with("text/html"));
        assert!(asset(b"_/client.js").is_some() && asset(b"_/nothing").is_none());
        assert!(asset(b"").is_none(), "the page is at no path of its own");
    }

    #[test]
    fn a_word_cannot_break_out_of_the_json() {
        let pair = Heartbeat { word: "a\"]".to_owned(), answer: "b\\".to_owned() };
        let relay = Relay::new(Limits { heartbeat: Some(pair), echo: true, ..Limits::default() });
        let about = relay.about(b"_/room/news").expect("a room's path");
        let about: serde_json::Value = serde_json::from_str(&about).expect("JSON");
        assert_eq!(about["heartbeat"], serde_json::json!(["a\"]", "b\\"]));
        assert_eq!((&about["members"], &about["echo"]), (&0.into(), &true.into()));
        assert_eq!(relay.about(b"_/rooms"), None);
    }
}
