//! Where peers come from: each address once, with a count of its connections.

use crate::protocol::Refusal;
use crate::protocol::http::forwarded::{self, ForwardedBy};
use core::net::{IpAddr, Ipv6Addr};
use ipnet::IpNet;
use slab::Slab;
use std::collections::BTreeMap;
use std::fmt;

/// No address: the peer is at a Unix socket, or a proxy's header is to tell it.
pub(crate) const NO_ADDRESS: u32 = u32::MAX;

/// The proxies in front, whose word about a client's address is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    /// Their addresses.
    pub ranges: Vec<IpNet>,
    /// Whether a client at a Unix socket is one.
    pub unix: bool,
    /// Where they name the client.
    pub field: ForwardedBy,
}

impl TrustedProxies {
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
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
    pub(crate) fn of(address: IpAddr) -> Network {
        match forwarded::plain(address) {
            IpAddr::V6(six) if !six.is_unicast_link_local() => {
                let first = Ipv6Addr::from_bits(six.to_bits() >> 64 << 64);
                Network { address: first.into(), is_line: true }
            }
            address => Network { address, is_line: false },
        }
    }

    /// The address alone.
    pub(crate) fn one(address: IpAddr) -> Network {
        Network { address: forwarded::plain(address), is_line: false }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = if self.is_line { "/64" } else { "" };
        write!(f, "{}{length}", self.address)
    }
}

/// All addresses with a connection.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    slab: Slab<Entry>,
    /// Those that are counted, and apart from them those that are only known.
    by_network: BTreeMap<(bool, Network), u32>,
}

#[derive(Debug)]
struct Entry {
    network: Network,
    is_counted: bool,
    connections: u32,
}

impl Addresses {
    /// Counts one connection more from an address, if it has fewer than `most`; 0 is no bound.
    pub(crate) fn enter(&mut self, network: Network, most: usize) -> Result<u32, Refusal> {
        self.keep(network, true, most)
    }

    /// Keeps an address whose connections have no bound.
    pub(crate) fn know(&mut self, network: Network) -> Result<u32, Refusal> {
        self.keep(network, false, 0)
    }

    fn keep(&mut self, network: Network, is_counted: bool, most: usize) -> Result<u32, Refusal> {
        let key = match self.by_network.get(&(is_counted, network)) {
            Some(key) => *key,
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
    pub(crate) fn leave(&mut self, key: u32) {
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

    /// The network at this place, and whether it is counted.
    pub(crate) fn at(&self, key: u32) -> Option<(Network, bool)> {
        self.slab.get(key as usize).map(|entry| (entry.network, entry.is_counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
