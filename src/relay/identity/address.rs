//! Where peers come from: each address once, with a count of its connections.

use crate::protocol::Refusal;
use crate::protocol::http::forwarded::{self, ForwardedBy};
use crate::protocol::http::head::Head;
use crate::relay::connections::conn::Phase;
use crate::relay::limits::memory;
use crate::relay::{ConnId, Relay};
use core::net::{IpAddr, Ipv6Addr};
use ipnet::IpNet;
use slab::Slab;
use std::collections::BTreeMap;
use std::fmt;

/// The proxies in front, whose word about a client's address is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    /// Their addresses.
    pub ranges: Vec<IpNet>,
    /// Whether whoever connects through a Unix socket is one.
    pub unix: bool,
    /// Where they name the client.
    pub field: ForwardedBy,
}

impl TrustedProxies {
    fn contain(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }
}

/// What is counted as one: an IPv4 address, or the /64 that a subscriber's line has of IPv6. All
/// machines on a cable share one link-local /64 (RFC 4291, section 2.5.6), so there each address is
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    /// All addresses with the same first 64 bits are meant.
    is_line: bool,
}

impl Network {
    fn of(address: IpAddr) -> Network {
        match forwarded::plain(address) {
            IpAddr::V6(six) if !six.is_unicast_link_local() => {
                let first = Ipv6Addr::from_bits(six.to_bits() >> 64 << 64);
                Network { address: first.into(), is_line: true }
            }
            address => Network { address, is_line: false },
        }
    }

    /// The address alone.
    fn one(address: IpAddr) -> Network {
        Network { address: forwarded::plain(address), is_line: false }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = if self.is_line { "/64" } else { "" };
        write!(f, "{}{length}", self.address)
    }
}

/// Who is at the other end of a connection's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The client itself, as far as is known.
    Client,
    /// A proxy whose word about the client's address is taken.
    Proxy,
    /// A proxy that has named the client.
    ForClient,
}

/// No address: the peer is at a Unix socket, or a proxy's header is to tell it.
pub(crate) const NO_ADDRESS: u32 = u32::MAX;

/// All addresses with a connection.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    slab: Slab<Entry>,
    /// Those that are counted, and apart from them those that are only known.
    by_network: BTreeMap<(bool, Network), u32>,
    /// Where connections come from that were one too many for it: they are not counted, but asked
    /// about when they end.
    refused: BTreeMap<u32, Network>,
}

#[derive(Debug)]
struct Entry {
    network: Network,
    is_counted: bool,
    connections: u32,
}

impl Addresses {
    /// Counts one connection more from an address, if it has fewer than `most`; 0 is no bound.
    fn enter(&mut self, network: Network, most: usize) -> Result<u32, Refusal> {
        self.keep(network, true, most)
    }

    /// Keeps an address whose connections have no bound.
    fn know(&mut self, network: Network) -> Result<u32, Refusal> {
        self.keep(network, false, 0)
    }

    fn keep(&mut self, network: Network, is_counted: bool, most: usize) -> Result<u32, Refusal> {
        let key = match self.by_network.get(&(is_counted, network)) {
            Some(key) => *key,
            None if !memory::takes_one_more(&self.slab) => return Err(Refusal::NoMemory),
            None => {
                let entry = Entry { network, is_counted, connections: 0 };
                let key = self.slab.insert(entry) as u32;
                self.by_network.insert((is_counted, network), key);
                key
            }
        };
        let entry = &mut self.slab[key as usize];
        if most > 0 && entry.connections as usize >= most {
            return Err(Refusal::AddressFull);
        }
        entry.connections += 1;
        Ok(key)
    }

    /// Counts one less.
    fn leave(&mut self, key: u32) {
        if key == NO_ADDRESS {
            return;
        }
        let entry = &mut self.slab[key as usize];
        entry.connections -= 1;
        if entry.connections == 0 {
            let entry = self.slab.remove(key as usize);
            self.by_network.remove(&(entry.is_counted, entry.network));
        }
    }

    /// How many are counted.
    pub(crate) fn counted(&self) -> usize {
        self.slab.iter().filter(|(_, entry)| entry.is_counted).count()
    }

    /// How many connections have one, counted or not.
    pub(crate) fn connections(&self) -> usize {
        self.slab.iter().map(|(_, entry)| entry.connections as usize).sum()
    }

