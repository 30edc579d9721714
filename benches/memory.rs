//! Memory of a room with a million pretend members: `cargo bench --bench memory`.
//!
//! Resident memory of this process, as the kernel counts it, the identities that a server keeps of
//! the members included. It may be 5 % more than docs/measurements.md says, no more: a figure that
//! nobody compares grows. Only one room is measured: what another one left behind would be counted
//! neither as its own nor as the next one's.

mod pretend;

use std::fs;

use pretend::{Room, frame};

const MEMBERS: usize = 1_000_000;

fn main() {
    let message = frame(0x81, &[b'x'; 64]);
    let before = resident();
    let mut room = Room::of(MEMBERS);
    assert_eq!(room.publish(&mut message.clone()), MEMBERS - 1);
    let taken = resident() - before;
    println!("a million members: {taken} bytes resident");
    let documented = documented_bytes();
    assert!(
        taken * 100 <= documented * 105,
        "a million members take {taken} bytes; docs/measurements.md says {documented}"
    );
}

/// What the document says that a million members take.
fn documented_bytes() -> u64 {
    let page = include_str!("../docs/measurements.md");
    let (_, row) = page.split_once("| a million members, resident | ").expect("there is a row");
    let (megabytes, _) = row.split_once(" MB").expect("it begins with so many MB");
    let megabytes: f64 = megabytes.parse().expect("a number");
    (megabytes * 1e6) as u64
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1_024
}
