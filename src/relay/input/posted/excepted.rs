//! Messages by HTTP that a member does not get.

use crate::protocol::ws::frame::encoded_bytes;
use crate::relay::pretend::Pretend;
use crate::relay::{ConnId, Limits, Slices, Time};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Publishes in /a, except for this member; gives the status.
fn publish(pretend: &mut Pretend, except: ConnId, body: &str) -> u16 {
    let public = pretend.relay.connection(except).expect("it is there").public_id;
    publish_except(pretend, &public.to_string(), body)
}

/// The same, except for the member that this text names.
fn publish_except(pretend: &mut Pretend, except: &str, body: &str) -> u16 {
    let request = format!(
        "POST /a?except={except} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let id = pretend.relay.accepted(None, Time::default()).expect("there is room");
    pretend.relay.receive(id, &mut request.into_bytes(), Time::default());
    let mut slices = Slices::default();
    pretend.relay.gather(id, &mut slices);
    let answer = String::from_utf8(slices.as_slice().concat()).expect("text");
    pretend.relay.check_invariants();
    answer[9..12].parse().expect("a status")
}

/// How many bytes a member was written in the newest turn.
fn written(pretend: &Pretend, member: ConnId) -> usize {
    let own = pretend.written.iter().filter(|(id, _)| *id == member);
    own.map(|(_, bytes)| bytes).sum()
}

#[test]
fn one_that_is_behind_misses_what_is_not_for_it_and_no_more() {
    let mut pretend = Pretend::new();
    let [one, two] = ["/a", "/a"].map(|path| pretend.join(path));
    pretend.turn();
    pretend.windows.insert(one, 0);
    for _ in 0..4 {
        pretend.say(two, 200);
        pretend.turn();
        assert_eq!(publish(&mut pretend, one, "not for one"), 200);
        pretend.turn();
    }
    assert_eq!(publish(&mut pretend, one, "x"), 429, "it takes some of its output first");
    pretend.windows.insert(one, usize::MAX);
    pretend.relay.writable(one);
    pretend.turn();
    assert_eq!(written(&pretend, one), 4 * encoded_bytes(200));
    assert_eq!(publish(&mut pretend, one, "x"), 200);
    pretend.turn();
    assert_eq!((written(&pretend, one), written(&pretend, two)), (0, encoded_bytes(1)));
}

#[test]
fn a_context_that_others_share_does_not_refer_to_what_one_did_not_get() {
    let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
    limits.deflate.is_on = true;
    limits.deflate.share_min = 1;
    let mut pretend = Pretend::with(limits);
    let fields = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let members: Vec<ConnId> = (0..4).map(|_| pretend.join_offering("/a", fields)).collect();
    pretend.turn();
    let publisher = pretend.join("/a");
    for _ in 0..3 {
        pretend.say(publisher, 300);
        pretend.turn();
    }
    // One has got everything, and goes out of the class; another one has not.
    assert_eq!(publish(&mut pretend, members[0], &"x".repeat(300)), 200);
    pretend.windows.insert(members[1], 0);
    pretend.say(publisher, 300);
    assert_eq!(publish(&mut pretend, members[1], &"x".repeat(300)), 200);
    pretend.turn();
    pretend.windows.insert(members[1], usize::MAX);
    pretend.relay.writable(members[1]);
    pretend.say(publisher, 300);
    pretend.turn();
    pretend.relay.check_invariants();
    assert!(written(&pretend, members[1]) > 0);
}

/// Slots and their uses count up, so a member knows those of its neighbours.
#[test]
fn a_member_does_not_compute_the_public_ids_of_others() {
    let mut pretend = Pretend::new();
    pretend.relay.seed(7);
    let [victim, own] = ["/a", "/a"].map(|path| pretend.join(path));
    let public = pretend.relay.connection(own).expect("it is there").public_id.to_string();
    let mut bytes = URL_SAFE_NO_PAD.decode(&public).expect("an id");
    // One less in both, where the id would have them in clear.
    bytes[11] = bytes[11].wrapping_sub(1);
    bytes[15] = bytes[15].wrapping_sub(1);
    let computed = URL_SAFE_NO_PAD.encode(bytes);
    pretend.turn();
    assert_eq!(publish_except(&mut pretend, &computed, "x"), 200);
    pretend.turn();
    assert_eq!(written(&pretend, victim), encoded_bytes(1), "nobody told its id to the sender");
}
