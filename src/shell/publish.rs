//! `fanfare publish`: messages from an argument or standard input, each a POST.

use super::connection::Connection;
use super::fault::Fault;
use super::input::{Input, Shape};
use super::output;
use super::waits::Waits;
use super::{note, place};
use crate::config::PublishFlags;
use ring::rand::{SystemRandom, generate};
use serde::Deserialize;
use std::io::{self, IsTerminal};
use std::time::Instant;

/// The relay's answer to a message that it published.
#[derive(Debug, Deserialize)]
struct Published {
    /// The message's id, in a room that keeps messages.
    id: Option<String>,
}

/// A publisher, which keeps its connection between two messages.
#[derive(Debug)]
struct Publisher<'a> {
    flags: &'a PublishFlags,
    connection: Option<Connection>,
    /// Answers are printed, and standard output has a reader.
    is_heard: bool,
}

/// Publishes what the flags and standard input say.
///
/// # Errors
/// When a message was not published; those behind it are not tried.
pub fn publish(flags: &PublishFlags) -> io::Result<()> {
    let mut publisher = Publisher { flags, connection: None, is_heard: !flags.quiet };
    if let Some(text) = &flags.text {
        return publisher.publish(text.as_bytes()).map_err(|fault| failed(flags, "", &fault));
    }
    if io::stdin().is_terminal() && !flags.quiet {
        note("the message is read from this terminal: Ctrl-D behind a line ends it");
    }
    let shape = Shape { is_line: flags.lines, is_binary: flags.binary };
    let mut input = Input::new(io::stdin().lock(), shape);
    loop {
        let published = match input.next() {
            Ok(Some(message)) => publisher.publish(&message),
            Ok(None) => return Ok(()),
            Err(fault) => Err(fault),
        };
        let line = if flags.lines { format!("line {}: ", input.taken) } else { String::new() };
        published.map_err(|fault| failed(flags, &line, &fault))?;
    }
}

fn failed(flags: &PublishFlags, line: &str, fault: &Fault) -> io::Error {
    let place = place(&flags.relay.url, &flags.room);
    let unknown = match fault {
        Fault::Lost(_) => "; whether the message was published is not known",
        _ => "",
    };
    io::Error::other(format!("{line}cannot publish to {place}: {fault}{unknown}"))
}

impl Publisher<'_> {
    /// Publishes a message, and prints what it is answered.
    fn publish(&mut self, message: &[u8]) -> Result<(), Fault> {
        let answer = self.send(message)?;
        let published: Published =
            serde_json::from_slice(&answer).map_err(|_| Fault::NoRelay("its answer has no id"))?;
        if !self.is_heard {
            return Ok(());
        }
        let line = match self.flags.json {
            true => [&answer, &b"\n"[..]].concat(),
            false => format!("{}\n", published.id.as_deref().unwrap_or("null")).into_bytes(),
        };
        match output::write(&line) {
            // `head` has seen enough; the messages are still to be published.
            Err(Fault::OutputClosed) => self.is_heard = false,
            written => written?,
        }
        Ok(())
    }

    /// Sends a message until it is published or its time is over; gives the answer's body.
    fn send(&mut self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let request = self.request(message)?;
        let until = Instant::now() + self.flags.retry;
        let mut waits = Waits::default();
        loop {
            let fault = match self.exchange(&request) {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let delay = waits.next(fault.retry_after());
            if !fault.is_passing() || Instant::now() + delay > until {
                return Err(fault);
            }
            if !self.flags.quiet {
                note(&format!("{fault}; sending it again in {:.1} s", delay.as_secs_f64()));
            }
            std::thread::sleep(delay);
        }
    }

    /// The whole request: sent twice, it publishes once, for it has a key of its own.
    fn request(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let PublishFlags { relay, room, binary, .. } = self.flags;
        let kind = if *binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        let random = generate::<[u8; 16]>(&SystemRandom::new())
            .map_err(|_| Fault::Impossible("this system gives no random bytes".to_owned()))?;
        let key = u128::from_be_bytes(random.expose());
        let head = Connection::request(relay, "POST", &room.path)?;
        let length = message.len();
        let fields = format!(
            "Content-Type: {kind}\r\nContent-Length: {length}\r\n\
             Idempotency-Key: {key:032x}\r\n\r\n"
        );
        Ok([head.as_bytes(), fields.as_bytes(), message].concat())
    }

    /// Sends the request on the connection that is kept, or on a new one.
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Fault> {
        if let Some(kept) = self.connection.take().filter(Connection::is_usable) {
            match self.exchange_on(kept, request) {
                // The relay closed it in the same moment, for it was idle.
                Err(Fault::Lost(_)) => {}
                answered => return answered,
            }
        }
        self.exchange_on(Connection::open(&self.flags.relay)?, request)
    }

    fn exchange_on(&mut self, mut on: Connection, request: &[u8]) -> Result<Vec<u8>, Fault> {
        let head = on.ask(request)?;
        if head.code != 200 {
            return Err(on.refused(&head));
        }
        let body = on.whole(&head)?;
        self.connection = Some(on);
        Ok(body)
    }
}
