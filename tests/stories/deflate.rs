//! Compression: members with and without it share rooms.

use crate::client::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, Frame, PING, PONG, RSV1, TEXT, dial,
};
use crate::relay::Relay;
use crate::watch::Samples;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::io::Write;

pub(crate) const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// A client that offers this, and the extensions of the answer.
pub(crate) fn connect(relay: &Relay, path: &str, offer: &str) -> (Client, Option<String>) {
    let request = crate::client::request(path);
    let request = request.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: ") + offer;
    let mut stream = dial(relay.address());
    stream.write_all(format!("{request}\r\n\r\n").as_bytes()).expect("the relay reads");
    let (client, head) = Client::hear_head(stream);
    let answer = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    (client, answer.map(str::to_owned))
}

fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut to = Vec::with_capacity(payload.len() + 100);
    Compress::new(Compression::best(), false)
        .compress_vec(payload, &mut to, FlushCompress::Sync)
        .expect("there is room");
    to.truncate(to.len() - 4);
    to
}

fn inflate(payload: &[u8], state: &mut Decompress) -> String {
    let mut to = Vec::with_capacity(1 << 20);
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    state.decompress_vec(&input, &mut to, FlushDecompress::Sync).expect("sound data");
    String::from_utf8(to).expect("text")
}

/// The next message, which is compressed; gives the text and its bytes on the wire.
pub(crate) fn hear_packed(client: &mut Client) -> (String, usize) {
    let Frame { opcode, payload } = client.hear();
    assert_eq!(opcode, RSV1 | TEXT, "{payload:?}");
    (inflate(&payload, &mut Decompress::new(false)), payload.len())
}

pub(crate) fn ticker(number: u32) -> String {
    let rows =
        (0..8).map(|row| format!("{{\"symbol\":\"S{row}\",\"price\":{}}}", number * 7 + row));
    rows.collect::<Vec<_>>().join(",")
}

#[test]
fn messages_are_compressed_only_if_both_sides_agree() {
    let relay = Relay::start(&[]);
    let (mut other, answer) = connect(&relay, "/", OFFER);
    assert_eq!(answer, None, "it is off unless asked for");
    let mut sender = relay.connect("/");
    sender.send_text(&ticker(1));
    assert_eq!(other.hear_text(), ticker(1));
    sender.send(FIN | RSV1 | TEXT, &deflate(b"hello"));
    assert_eq!(sender.hear_close(), Some(1002));
    let relay = Relay::start(&["--deflate"]);
    for offer in ["x-webkit-deflate-frame", "permessage-deflate; foo", "permessage-deflate; =\""] {
        let (mut client, answer) = connect(&relay, "/", offer);
        assert_eq!(answer, None, "{offer}");
        client.hear_nothing();
    }
}

#[test]
fn members_with_and_without_it_share_a_room() {
    let relay = Relay::start(&["--deflate"]);
    let (mut packed, answer) = connect(&relay, "/", OFFER);
    let answer = answer.expect("it is agreed on");
    assert!(answer.starts_with("permessage-deflate; client_no_context_takeover"), "{answer}");
    // A smaller window is declined.
    let (mut narrow, answer) =
        connect(&relay, "/", "permessage-deflate; server_max_window_bits=10");
    assert_eq!(answer, None);
    let mut plain = relay.connect("/");
    for number in 0..20 {
        let text = ticker(number);
        plain.send_text(&text);
        let (heard, bytes) = hear_packed(&mut packed);
        assert_eq!(heard, text);
        assert!(bytes < text.len() / 2, "{bytes} of {}", text.len());
        assert_eq!(narrow.hear_text(), text);
        packed.send(FIN | RSV1 | TEXT, &deflate(text.as_bytes()));
        assert_eq!(plain.hear_text(), text);
        assert_eq!(narrow.hear_text(), text);
        packed.send_text("short");
        assert_eq!(plain.hear_text(), "short");
        assert_eq!(narrow.hear_text(), "short");
    }
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise: Vec<u8> = noise.take(1000).collect();
    plain.send_binary(&noise);
    assert_eq!(packed.hear(), Frame { opcode: BINARY, payload: noise }, "it does not shrink");
    assert_eq!(narrow.hear().opcode, BINARY);
    packed.hear_nothing();
    narrow.hear_nothing();
    plain.hear_nothing();
}

