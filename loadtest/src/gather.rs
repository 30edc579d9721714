//! How members come, and how they go: many handshakes at a time, many goodbyes at a time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::crowd::Crowd;
use crate::error::Error;
use crate::latency;
use crate::member::Audience;
use crate::run::Run;
use crate::watch::Watch;

/// Handshakes or goodbyes under way at a time.
pub(crate) const UNDER_WAY: usize = 256;
/// How long the closing may stand still; a server that keeps its end open is no error here.
const GOODBYE: Duration = Duration::from_secs(3);

/// How fast members come.
pub(crate) struct Ramp<'a> {
    /// Handshakes under way at a time.
    pub(crate) concurrency: usize,
    /// Handshakes begun per second, if that is bounded.
    pub(crate) rate: Option<f64>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) run: &'a Run,
    /// Hears how many have come.
    pub(crate) progress: &'a dyn Fn(u64),
}

impl<'a> Ramp<'a> {
    /// As fast as they come.
    pub(crate) fn quick(run: &'a Run) -> Self {
        let progress = &|_| ();
        Self { concurrency: UNDER_WAY, rate: None, receive_buffer: None, run, progress }
    }
}

/// Who came.
pub(crate) struct Arrivals {
    /// Handshakes done: fewer than asked for if somebody said stop.
    pub(crate) open: usize,
    /// How long they took, in nanoseconds.
    pub(crate) took: Histogram<u64>,
    lost: Option<(usize, Option<u16>)>,
}

/// Connects `count` more members, each to the room that `path` names for its number, and waits
/// until each has its handshake.
pub(crate) fn gather<'p>(
    crowd: &mut Crowd,
    count: usize,
    path: impl Fn(usize) -> &'p str,
    ramp: &Ramp<'_>,
) -> Result<Arrivals, Error> {
    let mut arrivals = Arrivals { open: 0, took: latency::histogram(), lost: None };
    let mut watch = Watch::new(ramp.run.stall);
    let (start, mut begun) = (Instant::now(), 0);
    // Whoever says stop gets those who are on their way.
    while arrivals.open < if ramp.run.stop.asked() { begun } else { count } {
        let mut allowed = count.min(arrivals.open + ramp.concurrency);
        let mut nap = Duration::from_millis(500);
        if let Some(rate) = ramp.rate {
            let due = (start.elapsed().as_secs_f64() * rate) as usize + 1;
            if due < allowed {
                let next = Duration::from_secs_f64(due as f64 / rate);
                nap = nap.min(next.saturating_sub(start.elapsed()));
                allowed = due;
            }
        }
        while begun < allowed && !ramp.run.stop.asked() {
            crowd.dial(path(begun), ramp.receive_buffer)?;
            begun += 1;
        }
        crowd.turn_within(nap.max(Duration::from_micros(1)), &mut arrivals)?;
        if let Some((member, code)) = arrivals.lost {
            return Err(Error::Closed(member, code));
        }
        watch.check(arrivals.open as u64, "handshakes")?;
        (ramp.progress)(arrivals.open as u64);
    }
    Ok(arrivals)
}

/// Says goodbye to the server everywhere and waits, within reason, until it has hung up. Gives the
/// count of connections that ended so.
pub(crate) fn part(crowd: &mut Crowd) -> Result<usize, Error> {
    let here = crowd.members.iter().filter(|(_, member)| !member.is_gone());
    let mut open: Vec<usize> = here.map(|(index, _)| index).collect();
    let (count, mut ended) = (open.len(), Departures::default());
    let mut watch = Watch::new(GOODBYE);
    while ended.count < count && !watch.expired(ended.count as u64) {
        // No more than these at a time: a goodbye that waits in the server's queue stands still.
        let under_way = count - open.len() - ended.count;
        let next = UNDER_WAY.saturating_sub(under_way).min(open.len());
        for member in open.drain(open.len() - next..) {
            crowd.members[member].close(&mut crowd.keys)?;
        }
        crowd.turn_within(GOODBYE / 6, &mut ended)?;
    }
    Ok(ended.count)
}

impl Audience for Arrivals {
    fn opened(&mut self, _member: usize, took: Duration) {
        self.open += 1;
        latency::record(&mut self.took, took);
    }

    fn closed(&mut self, member: usize, code: Option<u16>) {
        self.lost = Some((member, code));
    }
}

/// Counts connections that ended.
#[derive(Default)]
struct Departures {
    count: usize,
}

impl Audience for Departures {
    fn closed(&mut self, _member: usize, _code: Option<u16>) {
        self.count += 1;
    }
}
