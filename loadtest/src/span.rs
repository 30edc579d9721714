//! A span of a run that is measured: time on the wall, and of both processors.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process::{Process, own_cpu};
use crate::report::Report;

/// Clocks read at the start of a span.
pub(crate) struct Span<'a> {
    server: &'a Process,
    wall: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
}

/// What a span took.
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
}

impl<'a> Span<'a> {
    /// Starts to measure.
    pub(crate) fn begin(server: &'a Process) -> Result<Self, Error> {
        let (server_cpu, client_cpu) = (server.cpu()?, own_cpu()?);
        Ok(Self { server, wall: Instant::now(), server_cpu, client_cpu })
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<Taken, Error> {
        Ok(Taken {
            wall: self.wall.elapsed(),
            server_cpu: self.server.cpu()? - self.server_cpu,
            client_cpu: own_cpu()? - self.client_cpu,
        })
    }
}

impl Taken {
    /// Puts all three into a report.
    pub(crate) fn put(&self, report: &mut Report) {
        report.seconds("wall_s", self.wall);
        report.seconds("server_cpu_s", self.server_cpu);
        report.seconds("client_cpu_s", self.client_cpu);
    }
}
