//! Input that is kept until its time.

use super::*;
use crate::protocol::ws::deflate::{Deflater, IS_BUILT_IN};
use crate::relay::input::pause::KEPT_READ_BYTES_MAX;
use crate::relay::pretend::Pretend;
use crate::relay::{Limits, Order};

#[test]
fn what_is_beyond_the_rate_is_kept_until_its_time() {
    let mut limits = Limits::default();
    (limits.rates.messages_per_s, limits.connections_per_address_max) = (10, 0);
    let (mut relay, now) = (Relay::new(limits), Time::from_millis(1));
    let id = relay.accepted(None, now).expect("there is room");
    let head = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    relay.receive(id, &mut head.to_vec(), now);
    assert_eq!(relay.begin_read(id), Some(KEPT_READ_BYTES_MAX));
    let mut pings = b"\x89\x80\0\0\0\0".repeat(2_000);
    relay.receive(id, &mut pings, now);
    assert_eq!(relay.begin_read(id), None, "it sent too much");
    // Eleven are paid for after 1.1 seconds, and a debt of a second is allowed.
    assert_eq!(relay.paused.next_step(), Some(Time::from_millis(1 + 100)));
    assert_eq!(relay.backlog_bytes(id), Some((2_000 - 11) * 6));
}

#[test]
fn each_frame_counts_whatever_it_is() {
    let pong = b"\x8a\x80\0\0\0\0".repeat(2_000);
    let fragments = [b"\x02\x80\0\0\0\0".to_vec(), b"\0\x80\0\0\0\0".repeat(2_000)].concat();
    for mut flood in [pong, fragments] {
        let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
        limits.rates.messages_per_s = 10;
        let mut pretend = Pretend::with(limits);
        let id = pretend.join("/");
        let all_bytes = flood.len();
        pretend.relay.receive(id, &mut flood, Time::default());
        assert_eq!(pretend.relay.begin_read(id), None);
        assert_eq!(pretend.relay.backlog_bytes(id), Some(all_bytes - 11 * 6));
    }
}

/// It is alone in its room, so nothing but its own messages keeps the relay awake.
#[test]
fn what_waits_for_packing_time_is_read_on_at_once() {
    if !IS_BUILT_IN {
        return;
    }
    let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
    limits.deflate.is_on = true;
    let mut pretend = Pretend::with(limits);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let id = pretend.join_offering("/", offer);
    pretend.turn();
    let mut packed = Vec::new();
    assert!(Deflater::new(6, 15).deflate(&[b'x'; 60_000], &mut packed));
    let length = u8::try_from(packed.len()).expect("a short frame");
    let frame = [&[0xc1, 0x80 | length, 0, 0, 0, 0], &packed[..]].concat();
    assert!(pretend.relay.begin_read(id).is_some());
    pretend.relay.receive(id, &mut frame.repeat(100), Time::default());
    assert!(pretend.relay.backlog_bytes(id) > Some(0), "a read has time for some of them");
    let mut turns = 0;
    while pretend.relay.backlog_bytes(id).is_some() {
        assert_eq!(pretend.relay.next_deadline(), Some(Time::default()), "it does not sleep");
        pretend.relay.turn(Time::default());
        assert_eq!(pretend.relay.order(), Some(Order::Resume(id)));
        assert_eq!(pretend.relay.order(), None);
        pretend.relay.begin_read(id);
        pretend.relay.check_invariants();
        turns += 1;
    }
    assert_eq!((turns, pretend.relay.metrics().messages), (19, 100));
}
