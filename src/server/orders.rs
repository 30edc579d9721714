//! Carrying out the relay's orders.

use super::report::shown;
use super::stream::Stream;
use super::{Server, kernel};
use crate::relay::budget::LEFT_BYTES_MAX;
use crate::relay::{Cause, ConnId, Departed, Offer, Order, Slices, Time};
use std::io;
use tracing::field::display;
use tracing::{Level, debug, enabled};

/// Orders between two readings of the clock: a reading costs 25 ns, a write at least 3 µs, and a
/// write of 64 KiB about 50.
const ORDERS_PER_LOOK: u32 = 8;

impl Server {
    /// Carries out all orders of a turn; gives the number of writes.
    pub(super) fn carry_out_orders(&mut self, now: Time) -> usize {
        let mut writes = 0;
        let mut number = 0;
        let begin = self.clock.elapsed();
        while let Some(order) = self.relay.order() {
            number += 1;
            if number % ORDERS_PER_LOOK == 0 {
                let took = self.clock.elapsed() - begin;
                self.relay.orders_took(took.as_micros() as u64);
            }
            match order {
                Order::Flush(id) => {
                    writes += 1;
                    self.flush(id);
                }
                Order::Shutdown(id) => self.shut(id),
                Order::Finish(id) => self.finish(id),
                Order::Close(departed) => self.close(&departed, now),
                Order::Cut(departed) => self.cut(&departed, now),
                Order::Resume(id) => self.resume(id),
            }
        }
        writes
    }

    /// One write of a connection's pending output.
    pub(super) fn flush(&mut self, id: ConnId) {
        let Some(entry) = self.streams.entry(id) else { return };
        if entry.is_layered {
            return self.flush_layered(id);
        }
        let mut slices = Slices::default();
        let offer = self.relay.gather(id, &mut slices);
        let written = match slices.as_slice() {
            [] => return,
            [slice] => entry.stream.write(slice),
            many => entry.stream.write_vectored(many),
        };
        match written {
            Ok(bytes) => self.relay.sent(offer, bytes),
            Err(error) => self.not_written(offer, id, &error),
        }
    }

    #[inline(never)] // rare: kept out of the hot path
    fn not_written(&mut self, offer: Offer, id: ConnId, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.relay.sent(offer, 0),
            _ => self.relay.closed(id, Cause::Reset),
        }
    }

    fn shut(&mut self, id: ConnId) {
        self.end_tls(id);
        if let Some(entry) = self.streams.entry(id)
            && entry.stream.shutdown().is_err()
        {
            self.relay.closed(id, Cause::Reset);
        }
    }

    /// Closes a stream after TLS's end. With much output left in the kernel it waits before that,
    /// within a bound.
    fn finish(&mut self, id: ConnId) {
        self.end_tls(id);
        match self.streams.get(id) {
            Some(stream) if kernel::holds_much(stream) => self.shut(id),
            _ => self.relay.finished(id),
        }
    }

    fn close(&mut self, departed: &Departed, now: Time) {
        self.tell_events(now); // of connections that began to end meanwhile
        self.end_tls(departed.id);
        if let Some(stream) = self.remove(departed) {
            kernel::leave(&stream, self.relay.limits().close_timeout_ms, LEFT_BYTES_MAX);
        }
    }

    fn cut(&mut self, departed: &Departed, now: Time) {
        self.tell_events(now); // as above
        if let Some(stream) = self.remove(departed) {
            kernel::reset(&stream);
        }
    }

    /// Ends the stream of a connection, and logs that.
    fn remove(&mut self, departed: &Departed) -> Option<Stream> {
        self.accept_again = None; // a descriptor is free soon
        let stream = self.streams.remove(departed.id)?;
        if enabled!(Level::DEBUG) {
            tell_closed(departed, &stream);
        }
        Some(stream)
    }

    fn resume(&mut self, id: ConnId) {
        if let Some(entry) = self.streams.entry(id) {
            entry.is_paused = false;
            if !entry.is_listed {
                entry.is_listed = true;
                self.resumed.push(id);
            }
        }
    }
}

fn tell_closed(departed: &Departed, stream: &Stream) {
    let Departed { id, cause, user, peer, client } = departed;
    let (id, reason) = (u64::from(*id), cause.name());
    let (user, client) = (user.as_deref().map(shown), client.map(display));
    let address = stream.peer().or_else(|| peer.map(|peer| peer.to_string()));
    debug!(id, address, client, user, reason, "closed");
}
