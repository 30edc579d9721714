//! One connection of the floor: what came first decides what is spoken on it.

use std::io::{IoSlice, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use mio::net::TcpStream;
use sha1::{Digest, Sha1};

use super::output::{Frame, KEY_BYTES, Output, write_frame};
use super::spoken::Spoken;
use super::whole;
use crate::client::lengths;
use crate::error::Error;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const STREAM: &str = "HTTP/1.1 200 OK\r\nVary: Accept\r\nCache-Control: no-store\r\n\
    X-Accel-Buffering: no\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
    d\r\nretry: 2000\n\n\r\n";

pub(super) struct Conn {
    pub(super) stream: TcpStream,
    pub(super) spoken: Spoken,
    /// In this turn.
    has_published: bool,
    pub(super) partial: Vec<u8>,
}

impl Conn {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, spoken: Spoken::Nothing, has_published: false, partial: Vec::new() }
    }

    /// Takes all that is whole; gives how many bytes it had, or `None` if it is nothing known.
    pub(super) fn take(
        &mut self,
        index: usize,
        bytes: &[u8],
        output: &mut Output,
    ) -> Result<Option<usize>, Error> {
        let mut used = 0;
        if self.spoken == Spoken::Nothing {
            let Some(head) = self.greet(bytes, output)? else { return Ok(None) };
            used = head;
        }
        let rest = &bytes[used..];
        let taken = match self.spoken {
            Spoken::Nothing => 0,
            Spoken::Frames => self.take_frames(index, rest, output),
            Spoken::Events => rest.len(),
            Spoken::Requests => return self.take_requests(rest, output),
        };
        Ok(Some(used + taken))
    }

    /// Answers a handshake if it is there, and sends what was missed; gives how many bytes it had,
    /// or `None` if it is none.
    fn greet(&mut self, bytes: &[u8], output: &mut Output) -> Result<Option<usize>, Error> {
        if bytes.starts_with(b"POST ") {
            self.spoken = Spoken::Requests;
            return Ok(Some(0));
        }
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(Some(0)) };
        let Ok(head) = std::str::from_utf8(&bytes[..end]) else { return Ok(None) };
        let field = |wanted: &str| {
            let mut fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
            fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let answer = match field("sec-websocket-key") {
            Some(key) => {
                self.spoken = Spoken::Frames;
                let digest = Sha1::new().chain_update(key.trim()).chain_update(GUID).finalize();
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                    STANDARD.encode(digest)
                )
            }
            None if field("accept") == Some("text/event-stream") => {
                self.spoken = Spoken::Events;
                STREAM.to_owned()
            }
            None => return Ok(None),
        };
        whole(self.stream.write(answer.as_bytes()), answer.len())?;
        output.note(self.spoken);
        let missed = output.missed(head, self.spoken);
        if !missed.is_empty() {
            whole(self.stream.write(missed), missed.len())?;
        }
        Ok(Some(end + 4))
    }

    /// Takes whole frames; gives how many bytes they had.
    fn take_frames(&mut self, from: usize, bytes: &[u8], output: &mut Output) -> usize {
        let mut used = 0;
        while let Some((header, length)) = lengths(&bytes[used..]) {
            let (key, end) = (used + header, used + header + KEY_BYTES + length as usize);
            let Some(frame) = bytes.get(key..end) else { break };
            let (key, payload) = frame.split_first_chunk::<KEY_BYTES>().expect("a key");
            let opcode = bytes[used] & 15;
            if opcode <= 2 {
                output.publish(bytes[used], payload, *key, from);
                self.has_published = true;
            } else if opcode == 9 {
                let mut pong = Vec::new();
                write_frame(&mut pong, 0x8a, payload, *key);
                let _gone = self.stream.write(&pong);
            }
            used = end;
        }
        used
    }

    /// Takes whole requests, and answers them with one system call; gives how many bytes they had,
    /// or `None` if one has no length.
    fn take_requests(&mut self, bytes: &[u8], output: &mut Output) -> Result<Option<usize>, Error> {
        let mut used = 0;
        while let Some(end) = output.head_end.find(&bytes[used..]) {
            let (head, rest) = bytes[used..].split_at(end + 4);
            let Some(at) = output.length.find(head) else { return Ok(None) };
            let digits = head[at + output.length.needle().len()..].iter();
            let digits = digits.take_while(|byte| byte.is_ascii_digit());
            let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            let Some(message) = rest.get(..length) else { break };
            output.publish(0x81, message, [0; KEY_BYTES], usize::MAX);
            output.answer();
            used += end + 4 + length;
        }
        let answers = &mut output.answers;
        if !answers.is_empty() {
            whole(self.stream.write(answers), answers.len())?;
            answers.clear();
        }
        Ok(Some(used))
    }

    /// Sends the messages of a turn.
    pub(super) fn deliver(&mut self, index: usize, output: &Output) -> Result<(), Error> {
        match self.spoken {
            Spoken::Nothing | Spoken::Requests => Ok(()),
            Spoken::Events => whole(self.stream.write(&output.chunks), output.chunks.len()),
            Spoken::Frames if std::mem::take(&mut self.has_published) => {
                self.send_others(index, &output.bytes, &output.frames)
            }
            Spoken::Frames => whole(self.stream.write(&output.bytes), output.bytes.len()),
        }
    }

    /// Sends to a publisher what is between its own frames.
    fn send_others(&mut self, index: usize, out: &[u8], frames: &[Frame]) -> Result<(), Error> {
        let (mut slices, mut begin, mut total) = (Vec::new(), 0, 0);
        let end = Frame { start: out.len(), end: out.len(), from: index };
        for frame in frames.iter().filter(|frame| frame.from == index).chain([&end]) {
            if frame.start > begin {
                slices.push(IoSlice::new(&out[begin..frame.start]));
                total += frame.start - begin;
            }
            begin = frame.end;
            // The kernel takes 1,024 slices; beyond that nothing is measured here.
            if slices.len() == 1_000 {
                whole(self.stream.write_vectored(&slices), total)?;
                (slices, total) = (Vec::new(), 0);
            }
        }
        if slices.is_empty() { Ok(()) } else { whole(self.stream.write_vectored(&slices), total) }
    }
}