#[test]
fn compressed_messages_in_pieces_and_empty_ones() {
    let relay = Relay::start(&["--deflate"]);
    let (mut sender, _) = connect(&relay, "/", OFFER);
    let mut other = relay.connect("/");
    let text = "in 三 pieces, in 三 pieces";
    let data = deflate(text.as_bytes());
    sender.send(RSV1 | TEXT, &data[..3]);
    sender.send(FIN | PING, b"?");
    sender.send(CONTINUATION, b"");
    sender.send(FIN | CONTINUATION, &data[3..]);
    assert_eq!(sender.hear(), Frame { opcode: PONG, payload: b"?".to_vec() });
    assert_eq!(other.hear_text(), text);
    sender.send(FIN | RSV1 | BINARY, &deflate(b""));
    assert_eq!(other.hear_binary(), b"");
    sender.send(FIN | RSV1 | TEXT, &deflate(&[b'x'; 65_536]));
    assert_eq!(other.hear_text().len(), 65_536);
}

#[test]
fn a_client_that_keeps_its_context_is_closed_and_may_decline_compression() {
    let relay = Relay::start(&["--deflate"]);
    let (mut keeper, answer) = connect(&relay, "/", OFFER);
    assert!(answer.is_some_and(|answer| answer.contains("client_no_context_takeover")));
    let mut other = relay.connect("/");
    let mut context = Compress::new(Compression::best(), false);
    let mut packed = |text: &str| {
        let mut to = Vec::with_capacity(text.len() + 100);
        context.compress_vec(text.as_bytes(), &mut to, FlushCompress::Sync).expect("there is room");
        to.truncate(to.len() - 4);
        to
    };
    let address = keeper.tcp().local_addr().expect("TCP").to_string();
    keeper.send(FIN | RSV1 | TEXT, &packed(&ticker(1)));
    assert_eq!(other.hear_text(), ticker(1));
    keeper.send(FIN | RSV1 | TEXT, &packed(&ticker(2)));
    let Frame { opcode, payload } = keeper.hear();
    assert_eq!((opcode, &payload[..2]), (CLOSE, &[0x03, 0xef][..]), "1007");
    assert!(payload.ends_with(b"?deflate=off"), "{}", payload.escape_ascii());
    relay.counters_when(|counters| counters.ended("deflate_context") == 1);
    let told = relay.log.lines_with("\"reason\":\"deflate_context\"");
    let told = told.iter().find(|line| line.contains("\"WARN\"")).expect("a warning");
    assert!(told.contains("?deflate=off") && told.contains(&address), "{address}: {told}");
    for path in ["/?deflate=off", "/?a=1&deflate=off"] {
        let (mut again, answer) = connect(&relay, path, OFFER);
        assert_eq!(answer, None, "{path}");
        again.send_text(&ticker(3));
        assert_eq!(other.hear_text(), ticker(3));
        again.send(FIN | RSV1 | TEXT, &deflate(b"what was not agreed on"));
        assert_eq!(again.hear_close(), Some(1002));
    }
}

#[test]
fn broken_compression_ends_only_its_sender() {
    let relay = Relay::start(&["--deflate", "--max-message", "10000"]);
    let mut other = relay.connect("/");
    let bomb = deflate(&vec![0; 8_000_000]);
    assert!(bomb.len() < 10_000);
    let cases: [(u8, &[u8], u16); 6] = [
        (FIN | RSV1 | BINARY, &bomb, 1009),
        (FIN | RSV1 | TEXT, &deflate(&[b'x'; 10_001]), 1009),
        (FIN | RSV1 | TEXT, b"\x07no deflate", 1007),
        (FIN | RSV1 | TEXT, &deflate(b"\xff"), 1007),
        (FIN | RSV1 | PING, b"", 1002),
        (FIN | RSV1 | CONTINUATION, b"", 1002),
    ];
    for (first, payload, code) in cases {
        let (mut sender, _) = connect(&relay, "/", OFFER);
        sender.send(first, payload);
        assert_eq!(sender.hear_close(), Some(code), "{first:#x}");
    }
    other.hear_nothing();
}

/// Few bytes that inflate to more than a log takes at a time: they are relayed in parts.
#[test]
fn a_burst_that_inflates_to_more_than_a_log_is_relayed_in_parts() {
    let relay = Relay::start(&["--deflate", "--room-log", "3000000"]);
    let (mut sender, _) = connect(&relay, "/", OFFER);
    let mut other = relay.connect("/");
    let data = deflate(&[b'x'; 60_000]);
    let frame = crate::client::frame(FIN | RSV1 | TEXT, &data);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..40 {
                assert_eq!(other.hear_text().len(), 60_000);
            }
            assert_eq!(other.hear_text(), "the end");
        });
        sender.send_raw(&frame.repeat(40));
        sender.send_text("the end");
    });
    sender.hear_nothing();
}

