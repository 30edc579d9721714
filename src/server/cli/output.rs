//! Standard output, for the one line at the start.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::AsFd;

/// Bytes that a writable pipe takes without waiting (`PIPE_BUF` of pipe(7)).
const WRITE_BYTES_MAX: usize = 4096;

/// Writes `text` to standard output as far as possible without waiting; true when that was all. A
/// blocked pipe, such as that of a supervisor that hangs, does not delay the relay.
pub fn offer(text: &str) -> bool {
    offer_to(io::stdout(), text.as_bytes()).is_ok_and(|rest| rest.is_empty())
}

/// Gives the rest that was not written.
fn offer_to(to: impl AsFd, text: &[u8]) -> io::Result<&[u8]> {
    let mut rest = text;
    while !rest.is_empty() {
        let mut one = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut one, PollTimeout::ZERO)? == 0 {
            break;
        }
        rest = &rest[nix::unistd::write(&to, &rest[..rest.len().min(WRITE_BYTES_MAX)])?..];
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_full_pipe_does_not_block() {
        let text = "0123456789abcdef".repeat(64 * 1024);
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let rest = offer_to(&writer, text.as_bytes()).expect("a reader");
        assert!(rest.len() < text.len() && !rest.is_empty(), "{}", rest.len());
        drop(writer);
        let mut taken = Vec::new();
        reader.read_to_end(&mut taken).expect("bytes");
        assert!([&taken[..], rest].concat() == text.as_bytes());
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        assert!(offer_to(&writer, b"nobody reads").is_err());
    }
}
