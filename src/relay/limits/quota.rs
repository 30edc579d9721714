//! Memory for single connections: input that is not finished, output that is not taken, and what
//! streams keep. It has one bound for all together; beyond it, the largest holder ends first.

use crate::protocol::Parser;
use crate::protocol::ws::frame::{self, Opcode};
use crate::relay::Cause;
use crate::relay::connections::conn::{Backlog, Conn};
use crate::relay::connections::conns::Conns;
use crate::relay::connections::post::Post;
use crate::relay::connections::private::Private;
use crate::relay::limits::budget::STRANGERS_SHARE;

/// What all connections hold together, in bytes. Whatever changes that goes through here.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    /// Unfinished heads and messages, and input that waits.
    partial_bytes: usize,
    /// Private output.
    private_bytes: usize,
    /// What streams keep by themselves.
    stream_bytes: usize,
}

impl Quota {
    /// All of it.
    pub(crate) fn bytes(&self) -> usize {
        self.partial_bytes + self.private_bytes + self.stream_bytes
    }

    /// Takes a connection's parser out, to work with it: its events borrow from it.
    #[inline]
    pub(crate) fn take_parser(&mut self, conn: &mut Conn) -> Parser {
        let parser = std::mem::take(&mut conn.parser);
        self.partial_bytes -= parser.held_bytes();
        parser
    }

    /// Puts it back.
    #[inline]
    pub(crate) fn put_parser(&mut self, conn: &mut Conn, parser: Parser) {
        self.partial_bytes += parser.held_bytes();
        conn.parser = parser;
    }

    /// Takes the beginning of a connection's head out.
    pub(crate) fn take_head(&mut self, conn: &mut Conn) -> Vec<u8> {
        let head = conn.rare.as_mut().map(|rare| std::mem::take(&mut rare.head));
        let head = head.unwrap_or_default();
        self.partial_bytes -= head.capacity();
        head
    }

    /// Keeps the beginning of a connection's head.
    pub(crate) fn put_head(&mut self, conn: &mut Conn, head: Vec<u8>) {
        self.partial_bytes += head.capacity();
        conn.rare().head = head;
    }

    /// Takes the message out that is arriving by HTTP.
    pub(crate) fn take_post(&mut self, conn: &mut Conn) -> Option<Box<Post>> {
        let post = conn.rare.as_mut()?.post.take()?;
        self.partial_bytes -= post.held_bytes();
        Some(post)
    }

    /// Keeps a message that is arriving by HTTP.
    pub(crate) fn put_post(&mut self, conn: &mut Conn, post: Box<Post>) {
        self.partial_bytes += post.held_bytes();
        conn.rare().post = Some(post);
    }

    /// Takes the input out that waits.
    pub(crate) fn take_backlog(&mut self, conn: &mut Conn) -> Option<Backlog> {
        let backlog = conn.rare.as_mut()?.backlog.take()?;
        self.partial_bytes -= backlog.bytes();
        Some(backlog)
    }

    /// Keeps input that waits.
    pub(crate) fn put_backlog(&mut self, conn: &mut Conn, backlog: Backlog) {
        self.partial_bytes += backlog.bytes();
        conn.rare().backlog = Some(backlog);
    }

    /// Drops the unfinished input of a connection that ends.
    pub(crate) fn drop_partial(&mut self, conn: &mut Conn) {
        self.partial_bytes -= conn.partial_bytes();
        conn.parser = Parser::default();
        if let Some(rare) = &mut conn.rare {
            rare.head = Vec::new();
            rare.post = None;
            rare.backlog = None;
        }
    }

    /// Says how many bytes a connection's stream keeps by itself.
    pub(crate) fn set_stream_bytes(&mut self, conn: &mut Conn, bytes: usize) {
        self.stream_bytes = self.stream_bytes - conn.stream_bytes() + bytes;
        conn.rare().stream_bytes = bytes;
        conn.tidy();
    }

