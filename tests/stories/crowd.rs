//! Many clients in one room.

use crate::relay::Relay;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises this process's limit on open files, for the clients.
fn raise_our_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the maximum is allowed");
}

#[test]
fn a_thousand_clients_receive_several_senders_in_one_order() {
    const SENDERS: usize = 4;
    const EACH: usize = 5;
    raise_our_file_limit();
    let relay = Relay::start(&[]);
    let mut clients: Vec<_> = (0..1000).map(|_| relay.connect("/crowd")).collect();
    assert_eq!(relay.counters().get("connections"), 1000);
    let (senders, hearers) = clients.split_at_mut(SENDERS);
    for number in 0..EACH {
        for (sender, client) in senders.iter_mut().enumerate() {
            client.send_text(&format!("{sender}: {number}"));
        }
    }
    let mut orders: Vec<Vec<String>> = Vec::new();
    for client in hearers {
        orders.push((0..SENDERS * EACH).map(|_| client.hear_text()).collect());
    }
    let order = &orders[0];
    assert!(orders.iter().all(|other| other == order), "all hear one order");
    for (number, client) in senders.iter_mut().enumerate() {
        let own = format!("{number}: ");
        let is_own = |message: &&String| message.starts_with(&own);
        let spoken: Vec<_> = order.iter().filter(is_own).cloned().collect();
        let expected: Vec<_> = (0..EACH).map(|number| format!("{own}{number}")).collect();
        assert_eq!(spoken, expected, "in the order of the sender");
        let others = order.iter().filter(|message| !is_own(message));
        others.for_each(|message| assert_eq!(client.hear_text(), *message));
    }
    clients.iter_mut().for_each(|client| client.hear_nothing());
    drop(clients);
    relay.counters_when(|counters| counters.get("connections") == 0);
}
