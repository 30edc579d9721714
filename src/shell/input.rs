//! The messages to publish: an argument, the whole of standard input, or each line of it.

use super::MESSAGE_BYTES_MAX;
use super::fault::Fault;
use crate::plain::Plain;
use std::io::{BufRead, Read};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// A line; otherwise all of the input.
    pub(super) is_line: bool,
    /// Any bytes; otherwise text.
    pub(super) is_binary: bool,
}

/// The messages of an input, in order.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: R,
    shape: Shape,
    /// How many messages were taken.
    pub(super) taken: u64,
    has_ended: bool,
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(reader: R, shape: Shape) -> Input<R> {
        Input { reader, shape, taken: 0, has_ended: false }
    }

    /// The next message; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Shape { is_line, is_binary } = self.shape;
        if self.has_ended {
            return Ok(None);
        }
        let mut message = Vec::new();
        let mut bounded = (&mut self.reader).take(MESSAGE_BYTES_MAX + 1);
        let read = match is_line {
            true => bounded.read_until(b'\n', &mut message),
            false => bounded.read_to_end(&mut message),
        };
        let read = read.map_err(|error| {
            Fault::Impossible(format!("standard input cannot be read: {}", Plain(&error)))
        })?;
        self.has_ended = !is_line || read == 0;
        if is_line && read == 0 {
            return Ok(None);
        }
        self.taken += 1;
        if read as u64 > MESSAGE_BYTES_MAX {
            let why = format!("a message has at most {MESSAGE_BYTES_MAX} bytes");
            return Err(Fault::Impossible(why));
        }
        if (is_line || !is_binary) && message.ends_with(b"\n") {
            message.pop();
            if !is_binary && message.ends_with(b"\r") {
                message.pop();
            }
        }
        if !is_binary && std::str::from_utf8(&message).is_err() {
            let why = "it is no text in UTF-8; --binary publishes any bytes";
            return Err(Fault::Impossible(why.to_owned()));
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], is_line: bool, is_binary: bool) -> Vec<Result<Vec<u8>, String>> {
        let mut input = Input::new(bytes, Shape { is_line, is_binary });
        let mut messages = Vec::new();
        while let Some(next) = input.next().map_err(|fault| fault.to_string()).transpose() {
            messages.push(next);
        }
        messages
    }

    #[test]
    fn all_of_it_is_a_message_or_each_line() {
        let good = |messages: &[&[u8]]| -> Vec<Result<Vec<u8>, String>> {
            messages.iter().map(|message| Ok(message.to_vec())).collect()
        };
        let (whole, lines, text, binary) = (false, true, false, true);
        assert_eq!(read(b"", whole, text), good(&[b""]));
        assert_eq!(read(b"a\nb\n\n", whole, text), good(&[b"a\nb\n"]));
        assert_eq!(read(b"a\r\n", whole, text), good(&[b"a"]));
        assert_eq!(read(b"a\r\n", whole, binary), good(&[b"a\r\n"]));
        assert_eq!(read(b"", lines, text), good(&[]));
        assert_eq!(read(b"a\n\nb\r\nc", lines, text), good(&[b"a", b"", b"b", b"c"]));
        assert_eq!(read(b"\xff\r\n\n", lines, binary), good(&[b"\xff\r", b""]));
        let mixed = read(b"a\n\xff\nb\n", lines, text);
        assert!(mixed[1].as_ref().is_err_and(|why| why.contains("--binary")), "{mixed:?}");
        assert_eq!(mixed.len(), 3);
        assert!(read(b"\xff", whole, text)[0].is_err());
    }
}
