//! Bars on a terminal; nothing when nobody watches.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far a phase of a run is.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for `total` of something.
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let form = "{msg:12} {wide_bar} {pos}/{len} {elapsed}";
        let style = ProgressStyle::with_template(form).expect("a constant that is right");
        let bar = ProgressBar::new(total).with_style(style).with_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Sets it.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
