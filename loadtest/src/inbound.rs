//! One client sends as fast as it can; a pong at the end proves that all was read.

use std::time::Duration;

use crate::crowd::{Crowd, Target};
use crate::error::Error;
use crate::frame::{self, Kind};
use crate::member::Audience;
use crate::options::Inbound;
use crate::process::Process;
use crate::report::Report;
use crate::span::Span;
use crate::watch::{STALL, Watch};

/// Whole frames, masked once and sent again and again, fill at least so much.
const STOCK_BYTES: usize = 1 << 20;
const LAST: &[u8] = b"all read?";
const CHINESE: &str = "万物皆有裂痕那是光照进来的地方";

/// Copies of one frame.
struct Stock {
    frame: usize,
    bytes: Vec<u8>,
}

/// Streams messages.
pub(crate) fn run(options: &Inbound, target: &Target, server: &Process) -> Result<Report, Error> {
    if options.size == 0 {
        return Err(Error::Usage("a message has one byte at least"));
    }
    let size = options.size as u64;
    let messages = match (options.messages, options.bytes) {
        (Some(messages), _) => messages,
        (None, bytes) => bytes.unwrap_or(1 << 30).div_ceil(size),
    };
    let mut crowd = Crowd::new(0)?;
    crowd.gather(target, 1, None)?;
    let mut frame = Vec::new();
    let key = crowd.keys.next();
    frame::write(&mut frame, Kind::Text, &text(options.size, options.chinese), key);
    let copies = (STOCK_BYTES / frame.len()).max(1);
    let stock = Stock { frame: frame.len(), bytes: frame.repeat(copies) };

    stream(&mut crowd, &stock, copies as u64)?; // warms up
    let span = Span::begin(server)?;
    stream(&mut crowd, &stock, messages)?;
    let taken = span.end()?;

    let mut report = Report::new("inbound");
    let nano = Duration::from_nanos(1);
    report.put("size", size);
    report.put("chinese", options.chinese);
    report.put("messages", messages);
    report.share("ns_per_byte", taken.server_cpu, messages * size, nano);
    report.share("ns_per_message", taken.server_cpu, messages, nano);
    taken.put(&mut report);
    crowd.part()?;
    Ok(report)
}

/// Sends so many messages of the stock, over and over, and waits until the server has read them.
fn stream(crowd: &mut Crowd, stock: &Stock, messages: u64) -> Result<(), Error> {
    let mut ear = Ear::default();
    let mut watch = Watch::new(STALL);
    let (mut left, mut at) = (messages * stock.frame as u64, 0);
    while left > 0 {
        let member = &mut crowd.members[0];
        member.flush()?;
        // A pong to a ping of the server waits for the end of the frame that is being written.
        let until = match (member.out().is_empty(), at % stock.frame) {
            (true, _) => stock.bytes.len(),
            (false, 0) => at,
            (false, begun) => at - begun + stock.frame,
        };
        let until = until.min(at.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
        let count = if until == at { 0 } else { member.write_from(&stock.bytes[at..until])? };
        left -= count as u64;
        at = (at + count) % stock.bytes.len();
        member.hold(at % stock.frame != 0);
        if count == 0 {
            crowd.turn(&mut ear)?;
            ear.check()?;
            watch.check(left, "room to send")?;
        }
    }
    let key = crowd.keys.next();
    let member = &mut crowd.members[0];
    frame::write(member.out(), Kind::Ping, LAST, key);
    member.flush()?;
    while !ear.answered {
        crowd.turn(&mut ear)?;
        ear.check()?;
        watch.check(0, "the last pong")?;
    }
    Ok(())
}

/// Valid UTF-8 of exactly `size` bytes.
fn text(size: usize, chinese: bool) -> Vec<u8> {
    let mut text = String::with_capacity(size);
    if chinese {
        let characters = CHINESE.chars().cycle();
        text.extend(characters.take(size / 3));
    }
    let left = size - text.len();
    text.extend((b'!'..b'~').map(char::from).cycle().take(left));
    text.into_bytes()
}

/// Hears the last pong.
#[derive(Default)]
struct Ear {
    answered: bool,
    gone: Option<(usize, Option<u16>)>,
}

impl Ear {
    fn check(&self) -> Result<(), Error> {
        self.gone.map_or(Ok(()), |(member, code)| Err(Error::Closed(member, code)))
    }
}

impl Audience for Ear {
    fn pong(&mut self, _member: usize, payload: &[u8]) {
        self.answered |= payload == LAST;
    }

    fn closed(&mut self, member: usize, code: Option<u16>) {
        self.gone = Some((member, code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_valid_and_of_the_right_size() {
        for size in [1, 2, 3, 125, 65_536] {
            for chinese in [false, true] {
                let text = text(size, chinese);
                assert_eq!(text.len(), size);
                assert_eq!(String::from_utf8(text).unwrap().is_ascii(), !chinese || size < 3);
            }
        }
    }
}
