//! The network's part: bytes that arrive, streams that end, orders, writes, turns.

use crate::action::From;
use crate::client::{Received, Unit};
use crate::face::{Cause, ConnId, Order, is_address_full};
use crate::ground::Ground;
use crate::model::Arrival;
use crate::setting::ADDRESS_MAX;
use crate::world::{Peer, World};

impl World {
    /// Bytes of a client arrive, at most so many, if the relay reads it.
    pub fn deliver(&mut self, number: usize, bytes_max: usize) {
        self.model.now_s = self.unix_s();
        let peer = &self.peers[number];
        let Some(id) = peer.id else { return };
        let on_their_way = bytes_max.min(peer.client.outgoing.len());
        let is_waiting = peer.is_unasked || peer.is_resumed || peer.is_broken;
        if peer.is_paused || (on_their_way == 0 && !is_waiting) {
            return;
        }
        let Some(most) = self.ask(number, id) else { return };
        if self.peers[number].is_broken {
            return self.close(number, id, Cause::Reset);
        }
        let take = on_their_way.min(most);
        if take > 0 {
            self.receive(number, id, take);
        }
    }

    /// Asks the relay how much of a client it reads.
    fn ask(&mut self, number: usize, id: ConnId) -> Option<usize> {
        self.model.moment += 1;
        let peer = &mut self.peers[number];
        peer.is_resumed = false;
        if self.setting.has_rates() {
            let shadow = &self.model.shadows[number];
            let untaken = peer.client.units[shadow.taken..].iter();
            let waiting = untaken.filter(|unit| unit.start < peer.client.delivered);
            let (frames, inflates) = cost(waiting);
            self.add_debt(number, frames, inflates);
        }
        let most = self.face.may_read(id);
        self.face.check();
        let peer = &mut self.peers[number];
        if most.is_some() {
            (peer.is_unasked, peer.begun) = (false, peer.cut);
            if peer.cut.is_some() {
                peer.taken_cut.get_or_insert(self.now);
            }
            let is_over = self.setting.has_rates() && peer.debt_least.is_over(self.now);
            self.model.asks(number, is_over, self.setting.closes_over_rate);
        } else {
            peer.is_paused = true;
            let reads_first = peer.is_blocked && peer.client.inflate.is_some();
            self.seen.put_off += u64::from(peer.is_unasked);
            self.seen.waiting += u64::from(peer.is_unasked && reads_first);
        }
        most
    }

    fn receive(&mut self, number: usize, id: ConnId, take: usize) {
        self.model.moment += 1;
        let peer = &mut self.peers[number];
        let bytes: Vec<u8> = peer.client.outgoing.drain(..take).collect();
        let before = peer.client.delivered;
        let after = before + take as u64;
        peer.client.delivered = after;
        if self.setting.has_rates() {
            let units = self.peers[number].client.units.iter();
            let begun = units.filter(|unit| (before..after).contains(&unit.start));
            let (frames, inflates) = cost(begun);
            self.add_debt(number, frames, take as u64 + inflates);
        }
        self.face.receive(id, bytes, self.now);
        let unix_s = self.unix_s();
        let (_, from_there) = self.neighbours(self.peers[number].from);
        let peer = &mut self.peers[number];
        peer.signed = self.now;
        // The client itself counts among them.
        let may_be_full = matches!(peer.from, From::Proxy(_)) && from_there > ADDRESS_MAX;
        let arrival = Arrival { is_json: self.is_json, now_s: unix_s, may_be_full };
        let arrived_before = self.model.shadows[number].arrived;
        let delivered = peer.client.delivered;
        let units = &peer.client.units;
        self.model.arrive(number, units, delivered, arrival);
        let arrived = self.model.shadows[number].arrived;
        if arrived > arrived_before {
            (peer.cut, peer.taken_cut) = (None, None);
        }
        // Its request is no frame.
        let head_bytes = units[0].end.saturating_sub(delivered - take as u64).min(take as u64);
        // Of what began to arrive before, all but the last frame may have been paid.
        let frames = units[arrived_before..arrived]
            .iter()
            .map(|unit| if unit.start >= before { unit.frames } else { unit.frames.min(1) })
            .sum();
        let bytes = take as u64 - head_bytes;
        peer.debt_least.take(frames, bytes, &self.setting, self.now);
        if units.iter().any(|unit| unit.is_cut_at(delivered)) {
            peer.cut.get_or_insert(self.now);
        }
        peer.is_unasked = true;
        peer.begun.get_or_insert(self.now);
        self.face.check();
    }

