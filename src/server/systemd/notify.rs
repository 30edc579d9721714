//! Notifications for systemd (sd_notify(3)).
//!
//! Without `NOTIFY_SOCKET` in the environment nothing happens here. The first notification may wait
//! for systemd, since no client is served before it; later ones never delay the loop: when the
//! socket is full they are lost, with a warning, and only a ping and the status are sent again.

use crate::plain::Plain;
use crate::relay::{Relay, Time};
use crate::server::stream::again;
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::env;
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;
use tracing::warn;

/// The least time between two `STATUS=`, which are for people.
const STATUS_INTERVAL_MS: u64 = 5000;

/// The time after which a ping is sent again, when the socket was full.
const RETRY_MS: u64 = 100;

/// The most time for the first notification: a busy systemd reads again within a few seconds.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// A drain's time beyond its timeout: the turns around it, on a slow machine.
const STOP_RESERVE_MS: u64 = 5_000;

/// The contents of `STATUS=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Status {
    connections: usize,
    rooms: usize,
    is_draining: bool,
}

impl Status {
    pub(in crate::server) fn of(relay: &Relay) -> Status {
        Status {
            connections: relay.connections(),
            rooms: relay.rooms(),
            is_draining: relay.is_draining(),
        }
    }

    fn words(self) -> String {
        let Status { connections, rooms, is_draining } = self;
        if is_draining {
            format!("STATUS=draining: {connections} connections left\n")
        } else {
            format!("STATUS=connections: {connections}, rooms: {rooms}\n")
        }
    }
}

/// Notifies systemd of the relay's state.
#[derive(Debug, Default)]
pub(in crate::server) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// Half of the watchdog's time.
    ping_interval_ms: Option<u64>,
    ping_at: Time,
    /// The last status sent, and when the next may be sent.
    told: Option<Status>,
    status_at: Time,
    is_status_due: bool,
}

