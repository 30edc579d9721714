//! The closed loop: publishers keep messages in flight, and every delivery is checked.

use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::error::Error;
use crate::frame::{self, Kind};
use crate::ledger::Ledger;
use crate::watch::{STALL, Watch};

/// How long to listen, after the end, for what should not come.
const AFTERMATH: Duration = Duration::from_millis(30);

/// When a publisher may send again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As long as fewer than so many of its own messages are under way.
    Window(usize),
    /// When everyone has everything that anyone sent.
    Rounds,
}

impl Pace {
    /// The most messages of one publisher that are ever under way.
    pub(crate) fn window(self) -> usize {
        match self {
            Self::Window(window) => window,
            Self::Rounds => 1,
        }
    }
}

/// A crowd, its ledger and a pace.
pub(crate) struct Volley {
    pub(crate) crowd: Crowd,
    pub(crate) ledger: Ledger,
    pub(crate) publishers: usize,
    pub(crate) pace: Pace,
    pub(crate) message: Vec<u8>,
}

impl Volley {
    /// Lets each publisher send `quota` more messages and waits until all have arrived.
    /// `every_turn` is called often, and may end the run.
    pub(crate) fn run(
        &mut self,
        quota: u32,
        mut every_turn: impl FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut watch = Watch::new(STALL);
        let targets: Vec<u32> =
            (0..self.publishers).map(|publisher| self.ledger.sent(publisher) + quota).collect();
        loop {
            self.publish(&targets)?;
            if self.ledger.settled() {
                return Ok(());
            }
            self.crowd.turn(&mut self.ledger)?;
            if let Some((member, code)) = self.ledger.gone {
                return Err(Error::Closed(member, code));
            }
            if watch.expired(self.ledger.deliveries) {
                let (counted, faults) = (self.ledger.deliveries, self.ledger.faults());
                return Err(Error::Stalled(format!("after {counted} deliveries; {faults:?}")));
            }
            every_turn()?;
        }
    }

    /// Listens a little longer for deliveries that are too many.
    pub(crate) fn aftermath(&mut self) -> Result<(), Error> {
        let end = Instant::now() + AFTERMATH;
        while Instant::now() < end {
            self.crowd.turn_within(AFTERMATH, &mut self.ledger)?;
        }
        Ok(())
    }

    /// Every publisher whose window is open fills it, with one write.
    fn publish(&mut self, targets: &[u32]) -> Result<(), Error> {
        let window = self.pace.window();
        if matches!(self.pace, Pace::Rounds) && !self.ledger.settled() {
            return Ok(());
        }
        for (publisher, target) in targets.iter().enumerate() {
            let left = (target - self.ledger.sent(publisher)) as usize;
            let count = left.min(window - self.ledger.in_flight(publisher));
            if count == 0 {
                continue;
            }
            for _ in 0..count {
                let stamp = self.ledger.send(publisher);
                self.ledger.pattern.write(stamp, &mut self.message);
                let key = self.crowd.keys.next();
                let out = self.crowd.members[publisher].out();
                frame::write(out, Kind::Text, &self.message, key);
            }
            self.crowd.members[publisher].flush()?;
        }
        Ok(())
    }
}
