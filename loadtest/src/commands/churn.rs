//! Connections come, send a message, and end in several ways; afterwards the server must have let
//! go of everything.

use std::mem::take;
use std::time::{Duration, Instant};

use clap::Args;

use crate::client::{Connections, Ending, Events, Opcode};
use crate::error::{Error, usage};
use crate::load::{Pattern, Ramp, STAMP_BYTES, Stamp, close_all, connect};
use crate::measure::{Cost, Faults, Interval, Report, Stall};
use crate::run::{Common, Run};
use crate::values::{count, rate, time};

/// A message that not all members have received by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// How often visitors are looked at for whether they wait too long.
const SWEEP: Duration = Duration::from_millis(50);
/// Memory that a server may keep for the next time, beside a tenth of what it had in the middle.
const KEPT_BYTES: u64 = 2 << 20;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Members that stay, and must receive everything.
    #[arg(short = 'n', long, default_value = "4", value_parser = count::<usize>)]
    members: usize,
    /// Connections that come and go per second.
    #[arg(long, default_value_t = 500.0, value_parser = rate)]
    rate: f64,
    /// Time to measure.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = time)]
    duration: Duration,
    /// Time in which the server must let go of connections that have ended.
    #[arg(long, default_value = "15s", value_name = "TIME", value_parser = time)]
    release_timeout: Duration,
}

/// Lets connections come and go, and looks at what the server keeps of them.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    if options.members == 0 {
        return usage("one member at least stays");
    }
    run.check_one_thread("churn has one loop")?;
    run.check_files(options.members + (options.rate as usize).max(1))?;
    let mut connections = Connections::new(&run.target, STAMP_BYTES)?;
    connect(run, &mut connections, options.members, |_| run.path(), &Ramp::default())?;
    let mut visitors = Visitors::new(run.path(), options);
    let files = run.server.open_files()?;

    let interval = Interval::begin(&run.server)?;
    visitors.come_and_go(run, &mut connections, options.duration / 2)?;
    let middle = run.server.memory()?;
    visitors.come_and_go(run, &mut connections, options.duration / 2)?;
    let cost = interval.end()?;

    let mut report = run.report("churn");
    report.put("members", options.members);
    report.round("rate", options.rate);
    visitors.put(&cost, &mut report);
    if middle.is_some() {
        let left = wait_for_release(run, files, options.release_timeout)?;
        report.put("files_before", files);
        report.put("files_after", left);
        if left > files {
            report.fault("the server keeps files of connections that are gone");
        }
    }
    let after = run.server.memory()?;
    report.memory("middle", middle);
    report.memory("after", after);
    if let (Some(middle), Some(after)) = (middle, after)
        && after.resident > middle.resident + middle.resident / 10 + KEPT_BYTES
    {
        report.fault("the server's memory grows with every connection");
    }
    close_all(&mut connections)?;
    Ok(report)
}

