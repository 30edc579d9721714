//! Whose connection it is: bounds for each address, and proxies that are believed or not.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::Relay;
use std::io::Write;
use std::net::TcpStream;

/// A request that somebody in front says is for `client`.
fn forwarded(client: &str) -> String {
    request("/").replacen("\r\n", &format!("\r\nX-Forwarded-For: {client}\r\n"), 1)
}

fn ask(relay: &Relay, head: &str) -> TcpStream {
    let mut stream = dial(relay.address());
    stream.write_all(head.as_bytes()).expect("the relay reads");
    stream
}

#[test]
fn a_proxys_clients_are_counted_and_one_too_many_is_told_429() {
    let relay = Relay::start(&["--trust-proxy", "127.0.0.0/8", "--max-per-address", "2"]);
    let inside = ["1.2.3.4", "6.6.6.6, 1.2.3.4"]
        .map(|client| Client::hear_greeting(ask(&relay, &forwarded(client))));
    let refused = Answer::read(ask(&relay, &forwarded("1.2.3.4, 127.0.0.9")));
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    drop(Client::hear_greeting(ask(&relay, &forwarded("1.2.3.5"))));
    inside.into_iter().for_each(Client::close);
    relay.counters_when(|counters| counters.get("connections") == 0);
    drop(Client::hear_greeting(ask(&relay, &forwarded("1.2.3.4"))));
}

#[test]
fn who_is_no_proxy_is_not_believed() {
    let relay = Relay::start(&["--max-per-address", "1"]);
    let forged: Vec<Client> =
        (0..3).map(|_| Client::hear_greeting(ask(&relay, &forwarded("1.2.3.4")))).collect();
    assert_eq!(forged.len(), 3, "this machine itself is not counted");
}