    /// Asserts that what is kept belongs to connections that are there.
    pub(crate) fn check(&self, is_used: impl Fn(usize) -> bool) {
        assert!(self.refused.keys().all(|index| is_used(*index as usize)), "{self:?}");
    }
}

impl Relay {
    /// Says where a connection comes from, when that was not known at `accepted`: a header in front
    /// of the stream told it. One too many from there is refused, in order; who was refused already
    /// is not told twice.
    pub fn introduce(&mut self, id: ConnId, address: IpAddr) {
        if self.conns.current(id).is_some_and(|conn| conn.phase == Phase::Greeting)
            && let Err(refusal) = self.locate_named(id.index, address)
        {
            self.refuse(id.index, refusal, false);
        }
    }

    /// Says from where a stream came in front of which a header is to tell whose connection it is.
    /// Nothing is counted by it: an end before the header is complete names it.
    pub fn carried_by(&mut self, id: ConnId, proxy: IpAddr) {
        if self.conns.current(id).is_some_and(|conn| conn.address == NO_ADDRESS)
            && let Ok(key) = self.addresses.know(Network::one(proxy))
        {
            self.conns[id.index].address = key;
        }
    }

    /// Whom a proxy named as the client of a connection. `None` when it came without a proxy, or
    /// from this machine.
    pub fn client(&self, id: ConnId) -> Option<Network> {
        self.conns.get(id).and_then(|_| self.client_of(id.index))
    }

    fn client_of(&self, index: u32) -> Option<Network> {
        let counted = self.address_of(index).filter(|entry| entry.is_counted);
        let counted = counted.map(|entry| entry.network);
        let client = counted.or_else(|| self.addresses.refused.get(&index).copied());
        client.filter(|_| self.conns[index].peer == Peer::ForClient)
    }

    fn address_of(&self, index: u32) -> Option<&Entry> {
        self.addresses.slab.get(self.conns[index].address as usize)
    }

    /// Where a stream's other end is, unless it is a proxy that has named its client, and whom a
    /// proxy named.
    pub(crate) fn ends_of(&self, index: u32) -> (Option<Network>, Option<Network>) {
        match self.conns[index].peer {
            Peer::ForClient => (None, self.client_of(index)),
            _ => (self.address_of(index).map(|entry| entry.network), None),
        }
    }

    /// The other end of a connection's stream, as far as it is kept: an address without its port,
    /// or the network that it is counted for. `None` also when a proxy has named its client.
    pub fn peer(&self, id: ConnId) -> Option<Network> {
        self.conns.get(id).and_then(|_| self.ends_of(id.index).0)
    }

    /// Forgets where a connection that ends came from; gives its peer and its client.
    pub(crate) fn forget_address(&mut self, index: u32) -> (Option<Network>, Option<Network>) {
        let ends = self.ends_of(index);
        self.addresses.leave(self.conns[index].address);
        self.addresses.refused.remove(&index);
        ends
    }

    /// Counts a connection for its peer; `None` is the other end of a Unix socket.
    ///
    /// Proxies are not counted, for they speak for many, and neither is this machine itself.
    pub(crate) fn locate(&mut self, index: u32, peer: Option<IpAddr>) -> Result<(), Refusal> {
        let trusted = &self.limits.trusted_proxies;
        let peer = peer.map(forwarded::plain);
        let conn = &mut self.conns[index];
        self.addresses.leave(std::mem::replace(&mut conn.address, NO_ADDRESS));
        conn.peer = match peer.map_or(trusted.unix, |peer| trusted.contain(peer)) {
            true => Peer::Proxy,
            false => Peer::Client,
        };
        let Some(peer) = peer else { return Ok(()) };
        if conn.peer != Peer::Client || peer.is_loopback() {
            conn.address = self.addresses.know(Network::one(peer))?;
            return Ok(());
        }
        let most = self.limits.connections_per_address_max;
        let entered = self.addresses.enter(Network::of(peer), most);
        if entered.is_err() {
            // An address that is full may come as often as it likes: others need the rate.
            self.handshakes.give_back(1, self.limits.handshakes_per_s_max);
        }
        conn.address = entered?;
        Ok(())
    }

