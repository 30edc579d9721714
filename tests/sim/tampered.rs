//! Streams between the relay and its clients in which a fault is planted.

use crate::face::ConnId;
use crate::frames::{Cutter, Piece};
use crate::planted::Fault;
use std::collections::BTreeMap;

/// Of what a client receives, so many messages or frames pass before the fault.
const PASS_BEFORE: u32 = 10;

/// One connection's two directions.
#[derive(Default)]
struct Stream {
    sent: Cutter,
    written: Cutter,
    /// Messages that it sent, messages that it received, and frames.
    messages_sent: u32,
    messages_received: u32,
    frames: u32,
    was_paused: bool,
    /// It asks for earlier messages.
    resumes: bool,
    /// It is an event stream, which has no frames.
    is_stream: bool,
    /// The room of its request.
    path: Vec<u8>,
    /// What waits to be passed on in another place.
    kept: Vec<Piece>,
    /// It was taken out of this room, as its request would name it; and in the middle of a frame.
    left: Option<Vec<u8>>,
    is_cut: bool,
    /// Messages that were skipped when it was written to last.
    skipped: u64,
    is_done: bool,
}

#[derive(Default)]
pub struct Streams {
    streams: BTreeMap<ConnId, Stream>,
    /// The message that a client received last, and in which room.
    last: Option<(Vec<u8>, Piece)>,
}

impl Streams {
    fn stream(&mut self, id: ConnId) -> &mut Stream {
        self.streams.entry(id).or_default()
    }

    /// A paused client is read again.
    pub fn pause(&mut self, id: ConnId) {
        self.stream(id).was_paused = true;
    }

    /// A client is taken out of a room.
    pub fn leave(&mut self, id: ConnId, room: &str) {
        let stream = self.stream(id);
        stream.is_cut |= !stream.written.is_between_pieces();
        stream.left = Some(format!("/{room}").into_bytes());
    }

    /// Whether what was written to a client ended between two frames, as far as it passes here.
    pub fn is_between_frames(&self, id: ConnId) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.written.is_between_pieces())
    }

    /// The first bytes of a client name its room.
    pub fn note_request(&mut self, id: ConnId, bytes: &[u8]) {
        let stream = self.stream(id);
        if stream.path.is_empty() {
            let path = bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            stream.is_stream = bytes.windows(12).any(|part| part == b"event-stream");
            stream.resumes = path.windows(5).any(|five| five == b"last=");
            stream.path = path.split(|byte| *byte == b'?').next().unwrap_or_default().to_vec();
        }
    }

    /// The client's bytes after the fault.
    pub fn inbound(&mut self, id: ConnId, bytes: &[u8], fault: Fault) -> Vec<u8> {
        let stream = self.stream(id);
        let pieces = stream.sent.cut(bytes);
        pieces.into_iter().flat_map(|piece| stream.pass_sent(piece, fault)).collect()
    }

    /// The bytes to the client after the fault.
    pub fn outbound(
        &mut self,
        id: ConnId,
        bytes: &[u8],
        skipped: u64,
        fault: Fault,
        is_concerned: bool,
    ) -> Vec<u8> {
        let last = self.last.clone();
        let stream = self.stream(id);
        if stream.is_stream {
            return match fault {
                Fault::HidesGap => without_gap(bytes),
                _ => bytes.to_vec(),
            };
        }
        let mut passed = Vec::new();
        let mut newest = None;
        for piece in stream.written.cut(bytes) {
            let is_message = piece.is_message() && piece.payload() != b"pong";
            newest = is_message.then(|| (stream.path.clone(), piece.clone())).or(newest);
            match is_concerned {
                true => passed.extend(stream.pass_written(piece, skipped, fault, last.as_ref())),
                false => passed.extend(piece.bytes),
            }
        }
        self.last = newest.or(last);
        passed
    }
}

/// The bytes of an event stream with the name of the event that tells of a gap changed.
fn without_gap(bytes: &[u8]) -> Vec<u8> {
    let name = b"event: gap";
    let mut passed = bytes.to_vec();
    let at = bytes.windows(name.len()).position(|part| part == name);
    if let Some(at) = at {
        passed[at..at + name.len()].copy_from_slice(b"event: nap");
    }
    passed
}

