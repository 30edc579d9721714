//! Messages, from one member to the others.

use crate::client::{BINARY, CONTINUATION, FIN, Frame, PING, PONG, TEXT};
use crate::relay::Relay;

#[test]
fn all_others_receive_each_message_once_unchanged_and_in_order() {
    let relay = Relay::start(&[]);
    let [mut sender, mut others @ ..] = relay.connect_all::<5>("/");
    let lengths = [0, 1, 125, 126, 127, 4096, 65_535, 65_536].into_iter().cycle().take(80);
    let letters = ('a'..='z').cycle();
    let messages: Vec<String> =
        lengths.zip(letters).map(|(len, letter)| letter.to_string().repeat(len)).collect();
    let hearers: Vec<_> = std::thread::scope(|scope| {
        let hear = |other: &mut crate::client::Client| -> Vec<String> {
            messages.iter().map(|_| other.hear_text()).collect()
        };
        let threads: Vec<_> =
            others.iter_mut().map(|other| scope.spawn(move || hear(other))).collect();
        messages.iter().for_each(|message| sender.send_text(message));
        threads.into_iter().map(|thread| thread.join().expect("they hear")).collect()
    });
    for heard in hearers {
        assert!(heard == messages);
    }
    others.iter_mut().for_each(|other| other.hear_nothing());
    sender.hear_nothing();
    let counters = relay.counters();
    assert_eq!(counters.get("messages"), 80);
    assert_eq!(counters.get("deliveries"), 80 * 4);
    assert_eq!(counters.get("log_bytes"), 0, "without pending output there is no log");
}

#[test]
fn text_stays_text_and_binary_stays_binary() {
    let relay = Relay::start(&[]);
    let [mut sender, mut other] = relay.connect_all("/");
    let bytes: Vec<u8> = (0..=255).collect();
    let text = "fanfare 你好 🎺 \u{0}\u{feff}";
    for _ in 0..3 {
        sender.send_text(text);
        sender.send_binary(&bytes);
        sender.send_binary(text.as_bytes());
        assert_eq!(other.hear_text(), text);
        assert_eq!(other.hear_binary(), bytes);
        assert_eq!(other.hear_binary(), text.as_bytes());
    }
}

#[test]
fn fragments_arrive_as_one_frame_and_a_ping_between_them_is_answered_at_once() {
    let relay = Relay::start(&[]);
    let [mut sender, mut other] = relay.connect_all("/");
    let text = "in 三 pieces";
    let (first, rest) = text.as_bytes().split_at(4);
    let (second, third) = rest.split_at(1);
    sender.send(TEXT, first);
    sender.send(CONTINUATION, second);
    sender.send(FIN | PING, b"still there?");
    assert_eq!(sender.hear(), Frame { opcode: PONG, payload: b"still there?".to_vec() });
    other.hear_nothing();
    sender.send(CONTINUATION, b"");
    sender.send(FIN | CONTINUATION, third);
    assert_eq!(other.hear_text(), text);
    sender.send(BINARY, b"\xff");
    sender.send(FIN | CONTINUATION, b"");
    assert_eq!(other.hear_binary(), b"\xff");
    other.hear_nothing();
}

#[test]
fn a_frame_that_comes_byte_by_byte_is_relayed() {
    let relay = Relay::start(&[]);
    let [mut sender, mut other] = relay.connect_all("/");
    let frame = crate::client::frame(FIN | TEXT, &[b'x'; 130]);
    for byte in &frame[..frame.len() - 1] {
        sender.send_raw(&[*byte]);
        // The pong proves that the byte before it was read.
        other.hear_nothing();
    }
    sender.send_raw(&frame[frame.len() - 1..]);
    assert_eq!(other.hear_text(), "x".repeat(130));
}

#[test]
fn with_echo_the_sender_receives_its_messages_among_the_others() {
    let relay = Relay::start(&["--echo"]);
    let [mut one, mut two] = relay.connect_all("/");
    one.send_text("from one");
    assert_eq!((one.hear_text(), two.hear_text()), ("from one".into(), "from one".into()));
    two.send_binary(b"from two");
    assert_eq!((one.hear_binary(), two.hear_binary()), (b"from two".into(), b"from two".into()));
    let mut alone = relay.connect("/alone");
    alone.send_text("hello?");
    assert_eq!(alone.hear_text(), "hello?");
}

#[test]
fn with_json_each_text_is_a_json_string_in_phps_spelling() {
    let relay = Relay::start(&["--json"]);
    let [mut sender, mut other] = relay.connect_all("/");
    let cases = [
        (r#"{"a":1}"#, r#""{\"a\":1}""#),
        ("", r#""""#),
        ("a/b\\c\n", r#""a\/b\\c\n""#),
        ("é你🎺\u{7f}", "\"\\u00e9\\u4f60\\ud83c\\udfba\u{7f}\""),
    ];
    for (said, heard) in cases {
        sender.send_text(said);
        assert_eq!(other.hear_text(), heard);
    }
    // The largest message, grown sixfold.
    sender.send_text(&"\u{1}".repeat(65_536));
    assert_eq!(other.hear_text(), format!("\"{}\"", "\\u0001".repeat(65_536)));
    sender.hear_nothing();
}

#[test]
fn with_json_there_are_no_binary_messages() {
    let relay = Relay::start(&["--json"]);
    let [mut sender, mut other] = relay.connect_all("/");
    sender.send_binary(b"\x00");
    assert_eq!(sender.hear_close(), Some(1003));
    sender.hear_end();
    other.hear_nothing();
    drop(sender);
    relay.counters_when(|counters| counters.ended("binary_in_json") == 1);
}

#[test]
fn a_heartbeat_is_answered_to_its_sender_alone() {
    let relay = Relay::start(&["--heartbeat", "ping=pong"]);
    let [mut sender, mut other] = relay.connect_all("/");
    sender.send_text("ping");
    assert_eq!(sender.hear_text(), "pong");
    other.hear_nothing();
    // Only exactly this text is a heartbeat.
    for text in ["ping ", "Ping", "pong", ""] {
        sender.send_text(text);
        assert_eq!(other.hear_text(), text);
    }
    sender.send_binary(b"ping");
    assert_eq!(other.hear_binary(), b"ping");
    // In fragments it is the same text.
    sender.send(TEXT, b"pi");
    sender.send(FIN | CONTINUATION, b"ng");
    assert_eq!(sender.hear_text(), "pong");
    assert_eq!(relay.counters().get("heartbeats"), 2);
}
