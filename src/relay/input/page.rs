//! What the relay serves to a browser: the live page, its parts, and what is known of a room.

use crate::auth::cors;
use crate::protocol::Refusal;
use crate::protocol::http::head::Head;
use crate::protocol::http::path;
use crate::protocol::http::response::Asset;
use crate::relay::identity::access::Access;
use crate::relay::limits::Limits;
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::policy::Policy;
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

/// What is known of a room, for the client that asks.
#[derive(Serialize)]
pub(crate) struct About<'a> {
    members: usize,
    /// Whether the client may publish there.
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

/// The fields that let pages of other origins read what is at this path, if it is for them.
pub(crate) fn fields_for_others(head: &Head<'_>, path: &[u8], access: &Access) -> String {
    let is_for_others = path == CLIENT || path.starts_with(ROOM);
    let Access { origins, cookie, .. } = access;
    let fields = || cors::fields(origins, cookie.is_some(), head);
    if is_for_others { fields() } else { String::new() }
}

/// The room that the path asks about, if it asks about one.
pub(crate) fn room_asked_about(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(ROOM)
}

impl<'a> About<'a> {
    /// What is known of a room with so many members, for a client with, or without, the grant to
    /// publish there.
    pub(crate) fn new(
        members: usize,
        may_publish: bool,
        policy: &Policy,
        limits: &'a Limits,
    ) -> About<'a> {
        let heartbeat = limits.heartbeat.as_ref();
        let bound = |per_s: u32| (per_s > 0).then_some(per_s);
        About {
            members,
            speak: policy.lets_publish(may_publish),
            echo: policy.echo,
            json: limits.encoding == Encoding::Json,
            heartbeat: heartbeat.map(|pair| [&pair.word, &pair.answer].map(String::as_str)),
            max_message: policy.message_bytes_max,
            message_rate: bound(policy.rates.messages_per_s),
            byte_rate: bound(policy.rates.bytes_per_s),
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("it has only text and numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Heartbeat;

    #[test]
    fn the_page_and_its_parts_are_light() {
        let bytes: usize =
            ASSETS.iter().map(|(_, asset)| asset.gzip.unwrap_or_default().len()).sum();
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
        let limits = Limits { heartbeat: Some(pair), echo: true, ..Limits::default() };
        let about = About::new(0, false, &limits.policy(b"news"), &limits).json();
        let about: serde_json::Value = serde_json::from_str(&about).expect("JSON");
        assert_eq!(about["heartbeat"], serde_json::json!(["a\"]", "b\\"]));
        assert_eq!((&about["members"], &about["echo"]), (&0.into(), &true.into()));
        assert_eq!(room_asked_about(b"_/room/news"), Some(&b"news"[..]));
        assert_eq!(room_asked_about(b"_/rooms"), None);
    }
}
