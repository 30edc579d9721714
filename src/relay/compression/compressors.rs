//! Compression (RFC 7692): a message is compressed once for all members of a class, and what
//! clients compressed is inflated by one inflater for all.

use crate::protocol::http::head::Head;
use crate::protocol::ws::deflate::{Deflater, Inflater};
use crate::protocol::ws::extension::{self, Agreed, Terms, WINDOW_BITS_MIN};
use crate::protocol::ws::utf8;
use crate::protocol::{Kind, Violation};
use crate::relay::Relay;
use crate::relay::compression::share;
use crate::relay::limits::memory;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::room::Room;

/// Whether messages are compressed for those who ask for it, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// Whether they are where no rule of a room says so.
    pub is_on: bool,
    /// Messages of fewer bytes leave as they are.
    pub message_bytes_min: usize,
    /// From 1, fast, to 9, small.
    pub level: u8,
    /// The base-2 logarithm of the window, 9 to 15. It cannot change while the relay runs.
    pub window_bits: u8,
    /// Members of a room that share a context, at least.
    pub share_min: usize,
    /// Bytes of memory for the compressors of all rooms in which members share a context; too
    /// little for one of them: each message is compressed by itself.
    pub memory_bytes_max: usize,
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate {
            is_on: false,
            message_bytes_min: 128,
            level: 6,
            window_bits: 15,
            share_min: 8,
            memory_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// How a class's messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all: permessage-deflate was not negotiated.
    Plain,
    /// Each message by itself.
    Alone,
    /// The same with the smallest window, for whoever wants one smaller than ours.
    AloneNarrow,
    /// With those before it as context, for members that hear the same.
    Shared,
}

/// The loop's compressors and its inflater, made when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    wide: Option<Deflater>,
    narrow: Option<Deflater>,
    inflater: Option<Inflater>,
    /// An inflated message.
    inflated: Vec<u8>,
    /// A compressed one.
    pub(crate) packed: Vec<u8>,
    /// Where compressors are that members share; some may be gone.
    pub(crate) sharing: Vec<(u32, Class)>,
}

/// What inflating a message costs, about, in nanoseconds: for the message, and for each byte that
/// it becomes.
const INFLATE_NS: (usize, usize) = (2_000, 2);

/// What compressing a message costs, about, at the usual level: the compressor begins with clean
/// tables, which takes as long as three kilobytes.
const DEFLATE_NS: (usize, usize) = (60_000, 20);

impl Relay {
    /// Whether what a connection says may have to be inflated, or compressed for others.
    pub(crate) fn has_packing(&self, index: u32) -> bool {
        let conn = &self.conns[index];
        let room = self.rooms.get(conn.room);
        let is_packed = |room: &Room| room.audiences().any(|audience| audience.class.is_packed());
        conn.class.is_packed() || room.is_some_and(is_packed)
    }

    /// Takes the cost of packing so many bytes from what is left in this read.
    pub(crate) fn count_packing(&mut self, bytes: usize) {
        self.count_cost(DEFLATE_NS, bytes);
    }

    fn count_cost(&mut self, (message_ns, byte_ns): (usize, usize), bytes: usize) {
        let cost_ns = message_ns + byte_ns * bytes;
        self.packing_left_ns = self.packing_left_ns.saturating_sub(cost_ns);
    }

    /// What is agreed on with a client that joins a room about compression.
    pub(crate) fn agree(&self, key: u32, head: &Head<'_>) -> Option<Agreed> {
        if !self.rooms[key].manners.deflate || extension::is_declined(head.target) {
            return None;
        }
        let deflate = &self.limits.deflate;
        let keeps_context = share::is_wanted(deflate);
        let terms = Terms { window_bits: deflate.window_bits, keeps_context };
        extension::negotiate(head.values("sec-websocket-extensions"), terms)
    }

    /// The packing of whoever agreed on this.
    pub(crate) fn packing(&self, agreed: Option<&Agreed>) -> Packing {
        match agreed {
            None => Packing::Plain,
            Some(agreed) if agreed.window_bits < self.limits.deflate.window_bits => {
                Packing::AloneNarrow
            }
            Some(_) => Packing::Alone,
        }
    }

