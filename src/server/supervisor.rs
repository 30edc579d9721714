//! Whoever started the relay and watches it: systemd, or what speaks its language.
//!
//! It may hand over sockets that listen already (`LISTEN_FDS`), and it is told when the relay is
//! ready, how it does, and that its loop turns (sd_notify(3)). Without `NOTIFY_SOCKET` nothing is
//! said.

use super::listener::Listener;
use crate::relay::Time;
use listenfd::ListenFd;
use mio::Registry;
use sd_notify::NotifyState;
use std::io;
use std::time::Duration;
use tracing::debug;

/// The least time between two lines of status: people read them.
const STATUS_PAUSE_MS: u64 = 5_000;

/// What is told to whoever watches.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    is_there: bool,
    /// Half the time within which it wants to hear that the loop turns.
    watchdog_ms: Option<u64>,
    next_watchdog: Time,
    next_status: Time,
    /// Connections and rooms, as they were told last.
    told: Option<(usize, usize)>,
    /// The same, as they are now.
    seen: (usize, usize),
}

impl Supervisor {
    /// Looks who is there.
    pub(super) fn find() -> Supervisor {
        let half = |interval: Duration| (interval.as_millis() / 2).max(1) as u64;
        Supervisor {
            is_there: std::env::var_os("NOTIFY_SOCKET").is_some(),
            watchdog_ms: sd_notify::watchdog_enabled().map(half),
            ..Supervisor::default()
        }
    }

    /// Everything is bound: clients may come.
    pub(super) fn say_ready(&self) {
        self.say(&[NotifyState::Ready]);
    }

    /// The configuration is being read again; `say_ready` ends that.
    pub(super) fn say_reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.say(&[NotifyState::Reloading, now]);
        }
    }

    /// The relay goes down.
    pub(super) fn say_stopping(&self) {
        self.say(&[NotifyState::Stopping, NotifyState::Status("saying goodbye")]);
    }

    /// Says what is due at the end of a turn.
    pub(super) fn say_due(&mut self, now: Time, connections: usize, rooms: usize) {
        if !self.is_there {
            return;
        }
        if let Some(half_ms) = self.watchdog_ms
            && now >= self.next_watchdog
        {
            self.next_watchdog = now.plus_millis(half_ms);
            self.say(&[NotifyState::Watchdog]);
        }
        self.seen = (connections, rooms);
        if self.told != Some(self.seen) && now >= self.next_status {
            self.next_status = now.plus_millis(STATUS_PAUSE_MS);
            self.told = Some(self.seen);
            let status = format!("{connections} connections in {rooms} rooms");
            self.say(&[NotifyState::Status(&status)]);
        }
    }

    /// When there is something to say.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let status = (self.is_there && self.told != Some(self.seen)).then_some(self.next_status);
        let watchdog = self.watchdog_ms.filter(|_| self.is_there).map(|_| self.next_watchdog);
        [status, watchdog].into_iter().flatten().min()
    }

    fn say(&self, state: &[NotifyState<'_>]) {
        if self.is_there
            && let Err(error) = sd_notify::notify(state)
        {
            debug!(%error, "nobody heard the supervisor's news");
        }
    }
}

/// The sockets that were handed over, if any.
///
/// # Errors
/// When one of them is no stream that listens, or cannot be watched.
pub(super) fn adopt_listeners(registry: &Registry) -> io::Result<Vec<Listener>> {
    let mut given = ListenFd::from_env();
    let mut listeners = Vec::new();
    for number in 0..given.len() {
        let listener = match given.take_tcp_listener(number) {
            Ok(Some(socket)) => Listener::adopt_tcp(socket, number as u32, registry)?,
            Ok(None) => continue,
            Err(_) => match given.take_unix_listener(number)? {
                Some(socket) => Listener::adopt_unix(socket, number as u32, registry)?,
                None => continue,
            },
        };
        listeners.push(listener);
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_without_a_supervisor() {
        let mut nobody = Supervisor { watchdog_ms: Some(10), ..Supervisor::default() };
        nobody.say_due(Time::from_millis(5), 1, 1);
        assert_eq!(nobody.next_deadline(), None);
    }

    #[test]
    fn status_waits_for_its_pause_and_the_watchdog_does_not() {
        let at = |millis: u64| Time::from_millis(1_000_000 + millis);
        let mut one = Supervisor {
            is_there: true, // in a test nobody listens: what is said is lost
            watchdog_ms: Some(1_000),
            ..Supervisor::default()
        };
        one.say_due(at(0), 1, 1);
        assert_eq!(one.next_deadline(), Some(at(1_000)));
        one.say_due(at(500), 2, 1);
        assert_eq!((one.told, one.next_deadline()), (Some((1, 1)), Some(at(1_000))));
        one.watchdog_ms = None;
        assert_eq!(one.next_deadline(), Some(at(5_000)));
        one.say_due(at(5_000), 2, 1);
        assert_eq!((one.told, one.next_deadline()), (Some((2, 1)), None));
    }
}
