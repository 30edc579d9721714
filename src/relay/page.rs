//! What the relay serves to a browser: the live page, its parts, and what is known of a room.

use super::Relay;
use crate::protocol::Denial;
use crate::protocol::head::Head;
use crate::protocol::response::Asset;
use serde::Serialize;

/// Paths below this are the relay's own.
pub(super) const RESERVED: &[u8] = b"_/";

/// Here a load balancer asks whether the relay is well.
pub(super) const HEALTH: &[u8] = b"_/health";

/// Paths below this tell what is known of a room.
const ROOM: &[u8] = b"_/room/";

/// Files by their path; the page itself, which stands at every room's path, is the first.
const ASSETS: &[(&[u8], Asset)] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What is known of a room, for who asks.
#[derive(Serialize)]
struct About<'a> {
    members: usize,
    /// Whether who asks may speak there.
    speak: bool,
    echo: bool,
    json: bool,
    heartbeat: Option<[&'a str; 2]>,
    max_message: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte_rate: Option<u32>,
}

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
    ///
    /// # Errors
    /// When who asks may not hear the room.
    pub(super) fn about(&self, head: &Head<'_>, path: &[u8]) -> Result<Option<String>, Denial> {
        let Some(name) = path.strip_prefix(ROOM) else { return Ok(None) };
        let pass = self.admit(head, name)?;
        let manners = self.manners(name);
        let heartbeat = self.limits.heartbeat.as_ref();
        let bound = |per_s: u32| (per_s > 0).then_some(per_s);
        let about = About {
            members: self.rooms.named(name).map_or(0, |room| room.members.len()),
            speak: manners.let_speak(pass.speaks),
            echo: manners.echo,
            json: self.limits.encoding == super::Encoding::Json,
            heartbeat: heartbeat.map(|pair| [&pair.word, &pair.answer].map(String::as_str)),
            max_message: manners.message_bytes_max,
            message_rate: bound(manners.rates.messages_per_s),
            byte_rate: bound(manners.rates.bytes_per_s),
        };
        Ok(Some(serde_json::to_string(&about).expect("it has only text and numbers")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::head;
    use crate::relay::{Heartbeat, Limits};

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
        let head = head::parse(b"GET / HTTP/1.1\r\n\r\n").expect("a legal head");
        let about = relay.about(&head, b"_/room/news").expect("open to all").expect("a room's");
        let about: serde_json::Value = serde_json::from_str(&about).expect("JSON");
        assert_eq!(about["heartbeat"], serde_json::json!(["a\"]", "b\\"]));
        assert_eq!((&about["members"], &about["echo"]), (&0.into(), &true.into()));
        assert_eq!(relay.about(&head, b"_/rooms"), Ok(None));
    }
}
