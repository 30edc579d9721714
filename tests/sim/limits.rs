//! Limits that a world has, drawn at random.

use crate::random::Random;
use fanfare::relay::{
    Access, Deflate, Encoding, Heartbeat, Limits, OverRate, Rates, SlowConsumer, TrustedProxies,
};

/// Narrow limits that agree with each other.
pub fn draw(random: &mut Random, access: Access) -> Limits {
    let room_log_bytes_max = random.between(64, 200) * 1024;
    // In JSON a message may grow sixfold, and four of them must fit.
    let message_bytes_max = random.between(100, room_log_bytes_max / 4 / 6 - 20);
    Limits {
        connections_max: 40,
        connections_per_address_max: 5,
        trusted_proxies: TrustedProxies {
            ranges: vec!["10.0.0.0/8".parse().expect("a range")],
            ..TrustedProxies::default()
        },
        rooms_max: 3,
        message_bytes_max,
        room_log_bytes_max,
        logs_bytes_max: random.between(room_log_bytes_max, 3 * room_log_bytes_max),
        held_bytes_max: *random.pick(&[1 << 26, 1 << 26, 5_000.max(2 * message_bytes_max)]),
        slow_consumer: *random.pick(&[SlowConsumer::Close, SlowConsumer::Skip]),
        message_timeout_ms: random.between(5_000, 60_000) as u64,
        handshakes_per_s_max: *random.pick(&[0, 0, 20]),
        rates: Rates {
            messages_per_s: *random.pick(&[0, 0, 50]),
            bytes_per_s: *random.pick(&[0, 0, 40_000]),
            over: *random.pick(&[OverRate::Pause, OverRate::Close]),
        },
        echo: random.one_in(4),
        access,
        encoding: Encoding::Raw,
        deflate: match random.one_in(4) {
            true => Deflate { share_min: 2, ..Deflate::default() },
            false => Deflate {
                is_on: true,
                message_bytes_min: *random.pick(&[0, 20, 128]),
                level: *random.pick(&[1, 6, 9]),
                window_bits: *random.pick(&[9, 12, 15, 15]),
                share_min: random.between(1, 5),
                memory_bytes_max: *random.pick(&[0, 330_000, 1 << 20]),
            },
        },
        heartbeat: Some(Heartbeat { word: "ping".into(), answer: "pong".into() }),
        ..Limits::default()
    }
}
