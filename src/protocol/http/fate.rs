//! What becomes of a connection behind an answer (RFC 9112, section 9.3).

use super::head::Head;

/// What becomes of a connection behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is closed.
    #[default]
    Close,
    /// It may carry another request, as HTTP/1.1 has it by itself.
    Keep,
    /// The same for HTTP/1.0, where that has to be said.
    KeepOld,
}

impl Fate {
    /// What the sender of a request wants. A request to change the protocol that is answered
    /// otherwise ends its connection: whether what follows is still HTTP is not known.
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
    fn a_connection_is_kept_as_its_client_wants() {
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
