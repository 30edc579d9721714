//! The ways into a room.

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    /// Frames, in both directions.
    #[default]
    WebSocket,
    /// Messages come as events, and none can be sent.
    EventStream,
    /// Each message is a request, and none comes but the answers.
    Requests,
}
