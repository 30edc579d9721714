//! What may be spoken on a connection of the floor.

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// The first request is not complete.
    Nothing,
    Frames,
    Events,
    Requests,
}
