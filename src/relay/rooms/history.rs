//! How much a room remembers, and the ids of messages.

use core::fmt;
use core::str::FromStr;

/// How much a room keeps of what was published, for members that come later or come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The newest messages that are kept; `None`: no bound by number.
    pub messages_max: Option<u32>,
    /// Seconds for which a message is kept, to an eighth; `None`: no bound by age.
    pub age_max_s: Option<u32>,
    /// Bytes of memory for them.
    pub bytes_max: usize,
}

impl Default for History {
    /// Nothing is kept.
    fn default() -> History {
        History { messages_max: None, age_max_s: None, bytes_max: 1024 * 1024 }
    }
}

impl History {
    /// Whether anything is kept: a bound by number or by age says so.
    pub fn is_on(&self) -> bool {
        self.messages_max.is_some() || self.age_max_s.is_some()
    }

    /// So many seconds lie between the first and the last message of a segment at the most: an
    /// eighth of the time for which messages are kept.
    pub(crate) fn span_s(&self) -> Option<u32> {
        self.age_max_s.map(|age_max_s| (age_max_s / 8).max(1))
    }

    /// When a segment is forgotten that began at this second: its last message is old enough then.
    pub(crate) fn forgotten_s(&self, begun_s: u32) -> u32 {
        let kept_s = self.age_max_s.unwrap_or(u32::MAX);
        begun_s.saturating_add(kept_s).saturating_add(self.span_s().unwrap_or_default())
    }
}

/// A message's id: its number in its room, and the room's epoch, which is another one whenever ids
/// of before must not be believed any more. As text: `17:9f3c0d5a1b2e4477`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId {
    /// 1, 2, 3 … in the order of publishing.
    pub sequence: u64,
    /// A random word.
    pub epoch: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.sequence, self.epoch)
    }
}

impl FromStr for MessageId {
    type Err = ();

    fn from_str(text: &str) -> Result<MessageId, ()> {
        let (sequence, epoch) = text.split_once(':').ok_or(())?;
        let is_number = !sequence.is_empty() && sequence.bytes().all(|one| one.is_ascii_digit());
        let is_epoch = epoch.len() == 16 && epoch.bytes().all(|one| one.is_ascii_hexdigit());
        if !is_number || !is_epoch {
            return Err(());
        }
        let sequence = sequence.parse().map_err(|_| ())?;
        Ok(MessageId { sequence, epoch: u64::from_str_radix(epoch, 16).map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for id in [(1, 0), (17, 0x9f3c_0d5a_1b2e_4477), (u64::MAX, u64::MAX)] {
            let id = MessageId { sequence: id.0, epoch: id.1 };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let short = ["", ":", "1", "1:", ":0000000000000000", "1:0", "+1:0000000000000000"];
        let long =
            ["18446744073709551616:0000000000000000", "1:+000000000000000", "1:0000000000000000 "];
        for text in short.into_iter().chain(long) {
            assert_eq!(text.parse::<MessageId>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_segment_is_forgotten_when_its_last_message_is_old_enough() {
        let history = History { age_max_s: Some(80), ..History::default() };
        assert_eq!((history.span_s(), history.forgotten_s(100)), (Some(10), 190));
        let history = History { age_max_s: Some(1), ..History::default() };
        assert_eq!((history.span_s(), history.forgotten_s(100)), (Some(1), 102));
        assert_eq!(History::default().forgotten_s(100), u32::MAX);
    }
}
