//! Rooms that remember, over real sockets.

use crate::client::{dial, request};
use crate::deflate::{OFFER, connect, hear_packed};
use crate::http::Answer;
use crate::relay::Relay;
use std::io::Write;

/// The program, with what rooms keep set on its command line.
fn remembering(flags: &[&str]) -> Relay {
    Relay::start_watched(&[&["--history-messages", "3"], flags].concat())
}

#[test]
fn a_client_that_comes_late_hears_the_newest_first_and_then_what_comes() {
    let relay = remembering(&[]);
    let mut speaker = relay.connect("/news");
    for number in 1..=5 {
        speaker.send_text(&format!("message {number}"));
    }
    speaker.send_text("a last one");
    // The room is empty in between.
    speaker.close();
    relay.metrics_when(|metrics| metrics.get("fanfare_members") == 0.0);
    let mut late = relay.connect("/news?last=2");
    assert_eq!(late.hear_text(), "message 5");
    assert_eq!(late.hear_text(), "a last one");
    let mut all = relay.connect("/news?last=99");
    assert_eq!([(); 3].map(|()| all.hear_text()), ["message 4", "message 5", "a last one"]);
    let mut live = relay.connect("/news");
    late.send_text("live");
    assert_eq!((all.hear_text(), live.hear_text()), ("live".to_owned(), "live".to_owned()));
    late.hear_nothing();
    let metrics = relay.metrics();
    assert_eq!(metrics.get("fanfare_resumes_total"), 2.0);
    assert_eq!(metrics.get("fanfare_replayed_messages_total"), 5.0);
    assert!(metrics.get("fanfare_history_bytes") > 0.0);
}

#[test]
fn a_rule_decides_which_rooms_remember() {
    let config = std::env::temp_dir().join(format!("fanfare-history-{}.toml", std::process::id()));
    let text = "[[room]]\npattern = \"news/*\"\nhistory_messages = 10\nhistory_seconds = 3600\n";
    std::fs::write(&config, text).expect("a file");
    let relay = Relay::start_watched(&["--config", config.to_str().expect("UTF-8")]);
    for (room, kept) in [("/news/a", true), ("/other", false)] {
        let mut speaker = relay.connect(room);
        speaker.send_text("kept?");
        speaker.close();
        relay.metrics_when(|metrics| metrics.get("fanfare_members") == 0.0);
        let mut late = relay.connect(&format!("{room}?last=1"));
        let mut other = relay.connect(room);
        other.send_text("live");
        if kept {
            assert_eq!(late.hear_text(), "kept?");
        }
        assert_eq!(late.hear_text(), "live");
        late.close();
        other.close();
        relay.metrics_when(|metrics| metrics.get("fanfare_members") == 0.0);
    }
    std::fs::remove_file(config).expect("it was written");
}

#[test]
fn members_of_every_kind_resume_side_by_side() {
    let relay = remembering(&["--deflate"]);
    let mut speaker = relay.connect("/");
    let long = "compressible ".repeat(100);
    (0..3).for_each(|number| speaker.send_text(&format!("{number} {long}")));
    relay.metrics_when(|metrics| metrics.get("fanfare_messages_total") == 3.0);
    let (mut packed, answer) = connect(&relay, "/?last=3", OFFER);
    assert!(answer.is_some(), "compression is agreed to");
    let mut plain = relay.connect("/?last=3");
    for number in 0..3 {
        assert_eq!(plain.hear_text(), format!("{number} {long}"));
        assert_eq!(packed.hear_text(), format!("{number} {long}"), "the window is not compressed");
    }
    speaker.send_text(&format!("3 {long}"));
    assert_eq!(plain.hear_text(), format!("3 {long}"));
    assert_eq!(hear_packed(&mut packed).0, format!("3 {long}"));
}

#[test]
fn an_operator_lets_a_room_forget() {
    let relay = remembering(&[]);
    let mut speaker = relay.connect("/news");
    speaker.send_text("a secret");
    speaker.close();
    relay.metrics_when(|metrics| metrics.get("fanfare_members") == 0.0);
    let order = |body: &str| {
        let fields = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
        let mut stream = dial(relay.admin_address());
        let head = format!("POST /_/api/forget HTTP/1.1\r\n{fields}{}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).expect("the relay reads");
        body.bytes().for_each(|byte| stream.write_all(&[byte]).expect("the relay reads"));
        Answer::read(stream)
    };
    assert_eq!(order("news").status, 400);
    assert_eq!(order(&" ".repeat(5_000)).status, 413);
    let answer = order("{\"room\":\"news\"}");
    assert_eq!(answer.body, "{\"room\":\"/news\",\"members\":0}\n");
    let mut late = relay.connect("/news?last=9");
    let mut other = relay.connect("/news");
    other.send_text("live");
    assert_eq!(late.hear_text(), "live");
}

#[test]
fn a_number_that_is_none_is_told() {
    let relay = Relay::start(&[]);
    let answer = relay.ask(request("/?last=few").as_bytes());
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("?last= needs a number"), "{}", answer.body);
}
