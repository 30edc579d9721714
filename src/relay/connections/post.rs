//! A message that is published by HTTP: what is known of it while its body arrives.

use crate::protocol::Kind;
use crate::protocol::http::body::{Body, Piece};
use crate::protocol::http::{Fate, Framing, Refusal, Unpublished};
use crate::relay::id::PublicId;
use crate::relay::limits::publishers::Publisher;

/// A message that is published by HTTP.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) head: PostHead,
    body: Body,
    /// The content that came in earlier pieces.
    content: Vec<u8>,
}

/// What its request's head says.
#[derive(Debug)]
pub(crate) struct PostHead {
    /// The room's name.
    pub(crate) room: Vec<u8>,
    /// The key by which it is known when it is sent again.
    pub(crate) key: Option<Box<[u8]>>,
    /// The connection that does not get it.
    pub(crate) except: Option<PublicId>,
    pub(crate) kind: Kind,
    pub(crate) publisher: Publisher,
    /// What its sender wants to become of the connection.
    pub(crate) fate: Fate,
    /// Fields of the answer, each with its line's end.
    pub(crate) fields: String,
    /// The most content that a message may have.
    pub(crate) content_bytes_max: usize,
    /// The sender waits for an interim answer before it sends the body.
    pub(crate) waits: bool,
}

/// A message that has arrived.
#[derive(Debug)]
pub(crate) enum Arrived<'a> {
    /// In one piece: these bytes.
    Whole(&'a [u8]),
    /// In several: they are kept with the message.
    Kept,
}

impl Post {
    /// A message of which nothing has arrived yet.
    ///
    /// # Errors
    /// When more content is announced than it may have.
    pub(crate) fn new(head: PostHead, framing: Framing) -> Result<Post, Refusal> {
        let post = Post { head, body: Body::new(framing), content: Vec::new() };
        post.check_bytes(0).map(|()| post)
    }

    /// Takes bytes of the body from `at` on, which moves behind it; gives the message when it is
    /// whole.
    ///
    /// # Errors
    /// When the body is none, or longer than a message may be, or there is no memory for it.
    pub(crate) fn take<'a>(
        &mut self,
        bytes: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Arrived<'a>>, Refusal> {
        let mut first: Option<&[u8]> = None;
        loop {
            match self.body.next(bytes, at)? {
                Some(Piece::Content(piece)) => {
                    let before = first.map_or(self.content.len(), <[u8]>::len);
                    self.check_bytes(before + piece.len())?;
                    match first.take() {
                        None if self.content.is_empty() => first = Some(piece),
                        None => self.keep(piece)?,
                        Some(first) => {
                            self.keep(first)?;
                            self.keep(piece)?;
                        }
                    }
                }
                Some(Piece::End) => return Ok(Some(first.map_or(Arrived::Kept, Arrived::Whole))),
                None => {
                    first.map_or(Ok(()), |first| self.keep(first))?;
                    self.check_bytes(self.content.len())?;
                    return Ok(None);
                }
            }
        }
    }

    /// Refuses more content than a message may have, as soon as it is announced.
    fn check_bytes(&self, came: usize) -> Result<(), Refusal> {
        let all = (came as u64).saturating_add(self.body.announced_bytes());
        match all > self.head.content_bytes_max as u64 {
            true => Err(Unpublished::TooLong.into()),
            false => Ok(()),
        }
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.content.try_reserve(piece.len()).map_err(|_| Refusal::NoMemory)?;
        self.content.extend_from_slice(piece);
        Ok(())
    }

    /// The content that came in several pieces.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Whether its sender waits before it sends the body; it is told once.
    pub(crate) fn take_wait(&mut self) -> bool {
        std::mem::take(&mut self.head.waits)
    }

    /// Memory that it keeps, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        let key = self.head.key.as_ref().map_or(0, |key| key.len());
        let head = self.head.room.capacity() + self.head.fields.capacity() + key;
        size_of::<Post>() + head + self.content.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(framing: Framing, content_bytes_max: usize) -> Result<Post, Refusal> {
        let head = PostHead {
            room: b"a".to_vec(),
            key: None,
            except: None,
            kind: Kind::Text,
            publisher: Publisher::Unix,
            fate: Fate::Keep,
            fields: String::new(),
            content_bytes_max,
            waits: false,
        };
        Post::new(head, framing)
    }

    #[test]
    fn a_message_in_one_piece_is_not_copied() {
        let mut whole = post(Framing::Length(5), 5).expect("it is short");
        let (bytes, mut at) = (b"helloPOST", 0);
        let arrived = whole.take(bytes, &mut at);
        assert!(matches!(arrived, Ok(Some(Arrived::Whole(b"hello")))), "{arrived:?}");
        assert_eq!((at, whole.content.capacity()), (5, 0));
        let mut cut = post(Framing::Length(5), 5).expect("it is short");
        assert!(matches!(cut.take(b"he", &mut 0), Ok(None)));
        assert!(matches!(cut.take(b"llo", &mut 0), Ok(Some(Arrived::Kept))));
        assert_eq!(cut.content(), b"hello");
        let mut chunks = post(Framing::Chunked, 5).expect("nothing is announced");
        let arrived = chunks.take(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", &mut 0);
        assert!(matches!(arrived, Ok(Some(Arrived::Kept))), "{arrived:?}");
        assert_eq!(chunks.content(), b"hello");
        let mut none = post(Framing::NONE, 5).expect("it is short");
        assert!(matches!(none.take(b"", &mut 0), Ok(Some(Arrived::Kept))));
        assert_eq!(none.content(), b"");
    }

    #[test]
    fn what_is_too_long_is_refused_as_soon_as_it_is_announced() {
        assert_eq!(post(Framing::Length(6), 5).err(), Some(Unpublished::TooLong.into()));
        assert_eq!(post(Framing::Length(u64::MAX), 5).err(), Some(Unpublished::TooLong.into()));
        for bytes in ["6\r\n", "3\r\nhel\r\n3\r\n", "ffffffffffffffff\r\n", "5\r\nhello\r\n1\r\n"] {
            let mut post = post(Framing::Chunked, 5).expect("nothing is announced");
            let refused = post.take(bytes.as_bytes(), &mut 0);
            assert_eq!(refused.err(), Some(Unpublished::TooLong.into()), "{bytes:?}");
        }
    }
}
