//! One turn of the loop.

use super::beats::{Beat, Beats};
use super::clock::{Clock, unix_s};
use super::ready::Ready;
use super::report::Outcome;
use super::systemd::Status;
use super::{Server, listener, token};
use crate::relay::{ConnId, Time};
use mio::event::Event;
use std::io;
use std::time::Duration;

impl Server {
    /// Sleeps until something happens, then reads members, carries out the program's commands,
    /// settles, flushes, and greets new connections: no message waits for them. Gives the outcome
    /// when the relay is empty after a drain, or a second signal came.
    pub(super) fn turn(&mut self) -> io::Result<Option<Outcome>> {
        self.sleep()?;
        let begin = self.clock.elapsed();
        let now = Clock::time(begin);
        let mut beats = Beats::begin(begin, self.relay.metrics());
        self.relay.set_wall_clock(now, unix_s());
        if let Some(outcome) = self.take_events(now) {
            return Ok(Some(outcome));
        }
        self.certificates.look(now);
        beats.end(Beat::Events, self.clock.elapsed());
        let reads = self.read_members(now);
        beats.end(Beat::Read, self.clock.elapsed());
        self.carry_out_commands(now);
        beats.end(Beat::Command, self.clock.elapsed());
        self.tell_events(now);
        self.relay.turn(now);
        self.tell_events(now);
        beats.end(Beat::Settle, self.clock.elapsed());
        let writes = self.carry_out_orders(now);
        beats.end(Beat::Write, self.clock.elapsed());
        if writes > 0 {
            self.flush_times.add(beats.of(Beat::Write));
        }
        self.take_newcomers(now);
        self.tell_events(now); // of new members, before their first messages
        beats.end(Beat::Accept, self.clock.elapsed());
        self.serve_admin(now);
        let end = self.clock.elapsed();
        beats.end(Beat::Admin, end);
        self.turn_times.add(beats.all());
        beats.tell((reads, writes), self.relay.metrics(), &mut self.throttle, now);
        self.throttle.note_metrics(self.relay.metrics(), now);
        self.throttle.tell_rest(now);
        self.notify.after_turn(Status::of(&self.relay), Clock::time(end));
        if cfg!(any(debug_assertions, fuzzing)) {
            self.relay.check_invariants();
        }
        Ok(self.relay.drained().map(|cut| match cut {
            0 => Outcome::Drained,
            _ => Outcome::Cut(cut),
        }))
    }

    fn sleep(&mut self) -> io::Result<()> {
        // A pretended server does not sleep.
        let timeout =
            if cfg!(any(test, fuzzing)) { Some(Duration::ZERO) } else { self.time_to_sleep() };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// 0 while there is work; else until the next deadline.
    pub(super) fn time_to_sleep(&self) -> Option<Duration> {
        let may_accept = self.listeners.iter().any(|listener| listener.is_ready);
        let accept_at = may_accept.then(|| self.accept_again.unwrap_or_default());
        let may_read = !self.ready.is_empty() || !self.resumed.is_empty();
        if may_read || self.mailbox.has_more() || accept_at == Some(Time::default()) {
            return Some(Duration::ZERO);
        }
        let admin_at = self.admin.as_ref().and_then(|admin| admin.next_deadline());
        let deadlines = [
            self.relay.next_deadline(),
            accept_at,
            admin_at,
            self.certificates.next_deadline(),
            self.throttle.next_deadline(),
            self.notify.next_deadline(),
        ];
        let until = deadlines.into_iter().flatten().min()?;
        let millis = until.as_millis().saturating_sub(self.clock.now().as_millis());
        Some(Duration::from_millis(millis))
    }

    fn take_events(&mut self, now: Time) -> Option<Outcome> {
        let mut signalled = false;
        let mut pushes = Vec::new(); // none, without TLS
        for event in &self.events {
            let id = ConnId::from(event.token().0 as u64);
            if id.generation != 0 {
                let readiness = Readiness::of(event);
                if readiness.note(id, &mut self.streams, &mut self.ready, &mut self.relay) {
                    pushes.push(id);
                }
            } else if let Some(listener) = self.listeners.get_mut(id.index as usize)
                && event.token() == listener::token(id.index)
            {
                listener.is_ready = true;
            } else if let Some(admin) = &mut self.admin
                && admin.note(id.index)
            {
                // It is served later in this turn.
            } else {
                // The mailbox is looked at in each turn anyway.
                signalled |= token::SIGNALS.contains(&id.index);
            }
        }
        #[cfg(test)]
        for (id, readiness) in std::mem::take(&mut self.pretended) {
            if readiness.note(id, &mut self.streams, &mut self.ready, &mut self.relay) {
                pushes.push(id);
            }
        }
        pushes.into_iter().for_each(|id| self.push(id));
        if signalled { self.take_signals(now) } else { None }
    }
}

/// What the poller reports of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Readiness {
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    /// The peer wrote its last byte.
    pub(super) has_ended: bool,
    pub(super) is_broken: bool,
}

impl Readiness {
    fn of(event: &Event) -> Readiness {
        Readiness {
            is_readable: event.is_readable(),
            is_writable: event.is_writable(),
            has_ended: event.is_read_closed(),
            is_broken: event.is_error(),
        }
    }

    /// Lists a readable stream, and tells the relay of a writable one; true when a layer has to
    /// write its own bytes first.
    fn note(
        self,
        id: ConnId,
        streams: &mut super::Streams,
        ready: &mut Ready,
        relay: &mut super::Relay,
    ) -> bool {
        let Some(entry) = streams.entry(id) else { return false };
        let is_layered = entry.is_layered;
        if self.is_writable && !is_layered {
            relay.writable(id);
        }
        entry.has_ended |= self.has_ended || self.is_broken;
        if entry.is_paused && self.is_broken {
            relay.broken(id);
        }
        if (self.is_readable || entry.has_ended) && !entry.is_paused && !entry.is_listed {
            entry.is_listed = true;
            ready.push(relay.priority(id), id);
        }
        is_layered && self.is_writable
    }
}
