//! Visitors: connections that come on schedule, stay for a while, and end in several ways.

use std::time::{Duration, Instant};

use super::deliveries::Received;
use super::recipients::Role;
use super::visitor::{State, Stay, Visitor};
use super::worker::{Background, Worker};
use crate::client::{Ending, Opcode, Way};
use crate::error::Error;
use crate::measure::{Cost, Report, ns};
use crate::run::Run;

/// A message that not all members have received by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// The visitors of one kind of room.
pub(crate) struct Flow {
    /// Per second.
    pub(crate) rate: f64,
    /// By number and path: visitors take them in turn.
    pub(crate) rooms: Vec<(u32, String)>,
}

/// All visitors.
pub(crate) struct Visitors {
    /// Each with the count of its visitors in this phase.
    flows: Vec<(Flow, u64)>,
    stay: Stay,
    /// The most visitors at a time.
    most: usize,
    /// The server must release a connection within this time after its client has ended it.
    release_timeout: Duration,
    /// Of this phase.
    start: Option<Instant>,
    /// Their connections.
    here: Vec<usize>,
    /// Free publishers' numbers.
    free: Vec<u32>,
    ended: u64,
    /// Connections that were begun later than scheduled, by a second or more.
    begun_late: u64,
    not_closed: u64,
    /// Files that the server had open before the first visitor.
    files: u64,
}

impl Visitors {
    /// For at most `most` visitors at a time.
    pub(crate) fn new(
        flows: Vec<Flow>,
        stay: Stay,
        most: usize,
        release_timeout: Duration,
    ) -> Box<Self> {
        Box::new(Self {
            flows: flows.into_iter().map(|flow| (flow, 0)).collect(),
            stay,
            most,
            release_timeout,
            start: None,
            here: Vec::new(),
            free: (0..most as u32).collect(),
            ended: 0,
            begun_late: 0,
            not_closed: 0,
            files: 0,
        })
    }

    /// Connects the visitors that are due so many seconds after the start.
    fn come(&mut self, passed: f64, now: Instant, worker: &mut Worker) -> Result<(), Error> {
        for (flow, begun) in &mut self.flows {
            let due = passed * flow.rate;
            while (*begun as f64) < due && self.here.len() < self.most {
                let (room, path) = &flow.rooms[*begun as usize % flow.rooms.len()];
                let connection = worker.connections.begin((Way::WebSocket, path), None)?;
                let visitor = Visitor::new(*room, self.stay, now);
                worker.recipients.assign(connection, Role::Visitor(Box::new(visitor)));
                self.here.push(connection);
                self.begun_late += u64::from(*begun as f64 + flow.rate < due);
                *begun += 1;
            }
        }
        Ok(())
    }

    /// Does the next step of one visitor; false when it has left.
    fn advance(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        connection: usize,
        now: Instant,
    ) -> Result<bool, Error> {
        let Worker { connections, recipients, .. } = worker;
        let (visitor, room, latencies) = recipients.visitor(connection);
        let waited = now - visitor.since;
        let is_done = match (visitor.state, self.stay) {
            (State::Gone, _) => return Ok(false),
            (State::Leaving, _) if waited >= self.release_timeout => {
                self.not_closed += 1;
                return Ok(false);
            }
            (State::Connecting, Stay::Message) if waited >= run.stall => {
                return Err(Error::Stalled("a visitor's handshake is not answered".into()));
            }
            (State::Leaving, _) | (State::Connecting, Stay::Message) => return Ok(true),
            (_, Stay::Time(time)) => waited >= time,
            (State::Open, Stay::Message) => match visitor.stamp {
                Some(stamp) => {
                    if waited >= LOST_AFTER {
                        room.give_up(stamp.publisher, Received { now_ns: ns(now), latencies });
                    }
                    room.flight.allowance(stamp.publisher) > 0
                }
                None => {
                    let publisher = self.free.pop().expect("one for each that may be there");
                    let (stamp, mut message) = (room.flight.send(publisher, ns(now)), Vec::new());
                    room.pattern.write(stamp, &mut message);
                    connections.at(connection).queue(Opcode::Text, &message);
                    connections.at(connection).flush()?;
                    (visitor.stamp, visitor.since) = (Some(stamp), now);
                    false
                }
            },
        };
        if is_done {
            self.free.extend(visitor.stamp.map(|stamp| stamp.publisher));
            (visitor.state, visitor.since) = (State::Leaving, now);
            connections.at(connection).end(Ending::nth(self.ended))?;
            self.ended += 1;
        }
        Ok(!connections.at(connection).is_over())
    }
}

impl Background for Visitors {
    fn begin(&mut self, run: &Run, _worker: &mut Worker) -> Result<(), Error> {
        self.files = run.server.open_files()?;
        Ok(())
    }

    fn step(&self) -> Duration {
        match self.stay {
            Stay::Message => Duration::from_micros(500),
            Stay::Time(_) => Duration::from_millis(10),
        }
    }

    fn turn(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        sending_since: Option<Instant>,
    ) -> Result<(), Error> {
        let now = Instant::now();
        for at in (0..self.here.len()).rev() {
            let connection = self.here[at];
            if !self.advance(run, worker, connection, now)? {
                self.here.swap_remove(at);
                worker.recipients.remove_visitor(connection);
                worker.connections.remove(connection)?;
            }
        }
        if let Some(start) = sending_since {
            if self.start.replace(start) != Some(start) {
                self.flows.iter_mut().for_each(|(_, begun)| *begun = 0);
            }
            self.come((now - start).as_secs_f64(), now, worker)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.stay != Stay::Message || self.here.is_empty()
    }

    fn end(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        cost: &Cost,
        report: &mut Report,
    ) -> Result<(), Error> {
        let count = self.flows.iter().map(|(_, begun)| begun).sum();
        report.put("visitors", count);
        report.put("visitor_deliveries", worker.recipients.received_by_visitors);
        report.put("begun_late", self.begun_late);
        cost.put_each(report, "us_per_visitor", count, Duration::from_micros(1));
        if self.not_closed > 0 {
            report.put("not_closed", self.not_closed);
            report.fault("the server does not end connections that their clients have closed");
        }
        if self.stay == Stay::Message && run.server.is_known() {
            let deadline = Instant::now() + self.release_timeout;
            while run.server.open_files()? > self.files && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
            let files = run.server.open_files()?;
            report.put("files_before", self.files);
            report.put("files_released", files);
            if files > self.files {
                report.fault("the server keeps files of connections that are gone");
            }
            report.memory("released", run.server.memory()?);
        }
        Ok(())
    }
}