/// The bytes of a text on the wire for a listener of such a relay, and the agreement.
fn packed_by(flags: &[&str], text: &str) -> (usize, String) {
    let relay = Relay::start(&[&["--deflate"], flags].concat());
    let (mut listener, answer) = connect(&relay, "/", OFFER);
    relay.connect("/").send_text(text);
    let Frame { opcode, payload } = listener.hear();
    match opcode {
        TEXT => assert_eq!(payload, text.as_bytes()),
        _ => assert_eq!(inflate(&payload, &mut Decompress::new(false)), text),
    }
    (payload.len(), answer.expect("it is agreed on"))
}

#[test]
fn each_flag_reaches_the_compressor() {
    let (short, long) = ("x".repeat(127), (0..200).map(quote).collect::<String>());
    let agreed = |flags: &[&str]| packed_by(flags, &short);
    assert_eq!(agreed(&[]).0, 127, "shorter than the default");
    assert!(agreed(&["--deflate-min", "127"]).0 < 20);
    assert_eq!(agreed(&["--deflate-min", "128"]).0, 127);
    let forgets = "server_no_context_takeover";
    assert!(!agreed(&[]).1.contains(forgets));
    assert!(agreed(&["--deflate-memory", "0"]).1.contains(forgets));
    let [least, usual, most] =
        ["1", "6", "9"].map(|level| packed_by(&["--deflate-level", level], &long).0);
    assert!(least > usual && usual >= most, "{least} {usual} {most}");
    assert_eq!(packed_by(&[], &long).0, usual, "6 is the default");
}

/// A stock ticker's message: only the numbers change.
fn quote(number: u32) -> String {
    let noise = number.wrapping_mul(2_654_435_761) >> 8;
    format!(
        "{{\"type\":\"quote\",\"symbol\":\"FANF\",\"currency\":\"EUR\",\"exchange\":\"XETR\",\
         \"open\":101.25,\"high\":109.87,\"low\":98.12,\"bid\":{},\"ask\":{},\"volume\":{noise},\
         \"time\":{}}}",
        noise % 9973,
        noise % 9967,
        1_700_000_000 + number
    )
}

/// Twelve members that do not publish share a context; a new one and a publisher get messages that
/// are compressed by themselves.
#[test]
fn members_that_do_not_publish_share_a_context() {
    let relay = Relay::start(&["--deflate"]);
    let mut speaker = relay.connect("/");
    let listen = || {
        let (client, answer) = connect(&relay, "/", OFFER);
        assert!(answer.is_some_and(|answer| !answer.contains("server_no_context_takeover")));
        (client, Decompress::new(false), 0)
    };
    let mut listeners: Vec<_> = (0..12).map(|_| listen()).collect();
    let mut forgetful = connect(&relay, "/", "permessage-deflate; server_no_context_takeover").0;
    let hear = |(client, state, bytes): &mut (Client, Decompress, usize), text: &str| {
        let Frame { opcode, payload } = client.hear();
        *bytes += payload.len();
        match opcode {
            TEXT => assert_eq!(payload, text.as_bytes()),
            _ => assert_eq!(inflate(&payload, state), text),
        }
    };
    let (mut alone_bytes, mut number) = (0, 0);
    // Until the first second is over; members that share get fewer bytes.
    while listeners.iter().any(|listener| listener.2 * 5 > alone_bytes * 2) || number < 100 {
        let text = quote(number);
        speaker.send_text(&text);
        listeners.iter_mut().for_each(|listener| hear(listener, &text));
        let (heard, bytes) = hear_packed(&mut forgetful);
        assert_eq!(heard, text);
        alone_bytes += bytes;
        number += 1;
        assert!(number < 100_000, "they never share");
    }
    // One of them publishes: all others receive it, and it receives later messages.
    let said = quote(number);
    listeners[0].0.send_text(&said);
    assert_eq!(speaker.hear_text(), said);
    listeners[1..].iter_mut().for_each(|listener| hear(listener, &said));
    assert_eq!(hear_packed(&mut forgetful).0, said);
    listeners.push(listen());
    for number in number..number + 100 {
        let text = quote(number);
        speaker.send_text(&text);
        listeners.iter_mut().for_each(|listener| hear(listener, &text));
        assert_eq!(hear_packed(&mut forgetful).0, text);
    }
    listeners.iter_mut().for_each(|listener| listener.0.hear_nothing());
}

