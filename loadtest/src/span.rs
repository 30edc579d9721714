//! A span of a run that is measured: time on the wall, and of both sides' processors.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process::{Server, own_cpu};
use crate::report::Report;

/// From this share of its time on, a loop of ours is at its limit.
const BUSY: f64 = 0.9;

/// Clocks read at the start of a span.
pub(crate) struct Span<'a> {
    server: &'a Server,
    wall: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
}

/// What a span took.
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    /// `None` if no process of the server is known.
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) client_cpu: Duration,
}

impl<'a> Span<'a> {
    /// Starts to measure.
    pub(crate) fn begin(server: &'a Server) -> Result<Self, Error> {
        let (server_cpu, client_cpu) = (server.cpu()?, own_cpu()?);
        Ok(Self { server, wall: Instant::now(), server_cpu, client_cpu })
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<Taken, Error> {
        let used = self.server.cpu()? - self.server_cpu;
        Ok(Taken {
            wall: self.wall.elapsed(),
            server_cpu: self.server.known().then_some(used),
            client_cpu: own_cpu()? - self.client_cpu,
        })
    }
}

impl Taken {
    /// Puts all three into a report.
    pub(crate) fn put(&self, report: &mut Report) {
        report.seconds("wall_s", self.wall);
        if let Some(cpu) = self.server_cpu {
            report.seconds("server_cpu_s", cpu);
        }
        report.seconds("client_cpu_s", self.client_cpu);
    }

    /// Puts in how much of the server's processor time one of `count` things took.
    pub(crate) fn share(&self, report: &mut Report, name: &str, count: u64, unit: Duration) {
        if let Some(cpu) = self.server_cpu {
            report.share(name, cpu, count, unit);
        }
    }

    /// Doubts the report if the busiest loop of ours, which took `busiest`, was at its limit while
    /// the server was not: then it is the client that was measured.
    pub(crate) fn judge(&self, busiest: Duration, report: &mut Report) {
        let wall = self.wall.as_secs_f64().max(f64::MIN_POSITIVE);
        let client = busiest.as_secs_f64() / wall;
        let server = self.server_cpu.map_or(0.0, |cpu| cpu.as_secs_f64() / wall);
        report.round("client_busy", client);
        if self.server_cpu.is_some() {
            report.round("server_busy", server);
        }
        if client >= BUSY && server < BUSY {
            report.doubt(format!(
                "the client was the bottleneck: its busiest loop worked {:.0} % of the time, the \
                 server {:.0} %; try more --threads, or fewer members",
                client * 100.0,
                server * 100.0
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_client_beside_an_idle_server_is_no_result() {
        let second = Duration::from_secs(1);
        let judged = |server: f64, client: f64| {
            let taken = Taken {
                wall: second,
                server_cpu: Some(second.mul_f64(server)),
                client_cpu: second.mul_f64(client),
            };
            let mut report = Report::new("test");
            taken.judge(taken.client_cpu, &mut report);
            report.doubted().is_some()
        };
        assert!(judged(0.5, 0.95));
        assert!(!judged(0.97, 0.95), "both are at their limit");
        assert!(!judged(0.5, 0.5));
    }
}
