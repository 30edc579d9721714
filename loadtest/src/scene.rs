//! A scene: rooms with their members, spread over the loops of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Waker;

use crate::board::{Board, Pace};
use crate::corpus::Corpus;
use crate::crowd::Crowd;
use crate::error::{Error, usage};
use crate::gather::{self, Ramp};
use crate::hall::{Hall, Place};
use crate::latency::{self, Times};
use crate::ledger::{Faults, Ledger};
use crate::options::Room;
use crate::payload::{HEAD, Pattern};
use crate::process::thread_cpu;
use crate::run::Run;
use crate::volley::{Beside, Loop, Phase, Until};

/// What one publisher may have under way: the rings of the ledger grow with it.
const WINDOW_MAX: usize = 65_536;
/// Pairs of a member and a publisher, four bytes each.
const PAIRS_MAX: usize = 100_000_000;
/// Each has bodies of its own, some 100 KB.
const CORPUS_PUBLISHERS_MAX: usize = 256;
/// How long to listen, after the end, for what should not come.
const AFTERMATH: Duration = Duration::from_millis(30);

/// One room, as it is planned.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) path: String,
    pub(crate) members: usize,
    pub(crate) publishers: usize,
    /// Bytes of a message, if they say nothing.
    pub(crate) size: usize,
    /// What they say otherwise.
    pub(crate) corpus: Option<Corpus>,
    pub(crate) pace: Pace,
    /// Rooms of one kind have their latencies together.
    pub(crate) kind: usize,
}

/// Rooms and their members.
pub(crate) struct Scene {
    pub(crate) loops: Vec<Loop>,
    boards: Vec<Arc<Board>>,
    wakers: Vec<Arc<Waker>>,
}

/// What a phase came to.
pub(crate) struct Outcome {
    pub(crate) deliveries: u64,
    /// What came for these deliveries, and what they said.
    pub(crate) wire_bytes: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) messages: u64,
    /// Processor time of the busiest loop.
    pub(crate) busiest: Duration,
}

impl Plan {
    /// The one room of a run.
    pub(crate) fn of(room: &Room, run: &Run, pace: Pace) -> Self {
        Self {
            path: run.target.url.path.clone(),
            members: room.members,
            publishers: room.publishers,
            size: room.size,
            corpus: room.corpus,
            pace,
            kind: 0,
        }
    }

    /// What is said in it.
    fn pattern(&self) -> Pattern {
        match self.corpus {
            Some(corpus) => Pattern::of(corpus, self.publishers),
            None => Pattern::new(self.size),
        }
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.members < 2 || self.publishers == 0 || self.publishers > self.members {
            return usage("two members at least, and from 1 to all of them publish");
        }
        if self.members.saturating_mul(self.publishers) > PAIRS_MAX {
            return usage("too many pairs of member and publisher");
        }
        if !(1..=WINDOW_MAX).contains(&self.pace.window()) {
            return usage("a window is from 1 to 65536");
        }
        if self.size < HEAD {
            return usage(format!("a message has {HEAD} bytes at least"));
        }
        if self.corpus.is_some() && self.publishers > CORPUS_PUBLISHERS_MAX {
            return usage(format!("a corpus is for {CORPUS_PUBLISHERS_MAX} publishers at most"));
        }
        if matches!(self.pace, Pace::Rate(rate) if !(rate > 0.0 && rate <= 1e6)) {
            return usage("a rate is above 0 and at most a million per second");
        }
        Ok(())
    }
}

impl Scene {
    /// Connects everyone. `beside` more connections of other kinds will be there at a time.
    pub(crate) fn assemble(run: &Run, plans: &[Plan], beside: usize) -> Result<Self, Error> {
        plans.iter().try_for_each(Plan::check)?;
        run.allows(plans.iter().map(|plan| plan.members).sum::<usize>() + beside)?;
        let threads = run.threads;
        let board =
            |plan: &Plan| Arc::new(Board::new(plan.pace, plan.members, plan.publishers, threads));
        let boards: Vec<_> = plans.iter().map(board).collect();
        let patterns: Vec<Pattern> = plans.iter().map(Plan::pattern).collect();
        let size = patterns.iter().map(Pattern::longest).max().unwrap_or(0);
        let mut loops = Vec::new();
        for index in 0..threads {
            loops.push(Loop::new(Crowd::new(&run.target, size)?, index, threads));
        }
        let wakers = match threads {
            1 => Vec::new(),
            _ => loops.iter().map(|part| part.crowd.waker()).collect(),
        };
        let mut scene = Self { loops, boards, wakers };
        let boards = scene.boards.clone();
        scene.each(|index, part| {
            for ((plan, pattern), board) in plans.iter().zip(&patterns).zip(&boards) {
                let count = (plan.members + threads - 1 - index) / threads;
                part.hall.first.push(part.crowd.members.len());
                let room = part.hall.ledgers.len() as u32;
                for seat in 0..count as u32 {
                    part.hall.places.push(Place::Seat { room, seat });
                }
                let ramp = Ramp::quick(run);
                let came = gather::gather(&mut part.crowd, count, |_| &plan.path, &ramp)?;
                if came.open < count {
                    return usage("stopped before everyone was there");
                }
                let (board, pattern) = (Arc::clone(board), pattern.clone());
                let mut ledger = Ledger::new(board, pattern, count, index, threads);
                ledger.kind = plan.kind;
                part.hall.ledgers.push(ledger);
                part.hall.times.resize_with(plan.kind + 1, Times::new);
            }
            Ok(())
        })?;
        Ok(scene)
    }

