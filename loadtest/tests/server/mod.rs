//! A broadcast server with a fault: threads and locks, nothing clever. The load generator must find
//! the fault.

pub mod packer;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use packer::{Packer, Packing};

/// The server's fault, at each so-many-th delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is not sent.
    Drop,
    /// It is sent twice.
    Double,
    /// It is sent after the next one to the same member.
    Swap,
    /// One of its bytes is changed.
    Flip,
    /// Nothing is sent any more.
    Stall,
    /// It is sent to its sender too.
    Echo,
    /// A member is closed in place of it.
    Close,
    /// Files of connections that have ended are kept.
    KeepFile,
    /// A connection that its client has closed is not ended.
    KeepOpen,
    /// A megabyte is kept for each connection that has ended.
    KeepMemory,
    /// Only so many messages are relayed per second.
    Limit(f64),
}

struct Member {
    stream: TcpStream,
    packer: Packer,
    /// It receives events, not frames.
    is_stream: bool,
}

#[derive(Default)]
struct Room {
    members: HashMap<usize, Member>,
    delayed: HashMap<usize, Vec<u8>>,
    /// All messages, for members that come back.
    kept: Vec<Vec<u8>>,
}

struct Relay {
    fault: Fault,
    every: u64,
    packing: Packing,
    rooms: HashMap<String, Room>,
    deliveries: u64,
    /// When the next message may be relayed.
    next: Instant,
    kept: Vec<TcpStream>,
    memory: Vec<Vec<u8>>,
}

/// Starts a server that ends with the test.
pub fn start(fault: Fault, every: u64) -> SocketAddr {
    start_packing(fault, every, Packing::default())
}

/// Starts a server that compresses.
pub fn start_packing(fault: Fault, every: u64, packing: Packing) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let relay = Relay {
        fault,
        every,
        packing,
        rooms: HashMap::new(),
        deliveries: 0,
        next: Instant::now(),
        kept: Vec::new(),
        memory: Vec::new(),
    };
    let relay = Arc::new(Mutex::new(relay));
    thread::spawn(move || {
        for (id, stream) in listener.incoming().enumerate() {
            let (relay, stream) = (Arc::clone(&relay), stream.expect("a connection"));
            thread::spawn(move || {
                let _ended = serve(&relay, stream, id);
            });
        }
    });
    address
}

fn serve(relay: &Mutex<Relay>, mut stream: TcpStream, id: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = head(&mut stream)?;
    let path = path(&head);
    if head.starts_with("POST ") {
        return serve_requests(relay, &mut stream, head);
    }
    relay.lock().expect("no panic").join(&head, id, &mut stream)?;
    let ended = loop {
        match frame(&mut stream) {
            Ok((9, payload)) => stream.write_all(&unmasked(10, &payload))?,
            Ok((8, payload)) => {
                stream.write_all(&unmasked(8, &payload))?;
                break Ok(());
            }
            Ok((_, payload)) => relay.lock().expect("no panic").publish(&path, id, &payload),
            Err(cause) => break Err(cause),
        }
    };
    let mut relay = relay.lock().expect("no panic");
    let gone = relay.rooms.get_mut(&path).and_then(|room| room.members.remove(&id));
    if relay.fault == Fault::KeepMemory {
        relay.memory.push(vec![1; 1 << 20]);
    }
    if relay.fault != Fault::KeepOpen {
        stream.shutdown(Shutdown::Both)?;
    }
    if let Fault::KeepFile | Fault::KeepOpen = relay.fault {
        relay.kept.extend(gone.map(|gone| gone.stream));
    }
    ended
}

/// Publishes the body of each request, and answers it.
fn serve_requests(relay: &Mutex<Relay>, stream: &mut TcpStream, first: String) -> io::Result<()> {
    let mut next = first;
    loop {
        let length =
            next.split("Content-Length: ").nth(1).and_then(|rest| rest.trim().parse().ok());
        let mut body = vec![0; length.expect("it comes last")];
        stream.read_exact(&mut body)?;
        let (sequence, members) = {
            let mut relay = relay.lock().expect("no panic");
            relay.publish(&path(&next), usize::MAX, &body);
            let room = relay.rooms.entry(path(&next)).or_default();
            (room.kept.len(), room.members.len())
        };
        let json = format!(r#"{{"id":"{sequence}:a","members":{members}}}"#);
        let length = json.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}")?;
        next = head(stream)?;
    }
}

