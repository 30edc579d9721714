//! In the place of `cli/`, when fanfare is built without that feature: signals and the log are the
//! embedding program's.

use super::Server;
use super::report::Outcome;
use crate::protocol::exposition::Family;
use crate::relay::Time;
use mio::Registry;
use std::io;

/// No signals.
#[derive(Debug)]
pub(super) struct Signals;

impl Signals {
    pub(super) fn new(_: &Registry) -> io::Result<Signals> {
        Ok(Signals)
    }
}

impl Server {
    pub(super) fn take_signals(&mut self, _: Time) -> Option<Outcome> {
        None
    }
}

/// The program's log has no counter here.
pub(super) fn log_family() -> Option<Family> {
    None
}
