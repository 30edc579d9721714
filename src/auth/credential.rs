//! The token of a request, and the subprotocol that the relay selects.

use crate::protocol::http::head::Head;
use crate::protocol::http::{Denial, path};
use crate::protocol::v1;

/// The subprotocol that changes nothing: messages come as without a subprotocol.
const SUBPROTOCOL: &[u8] = b"fanfare";

/// The prefix of a subprotocol that carries a token: a browser can set no other header.
const TOKEN_SUBPROTOCOL: &[u8] = b"fanfare.token.";

/// The token of a request, from any of its places; `cookie` names the cookie that may carry it. The
/// same token may be in several places.
///
/// # Errors
/// When two tokens differ, or one is not text.
pub fn token<'a>(head: &Head<'a>, cookie: Option<&str>) -> Result<Option<&'a str>, Denial> {
    let query = in_query(head.target).map(str::as_bytes);
    let bearer = head.values("authorization").filter_map(in_authorization);
    let cookies = head.values("cookie").flat_map(|value| value.split(|byte| *byte == b';'));
    let cookies = cookies.filter_map(|pair| in_cookie(pair.trim_ascii(), cookie?));
    let listed = offered(head).filter_map(|offer| offer.strip_prefix(TOKEN_SUBPROTOCOL));
    let mut tokens = query.chain(bearer).chain(cookies).chain(listed);
    let Some(first) = tokens.next() else { return Ok(None) };
    if tokens.any(|other| other != first) {
        return Err(Denial::TokensDiffer);
    }
    std::str::from_utf8(first).map(Some).map_err(|_| Denial::TokenMalformed)
}

/// `?token=`, also among others. A token needs no percent-encoding.
fn in_query(target: &str) -> impl Iterator<Item = &str> {
    path::query(target).filter_map(|pair| pair.strip_prefix("token="))
}

/// `Bearer` and the token (RFC 6750, section 2.1); other schemes are ignored.
fn in_authorization(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

/// The value of a cookie of this name, perhaps in quotes (RFC 6265, section 4.1.1).
fn in_cookie<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some(quoted.unwrap_or(value))
}

/// The subprotocols that the client offers, in its order.
fn offered<'a>(head: &Head<'a>) -> impl Iterator<Item = &'a [u8]> {
    let lists = head.values("sec-websocket-protocol");
    lists.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The subprotocol to select: `fanfare.v1` if it is offered, else `fanfare`, else the one that
/// carries the token.
///
/// The answer must be one of those offered (RFC 6455, section 4.2.2), and browsers end a connection
/// when none of those they offered is selected: so a token that is offered alone is echoed.
pub fn subprotocol<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let carries_token = |offer: &&[u8]| {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        offer.starts_with(TOKEN_SUBPROTOCOL) && offer.iter().all(is_token)
    };
    let (mut plain, mut with_token) = (None, None);
    for offer in offered(head) {
        if offer == v1::NAME {
            return Some(offer);
        }
        if offer == SUBPROTOCOL {
            plain = Some(offer);
        }
        with_token = with_token.or(Some(offer).filter(carries_token));
    }
    plain.or(with_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn asked<T>(target: &str, fields: &str, ask: impl FnOnce(&Head<'_>) -> T) -> T {
        let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        ask(&head::parse(text.as_bytes()).expect("a legal head"))
    }

    fn found(target: &str, fields: &str) -> Result<Option<String>, Denial> {
        asked(target, fields, |head| Ok(token(head, Some("jwt"))?.map(str::to_owned)))
    }

    #[test]
    fn each_place() {
        let cases = [
            ("/news?token=a.b.c", ""),
            ("/news?x=1&token=a.b.c&y", ""),
            ("http://h/news?token=a.b.c", ""),
            ("/news", "Authorization: Bearer a.b.c\r\n"),
            ("/news", "authorization: BEARER  a.b.c \r\n"),
            ("/news", "Cookie: jwt=a.b.c\r\n"),
            ("/news", "Cookie: other=1; jwt=\"a.b.c\"; jwtx=2\r\n"),
            ("/news", "Sec-WebSocket-Protocol: fanfare.token.a.b.c\r\n"),
            ("/news", "Sec-WebSocket-Protocol: fanfare,fanfare.token.a.b.c\r\n"),
            ("/news?token=a.b.c", "Authorization: Bearer a.b.c\r\nCookie: jwt=a.b.c\r\n"),
        ];
        for (target, fields) in cases {
            assert_eq!(found(target, fields), Ok(Some("a.b.c".to_owned())), "{target} {fields}");
        }
    }

    #[test]
    fn other_fields_are_not_tokens() {
        for (target, fields) in [
            ("/token=a", ""),
            ("/?xtoken=a", ""),
            ("/#?token=a", ""),
            ("/", "Authorization: Basic YTpi\r\n"),
            ("/", "Authorization: Bearer\r\n"),
            ("/", "Cookie: ajwt=a; jwt\r\n"),
            ("/", "Sec-WebSocket-Protocol: fanfare, chat\r\n"),
        ] {
            assert_eq!(found(target, fields), Ok(None), "{target} {fields}");
        }
        let cookie = "Cookie: jwt=a\r\n";
        assert_eq!(
            asked("/", cookie, |head| token(head, None).map(|found| found.is_some())),
            Ok(false)
        );
        assert_eq!(found("/", "Cookie: jwt=\u{ff}\r\n").map(|found| found.is_some()), Ok(true));
    }

    #[test]
    fn two_tokens_that_differ_are_refused() {
        for (target, fields) in [
            ("/?token=a&token=b", ""),
            ("/?token=a", "Authorization: Bearer b\r\n"),
            ("/?token=a", "Cookie: jwt=b\r\n"),
            ("/?token=", "Sec-WebSocket-Protocol: fanfare.token.b\r\n"),
        ] {
            assert_eq!(found(target, fields), Err(Denial::TokensDiffer), "{target} {fields}");
        }
    }

    #[test]
    fn the_answer_is_one_of_those_offered() {
        let cases = [
            ("", None),
            ("chat", None),
            ("fanfare", Some("fanfare")),
            ("fanfare.token.a.b-_c", Some("fanfare.token.a.b-_c")),
            ("fanfare.token.a, fanfare", Some("fanfare")),
            ("chat, fanfare.token.a", Some("fanfare.token.a")),
            ("fanfare.token.a b", None),
            ("Fanfare", None),
            ("fanfare.v1", Some("fanfare.v1")),
            ("fanfare, fanfare.v1", Some("fanfare.v1")),
            ("fanfare.token.a,fanfare.v1 ,fanfare", Some("fanfare.v1")),
            ("fanfare.v2, fanfare.V1", None),
        ];
        for (list, expected) in cases {
            let fields = format!("Sec-WebSocket-Protocol: {list}\r\n");
            asked("/", &fields, |head| {
                assert_eq!(subprotocol(head), expected.map(str::as_bytes), "{list}");
            });
        }
    }
}
