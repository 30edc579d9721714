//! How connections are made and closed: many at a time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::{Connections, Events, Way};
use crate::error::Error;
use crate::measure::{Stall, histogram};
use crate::progress::Progress;
use crate::run::Run;

/// Handshakes or close handshakes under way at a time.
const UNDER_WAY: usize = 256;
/// The longest pause while closing: a server that keeps its end open is not at fault here.
const CLOSE_STALL: Duration = Duration::from_secs(3);

/// How, and how fast, connections are made.
#[derive(Clone, Copy)]
pub(crate) struct Ramp {
    pub(crate) way: Way,
    /// Handshakes under way at a time.
    pub(crate) concurrency: usize,
    /// Handshakes begun per second, if that is bounded.
    pub(crate) rate: Option<f64>,
    pub(crate) receive_buffer: Option<usize>,
}

impl Default for Ramp {
    fn default() -> Self {
        Self { way: Way::WebSocket, concurrency: UNDER_WAY, rate: None, receive_buffer: None }
    }
}

/// Makes `count` connections, each to the room that `path` gives for its number, and waits for
/// their handshakes; after Ctrl-C only for those begun. Gives how long the handshakes took.
pub(crate) fn connect<'p>(
    run: &Run,
    connections: &mut Connections,
    count: usize,
    path: impl Fn(usize) -> &'p str,
    ramp: &Ramp,
) -> Result<Histogram<u64>, Error> {
    connect_hearing(run, connections, count, path, ramp, &mut Deaf)
}

/// The same, where messages may arrive before all are connected.
pub(crate) fn connect_hearing<'p>(
    run: &Run,
    connections: &mut Connections,
    count: usize,
    path: impl Fn(usize) -> &'p str,
    ramp: &Ramp,
    events: &mut impl Events,
) -> Result<Histogram<u64>, Error> {
    let mut opened = Opened { count: 0, took: histogram(), events };
    let progress = Progress::new("handshakes", count as u64, run.has_bars);
    let mut stall = Stall::new(run.stall);
    let (start, mut begun) = (Instant::now(), 0);
    while opened.count < if run.interrupt.is_set() { begun } else { count } {
        let mut allowed = count.min(opened.count + ramp.concurrency);
        let mut sleep = Duration::from_millis(500);
        if let Some(rate) = ramp.rate {
            let due = (start.elapsed().as_secs_f64() * rate) as usize + 1;
            if due < allowed {
                let next = Duration::from_secs_f64(due as f64 / rate);
                sleep = sleep.min(next.saturating_sub(start.elapsed()));
                allowed = due;
            }
        }
        while begun < allowed && !run.interrupt.is_set() {
            connections.begin((ramp.way, path(begun)), ramp.receive_buffer)?;
            begun += 1;
        }
        connections.turn(sleep.max(Duration::from_micros(1)), &mut opened)?;
        stall.check(opened.count as u64, "handshakes")?;
        progress.set(opened.count as u64);
    }
    Ok(opened.took)
}

/// Closes all connections and waits, within reason, until the server has ended them. Gives the
/// count of those that it ended.
pub(crate) fn close_all(connections: &mut Connections) -> Result<usize, Error> {
    let mut open = connections.open();
    let (count, mut closed) = (open.len(), Closed(0));
    let mut stall = Stall::new(CLOSE_STALL);
    while closed.0 < count && !stall.is_over(closed.0 as u64) {
        // No more at a time: a close frame that waits in the server's queue looks like a stall.
        let under_way = count - open.len() - closed.0;
        let next = UNDER_WAY.saturating_sub(under_way).min(open.len());
        for connection in open.drain(open.len() - next..) {
            connections.at(connection).close()?;
        }
        connections.turn(CLOSE_STALL / 6, &mut closed)?;
    }
    Ok(closed.0)
}

/// Handshakes that are done: how many, and how long they took; all else is for others.
struct Opened<'e, E> {
    count: usize,
    took: Histogram<u64>,
    events: &'e mut E,
}

impl<E: Events> Events for Opened<'_, E> {
    fn opened(&mut self, _connection: usize, took: Duration) {
        self.count += 1;
        self.took.saturating_record(took.as_nanos() as u64);
    }

    fn received(&mut self, connection: usize, wire_bytes: usize) {
        self.events.received(connection, wire_bytes);
    }

    fn message(&mut self, connection: usize, payload: &[u8], now_ns: u64) {
        self.events.message(connection, payload, now_ns);
    }
}

/// Ignores what arrives.
struct Deaf;

impl Events for Deaf {}

/// Counts connections that have ended.
struct Closed(usize);

impl Events for Closed {
    fn closed(&mut self, _connection: usize, _code: Option<u16>) -> Result<(), Error> {
        self.0 += 1;
        Ok(())
    }
}
