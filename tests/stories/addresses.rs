//! Clients' addresses: bounds for each, and trusted proxies.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::Relay;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

/// A request that a proxy forwards for `client`.
fn forwarded(client: &str) -> String {
    request("/").replacen("\r\n", &format!("\r\nX-Forwarded-For: {client}\r\n"), 1)
}

fn ask(relay: &Relay, head: &str) -> TcpStream {
    let mut stream = dial(relay.address());
    stream.write_all(head.as_bytes()).expect("the relay reads");
    stream
}

impl Relay {
    /// The clients of all connections, in the order of arrival, at the admin listener.
    pub(crate) fn clients(&self) -> Vec<Value> {
        let connections = self.admin_json("/connections")["connections"].clone();
        let client = |one: &Value| {
            let alone = self.admin_json(&format!("/connections/{}", one["id"]));
            assert_eq!(alone["client"], one["client"]);
            one["client"].clone()
        };
        connections.as_array().expect("a list").iter().map(client).collect()
    }

    /// The three lines about each of so many connections, in the order of arrival.
    pub(crate) fn lives<const N: usize>(&self) -> [[Value; 3]; N] {
        self.log.wait("all lines", |lines, _| {
            let mut lives: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
            for line in lines.iter().filter(|line| line.contains("\"id\":")) {
                let line: Value = serde_json::from_str(line).expect("a JSON object a line");
                lives.entry(line["id"].as_u64().expect("a number")).or_default().push(line);
            }
            let lives: Option<Vec<[Value; 3]>> =
                lives.into_values().map(|life| life.try_into().ok()).collect();
            lives?.try_into().ok()
        })
    }
}

#[test]
fn a_proxys_clients_are_counted_and_one_too_many_gets_429() {
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
fn only_the_configured_field_is_read() {
    let trust = ["--trust-proxy", "127.0.0.1", "--forwarded-by", "forwarded"];
    let relay = Relay::start_watched(&trust);
    let head = request("/").replacen("\r\n", "\r\nForwarded: for=1.2.3.4;proto=https\r\n", 1);
    let head = head.replacen("\r\n", "\r\nX-Forwarded-For: 5.6.7.8\r\n", 1);
    let _client = Client::hear_greeting(ask(&relay, &head));
    assert_eq!(relay.clients(), ["1.2.3.4"]);
}

#[test]
fn the_field_of_an_untrusted_peer_is_ignored() {
    let relay = Relay::start_watched(&["--max-per-address", "1", "--log-level", "debug"]);
    let forged: Vec<Client> =
        (0..3).map(|_| Client::hear_greeting(ask(&relay, &forwarded("1.2.3.4")))).collect();
    assert_eq!(forged.len(), 3, "this machine itself is not counted");
    assert_eq!(relay.clients(), [const { Value::Null }; 3]);
    forged.into_iter().for_each(Client::close);
    relay.lives::<3>();
    assert!(relay.log.lines_with("1.2.3.4").is_empty());
}

#[test]
fn a_proxys_client_is_named_with_its_connection() {
    let flags = ["--trust-proxy", "127.0.0.1", "--max-per-address", "1", "--log-level", "debug"];
    let relay = Relay::start_watched(&flags);
    let clients = ["1.2.3.4", "2001:db8:1:2:3::4", "127.0.0.1"];
    let inside = clients.map(|client| Client::hear_greeting(ask(&relay, &forwarded(client))));
    let network = "2001:db8:1:2::/64";
    assert_eq!(relay.clients(), ["1.2.3.4".into(), network.into(), Value::Null]);
    assert_eq!(Answer::read(ask(&relay, &forwarded("2001:db8:1:2::5"))).status, 429);
    inside.into_iter().for_each(Client::close);
    let told = relay.lives().map(|life| {
        life.map(|line| format!("{} {}", line["message"], line["client"]).replace('"', ""))
    });
    let life = |second: &str, third: &str, client: &str| {
        ["accepted null".to_owned(), format!("{second} {client}"), format!("{third} {client}")]
    };
    let expected = [
        life("upgraded", "closed", "1.2.3.4"),
        life("upgraded", "closed", network),
        life("upgraded", "closed", "null"),
        life("refused at a limit", "closed", network),
    ];
    assert_eq!(told, expected);
}
