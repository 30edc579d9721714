//! Why bytes are not a usable key: what they are, and what to do.

use super::algorithm::Algorithm;
use super::budget::{KEYS_MAX, KEYS_TRIED_MAX};
use std::fmt;

/// Why bytes are not a usable key. It never contains the bytes: they may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoKey {
    /// There is only white space.
    Empty,
    /// The bytes have no known form of a key.
    Unknown,
    /// The text is marked as a secret, where a public key is expected.
    SaysSecret,
    /// The bytes marked as a secret are this, which others may know.
    NotSecret(&'static str),
    /// The text after `base64:` is not base64.
    Base64,
    /// The text is in UTF-16.
    Utf16,
    /// A secret begins with a byte order mark, which its owner may not see.
    ByteOrderMark,
    /// It is a private key; the relay needs the public one.
    Private,
    /// It is a certificate, or a request for one.
    Certificate,
    /// It is DER of something else.
    Der,
    /// It is DER in hexadecimal.
    Hex,
    /// The PEM block has this label, which is not that of a public key.
    PemLabel(String),
    /// A PEM block has no end, is not base64, or has no key in it.
    Pem(&'static str),
    /// It is an SSH public key.
    Ssh {
        /// Whether `ssh-keygen` can convert it: not Ed25519.
        converts: bool,
    },
    /// It is an address.
    Url,
    /// It is a token.
    Token,
    /// It is base64 of this, which needs no base64.
    Encoded(&'static str),
    /// The public key has an unsupported type.
    Unsupported,
    /// The point of an elliptic curve is compressed.
    Compressed,
    /// An RSA key of so many bits.
    RsaSize(usize),
    /// The modulus or the exponent of an RSA key is even or out of range.
    RsaNumbers,
    /// It looks like JSON, but is not a JWK, a list or a set; the text is the reason.
    Jwk(String),
    /// None of so many keys can be used; the reason of the first.
    NoneOf(usize, Box<NoKey>),
    /// An id was given, and there are several keys.
    OneId,
    /// There are so many keys.
    TooMany(usize),
    /// So many keys of one algorithm have the same name, or none.
    TooManyAlike(usize, Algorithm),
}

impl NoKey {
    /// The sentence, where it is the same for all.
    fn sentence(&self) -> Option<&'static str> {
        Some(match self {
            NoKey::Empty => "it is empty",
            NoKey::Unknown => {
                "this is no public key in PEM, DER or JWK; if it is a secret for HS256, say so: \
                 secret:PATH"
            }
            NoKey::SaysSecret => {
                "the file begins with base64: as a secret does; if it is one, say so: secret:PATH"
            }
            NoKey::Base64 => "what follows base64: is not base64",
            NoKey::Utf16 => "there are zeros in this text, as in UTF-16; save it as UTF-8",
            NoKey::ByteOrderMark => {
                "the secret begins with a byte order mark, which is easily overlooked; save it \
                 without"
            }
            NoKey::Private => {
                "this is a private key; the relay needs the public one (`openssl pkey -in FILE \
                 -pubout`), and should not have this one"
            }
            NoKey::Certificate => {
                "this is a certificate; the relay needs the public key in it (`openssl x509 -in \
                 FILE -pubkey -noout`)"
            }
            NoKey::Der => {
                "this is DER, and no public key is in it (`openssl asn1parse -inform DER`)"
            }
            NoKey::Hex => "this is DER in hexadecimal; decode it first: `xxd -r -p`",
            NoKey::Ssh { converts: true } => {
                "this is a public key in the form of SSH; convert it: `ssh-keygen -e -m PKCS8 -f \
                 FILE`"
            }
            NoKey::Ssh { converts: false } => {
                "this is a public key in the form of SSH, and one that ssh-keygen cannot convert; \
                 make a pair for tokens alone: `openssl genpkey -algorithm ed25519`"
            }
            NoKey::Url => {
                "this is an address, and the relay fetches nothing: save what is there in a file \
                 and name that"
            }
            NoKey::Token => "this is a token; the relay needs the key that verifies it",
            NoKey::Unsupported => {
                "the public key is not one of RSA, P-256 (prime256v1) and Ed25519, which RS256, \
                 ES256 and EdDSA use"
            }
            NoKey::Compressed => {
                "the key's point is compressed; write it whole: `openssl pkey -pubin -in FILE \
                 -pubout -ec_conv_form uncompressed`"
            }
            NoKey::RsaNumbers => {
                "the RSA key's modulus or exponent is even or out of range: it verifies nothing"
            }
            NoKey::OneId => "kid= names one key, and there are several in it",
            _ => return None,
        })
    }
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sentence) = self.sentence() {
            return f.write_str(sentence);
        }
        match self {
            NoKey::NotSecret(what) => write!(
                f,
                "this is said to be a secret, and is {what}; a secret is made of random bytes \
                 (`openssl rand -base64 32`), and any other key is given as PATH alone"
            ),
            NoKey::PemLabel(label) => {
                write!(f, "the PEM block is a {} and not a PUBLIC KEY", label.escape_debug())
            }
            NoKey::Pem(what) => write!(f, "a PEM block is broken: {what}"),
            NoKey::Encoded(what) => {
                write!(f, "this is base64 of {what}; decode it first: `base64 -d`")
            }
            NoKey::RsaSize(bits) => {
                write!(f, "the RSA key has {bits} bits; 2048 to 8192 are supported")
            }
            NoKey::Jwk(reason) => write!(f, "no JSON Web Key: {reason}"),
            NoKey::NoneOf(count, first) => {
                write!(f, "none of the {count} keys in it can be used; the first: {first}")
            }
            NoKey::TooMany(count) => {
                write!(f, "{count} keys are more than the {KEYS_MAX} that are supported")
            }
            NoKey::TooManyAlike(count, algorithm) => write!(
                f,
                "{count} {} keys have the same name or none, and a token is tried with \
                 {KEYS_TRIED_MAX} at most; give them names: kid=ID:PATH",
                algorithm.name()
            ),
            _ => Ok(()), // it has its sentence
        }
    }
}

impl std::error::Error for NoKey {}
