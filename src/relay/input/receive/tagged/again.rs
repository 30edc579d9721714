//! Messages that come again with their tag, or with their key by HTTP.

use super::*;

#[test]
fn a_long_tag_names_its_message_for_five_minutes() {
    let mut pretend = Pretend::new();
    let [one, other] = [(); 2].map(|()| join(&mut pretend, "/"));
    let epoch = id(&news(&mut pretend, one).concat()).split_off(2);
    news(&mut pretend, other);
    let [short, long] = ["fifteen_letters", "sixteen-letters-"];
    for tag in [short, long] {
        pretend.text(one, &format!("{tag}\nx"));
        pretend.text(other, &format!("{tag}\nx"));
    }
    let answers = |sequences: [u64; 2]| {
        [(short, sequences[0]), (long, sequences[1])]
            .map(|(tag, sequence)| ok(tag, &format!("{sequence}:{epoch}")))
    };
    let of_one = news(&mut pretend, one);
    assert_eq!([&of_one[0], &of_one[2]], answers([1, 3]).each_ref());
    assert_eq!(of_one[1], "2\nx");
    let of_other = news(&mut pretend, other);
    assert_eq!(
        of_other[1..],
        [ok(short, &format!("2:{epoch}")), "3\nx".into(), answers([1, 3])[1].clone()]
    );
    pretend.text(other, &format!("{long}\ny"));
    assert_eq!(field(&news(&mut pretend, other)[0], "error"), "key_reused");
    assert_eq!(pretend.relay.metrics().v1_publishes.repeated, 1);
    pretend.now = Time::from_millis(301_000);
    pretend.text(other, &format!("{long}\ny"));
    assert!(news(&mut pretend, other).contains(&ok(long, &format!("4:{epoch}"))));
}

/// A message by HTTP with an `Idempotency-Key`.
fn post(pretend: &mut Pretend) {
    let post = "POST / HTTP/1.1\r\nHost: h\r\nIdempotency-Key: abc\r\nContent-Length: 1\r\n\r\nx";
    let poster = pretend.relay.accepted(None, pretend.now).expect("there is room");
    pretend.relay.receive(poster, &mut post.as_bytes().to_vec(), pretend.now);
    pretend.turn();
}

#[test]
fn tags_leave_the_keys_of_posts_alone() {
    let mut pretend = Pretend::new();
    let [one, listener] = [(); 2].map(|()| join(&mut pretend, "/"));
    post(&mut pretend);
    (0..1_000).for_each(|number| pretend.text(one, &format!("{number:016}\n")));
    news(&mut pretend, listener);
    post(&mut pretend);
    assert!(news(&mut pretend, listener).is_empty(), "it was published again");
}

#[test]
fn tags_in_many_rooms_leave_those_of_another_room_alone() {
    let mut pretend = Pretend::new();
    let [one, listener] = [(); 2].map(|()| join(&mut pretend, "/quiet"));
    pretend.text(one, "sixteen-letters-\nx");
    for room in 0..18 {
        let busy = join(&mut pretend, &format!("/busy/{room}"));
        (0..1_000).for_each(|number| pretend.text(busy, &format!("{number:016}\n")));
    }
    news(&mut pretend, listener);
    pretend.text(one, "sixteen-letters-\nx");
    assert!(news(&mut pretend, listener).is_empty(), "it was published again");
}
