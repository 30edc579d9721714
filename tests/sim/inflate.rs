//! A pretend client's part of permessage-deflate: what was agreed on, and a real inflater that
//! keeps to it.

use flate2::{
    Compress, Compression, Decompress, DecompressError, FlushCompress, FlushDecompress, Status,
};

/// What a client may offer; `{}` is none.
pub const OFFERS: [&str; 7] = [
    "",
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10; client_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=8",
];

/// Whether a relay with this window can meet an offer.
pub fn can_be_met(offer: &str, window_bits: usize) -> bool {
    offer != OFFERS[0] && offer != OFFERS[6] && (offer != OFFERS[4] || window_bits <= 10)
}

/// The client's side of the agreement.
pub struct Inflate {
    state: Decompress,
    forgets: bool,
    /// Messages that came compressed.
    pub messages: u64,
    /// Those of them that refer to others.
    pub with_context: u64,
    alone: Decompress,
}

impl Inflate {
    /// From the value of the answer's `Sec-WebSocket-Extensions`.
    pub fn new(agreed: &str) -> Inflate {
        let mut parts = agreed.split("; ");
        assert_eq!(parts.next(), Some("permessage-deflate"));
        let (mut bits, mut forgets, mut asks) = (15, false, false);
        for part in parts {
            match part.split_once('=') {
                None if part == "client_no_context_takeover" => asks = true,
                None if part == "server_no_context_takeover" => forgets = true,
                Some(("server_max_window_bits", value)) => bits = value.parse().expect("a number"),
                _ => panic!("not a parameter of ours: {part}"),
            }
        }
        assert!(asks, "clients are asked to forget their context");
        let state = Decompress::new_with_window_bits(false, bits);
        let alone = Decompress::new_with_window_bits(false, bits);
        Inflate { state, forgets, messages: 0, with_context: 0, alone }
    }

    /// Inflates a message, 64 bytes at a time: so its window is no larger than was agreed on.
    pub fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        self.messages += 1;
        if self.forgets {
            self.state.reset(false);
        }
        let message = inflate(&mut self.state, payload).expect("what the relay sends inflates");
        self.alone.reset(false);
        self.with_context += u64::from(inflate(&mut self.alone, payload).is_err());
        message
    }
}

fn inflate(state: &mut Decompress, payload: &[u8]) -> Result<Vec<u8>, DecompressError> {
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut rest = &input[..];
    let mut message = Vec::new();
    loop {
        let mut out = Vec::with_capacity(64);
        let before = state.total_in();
        let status = state.decompress_vec(rest, &mut out, FlushDecompress::Sync)?;
        assert_ne!(status, Status::StreamEnd, "no block of ours is the last");
        rest = &rest[(state.total_in() - before) as usize..];
        message.extend_from_slice(&out);
        if rest.is_empty() && out.len() < out.capacity() {
            return Ok(message);
        }
    }
}

/// Compresses a message by itself, as a client does.
pub fn deflate(payload: &[u8], level: u32) -> Vec<u8> {
    let mut state = Compress::new(Compression::new(level), false);
    let mut to = Vec::with_capacity(payload.len() + payload.len() / 8 + 64);
    state.compress_vec(payload, &mut to, FlushCompress::Sync).expect("there is room");
    assert_eq!(state.total_in(), payload.len() as u64);
    assert!(to.ends_with(&[0, 0, 0xff, 0xff]));
    to.truncate(to.len() - 4);
    to
}
