//! What the floor sends: the messages of a turn, and all messages if it keeps them.

use std::io::Write;

use memchr::memmem::Finder;

use super::spoken::Spoken;
use crate::client::write_header;

pub(super) const KEY_BYTES: usize = 4;
/// As long as a real one.
const EPOCH: &str = "0123456789abcdef";

/// The messages of a turn.
pub(super) struct Output {
    /// As frames, and as chunks of an event stream if there is one.
    pub(super) bytes: Vec<u8>,
    pub(super) chunks: Vec<u8>,
    /// Where each frame is, and from which connection it came.
    pub(super) frames: Vec<Frame>,
    /// The answers to the requests of one read.
    pub(super) answers: Vec<u8>,
    /// One answer, while it does not change.
    answer: Vec<u8>,
    members: usize,
    streams: usize,
    kept: Option<Kept>,
    /// Finds the end of a head, and the length of what follows.
    pub(super) head_end: Finder<'static>,
    pub(super) length: Finder<'static>,
}

pub(super) struct Frame {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) from: usize,
}

/// All messages, and where each begins.
#[derive(Default)]
struct Kept {
    frames: Vec<u8>,
    chunks: Vec<u8>,
    begins: Vec<(usize, usize)>,
}

impl Output {
    pub(super) fn new(has_history: bool) -> Self {
        Self {
            bytes: Vec::new(),
            chunks: Vec::new(),
            frames: Vec::new(),
            answers: Vec::new(),
            answer: Vec::new(),
            members: 0,
            streams: 0,
            kept: has_history.then(Kept::default),
            head_end: Finder::new(b"\r\n\r\n"),
            length: Finder::new(b"\r\nContent-Length: "),
        }
    }

    /// A connection speaks so from now on.
    pub(super) fn note(&mut self, spoken: Spoken) {
        self.members += usize::from(matches!(spoken, Spoken::Frames | Spoken::Events));
        self.streams += usize::from(spoken == Spoken::Events);
        self.answer.clear();
    }

    /// A connection that spoke so has ended.
    pub(super) fn forget(&mut self, spoken: Spoken) {
        self.members -= usize::from(matches!(spoken, Spoken::Frames | Spoken::Events));
        self.streams -= usize::from(spoken == Spoken::Events);
        self.answer.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.bytes.clear();
        self.chunks.clear();
    }

    /// Adds a message, whose payload is masked.
    pub(super) fn publish(&mut self, first: u8, payload: &[u8], key: [u8; KEY_BYTES], from: usize) {
        if self.members == 0 && self.kept.is_none() {
            return;
        }
        let start = self.bytes.len();
        write_frame(&mut self.bytes, first, payload, key);
        let frame = Frame { start, end: self.bytes.len(), from };
        let before = self.chunks.len();
        if self.streams > 0 || self.kept.is_some() {
            let text = &self.bytes[frame.end - payload.len()..];
            let sequence = self.kept.as_ref().map(|kept| kept.begins.len() + 1);
            write_chunk(&mut self.chunks, sequence, text);
        }
        if let Some(kept) = &mut self.kept {
            kept.begins.push((kept.frames.len(), kept.chunks.len()));
            kept.frames.extend_from_slice(&self.bytes[start..]);
            kept.chunks.extend_from_slice(&self.chunks[before..]);
        }
        self.frames.push(frame);
    }

    /// Adds the answer to the message that was published last.
    pub(super) fn answer(&mut self) {
        if self.answer.is_empty() || self.kept.is_some() {
            let id = match &self.kept {
                Some(kept) => format!("\"{}:{EPOCH}\"", kept.begins.len()),
                None => "null".to_owned(),
            };
            let json = format!("{{\"id\":{id},\"members\":{}}}", self.members);
            self.answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n\
                 {json}",
                json.len()
            )
            .into();
        }
        self.answers.extend_from_slice(&self.answer);
    }

    /// What a member missed that names the last message it has in its request.
    pub(super) fn missed(&self, head: &str, spoken: Spoken) -> &[u8] {
        let named = head.split_once("last_event_id=").and_then(|(_, id)| id.split_once(':'));
        let sequence = named.and_then(|(sequence, _)| sequence.parse::<usize>().ok());
        let (Some(sequence), Some(kept)) = (sequence, &self.kept) else { return &[] };
        let Some((frame, chunk)) = kept.begins.get(sequence) else { return &[] };
        match spoken {
            Spoken::Events => &kept.chunks[*chunk..],
            _ => &kept.frames[*frame..],
        }
    }
}

/// Appends a message as a chunk of an event stream.
fn write_chunk(out: &mut Vec<u8>, sequence: Option<usize>, text: &[u8]) {
    let id = sequence.map(|sequence| format!("id: {sequence}:{EPOCH}\n")).unwrap_or_default();
    let length = id.len() + "data: ".len() + text.len() + 2;
    write!(out, "{length:x}\r\n{id}data: ").expect("writing to memory");
    out.extend_from_slice(text);
    out.extend_from_slice(b"\n\n\r\n");
}

/// Appends a frame as a server sends it, of a payload that is masked.
pub(super) fn write_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; KEY_BYTES]) {
    write_header(out, first, 0, payload.len());
    let start = out.len();
    out.extend_from_slice(payload);
    let word = u32::from_ne_bytes(key);
    let (words, rest) = out[start..].as_chunks_mut::<KEY_BYTES>();
    words.iter_mut().for_each(|four| *four = (u32::from_ne_bytes(*four) ^ word).to_ne_bytes());
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Opcode, lengths, write_frame as write_masked};

    #[test]
    fn frames_are_unmasked_and_framed_again() {
        for length in [0, 1, 5, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let key = [1, 2, 3, 4];
            let mut masked = Vec::new();
            write_masked(&mut masked, Opcode::Binary, &payload, key);
            let (header, found) = lengths(&masked).expect("a whole header");
            assert_eq!((found, masked.len()), (length, header + KEY_BYTES + payload.len()));
            let mut out = Vec::new();
            write_frame(&mut out, masked[0], &masked[header + KEY_BYTES..], key);
            assert_eq!(lengths(&out), Some((header, length)));
            assert_eq!(&out[header..], &payload);
        }
    }
}
