//! In the place of `systemd/`, when fanfare is built without that feature: no sockets are passed,
//! and systemd is not notified.

use super::StartError;
use super::listener::Listener;
use crate::relay::{Relay, Time};
use mio::Registry;

/// No sockets.
#[derive(Debug, Default)]
pub(super) struct Given {}

impl Given {
    pub(super) fn from_environment() -> Result<Given, StartError> {
        Ok(Given {})
    }

    pub(super) fn has_listeners(&self) -> bool {
        false
    }

    pub(super) fn take_listeners(&mut self, _: &Registry) -> Result<Vec<Listener>, StartError> {
        Ok(Vec::new())
    }

    pub(super) fn take_admin(
        &mut self,
        _: u32,
        _: &Registry,
    ) -> Result<Option<Listener>, StartError> {
        Ok(None)
    }
}

/// No notifications.
#[derive(Debug)]
pub(super) struct Status;

impl Status {
    pub(super) fn of(_: &Relay) -> Status {
        Status
    }
}

/// Sends nothing.
#[derive(Debug, Default)]
pub(super) struct Notify {}

impl Notify {
    pub(super) fn from_environment(_: Time) -> Notify {
        Notify {}
    }

    pub(super) fn started(&mut self) {}

    pub(super) fn ready(&self) {}

    pub(super) fn reloading(&self) {}

    pub(super) fn stopping(&self, _: u64) {}

    pub(super) fn after_turn(&mut self, _: Status, _: Time) {}

    pub(super) fn next_deadline(&self) -> Option<Time> {
        None
    }
}
