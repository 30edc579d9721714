//! How the server compresses for one member, and its faults in that.

use flate2::{Compress, Compression, FlushCompress};

/// RSV1 and the opcode of a text.
const COMPRESSED_TEXT: u8 = 0x41;

/// A server's answer about compression, and its behaviour.
#[derive(Clone, Copy, Default)]
pub struct Packing {
    /// Its `Sec-WebSocket-Extensions`, if that is not empty.
    pub answer: &'static str,
    pub deed: Deed,
    pub lie: Lie,
}

/// How it compresses, whatever it has answered.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Deed {
    #[default]
    Plain,
    /// Each message by itself.
    Alone,
    /// With those before it, in the largest window.
    Context,
}

/// Its fault, at each so-many-th delivery.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Lie {
    #[default]
    None,
    /// A byte of the compressed message is another.
    Flip,
    /// The message becomes a megabyte.
    Bomb,
    /// A ping has the bit of a compressed message.
    Ping,
    /// So has a frame that continues a message.
    Continuation,
}

pub struct Packer {
    packing: Packing,
    state: Compress,
}

impl Packer {
    pub fn new(packing: Packing) -> Self {
        Self { packing, state: Compress::new(Compression::new(6), false) }
    }

    /// The frames of a message; one that is `due` has the lie.
    pub fn frame(&mut self, message: &[u8], due: bool) -> Vec<u8> {
        let lie = if due { self.packing.lie } else { Lie::None };
        let mut frames = match lie {
            Lie::Ping => vec![0xc9, 0],
            Lie::Continuation => vec![0xc0, 0],
            Lie::None | Lie::Flip | Lie::Bomb => Vec::new(),
        };
        if self.packing.deed == Deed::Plain {
            frames.extend(super::unmasked(1, message));
            return frames;
        }
        if self.packing.deed == Deed::Alone {
            self.state.reset();
        }
        let bomb = [message, &[b' '; 1 << 20]].concat();
        let mut packed = self.deflate(if lie == Lie::Bomb { &bomb } else { message });
        if lie == Lie::Flip {
            let middle = packed.len() / 2;
            packed[middle] ^= 4;
        }
        frames.extend(super::unmasked(COMPRESSED_TEXT, &packed));
        frames
    }

    fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(message.len() + 100);
        let all = self.state.compress_vec(message, &mut packed, FlushCompress::Sync);
        all.expect("room for it");
        packed.truncate(packed.len() - 4); // what every flush ends with is not sent
        packed
    }
}
