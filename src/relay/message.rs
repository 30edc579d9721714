//! A message as a program around the relay has it: what it publishes, and what it subscribed to.

use crate::protocol::Kind;
use crate::relay::limits::memory;

/// A message of a program: a text is UTF-8 by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(Box<str>),
    /// A binary message.
    Binary(Box<[u8]>),
}

impl Message {
    /// Its kind and its bytes.
    pub fn parts(&self) -> (Kind, &[u8]) {
        match self {
            Message::Text(text) => (Kind::Text, text.as_bytes()),
            Message::Binary(bytes) => (Kind::Binary, bytes),
        }
    }

    /// A copy of what a member published; `None` when there is no memory for it.
    pub(crate) fn copy(kind: Kind, payload: &[u8]) -> Option<Message> {
        let bytes = memory::copy(payload)?;
        Some(match kind {
            Kind::Binary => Message::Binary(bytes),
            Kind::Text => {
                let text = String::from_utf8(bytes.into_vec()).expect("the parser checked it");
                Message::Text(text.into_boxed_str())
            }
        })
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text.into())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Message {
        Message::Binary(bytes.into())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes.into())
    }
}
