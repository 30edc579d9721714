//! Clients send as fast as they can; a pong at the end of each proves that the server read all.

use std::time::{Duration, Instant};

use clap::Args;

use super::options::Extent;
use crate::client::{Connections, Events, Keys, Opcode, write_frame};
use crate::error::{Error, usage};
use crate::load::{Ramp, Until, close_all, connect};
use crate::measure::{Interval, Report, Stall};
use crate::run::{Common, Run};
use crate::values::{count, size};

/// The least bytes of a buffer of copies of one masked frame, which is sent repeatedly.
const FRAMES_BYTES: usize = 1 << 20;
/// The payload of the ping after the last message.
const LAST: &[u8] = b"all read?";
const CHINESE: &str = "万物皆有裂痕那是光照进来的地方";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients that send, each in a room of its own.
    #[arg(short = 'p', long, default_value = "1", value_parser = count::<usize>)]
    publishers: usize,
    /// Bytes of a message.
    #[arg(long, default_value = "65536", value_name = "SIZE", value_parser = size::<usize>)]
    size: usize,
    /// Text of Chinese characters, three bytes each, in place of ASCII.
    #[arg(long)]
    chinese: bool,
    #[command(flatten)]
    extent: Extent,
}

/// Sends, and waits for the pongs.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    if options.size == 0 || options.publishers == 0 {
        return usage("one client at least, and one byte in a message");
    }
    run.check_one_thread("inbound has one loop: one is faster than any server")?;
    if options.common.deflate.is_some() {
        return usage(
            "inbound receives no messages, and what clients send is not compressed: leave \
             --deflate out",
        );
    }
    run.check_files(options.publishers)?;
    let (warmup, until) = options.extent.phases(options.publishers)?;
    let mut connections = Connections::new(&run.target, 0)?;
    // In one room each would receive the others' messages, which other commands measure.
    let folder = run.path().trim_end_matches('/');
    let path = |number| format!("{folder}/inbound-{number}");
    let paths: Vec<String> = (0..options.publishers).map(path).collect();
    connect(run, &mut connections, paths.len(), |number| &paths[number], &Ramp::default())?;
    let mut frame = Vec::new();
    let text = text(options.size, options.chinese);
    write_frame(&mut frame, Opcode::Text, &text, Keys::new().next());

    send(run, &mut connections, &frame, warmup)?;
    let interval = Interval::begin(&run.server)?;
    let messages = send(run, &mut connections, &frame, until)?;
    let cost = interval.end()?;

    let mut report = run.report("inbound");
    let (bytes, nano) = (messages * options.size as u64, Duration::from_nanos(1));
    report.put("publishers", options.publishers);
    report.put("size", options.size);
    report.put("chinese", options.chinese);
    report.put("messages", messages);
    cost.put_rate(&mut report, "messages_per_s", messages);
    report.round("megabytes_per_s", bytes as f64 / cost.wall.as_secs_f64() / 1e6);
    cost.put_each(&mut report, "ns_per_byte", bytes, nano);
    cost.put_each(&mut report, "ns_per_message", messages, nano);
    cost.put(&mut report);
    cost.put_limits(&mut report, cost.thread_cpu);
    close_all(&mut connections)?;
    Ok(report)
}

/// Lets every client send one frame again and again, and waits for the pongs. Gives the count of
/// messages.
fn send(
    run: &Run,
    connections: &mut Connections,
    frame: &[u8],
    until: Until,
) -> Result<u64, Error> {
    let frames = frame.repeat((FRAMES_BYTES / frame.len()).max(1));
    let (most, end) = match until {
        Until::Messages(most) => (most as usize, None),
        Until::Time(time) => (usize::MAX, Some(Instant::now() + time)),
    };
    let mut sent = vec![0; connections.count()];
    let mut has_asked = vec![false; connections.count()];
    let mut pongs = Pongs(0);
    let mut stall = Stall::new(run.stall);
    while pongs.0 < sent.len() {
        let is_over = run.interrupt.is_set() || end.is_some_and(|end| Instant::now() >= end);
        let mut has_sent = false;
        for number in 0..sent.len() {
            let connection = connections.at(number);
            if !is_over && sent[number] < most {
                let bytes = frames.len().min((most - sent[number]).saturating_mul(frame.len()));
                let begun = connection.write_frames(&frames[..bytes], frame.len())?;
                sent[number] += begun / frame.len();
                has_sent |= begun > 0;
            } else if !has_asked[number] {
                has_asked[number] = true;
                connection.queue(Opcode::Ping, LAST);
                connection.flush()?;
            }
        }
        let sleep = if has_sent { Duration::ZERO } else { Duration::from_millis(100) };
        connections.turn(sleep, &mut pongs)?;
        let progress = sent.iter().sum::<usize>() + pongs.0;
        stall.check(progress as u64, "the server to read, or the last pong")?;
    }
    Ok(sent.iter().sum::<usize>() as u64)
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

/// Counts the last pongs.
struct Pongs(usize);

impl Events for Pongs {
    fn pong(&mut self, _connection: usize, payload: &[u8]) {
        self.0 += usize::from(payload == LAST);
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
