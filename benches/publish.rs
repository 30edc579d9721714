//! One message through the whole core to 10² … 10⁶ pretend members: `cargo bench --bench publish`.
//!
//! The log is measured where it is reached: `append` is a message that is read, checked and stored;
//! `gather` is the cost of finding one member's pending output, and of noting that it was written.

mod pretend;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pretend::{Room, frame};

/// Bytes of a message.
const SIZE: usize = 64;
/// Messages appended before they are written: one write takes them all.
const BURST: u32 = 500;

fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    let message = frame(0x81, &[b'x'; SIZE]);
    for members in [100, 1_000, 10_000, 100_000, 1_000_000] {
        let mut room = Room::of(members);
        group.throughput(Throughput::Elements(members as u64 - 1));
        group.bench_function(BenchmarkId::from_parameter(members), |bench| {
            bench.iter(|| {
                let writes = room.publish(&mut message.clone());
                assert_eq!(writes, members - 1);
            });
        });
    }
}

fn log(c: &mut Criterion) {
    let mut group = c.benchmark_group("log");
    let message = frame(0x81, &[b'x'; SIZE]);
    let mut room = Room::of(2);
    let mut split = |rounds: u64| {
        let (mut append, mut gather) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..rounds {
            let mut bytes = message.repeat(BURST as usize);
            let start = Instant::now();
            bytes.chunks_mut(message.len()).for_each(|one| room.receive(room.members[0], one));
            append += start.elapsed();
            let start = Instant::now();
            assert_eq!(room.flush(), 1);
            gather += start.elapsed();
        }
        (append / BURST, gather)
    };
    group.bench_function("append", |bench| bench.iter_custom(|rounds| split(rounds).0));
    group.bench_function("gather", |bench| bench.iter_custom(|rounds| split(rounds).1));
}

criterion_group!(benches, publish, log);
criterion_main!(benches);