    /// Counts a connection for the client that a proxy names, which may be another proxy.
    fn locate_named(&mut self, index: u32, client: IpAddr) -> Result<(), Refusal> {
        let located = self.locate(index, Some(client));
        let conn = &mut self.conns[index];
        if conn.peer == Peer::Client {
            conn.peer = Peer::ForClient;
        }
        if located.is_err() {
            self.addresses.refused.insert(index, Network::of(client));
        }
        located
    }

    /// Counts a proxy's connection for the client that the proxy names.
    pub(crate) fn locate_client(&mut self, index: u32, head: &Head<'_>) -> Result<(), Refusal> {
        if self.conns[index].peer != Peer::Proxy {
            return Ok(());
        }
        let trusted = &self.limits.trusted_proxies;
        match forwarded::client(head, trusted.field, |address| trusted.contain(address)) {
            Some(client) => self.locate_named(index, client),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Limits, Slices, Time};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn network(text: &str) -> Network {
        Network::of(ip(text))
    }

    #[test]
    fn a_network_is_written_as_one() {
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3::4").to_string(), "2001:db8:1:2::/64");
        assert_eq!(network("fe80::1:2").to_string(), "fe80::1:2");
    }

    #[test]
    fn a_line_of_ipv6_is_one() {
        let mut addresses = Addresses::default();
        let one = addresses.enter(network("2001:db8::1"), 2).expect("the first");
        assert_eq!(addresses.enter(network("2001:db8::ffff:1"), 2), Ok(one));
        assert_eq!(addresses.enter(network("2001:db8::2"), 2), Err(Refusal::AddressFull));
        assert!(addresses.enter(network("2001:db8:0:1::1"), 2).is_ok(), "the next line");
        // One that is only known has a count of its own.
        let known = addresses.know(network("2001:db8::1")).expect("no bound");
        assert_eq!(addresses.know(network("2001:db8::1")), Ok(known));
        assert_eq!((addresses.counted(), addresses.connections()), (2, 5));
        addresses.leave(known);
        addresses.leave(known);
        addresses.leave(one);
        addresses.leave(one);
        assert_eq!((addresses.counted(), addresses.connections()), (1, 1));
        assert!(addresses.enter(network("2001:db8::3"), 2).is_ok());
    }

    #[test]
    fn machines_on_one_cable_are_counted_apart() {
        let mut addresses = Addresses::default();
        let one = addresses.enter(network("fe80::1"), 1).expect("the first");
        assert!(addresses.enter(network("fe80::2"), 1).is_ok_and(|two| two != one));
        assert_eq!(addresses.enter(network("fe80::1"), 1), Err(Refusal::AddressFull));
        // Beyond fe80::/10 it is a line like any other.
        assert!(addresses.enter(network("fec0::1"), 1).is_ok());
        assert_eq!(addresses.enter(network("fec0::2"), 1), Err(Refusal::AddressFull));
    }

    #[test]
    fn who_was_refused_is_not_refused_again() {
        let limits = Limits { connections_per_address_max: 1, ..Limits::default() };
        let (mut relay, now) = (Relay::new(limits), Time::default());
        let mut accept = || relay.accepted(None, now).expect("there is room");
        let (one, two) = (accept(), accept());
        relay.introduce(one, ip("192.0.2.1"));
        relay.receive(two, &mut b"no request\r\n\r\n".to_vec(), now);
        relay.introduce(two, ip("192.0.2.1"));
        let mut slices = Slices::default();
        relay.gather(two, &mut slices);
        let told = String::from_utf8(slices.as_slice().concat()).expect("ASCII");
        assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    }

    #[test]
    fn connections_refused_for_their_address_use_nothing_of_the_rate_of_handshakes() {
        let (connections_per_address_max, handshakes_per_s_max) = (1, 10);
        let limits =
            Limits { connections_per_address_max, handshakes_per_s_max, ..Limits::default() };
        let (mut relay, now) = (Relay::new(limits), Time::default());
        relay.accepted(Some(ip("192.0.2.1")), now).expect("the first");
        for _ in 0..100 {
            let again = relay.accepted(Some(ip("192.0.2.1")), now);
            assert_eq!(again, Err(Refusal::AddressFull));
        }
        assert!(relay.accepted(Some(ip("192.0.2.2")), now).is_ok(), "another address");
    }
}
