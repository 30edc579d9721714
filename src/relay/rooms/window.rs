//! What a room that remembers knows beside its logs.

use crate::relay::rooms::history::{History, MessageId};

/// A room's memory of what was published. The messages lie in the window of its plain log.
#[derive(Debug)]
pub(crate) struct Window {
    /// How much is kept.
    pub(crate) history: History,
    /// When the last message was published.
    pub(crate) published_s: u32,
    /// What it is listed by among all histories.
    pub(super) listed: Listed,
}

/// Where a member wants to begin to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what comes next.
    #[default]
    Live,
    /// With this number of the newest messages.
    Last(u32),
    /// With the message behind this one; `None`: the id is none that any room gives.
    Behind(Option<MessageId>),
}

/// What a history is listed by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// The memory of its windows, with what it takes to find their segments.
    pub(super) bytes: usize,
    /// The part of it that the pool counts.
    pub(super) pool_bytes: usize,
    /// When the room last had a message, if nothing but its history keeps it open.
    pub(super) silent_s: Option<u32>,
    /// When it is to be looked at.
    pub(super) look_s: Option<u32>,
}

impl Window {
    pub(super) fn new(history: History, now_s: u32) -> Window {
        Window { history, published_s: now_s, listed: Listed::default() }
    }
}
