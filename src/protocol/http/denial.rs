//! Why a request that is in order is not let in: where it comes from, or what its token says.

use crate::protocol::named::named;

/// Why a request is not let in. The answer has an HTTP status, before the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The page that it comes from is not in the list (RFC 6455, section 4.2.2, item 4).
    Origin,
    /// It has no Origin, and only browsers are let in.
    OriginMissing,
    /// The room is for those with a token, and there is none.
    TokenMissing,
    /// It carries two tokens that are not the same.
    TokensDiffer,
    /// This is no JSON Web Token, or its header asks for what is not understood (RFC 7515).
    TokenMalformed,
    /// No key has the token's algorithm and key id.
    TokenKey,
    /// No key confirms the signature.
    TokenSignature,
    /// A claim is not of the kind that it should be (RFC 7519, section 4).
    TokenClaims,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` has not come.
    TokenTooEarly,
    /// `aud` names others, or nobody although it has to.
    TokenAudience,
    /// The token does not let its bearer hear this room.
    Room,
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
    // Not the name of the close code's cause: this one never got in.
    TokenExpired => "token_too_late",
    TokenTooEarly => "token_too_early",
    TokenAudience => "token_audience",
    Room => "room_denied",
});

impl Denial {
    /// The status code and its phrase (RFC 9110, section 15).
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Denial::TokensDiffer => (400, "Bad Request"),
            Denial::Origin | Denial::OriginMissing | Denial::Room => (403, "Forbidden"),
            _ => (401, "Unauthorized"),
        }
    }

    /// The body of the answer: one sentence for whoever has to mend it.
    pub fn explanation(self) -> &'static str {
        match self {
            Denial::Origin => {
                "Pages from this origin are not let in; whoever runs the relay can add it with \
                 --allow-origin."
            }
            Denial::OriginMissing => {
                "The request has no Origin, and the relay runs with --require-origin: only \
                 browsers are let in."
            }
            Denial::TokenMissing => {
                "This room needs a token: ?token=, Authorization: Bearer, or the subprotocol \
                 fanfare.token.<token>."
            }
            Denial::TokensDiffer => "The request carries two tokens that are not the same.",
            Denial::TokenMalformed => "The token is no JSON Web Token that is understood here.",
            Denial::TokenKey => {
                "No key of the relay (--token-key) has the token's algorithm and key id."
            }
            Denial::TokenSignature => "The token's signature is wrong.",
            Denial::TokenClaims => "A claim in the token is not of the kind that it should be.",
            Denial::TokenExpired => "The token has expired: come back with a new one.",
            Denial::TokenTooEarly => "The token is not valid yet; is a clock wrong?",
            Denial::TokenAudience => "The token is for another audience (see --token-audience).",
            Denial::Room => "The token does not let its bearer hear this room.",
        }
    }

    /// How to be let in, for the answer's `WWW-Authenticate`, which a 401 needs (RFC 9110, section
    /// 15.5.2; the values: RFC 6750, section 3).
    pub fn challenge(self) -> Option<&'static str> {
        match self {
            _ if self.status().0 != 401 => None,
            Denial::TokenMissing => Some("Bearer realm=\"fanfare\""),
            _ => Some("Bearer realm=\"fanfare\", error=\"invalid_token\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_401_says_how_to_be_let_in() {
        assert_eq!(Denial::TokenMissing.challenge(), Some("Bearer realm=\"fanfare\""));
        assert!(Denial::TokenExpired.challenge().is_some_and(|text| text.contains("invalid")));
        assert_eq!((Denial::Room.status().0, Denial::Room.challenge()), (403, None));
        assert_eq!(
            (Denial::TokensDiffer.status().0, Denial::TokensDiffer.challenge()),
            (400, None)
        );
    }
}
