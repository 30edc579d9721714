//! An interval of a run: its time on the wall, and the processor time that both sides used in it.

use std::time::{Duration, Instant};

use super::process::{Server, own_cpu, thread_cpu};
use super::report::Report;
use crate::error::Error;

/// The share of its time from which on a loop of the client is at its limit.
const BUSY: f64 = 0.9;

/// Clocks as they stand when an interval begins.
pub(crate) struct Interval<'a> {
    server: &'a Server,
    wall: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
    thread_cpu: Duration,
}

/// The times of an interval.
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// `None` if no process of the server is known.
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) client_cpu: Duration,
    /// Of the client, that of the thread that measured.
    pub(crate) thread_cpu: Duration,
}

impl<'a> Interval<'a> {
    /// Reads the clocks.
    pub(crate) fn begin(server: &'a Server) -> Result<Self, Error> {
        let (server_cpu, client_cpu, thread_cpu) = (server.cpu()?, own_cpu()?, thread_cpu()?);
        Ok(Self { server, wall: Instant::now(), server_cpu, client_cpu, thread_cpu })
    }

    /// Reads them again.
    pub(crate) fn end(self) -> Result<Cost, Error> {
        let used = self.server.cpu()? - self.server_cpu;
        Ok(Cost {
            wall: self.wall.elapsed(),
            server_cpu: self.server.is_known().then_some(used),
            client_cpu: own_cpu()? - self.client_cpu,
            thread_cpu: thread_cpu()? - self.thread_cpu,
        })
    }
}

impl Cost {
    /// Reports all clocks but the thread's.
    pub(crate) fn put(&self, report: &mut Report) {
        report.seconds("wall_s", self.wall);
        if let Some(cpu) = self.server_cpu {
            report.seconds("server_cpu_s", cpu);
        }
        report.seconds("client_cpu_s", self.client_cpu);
    }

    /// Reports how many per second `count` things were.
    pub(crate) fn put_rate(&self, report: &mut Report, name: &str, count: u64) {
        report.round(name, count as f64 / self.wall.as_secs_f64());
    }

    /// Reports the server's processor time for one of `count` things.
    pub(crate) fn put_each(&self, report: &mut Report, name: &str, count: u64, unit: Duration) {
        if let Some(cpu) = self.server_cpu {
            let units = cpu.as_secs_f64() / unit.as_secs_f64();
            report.round(name, units / count.max(1) as f64);
        }
    }

    /// Reports how busy both sides were. If the client's busiest loop, which used `busiest`, was at
    /// its limit and the server was not, then the client was measured, which is no
    /// result.
    pub(crate) fn put_limits(&self, report: &mut Report, busiest: Duration) {
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
        let is_doubted = |server: f64, client: f64| {
            let server_cpu = Some(second.mul_f64(server));
            let [client_cpu, thread_cpu] = [second.mul_f64(client); 2];
            let cost = Cost { wall: second, server_cpu, client_cpu, thread_cpu };
            let mut report = Report::new("test");
            cost.put_limits(&mut report, thread_cpu);
            report.doubted().is_some()
        };
        assert!(is_doubted(0.5, 0.95));
        assert!(!is_doubted(0.97, 0.95), "both are at their limit");
        assert!(!is_doubted(0.5, 0.5));
    }
}