impl Notify {
    /// As the environment says; the relay runs without notifications when the socket fails.
    pub(in crate::server) fn from_environment(now: Time) -> Notify {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Notify::default() };
        let to = match open(&name) {
            Ok(to) => Some(to),
            Err(error) => {
                warn!(error = %Plain(&error), ?name, "cannot notify systemd: NOTIFY_SOCKET");
                None
            }
        };
        let ping_interval_ms = to.as_ref().and_then(|_| {
            let pid = env::var("WATCHDOG_PID").ok();
            watchdog_interval_ms(pid.as_deref(), &env::var("WATCHDOG_USEC").ok()?)
        });
        Notify { to, ping_interval_ms, ping_at: now, is_status_due: true, ..Notify::default() }
    }

    /// Serving, for the first time.
    pub(in crate::server) fn started(&mut self) {
        self.ready();
        // From now on connections would wait too.
        let never_wait = self.to.as_ref().map(|(socket, _)| socket.set_nonblocking(true));
        if let Some(Err(error)) = never_wait {
            warn!(error = %Plain(&error), "systemd is not notified any more, for that could block");
            self.to = None;
        }
    }

    /// Serving again.
    pub(in crate::server) fn ready(&self) {
        self.say("READY=1\n");
    }

    /// Reading the configuration again; `ready` is to follow.
    pub(in crate::server) fn reloading(&self) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_usec()));
    }

    /// Draining, which may take longer than the unit's own timeout.
    pub(in crate::server) fn stopping(&self, drain_timeout_ms: u64) {
        let usec = drain_timeout_ms.saturating_add(STOP_RESERVE_MS).saturating_mul(1000);
        self.say(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={usec}\n"));
    }

    /// A turn is complete: notifies the watchdog when it is time, and sends a changed status.
    pub(in crate::server) fn after_turn(&mut self, status: Status, now: Time) {
        if self.to.is_none() {
            return;
        }
        self.is_status_due = self.told != Some(status);
        let pings = self.ping_interval_ms.filter(|_| now >= self.ping_at);
        let tells = self.is_status_due && now >= self.status_at;
        if pings.is_none() && !tells {
            return;
        }
        let ping = if pings.is_some() { "WATCHDOG=1\n" } else { "" };
        let words = if tells { ping.to_owned() + &status.words() } else { ping.to_owned() };
        let said = self.send(&words);
        let is_full = matches!(&said, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if !is_full {
            warn_of(said, &words);
        }
        if let Some(interval_ms) = pings {
            self.ping_at = now.plus_millis(if is_full { RETRY_MS } else { interval_ms });
        }
        if tells {
            self.status_at = now.plus_millis(STATUS_INTERVAL_MS);
            self.told = (!is_full).then_some(status);
            self.is_status_due = is_full;
        }
    }

    /// When the next turn must be, for a notification that is due then.
    pub(in crate::server) fn next_deadline(&self) -> Option<Time> {
        self.to.as_ref()?;
        let ping = self.ping_interval_ms.map(|_| self.ping_at);
        let status = self.is_status_due.then_some(self.status_at);
        [ping, status].into_iter().flatten().min()
    }

    /// Sends a notification that is not repeated.
    fn say(&self, words: &str) {
        warn_of(self.send(words), words);
    }

    fn send(&self, words: &str) -> io::Result<()> {
        let Some((socket, address)) = &self.to else { return Ok(()) };
        again(|| socket.send_to_addr(words.as_bytes(), address)).map(drop)
    }
}

fn warn_of(said: io::Result<()>, words: &str) {
    if let Err(error) = said {
        warn!(error = %Plain(&error), words = words.trim_end(), "systemd did not get this");
    }
}

/// Microseconds of the machine's monotonic clock, as systemd compares them.
fn monotonic_usec() -> i64 {
    // This clock is always there; if not, systemd takes the reload for an old one, and waits.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| time.num_microseconds())
}

/// A socket of ours, which blocks for the first notification, and systemd's address: a path, or an
/// abstract name after `@`.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(FIRST_WAIT))?;
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

    /// A socket that receives, and a `Notify` that writes to it.
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
    fn pings_come_at_half_the_watchdogs_time_and_a_status_when_it_changed() {
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

    /// Fills systemd's socket.
    fn fill(notify: &Notify) -> usize {
        let (_, address) = notify.to.as_ref().expect("somebody hears");
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        (0..).take_while(|_| socket.send_to_addr(b"x", address).is_ok()).count()
    }

    #[test]
    fn the_first_notification_waits_for_a_full_socket() {
        let (_folder, ear, mut notify) = pair(None);
        let taken = fill(&notify);
        ear.set_nonblocking(false).expect("a socket");
        let hearing = std::thread::spawn(move || {
            let words = (0..taken).map(|_| heard(&ear)).filter(|word| word.as_deref() == Some("x"));
            (words.count(), ear)
        });
        notify.started();
        let (count, ear) = hearing.join().expect("no panic");
        ear.set_nonblocking(true).expect("a socket");
        assert_eq!((count, heard(&ear).as_deref()), (taken, Some("READY=1\n")));
    }

    #[test]
    fn later_notifications_do_not_wait_and_a_ping_is_sent_again() {
        let (_folder, ear, mut notify) = pair(Some(1000));
        notify.started();
        assert_eq!(heard(&ear).as_deref(), Some("READY=1\n"));
        let taken = fill(&notify);
        notify.stopping(10_000); // lost
        notify.after_turn(STATUS, at(0));
        assert_eq!(notify.next_deadline(), Some(at(RETRY_MS)));
        notify.after_turn(STATUS, at(RETRY_MS));
        assert_eq!(notify.next_deadline(), Some(at(2 * RETRY_MS)));
        for _ in 0..taken {
            assert_eq!(heard(&ear).as_deref(), Some("x"));
        }
        assert_eq!(heard(&ear), None);
        notify.after_turn(STATUS, at(2 * RETRY_MS));
        assert_eq!(heard(&ear).as_deref(), Some("WATCHDOG=1\n"));
        assert_eq!(notify.next_deadline(), Some(at(1000 + 2 * RETRY_MS)));
        notify.after_turn(STATUS, at(STATUS_INTERVAL_MS));
        let words = heard(&ear).expect("both");
        assert_eq!(words, "WATCHDOG=1\nSTATUS=connections: 1, rooms: 1\n");
        drop(ear);
        notify.ready(); // the socket is gone
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
    fn without_a_socket_no_notification_is_due() {
        let mut notify = Notify::default();
        notify.started();
        notify.after_turn(STATUS, at(0));
        assert_eq!(notify.next_deadline(), None);
    }
}
