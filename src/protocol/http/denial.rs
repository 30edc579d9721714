//! Why a valid request is denied: its origin, or its token.

use super::{Problem, Status};
use crate::protocol::named::named;

/// Why a request is denied. The answer has an HTTP status, before the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Its origin is not in the list (RFC 6455, section 4.2.2, item 4).
    Origin,
    /// It has no Origin, and one is required.
    OriginMissing,
    /// The room needs a token, and there is none.
    TokenMissing,
    /// It has two tokens that differ.
    TokensDiffer,
    /// It is not a JSON Web Token, or has an unknown critical extension (RFC 7515).
    TokenMalformed,
    /// No key has the token's algorithm and key id.
    TokenKey,
    /// No key verifies the signature.
    TokenSignature,
    /// A claim has the wrong type (RFC 7519, section 4).
    TokenClaims,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` has not come.
    TokenTooEarly,
    /// `aud` names other services, or is missing although it is needed.
    TokenAudience,
    /// The token does not allow this room (claim `hear`).
    Room,
    /// Neither the room's rule nor a token lets this client publish there.
    Publish,
}

named!(Denial {
    Origin => "origin",
    OriginMissing => "origin_missing",
    TokenMissing => "token_missing",
    TokensDiffer => "tokens_differ",
    TokenMalformed => "token_malformed",
    TokenKey => "token_key",
    TokenSignature => "token_signature",
    TokenClaims => "token_claims",
    // Another name than that of the cause with a close code: this client was never a member.
    TokenExpired => "token_too_late",
    TokenTooEarly => "token_too_early",
    TokenAudience => "token_audience",
    Room => "room_denied",
    Publish => "publish_denied",
});

/// The challenge that a 401 needs (RFC 9110, section 15.5.2; the values: RFC 6750, section 3).
const NO_TOKEN: &[(&str, &str)] = &[("WWW-Authenticate", "Bearer realm=\"fanfare\"")];
const BAD_TOKEN: &[(&str, &str)] =
    &[("WWW-Authenticate", "Bearer realm=\"fanfare\", error=\"invalid_token\"")];

impl Denial {
    /// The answer.
    pub fn problem(self) -> Problem {
        use Status as S;
        let (status, sentence) = match self {
            Denial::Origin => (
                S::FORBIDDEN,
                "Pages of this origin are not accepted; the relay's operator can add it with \
                 --allow-origin.",
            ),
            Denial::OriginMissing => (
                S::FORBIDDEN,
                "The request has no Origin, and the relay runs with --require-origin: only \
                 browsers may connect.",
            ),
            Denial::TokenMissing => (
                S::UNAUTHORIZED,
                "This room needs a token: ?token=, Authorization: Bearer, or the subprotocol \
                 fanfare.token.<token>.",
            ),
            Denial::TokensDiffer => (S::BAD_REQUEST, "The request has two tokens that differ."),
            Denial::TokenMalformed => {
                (S::UNAUTHORIZED, "The token is not a JSON Web Token, or has a critical extension.")
            }
            Denial::TokenKey => (
                S::UNAUTHORIZED,
                "No key of the relay (--token-key) has the token's algorithm and key id.",
            ),
            Denial::TokenSignature => (S::UNAUTHORIZED, "The token's signature is wrong."),
            Denial::TokenClaims => (S::UNAUTHORIZED, "A claim in the token has the wrong type."),
            Denial::TokenExpired => (S::UNAUTHORIZED, "The token has expired: get a new one."),
            Denial::TokenTooEarly => {
                (S::UNAUTHORIZED, "The token is not valid yet; is a clock wrong?")
            }
            Denial::TokenAudience => {
                (S::UNAUTHORIZED, "The token is for another audience (see --token-audience).")
            }
            Denial::Room => (S::FORBIDDEN, "The token does not allow this room (claim `hear`)."),
            Denial::Publish => {
                (S::FORBIDDEN, "The room's rule or the token does not allow you to publish there.")
            }
        };
        let fields = match self {
            Denial::TokenMissing => NO_TOKEN,
            _ if status == S::UNAUTHORIZED => BAD_TOKEN,
            _ => &[],
        };
        Problem { status, sentence, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_401_says_how_to_be_let_in() {
        for denial in Denial::all() {
            let Problem { status, fields, .. } = denial.problem();
            let challenge = fields.iter().find(|(name, _)| *name == "WWW-Authenticate");
            assert_eq!(challenge.is_some(), status == Status::UNAUTHORIZED, "{denial:?}");
            let is_of_token = challenge.is_some_and(|(_, value)| value.contains("invalid_token"));
            let has_token = !matches!(denial, Denial::TokenMissing);
            assert_eq!(is_of_token, has_token && status == Status::UNAUTHORIZED, "{denial:?}");
        }
        assert_eq!(Denial::Room.problem().status.code, 403);
        assert_eq!(Denial::TokensDiffer.problem().status.code, 400);
    }
}
