//! Standard output, where one line says at the start what the relay does.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::AsFd;

/// What a pipe that can be written at all takes without waiting (`PIPE_BUF` of pipe(7)).
const WRITE_BYTES_MAX: usize = 4096;

/// Writes `text` to standard output as far as it takes that at once; tells whether that was all. A
/// pipe that nobody reads, as a supervisor's that hangs, does not keep the relay from its work.
pub fn offer(text: &str) -> bool {
    offer_to(io::stdout(), text.as_bytes()).is_ok_and(|rest| rest.is_empty())
}

/// Gives what was not taken.
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
    fn what_a_pipe_does_not_take_at_once_is_left() {
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