    /// A client's debt to its rate may have grown.
    fn add_debt(&mut self, number: usize, frames: u64, bytes: u64) {
        let debt = &mut self.peers[number].debt_most;
        debt.take(frames, bytes, &self.setting, self.now);
        if self.setting.closes_over_rate && debt.is_over(self.now) {
            self.model.ground(number, Ground::TooFast);
        }
    }

    /// A client's stream ends or breaks. While the relay does not read it, it does not see an end,
    /// and a break only at a timeout.
    pub fn break_off(&mut self, number: usize, cause: Cause) {
        let peer = &mut self.peers[number];
        let Some(id) = peer.id.filter(|_| !peer.has_ended && !peer.is_broken) else { return };
        if peer.is_paused && cause == Cause::Reset {
            self.model.moment += 1;
            peer.is_broken = true;
            self.model.breaks(number);
            self.wake();
            self.face.broken(id);
            self.face.check();
        } else if !peer.is_paused && self.ask(number, id).is_some() {
            self.close(number, id, cause);
        }
    }

    fn close(&mut self, number: usize, id: ConnId, cause: Cause) {
        self.model.moment += 1;
        let peer = &mut self.peers[number];
        peer.has_ended = true;
        peer.client.outgoing.clear();
        self.model.leave(number);
        self.wake();
        self.face.closed(id, cause);
        self.face.check();
    }

    /// The operator closes a connection.
    pub fn dismiss(&mut self, number: usize) {
        let Some(id) = self.peers[number].id else { return };
        self.model.moment += 1;
        let shadow = &self.model.shadows[number];
        let may_have_ended = !shadow.is_well() || shadow.may_end();
        self.model.ground(number, Ground::Dismissed);
        let is_there = self.face.dismiss(id, self.now);
        assert!(is_there || may_have_ended, "{number} was not dismissed");
        self.face.check();
    }

    /// The second half of a turn.
    pub fn turn(&mut self) {
        self.model.moment += 1;
        self.model.now_s = self.unix_s();
        self.wake();
        self.note_time();
        self.face.turn(self.now);
        self.face.check();
        let mut took_us = 0;
        while let Some(order) = self.face.order(took_us) {
            took_us += self.setting.order_us as u64;
            self.model.moment += 1;
            self.carry_out(order);
            self.face.check();
        }
        self.face.check();
        if self.is_at_rest() {
            self.rest();
        }
    }

    fn carry_out(&mut self, order: Order) {
        let Some(order) = self.carry_out_for_publisher(order) else { return };
        match order {
            Order::Flush(id) => self.flush(id),
            Order::Shutdown(id) => {
                self.peer(id).is_shut = true;
                self.ends_stream(id);
            }
            Order::Finish(id) => {
                self.ends_stream(id);
                let peer = self.peer(id);
                peer.is_shut = true;
                // Where a window is narrow, the last bytes are still in the kernel.
                match peer.window {
                    0..2_000 => self.seen.unreceived += 1,
                    _ => self.face.finished(id),
                }
            }
            Order::Resume(id) => {
                let peer = self.peer(id);
                (peer.is_paused, peer.is_resumed) = (false, true);
            }
            Order::Close { id, cause, client } => {
                let number = self.number(id);
                self.check_client(number, cause, client);
                self.ends_stream(id);
                let peer = &mut self.peers[number];
                peer.id = None;
                peer.is_shut = true;
                peer.cause = Some(cause);
                self.model.close(number, peer.is_paused);
            }
        }
    }

    /// The client that a proxy named is known at the end, also if it was refused for its address.
    fn check_client(&self, number: usize, cause: Cause, client: Option<String>) {
        match (self.peers[number].from, client) {
            (From::Proxy(last), Some(client)) => assert_eq!(client, format!("192.0.2.{last}")),
            (From::Proxy(_), None) => assert!(!is_address_full(cause), "{number} has no name"),
            (_, client) => assert_eq!(client, None),
        }
    }