impl Stream {
    fn pass_sent(&mut self, piece: Piece, fault: Fault) -> Vec<u8> {
        self.messages_sent += u32::from(matches!(piece.opcode(), Some(1 | 2)));
        let is_third = self.messages_sent == 3 && matches!(piece.opcode(), Some(0..=2));
        let is_message = piece.is_message();
        match fault {
            Fault::IgnoresThirdMessage if is_third => Vec::new(),
            Fault::IgnoresAfterPause if self.was_paused && is_message => Vec::new(),
            Fault::IgnoresPings if piece.opcode() == Some(9) => Vec::new(),
            Fault::IgnoresClose if piece.opcode() == Some(8) => Vec::new(),
            Fault::TakesMessageTwice if is_third && is_message => piece.bytes.repeat(2),
            Fault::SwapsSent if is_third && is_message => {
                self.kept.push(piece);
                Vec::new()
            }
            Fault::SwapsSent if is_message => {
                let kept = self.kept.pop().map(|kept| kept.bytes);
                [piece.bytes, kept.unwrap_or_default()].concat()
            }
            Fault::Echoes if is_third && is_message => {
                self.kept.push(Piece::frame(piece.first.unwrap_or_default(), &piece.payload()));
                piece.bytes
            }
            _ => piece.bytes,
        }
    }

    fn pass_written(
        &mut self,
        mut piece: Piece,
        skipped: u64,
        fault: Fault,
        last: Option<&(Vec<u8>, Piece)>,
    ) -> Vec<u8> {
        let is_message = piece.is_message() && piece.payload() != b"pong";
        self.messages_received += u32::from(is_message);
        self.frames += u32::from(piece.first.is_some());
        let is_it = is_message && self.messages_received == PASS_BEFORE;
        let was_skipped = skipped > self.skipped && !self.is_done;
        let code = match piece.opcode() {
            Some(8) => piece.payload().first_chunk().map(|code| u16::from_be_bytes(*code)),
            _ => None,
        };
        let refusal = b"HTTP/1.1 503";
        if let Some(said) = said_wrong(&piece, fault, is_it) {
            return said;
        }
        match fault {
            Fault::NeverFlushes if self.frames > PASS_BEFORE => return Vec::new(),
            Fault::LosesOne if is_it => return Vec::new(),
            Fault::LosesReplayed if is_message && self.resumes && self.messages_received == 1 => {
                return Vec::new();
            }
            Fault::LosesAfterSkip if is_message && was_skipped => {
                self.is_done = true;
                return Vec::new();
            }
            Fault::DeliversTwice if is_it => return piece.bytes.repeat(2),
            Fault::SwapsDelivered if is_it => {
                self.kept.push(piece);
                return Vec::new();
            }
            Fault::SwapsDelivered | Fault::Echoes if is_message && !self.kept.is_empty() => {
                let kept = self.kept.pop().map(|kept| kept.bytes);
                return [piece.bytes, kept.unwrap_or_default()].concat();
            }
            Fault::ChangesByte if is_it => {
                piece.bytes.pop();
                piece.bytes.push(b'?');
            }
            Fault::ChangesKind if is_it => piece.bytes[0] ^= 3,
            Fault::CutsAtLeave if std::mem::take(&mut self.is_cut) => {
                piece.bytes.truncate(piece.bytes.len() / 2);
            }
            Fault::Leaks | Fault::LeaksAfterLeave if is_message => {
                let is_other = |path: &Vec<u8>| match fault {
                    Fault::Leaks => *path != self.path,
                    _ => Some(path) == self.left.as_ref(),
                };
                let other = last.filter(|(path, _)| is_other(path) && !self.is_done);
                self.is_done |= other.is_some();
                let other = other.map(|(_, other)| other.bytes.clone());
                return [piece.bytes, other.unwrap_or_default()].concat();
            }
            Fault::WrongCode if code == Some(1009) => return Piece::close(1008),
            Fault::WrongGoodbye if code == Some(1012) => return Piece::close(1001),
            Fault::WrongStatus if piece.bytes.starts_with(refusal) => {
                piece.bytes[9..12].copy_from_slice(b"404");
            }
            Fault::NoCode if code.is_some() => return Vec::new(),
            Fault::ClosesAtWill if is_it => return Piece::close(1008),
            Fault::NeverPings if piece.opcode() == Some(9) => return Vec::new(),
            _ => {}
        }
        self.skipped = skipped;
        piece.bytes
    }
}

/// What a client of `fanfare.v1` receives in place of what the relay says, or of a message.
fn said_wrong(piece: &Piece, fault: Fault, is_it: bool) -> Option<Vec<u8>> {
    Some(match fault {
        Fault::AnswersNoTag if piece.says("ok") => Vec::new(),
        Fault::KeepsEpoch if piece.says("epoch") => Vec::new(),
        Fault::WrongWord if piece.says("error") => piece.with("bad_tag", "no_line_feed"),
        Fault::SaysResumed if piece.says("hello") => {
            piece.with("false,\"gap\":true", "true,\"gap\":false")
        }
        Fault::WrongPublicId if piece.says("hello") => {
            piece.with("\"connection\":\"", "\"connection\":\"x")
        }
        Fault::WrongSequence if is_it => piece.with("1\n", "2\n"),
        _ => return None,
    })
}
