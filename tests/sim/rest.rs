//! What must hold when the relay is at rest, and at the end.

use crate::face::{Cause, Time};
use crate::ground::Ground;
use crate::law::ROOMS;
use crate::world::World;
use fanfare::relay::Limits;

/// How long the relay may take to see that a time is over: its clock hand has a grain of a second,
/// and comes by once a second.
pub const GRAIN_MS: u64 = 2_000;

/// What was sent too fast has been read after so long.
const SETTLED_AFTER_MS: u64 = 20 * 60 * 1000;

fn millis_between(before: Time, now: Time) -> u64 {
    now.as_millis().saturating_sub(before.as_millis())
}

impl World {
    /// The relay has nothing to do before something happens or time passes.
    pub fn is_at_rest(&self) -> bool {
        self.face.next_deadline().is_none_or(|at| at > self.now)
    }

    /// What the relay may do since so much time has passed.
    pub fn note_time(&mut self) {
        let times = Limits::default();
        let unix_s = self.unix_s();
        for number in 0..self.peers.len() {
            let (peer, shadow) = (&self.peers[number], &self.model.shadows[number]);
            let is_over = |since: Time, limit_ms| millis_between(since, self.now) >= limit_ms;
            let was_asked = peer.pinged >= Some(peer.signed) || shadow.ever_blocked;
            let is_silent = was_asked && is_over(peer.signed, times.ping_interval_ms);
            let timeout_ms = self.setting.message_timeout_ms as u64;
            let is_unfinished = peer.begun.is_some_and(|begun| is_over(begun, timeout_ms));
            let is_late =
                shadow.memberships.is_empty() && is_over(peer.came, times.handshake_timeout_ms);
            let has_ended = self.model.law.has_ended(&shadow.ticket, unix_s);
            let grounds = [
                (is_silent, Ground::Silent),
                (is_unfinished, Ground::Unfinished),
                (is_late, Ground::Late),
                (has_ended, Ground::Expired),
            ];
            for (_, ground) in grounds.into_iter().filter(|(holds, _)| *holds) {
                self.model.ground(number, ground);
            }
        }
    }

    /// The relay is at rest: all that it can reach have received everything.
    pub fn rest(&mut self) {
        let is_reachable = |number: &usize| {
            let peer = &self.peers[*number];
            peer.id.is_some() && !peer.is_blocked && !peer.is_broken
        };
        let reachable: Vec<usize> = (0..self.peers.len()).filter(is_reachable).collect();
        self.model.rest(&reachable);
        self.publishers_rest();
        for number in reachable {
            self.check_times(number);
        }
    }

    /// Nothing waits for longer than it may.
    fn check_times(&self, number: usize) {
        let times = Limits::default();
        let (peer, shadow) = (&self.peers[number], &self.model.shadows[number]);
        if shadow.is_over() {
            return;
        }
        let is_over = |since: Time, limit_ms: u64| {
            millis_between(since, self.now) > limit_ms.saturating_add(GRAIN_MS)
        };
        let is_over_rate = self.setting.has_rates() && peer.debt_most.is_over(self.now);
        assert!(
            !peer.is_paused || is_over_rate,
            "{number} is not read, and nothing stands against it"
        );
        let has_left_late = self.drained.is_some_and(|begin| is_over(begin, times.drain_ms));
        let is_read = !peer.is_paused && !peer.is_unasked;
        let has_left_late = has_left_late && shadow.is_admitted() && is_read;
        assert!(!has_left_late, "{number} received no close frame");
        if !shadow.is_admitted() {
            assert!(!is_over(peer.came, times.handshake_timeout_ms), "{number} has no request");
            return;
        }
        let long_ago_s = self.unix_s() - GRAIN_MS / 1000;
        assert!(!self.model.law.has_ended(&shadow.ticket, long_ago_s), "{number} has to go");
        if !self.setting.has_rates() {
            let last = peer.pinged.unwrap_or_default().max(peer.signed);
            assert!(!is_over(last, times.ping_interval_ms), "{number} is silent");
        }
        if !peer.is_unasked {
            let timeout_ms = self.setting.message_timeout_ms as u64;
            let is_late = peer.taken_cut.is_some_and(|begun| is_over(begun, timeout_ms));
            assert!(!is_late, "{number} did not finish what it began");
        }
    }

