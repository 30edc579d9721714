//! The body of a request, in any pieces (RFC 9112, sections 6 and 7): which bytes are its content,
//! and where it ends.
//!
//! Extensions of chunks and trailer fields are checked and dropped.

use super::{Framing, Refusal};

/// The most bytes of extensions and trailer fields of one body, together: a signature or a checksum
/// has a few hundred.
const DROPPED_BYTES_MAX: u16 = 4 * 1024;

/// The most digits of a chunk's size: as many as 64 bits have.
const DIGITS_MAX: u8 = 16;

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// How many bytes of content follow, of the body or of its chunk.
    left: u64,
    /// How many bytes more may be dropped.
    droppable: u16,
}

/// The next piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Content, never empty.
    Content(&'a [u8]),
    /// The body has ended.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Content that has a length.
    Plain,
    /// The size of a chunk, of which so many digits came.
    Size(u8),
    /// An extension after the size.
    Extension(Extension),
    /// The LF behind both.
    SizeLf,
    /// The content of a chunk.
    Chunk,
    /// The CR behind it.
    ChunkCr,
    /// The LF behind it.
    ChunkLf,
    /// The trailer fields behind the last chunk.
    Trailer(Trailer),
    Ended,
}

/// Where within `;name=value;name="value"` (RFC 9112, section 7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    /// Blanks in front of a semicolon.
    Blank,
    /// Behind a semicolon.
    Begin,
    Name,
    BehindName,
    Equals,
    Value,
    Quoted,
    Escaped,
    /// Behind the second quote.
    Closed,
}

/// Where within `name: value` and its line's end, or the line's end that ends the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trailer {
    Begin,
    Name,
    Value,
    Lf,
    LastLf,
}

impl Body {
    /// A body of which nothing was read yet.
    pub fn new(framing: Framing) -> Body {
        let (state, left) = match framing {
            Framing::Length(bytes) => (State::Plain, bytes),
            Framing::Chunked => (State::Size(0), 0),
        };
        Body { state, left, droppable: DROPPED_BYTES_MAX }
    }

    /// How many bytes of content are known to follow at least.
    pub fn announced_bytes(&self) -> u64 {
        match self.state {
            State::Size(_) => 0, // more digits may come
            _ => self.left,
        }
    }

    /// The next piece of the body in `bytes` from `at` on, which moves behind it; `None` when more
    /// bytes must come.
    ///
    /// # Errors
    /// When the bytes are not valid chunks.
    pub fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Piece<'a>>, Refusal> {
        loop {
            match self.state {
                State::Plain if self.left == 0 => self.state = State::Ended,
                State::Chunk if self.left == 0 => self.state = State::ChunkCr,
                State::Plain | State::Chunk => {
                    let rest = &bytes[*at..];
                    let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                    *at += length;
                    self.left -= length as u64;
                    return Ok((length > 0).then_some(Piece::Content(&rest[..length])));
                }
                State::Ended => return Ok(Some(Piece::End)),
                _ => {
                    let Some(byte) = bytes.get(*at) else { return Ok(None) };
                    *at += 1;
                    self.state = self.step(*byte)?;
                }
            }
        }
    }

    /// Takes a byte that is not content; gives the state after it.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        let is_digit = byte.is_ascii_hexdigit();
        match (self.state, byte) {
            (State::Size(digits), _) if is_digit && digits < DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.left = self.left << 4 | digit;
                Ok(State::Size(digits + 1))
            }
            (State::Size(1..), b'\r') => Ok(State::SizeLf),
            (State::SizeLf, b'\n') if self.left == 0 => Ok(State::Trailer(Trailer::Begin)),
            (State::SizeLf, b'\n') => Ok(State::Chunk),
            (State::ChunkCr, b'\r') => Ok(State::ChunkLf),
            (State::ChunkLf, b'\n') => Ok(State::Size(0)),
            (State::Trailer(Trailer::Begin), b'\r') => Ok(State::Trailer(Trailer::LastLf)),
            (State::Trailer(Trailer::LastLf), b'\n') => Ok(State::Ended),
            _ => {
                let dropped = self.droppable.checked_sub(1);
                self.droppable = dropped.ok_or(Refusal::TrailersTooLong)?;
                self.drop(byte).ok_or(Refusal::Chunk)
            }
        }
    }

    /// The same for a byte of an extension or a trailer field; `None`: it is neither.
    fn drop(&self, byte: u8) -> Option<State> {
        let is_blank = matches!(byte, b' ' | b'\t');
        match self.state {
            State::Size(1..) if byte == b';' => Some(State::Extension(Extension::Begin)),
            State::Size(1..) if is_blank => Some(State::Extension(Extension::Blank)),
            State::Extension(extension) if byte == b'\r' => {
                extension.may_end().then_some(State::SizeLf)
            }
            State::Extension(extension) => extension.step(byte).map(State::Extension),
            State::Trailer(trailer) => trailer.step(byte).map(State::Trailer),
            _ => None,
        }
    }
}