/// Waits until the server has no more files open than before; gives how many it has.
fn wait_for_release(run: &Run, before: u64, timeout: Duration) -> Result<u64, Error> {
    let end = Instant::now() + timeout;
    loop {
        let files = run.server.open_files()?;
        if files <= before || Instant::now() >= end {
            return Ok(files);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A connection that comes and goes.
struct Visit {
    /// The number of its message, once that is sent.
    sequence: Option<u32>,
    is_leaving: bool,
    /// When it sent its message, or began to leave.
    since: Instant,
}

/// The visitors of a room, and what its members receive of them. The members are the first
/// connections of the loop.
struct Visitors<'a> {
    options: &'a Options,
    path: String,
    pattern: Pattern,
    /// By connection.
    visits: Vec<Option<Visit>>,
    here: usize,
    /// Connections whose handshake is done, and which shall send.
    opened: Vec<usize>,
    /// Messages that all members have received: from which connection, and its number.
    delivered: Vec<(usize, u32)>,
    /// Connections that have ended.
    gone: Vec<usize>,
    /// By message: how many members have received it.
    received: Vec<usize>,
    deliveries: u64,
    wire_bytes: u64,
    faults: Faults,
    /// Connections that were begun later than the rate asks for, by a second or more.
    begun_late: u64,
    /// Connections that the server did not end though the client had.
    not_closed: u64,
}

impl<'a> Visitors<'a> {
    fn new(path: &str, options: &'a Options) -> Self {
        Self {
            options,
            path: path.to_owned(),
            pattern: Pattern::filler(STAMP_BYTES),
            visits: (0..options.members).map(|_| None).collect(),
            here: 0,
            opened: Vec::new(),
            delivered: Vec::new(),
            gone: Vec::new(),
            received: Vec::new(),
            deliveries: 0,
            wire_bytes: 0,
            faults: Faults::default(),
            begun_late: 0,
            not_closed: 0,
        }
    }

    /// Lets visitors come and go for a while, and waits until the last has gone.
    fn come_and_go(
        &mut self,
        run: &Run,
        connections: &mut Connections,
        time: Duration,
    ) -> Result<(), Error> {
        let rate = self.options.rate;
        let (start, mut begun) = (Instant::now(), 0_u64);
        let (mut stall, mut sweep) = (Stall::new(run.stall), start);
        loop {
            let passed = start.elapsed();
            let is_over = passed >= time || run.interrupt.is_set();
            let due = (passed.min(time).as_secs_f64() * rate) as u64;
            while begun < due && !is_over && self.here < rate as usize + 1 {
                self.begun_late += u64::from(begun + (rate as u64) < due);
                let connection = connections.begin(&self.path, None)?;
                let places = self.visits.len().max(connection + 1);
                self.visits.resize_with(places, || None);
                let visit = Visit { sequence: None, is_leaving: false, since: Instant::now() };
                self.visits[connection] = Some(visit);
                self.here += 1;
                begun += 1;
            }
            if is_over && self.here == 0 {
                return Ok(());
            }
            connections.turn(Duration::from_micros(500), self)?;
            self.advance(connections)?;
            if sweep.elapsed() >= SWEEP {
                sweep = Instant::now();
                self.end_waits(connections)?;
            }
            for connection in take(&mut self.gone) {
                self.visits[connection] = None;
                self.here -= 1;
                connections.remove(connection)?;
            }
            let progress = self.received.len() as u64 + self.deliveries + begun;
            stall.check(progress, "deliveries of visitors' messages")?;
        }
    }

    /// Visitors whose handshake is done send; those whose message is delivered leave.
    fn advance(&mut self, connections: &mut Connections) -> Result<(), Error> {
        for connection in take(&mut self.opened) {
            let Some(visit) = &mut self.visits[connection] else { continue };
            let sequence = self.received.len() as u32;
            self.received.push(0);
            (visit.sequence, visit.since) = (Some(sequence), Instant::now());
            let mut message = Vec::new();
            self.pattern.write(Stamp { publisher: connection as u32, sequence }, &mut message);
            connections.at(connection).queue(Opcode::Text, &message);
            connections.at(connection).flush()?;
        }
        for (connection, sequence) in take(&mut self.delivered) {
            self.leave(connection, sequence, connections)?;
        }
        Ok(())
    }

    /// Visitors whose message is lost leave; those that the server does not end are given up.
    fn end_waits(&mut self, connections: &mut Connections) -> Result<(), Error> {
        for connection in 0..self.visits.len() {
            let Some(visit) = &self.visits[connection] else { continue };
            let (waited, sequence) = (visit.since.elapsed(), visit.sequence);
            if visit.is_leaving && waited >= self.options.release_timeout {
                if !self.gone.contains(&connection) {
                    self.not_closed += 1;
                    self.gone.push(connection);
                }
            } else if let Some(sequence) = sequence.filter(|_| waited >= LOST_AFTER) {
                self.leave(connection, sequence, connections)?;
            }
        }
        Ok(())
    }

    /// The visitor that sent this message ends its connection, in one of the ways in turn.
    fn leave(
        &mut self,
        connection: usize,
        sequence: u32,
        connections: &mut Connections,
    ) -> Result<(), Error> {
        let visit = self.visits.get_mut(connection).and_then(Option::as_mut);
        let is_there = |visit: &&mut Visit| visit.sequence == Some(sequence) && !visit.is_leaving;
        let Some(visit) = visit.filter(is_there) else { return Ok(()) };
        (visit.is_leaving, visit.since) = (true, Instant::now());
        connections.at(connection).end(Ending::nth(sequence as usize))?;
        if connections.at(connection).is_over() {
            self.gone.push(connection);
        }
        Ok(())
    }

    /// Reports all counts. A message that not all members have received is lost to the others.
    fn put(&self, cost: &Cost, report: &mut Report) {
        let Self { deliveries, wire_bytes, .. } = *self;
        let messages = self.received.len() as u64;
        report.put("connections", messages);
        report.put("messages", messages);
        cost.put_each(report, "us_per_connection", messages, Duration::from_micros(1));
        cost.put(report);
        cost.put_limits(report, cost.thread_cpu);
        report.put("deliveries", deliveries);
        report.bytes(wire_bytes, deliveries * STAMP_BYTES as u64, deliveries);
        let short = self.received.iter().filter(|count| **count < self.options.members).count();
        report.faults(Faults { lost: short as u64, ..self.faults });
        report.put("begun_late", self.begun_late);
        if self.not_closed > 0 {
            report.put("not_closed", self.not_closed);
            report.fault("the server does not end connections that their clients have closed");
        }
    }
}

impl Events for Visitors<'_> {
    fn opened(&mut self, connection: usize, _took: Duration) {
        self.opened.push(connection);
    }

    fn received(&mut self, connection: usize, wire_bytes: usize) {
        if connection < self.options.members {
            self.wire_bytes += wire_bytes as u64;
        }
    }

    fn message(&mut self, connection: usize, payload: &[u8], _now_ns: u64) {
        let Some(Stamp { publisher, sequence }) = self.pattern.read(payload) else {
            self.faults.corrupted += 1;
            return;
        };
        let own = self.visits[connection].as_ref().and_then(|visit| visit.sequence);
        let members = self.options.members;
        match self.received.get_mut(sequence as usize) {
            _ if own == Some(sequence) => self.faults.echoed += 1,
            None => self.faults.corrupted += 1,
            Some(count) if connection < members => {
                *count += 1;
                self.deliveries += 1;
                if *count == members {
                    self.delivered.push((publisher as usize, sequence));
                } else if *count > members {
                    self.faults.duplicated += 1;
                }
            }
            Some(_) => {}
        }
    }

    fn closed(&mut self, connection: usize, code: Option<u16>) -> Result<(), Error> {
        match &self.visits[connection] {
            Some(visit) if visit.is_leaving => self.gone.push(connection),
            _ => return Err(Error::Closed(connection, code)),
        }
        Ok(())
    }
}