    /// A scene of one room whose members are there already, on one loop.
    pub(crate) fn around(plan: &Plan, mut part: Loop) -> Result<Self, Error> {
        let board = Arc::new(Board::new(plan.pace, plan.members, plan.publishers, 1));
        let ledger = Ledger::new(Arc::clone(&board), plan.pattern(), plan.members, 0, 1);
        part.hall.ledgers.push(ledger);
        part.hall.times.push(Times::new());
        Ok(Self { loops: vec![part], boards: vec![board], wakers: Vec::new() })
    }

    /// Runs one phase; `beside` happens on the first loop.
    pub(crate) fn phase(
        &mut self,
        run: &Run,
        until: Until,
        beside: Option<&mut (dyn Beside + Send + '_)>,
    ) -> Result<Outcome, Error> {
        let before = self.so_far();
        self.boards.iter().for_each(|board| board.begin(self.loops.len()));
        for part in &mut self.loops {
            part.late.reset();
            part.hall.times.iter_mut().for_each(|times| *times = Times::new());
        }
        let beside = std::sync::Mutex::new(beside);
        let abort = AtomicBool::new(false);
        let (start, wakers) = (Instant::now(), self.wakers.clone());
        let phase = Phase { start, until, run, abort: &abort, wakers: &wakers };
        let cpu = self.each(|index, part| {
            let begin = thread_cpu()?;
            let beside = match index {
                0 => beside.lock().expect("nobody panics with it").take(),
                _ => None,
            };
            part.run(&phase, beside).inspect_err(|_| abort.store(true, Relaxed))?;
            Ok(thread_cpu()? - begin)
        })?;
        let now = self.so_far();
        Ok(Outcome {
            deliveries: now.deliveries - before.deliveries,
            wire_bytes: now.wire_bytes - before.wire_bytes,
            payload_bytes: now.payload_bytes - before.payload_bytes,
            messages: now.messages - before.messages,
            busiest: cpu.into_iter().max().unwrap_or_default(),
        })
    }

    /// Does something on all loops at once; the first error that is not another's echo counts.
    pub(crate) fn each<T: Send>(
        &mut self,
        work: impl Fn(usize, &mut Loop) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        if let [only] = self.loops.as_mut_slice() {
            return Ok(vec![work(0, only)?]);
        }
        let work = &work;
        let results: Vec<Result<T, Error>> = std::thread::scope(|scope| {
            let parts = self.loops.iter_mut().enumerate();
            let threads: Vec<_> =
                parts.map(|(index, part)| scope.spawn(move || work(index, part))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a loop panicked")).collect()
        });
        let echo = |result: &Result<T, Error>| matches!(result, Err(Error::Aborted));
        let (echoes, mut others): (Vec<_>, Vec<_>) = results.into_iter().partition(echo);
        others.extend(echoes);
        others.into_iter().collect()
    }

    /// Listens a little longer for deliveries that are too many.
    pub(crate) fn aftermath(&mut self) -> Result<(), Error> {
        self.listen(AFTERMATH)
    }

    /// Says nothing for so long.
    pub(crate) fn listen(&mut self, time: Duration) -> Result<(), Error> {
        self.each(|_, part| {
            let end = Instant::now() + time;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                part.crowd.turn_within(left, &mut part.hall)?;
            }
        })?;
        Ok(())
    }

    /// Says goodbye everywhere.
    pub(crate) fn part(&mut self) -> Result<usize, Error> {
        Ok(self.each(|_, part| gather::part(&mut part.crowd))?.into_iter().sum())
    }

    /// Everything that went wrong.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for part in &self.loops {
            part.hall.ledgers.iter().for_each(|ledger| faults.add(ledger.faults()));
            faults.add(part.hall.guests_faults);
            part.hall.guests.values().for_each(|guest| faults.add(guest.faults));
        }
        faults
    }

    /// Latencies of one kind of room in the last phase.
    pub(crate) fn times(&self, kind: usize) -> Times {
        let mut sum = Times::new();
        for times in self.loops.iter().map(|part| &part.hall.times[kind]) {
            sum.each += &times.each;
            sum.last += &times.last;
        }
        sum
    }

    /// How late messages left in the last phase, in nanoseconds.
    pub(crate) fn late(&self) -> Histogram<u64> {
        let mut sum = latency::histogram();
        self.loops.iter().for_each(|part| sum += &part.late);
        sum
    }

    /// What all phases came to.
    fn so_far(&self) -> Outcome {
        let halls = || self.loops.iter().map(|part| &part.hall);
        Outcome {
            deliveries: halls().map(Hall::deliveries).sum(),
            wire_bytes: halls().map(|hall| hall.wire_bytes).sum(),
            payload_bytes: halls().map(Hall::payload_bytes).sum(),
            messages: self.boards.iter().map(|board| board.started()).sum(),
            busiest: Duration::ZERO,
        }
    }
}
