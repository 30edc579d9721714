//! The parts for fanfare's own program: signals, a log, standard output, and the machine's limits.

mod log;
mod machine;
mod output;
mod signal;

pub use log::{Log, flush_log};
pub use machine::machine;
pub use output::offer;

pub(super) use log::family as log_family;
pub(super) use signal::Signals;

use super::Builder;

impl Builder {
    /// Handles signals, for the whole process: SIGTERM and SIGINT drain the server, SIGHUP asks for
    /// new limits, SIGUSR1 writes the counters to the log.
    #[must_use]
    pub fn signals(mut self) -> Builder {
        self.has_signals = true;
        self
    }
}