    /// Lets everything arrive that is on its way, and checks all that was received.
    pub fn settle(&mut self) {
        let until = self.now.plus_millis(SETTLED_AFTER_MS);
        while self.now < until {
            for number in 0..self.peers.len() {
                self.read(number, 1 << 40);
                self.deliver(number, usize::MAX);
            }
            for by in 0..self.publishers.len() {
                self.post_arrives(by, usize::MAX);
            }
            self.turn();
            let is_quiet = |number: usize| {
                let peer = &self.peers[number];
                let is_taken = peer.client.outgoing.is_empty() && !peer.is_unasked;
                peer.id.is_none() || (is_taken && !peer.is_blocked && !peer.is_broken)
            };
            let are_quiet = (0..self.peers.len()).all(is_quiet);
            let are_quiet = are_quiet && self.are_publishers_quiet();
            if are_quiet && self.is_at_rest() {
                return self.compare();
            }
            // A client that is to be read again is read first, as the server does it.
            let is_resumed = self.peers.iter().any(|peer| peer.is_resumed && peer.id.is_some());
            if self.is_at_rest() && !is_resumed {
                // A client that is over its rate is read again when time has passed.
                let next = self.face.next_deadline().unwrap_or(until);
                self.now = next.min(self.now.plus_millis(1_000));
            }
        }
        let waits = |number: &usize| self.peers[*number].id.is_some();
        let left: Vec<usize> = (0..self.peers.len()).filter(waits).collect();
        panic!("it never comes to rest: {left:?}");
    }

    fn compare(&self) {
        for room in 0..ROOMS.len() {
            self.model.check_order(room);
        }
        self.model.check_members();
        let skipped: usize = self.model.shadows.iter().map(|shadow| shadow.skipped.len()).sum();
        let counted = self.face.metrics().skipped;
        assert!(skipped as u64 <= counted, "{skipped} lost, {counted} counted");
        let is_cut = self.face.metrics().replays.cuts > 0 || self.setting.is_history_tight();
        let is_cut = is_cut || self.seen.forgotten > 0;
        self.model.check_resumed(&self.setting, is_cut);
        let rooms = self.model.rooms_with_members();
        match self.setting.remembers() {
            false => assert_eq!(self.face.rooms(), rooms),
            true => assert!((rooms..=self.setting.rooms_max).contains(&self.face.rooms())),
        }
        for (number, peer) in self.peers.iter().enumerate() {
            let is_well = self.model.shadows[number].is_well();
            assert!(!is_well || peer.client.is_between_frames(), "{number} stands in a frame");
            assert!(!is_well || peer.id.is_some(), "{number} is gone, and was not told why");
        }
    }

    /// No client sends anything any more: everything ends by its deadline, and nothing is left.
    pub fn end_of_time(&mut self) {
        for peer in &mut self.peers {
            peer.is_polite = false;
            peer.client.outgoing.clear();
        }
        // The machine of an event stream's client that is gone is seen by the kernel.
        for number in 0..self.peers.len() {
            if self.peers[number].client.events.is_some() {
                self.break_off(number, Cause::Reset);
            }
        }
        for _ in 0..200 {
            let next = self.face.next_deadline().unwrap_or_default();
            self.now = next.max(self.now.plus_millis(1_000));
            self.work();
        }
        assert_eq!(self.face.connections(), 0);
        self.setting.history_messages = 0;
        self.setting.history_s = 0;
        self.configure(); // a room that remembers nothing is over
        assert_eq!((self.face.rooms(), self.face.log_bytes()), (0, 0));
        assert_eq!(self.face.next_deadline(), None, "an empty relay sleeps");
        let metrics = self.face.metrics();
        assert_eq!(metrics.accepted as usize, self.peers.len() + self.publishers.len());
        let counted = |name| metrics.refused.get(name).copied().unwrap_or_default();
        let refused = counted("connections_full")
            + counted("address_full")
            + counted("too_many_handshakes")
            + counted("draining")
            + metrics.publishes.refused;
        let ended: u64 = metrics.ended.values().chain(metrics.refused.values()).sum();
        assert!(ended >= metrics.accepted && ended <= metrics.accepted + refused);
        assert!(self.peers.iter().all(|peer| peer.cause.is_some()), "each end has its cause");
    }
}
