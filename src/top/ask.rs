//! Asking a relay's admin listener.

use crate::listen::Listen;
use crate::plain::Plain;
use crate::protocol::http::reply::{self, Head, NoReply, Reply};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The most time for an answer: a relay has many turns a second.
const TIMEOUT: Duration = Duration::from_secs(2);

/// More than any relay's metrics: another program is answering.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The body of the admin listener's answer at `path`, if its status is 200.
pub(super) fn ask(place: &Listen, path: &str) -> io::Result<String> {
    if let Listen::Unix(file, _) = place {
        let stream = UnixStream::connect(file)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        return exchange(stream, "localhost", path);
    }
    let stream = connect(&place.as_client().addresses()?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let host = stream.peer_addr()?.to_string();
    exchange(stream, &host, path)
}

/// Connects to the first of these addresses that accepts.
fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn exchange(mut stream: impl Read + Write, host: &str, path: &str) -> io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    match reply::read(&bytes) {
        Ok(Reply { head, body }) if head.code == 200 => {
            Ok(String::from_utf8_lossy(body).into_owned())
        }
        Ok(Reply { head: Head { code, reason, .. }, .. }) => {
            Err(io::Error::other(format!("it answers {code} {}", reason.escape_debug())))
        }
        Err(NoReply::Cut) => Err(io::Error::other("it ended the connection within its answer")),
        Err(NoReply::NotHttp) => Err(io::Error::other("it does not speak HTTP")),
    }
}

/// Why there is no answer, and what to do.
pub(super) fn because(error: &io::Error) -> String {
    use io::ErrorKind::{ConnectionRefused, NotFound, TimedOut, WouldBlock};
    let plain = Plain(error);
    match error.kind() {
        TimedOut | WouldBlock => "it does not answer".to_owned(),
        ConnectionRefused | NotFound => {
            format!("{plain}: no relay answers there; name its admin listener with --admin")
        }
        _ => plain.to_string(),
    }
}