    /// Changes a connection's private output.
    pub(crate) fn change_private(&mut self, conn: &mut Conn, change: impl FnOnce(&mut Conn)) {
        self.private_bytes -= conn.private_bytes();
        change(conn);
        self.private_bytes += conn.private_bytes();
    }

    /// Appends so many bytes to a connection's private output. The caller sees to it that the
    /// connection is flushed; without memory for them it ends then.
    pub(crate) fn push(&mut self, conn: &mut Conn, bytes: usize, write: impl FnOnce(&mut Private)) {
        if conn.starved().is_some() {
            return; // it ends, and is sent nothing before that
        }
        self.change_private(conn, |conn| match conn.private().takes(bytes) {
            true => write(conn.private()),
            false => conn.rare().starved = Some(Cause::NoMemory),
        });
    }

    /// The same for a frame.
    pub(crate) fn push_frame(&mut self, conn: &mut Conn, opcode: Opcode, payload: &[u8]) {
        let bytes = frame::encoded_bytes(payload.len());
        self.push(conn, bytes, |private| private.push(opcode, payload));
    }

    /// Drops everything that a connection has only at times.
    pub(crate) fn drop_rare(&mut self, conn: &mut Conn) {
        self.drop_partial(conn);
        self.stream_bytes -= conn.stream_bytes();
        self.change_private(conn, |conn| conn.rare = None);
    }

    /// The connections that have to end so that an eighth of `bytes_max` is free, if more than that
    /// is held: so the search is paid for by what must come before the next one. The largest come
    /// first. Connections that have not joined go before members while they hold more than a
    /// quarter of the bound, so that strangers' heads do not end members.
    pub(crate) fn holders_beyond(&self, bytes_max: usize, conns: &Conns) -> Vec<u32> {
        let mut held_bytes = self.bytes();
        if held_bytes <= bytes_max {
            return Vec::new();
        }
        let size = |index| (all_bytes(&conns[index]), index);
        let sizes = || conns.indexes().map(size).filter(|(bytes, _)| *bytes > 0);
        let mut holders: Vec<(usize, u32)> = Vec::new();
        if holders.try_reserve_exact(conns.len()).is_err() {
            // No memory for the search: the largest alone, and the next one in the next turn.
            return sizes().max().map(|(_, index)| index).into_iter().collect();
        }
        holders.extend(sizes());
        holders.sort_unstable_by(|one, other| other.cmp(one));
        let (strangers, members): (Vec<_>, Vec<_>) =
            holders.into_iter().partition(|(_, index)| conns[*index].phase().is_before_open());
        let mut strangers_bytes: usize = strangers.iter().map(|(bytes, _)| bytes).sum();
        let mut ending = Vec::new();
        let mut left = strangers.into_iter();
        while strangers_bytes > bytes_max / STRANGERS_SHARE
            && let Some((bytes, index)) = left.next()
        {
            strangers_bytes -= bytes;
            held_bytes -= bytes;
            ending.push(index);
        }
        let mut others: Vec<_> = left.chain(members).collect();
        others.sort_unstable();
        while held_bytes > bytes_max / 8 * 7
            && let Some((bytes, index)) = others.pop()
        {
            held_bytes = held_bytes.saturating_sub(bytes);
            ending.push(index);
        }
        ending
    }

    /// Asserts that the counts are right.
    pub(crate) fn check(&self, conns: &Conns) {
        let sum = |of: fn(&Conn) -> usize| conns.indexes().map(|index| of(&conns[index])).sum();
        let counted = [self.partial_bytes, self.private_bytes, self.stream_bytes];
        let there: [usize; 3] =
            [sum(Conn::partial_bytes), sum(Conn::private_bytes), sum(Conn::stream_bytes)];
        assert_eq!(counted, there, "unfinished input, private output, what streams keep");
    }
}

/// All memory that a connection holds for itself.
pub(crate) fn all_bytes(conn: &Conn) -> usize {
    conn.partial_bytes() + conn.private_bytes() + conn.stream_bytes()
}
