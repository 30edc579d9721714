//! Everything that repeats has a bound, and each bound has its reason.

/// Bytes read from one connection in a turn: large enough that a stream of large messages is bound
/// by copying and not by system calls, small enough to stay in a second-level cache.
pub const READ_BYTES_MAX: usize = 256 * 1024;

/// Time that one read of a connection may take about, with all that follows from what it brings, in
/// microseconds: what is not read waits in the connection's own socket.
pub const READ_US: u64 = 1_000;

/// Time for inflating and compressing in one read, as it is estimated, in nanoseconds: eight small
/// messages, or two of 16 KiB. What was read beyond that waits with its connection.
pub const PACKING_NS_MAX: usize = 500_000;

/// Connections accepted from each listener in a turn, if the time for them is not over before: no
/// clock that stands still makes this endless.
pub const ACCEPTS_PER_TURN: usize = 256;

/// Bytes written to one connection in a turn: a socket's usual send buffer, a segment's size.
pub const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Bytes that the kernel takes for a connection beyond what it has sent: two full writes, so that
/// it has something to send while the next turn comes. 64 and 256 KiB cost the same time.
pub const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Memory that the kernel may still hold for the peer of a stream that is closed: a close frame and
/// a few short messages, each in a packet of its own of 2 KiB.
pub const LEFT_BYTES_MAX: usize = 8 * 1024;

/// Time for a turn's orders, in microseconds: what comes in during that time waits for it. A turn
/// costs a few microseconds of its own.
pub const ORDERS_US: u64 = 2_000;

/// Writes in a turn, if the time for them is not over before: about 8 ms at 4 µs each.
pub const WRITES_PER_TURN: usize = 2048;

/// Bytes that cost as much as another write: 50 µs for 64 KiB to a socket that has to find the
/// memory for them, beside the usual write's 4 to 8.
pub const BYTES_PER_WRITE: usize = 8 * 1024;

/// Writes for a room that has just got something to say, before it waits behind the others like it:
/// most rooms need no more, and a hundred of them are served in a turn.
pub const WRITES_PER_NEW_ROOM: usize = 16;

/// Writes for each room that needs more, before the next one has its share: about 1 ms.
pub const WRITES_PER_ROOM: usize = 256;

/// Slices in a vectored write: the gaps between a member's own messages of one turn, and borders
/// of segments. More would cost every write the laying out of places that hardly any needs.
pub const SLICES_MAX: usize = 4;

/// The share of the memory for single connections that is left to those that have not joined,
/// when there is not enough for all: a quarter, which is a thousand heads with the defaults.
pub const STRANGERS_SHARE: usize = 4;

/// Own bytes (pongs, direct answers) that may wait for one connection before it is read no more
/// and further pings are answered by the last pong alone.
pub const PRIVATE_BYTES_MAX: usize = 16 * 1024;

/// Runs of a member's own messages that are noted while it has output pending; a member with so
/// many is not read until it has taken some of it.
pub const SKIPS_MAX: usize = 4;

/// Rooms that one connection may be a member of at a time: a page that shows a news ticker, a chat,
/// its user's own messages and who is there. All of them are one stream, so one more room is one
/// more log whose messages wait behind each other, and each write looks at all of them.
pub const MEMBERSHIPS_MAX: usize = 4;

/// A room's first segment.
pub const SEGMENT_BYTES_MIN: usize = 4 * 1024;

/// The first segment of a room that remembers: ten short messages. Most such rooms are small, and
/// what they keep stays.
pub const KEPT_SEGMENT_BYTES_MIN: usize = 1024;

/// A busy room's segments: what one connection is written in one turn.
pub const SEGMENT_BYTES_MAX: usize = 64 * 1024;

/// What a segment takes beside its bytes: its place in the log's list, and the allocator's share.
pub const SEGMENT_OVERHEAD_BYTES: usize = 64;

/// The most bytes of a room's history: when members of another encoding join, it is encoded anew in
/// one go, which takes about 1 ms for 4 MiB of large messages.
pub const HISTORY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most messages of a room's history that are encoded anew in one go: short ones take 3 ms.
pub const ENCODED_MESSAGES_MAX: u64 = 64 * 1024;

/// The least: a room's first segment with its overhead.
pub const HISTORY_BYTES_MIN: usize = 8 * 1024;

/// Rooms whose histories are looked at in one turn: about 100 µs.
pub const HISTORIES_PER_TURN: usize = 256;

/// A room that remembers and was silent for so long gives back the memory that its last segment
/// does not use.
pub const SILENCE_S: u32 = 10;

/// How long the history in another encoding stays after the last member that reads it has left.
pub const FAMILY_UNUSED_S: u32 = 60;

/// Free segments kept for the next busy room; more goes back to the allocator.
pub const POOL_BYTES_MAX: usize = 1024 * 1024;

/// Connections that one step of the clock hand looks at: about 50 µs.
pub const HAND_REACH: usize = 16 * 1024;

/// The pace of the drain: what is told in one step comes back within one second anyway.
pub const DRAIN_STEP_MS: u64 = 100;

/// How long the connections that came during a drain have to take their 503 after all others are
/// gone: a round trip around the world, and the packet that was lost once.
pub const NEWCOMERS_WAIT_MS: u64 = 500;

/// Connections that a drain lets come back in a second: with TLS that is a fifth of a small
/// server's time.
pub const RETURNS_PER_S: usize = 200;

/// The longest time that a connection is told to stay away after all were told; from 12,000
/// connections on more come back in a second.
pub const RETURN_WITHIN_S: usize = 60;