impl Extension {
    fn may_end(self) -> bool {
        matches!(self, Extension::Name | Extension::Value | Extension::Closed)
    }

    fn step(self, byte: u8) -> Option<Extension> {
        use Extension as E;
        let is_blank = matches!(byte, b' ' | b'\t');
        Some(match self {
            E::Begin | E::Equals | E::BehindName | E::Blank if is_blank => self,
            E::Begin | E::Name if is_tchar(byte) => E::Name,
            E::Equals | E::Value if is_tchar(byte) => E::Value,
            E::Name if is_blank => E::BehindName,
            E::Value | E::Closed if is_blank => E::Blank,
            E::Name | E::BehindName if byte == b'=' => E::Equals,
            E::Name | E::BehindName | E::Value | E::Closed | E::Blank if byte == b';' => E::Begin,
            E::Equals if byte == b'"' => E::Quoted,
            E::Quoted if byte == b'"' => E::Closed,
            E::Quoted if byte == b'\\' => E::Escaped,
            E::Quoted | E::Escaped if is_text(byte) => E::Quoted,
            _ => return None,
        })
    }
}

impl Trailer {
    fn step(self, byte: u8) -> Option<Trailer> {
        use Trailer as T;
        Some(match (self, byte) {
            (T::Begin | T::Name, byte) if is_tchar(byte) => T::Name,
            (T::Name, b':') => T::Value,
            (T::Value, b'\r') => T::Lf,
            (T::Value, byte) if is_text(byte) => T::Value,
            (T::Lf, b'\n') => T::Begin,
            _ => return None,
        })
    }
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a byte may stand in a field's value, or in quotes (RFC 9110, sections 5.5 and 5.6.4).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The content of a body, and what is left behind it.
    type Whole = (Vec<u8>, Vec<u8>);

    /// Reads a body that comes in these pieces; `None` when it has not ended.
    fn read(framing: Framing, pieces: &[&[u8]]) -> Result<Option<Whole>, Refusal> {
        let (mut body, mut content) = (Body::new(framing), Vec::new());
        for (number, bytes) in pieces.iter().enumerate() {
            let mut at = 0;
            while let Some(piece) = body.next(bytes, &mut at)? {
                match piece {
                    Piece::Content(bytes) => content.extend_from_slice(bytes),
                    Piece::End => {
                        let rest = [&bytes[at..], &pieces[number + 1..].concat()].concat();
                        return Ok(Some((content, rest)));
                    }
                }
            }
            assert_eq!(at, bytes.len(), "all of it was taken");
        }
        Ok(None)
    }

    /// The same, whole and byte by byte.
    fn chunks(text: &str) -> Result<Option<String>, Refusal> {
        let whole = read(Framing::Chunked, &[text.as_bytes()]);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(Framing::Chunked, &bytes), whole, "{text:?}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        whole.map(|read| read.map(|(content, rest)| text(content) + "|" + &text(rest)))
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        let whole = |bytes| read(Framing::Length(bytes), &[b"hello"]).expect("no chunks");
        assert_eq!(whole(0), Some((b"".to_vec(), b"hello".to_vec())));
        assert_eq!(whole(3), Some((b"hel".to_vec(), b"lo".to_vec())));
        assert_eq!(whole(5), Some((b"hello".to_vec(), b"".to_vec())));
        assert_eq!(whole(6), None);
        assert_eq!(whole(u64::MAX), None);
        assert_eq!(read(Framing::Length(0), &[b""]), Ok(Some((b"".to_vec(), b"".to_vec()))));
        let body = Body::new(Framing::Length(7));
        assert_eq!(body.announced_bytes(), 7);
    }