    /// Compresses a message for a class, by itself; `None` when it leaves as it is.
    pub(crate) fn pack_alone(&mut self, packing: Packing, payload: &[u8]) -> Option<Vec<u8>> {
        let Deflate { message_bytes_min, level, window_bits, .. } = self.limits.deflate;
        if payload.len() < message_bytes_min {
            return None;
        }
        let (deflater, window_bits) = match packing {
            Packing::Plain => return None,
            Packing::Alone | Packing::Shared => (&mut self.packer.wide, window_bits),
            Packing::AloneNarrow => (&mut self.packer.narrow, WINDOW_BITS_MIN),
        };
        if deflater.is_none() && !memory::is_there(Deflater::held_bytes(window_bits)) {
            return None;
        }
        let deflater = deflater.get_or_insert_with(|| Deflater::new(level, window_bits));
        deflater.reset();
        let mut packed = std::mem::take(&mut self.packer.packed);
        let is_packed = deflater.deflate(payload, &mut packed) && packed.len() < payload.len();
        self.count_packing(payload.len());
        if is_packed {
            return Some(packed);
        }
        self.packer.packed = packed;
        None
    }

    /// A compressed message: what it says is checked as if it had come as it is.
    pub(crate) fn unpack(
        &mut self,
        index: u32,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), Violation> {
        let bytes_max = self.message_bytes_max(index);
        if self.packer.inflater.is_none() && !memory::is_there(Inflater::HELD_BYTES) {
            return Err(Violation::NoMemory);
        }
        let mut inflated = std::mem::take(&mut self.packer.inflated);
        let inflater = self.packer.inflater.get_or_insert_default();
        let result = inflater.inflate(payload, bytes_max, &mut inflated);
        self.count_cost(INFLATE_NS, payload.len() + inflated.len());
        let result = match result {
            Ok(()) if kind == Kind::Text && !utf8::is_text(&inflated) => Err(Violation::NotUtf8),
            Ok(()) => {
                // Its rate is of what it makes us say.
                self.count_bytes(index, inflated.len().saturating_sub(payload.len()));
                self.say(index, kind, &inflated);
                Ok(())
            }
            Err(violation) => Err(violation),
        };
        self.packer.inflated = inflated;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::pretend::Pretend;
    use crate::relay::{Limits, Order, Rule, Time};

    /// Nobody hears it, so nothing but its own messages keeps the relay awake.
    #[test]
    fn what_waits_for_packing_time_is_read_on_at_once() {
        let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
        limits.deflate.is_on = true;
        let mut pretend = Pretend::with(limits);
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let id = pretend.join_offering("/", offer);
        pretend.turn();
        let mut packed = Vec::new();
        assert!(Deflater::new(6, 15).deflate(&[b'x'; 60_000], &mut packed));
        let length = u8::try_from(packed.len()).expect("a short frame");
        let frame = [&[0xc1, 0x80 | length, 0, 0, 0, 0], &packed[..]].concat();
        assert!(pretend.relay.may_read(id).is_some());
        pretend.relay.receive(id, &mut frame.repeat(100), Time::default());
        assert!(pretend.relay.unheard_bytes(id) > Some(0), "a read has time for some of them");
        let mut turns = 0;
        while pretend.relay.unheard_bytes(id).is_some() {
            assert_eq!(pretend.relay.next_deadline(), Some(Time::default()), "it does not sleep");
            pretend.relay.turn(Time::default());
            assert_eq!(pretend.relay.order(), Some(Order::Resume(id)));
            assert_eq!(pretend.relay.order(), None);
            pretend.relay.may_read(id);
            pretend.relay.check_invariants();
            turns += 1;
        }
        assert_eq!((turns, pretend.relay.metrics().messages), (19, 100));
    }

    #[test]
    fn the_window_that_was_promised_stays() {
        let with = |window_bits: u8| {
            let mut all = Rule::new("*");
            all.deflate = Some(true);
            let deflate = Deflate { window_bits, ..Deflate::default() };
            Limits { deflate, rules: vec![all], ..Limits::default() }
        };
        let mut relay = Relay::new(with(10));
        relay.configure(Limits::default());
        relay.configure(with(12));
        assert_eq!(relay.limits().deflate.window_bits, 10);
    }
}
