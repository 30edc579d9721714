//! Going down in order: each member gets its pending output, then 1012, at a pace, within a time.
//!
//! A herd that is told together comes back together, and the relay that starts next would have to
//! take it in one second. So the goodbyes are spread over the time that the limits say, however few
//! they are, and each names a time before which not to come back.
//!
//! Streams are accepted until the last member is gone: those that come ask for an upgrade and are
//! told 503, a health probe is told the same. A reset would name no reason and no time.

use crate::relay::connections::conns::Conns;
use crate::relay::limits::Limits;
use crate::relay::limits::budget::{
    DRAIN_STEP_MS, NEWCOMERS_WAIT_MS, RETURN_WITHIN_S, RETURNS_PER_S,
};
use crate::relay::{ConnId, Time};

/// A drain under way.
#[derive(Debug)]
pub(crate) struct Drain {
    /// The connections that were there when it began and were not told yet; the last comes first.
    waiting: Vec<ConnId>,
    /// How many there were, and how many of them closed with a goodbye.
    all: usize,
    told: usize,
    begin: Time,
    /// The milliseconds over which the goodbyes are spread.
    spread_ms: u64,
    next_step: Time,
    /// The connections that were there when it began are cut then.
    end: Time,
    /// How many of them were cut.
    cut: u64,
    newcomers: Newcomers,
}

/// The connections that came since a drain began.
#[derive(Debug)]
struct Newcomers {
    /// The generation of the first of them.
    first: u32,
    /// How many are there.
    count: usize,
    /// When they are ended, once all others are gone.
    end: Option<Time>,
}

/// What a drain does now.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// These are told.
    pub(crate) goodbyes: Vec<ConnId>,
    /// All that were there when it began are cut.
    pub(crate) cuts_all: bool,
    /// The newcomers are told, if they did not ask for anything yet.
    pub(crate) refuses_newcomers: bool,
    /// The newcomers end.
    pub(crate) ends_newcomers: bool,
}

impl Drain {
    /// Begins a drain of all connections.
    pub(crate) fn new(conns: &Conns, limits: &Limits, now: Time) -> Drain {
        let waiting: Vec<ConnId> = conns.indexes().map(|index| conns.id(index)).collect();
        Drain {
            all: waiting.len(),
            waiting,
            told: 0,
            begin: now,
            spread_ms: limits.drain_ms,
            next_step: now,
            end: now.plus_millis(limits.drain_timeout_ms),
            cut: 0,
            newcomers: Newcomers { first: conns.next_generation(), count: 0, end: None },
        }
    }

    /// How many are told by now, if the others were told in time.
    fn due(&self, now: Time) -> usize {
        let passed_ms = now.as_millis() - self.begin.as_millis() + DRAIN_STEP_MS;
        let all = self.all as u128 * u128::from(passed_ms);
        let due = all.div_ceil(u128::from(self.spread_ms.max(1)));
        due.min(self.all as u128) as usize
    }

    /// The seconds after which the next one that is told may come back: when all were told, and
    /// then so many a second; 0 when that is no wait.
    pub(crate) fn retry_after_s(&mut self, now: Time) -> u64 {
        let all_told = match self.waiting.is_empty() {
            true => now,
            false => self.begin.plus_millis(self.spread_ms),
        };
        let until_all_told_ms = all_told.as_millis().saturating_sub(now.as_millis());
        let turn_s = self.told % (self.all / RETURNS_PER_S + 1).min(RETURN_WITHIN_S);
        self.told += 1;
        until_all_told_ms.div_ceil(1000) + turn_s as u64
    }

    /// Whether a connection came since it began.
    pub(crate) fn is_newcomer(&self, id: ConnId) -> bool {
        id.generation.wrapping_sub(self.newcomers.first) < u32::MAX / 2
    }

    /// Counts a connection that was taken.
    pub(crate) fn note_newcomer(&mut self) {
        self.newcomers.count += 1;
    }

    /// Counts a connection that is gone.
    pub(crate) fn note_gone(&mut self, id: ConnId) {
        self.newcomers.count -= usize::from(self.is_newcomer(id));
    }

    /// Counts a connection that was there until the time was up.
    pub(crate) fn note_cut(&mut self) {
        self.cut += 1;
    }

    /// How many were cut.
    pub(crate) fn cut(&self) -> u64 {
        self.cut
    }