    #[test]
    fn chunks_are_joined_without_extensions_and_trailers() {
        for (text, content) in [
            ("0\r\n\r\n", "|"),
            ("5\r\nhello\r\n0\r\n\r\nGET /", "hello|GET /"),
            ("1\r\nh\r\n4\r\nello\r\n000\r\n\r\n", "hello|"),
            ("00000000000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789|"),
            ("A\r\n0\r\n\r\n56789\r\n0\r\n\r\n", "0\r\n\r\n56789|"),
            ("2;a\r\nhi\r\n0;b=c;d=\"e;\\\"\r\"\r\n\r\n", ""),
            ("2;a;bc=d;e=\"f\\\"\\\\;\t\"\r\nhi\r\n0 ; g = h \t; i\r\n\r\n", "hi|"),
            ("2\r\nhi\r\n0\r\nA: b\r\nx-y:\r\nZ:\tc d\u{fc}\r\n\r\nrest", "hi|rest"),
        ] {
            match content {
                "" => assert_eq!(chunks(text), Err(Refusal::Chunk), "{text:?}"),
                _ => assert_eq!(chunks(text), Ok(Some(content.to_owned())), "{text:?}"),
            }
        }
    }

    #[test]
    fn an_unfinished_body_waits_for_more() {
        let text = "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(chunks(&text[..cut]), Ok(None), "{cut}");
        }
        let mut body = Body::new(Framing::Chunked);
        for (text, announced) in [("f", 0), ("f", 0), ("\r", 255), ("\nab", 253)] {
            let mut at = 0;
            while let Ok(Some(_)) = body.next(text.as_bytes(), &mut at) {}
            assert_eq!(body.announced_bytes(), announced, "{text:?}");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for text in [
            "\r\n\r\n",
            ";a\r\n",
            " 5\r\n",
            "5 \r\nhello",
            "-5\r\nhello",
            "+5\r\n",
            "0x5\r\nhello",
            "5\nhello",
            "5\rhello",
            "5\r\r\nhello",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "5\r\nhelloo\r\n",
            "5;\r\nhello",
            "5;a=\r\nhello",
            "5;a;\r\n",
            "5;a\nhello",
            "5;a=b\nhello",
            "5;=b\r\n",
            "5;a=\"b\r\n",
            "5;a=\"b\"c\r\n",
            "5;a b\r\n",
            "5;a \r\n",
            "5;a=b c\r\n",
            "5;a=\"\u{1}\"\r\n",
            "5,\r\n",
            "g\r\n",
            "5_0\r\n",
            "\u{ff15}\r\n",
            "10000000000000000\r\n",
            "00000000000000005\r\nhello",
            "ffffffffffffffff0\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\n\r\n",
            "0\r\n folded: a\r\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\nA: b\rc\r\n\r\n",
            "0\r\nA: \u{0}\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(chunks(text), Err(Refusal::Chunk), "{text:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_have_a_bound() {
        let most = usize::from(DROPPED_BYTES_MAX);
        let trailer = |bytes: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(bytes - 4));
        assert_eq!(chunks(&trailer(most)), Ok(Some("|".to_owned())));
        assert_eq!(chunks(&trailer(most + 1)), Err(Refusal::TrailersTooLong));
        let extensions = "1;a\r\nx\r\n".repeat(most / 2) + "0\r\n\r\n";
        assert_eq!(chunks(&extensions), Err(Refusal::TrailersTooLong));
        let without = "1\r\nx\r\n".repeat(most) + "0\r\n\r\n";
        assert_eq!(chunks(&without), Ok(Some("x".repeat(most) + "|")));
    }

    proptest! {
        #[test]
        fn content_is_the_same_in_any_chunks_and_pieces(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in proptest::collection::vec(1..30usize, 1..8),
        ) {
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend(format!("{:x};n=v\r\n", part.len()).bytes());
                bytes.extend(part);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\nA: b\r\n\r\nbehind");
            let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let expected = (parts.concat(), b"behind".to_vec());
            prop_assert_eq!(read(Framing::Chunked, &pieces), Ok(Some(expected)));
        }
    }
}
