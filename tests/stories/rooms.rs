//! Rooms are paths.

use crate::client::request;
use crate::relay::Relay;

#[test]
fn messages_stay_in_their_room() {
    let relay = Relay::start(&[]);
    let names = ["/", "/news", "/news/", "/News", "/news/today", "//"];
    let mut rooms: Vec<_> = names.map(|name| (name, relay.connect_all::<2>(name))).into();
    for (name, [one, _]) in &mut rooms {
        one.send_text(name);
    }
    for (name, [one, two]) in &mut rooms {
        assert_eq!(two.hear_text(), *name);
        two.hear_nothing();
        one.hear_nothing();
    }
    assert_eq!(relay.counters().get("rooms"), 6);
    drop(rooms);
    relay.counters_when(|counters| counters.get("rooms") == 0);
}

#[test]
fn a_name_is_the_decoded_path() {
    let relay = Relay::start(&[]);
    let same = [
        ["/a%20b", "/%61%20b"],
        ["/%E4%BD%A0", "/%e4%bd%a0"],
        ["/a%2Fb", "/a/b"],
        ["/room?token=1", "/room?token=2"],
        ["/", "http://fanfare.example"],
        ["/news", "http://fanfare.example/news?x"],
    ];
    for [one, two] in same {
        let [mut one, mut two] = [relay.connect(one), relay.connect(two)];
        one.send_text("here");
        assert_eq!(two.hear_text(), "here");
        one.close();
        two.close();
    }
    let [mut plus, mut space] = [relay.connect("/a+b"), relay.connect("/a%20b")];
    plus.send_text("a plus is a plus");
    relay.counters_when(|counters| counters.get("messages") == 7);
    space.hear_nothing();
}

#[test]
fn a_name_has_at_most_255_bytes() {
    let relay = Relay::start(&[]);
    let [mut one, mut two] =
        [relay.connect(&format!("/{}", "a".repeat(255))), relay.connect("/aaa")];
    one.send_text("in the room with the longest name");
    two.hear_nothing();
    let mut same = relay.connect(&format!("/{}", "%61".repeat(255)));
    one.send_text("the decoded bytes count");
    assert_eq!(same.hear_text(), "the decoded bytes count");
    for path in [format!("/{}", "a".repeat(256)), format!("/{}", "%61".repeat(256))] {
        assert_eq!(relay.ask(request(&path).as_bytes()).status, 414);
    }
}

#[test]
fn the_relays_own_paths_are_not_rooms() {
    let relay = Relay::start(&[]);
    for path in ["/_/x", "/_/", "/%5f/x", "/_%2fx"] {
        for request in [request(path), format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")] {
            assert_eq!(relay.ask(request.as_bytes()).status, 404, "{request}");
        }
    }
    let [mut one, mut two] = relay.connect_all("/_x");
    one.send_text("a name may begin like them");
    assert_eq!(two.hear_text(), "a name may begin like them");
    relay.counters_when(|counters| counters.ended("not_found") == 8);
}
