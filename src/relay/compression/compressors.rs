//! The relay's compressors and its inflater: a message is compressed once for all members of a
//! class, and what clients compressed is inflated by one inflater for all.

use crate::protocol::ws::deflate::{Deflater, Inflater};
use crate::protocol::ws::utf8;
use crate::protocol::{Kind, Violation};
use crate::relay::compression::settings::Deflate;
use crate::relay::limits::budget::PACKING_NS_MAX;
use crate::relay::rooms::class::Class;

/// What inflating a message costs, about, in nanoseconds: for the message, and for each byte that
/// it becomes.
const INFLATE_NS: (usize, usize) = (2_000, 2);

/// What compressing a message costs, about, at the usual level: the compressor begins with clean
/// tables, which takes as long as three kilobytes.
const DEFLATE_NS: (usize, usize) = (60_000, 20);

/// Compressors and their buffers, made when they are first needed, and the time that is left for
/// them.
#[derive(Debug)]
pub(crate) struct Compressors {
    deflater: Option<Deflater>,
    inflater: Option<Inflater>,
    /// Time for them that is left in this read, as it is estimated, in nanoseconds.
    left_ns: usize,
    /// Buffers between two uses: of an inflated message, of a compressed one, and of one in
    /// another encoding.
    inflated: Vec<u8>,
    packed: Vec<u8>,
    encoded: Vec<u8>,
    /// Rooms and classes with a compressor that members share; some may be gone.
    pub(super) sharing: Vec<(u32, Class)>,
}

impl Default for Compressors {
    fn default() -> Compressors {
        Compressors {
            deflater: None,
            inflater: None,
            left_ns: PACKING_NS_MAX,
            inflated: Vec::new(),
            packed: Vec::new(),
            encoded: Vec::new(),
            sharing: Vec::new(),
        }
    }
}

impl Compressors {
    /// Begins a read, which has time of its own.
    #[inline]
    pub(crate) fn begin_read(&mut self) {
        self.left_ns = PACKING_NS_MAX;
    }

    /// Whether the time of this read is used up.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.left_ns == 0
    }

    /// Takes the cost of compressing so many bytes from what is left.
    pub(crate) fn charge_packing(&mut self, bytes: usize) {
        self.charge(DEFLATE_NS, bytes);
    }

    fn charge(&mut self, (message_ns, byte_ns): (usize, usize), bytes: usize) {
        self.left_ns = self.left_ns.saturating_sub(message_ns + byte_ns * bytes);
    }

    /// The buffer for a message in another encoding; to be given back.
    pub(crate) fn take_encoded(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.encoded)
    }

    pub(crate) fn return_encoded(&mut self, buffer: Vec<u8>) {
        self.encoded = buffer;
    }

    /// The buffer for a compressed message; to be given back.
    pub(crate) fn take_packed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.packed)
    }

    pub(crate) fn return_packed(&mut self, buffer: Vec<u8>) {
        self.packed = buffer;
    }

    pub(crate) fn return_inflated(&mut self, buffer: Vec<u8>) {
        self.inflated = buffer;
    }

    /// Compresses a message by itself, into `packed`; `false` when it leaves as it is.
    pub(crate) fn pack_alone(
        &mut self,
        payload: &[u8],
        packed: &mut Vec<u8>,
        settings: &Deflate,
    ) -> bool {
        if payload.len() < settings.message_bytes_min {
            return false;
        }
        let new = || Deflater::new(settings.level, settings.window_bits);
        let deflater = self.deflater.get_or_insert_with(new);
        deflater.reset();
        let is_packed = deflater.deflate(payload, packed) && packed.len() < payload.len();
        self.charge_packing(payload.len());
        is_packed
    }

    /// Inflates a message of at most so many bytes, which is checked as if it had come as it is.
    /// The buffer is to be given back.
    pub(crate) fn inflate(
        &mut self,
        kind: Kind,
        payload: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<u8>, Violation> {
        let mut inflated = std::mem::take(&mut self.inflated);
        let inflater = self.inflater.get_or_insert_default();
        let result = inflater.inflate(payload, bytes_max, &mut inflated);
        self.charge(INFLATE_NS, payload.len() + inflated.len());
        match result {
            Ok(()) if kind != Kind::Text || utf8::is_text(&inflated) => return Ok(inflated),
            _ => self.inflated = inflated,
        }
        Err(result.err().unwrap_or(Violation::NotUtf8))
    }

    /// Whether a class's compressor is listed.
    pub(crate) fn lists(&self, key: u32, class: Class) -> bool {
        self.sharing.contains(&(key, class))
    }
}
