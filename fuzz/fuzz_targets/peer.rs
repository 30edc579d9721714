//! A client of the target `tls`, and its end of a pair of sockets.

use crate::{certain, forger};
use arbitrary::Arbitrary;
use fanfare::server::Pretend;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConfig};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// An upgrade.
pub const REQUEST: &str = "GET /room HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// What a proxy tells, in both versions.
const HEADERS: [&[u8]; 2] = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02",
];

/// More key updates in a row than this are too many for anybody.
const RENEWALS_MAX: usize = 16;

/// What a client has to send at most when it was multiplied.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// A record with the first byte of a handshake's message.
const HALF: [u8; 6] = *b"\x16\x03\x01\x00\x01\x01";

/// How all speak TLS.
pub struct Setting {
    server: Arc<ServerConfig>,
    clients: [Arc<ClientConfig>; 2],
}

impl Setting {
    pub fn new() -> Setting {
        let provider = forger::provider();
        let clients = [&TLS12, &TLS13].map(|version| certain::client(provider.clone(), version));
        Setting { server: certain::server(), clients }
    }
}

/// How a client begins.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Beginning {
    is_old: bool,
    /// What a proxy says before it: nothing, version 1 or version 2.
    proxy: u8,
    /// The relay's socket takes little.
    is_narrow: bool,
    stage: Stage,
}

/// How far it gets in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Arbitrary)]
enum Stage {
    /// Its greeting is to be sent.
    Nothing,
    /// Its handshake is over.
    Secured,
    /// It is a member.
    Member,
}

/// What a client does.
#[derive(Debug, Arbitrary)]
pub enum Deed<'a> {
    /// What it has to send leaves, up to so many bytes.
    Send {
        bytes: u16,
    },
    /// It takes what came.
    Hear,
    /// Both sides do what they can until neither has anything to do.
    Settle,
    /// It asks for a room, or says something there.
    Say {
        length: u16,
    },
    /// A record of any type, under its keys.
    Seal {
        content_type: u8,
        payload: &'a [u8],
    },
    /// The message of a handshake, without its end.
    Begin {
        length: u8,
    },
    /// The same in clear, before all that it has to send.
    Half,
    /// What it has to send is changed on the way.
    Change {
        at: u16,
        bits: u8,
    },
    Insert {
        at: u16,
        bytes: &'a [u8],
    },
    Remove {
        at: u16,
        bytes: u16,
    },
    Repeat {
        at: u16,
        bytes: u16,
    },
    /// New keys.
    Renew,
    /// It says that it ends.
    End,
    /// Its stream ends, on its side or on both.
    Shut,
    Break,
}

/// A client.
pub struct Peer {
    wire: Option<UnixStream>,
    client: ClientConnection,
    /// What it has to send.
    outbox: Vec<u8>,
    /// Nobody touched its records, and it forged none.
    is_honest: bool,
    has_asked: bool,
    /// It has said that it ends.
    has_ended: bool,
    renewals: usize,
}

/// A member without TLS, whose request is there already.
pub fn arrive(server: &mut Pretend) -> UnixStream {
    let (mut ours, theirs) = pair();
    write(&mut ours, REQUEST.as_bytes());
    server.take_in(theirs, false, None);
    ours
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("descriptors");
    for stream in [&ours, &theirs] {
        stream.set_nonblocking(true).expect("a socket");
    }
    (ours, theirs)
}

/// Writes what the stream takes; gives how much that is, or all when nobody will read it.
pub fn write(stream: &mut UnixStream, bytes: &[u8]) -> usize {
    match stream.write(bytes) {
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(_) => bytes.len(),
    }
}

/// Reads all that is there; tells too whether that was the end.
pub fn read(stream: &mut UnixStream) -> (Vec<u8>, bool) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 32 * 1024]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (bytes, true),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (bytes, false),
            Err(_) => return (bytes, true),
        }
    }
}

