//! What other threads of the program want done, in their order and within a share of the turn.

use super::Server;
use super::mailbox::Letter;
use crate::relay::{Command, Time};
use std::time::Duration;
use tracing::info;

/// How long commands are carried out in a turn, as long as members are read. What they publish
/// leaves in the same turn.
const COMMANDS_SHARE: Duration = Duration::from_millis(2);

impl Server {
    /// Carries out what waits in the mailbox, until the time is over.
    pub(super) fn carry_out_commands(&mut self, now: Time) {
        if !self.mailbox.begin() {
            return;
        }
        self.let_leavers_go();
        let until = self.stopwatch.begin() + COMMANDS_SHARE;
        while let Some(letter) = self.mailbox.next() {
            self.carry_out(letter, now);
            if self.stopwatch.begin() >= until {
                return self.mailbox.put_off();
            }
        }
    }

    fn carry_out(&mut self, letter: Letter, now: Time) {
        match letter {
            Letter::Command(command, answer) => {
                let done = match command {
                    Command::Drain => Ok(self.go_down(now)),
                    command => self.relay.command(&command, now),
                };
                self.tell_events(now); // subscribers have it before the answer comes
                let _ = answer.try_send(done); // the program may have dropped the answer
            }
            // The subscription was dropped before its letter was read.
            Letter::Subscribe(_, subscriber) if subscriber.is_gone() => {}
            Letter::Subscribe(room, subscriber) => {
                self.let_leavers_go(); // their rooms may be in its way
                self.tell_events(now); // what was published before is not for it
                match self.relay.subscribe(&room) {
                    Ok(room) => self.subscribers.add(room, subscriber),
                    Err(rejected) => subscriber.reject(rejected),
                }
            }
        }
    }

    /// Lets subscribers go that are not wanted any more.
    fn let_leavers_go(&mut self) {
        if self.mailbox.has_leavers() {
            for room in self.subscribers.drop_leavers() {
                self.relay.unsubscribe(room);
            }
        }
    }

    /// Begins the drain; gives how many connections there are.
    pub(super) fn go_down(&mut self, now: Time) -> u32 {
        let connections = self.relay.connections();
        if !self.relay.is_draining() {
            info!(connections, "draining: closing connections");
            // systemd gave all of them or none, and keeps them for the relay that starts next.
            if self.listeners.iter().any(|listener| listener.is_given) {
                self.listeners.clear();
            }
            self.relay.drain(now);
            self.notify.stopping(self.relay.limits().drain_timeout_ms);
        }
        connections as u32
    }
}
