//! `fanfare listen`: each message of a room as it comes, also behind lost connections.

use super::connection::Connection;
use super::fault::Fault;
use super::output::Output;
use super::waits::Waits;
use super::{MESSAGE_BYTES_MAX, note, place};
use crate::config::ListenFlags;
use crate::protocol::http::event_source::{Event, EventSource, Told};
use crate::protocol::http::event_stream::{CONTENT_TYPE, message_bytes_max};
use crate::protocol::http::reply::Head;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A stream that lasted for so long was a success: the next try is a first one.
const LASTING: Duration = Duration::from_secs(5);

/// The longest delay that a relay may ask for.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// A listener and what it knows of its room.
#[derive(Debug)]
struct Listener<'a> {
    flags: &'a ListenFlags,
    output: Output,
    /// The newest message that it knows of, in a room that keeps messages.
    last_id: Option<String>,
    /// The relay has answered with a stream.
    has_begun: bool,
    waits: Waits,
    /// How long the relay asks it to wait before it comes back.
    retry: Duration,
}

/// Prints the room's messages until a signal comes, or standard output loses its reader.
///
/// # Errors
/// When the relay does not answer the first time, or refuses for good.
pub fn listen(flags: &ListenFlags) -> io::Result<()> {
    // Each message is written through at once, so there is nothing to do before the end.
    for signal in [SIGINT, SIGTERM] {
        let at_once = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_shutdown(signal, 0, at_once)?;
    }
    let mut listener = Listener {
        flags,
        output: Output::new(flags),
        last_id: flags.after.clone(),
        has_begun: false,
        waits: Waits::default(),
        retry: Duration::ZERO,
    };
    let place = place(&flags.relay.url, &flags.room);
    loop {
        let fault = match listener.follow() {
            Err(Fault::OutputClosed) => return Ok(()), // `head` has seen enough
            Err(fault) if fault.is_passing() && listener.has_begun => fault,
            Err(fault) => {
                return Err(io::Error::other(format!("cannot listen to {place}: {fault}")));
            }
            Ok(()) => Fault::Lost(io::ErrorKind::UnexpectedEof.into()),
        };
        let delay = listener.waits.next(listener.retry.max(fault.retry_after()));
        listener.note(&format!("{fault}; connecting again in {:.1} s", delay.as_secs_f64()));
        std::thread::sleep(delay);
    }
}

impl Listener<'_> {
    fn note(&self, text: &str) {
        if !self.flags.quiet {
            note(text);
        }
    }

    /// Connects, and prints what comes until the stream ends.
    fn follow(&mut self) -> Result<(), Fault> {
        let mut connection = Connection::open(&self.flags.relay)?;
        let head = connection.ask(self.request()?.as_bytes())?;
        if head.code != 200 {
            return Err(connection.refused(&head));
        }
        self.begin(&head)?;
        connection.follow();
        let began = Instant::now();
        let mut source = EventSource::new(message_bytes_max(MESSAGE_BYTES_MAX as usize));
        let ended = self.read(&mut connection, &mut source);
        let retry = source.retry_ms().map_or(Duration::ZERO, Duration::from_millis);
        self.retry = retry.min(RETRY_MAX);
        if began.elapsed() >= LASTING {
            self.waits = Waits::default();
        }
        ended
    }

    fn request(&self) -> Result<String, Fault> {
        let mut target = self.flags.room.path.clone();
        if let (Some(last), None) = (self.flags.last, &self.last_id) {
            target += &format!("?last={last}");
        }
        let mut request = Connection::request(&self.flags.relay, "GET", &target)?;
        request += &format!("Accept: {CONTENT_TYPE}\r\nCache-Control: no-cache\r\n");
        if let Some(id) = &self.last_id {
            request += &format!("Last-Event-ID: {id}\r\n");
        }
        Ok(request + "\r\n")
    }

    /// Takes the head of a stream.
    fn begin(&mut self, head: &Head) -> Result<(), Fault> {
        let kind = head.field("content-type").unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some(CONTENT_TYPE) {
            return Err(Fault::NoRelay("it has no event streams"));
        }
        if self.has_begun && self.last_id.is_none() {
            self.note(
                "connected again; the room keeps no messages: those of that time are missing",
            );
        } else if self.has_begun {
            self.note("connected again");
        }
        self.has_begun = true;
        self.know(head.field("x-last-event-id"));
        Ok(())
    }

    /// Remembers an id, if it may stand in a request.
    fn know(&mut self, id: Option<&str>) {
        let good = id.filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
        self.last_id = good.map(str::to_owned).or(self.last_id.take());
    }

    fn read(&mut self, connection: &mut Connection, source: &mut EventSource) -> Result<(), Fault> {
        loop {
            let bytes = connection.content()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let mut at = 0;
            let too_long = |_| Fault::NoRelay("an event has no end");
            while let Some(event) = source.next(bytes, &mut at).map_err(too_long)? {
                self.take(event)?;
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Fault> {
        let id = event.id.clone();
        match event.told() {
            Some(Told::Message(kind, payload)) => {
                self.output.message(kind, &payload, id.as_deref())?;
            }
            Some(Told::Gap) => {
                let is_printed = self.output.gap(id.as_deref())?;
                if !is_printed {
                    self.note("some messages are missing here: the room keeps them no longer");
                }
            }
            None => {}
        }
        self.know(id.as_deref());
        Ok(())
    }
}
