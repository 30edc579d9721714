//! Messages on standard output, each at once.

use super::fault::Fault;
use crate::config::ListenFlags;
use crate::plain::is_shown;
use crate::protocol::Kind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Output {
    form: Form,
    /// It is a terminal, which a stranger's control characters would control.
    is_terminal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The message, and the end of a line.
    Lines,
    /// Its bytes alone.
    Raw,
    /// An object a line.
    Json,
}

/// A line of `--json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gap: bool,
}

impl Output {
    pub(super) fn new(flags: &ListenFlags) -> Output {
        let form = match (flags.json, flags.raw) {
            (true, _) => Form::Json,
            (_, true) => Form::Raw,
            _ => Form::Lines,
        };
        Output { form, is_terminal: io::stdout().is_terminal() }
    }

    /// Writes a message.
    pub(super) fn message(self, kind: Kind, payload: &[u8], id: Option<&str>) -> Result<(), Fault> {
        write(&self.written(kind, payload, id))
    }

    /// Writes that messages are missing, if the form has a place for it; false: it has none.
    pub(super) fn gap(self, id: Option<&str>) -> Result<bool, Fault> {
        if self.form != Form::Json {
            return Ok(false);
        }
        write(&json(Line { id, text: None, binary: None, gap: true }))?;
        Ok(true)
    }

    fn written(self, kind: Kind, payload: &[u8], id: Option<&str>) -> Vec<u8> {
        let text = std::str::from_utf8(payload).ok().filter(|_| kind == Kind::Text);
        let line = match (self.form, text) {
            (Form::Raw, _) => return payload.to_vec(),
            (Form::Json, Some(_)) => json(Line { id, text, binary: None, gap: false }),
            (Form::Json, None) => {
                let binary = Some(STANDARD.encode(payload));
                json(Line { id, text: None, binary, gap: false })
            }
            (Form::Lines, None) if self.is_terminal => {
                format!("({} bytes)\n", payload.len()).into_bytes()
            }
            (Form::Lines, _) => [payload, b"\n"].concat(),
        };
        if !self.is_terminal {
            return line;
        }
        let shown = |char: char| match is_shown(char) || matches!(char, '\n' | '\t') {
            true => char,
            false => char::REPLACEMENT_CHARACTER,
        };
        String::from_utf8_lossy(&line).chars().map(shown).collect::<String>().into_bytes()
    }
}

fn json(line: Line<'_>) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&line).expect("texts and a number");
    bytes.push(b'\n');
    bytes
}

/// Writes to standard output, and through it.
pub(super) fn write(bytes: &[u8]) -> Result<(), Fault> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Fault::OutputClosed,
        _ => Fault::Output(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_its_bytes_or_json() {
        let id = Some("7:a");
        let written = |form, is_terminal, kind, payload: &[u8]| {
            let bytes = Output { form, is_terminal }.written(kind, payload, id);
            String::from_utf8(bytes).expect("text")
        };
        let (text, binary) = (Kind::Text, Kind::Binary);
        assert_eq!(written(Form::Lines, false, text, b"a\nb\x1b"), "a\nb\x1b\n");
        assert_eq!(written(Form::Lines, true, text, b"a\n\tb\x1b[2J"), "a\n\tb\u{fffd}[2J\n");
        assert_eq!(written(Form::Lines, true, binary, &[0, 255]), "(2 bytes)\n");
        assert_eq!(written(Form::Raw, true, text, b"a\x1b"), "a\x1b");
        assert_eq!(
            written(Form::Json, false, text, b"\"\n"),
            "{\"id\":\"7:a\",\"text\":\"\\\"\\n\"}\n"
        );
        assert_eq!(
            written(Form::Json, false, binary, &[0, 255]),
            "{\"id\":\"7:a\",\"binary\":\"AP8=\"}\n"
        );
        let evil = written(Form::Json, true, text, "\u{9b}31m".as_bytes());
        assert_eq!(evil, "{\"id\":\"7:a\",\"text\":\"\u{fffd}31m\"}\n");
    }
}
