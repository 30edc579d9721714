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
}

struct Room {
    members: HashMap<usize, Member>,
    delayed: HashMap<usize, Vec<u8>>,
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
    let path = path(&mut stream)?;
    relay.lock().expect("no panic").join(&path, id, &mut stream)?;
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

impl Relay {
    /// Answers the upgrade, and not before the member is in its room.
    fn join(&mut self, path: &str, id: usize, stream: &mut TcpStream) -> io::Result<()> {
        let new = || Room { members: HashMap::new(), delayed: HashMap::new() };
        let room = self.rooms.entry(path.to_owned()).or_insert_with(new);
        let member = Member { stream: stream.try_clone()?, packer: Packer::new(self.packing) };
        room.members.insert(id, member);
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
        let Some(room) = self.rooms.get_mut(path) else { return };
        for (id, member) in &mut room.members {
            let due = self.deliveries % self.every == self.every - 1;
            if *id == from && self.fault != Fault::Echo {
                continue;
            }
            self.deliveries += 1;
            let mut messages = vec![payload.to_vec()];
            match self.fault {
                Fault::Stall if self.deliveries >= self.every => continue,
                Fault::Drop if due => continue,
                Fault::Close if due => {
                    let _gone = member.stream.write_all(&unmasked(8, &1011_u16.to_be_bytes()));
                    let _gone = member.stream.shutdown(Shutdown::Both);
                    continue;
                }
                Fault::Double if due => messages.push(payload.to_vec()),
                Fault::Flip if due => *messages[0].last_mut().expect("a payload") ^= 4,
                Fault::Swap if due => {
                    room.delayed.insert(*id, payload.to_vec());
                    continue;
                }
                _ => messages.extend(room.delayed.remove(id)),
            }
            let frames = messages.iter().map(|message| member.packer.frame(message, due));
            let _gone = member.stream.write_all(&frames.collect::<Vec<_>>().concat());
        }
    }
}

/// Reads the request; gives its path.
fn path(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).unwrap_or("/").to_owned())
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
