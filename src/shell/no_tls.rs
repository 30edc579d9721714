//! In the place of `tls`, when fanfare is built without that feature: `https:` is refused.

use super::fault::Fault;
use super::socket::Socket;
use crate::config::Url;
use std::io::{self, Read, Write};
use std::path::Path;

/// A stream in TLS, which cannot exist.
#[derive(Debug)]
pub(super) struct TlsStream {
    pub(super) sock: Socket,
    never: Never,
}

#[derive(Debug)]
enum Never {}

/// Refuses.
pub(super) fn begin(_: Socket, _: &Url, _: Option<&Path>) -> Result<TlsStream, Fault> {
    let why = "this program was built without TLS (the feature tls)";
    Err(Fault::Impossible(why.to_owned()))
}

impl Read for TlsStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.never {}
    }
}

impl Write for TlsStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.never {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.never {}
    }
}
