//! What is looked up once for everything that a connection sends in a read.

use crate::protocol::v1;
use crate::relay::connections::conn::Conn;
use crate::relay::rooms::policy::Policy;

/// The connection that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) index: u32,
    pub(crate) room: u32,
    pub(crate) policy: Policy,
    /// It may send compressed messages.
    pub(crate) is_packed: bool,
    /// It speaks `fanfare.v1`.
    pub(crate) is_v1: bool,
    /// One of both, which is rare: what it sends may have to wait.
    pub(crate) is_rare: bool,
}

impl Sender {
    /// The connection in this slot, where this policy holds.
    #[inline]
    pub(crate) fn new(index: u32, conn: &Conn, policy: Policy) -> Sender {
        let (is_packed, is_v1) = (conn.member.may_compress(), conn.is_v1());
        let is_rare = is_packed || is_v1;
        Sender { index, room: conn.member.room, policy, is_packed, is_v1, is_rare }
    }

    /// The longest message that it may send; a tag is no part of what is published.
    #[inline]
    pub(crate) fn message_bytes_max(&self) -> usize {
        let tagged_bytes = if self.is_v1 { v1::TAGGED_BYTES_MAX } else { 0 };
        self.policy.message_bytes_max.saturating_add(tagged_bytes)
    }
}
