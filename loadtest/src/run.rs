//! What every command stands on: the server, the way to it, and how many loops there are.

use std::time::Duration;

use crate::crowd::Target;
use crate::error::{Error, usage};
use crate::measure::seconds;
use crate::options::Common;
use crate::process::{self, Server};
use crate::report::Report;
use crate::stop::Stop;
use crate::tls::Tls;

/// Files that are no connection: the standard streams, pollers, timers and the server's clocks.
const FILES_OWN: u64 = 64;

/// A run of the tool.
pub(crate) struct Run {
    pub(crate) server: Server,
    pub(crate) target: Target,
    pub(crate) threads: usize,
    pub(crate) stop: Stop,
    /// How long the run may stand still.
    pub(crate) stall: Duration,
    files: u64,
}

impl Run {
    /// Checks what all commands have in common.
    pub(crate) fn new(common: &Common, stop: &Stop) -> Result<Self, Error> {
        if !common.url.server.ip().is_loopback() && !common.i_own_this_host {
            return usage(
                "load on somebody else's machine is an attack: other hosts than this one need \
                 --i-own-this-host",
            );
        }
        if common.threads == 0 || common.threads > 64 {
            return usage("from 1 to 64 threads");
        }
        if !common.pin.is_empty() {
            process::pin(&common.pin)?;
        }
        Ok(Self {
            server: Server::new(&common.server_pid)?,
            target: Target {
                url: common.url.clone(),
                tls: common.tls()?,
                offer: common.deflate,
                sources: common.source.clone(),
            },
            threads: common.threads,
            stop: stop.clone(),
            stall: seconds(common.stall)?,
            files: process::raise_files()?,
        })
    }

    /// An empty report about one kind of work.
    pub(crate) fn report(&self, work: &str) -> Report {
        let mut report = Report::new(work);
        if let Some(offer) = self.target.offer {
            report.put("deflate", offer.name());
        }
        report
    }

    /// Whether so many connections can be open at a time.
    pub(crate) fn allows(&self, connections: usize) -> Result<(), Error> {
        let most = self.files.saturating_sub(FILES_OWN * self.threads as u64);
        if connections as u64 <= most {
            return Ok(());
        }
        usage(format!(
            "{connections} connections are more than the {most} that this process may have with \
             its {} open files: raise the limit (ulimit -Hn, as root), or run several of this \
             program beside each other",
            self.files
        ))
    }
}

impl Common {
    /// What `wss://` needs; nothing is trusted that nobody named.
    fn tls(&self) -> Result<Option<Tls>, Error> {
        match (self.url.secure, self.cacert.as_deref(), self.insecure) {
            (true, None, false) => usage(
                "whom to trust? wss:// needs --cacert FILE, with the server's certificate or one \
                 that signed it, or --insecure",
            ),
            (true, roots, _) => Tls::new(self.url.name(), roots).map(Some),
            (false, None, false) => Ok(None),
            (false, ..) => usage("--cacert and --insecure are for wss://"),
        }
    }
}
