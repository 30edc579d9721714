//! What those that publish by HTTP took of their rates, each over all its connections.
//!
//! A publisher that is over its rates is refused, and what is refused costs it nothing: it may go
//! on when its debt is down to what is allowed.

use crate::relay::identity::address::Network;
use crate::relay::limits::debt::{BURST_US, Debt, micros};
use crate::relay::limits::rates::Rates;
use crate::relay::time::Time;
use std::collections::BTreeMap;

/// The most publishers whose debts are known apart, in about 5 MB with the longest names. When the
/// table is full of debts, others have one together.
const PUBLISHERS_MAX: usize = 16 * 1024;

/// Whose messages are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Publisher {
    /// The user that a token names.
    User(Box<str>),
    /// The client's address.
    Address(Network),
    /// Any client of a Unix socket.
    Unix,
    /// Those that the table has no place for.
    Other,
}

/// A publisher's debts.
#[derive(Debug, Clone, Copy, Default)]
struct Debts {
    messages: Debt,
    bytes: Debt,
}

/// The debts of all that publish by HTTP.
#[derive(Debug, Default)]
pub(crate) struct Publishers {
    debts: BTreeMap<Publisher, Debts>,
    /// The second in which what is paid was forgotten last.
    settled_s: Option<u32>,
}

impl Publishers {
    /// Counts a message of so many bytes.
    ///
    /// # Errors
    /// When its publisher is over its rates: it may come again after so many seconds.
    pub(crate) fn charge(
        &mut self,
        publisher: &Publisher,
        bytes: usize,
        rates: Rates,
        now: Time,
    ) -> Result<(), u64> {
        if !rates.is_bounded() {
            return Ok(());
        }
        let debts = self.debts_of(publisher, now);
        let wait_us = debts.messages.0.max(debts.bytes.0).saturating_sub(micros(now) + BURST_US);
        if wait_us > 0 {
            return Err(wait_us.div_ceil(1_000_000));
        }
        debts.messages.take(1, rates.messages_per_s, now);
        debts.bytes.take(bytes as u64, rates.bytes_per_s, now);
        Ok(())
    }

    fn debts_of(&mut self, publisher: &Publisher, now: Time) -> &mut Debts {
        let is_known = self.debts.contains_key(publisher);
        if !is_known && self.debts.len() >= PUBLISHERS_MAX && self.settled_s != Some(now.seconds())
        {
            self.settled_s = Some(now.seconds());
            self.debts.retain(|_, debts| !debts.messages.is_paid(now) || !debts.bytes.is_paid(now));
        }
        let has_place = is_known || self.debts.len() < PUBLISHERS_MAX;
        let publisher = if has_place { publisher.clone() } else { Publisher::Other };
        self.debts.entry(publisher).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(messages_per_s: u32, bytes_per_s: u32) -> Rates {
        Rates { messages_per_s, bytes_per_s, ..Rates::default() }
    }

    fn user(name: &str) -> Publisher {
        Publisher::User(name.into())
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(10_000 + millis)
    }

    #[test]
    fn a_burst_of_a_second_passes_and_then_the_rate_holds() {
        let mut publishers = Publishers::default();
        let mut publish = |name, now| publishers.charge(&user(name), 1, rates(10, 0), now);
        for _ in 0..11 {
            assert_eq!(publish("a", at(0)), Ok(()));
        }
        assert_eq!(publish("a", at(0)), Err(1));
        assert_eq!(publish("b", at(0)), Ok(()), "another user");
        assert_eq!(publish("a", at(99)), Err(1), "what was refused costs nothing");
        assert_eq!(publish("a", at(100)), Ok(()));
        assert_eq!(publish("a", at(100)), Err(1));
    }

    #[test]
    fn bytes_are_counted_too_and_the_wait_is_told() {
        let mut publishers = Publishers::default();
        let mut publish = |bytes, now| publishers.charge(&user("a"), bytes, rates(0, 1_000), now);
        assert_eq!(publish(5_500, at(0)), Ok(()));
        assert_eq!(publish(1, at(0)), Err(5));
        assert_eq!(publish(1, at(4_500)), Ok(()));
        let unbounded = publishers.charge(&user("a"), usize::MAX, Rates::default(), at(0));
        assert_eq!(unbounded, Ok(()));
    }

    #[test]
    fn the_table_has_a_bound_and_forgets_what_is_paid() {
        let mut publishers = Publishers::default();
        for number in 0..PUBLISHERS_MAX + 100 {
            let publisher = user(&number.to_string());
            assert_eq!(publishers.charge(&publisher, 1, rates(1_000, 0), at(0)), Ok(()));
        }
        assert_eq!(publishers.debts.len(), PUBLISHERS_MAX + 1, "the others have one together");
        assert_eq!(publishers.charge(&user("new"), 1, rates(1_000, 0), at(1_100)), Ok(()));
        assert_eq!(publishers.debts.len(), 1, "all of it was paid");
    }
}
