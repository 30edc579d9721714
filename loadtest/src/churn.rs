//! Connections come, say something, and leave in several ways; afterwards the server must have let
//! go of everything.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::error::{Error, usage};
use crate::frame::{self, Kind};
use crate::gather::{self, Ramp};
use crate::ledger::Faults;
use crate::measure::seconds;
use crate::member::{Audience, Leave};
use crate::options::Churn;
use crate::payload::{HEAD, Pattern, Stamp};
use crate::process::thread_cpu;
use crate::report::Report;
use crate::run::Run;
use crate::span::Span;
use crate::watch::Watch;

/// A message that not everyone has heard by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// Memory that a server may keep for the next time, beside a tenth of what it had in the middle.
const KEPT_BYTES: u64 = 2 << 20;

/// Comes and goes for a while.
pub(crate) fn run(options: &Churn, run: &Run) -> Result<Report, Error> {
    if options.members == 0 || run.threads > 1 {
        return usage("one member at least that stays, and one loop");
    }
    run.allows(options.members + (options.rate as usize).max(1))?;
    let half = seconds(options.secs)? / 2;
    let mut crowd = Crowd::new(&run.target, HEAD)?;
    let path = run.target.url.path.as_str();
    gather::gather(&mut crowd, options.members, |_| path, &Ramp::quick(run))?;
    let mut street = Street::new(path, options.members, seconds(options.let_go)?);
    let files = run.server.files()?;

    let (span, begin) = (Span::begin(&run.server)?, thread_cpu()?);
    street.busy(run, &mut crowd, options.rate, half)?;
    let middle = run.server.memory()?;
    street.busy(run, &mut crowd, options.rate, half)?;
    let taken = span.end()?;

    let mut report = run.report("churn");
    report.put("members", options.members);
    report.round("rate", options.rate);
    report.put("connections", street.come);
    report.put("messages", street.said);
    taken.share(&mut report, "us_per_connection", street.come, Duration::from_micros(1));
    taken.put(&mut report);
    taken.judge(thread_cpu()? - begin, &mut report);
    report.put("deliveries", street.deliveries);
    report.bytes(street.wire_bytes, street.deliveries * HEAD as u64, street.deliveries);
    report.faults(street.faults());
    report.put("late", street.due_late);
    if street.kept > 0 {
        report.put("kept", street.kept);
        report.fault("the server does not hang up on those who say goodbye");
    }
    if run.server.known() {
        let left = let_go(run, files, street.patience)?;
        report.put("files_before", files);
        report.put("files_after", left);
        report.memory("middle", middle);
        let after = run.server.memory()?;
        report.memory("after", after);
        if left > files {
            report.fault("the server keeps files of connections that are gone");
        } else if after.resident > middle.resident + middle.resident / 10 + KEPT_BYTES {
            report.fault("the server's memory grows with every connection");
        }
    }
    gather::part(&mut crowd)?;
    Ok(report)
}

