//! Addresses to connect from: one has some 28,000 ports towards one server.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A list of addresses, taken in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sources(Vec<IpAddr>);

impl Sources {
    /// The address of the connection with this number.
    pub(crate) fn address(&self, connection: usize) -> IpAddr {
        self.0[connection % self.0.len()]
    }
}

impl FromStr for Sources {
    type Err = String;

    /// `127.0.0.2`, `::1`, `127.0.0.2-9` (a range of the last part), and lists with commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses = Vec::new();
        for part in text.split(',') {
            let bad = || format!("{part:?} is no address, nor a range as in 127.0.0.2-9");
            match part.split_once('-') {
                None => addresses.push(part.parse().map_err(|_| bad())?),
                Some((first, last)) => {
                    let first: Ipv4Addr = first.parse().map_err(|_| bad())?;
                    let last: u8 = last.parse().map_err(|_| bad())?;
                    let [a, b, c, begin] = first.octets();
                    if last < begin {
                        return Err(bad());
                    }
                    addresses.extend((begin..=last).map(|d| IpAddr::from([a, b, c, d])));
                }
            }
        }
        Ok(Self(addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists() {
        let sources: Sources = "127.0.0.2-4,127.1.0.1".parse().expect("a list");
        let all: Vec<String> = (0..5).map(|at| sources.address(at).to_string()).collect();
        assert_eq!(all, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.1.0.1", "127.0.0.2"]);
        for bad in ["", "x", "127.0.0.2-", "127.0.0.9-2", "127.0.0.2-300", "::1-2", "1.1.1.1,"] {
            assert!(bad.parse::<Sources>().is_err(), "{bad}");
        }
    }
}