/// A masked message of so many bytes.
pub fn frame(length: usize) -> Vec<u8> {
    let length = length.min(40_000);
    let mut frame = vec![0x82];
    match length {
        0..=125 => frame.push(0x80 | length as u8),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.resize(frame.len() + 4 + length, 0);
    frame
}

impl Peer {
    pub fn new(beginning: Beginning, setting: &Setting, server: &mut Pretend) -> Peer {
        let Beginning { is_old, proxy, is_narrow, stage } = beginning;
        let config = Arc::clone(&setting.clients[usize::from(!is_old)]);
        let name = ServerName::try_from("localhost").expect("a name");
        let (ours, theirs) = pair();
        if is_narrow {
            socket2::SockRef::from(&theirs).set_send_buffer_size(4096).expect("a size");
        }
        let header = usize::from(proxy % 3).checked_sub(1);
        let mut peer = Peer {
            wire: Some(ours),
            client: ClientConnection::new(config, name).expect("a client"),
            outbox: header.map_or(Vec::new(), |number| HEADERS[number].to_vec()),
            is_honest: true,
            has_asked: false,
            has_ended: false,
            renewals: 0,
        };
        server.take_in(theirs, header.is_some(), Some(Arc::clone(&setting.server)));
        peer.fill();
        if stage >= Stage::Secured {
            peer.settle(server);
        }
        if stage >= Stage::Member {
            peer.say(0);
            peer.settle(server);
        }
        peer
    }

    /// Takes what the library has to send.
    fn fill(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.outbox).expect("memory takes all");
        }
    }

    /// Sends up to so many bytes; tells whether any left.
    pub fn send(&mut self, bytes: usize) -> bool {
        self.fill();
        let bytes = bytes.min(self.outbox.len());
        let Some(wire) = self.wire.as_mut().filter(|_| bytes > 0) else { return false };
        let sent = write(wire, &self.outbox[..bytes]);
        self.outbox.drain(..sent);
        sent > 0
    }

    /// Takes what came; tells whether anything did.
    pub fn hear(&mut self) -> bool {
        let Some(wire) = &mut self.wire else { return false };
        let (bytes, _) = read(wire);
        // The library asserts that there is no error after its own end; there may be one in what is
        // answered to records that were changed.
        let is_heard = self.is_honest || !self.has_ended;
        let mut rest = if is_heard { &bytes[..] } else { &[] };
        while !rest.is_empty() {
            let told = self.client.read_tls(&mut rest).map(|_| self.client.process_new_packets());
            if !matches!(told, Ok(Ok(_))) {
                assert!(!self.is_honest, "{told:?}");
                break;
            }
            let mut plain = Vec::new();
            let _ = self.client.reader().read_to_end(&mut plain); // until nothing is there
        }
        self.fill();
        !bytes.is_empty()
    }

    pub fn settle(&mut self, server: &mut Pretend) {
        for _ in 0..16 {
            let has_sent = self.send(usize::MAX);
            server.turn();
            if !self.hear() && !has_sent {
                return;
            }
        }
    }

    pub fn act(&mut self, deed: Deed<'_>, server: &mut Pretend) {
        match deed {
            Deed::Send { bytes } => drop(self.send(usize::from(bytes))),
            Deed::Hear => drop(self.hear()),
            Deed::Settle => self.settle(server),
            Deed::Say { length } => self.say(usize::from(length)),
            Deed::Seal { content_type, payload } => self.seal(content_type, payload),
            Deed::Begin { length } => {
                let message = [&[length, 0, 0xff, 0xff], &[length; 255][..]].concat();
                self.seal(forger::HANDSHAKE, &message[..usize::from(length).max(1)]);
            }
            Deed::Half => self.change(0, |rest| drop(rest.splice(..0, HALF))),
            Deed::Change { at, bits } => self.change(usize::from(at), |rest| {
                rest.first_mut().into_iter().for_each(|byte| *byte ^= bits);
            }),
            Deed::Insert { at, bytes } => self.change(usize::from(at), |rest| {
                rest.splice(..0, bytes.iter().copied());
            }),
            Deed::Remove { at, bytes } => self.change(usize::from(at), |rest| {
                rest.drain(..usize::from(bytes).min(rest.len()));
            }),
            Deed::Repeat { at, bytes } => self.change(usize::from(at), |rest| {
                let again = rest[..usize::from(bytes).min(rest.len())].to_vec();
                rest.extend(again);
            }),
            Deed::Renew => {
                self.renewals += 1;
                self.is_honest &= self.renewals <= RENEWALS_MAX;
                let _ = self.client.refresh_traffic_keys(); // there is no such thing in 1.2
            }
            Deed::End => {
                self.is_honest &= !self.client.is_handshaking(); // it is an error before
                self.has_ended = true;
                self.client.send_close_notify();
            }
            Deed::Shut => {
                if let Some(wire) = &self.wire {
                    let _ = wire.shutdown(Shutdown::Write); // it may be shut already
                }
            }
            Deed::Break => self.wire = None,
        }
        self.fill();
    }

    fn say(&mut self, length: usize) {
        let is_asking = !std::mem::replace(&mut self.has_asked, true);
        let bytes = if is_asking { REQUEST.as_bytes().to_vec() } else { frame(length) };
        let _ = self.client.writer().write(&bytes); // as much as the library keeps
        self.renewals = 0;
        self.fill();
    }

    fn seal(&mut self, content_type: u8, payload: &[u8]) {
        self.is_honest = false;
        let _ = self.client.writer().write(&forger::mark(content_type, payload));
    }

    /// Changes what it has to send, from a place on, within bounds.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
        self.is_honest = false;
        let mut rest = self.outbox.split_off(at.min(self.outbox.len()));
        change(&mut rest);
        rest.truncate(OUTBOX_BYTES_MAX);
        self.outbox.append(&mut rest);
    }
}
