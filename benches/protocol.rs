//! Frames, masks, text and the upgrade: `cargo bench --bench protocol`.

#[allow(dead_code, reason = "rooms are for other benches")]
mod pretend;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::protocol::http::head;
use fanfare::protocol::ws::{mask, upgrade, utf8};
use fanfare::protocol::{Accepts, Parser};

/// Every read of the server fits into this.
const BUFFER_BYTES: usize = 256 * 1024;
const TEXTS: [(&str, &str); 3] =
    [("ascii", "the quick brown fox "), ("chinese", "万物皆有裂痕那是光"), ("emoji", "🎺🎉👩‍🚀")];

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames decoded from one buffer");
    for (kind, first) in [("text", 0x81), ("binary", 0x82)] {
        for size in [64, 125, 1_024, 16_384, 65_536] {
            let frame = pretend::frame(first, &vec![b'x'; size]);
            let buffer = frame.repeat(BUFFER_BYTES / frame.len());
            group.throughput(Throughput::Bytes(buffer.len() as u64));
            group.bench_function(format!("{kind}/{size}"), |bench| {
                let decode = |buffer: &mut Vec<u8>| {
                    let accepts = Accepts { message_bytes_max: 1 << 20, compressed: false };
                    let (mut parser, mut at, mut count) = (Parser::default(), 0, 0);
                    while let Ok(Some(event)) = parser.next(buffer, &mut at, accepts) {
                        black_box(&event);
                        count += 1;
                    }
                    assert_eq!(count, BUFFER_BYTES / frame.len());
                };
                bench.iter_batched_ref(|| buffer.clone(), decode, BatchSize::LargeInput);
            });
        }
    }
}

fn unmask(c: &mut Criterion) {
    let mut group = c.benchmark_group("unmask");
    for size in [16, 125, 1_024, 65_536] {
        let mut bytes = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(size.to_string(), |bench| {
            bench.iter(|| mask::unmask(black_box(&mut bytes), [1, 2, 3, 4], 0));
        });
    }
}

fn text(c: &mut Criterion) {
    let mut group = c.benchmark_group("utf8");
    for (name, sample) in TEXTS {
        for size in [125, 65_536] {
            let text = sample.repeat(size / sample.len());
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(format!("{name}/{size}"), |bench| {
                bench.iter(|| assert!(utf8::is_text(black_box(text.as_bytes()))));
            });
        }
    }
}

fn handshake(c: &mut Criterion) {
    c.bench_function("upgrade: head to answer", |bench| {
        let mut answer = Vec::new();
        bench.iter(|| {
            answer.clear();
            let head = head::parse(black_box(pretend::REQUEST)).expect("a head");
            let Ok(upgrade::Request::Upgrade { accept, .. }) = upgrade::judge(&head) else {
                panic!("it is an upgrade");
            };
            upgrade::switching_protocols(&accept, None, None, &mut answer);
            assert!(answer.starts_with(b"HTTP/1.1 101"));
        });
    });
}

criterion_group!(benches, frames, unmask, text, handshake);
criterion_main!(benches);
