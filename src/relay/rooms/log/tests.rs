//! Logs against plain lists.

use super::*;
use crate::protocol::Kind;
use crate::protocol::ws::frame::{self, Opcode};
use crate::relay::rooms::unit::Frame;
use proptest::prelude::*;

const MAX: usize = 16 * 1024;

#[test]
fn an_idle_log_holds_nothing() {
    let (mut log, mut pool) = (Log::new(frame::measure), Pool::default());
    for _ in 0..1000 {
        log.append(Frame::new(Kind::Text, false, &[b'x'; 100]), MAX, (0, 0), &mut pool);
    }
    assert!(log.held_bytes() > 0);
    log.enter(102);
    log.settle(log.end(), &mut pool);
    assert_eq!(log.start(), 0, "somebody still reads");
    log.leave(102, &mut pool);
    assert_eq!((log.held_bytes(), log.start()), (0, log.end()));
    log.append(Frame::new(Kind::Text, false, b"hello"), MAX, (0, 0), &mut pool);
    assert_eq!(log.held_bytes(), MAX, "it has learned how much is said at a time");
}

#[test]
fn a_large_frame_has_a_segment_of_its_own() {
    let (mut log, mut pool) = (Log::new(frame::measure), Pool::default());
    log.append(Frame::new(Kind::Text, false, b"a"), MAX, (0, 0), &mut pool);
    log.append(Frame::new(Kind::Binary, false, &[0; MAX]), MAX, (0, 0), &mut pool);
    log.append(Frame::new(Kind::Text, false, b"b"), MAX, (0, 0), &mut pool);
    assert_eq!(log.segments.len(), 3);
    assert!(log.held_bytes() < 2 * MAX + 100, "sealed segments are shrunk");
}

proptest! {
    /// Against a plain list of frames: borders, lengths and bytes are where they should be.
    #[test]
    fn agrees_with_a_list(lengths in prop::collection::vec(0usize..6000, 1..60)) {
        let (mut log, mut pool) = (Log::new(frame::measure), Pool::default());
        let mut all = Vec::new();
        let mut borders = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let payload = vec![number as u8; *length];
            borders.push(all.len() as u64);
            let frame = Frame::new(Kind::Binary, false, &payload);
            let range = log.append(frame, MAX, (0, 0), &mut pool);
            frame::write(Opcode::Binary, &payload, &mut all);
            let border = *borders.last().expect("pushed");
            let expected = Some(border..all.len() as u64);
            prop_assert_eq!(range, expected);
        }
        log.check(&[]);
        prop_assert_eq!(log.units_in(0..log.end()), lengths.len() as u64);
        let counts = log.units_until(log.end(), &borders, |_| true);
        prop_assert!(counts.into_iter().eq((1..=lengths.len() as u64).rev()));
        for position in (0..log.end()).step_by(97) {
            let border = *borders.iter().rfind(|border| **border <= position).expect("0");
            prop_assert_eq!(log.border(0, position), border);
            let together = log.together(position..log.end());
            prop_assert!(!together.is_empty());
            prop_assert!(all[position as usize..].starts_with(together));
        }
        let mut position = 0;
        while position < log.end() {
            position += log.together(position..log.end()).len() as u64;
        }
        prop_assert_eq!(position, all.len() as u64);
    }
}
