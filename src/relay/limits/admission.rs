//! What the limits and their rules say of one room, and of the hardest one.

use crate::relay::limits::Limits;
use crate::relay::limits::rates::Rates;
use crate::relay::rooms::history::History;
use crate::relay::rooms::policy::{Hear, Policy, Publish, Rule};

/// What clients may do in one room, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Which clients may join it.
    pub hear: Hear,
    /// Which members may publish in it.
    pub publish: Publish,
    /// Members at a time; `None`: no bound.
    pub members_max: Option<usize>,
    /// How much each member may send.
    pub rates: Rates,
}

impl Limits {
    /// What clients may do in the room of this name.
    pub fn admission(&self, name: &[u8]) -> Admission {
        let Policy { hear, publish, members_max, rates, .. } = self.policy(name);
        let members_max = Some(members_max).filter(|most| *most < usize::MAX);
        Admission { hear, publish, members_max, rates }
    }

    /// What holds in the room of this name.
    pub(crate) fn policy(&self, name: &[u8]) -> Policy {
        self.policy_by(self.rules.iter().find(|rule| rule.pattern.matches(name)))
    }

    /// What holds in rooms for which this rule, or none, decides.
    pub(crate) fn policy_by(&self, rule: Option<&Rule>) -> Policy {
        let (publish, hear) = match self.access.trust.keys.is_empty() {
            true => (Publish::Anyone, Hear::Anyone),
            false => (Publish::Tokens, Hear::Tokens),
        };
        let members_max = rule.and_then(|rule| rule.members_max).or(self.members_max);
        Policy {
            publish: rule.and_then(|rule| rule.publish).unwrap_or(publish),
            hear: rule.and_then(|rule| rule.hear).unwrap_or(hear),
            echo: rule.and_then(|rule| rule.echo).unwrap_or(self.echo),
            deflate: rule.and_then(|rule| rule.deflate).unwrap_or(self.deflate.is_on),
            message_bytes_max: rule
                .and_then(|rule| rule.message_bytes_max)
                .unwrap_or(self.message_bytes_max),
            members_max: members_max.map_or(usize::MAX, |most| most as usize),
            rates: Rates {
                messages_per_s: rule
                    .and_then(|rule| rule.messages_per_s)
                    .unwrap_or(self.rates.messages_per_s),
                bytes_per_s: rule
                    .and_then(|rule| rule.bytes_per_s)
                    .unwrap_or(self.rates.bytes_per_s),
                ..self.rates
            },
            history: self.history_by(rule),
        }
    }

    fn history_by(&self, rule: Option<&Rule>) -> History {
        let of_all = self.history;
        let bound =
            |number: Option<u32>, of_all| number.map_or(of_all, |one| (one > 0).then_some(one));
        let Some(rule) = rule else { return of_all };
        History {
            messages_max: bound(rule.history_messages, of_all.messages_max),
            age_max_s: bound(rule.history_s, of_all.age_max_s),
            bytes_max: rule.history_bytes.unwrap_or(of_all.bytes_max),
        }
    }

    /// Whether in some room the largest message takes longer than a message may: gives the bytes a
    /// second that it needs.
    pub(crate) fn rate_too_low(&self) -> Option<usize> {
        let of_rules = self.rules.iter().map(|rule| {
            let largest = rule.message_bytes_max.unwrap_or(self.message_bytes_max);
            (largest, rule.bytes_per_s.unwrap_or(self.rates.bytes_per_s))
        });
        let all = of_rules.chain([(self.message_bytes_max, self.rates.bytes_per_s)]);
        all.filter(|(_, per_s)| *per_s > 0).find_map(|(largest, per_s)| {
            let least = (largest as u128 * 1000).div_ceil(u128::from(self.message_timeout_ms));
            (u128::from(per_s) < least).then_some(least as usize)
        })
    }

    /// The longest message that any room allows.
    pub fn message_bytes_most(&self) -> usize {
        let of_rules = self.rules.iter().filter_map(|rule| rule.message_bytes_max);
        of_rules.fold(self.message_bytes_max, usize::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keyfile;

    #[test]
    fn the_first_match_decides_alone() {
        let mut news = Rule::new("news/*");
        news.publish = Some(Publish::Nobody);
        news.message_bytes_max = Some(100);
        let mut flash = Rule::new("news/flash");
        flash.echo = Some(true);
        (flash.members_max, flash.deflate) = (Some(7), Some(true));
        let limits = Limits { rules: vec![flash, news], ..Limits::default() };
        let of = |name: &str| limits.policy(name.as_bytes());
        assert_eq!((of("news/flash").publish, of("news/flash").echo), (Publish::Anyone, true));
        assert_eq!((of("news/flash").members_max, of("news/flash").deflate), (7, true));
        assert_eq!((of("news/x").publish, of("news/x").message_bytes_max), (Publish::Nobody, 100));
        assert_eq!((of("x").publish, of("x").message_bytes_max), (Publish::Anyone, 65_536));
        assert!(!of("x").deflate && !of("news/x").deflate, "it is off where nothing says more");
        assert_eq!(limits.message_bytes_most(), 65_536);
    }

    #[test]
    fn keys_close_what_is_left_open() {
        let mut hall = Rule::new("hall");
        hall.hear = Some(Hear::Anyone);
        let mut limits = Limits { rules: vec![hall], ..Limits::default() };
        limits.access.trust.keys = vec![keyfile::secret(&[b'k'; 32]).expect("a secret")];
        let hall = limits.policy(b"hall");
        assert_eq!((hall.hear, hall.publish), (Hear::Anyone, Publish::Tokens));
        let other = limits.policy(b"other");
        assert_eq!((other.hear, other.publish), (Hear::Tokens, Publish::Tokens));
    }
}
