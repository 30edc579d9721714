//! Asking a relay's admin listener for its metrics, and reading them.

use crate::config::Listen;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Who does not answer within this is silent: a relay has a turn many times a second.
const TIMEOUT: Duration = Duration::from_secs(2);

/// More than any relay's metrics: somebody else is answering.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The metrics of a moment, by name with labels.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    values: BTreeMap<String, f64>,
}

impl Sample {
    /// Asks the relay at `place`.
    pub(super) fn take(place: &Listen) -> io::Result<Sample> {
        let text = match place {
            Listen::Unix(path, _) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                ask(stream, "localhost")?
            }
            place => {
                let stream = connect(&place.as_client().addresses()?)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                let host = stream.peer_addr()?.to_string();
                ask(stream, &host)?
            }
        };
        let sample = Sample::read(&text);
        match sample.values.contains_key("fanfare_members") {
            true => Ok(sample),
            false => Err(io::Error::other("that is no fanfare relay's admin listener")),
        }
    }

    /// Reads the text format; lines that are no samples are passed over.
    pub(super) fn read(text: &str) -> Sample {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Sample { at: Instant::now(), values: lines.filter_map(pair).collect() }
    }

    /// A value; one that is not told is 0.
    pub(super) fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or_default()
    }

    /// All values of a family, each with its label's value.
    pub(super) fn labelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.values.iter().filter_map(move |(full, value)| {
            let labels = full.strip_prefix(name)?.strip_prefix('{')?;
            let label = labels.split_once("=\"")?.1.strip_suffix("\"}")?;
            Some((label, *value))
        })
    }
}

/// Connects to the first of these addresses that takes it.
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

fn ask(mut stream: impl Read + Write, host: &str) -> io::Result<String> {
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let answer = String::from_utf8_lossy(&bytes);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        Some((head, _)) => {
            let status = head.lines().next().unwrap_or_default();
            Err(io::Error::other(format!("it answers {status:?}")))
        }
        None => Err(io::Error::other("it does not speak HTTP")),
    }
}
