//! What the relay serves to a browser: the live page, its parts, and what is known of a room.

use crate::auth::cors;
use crate::protocol::http::head::Head;
use crate::protocol::http::path;
use crate::protocol::http::response::Asset;
use crate::protocol::{Denial, Refusal};
use crate::relay::{Access, Relay};
use serde::Serialize;

/// Paths below this are the relay's own.
pub(crate) const RESERVED: &[u8] = b"_/";

/// Here a load balancer asks whether the relay is well.
pub(crate) const HEALTH: &[u8] = b"_/health";

/// Paths below this tell what is known of a room.
const ROOM: &[u8] = b"_/room/";

/// The client, which pages of other origins import.
const CLIENT: &[u8] = b"_/client.js";

/// The page of a room, which stands at every room's path; its parts are found by the way back from
/// there, for a proxy may have the relay below a path of its own.
const PAGE: &str = include_str!("../../../web/room.html");

/// Files by their path.
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

/// The page of a room that stands at this target.
pub(crate) fn page(target: &str, name: &[u8]) -> Result<String, Refusal> {
    let back = "../".repeat(path::depth(target)?);
    Ok(PAGE.replace("{back}", &back).replace("{room}", &path::encode(name)))
}

/// The file at one of the relay's own paths.
pub(crate) fn asset(path: &[u8]) -> Option<&'static Asset> {
    ASSETS.iter().find(|(own, _)| *own == path).map(|(_, asset)| asset)
}

impl Relay {
    /// The fields that let pages of other origins read what is at this path, if it is for them.
    pub(crate) fn fields_for_others(&self, head: &Head<'_>, path: &[u8]) -> String {
        let is_for_others = path == CLIENT || path.starts_with(ROOM);
        let Access { origins, cookie, .. } = &self.limits.access;
        let fields = || cors::fields(origins, cookie.is_some(), head);
        if is_for_others { fields() } else { String::new() }
    }

    /// The same for a browser that asks what it may ask.
    pub(crate) fn preflight(&self, head: &Head<'_>) -> String {
        let Access { origins, cookie, .. } = &self.limits.access;
        cors::preflight(origins, cookie.is_some(), head)
    }

    /// What is known of a room, as JSON, if the path asks for that. Asking makes no room.
    ///
    /// # Errors
    /// When who asks may not hear the room.
    pub(crate) fn about(&self, head: &Head<'_>, path: &[u8]) -> Result<Option<String>, Denial> {
        let Some(name) = path.strip_prefix(ROOM) else { return Ok(None) };
        let pass = self.admit(head, name)?;
        let manners = self.manners(name);
        let heartbeat = self.limits.heartbeat.as_ref();
        let bound = |per_s: u32| (per_s > 0).then_some(per_s);
        let about = About {
            members: self.rooms.named(name).map_or(0, |room| room.members.len()),
            speak: manners.let_speak(pass.speaks),
            echo: manners.echo,
            json: self.limits.encoding == crate::relay::Encoding::Json,
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
    use crate::protocol::http::head;
    use crate::relay::{Heartbeat, Limits};

    #[test]
    fn the_page_and_its_parts_are_light() {
        let bytes: usize = ASSETS.iter().map(|(_, asset)| asset.gzip.len()).sum();
        assert!(PAGE.len() + bytes <= 30 * 1024, "{bytes} bytes over the wire");
        assert!(asset(b"_/client.js").is_some() && asset(b"_/nothing").is_none());
    }

    #[test]
    fn a_page_finds_its_parts_from_where_it_stands() {
        for (target, name, back, room) in [
            ("/", &b""[..], "", "/"),
            ("/news", b"news", "", "/news"),
            ("/a/b/c?token=x", b"a/b/c", "../../", "/a/b/c"),
            ("/a%2fb", b"a/b", "", "/a/b"),
            ("/%22%3E%3Cscript%3E%ff", b"\"><script>\xff", "", "/%22%3E%3Cscript%3E%FF"),
        ] {
            let page = page(target, name).expect("a path");
            assert!(page.contains(&format!("src=\"{back}_/room.js\"")), "{page}");
            assert!(page.contains(&format!("data-room=\"{room}\"")), "{page}");
            assert!(!page.contains("=\"/_/"), "no path is absolute: {page}");
            assert!(!page.contains(['{', '}']), "{page}");
        }
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
