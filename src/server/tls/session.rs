//! One connection's session with the TLS library, through its unbuffered interface.
//!
//! That interface takes half the memory of the library's other one, and has four rules for its
//! caller. It checks none of them, and panics when some are broken:
//!
//! 1. *Bytes that it has not discarded are shown again, in front, at each call*, also when the call
//!    is only to seal something: it remembers places in them. So a session owns these bytes, and
//!    `ask` is the only way to the library while it may read them.
//! 2. *What it discards is taken off before the next call*, and
//! 3. *its output is taken before the next call*: both happen in `ask`.
//! 4. *After an error it must not read.* It would continue with the bytes at which it failed. So
//!    the first error ends the session: the pending alert is taken (`last_words`, which shows the
//!    library no bytes and asks only while it has output, so that it reads none), and the library's
//!    part is dropped. Every later call fails with `Broken::Over`.
//!
//! After our own end the library is not called either: it does not expect an error then.

use super::broken::Broken;
use super::growth::{fit, keep};
use crate::server::append::append;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus, WriteTraffic};
use rustls::{Error, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// The most bytes of a partial handshake message or record: the library takes messages of 64 KiB,
/// in any number of records.
const BEGUN_BYTES_MAX: usize = 64 * 1024;

/// One connection's session.
pub(super) enum Session {
    Live(Box<Live>),
    /// We have ended our side.
    Ended,
    /// It failed.
    Broken,
}

/// The library's part, and what belongs to it.
pub(super) struct Live {
    connection: UnbufferedServerConnection,
    /// Bytes that the library has seen and not discarded.
    begun: Vec<u8>,
}

/// The library's connection has no `Debug`.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Session::Live(live) => write!(f, "Live, {} bytes begun", live.begun.len()),
            Session::Ended => write!(f, "Ended"),
            Session::Broken => write!(f, "Broken"),
        }
    }
}

/// The library has nothing to open, and no output.
enum Rest<'a> {
    /// More must come before anything can be sealed.
    Blocked,
    /// Something can be sealed.
    Open(WriteTraffic<'a, ServerConnectionData>),
    /// The peer has ended its side; later bytes are ignored. Reported once.
    PeerEnded,
    /// Both sides have ended.
    Ended,
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Session, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Session::Live(Box::new(Live { connection, begun: Vec::new() })))
    }

    /// Whether it is in its handshake, and has not failed or ended.
    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Session::Live(live) if live.connection.is_handshaking())
    }

    /// The memory that it uses, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Session::Live(live) => live.begun.capacity(),
            Session::Ended | Session::Broken => 0,
        }
    }

    /// Takes ciphertext, which is opened in place: appends plaintext to `plain` and TLS's own
    /// messages to `answer`, also in the case of an error. True when the peer has ended its side in
    /// order. After our own end nothing is opened.
    pub(super) fn open(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
        answer: &mut Vec<u8>,
    ) -> Result<bool, Broken> {
        if let Session::Ended = self {
            return Ok(false);
        }
        self.ask(cipher, plain, answer, |rest, _| match rest {
            Rest::Blocked | Rest::Open(_) => Ok(false),
            Rest::PeerEnded | Rest::Ended => Ok(true),
        })
    }

    /// Seals one record at the beginning of `sealed`; gives how many bytes it became. What is
    /// appended to `answer` must go out before it.
    pub(super) fn seal(
        &mut self,
        record: &[u8],
        sealed: &mut Vec<u8>,
        answer: &mut Vec<u8>,
    ) -> Result<usize, Broken> {
        self.ask(&mut [], &mut Vec::new(), answer, |rest, _| match rest {
            Rest::Open(mut traffic) => fit(sealed, 0, |room| traffic.encrypt(record, room)),
            Rest::Blocked | Rest::PeerEnded | Rest::Ended => {
                Err(Broken::general("nothing can be sealed now"))
            }
        })
    }

    /// Appends the end of our side to `answer`, if the handshake allows it.
    pub(super) fn end(&mut self, answer: &mut Vec<u8>) -> Result<(), Broken> {
        self.ask(&mut [], &mut Vec::new(), answer, |rest, answer| match rest {
            Rest::Open(mut traffic) => keep(answer, |room| traffic.queue_close_notify(room)),
            Rest::Blocked | Rest::PeerEnded | Rest::Ended => Ok(()),
        })?;
        *self = Session::Ended;
        Ok(())
    }

    /// Lets the library process the bytes that it has not discarded, and `more`; then calls
    /// `at_rest`. After an error there is no further call.
    fn ask<T>(
        &mut self,
        more: &mut [u8],
        plain: &mut Vec<u8>,
        answer: &mut Vec<u8>,
        at_rest: impl FnOnce(Rest<'_>, &mut Vec<u8>) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        let Session::Live(live) = self else { return Err(Broken::Over) };
        let told = live.ask(more, plain, answer, at_rest);
        if let Err(broken) = &told
            && let Session::Live(live) = std::mem::replace(self, Session::Broken)
            && let Broken::Peer(_) = broken
        {
            live.last_words(answer);
        }
        told
    }
}

impl Live {
    fn ask<T>(
        &mut self,
        more: &mut [u8],
        plain: &mut Vec<u8>,
        answer: &mut Vec<u8>,
        at_rest: impl FnOnce(Rest<'_>, &mut Vec<u8>) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        let Live { connection, begun } = self;
        let mut used = 0;
        let told;
        if begun.is_empty() {
            // Most reads are whole records, which are not copied.
            told = run(connection, more, &mut used, plain, answer, at_rest)?;
            append(begun, more.get(used..).unwrap_or_default())?;
        } else {
            append(begun, more)?;
            told = run(connection, begun, &mut used, plain, answer, at_rest)?;
            begun.drain(..used.min(begun.len()));
        }
        if begun.len() > BEGUN_BYTES_MAX {
            return Err(Broken::general("a message of a handshake is too long"));
        }
        // The rest of a read is short, and an idle connection has no buffer.
        if begun.capacity() / 4 > begun.len() {
            begun.shrink_to_fit();
        }
        Ok(told)
    }

    /// The alert for the peer after an error. While the library has output it gives that, and does
    /// not read.
    fn last_words(mut self, answer: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let kept = match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while traffic.next_record().is_some() {}
                    Ok(())
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    keep(answer, |room| data.encode(room))
                }
                _ => return,
            };
            if kept.is_err() {
                return;
            }
        }
    }
}

