//! What systemd wants to hear from us (sd_notify(3)).
//!
//! Without `NOTIFY_SOCKET` in the environment nothing happens here. Words to systemd never keep the
//! loop waiting: what does not go out is tried again.

use super::clock::monotonic_usec;
use super::stream::again;
use crate::config::Plain;
use crate::relay::{Relay, Time};
use std::collections::VecDeque;
use std::env;
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use tracing::warn;

/// The least time between two `STATUS=`: they are for people.
const STATUS_INTERVAL_MS: u64 = 5000;

/// After this time words are tried again that systemd had no room for.
const RETRY_MS: u64 = 100;

/// What a drain may take beyond its timeout: the turns around it, on a slow machine.
const STOP_RESERVE_MS: u64 = 5_000;

/// What `STATUS=` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    connections: usize,
    rooms: usize,
    is_draining: bool,
}

impl Status {
    pub(super) fn of(relay: &Relay) -> Status {
        Status {
            connections: relay.connections(),
            rooms: relay.rooms(),
            is_draining: relay.is_draining(),
        }
    }

    fn words(self) -> String {
        let Status { connections, rooms, is_draining } = self;
        if is_draining {
            format!("STATUS=saying goodbye: {connections} connections left\n")
        } else {
            format!("STATUS=connections: {connections}, rooms: {rooms}\n")
        }
    }
}

/// Tells systemd how we are (sd_notify(3)).
#[derive(Debug, Default)]
pub(super) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// Half of the time after which systemd takes us for dead.
    ping_interval_ms: Option<u64>,
    ping_at: Time,
    /// What was told last, and when the next may be.
    told: Option<Status>,
    status_at: Time,
    is_status_due: bool,
    /// Words that have not gone out yet, in their order.
    unsaid: VecDeque<String>,
    /// When they are tried again.
    retry_at: Time,
}

impl Notify {
    /// As the environment says; that there is nobody to tell is no reason not to relay.
    pub(super) fn from_environment(now: Time) -> Notify {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Notify::default() };
        let to = match open(&name) {
            Ok(to) => Some(to),
            Err(error) => {
                warn!(error = %Plain(&error), ?name, "cannot tell systemd anything: NOTIFY_SOCKET");
                None
            }
        };
        let ping_interval_ms = to.as_ref().and_then(|_| {
            let pid = env::var("WATCHDOG_PID").ok();
            watchdog_interval_ms(pid.as_deref(), &env::var("WATCHDOG_USEC").ok()?)
        });
        Notify { to, ping_interval_ms, ping_at: now, is_status_due: true, ..Notify::default() }
    }

    /// Serving, for the first time or again.
    pub(super) fn ready(&mut self, now: Time) {
        self.say("READY=1\n".to_owned(), now);
    }

    /// Reading the configuration again; `ready` is to follow.
    pub(super) fn reloading(&mut self, now: Time) {
        self.say(format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_usec()), now);
    }

    /// Going down, which may take as long as the drain does, whatever the unit says.
    pub(super) fn stopping(&mut self, drain_timeout_ms: u64, now: Time) {
        let usec = drain_timeout_ms.saturating_add(STOP_RESERVE_MS).saturating_mul(1000);
        self.say(format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={usec}\n"), now);
    }

    /// A turn is complete: the watchdog hears of it when it is time, people if something changed.
    pub(super) fn after_turn(&mut self, status: Status, now: Time) {
        if self.to.is_none() {
            return;
        }
        self.say_rest(now);
        self.is_status_due = self.told != Some(status);
        let pings = self.ping_interval_ms.filter(|_| now >= self.ping_at);
        let tells = self.is_status_due && now >= self.status_at;
        if (pings.is_none() && !tells) || !self.unsaid.is_empty() || now < self.retry_at {
            return;
        }
        let mut words = String::new();
        if pings.is_some() {
            words.push_str("WATCHDOG=1\n");
        }
        if tells {
            words.push_str(&status.words());
        }
        if !self.send(&words, now) {
            return;
        }
        if let Some(interval_ms) = pings {
            self.ping_at = now.plus_millis(interval_ms);
        }
        if tells {
            self.told = Some(status);
            self.status_at = now.plus_millis(STATUS_INTERVAL_MS);
            self.is_status_due = false;
        }
    }

    /// When the next turn must be, so that systemd hears what it waits for.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.to.as_ref()?;
        let ping = self.ping_interval_ms.map(|_| self.ping_at);
        let status = self.is_status_due.then_some(self.status_at);
        let rest = (!self.unsaid.is_empty()).then_some(self.retry_at);
        let until = [ping, status, rest].into_iter().flatten().min()?;
        Some(until.max(self.retry_at))
    }

    fn say(&mut self, words: String, now: Time) {
        if self.to.is_some() {
            self.unsaid.push_back(words);
            self.say_rest(now);
        }
    }

    fn say_rest(&mut self, now: Time) {
        while now >= self.retry_at
            && let Some(words) = self.unsaid.pop_front()
        {
            if !self.send(&words, now) {
                self.unsaid.push_front(words);
            }
        }
    }

    /// Whether it went out, or never will.
    fn send(&mut self, words: &str, now: Time) -> bool {
        let Some((socket, address)) = &self.to else { return true };
        match again(|| socket.send_to_addr(words.as_bytes(), address)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.retry_at = now.plus_millis(RETRY_MS);
                false
            }
            Err(error) => {
                warn!(error = %Plain(&error), words = words.trim_end(), "systemd did not hear");
                true
            }
            Ok(_) => true,
        }
    }
}

