//! Sockets that systemd passes, and notifications for it, as its variables in the environment say.

mod given;
mod notify;

pub(super) use given::Given;
pub(super) use notify::{Notify, Status};

use super::Builder;

impl Builder {
    /// Follows systemd's variables in the environment: listens on the sockets that systemd passes
    /// and on no others, and notifies it. Build such a server before the program opens files.
    #[must_use]
    pub fn systemd(mut self) -> Builder {
        self.has_systemd = true;
        self
    }
}
