//! Any bytes as what a client says first: never a panic, and the same answer wherever TCP cuts it.
#![no_main]

use fanfare::protocol::http::{head, reply};
use fanfare::protocol::ws::upgrade;
use fanfare::relay::{Limits, Order, Relay, Slices, Time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let cut = usize::from(cut) % (bytes.len() + 1);
    let end = head::end(bytes, 0);
    assert_eq!(end, head::end(&bytes[..cut], 0).or_else(|| head::end(bytes, cut)));
    let _ = head::may_become(bytes);
    if let Ok(reply) = reply::read(bytes) {
        assert!(reply.body.len() < bytes.len(), "a head stands before it");
    }
    if let Some(end) = end
        && let Ok(head) = head::parse(&bytes[..end])
    {
        let begun = &bytes[..cut.min(end - 1)];
        assert!(head::may_become(begun).is_ok(), "what is good whole is good in parts");
        let _ = upgrade::judge(&head);
    }
    // In a longer head, what is judged first, its length or its letters, is the cut's matter.
    if bytes.len() <= head::HEAD_BYTES_MAX {
        assert_eq!(answer(&[bytes]), answer(&[&bytes[..cut], &bytes[cut..]]));
    }
});

/// What a relay answers to a client that says these pieces.
fn answer(pieces: &[&[u8]]) -> Vec<u8> {
    let mut relay = Relay::new(Limits::default());
    let now = Time::from_millis(3_600_000);
    let id = relay.accepted(None, now).expect("nobody else is here");
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        assert!(relay.begin_read(id).is_some());
        relay.receive(id, &mut piece.to_vec(), now);
        relay.check_invariants();
    }
    relay.turn(now);
    let mut heard = Vec::new();
    while let Some(order) = relay.order() {
        if let Order::Flush(id) = order {
            let mut slices = Slices::default();
            let offer = relay.gather(id, &mut slices);
            let bytes = slices.as_slice().concat();
            relay.sent(offer, bytes.len());
            heard.extend(bytes);
        }
    }
    heard
}
