//! What a loop's connections read with, one after the other.

use super::answers::Answers;
use super::deflate::Deflate;
use super::inflater::Inflater;

/// How much to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Once, and at most so many bytes.
    Once(usize),
    /// All that the socket has.
    All,
    /// All that the socket has, and the end after it.
    ToTheEnd,
}

/// The buffers with which a loop's connections read, one after the other.
pub(crate) struct Reader {
    pub(super) deflate: Option<Deflate>,
    /// Every read lands here; a message must fit.
    pub(super) buffer: Box<[u8]>,
    pub(super) inflater: Inflater,
    pub(super) answers: Answers,
}

impl Reader {
    /// For messages of at most `message_size` bytes.
    pub(crate) fn new(message_size: usize, deflate: Option<Deflate>) -> Self {
        const BUFFER_BYTES: usize = 1 << 20;
        Self {
            deflate,
            buffer: vec![0; BUFFER_BYTES.max(message_size * 2)].into(),
            inflater: Inflater::new(message_size),
            answers: Answers::default(),
        }
    }
}