impl Relay {
    /// Answers the handshake, and not before the member is in its room; then sends what it missed.
    fn join(&mut self, head: &str, id: usize, stream: &mut TcpStream) -> io::Result<()> {
        let is_stream = head.contains("Accept: text/event-stream\r\n");
        let packer = Packer::new(self.packing);
        let room = self.rooms.entry(path(head)).or_default();
        room.members.insert(id, Member { stream: stream.try_clone()?, packer, is_stream });
        self.answer(is_stream, stream)?;
        let missed = head.split("last_event_id=").nth(1).and_then(|rest| rest.split(':').next());
        if let Some(missed) = missed.and_then(|sequence| sequence.parse().ok()) {
            let kept = self.rooms[&path(head)].kept[missed..].to_vec();
            kept.iter().for_each(|payload| self.deliver(&path(head), id, payload));
        }
        Ok(())
    }

    fn answer(&self, is_stream: bool, stream: &mut TcpStream) -> io::Result<()> {
        if is_stream {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            return stream.write_all(head.as_bytes());
        }
        // Every connection of the tool sends the key of RFC 6455's example.
        let answer = self.packing.answer;
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        let extensions = if answer.is_empty() {
            String::new()
        } else {
            format!("Sec-WebSocket-Extensions: {answer}\r\n")
        };
        stream.write_all(format!("{head}{extensions}\r\n").as_bytes())
    }

    fn publish(&mut self, path: &str, from: usize, payload: &[u8]) {
        if let Fault::Limit(rate) = self.fault {
            thread::sleep(self.next.saturating_duration_since(Instant::now()));
            self.next = self.next.max(Instant::now()) + Duration::from_secs_f64(1.0 / rate);
        }
        let room = self.rooms.entry(path.to_owned()).or_default();
        room.kept.push(payload.to_vec());
        let members: Vec<usize> = room.members.keys().copied().collect();
        let others = members.iter().filter(|id| **id != from || self.fault == Fault::Echo);
        for id in others.copied().collect::<Vec<_>>() {
            self.deliver(path, id, payload);
        }
    }

    /// Sends a message to one member, if the fault does not decide otherwise.
    fn deliver(&mut self, path: &str, id: usize, payload: &[u8]) {
        let due = self.deliveries % self.every == self.every - 1;
        self.deliveries += 1;
        let room = self.rooms.get_mut(path).expect("it has members");
        let member = room.members.get_mut(&id).expect("it is there");
        let mut messages = vec![payload.to_vec()];
        match self.fault {
            Fault::Stall if self.deliveries >= self.every => return,
            Fault::Drop if due => return,
            Fault::Close if due => {
                let code = unmasked(8, &1011_u16.to_be_bytes());
                let _gone = member.stream.write_all(if member.is_stream { &[] } else { &code });
                let _gone = member.stream.shutdown(Shutdown::Both);
                return;
            }
            Fault::Double if due => messages.push(payload.to_vec()),
            Fault::Flip if due => *messages[0].last_mut().expect("a payload") ^= 4,
            Fault::Swap if due => {
                room.delayed.insert(id, payload.to_vec());
                return;
            }
            _ => messages.extend(room.delayed.remove(&id)),
        }
        for message in messages {
            let bytes = match member.is_stream {
                true => chunk(&message),
                false => member.packer.frame(&message, due),
            };
            let _gone = member.stream.write_all(&bytes);
        }
    }
}

/// A message as an event in a chunk of its own.
fn chunk(message: &[u8]) -> Vec<u8> {
    let event = [b"data: ", message, b"\n\n"].concat();
    [format!("{:x}\r\n", event.len()).as_bytes(), &event, b"\r\n"].concat()
}

/// Reads the head of a request.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The path of a request, without its query.
fn path(head: &str) -> String {
    head.split([' ', '?']).nth(1).unwrap_or("/").to_owned()
}

/// Reads one masked frame: its opcode and payload.
fn frame(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    stream.read_exact(&mut start)?;
    let mut length = u64::from(start[1] & 127);
    if length >= 126 {
        let mut more = [0; 8];
        let count = if length == 126 { 2 } else { 8 };
        stream.read_exact(&mut more[8 - count..])?;
        length = u64::from_be_bytes(more);
    }
    let mut key = [0; 4];
    stream.read_exact(&mut key)?;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= key[at % 4]);
    Ok((start[0] & 15, payload))
}

/// A frame as a server sends it: its first byte, without that it is the last of its message.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | first];
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}
