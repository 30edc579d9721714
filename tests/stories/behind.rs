//! Members that do not read: the others are served, and memory stays bounded.

use crate::client::{CLOSE, Client, Frame, TEXT};
use crate::relay::Relay;

/// A little more than the least log for these messages.
const ROOM_LOG: u64 = 512 * 1024;
const MESSAGE_BYTES: usize = 32 * 1024;
const FLAGS: [&str; 4] = ["--room-log", "524288", "--close-timeout", "20"];

/// A message that contains its number, and is checked for completeness.
fn numbered(number: u64) -> String {
    format!("{number:08} {}", "x".repeat(MESSAGE_BYTES - 10)) + "!"
}

fn number_of(message: &str) -> u64 {
    let number = message[..8].parse().expect("its number");
    assert!(message == numbered(number), "{number} is not whole");
    number
}

/// Sends the next message, and receives it at a member that reads.
fn say(number: u64, publisher: &mut Client, reader: &mut Client) {
    let message = numbered(number);
    publisher.send_text(&message);
    assert!(reader.hear_text() == message, "a reader loses nothing");
}

#[test]
fn a_member_that_never_reads_is_closed_and_the_others_miss_nothing() {
    let relay = Relay::start(&FLAGS);
    let mut slow = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    // The log grows until the slow member is closed, and is empty then.
    let (mut said, mut log_bytes_max) = (0, 0);
    loop {
        say(said, &mut publisher, &mut reader);
        said += 1;
        let log_bytes = relay.counters().get("log_bytes");
        assert!(log_bytes <= ROOM_LOG);
        log_bytes_max = log_bytes_max.max(log_bytes);
        if log_bytes == 0 && log_bytes_max > ROOM_LOG / 8 * 7 {
            break;
        }
    }
    say(said, &mut publisher, &mut reader);
    // Messages on their way arrive complete and in order, then the close frame.
    let mut heard = 0;
    let code = loop {
        match slow.hear() {
            Frame { opcode: TEXT, payload } => {
                let message = String::from_utf8(payload).expect("text");
                assert_eq!(number_of(&message), heard);
                heard += 1;
            }
            Frame { opcode, payload } => {
                assert_eq!(opcode, CLOSE);
                break payload;
            }
        }
    };
    assert!(heard > 0 && heard < said, "{heard} of {said}");
    assert_eq!(code, [&1013u16.to_be_bytes()[..], b"slow consumer"].concat());
    slow.send_close(1013);
    slow.hear_end();
    let counters = relay.counters();
    assert_eq!((counters.ended("slow_consumer"), counters.get("cut")), (1, 0));
    assert_eq!((counters.get("connections"), counters.get("skipped")), (2, 0));
    publisher.hear_nothing();
}

#[test]
fn a_member_that_reads_nothing_is_cut_after_the_close_timeout() {
    let relay = Relay::start(&["--room-log", "524288", "--close-timeout", "1"]);
    let _slow = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    let mut said = 0;
    while relay.counters().ended("slow_consumer") == 0 {
        say(said, &mut publisher, &mut reader);
        said += 1;
    }
    let counters = relay.counters();
    assert_eq!((counters.get("cut"), counters.get("connections")), (1, 2));
}

#[test]
fn a_slow_member_that_ends_its_side_gets_the_rest_of_its_frame() {
    let relay = Relay::start(&FLAGS);
    let mut slow = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    let mut said = 0;
    while relay.counters().get("log_bytes") < ROOM_LOG / 2 {
        say(said, &mut publisher, &mut reader);
        said += 1;
    }
    slow.shut();
    // The relay keeps only the rest of that frame for it.
    relay.counters_when(|counters| counters.get("log_bytes") == 0);
    let mut heard = 0;
    while !slow.has_ended() {
        assert_eq!(number_of(&slow.hear_text()), heard);
        heard += 1;
    }
    assert!((1..said).contains(&heard), "{heard} of {said}");
    relay.counters_when(|counters| counters.ended("end_of_stream") == 1);
    say(said, &mut publisher, &mut reader);
}

#[test]
fn with_skip_a_slow_member_misses_the_oldest_messages_and_stays() {
    let relay = Relay::start(&[&FLAGS[..], &["--slow-consumer", "skip"]].concat());
    let mut slow = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    let mut said = 0;
    while relay.counters().get("skipped") < 30 {
        say(said, &mut publisher, &mut reader);
        said += 1;
    }
    let skipped = relay.counters().get("skipped");
    let mut heard = vec![number_of(&slow.hear_text())];
    while heard.last() != Some(&(said - 1)) {
        heard.push(number_of(&slow.hear_text()));
    }
    assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
    assert_eq!(heard[0], 0);
    assert_eq!(heard.len() as u64 + skipped, said, "each is heard or counted: {heard:?}");
    slow.hear_nothing();
    // It receives all messages again.
    publisher.send_text("and now?");
    assert_eq!((slow.hear_text(), reader.hear_text()), ("and now?".into(), "and now?".into()));
    slow.send_text("all well");
    assert_eq!(publisher.hear_text(), "all well");
    assert_eq!(relay.counters().get("skipped"), skipped);
}

#[test]
fn a_member_that_does_not_read_is_not_read_until_it_does() {
    const WORDS: u64 = 20;
    let relay = Relay::start(&[]);
    let mut deaf = relay.connect_narrow("/");
    let [mut other, mut reader] = relay.connect_all("/");
    let mut said = 0;
    while relay.counters().get("log_bytes") < 1_000_000 {
        say(said, &mut other, &mut reader);
        said += 1;
    }
    // Each of its messages between two of the other's is a place in the log that must be left out
    // for it: the relay notes a few of them.
    let mut words_heard = 0;
    for word in 0..WORDS {
        deaf.send_text(&format!("word {word}"));
        other.send_text(&numbered(said));
        loop {
            let heard = reader.hear_text();
            if !heard.starts_with("word") {
                assert_eq!(number_of(&heard), said);
                break;
            }
            words_heard += 1;
        }
        said += 1;
    }
    assert!((1..WORDS / 2).contains(&words_heard), "{words_heard} words were listened to");
    for number in 0..said {
        assert_eq!(number_of(&deaf.hear_text()), number);
    }
    // It has read everything: the rest of its messages is relayed, each once and in order.
    for word in 0..WORDS {
        assert_eq!(other.hear_text(), format!("word {word}"));
    }
    deaf.hear_nothing();
    other.hear_nothing();
}