    /// Whether all connections are gone that were there when it began; so many are there.
    pub(crate) fn is_left_to_newcomers(&self, connections: usize) -> bool {
        connections == self.newcomers.count
    }

    /// When it has something to do next.
    pub(crate) fn next_step(&self, connections: usize, now: Time) -> Time {
        match self.newcomers.end {
            Some(end) => end,
            None if self.is_left_to_newcomers(connections) => now,
            None if self.waiting.is_empty() => self.end,
            None => self.next_step,
        }
    }

    /// What is to be done now, with so many connections there: as many goodbyes as the pace allows;
    /// when the time is up, a cut for those that were there when it began and still are; when they
    /// are gone, an end for the newcomers.
    pub(crate) fn step(&mut self, connections: usize, now: Time) -> Step {
        let mut step = Step::default();
        if now >= self.end && self.newcomers.end.is_none() {
            self.waiting.clear();
            step.cuts_all = true;
        } else if now >= self.next_step {
            self.next_step = now.plus_millis(DRAIN_STEP_MS);
            let left = self.all - self.due(now);
            step.goodbyes = self.waiting.split_off(left.min(self.waiting.len()));
            step.goodbyes.reverse();
        }
        // Not before: until their streams are closed, those that are cut keep newcomers waiting.
        if self.newcomers.end.is_none() && self.is_left_to_newcomers(connections) {
            self.newcomers.end = Some(now.plus_millis(NEWCOMERS_WAIT_MS));
            step.refuses_newcomers = true;
        }
        step.ends_newcomers = self.newcomers.end.is_some_and(|end| now >= end);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Refusal;
    use crate::relay::{Cause, Limits, Order, Relay, Slices};

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
        Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn connect(relay: &mut Relay, now: Time) -> ConnId {
        let id = relay.accepted(None, now).expect("there is room");
        relay.receive(id, &mut REQUEST.as_bytes().to_vec(), now);
        id
    }

    /// Carries out a turn; gives what each connection was written, and which were closed.
    fn turn(relay: &mut Relay, now: Time) -> (Vec<(ConnId, String)>, Vec<ConnId>) {
        let (mut written, mut closed) = (Vec::new(), Vec::new());
        relay.turn(now);
        relay.check_invariants();
        while let Some(order) = relay.order() {
            match order {
                Order::Flush(id) => {
                    let mut slices = Slices::default();
                    let offer = relay.gather(id, &mut slices);
                    let bytes = slices.as_slice().concat();
                    relay.sent(offer, bytes.len());
                    written.push((id, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Order::Finish(id) => relay.finished(id),
                Order::Close(departed) | Order::Cut(departed) => closed.push(departed.id),
                _ => {}
            }
        }
        relay.check_invariants();
        (written, closed)
    }

    /// A relay with so many members that is told to go down, and when each of them is told (ms) and
    /// may come back (s), since the drain began.
    fn goodbyes(members: usize, drain_ms: u64) -> Vec<(u64, u64)> {
        let limits = Limits {
            drain_ms,
            drain_timeout_ms: 2 * drain_ms + 1,
            connections_max: members,
            ..Limits::default()
        };
        let mut relay = Relay::new(limits);
        for _ in 0..members {
            connect(&mut relay, at(0));
        }
        while !turn(&mut relay, at(0)).0.is_empty() {}
        relay.drain(at(0));
        let mut told = Vec::new();
        let mut now = at(0);
        while told.len() < members {
            for (id, text) in turn(&mut relay, now).0 {
                let (_, reason) = text.split_once("going down").expect("a goodbye");
                let after = reason.strip_prefix("; retry-after=").unwrap_or("0");
                let after: u64 = after.parse().expect("seconds");
                told.push((now.as_millis(), now.as_millis() / 1000 + after));
                relay.closed(id, Cause::EndOfStream);
            }
            now = relay.next_deadline().expect("it goes on").max(now.plus_millis(1));
        }
        told
    }

    #[test]
    fn goodbyes_are_spread_over_the_time_however_many_they_are() {
        for (members, drain_ms) in [(2, 5_000), (5, 1_000), (300, 10_000), (2_000, 3_000)] {
            let told = goodbyes(members, drain_ms);
            for tenth in 0..10 {
                let until = drain_ms * (tenth + 1) / 10;
                let many = told.iter().filter(|(at, _)| *at < until).count();
                let fair = members as u64 * (tenth + 1) / 10;
                let step = (members as u64 * DRAIN_STEP_MS).div_ceil(drain_ms);
                assert!(many as u64 >= fair, "{members}: only {many} within {until} ms");
                assert!(many as u64 <= fair + step, "{members}: {many} within {until} ms");
            }
        }
        assert_eq!(goodbyes(1, 5_000), [(0, 0)], "one alone waits for nobody");
        assert!(goodbyes(500, 0).iter().all(|(at, _)| *at == 0), "no time, no spreading");
    }

    #[test]
    fn a_herd_does_not_come_back_in_one_second_nor_before_the_last_is_told() {
        for (members, drain_ms) in [(1_000, 5_000), (10_000, 5_000), (10_000, 1_000)] {
            let told = goodbyes(members, drain_ms);
            let returns = |s| told.iter().filter(|(_, back)| *back == s).count();
            let most = (0..200).map(returns).max();
            // Two seconds may round to the same one.
            assert!(most <= Some(2 * RETURNS_PER_S), "{members}: {most:?} in one second");
            let last_ms = told.iter().map(|(at, _)| *at).max();
            let first_s = told.iter().map(|(_, back)| *back).min();
            assert!(first_s.map(|s| (s + 1) * 1000) >= last_ms, "{first_s:?} s, {last_ms:?} ms");
        }
    }

    #[test]
    fn a_member_that_does_not_answer_the_goodbye_is_no_reason_for_exit_code_3() {
        let limits = Limits { close_timeout_ms: 1_000, ..Limits::default() };
        let mut relay = Relay::new(limits);
        connect(&mut relay, at(0));
        turn(&mut relay, at(0));
        relay.drain(at(0));
        let mut now = at(0);
        while relay.drained().is_none() {
            now = now.plus_millis(100);
            turn(&mut relay, now);
        }
        assert!(now < at(4_000), "the close timeout ended it: {now:?}");
        assert_eq!((relay.drained(), relay.metrics().cut), (Some(0), 1));
    }

    #[test]
    fn members_that_are_there_when_the_time_is_up_are_cut() {
        let mut relay = Relay::new(Limits::default());
        connect(&mut relay, at(0)); // and never takes the answer to its request
        relay.drain(at(0));
        relay.turn(at(9_999));
        while relay.order().is_some() {}
        assert_eq!(relay.drained(), None);
        turn(&mut relay, at(10_000));
        assert_eq!(relay.drained(), Some(1));
    }

    #[test]
    fn newcomers_are_told_503_and_hold_nothing_up() {
        let mut relay = Relay::new(Limits::default());
        let member = connect(&mut relay, at(0));
        turn(&mut relay, at(0));
        relay.drain(at(0));
        turn(&mut relay, at(0));
        let newcomer = connect(&mut relay, at(1));
        let begun = relay.accepted(None, at(1)).expect("it is heard out");
        relay.receive(begun, &mut b"GET / HT".to_vec(), at(1));
        let (written, _) = turn(&mut relay, at(2));
        let [(to, answer)] = &written[..] else { panic!("{written:?}") };
        assert!(*to == newcomer && answer.starts_with("HTTP/1.1 503 "), "{written:?}");
        assert!(answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
        relay.closed(member, Cause::EndOfStream);
        let (_, closed) = turn(&mut relay, at(3));
        assert_eq!((closed, relay.drained()), (vec![member], None));
        assert_eq!(relay.next_deadline(), Some(at(3)));
        let (written, _) = turn(&mut relay, at(3));
        assert_eq!(written.len(), 1);
        assert!(written[0].0 == begun && written[0].1.starts_with("HTTP/1.1 503 "), "{written:?}");
        assert_eq!(relay.accepted(None, at(4)), Err(Refusal::Draining), "the relay has gone");
        // Both have their answers and do not end their streams.
        assert_eq!(relay.next_deadline(), Some(at(3 + NEWCOMERS_WAIT_MS)));
        let (_, closed) = turn(&mut relay, at(3 + NEWCOMERS_WAIT_MS));
        assert_eq!(closed.len(), 2);
        assert_eq!((relay.drained(), relay.metrics().cut), (Some(0), 0));
        assert_eq!(relay.metrics().refused["draining"], 3);
    }
}
