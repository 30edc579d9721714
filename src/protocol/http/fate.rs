//! Whether a connection stays open after an answer (RFC 9112, section 9.3).

use super::head::Head;

/// Whether a connection stays open after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is closed.
    #[default]
    Close,
    /// It stays open, as is HTTP/1.1's default.
    Keep,
    /// The same for HTTP/1.0, which needs a field for it.
    KeepOld,
}

impl Fate {
    /// The request's choice. A refused request to change the protocol closes its connection: the
    /// bytes after it may not be HTTP.
    pub fn wanted(head: &Head<'_>) -> Fate {
        let is_last = head.has_token("connection", "close");
        match head.is_http_11 {
            _ if is_last || head.values("upgrade").next().is_some() => Fate::Close,
            true => Fate::Keep,
            false if head.has_token("connection", "keep-alive") => Fate::KeepOld,
            false => Fate::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    #[test]
    fn a_connection_stays_open_as_its_client_asks() {
        for (version, fields, fate) in [
            ("1.1", "", Fate::Keep),
            ("1.1", "Connection: keep-alive\r\n", Fate::Keep),
            ("1.1", "Connection: keep-alive, Close\r\n", Fate::Close),
            ("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n", Fate::Close),
            ("1.0", "", Fate::Close),
            ("1.0", "Connection: Keep-Alive\r\n", Fate::KeepOld),
            ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", Fate::Close),
        ] {
            let text = format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
            let head = head::parse(text.as_bytes()).expect("a legal head");
            assert_eq!(Fate::wanted(&head), fate, "{text}");
        }
    }
}
