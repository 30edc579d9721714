//! The head of an answer (RFC 9112, section 4).

use std::borrow::Cow;

use crate::error::Error;

const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The head of an answer.
pub(crate) struct Head<'a> {
    /// The lines, without the empty one at the end.
    text: Cow<'a, str>,
    /// The length of it all.
    pub(crate) bytes: usize,
}

impl<'a> Head<'a> {
    /// Finds the head at the start of `bytes`; `None` while it is not complete.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Option<Self>, Error> {
        match bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => {
                Ok(Some(Self { text: String::from_utf8_lossy(&bytes[..end]), bytes: end + 4 }))
            }
            None if bytes.len() > HEAD_BYTES_MAX => {
                Err(Error::Refused("the head of the answer does not end".into()))
            }
            None => Ok(None),
        }
    }

    /// Checks the status; an answer with another one is a refusal.
    pub(crate) fn expect(&self, status: u16) -> Result<(), Error> {
        let line = self.text.split("\r\n").next().unwrap_or_default();
        if line.starts_with(&format!("HTTP/1.1 {status} ")) {
            return Ok(());
        }
        Err(Error::Refused(line.into()))
    }

    /// The values of all fields of this name, which is in small letters.
    pub(crate) fn field<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        let fields = self.text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let own = fields.filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.trim())
    }
}