/// A socket of ours, and systemd's address: a path, or an abstract name behind `@`.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// Half of `WATCHDOG_USEC`, as sd_watchdog_enabled(3) advises, if it is meant for us.
fn watchdog_interval_ms(pid: Option<&str>, usec: &str) -> Option<u64> {
    if pid.is_some_and(|pid| pid.parse() != Ok(process::id())) {
        return None;
    }
    let usec: u64 = usec.parse().ok().filter(|usec| *usec > 0)?;
    Some((usec / 2000).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const STATUS: Status = Status { connections: 1, rooms: 1, is_draining: false };

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Somebody who hears, and a `Notify` that tells it.
    fn pair(ping_interval_ms: Option<u64>) -> (TempDir, UnixDatagram, Notify) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).expect("a socket");
        ear.set_nonblocking(true).expect("a socket");
        let to = Some(open(path.as_os_str()).expect("a socket"));
        (folder, ear, Notify { to, ping_interval_ms, ..Notify::default() })
    }

    fn heard(ear: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 256];
        let len = ear.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..len]).into_owned())
    }

    #[test]
    fn the_watchdog_hears_at_half_its_time_and_people_what_changed() {
        let (_folder, ear, mut notify) = pair(Some(1000));
        notify.after_turn(STATUS, at(0));
        assert_eq!(heard(&ear).as_deref(), Some("WATCHDOG=1\nSTATUS=connections: 1, rooms: 1\n"));
        assert_eq!(notify.next_deadline(), Some(at(1000)));
        notify.after_turn(STATUS, at(999));
        assert_eq!(heard(&ear), None);
        notify.after_turn(STATUS, at(1000));
        assert_eq!(heard(&ear).as_deref(), Some("WATCHDOG=1\n"));
        notify.ping_interval_ms = None;
        assert_eq!(notify.next_deadline(), None);
        let changed = Status { connections: 2, ..STATUS };
        notify.after_turn(changed, at(2000));
        assert_eq!((heard(&ear), notify.next_deadline()), (None, Some(at(5000))));
        notify.after_turn(changed, at(5000));
        assert_eq!(heard(&ear).as_deref(), Some("STATUS=connections: 2, rooms: 1\n"));
        assert_eq!(notify.next_deadline(), None);
    }

    #[test]
    fn what_systemd_has_no_room_for_is_said_later_and_in_order() {
        let (_folder, ear, mut notify) = pair(Some(1000));
        let mut said = 0;
        while notify.unsaid.is_empty() {
            notify.say(format!("{said}"), at(0));
            said += 1;
        }
        notify.stopping(10_000, at(0));
        notify.after_turn(STATUS, at(50));
        assert_eq!(notify.next_deadline(), Some(at(100)), "the watchdog waits its turn");
        for number in 0..said - 1 {
            assert_eq!(heard(&ear), Some(format!("{number}")));
        }
        notify.after_turn(STATUS, at(99));
        assert_eq!(heard(&ear), None);
        notify.after_turn(STATUS, at(100));
        assert_eq!(heard(&ear), Some(format!("{}", said - 1)));
        let stopping = "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\n";
        assert_eq!(heard(&ear).as_deref(), Some(stopping));
        assert!(heard(&ear).is_some_and(|words| words.starts_with("WATCHDOG=1\nSTATUS=")));
        drop(ear);
        notify.ready(at(200)); // nobody is there any more, and nothing piles up
        assert!(notify.unsaid.is_empty());
    }

    #[test]
    fn a_watchdog_that_is_not_ours() {
        let own = process::id().to_string();
        assert_eq!(watchdog_interval_ms(Some(&own), "30000000"), Some(15_000));
        assert_eq!(watchdog_interval_ms(None, "1000"), Some(1));
        assert_eq!(watchdog_interval_ms(Some("1"), "30000000"), None);
        assert_eq!(watchdog_interval_ms(None, "0"), None);
        assert_eq!(watchdog_interval_ms(None, "soon"), None);
    }

    #[test]
    fn without_somebody_to_tell_nothing_is_kept() {
        let mut notify = Notify::default();
        notify.ready(at(0));
        notify.after_turn(STATUS, at(0));
        assert_eq!((notify.unsaid.len(), notify.next_deadline()), (0, None));
    }
}
