//! Which origins' pages are accepted.

use crate::client::{Client, dial, request};
use crate::relay::Relay;

fn from(origin: &str) -> String {
    request("/").replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"))
}

impl Relay {
    fn lets_in(&self, request: &str) {
        Client::greet(dial(self.address()), request.as_bytes()).close();
    }
}

#[test]
fn without_a_list_every_page_is_accepted() {
    let relay = Relay::start(&[]);
    relay.lets_in(&from("https://anything.example"));
    relay.lets_in(&from("null"));
}

#[test]
fn a_page_that_is_not_in_the_list_gets_403_and_what_to_do() {
    let relay = Relay::start(&[
        "--allow-origin",
        "https://example.org",
        "--allow-origin",
        "*.example.net,same",
    ]);
    relay.lets_in(&from("https://example.org"));
    relay.lets_in(&from("http://a.example.net:8080"));
    relay.lets_in(&from("http://fanfare.example")); // the request's own Host
    relay.lets_in(&request("/")); // no browser
    for origin in ["https://evil.example", "http://example.org", "null", "https://example.net"] {
        let answer = relay.ask(from(origin).as_bytes());
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        assert!(answer.body.contains("--allow-origin"), "{answer:?}");
    }
    let counters = relay.counters_when(|counters| counters.get("connections") == 0);
    assert_eq!((counters.ended("origin"), counters.get("upgraded")), (4, 4));
    // The browser decides about reading: no header allows it to another page's script.
    let page = "GET / HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\nOrigin: https://evil.example\r\n";
    let page = relay.ask(format!("{page}\r\n").as_bytes());
    assert_eq!((page.status, page.header("access-control-allow-origin")), (200, None));
}

#[test]
fn requests_without_an_origin_are_refused_where_one_is_required() {
    let relay = Relay::start(&["--require-origin", "--allow-origin", "wechat"]);
    let answer = relay.ask(request("/").as_bytes());
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("--require-origin"), "{answer:?}");
    relay.lets_in(&from("weapp://wechat-game-runtime"));
    let referer = "\r\nReferer: https://servicewechat.com/wx0123/7/page-frame.html\r\n\r\n";
    relay.lets_in(&request("/").replace("\r\n\r\n", referer));
    assert_eq!(relay.ask(from("https://example.org").as_bytes()).status, 403);
    relay.counters_when(|counters| counters.ended("origin_missing") == 1);
}

#[test]
fn extensions_and_files_of_a_program_can_be_accepted() {
    let list = "file://,chrome-extension://*,moz-extension://*";
    let relay = Relay::start(&["--allow-origin", list]);
    relay.lets_in(&from("file://"));
    relay.lets_in(&from("chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai"));
    relay.lets_in(&from("moz-extension://5f1e5c3a-9d7b-4e0e-8a34-2f6f2a4d5b6c"));
    for origin in ["null", "file:///etc/passwd", "https://example.org", "chrome-extension://a/b"] {
        assert_eq!(relay.ask(from(origin).as_bytes()).status, 403, "{origin}");
    }
}

#[test]
fn an_invalid_origin_matches_no_pattern() {
    let list = "https://*.sub.example.org,*.example.net,https://example.org,http://localhost:*";
    for patterns in [list, "*"] {
        let relay = Relay::start(&["--allow-origin", patterns, "--allow-origin", "same,wechat"]);
        relay.lets_in(&from("https://a.sub.example.org"));
        for origin in [
            "https://evil.example#.sub.example.org",
            "https://evil.example?.sub.example.org",
            "https://evil.example/.sub.example.org",
            "https://evil.example\\.sub.example.org",
            "https://evil.example:80.sub.example.org",
            "https://evil.example%00.sub.example.org",
            "https://evil.example@a.sub.example.org",
            "https://user:word@a.sub.example.org",
            "https://evil.example .sub.example.org",
            "https://evil.example https://a.sub.example.org",
            "https://b\u{fc}.sub.example.org",
            "https://a..sub.example.org",
            "https://.sub.example.org",
            "https://a.sub.example.org.",
            "https://a.sub.example.org/",
            "https://example.org/path",
            "https://example.org:",
            "https://example.org:0443",
            "https://example.org:99999",
            "http://localhost:*",
            "http://localhost:1x",
            "//example.org",
            "weapp:///x",
            "nonsense",
            "",
        ] {
            let answer = relay.ask(from(origin).as_bytes());
            assert_eq!(answer.status, 403, "{patterns} {origin:?}: {answer:?}");
        }
    }
}
