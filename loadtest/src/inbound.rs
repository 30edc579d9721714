//! Clients send as fast as they can; a pong at the end of each proves that all was read.

use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::error::{Error, usage};
use crate::frame::{self, Kind};
use crate::gather::{self, Ramp};
use crate::measure::{until, warmup};
use crate::member::Audience;
use crate::options::Inbound;
use crate::process::thread_cpu;
use crate::report::Report;
use crate::run::Run;
use crate::span::Span;
use crate::volley::Until;
use crate::watch::Watch;

/// Whole frames, masked once and sent again and again, fill at least so much.
const STOCK_BYTES: usize = 1 << 20;
const LAST: &[u8] = b"all read?";
const CHINESE: &str = "万物皆有裂痕那是光照进来的地方";

/// Copies of one frame.
struct Stock {
    frame: usize,
    bytes: Vec<u8>,
}

/// How far one client is in the stock, and in all.
#[derive(Clone, Copy, Default)]
struct Stream {
    at: usize,
    bytes: u64,
    asked: bool,
}

/// Streams messages.
pub(crate) fn run(options: &Inbound, run: &Run) -> Result<Report, Error> {
    if options.size == 0 || options.publishers == 0 {
        return usage("one client at least, and one byte in a message");
    }
    if run.threads > 1 {
        return usage("inbound has one loop: one is faster than any server");
    }
    if options.common.deflate.is_some() {
        return usage(
            "inbound hears no messages, and what members send is not compressed: leave --deflate \
             out",
        );
    }
    run.allows(options.publishers)?;
    let mut crowd = Crowd::new(&run.target, 0)?;
    // In one room they would hear each other: that is what the other commands measure.
    let folder = run.target.url.path.trim_end_matches('/');
    let paths: Vec<String> =
        (0..options.publishers).map(|number| format!("{folder}/inbound-{number}")).collect();
    gather::gather(&mut crowd, paths.len(), |number| &paths[number], &Ramp::quick(run))?;
    let mut frame = Vec::new();
    let key = crowd.keys.next();
    frame::write(&mut frame, Kind::Text, &text(options.size, options.chinese), key);
    let copies = (STOCK_BYTES / frame.len()).max(1);
    let stock = Stock { frame: frame.len(), bytes: frame.repeat(copies) };

    stream(run, &mut crowd, &stock, warmup(&options.span, options.publishers)?)?;
    let (span, begin) = (Span::begin(&run.server)?, thread_cpu()?);
    let until = until(&options.span, options.publishers)?;
    let messages = stream(run, &mut crowd, &stock, until)?;
    let taken = span.end()?;

    let mut report = run.report("inbound");
    let (size, nano) = (options.size as u64, Duration::from_nanos(1));
    report.put("publishers", options.publishers);
    report.put("size", size);
    report.put("chinese", options.chinese);
    report.put("messages", messages);
    let wall = taken.wall.as_secs_f64();
    report.round("messages_per_s", messages as f64 / wall);
    report.round("megabytes_per_s", (messages * size) as f64 / wall / 1e6);
    taken.share(&mut report, "ns_per_byte", messages * size, nano);
    taken.share(&mut report, "ns_per_message", messages, nano);
    taken.put(&mut report);
    taken.judge(thread_cpu()? - begin, &mut report);
    gather::part(&mut crowd)?;
    Ok(report)
}

/// Lets every client send, then awaits the pongs. Gives the count of messages.
fn stream(run: &Run, crowd: &mut Crowd, stock: &Stock, until: Until) -> Result<u64, Error> {
    let (quota, end) = match until {
        Until::Messages(quota) => (u64::from(quota) * stock.frame as u64, None),
        Until::Time(time) => (u64::MAX, Some(Instant::now() + time)),
    };
    let mut streams = vec![Stream::default(); crowd.members.len()];
    let mut ear = Ear::default();
    let mut watch = Watch::new(run.stall);
    while ear.answered < streams.len() {
        let over = run.stop.asked() || end.is_some_and(|end| Instant::now() >= end);
        let mut wrote = 0;
        for (number, stream) in streams.iter_mut().enumerate() {
            wrote += stream.push(crowd, number, stock, if over { 0 } else { quota })?;
        }
        let nap = if wrote == 0 { Duration::from_millis(100) } else { Duration::ZERO };
        crowd.turn_within(nap, &mut ear)?;
        if let Some((member, code)) = ear.gone {
            return Err(Error::Closed(member, code));
        }
        let bytes: u64 = streams.iter().map(|stream| stream.bytes).sum();
        watch.check(bytes + ear.answered as u64, "room to send, or the last pong")?;
    }
    Ok(streams.iter().map(|stream| stream.bytes).sum::<u64>() / stock.frame as u64)
}

impl Stream {
    /// Writes once, up to `quota` in all or, beyond it, to the end of the frame begun; then asks.
    /// Gives the bytes written.
    fn push(
        &mut self,
        crowd: &mut Crowd,
        number: usize,
        stock: &Stock,
        quota: u64,
    ) -> Result<usize, Error> {
        let begun = self.at % stock.frame;
        let member = &mut crowd.members[number];
        member.flush()?;
        if self.asked {
            return Ok(0);
        }
        if begun == 0 && self.bytes >= quota {
            self.asked = true;
            let key = crowd.keys.next();
            frame::write(crowd.members[number].out(), Kind::Ping, LAST, key);
            crowd.members[number].flush()?;
            return Ok(0);
        }
        // A pong to a ping of the server waits for the end of the frame that is being written.
        let rest = if begun == 0 { 0 } else { stock.frame - begun };
        let room = if member.out().is_empty() { stock.bytes.len() - self.at } else { rest };
        let left = usize::try_from(quota.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let count = room.min(left.max(rest));
        if count == 0 {
            return Ok(0);
        }
        let wrote = member.write_from(&stock.bytes[self.at..self.at + count])?;
        self.bytes += wrote as u64;
        self.at = (self.at + wrote) % stock.bytes.len();
        member.hold(!self.at.is_multiple_of(stock.frame));
        Ok(wrote)
    }
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

/// Hears the last pongs.
#[derive(Default)]
struct Ear {
    answered: usize,
    gone: Option<(usize, Option<u16>)>,
}

impl Audience for Ear {
    fn pong(&mut self, _member: usize, payload: &[u8]) {
        self.answered += usize::from(payload == LAST);
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
