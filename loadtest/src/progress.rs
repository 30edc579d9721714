//! The progress of a run: a bar at a terminal, otherwise a line now and then.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// For fewer there is no bar: they are soon done.
const BAR_FROM: u64 = 1_000;
/// Without a bar there is a line after so many.
const LINE_EVERY: u64 = 50_000;

/// The progress of one part of a run.
pub(crate) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    lines: Cell<u64>,
}

impl Progress {
    /// Progress of a work with `total` steps, of which none is done.
    pub(crate) fn new(what: &'static str, total: u64, has_bar: bool) -> Self {
        let bar = if has_bar && total >= BAR_FROM {
            let form = "{msg:12} {wide_bar} {pos}/{len} {elapsed}";
            let style = ProgressStyle::with_template(form).expect("a constant that is right");
            let bar = ProgressBar::new(total).with_style(style).with_message(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, what, lines: Cell::new(0) }
    }

    /// So many are done.
    pub(crate) fn set(&self, done: u64) {
        self.bar.set_position(done);
        let lines = done / LINE_EVERY;
        if self.bar.is_hidden() && lines > self.lines.replace(lines) {
            eprintln!("{done} {}, {} s", self.what, self.bar.elapsed().as_secs());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
