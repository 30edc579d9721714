//! Ctrl-C: the run ends as if its time were up, with what was measured. A second one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;

/// Says whether somebody asked for the end.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From here on Ctrl-C is heard.
    pub(crate) fn new() -> io::Result<Self> {
        let stop = Self::default();
        // In this order: the first signal finds the flag down and only raises it.
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stop.0))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&stop.0))?;
        Ok(stop)
    }

    /// Whether to end.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