    /// What an event stream sees of its end.
    fn ends_stream(&mut self, id: ConnId) {
        let number = self.number(id);
        if self.peers[number].client.events.is_some() {
            self.model.stream_ends(number);
        }
    }

    fn peer(&mut self, id: ConnId) -> &mut Peer {
        let number = self.number(id);
        &mut self.peers[number]
    }

    /// One write: as much as the client's socket takes.
    pub fn flush(&mut self, id: ConnId) {
        let number = self.number(id);
        let offered = self.face.offers(id);
        if offered.is_empty() {
            return;
        }
        let peer = &mut self.peers[number];
        assert!(!peer.is_blocked, "{number} is blocked, and is left alone");
        assert!(!peer.is_shut, "nothing is written to {number} after the end");
        if peer.is_broken {
            return self.close(number, id, Cause::Reset);
        }
        let taken = offered.len().min(peer.window);
        peer.window -= taken;
        // As TLS does it: some of what the stream took waits in it until the client reads.
        let is_held = matches!(peer.from, From::Proxy(_)) && !taken.is_multiple_of(3);
        peer.is_blocked = is_held || taken < offered.len();
        if peer.is_blocked {
            let shadow = &mut self.model.shadows[number];
            (shadow.was_blocked, shadow.ever_blocked) = (true, true);
            if !self.setting.skips {
                self.model.ground(number, Ground::Slow);
            }
        }
        self.face.took(id, taken, is_held);
        self.receives(number, id, &offered[..taken]);
        self.face.check();
    }

    fn receives(&mut self, number: usize, id: ConnId, bytes: &[u8]) {
        let bytes = self.face.outbound(id, bytes);
        let peer = &mut self.peers[number];
        for received in peer.client.take(&bytes) {
            let shadow = &self.model.shadows[number];
            assert_eq!(shadow.end, None, "something follows the end of {number}");
            let is_private = matches!(received, Received::Status(_) | Received::Notice);
            if is_private && peer.client.events.is_some() {
                peer.pinged = Some(self.now); // where such bytes are pending no comment comes
            }
            match received {
                Received::Status(status) => {
                    let deflates = shadow.memberships.first().is_some_and(|own| own.deflates);
                    self.model.receives_status(number, status);
                    assert!(status != 101 || peer.client.inflate.is_some() == deflates);
                    self.seen.ruled += u64::from(deflates && !self.setting.deflates);
                }
                // The answer to the heartbeat, whose word is no message.
                Received::Message(true, payload, None) if payload == b"pong" => {
                    self.model.receives_word(number)
                }
                Received::Message(is_text, payload, sequence) => {
                    self.seen.events += u64::from(peer.client.events.is_some());
                    self.model.receives(number, is_text, payload, sequence)
                }
                Received::Hello { connection, is_resumed, is_gap } => {
                    assert_eq!(connection, self.face.public_id(id), "{number} is another");
                    self.seen.went_on += u64::from(is_resumed);
                    self.seen.greeted_with_gap += u64::from(is_gap);
                    self.model.greets(number, is_resumed);
                }
                Received::Ok { tag, sequence } => self.model.receives_ok(number, &tag, sequence),
                Received::Error { tag, word } => {
                    self.model.receives_error(number, tag.as_deref(), &word);
                    *self.seen.errors.entry(word).or_default() += 1;
                }
                Received::Pong(payload) => self.model.receives_pong(number, &payload),
                Received::NoPlace => self.model.receives_no_place(number),
                Received::Notice => {
                    self.seen.gaps_told += u64::from(peer.client.events.is_some());
                }
                Received::Ping => {
                    peer.pinged = Some(self.now);
                    if peer.is_polite && !peer.has_ended && peer.client.events.is_none() {
                        peer.client.pong();
                    }
                }
                Received::Close(code, reason) => {
                    self.model.receives_close(number, code, &reason);
                    if peer.is_polite && !peer.has_ended && !peer.client.has_closed {
                        peer.client.close(code.unwrap_or(1000));
                    }
                }
            }
            self.model.ends_frame(number);
        }
    }
}

/// The frames of these units, and the bytes that they have more when they are not compressed.
fn cost<'a>(units: impl Iterator<Item = &'a Unit>) -> (u64, u64) {
    units.fold((0, 0), |all, unit| (all.0 + unit.frames, all.1 + unit.inflates))
}
