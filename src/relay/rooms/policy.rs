//! Rules of rooms: the first whose pattern matches a room's name decides what holds there.

use crate::auth::pattern::Pattern;
use crate::relay::{Limits, Rates};

/// Who may speak in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// Every member.
    Anyone,
    /// Members whose token lets them.
    Tokens,
    /// No member: the room is read only.
    Nobody,
}

/// Who may hear a room, which is to be a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hear {
    /// Everyone.
    Anyone,
    /// Those whose token lets them.
    Tokens,
}

/// A rule; what it leaves open is as the relay's limits say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The rooms that it is for.
    pub pattern: Pattern,
    /// Who may speak; left open: those with a token when the relay has keys, else anyone.
    pub publish: Option<Publish>,
    /// Who may hear; left open: the same.
    pub hear: Option<Hear>,
    /// Whether a sender hears its own messages.
    pub echo: Option<bool>,
    /// Whether messages are compressed for those who ask for it when they join.
    pub deflate: Option<bool>,
    /// Payload bytes of a message.
    pub message_bytes_max: Option<usize>,
    /// Members at a time; one more is refused with 503.
    pub members_max: Option<u32>,
    /// Frames of one member in a second; 0: no bound.
    pub messages_per_s: Option<u32>,
    /// Bytes of one member in a second; 0: no bound.
    pub bytes_per_s: Option<u32>,
}

impl Rule {
    /// A rule that leaves everything open.
    pub fn new(pattern: &str) -> Rule {
        Rule {
            pattern: Pattern::new(pattern),
            publish: None,
            hear: None,
            echo: None,
            deflate: None,
            message_bytes_max: None,
            members_max: None,
            messages_per_s: None,
            bytes_per_s: None,
        }
    }
}

/// What holds in one room. It is looked up when the room is made, and costs a message nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manners {
    pub(crate) publish: Publish,
    pub(crate) hear: Hear,
    pub(crate) echo: bool,
    pub(crate) deflate: bool,
    pub(crate) message_bytes_max: usize,
    pub(crate) members_max: usize,
    pub(crate) rates: Rates,
}

/// Who may do what in one room, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Who may hear it.
    pub hear: Hear,
    /// Who may speak in it.
    pub publish: Publish,
    /// Members at a time; `None`: no bound.
    pub members_max: Option<usize>,
    /// How much each member may say.
    pub rates: Rates,
}

impl Limits {
    /// Who may do what in the room of this name.
    pub fn admission(&self, name: &[u8]) -> Admission {
        let Manners { hear, publish, members_max, rates, .. } = self.manners(name);
        let members_max = Some(members_max).filter(|most| *most < usize::MAX);
        Admission { hear, publish, members_max, rates }
    }

    /// What holds in the room of this name.
    pub(crate) fn manners(&self, name: &[u8]) -> Manners {
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(name));
        let (publish, hear) = match self.access.trust.keys.is_empty() {
            true => (Publish::Anyone, Hear::Anyone),
            false => (Publish::Tokens, Hear::Tokens),
        };
        let members_max = rule.and_then(|rule| rule.members_max).or(self.members_max);
        Manners {
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
        let of = |name: &str| limits.manners(name.as_bytes());
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
        let hall = limits.manners(b"hall");
        assert_eq!((hall.hear, hall.publish), (Hear::Anyone, Publish::Tokens));
        let other = limits.manners(b"other");
        assert_eq!((other.hear, other.publish), (Hear::Tokens, Publish::Tokens));
    }
}
