//! Panics: faults of our own. One at a connection's layer is contained, for what strangers send is
//! taken apart there, mostly by a library: it costs that connection. Any other ends fanfare's own
//! program, and its log says so.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process;
use std::thread;
use tracing::error;

/// The exit code of a process that a panic ends, as the standard library has it.
pub(super) const EXIT_CODE: i32 = 101;

thread_local! {
    /// What happens on this thread now is contained.
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
    /// The fault that the hook saw last in what is contained.
    static SEEN: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// A panic, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    /// File, line and column; `None` when no hook was there to see it.
    pub(super) place: Option<String>,
    /// With `RUST_BACKTRACE=1`.
    pub(super) backtrace: Option<String>,
}

impl Fault {
    fn of(message: &dyn Any) -> Fault {
        let text = message.downcast_ref::<&str>().copied();
        let text = text.or_else(|| message.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("without a message").to_owned();
        Fault { message, place: None, backtrace: None }
    }

    fn seen(info: &PanicHookInfo<'_>) -> Fault {
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        Fault {
            place: info.location().map(ToString::to_string),
            backtrace: is_captured.then(|| backtrace.to_string()),
            ..Fault::of(info.payload())
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Logs panics from now on, and waits with `flush_log` until they are written; a contained one is
/// logged by the code that contains it. Before there is a log, the standard library prints them.
///
/// Without this call a panic that is not contained ends the thread that runs the server, as any
/// panic does.
pub fn tell_panics(flush_log: fn()) {
    let told_before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IS_CONTAINED.get() {
            SEEN.set(Some(Fault::seen(info)));
            return;
        }
        let is_main = thread::current().name() == Some("main");
        if tracing::dispatcher::has_been_set() {
            let fault = Fault::seen(info);
            let (place, backtrace) = (fault.place.as_deref(), fault.backtrace.as_deref());
            let end = "a fault of fanfare's own ends the relay; please report it";
            error!(%fault, place, backtrace, "{end}");
            flush_log();
        }
        if !tracing::dispatcher::has_been_set() || !is_main {
            told_before(info);
        }
        if !is_main {
            process::exit(EXIT_CODE); // else the process would continue without that thread
        }
    }));
}

/// Does something in which a panic is contained.
pub(super) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    IS_CONTAINED.set(true);
    // What the work leaves half done is dropped, or cleared before its next use, by our callers.
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_CONTAINED.set(false);
    done.map_err(|message| SEEN.take().unwrap_or_else(|| Fault::of(&*message)))
}

/// Something that strangers may find a fault in: after a panic it is gone.
#[derive(Debug)]
pub(super) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(super) fn new(inner: T) -> Contained<T> {
        Contained(Some(inner))
    }

    /// What is contained, unless it is gone.
    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// Lets it do something; `None` when it is gone since before.
    pub(super) fn work<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> Option<Result<R, Fault>> {
        let inner = self.0.as_mut()?;
        let done = contain(|| work(inner));
        if done.is_err() {
            let broken = self.0.take();
            let _ = contain(move || drop(broken)); // it was told already that it is broken
        }
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_takes_what_is_contained_and_nothing_else() {
        struct Bomb<'a>(&'a Cell<usize>);
        impl Drop for Bomb<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                panic!("once more");
            }
        }
        let dropped = Cell::new(0);
        let mut contained = Contained::new(Bomb(&dropped));
        assert_eq!(contained.work(|bomb| bomb.0.get()), Some(Ok(0)));
        let number = 7;
        let told: Option<Result<(), Fault>> = contained.work(|_| panic!("on purpose {number}"));
        let fault = told.expect("it was there").expect_err("it panics");
        assert_eq!(fault.message, "on purpose 7");
        assert_eq!((dropped.get(), contained.work(|_| ())), (1, None));
        assert_eq!(contain(|| 5), Ok(5), "all is as before");
    }
}