/// Waits until the server has no more files than before; gives how many it has.
fn let_go(run: &Run, before: u64, patience: Duration) -> Result<u64, Error> {
    let end = Instant::now() + patience;
    loop {
        let files = run.server.files()?;
        if files <= before || Instant::now() >= end {
            return Ok(files);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Those who pass by, and those who stay and hear what they say.
struct Street {
    path: String,
    stay: usize,
    pattern: Pattern,
    come: u64,
    said: u64,
    /// Connections that were begun later than the rate asks for, by a second or more.
    due_late: u64,
    deliveries: u64,
    /// What came for those who stay.
    wire_bytes: u64,
    faults: Faults,
    /// By message: how many of those who stay have heard it.
    heard: Vec<usize>,
    /// Of each place in the crowd: the message of the one who is there.
    says: Vec<Option<u32>>,
    /// Places of those who may speak, of those who have been heard, and of those who are gone.
    open: Vec<usize>,
    done: Vec<usize>,
    gone: Vec<usize>,
    /// Messages that not everyone has heard, the oldest first: since when, who, which.
    waiting: VecDeque<(Instant, usize, u32)>,
    /// Those who have said goodbye, the oldest first, and for how long the server may keep them.
    leaving: VecDeque<(Instant, usize, u32)>,
    patience: Duration,
    kept: u64,
    dropped: Option<(usize, Option<u16>)>,
    here: usize,
}

impl Street {
    fn new(path: &str, stay: usize, patience: Duration) -> Self {
        Self {
            path: path.to_owned(),
            stay,
            pattern: Pattern::new(HEAD),
            come: 0,
            said: 0,
            due_late: 0,
            deliveries: 0,
            wire_bytes: 0,
            faults: Faults::default(),
            heard: Vec::new(),
            says: vec![None; stay],
            open: Vec::new(),
            done: Vec::new(),
            gone: Vec::new(),
            waiting: VecDeque::new(),
            leaving: VecDeque::new(),
            patience,
            kept: 0,
            dropped: None,
            here: 0,
        }
    }

    /// What went wrong: a message that not all who stay have heard is lost to the others.
    fn faults(&self) -> Faults {
        let short = self.heard.iter().filter(|heard| **heard < self.stay).count();
        Faults { lost: short as u64, ..self.faults }
    }

    /// Lets connections come and go for a while, and waits for the last.
    fn busy(
        &mut self,
        run: &Run,
        crowd: &mut Crowd,
        rate: f64,
        time: Duration,
    ) -> Result<(), Error> {
        let (start, mut begun) = (Instant::now(), 0_u64);
        let mut watch = Watch::new(run.stall);
        loop {
            let passed = start.elapsed();
            let over = passed >= time || run.stop.asked();
            let due = (passed.min(time).as_secs_f64() * rate) as u64;
            while begun < due && !over && self.here < rate as usize + 1 {
                self.due_late += u64::from(begun + (rate as u64) < due);
                self.welcome(crowd)?;
                begun += 1;
            }
            if over && self.here == 0 {
                return Ok(());
            }
            crowd.turn_within(Duration::from_micros(500), self)?;
            self.attend(crowd)?;
            if let Some((member, code)) = self.dropped {
                return Err(Error::Closed(member, code));
            }
            watch.check(self.come + self.deliveries + begun, "those who came to be heard")?;
        }
    }

    fn welcome(&mut self, crowd: &mut Crowd) -> Result<(), Error> {
        let member = crowd.dial(&self.path, None)?;
        self.here += 1;
        self.says.resize(self.says.len().max(member + 1), None);
        Ok(())
    }

    /// Who is there says something; who was heard leaves; who is gone makes room.
    fn attend(&mut self, crowd: &mut Crowd) -> Result<(), Error> {
        for member in std::mem::take(&mut self.open) {
            self.come += 1;
            let sequence = self.heard.len() as u32;
            self.heard.push(0);
            self.says[member] = Some(sequence);
            self.said += 1;
            self.waiting.push_back((Instant::now(), member, sequence));
            let mut message = Vec::new();
            self.pattern.write(Stamp { publisher: member as u32, sequence }, &mut message);
            let key = crowd.keys.next();
            frame::write(crowd.members[member].out(), Kind::Text, &message, key);
            crowd.members[member].flush()?;
        }
        while let Some(&(since, member, sequence)) = self.waiting.front() {
            if self.heard[sequence as usize] < self.stay {
                if since.elapsed() < LOST_AFTER {
                    break;
                }
                self.done.push(member);
            }
            self.waiting.pop_front();
        }
        for member in std::mem::take(&mut self.done) {
            let sequence = self.says[member].expect("it has been heard");
            let way = Leave::nth(sequence as usize);
            crowd.members[member].leave(way, &mut crowd.keys)?;
            if matches!(way, Leave::Reset | Leave::MidFrame) {
                self.gone.push(member);
            } else {
                self.leaving.push_back((Instant::now(), member, sequence));
            }
        }
        while let Some(&(since, member, sequence)) = self.leaving.front() {
            if self.says[member] == Some(sequence) && !self.gone.contains(&member) {
                if since.elapsed() < self.patience {
                    break;
                }
                self.kept += 1;
                self.gone.push(member);
            }
            self.leaving.pop_front();
        }
        for member in std::mem::take(&mut self.gone) {
            self.says[member] = None;
            self.here -= 1;
            crowd.release(member)?;
        }
        Ok(())
    }
}

impl Audience for Street {
    fn opened(&mut self, member: usize, _took: Duration) {
        self.open.push(member);
    }

    fn received(&mut self, member: usize, wire_bytes: usize) {
        if member < self.stay {
            self.wire_bytes += wire_bytes as u64;
        }
    }

    fn message(&mut self, member: usize, payload: &[u8], _heard: Instant) {
        let Some(stamp) = self.pattern.read(payload) else {
            self.faults.corrupted += 1;
            return;
        };
        let known = self.heard.get_mut(stamp.sequence as usize);
        if self.says[member] == Some(stamp.sequence) {
            self.faults.echoed += 1;
        } else if let (Some(count), true) = (known, member < self.stay) {
            *count += 1;
            self.deliveries += 1;
            if *count == self.stay {
                self.done.push(stamp.publisher as usize);
            } else if *count > self.stay {
                self.faults.doubled += 1;
            }
        }
    }

    fn closed(&mut self, member: usize, code: Option<u16>) {
        if member < self.stay || self.says[member].is_none() {
            self.dropped = Some((member, code));
        } else {
            self.gone.push(member);
        }
    }
}