/// Shows the library `shown`, and moves `used` past the bytes that it discards, until it has no
/// more to do; then calls `at_rest`.
fn run<T>(
    connection: &mut UnbufferedServerConnection,
    shown: &mut [u8],
    used: &mut usize,
    plain: &mut Vec<u8>,
    answer: &mut Vec<u8>,
    at_rest: impl FnOnce(Rest<'_>, &mut Vec<u8>) -> Result<T, Broken>,
) -> Result<T, Broken> {
    loop {
        let Some(rest) = shown.get_mut(*used..) else {
            return Err(Broken::general("more was discarded than there was"));
        };
        let UnbufferedStatus { mut discard, state } = connection.process_tls_records(rest);
        let rest = match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    append(plain, record.payload)?;
                }
                None
            }
            ConnectionState::EncodeTlsData(mut data) => {
                keep(answer, |room| data.encode(room))?;
                None
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done(); // it is kept in `answer`
                None
            }
            ConnectionState::BlockedHandshake => Some(Rest::Blocked),
            ConnectionState::WriteTraffic(traffic) => Some(Rest::Open(traffic)),
            ConnectionState::PeerClosed => Some(Rest::PeerEnded),
            ConnectionState::Closed => Some(Rest::Ended),
            // Early data, which is not offered, and states of later versions.
            state => return Err(Broken::general(&format!("an unknown state: {state:?}"))),
        };
        *used += discard;
        if let Some(rest) = rest {
            return at_rest(rest, answer);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::io::{Read, Write};

    /// A TLS server, and a client that trusts it.
    pub(in crate::server) fn both_sides() -> (Arc<ServerConfig>, ClientConnection) {
        let names = ["localhost".to_owned()];
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a root");
        let server = ServerConfig::builder().with_no_client_auth();
        let server = server.with_single_cert(vec![cert.der().clone()], key).expect("they fit");
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::new(client), name).expect("a client");
        (Arc::new(server), client)
    }

    fn both() -> (Session, ClientConnection) {
        let (config, client) = both_sides();
        (Session::new(config).expect("a session"), client)
    }

    pub(in crate::server) fn sent(client: &mut ClientConnection) -> Vec<u8> {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("memory takes all");
        }
        bytes
    }

    fn hear(client: &mut ClientConnection, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).expect("memory gives all");
            client.process_new_packets().expect("records in order");
        }
    }

    #[test]
    fn a_partial_message_outlives_what_is_sealed_meanwhile() {
        let (mut session, mut client) = both();
        let (mut plain, mut answer, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
        while client.is_handshaking() {
            for byte in sent(&mut client) {
                session.open(&mut [byte], &mut plain, &mut answer).expect("a handshake");
            }
            hear(&mut client, &std::mem::take(&mut answer));
        }
        for byte in sent(&mut client) {
            session.open(&mut [byte], &mut plain, &mut answer).expect("its end");
        }
        client.writer().write_all(b"from the client").expect("memory");
        for byte in sent(&mut client) {
            assert!(plain.is_empty());
            session.open(&mut [byte], &mut plain, &mut answer).expect("a part of a record");
            let bytes = session.seal(b"x", &mut sealed, &mut answer).expect("a record");
            answer.extend_from_slice(&sealed[..bytes]);
        }
        assert_eq!((&plain[..], session.held_bytes()), (&b"from the client"[..], 0));
        session.end(&mut answer).expect("our end");
        hear(&mut client, &answer);
        let told = session.open(&mut b"whatever".to_vec(), &mut plain, &mut answer);
        assert!(matches!(told, Ok(false)), "{told:?}");
        assert!(matches!(session.end(&mut answer), Err(Broken::Over)), "it is said once");
        let mut heard = Vec::new();
        client.reader().read_to_end(&mut heard).expect("an end in order");
        assert!(heard.len() > 15 && heard.iter().all(|byte| *byte == b'x'));
    }

    #[test]
    fn after_an_error_there_is_an_alert_and_nothing_more() {
        let (mut session, _) = both();
        let (mut plain, mut answer) = (Vec::new(), Vec::new());
        // One byte of a handshake, and a record that may not follow it.
        session
            .open(&mut b"\x16\x03\x01\x00\x01\x01".to_vec(), &mut plain, &mut answer)
            .expect("half");
        assert!(answer.is_empty() && session.held_bytes() > 0);
        let told = session.open(&mut b"\x19\x03\x03\x00\x01\x00".to_vec(), &mut plain, &mut answer);
        assert!(matches!(told, Err(Broken::Peer(_))), "{told:?}");
        assert_eq!((&answer[..3], answer.len()), (&b"\x15\x03\x03"[..], 7));
        let told = session.open(&mut [0; 9], &mut plain, &mut answer);
        assert!(matches!(told, Err(Broken::Over)), "{told:?}");
        assert!(matches!(session.seal(b"x", &mut plain, &mut answer), Err(Broken::Over)));
        assert!(matches!(session.end(&mut answer), Err(Broken::Over)));
        assert_eq!((answer.len(), session.held_bytes(), session.is_handshaking()), (7, 0, false));
    }
}
