//! Memory of a room with very many pretend members: `cargo bench --bench memory`.
//!
//! Resident memory of this process, as the kernel counts it. A million members must fit into
//! 100 MB, the identities that a server keeps of them included.

mod pretend;

use std::fs;

use pretend::{Room, frame};

/// What a million members may take.
const MILLION_BYTES_MAX: u64 = 100_000_000;

fn main() {
    println!("members    resident bytes   per member");
    let message = frame(0x81, &[b'x'; 64]);
    for members in [1_000, 10_000, 100_000, 1_000_000] {
        let before = resident();
        let mut room = Room::of(members);
        assert_eq!(room.publish(&mut message.clone()), members - 1);
        let taken = resident().saturating_sub(before);
        println!("{members:<10} {taken:<16} {:.1}", taken as f64 / members as f64);
        assert!(taken < MILLION_BYTES_MAX, "{members} members take {taken} bytes");
        drop(room);
    }
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1_024
}