/// A frame's bytes on the wire.
fn frame_bytes(payload_bytes: usize) -> usize {
    payload_bytes + if payload_bytes < 126 { 2 } else { 4 }
}

/// A message as a listener gets it: compressed or not, and its payload's bytes.
fn hear_quote((client, state): &mut (Client, Decompress), text: &str) -> (bool, usize) {
    let Frame { opcode, payload } = client.hear();
    match opcode {
        TEXT => assert_eq!(payload, text.as_bytes()),
        _ => assert_eq!(inflate(&payload, state), text),
    }
    (opcode != TEXT, payload.len())
}

/// The counters of a context: messages compressed and not, bytes in, out and saved.
fn counted(metrics: &Samples, context: &str) -> [f64; 5] {
    let names = [
        "compressed_messages",
        "uncompressed_messages",
        "compression_in_bytes",
        "compression_out_bytes",
        "compression_saved_bytes",
    ];
    names.map(|name| metrics.get(&format!("fanfare_{name}_total{{context=\"{context}\"}}")))
}

#[test]
fn its_savings_are_counted_exactly() {
    let relay = Relay::start_watched(&["--deflate", "--deflate-share-min", "2"]);
    let mut speaker = relay.connect("/");
    let listen = |offer| (connect(&relay, "/", offer).0, Decompress::new(false));
    let [mut one, mut two] = [OFFER; 2].map(listen);
    let mut forgetful = listen("permessage-deflate; server_no_context_takeover");
    let mut number = 0;
    let before = loop {
        let text = quote(number);
        speaker.send_text(&text);
        assert_eq!(hear_quote(&mut one, &text), hear_quote(&mut two, &text));
        forgetful.1.reset(false);
        hear_quote(&mut forgetful, &text);
        let metrics = relay.metrics();
        if metrics.get("fanfare_sharing_members") == 2.0 {
            break metrics;
        }
        number += 1;
        assert!(number < 100_000, "they never share");
    };
    let limit = before.get("fanfare_compressors_limit");
    assert_eq!((before.get("fanfare_compressors"), limit), (1.0, 51.0));
    let (mut shared, mut alone, mut sent) = ([0; 5], [0; 5], 0);
    let texts = (1000..1020).map(quote).chain(["short".to_owned()]);
    for text in texts {
        speaker.send_text(&text);
        forgetful.1.reset(false);
        let with_context = hear_quote(&mut one, &text);
        assert_eq!(hear_quote(&mut two, &text), with_context);
        let by_itself = hear_quote(&mut forgetful, &text);
        for (counts, (is_packed, bytes), hearers) in
            [(&mut shared, with_context, 2), (&mut alone, by_itself, 1)]
        {
            let saved = (frame_bytes(text.len()) - frame_bytes(bytes)) * hearers;
            let more = [is_packed.into(), (!is_packed).into(), text.len(), bytes, saved];
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            sent += frame_bytes(bytes) * hearers;
        }
    }
    let after = relay.metrics();
    for (context, expected) in [("shared", shared), ("none", alone)] {
        let (before, after) = (counted(&before, context), counted(&after, context));
        let moved: Vec<f64> =
            before.iter().zip(after).map(|(before, after)| after - before).collect();
        assert_eq!(moved, expected.map(|count| count as f64), "{context}");
        assert_eq!(expected[..2], [20, 1]);
    }
    let moved = |name: &str| after.get(name) - before.get(name);
    assert_eq!(moved("fanfare_sent_bytes_total"), sent as f64);
    assert_eq!(moved("fanfare_context_resets_total"), 0.0);
    let saved = counted(&after, "none")[4] + counted(&after, "shared")[4];
    assert_eq!(relay.counters().get("saved_bytes") as f64, saved);
    // A member joins: the context is reset for all.
    let mut three = listen(OFFER);
    let mut number = 2000;
    while relay.metrics().get("fanfare_sharing_members") < 3.0 {
        let text = quote(number);
        speaker.send_text(&text);
        for listener in [&mut one, &mut two, &mut three] {
            hear_quote(listener, &text);
        }
        number += 1;
        assert!(number < 100_000, "it never comes in");
    }
    assert!(relay.metrics().get("fanfare_context_resets_total") >= 1.0);
}
