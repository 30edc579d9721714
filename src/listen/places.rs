//! Places that are listened at together: which of them have an address in common.

use super::{Door, Listen};
use std::net::{IpAddr, SocketAddr};

/// Refuses doors of which the system would give only one.
///
/// # Errors
/// When two of them have an address and its port in common; a sentence says which.
pub(super) fn check(doors: &[Door]) -> Result<(), String> {
    for (number, door) in doors.iter().enumerate() {
        let earlier = doors[..number].iter().map(|door| &door.place);
        if let Some(other) = earlier.into_iter().find(|other| clash(other, &door.place)) {
            return Err(why(other, &door.place));
        }
    }
    Ok(())
}

fn why(one: &Listen, other: &Listen) -> String {
    if one == other {
        return format!("{one} is there twice: leave one of them out");
    }
    let hears_all = |place: &&Listen| matches!(place, Listen::Tcp(six) if is_all_of_six(*six));
    let also = match [one, other].into_iter().find(hears_all) {
        Some(all) => {
            format!("; {all} hears IPv4 too, unless 0.0.0.0 with its port is there as well")
        }
        None => String::new(),
    };
    format!("{one} and {other} have an address in common: leave one of them out{also}")
}

fn is_all_of_six(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// Whether the socket of `place` leaves IPv4 to another one: `[::]` hears it too, whatever the
/// system's default is, but not beside `0.0.0.0` with the same port.
pub fn leaves_ipv4(place: &Listen, doors: &[Door]) -> bool {
    let Listen::Tcp(six) = place else { return false };
    doors.iter().any(|door| matches!(door.place, Listen::Tcp(four) if is_pair(*six, four)))
}

/// `[::]` and `0.0.0.0` with one port.
fn is_pair(six: SocketAddr, four: SocketAddr) -> bool {
    let is_all_of_four = four.is_ipv4() && four.ip().is_unspecified();
    is_all_of_six(six) && is_all_of_four && six.port() == four.port()
}

/// Whether the two cannot be listened at by two sockets.
fn clash(one: &Listen, other: &Listen) -> bool {
    if let (Listen::Unix(one, _), Listen::Unix(other, _)) = (one, other) {
        return one == other;
    }
    if let (Listen::Tcp(one), Listen::Tcp(other)) = (one, other)
        && (is_pair(*one, *other) || is_pair(*other, *one))
    {
        return false;
    }
    if matches!((one, other), (Listen::Link(..), Listen::Link(..))) {
        return one == other && one.port() != 0;
    }
    let (ones, others) = (addresses(one), addresses(other));
    ones.iter().any(|one| others.iter().any(|other| overlap(*one, *other)))
}

/// The addresses of a place; an interface that is not there has none, which the start will tell.
fn addresses(place: &Listen) -> Vec<SocketAddr> {
    place.addresses().unwrap_or_default()
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    if one.port() != other.port() || one.port() == 0 {
        return false;
    }
    let all_of_six = is_all_of_six(one) || is_all_of_six(other);
    match (one.ip().to_canonical(), other.ip().to_canonical()) {
        _ if all_of_six => true,
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            one == other || one.is_unspecified() || other.is_unspecified()
        }
        (IpAddr::V6(_), IpAddr::V6(_)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(texts: &str) -> Vec<Door> {
        texts.split(' ').map(|text| text.parse().expect("a door")).collect()
    }

    #[test]
    fn places_that_have_an_address_in_common() {
        for texts in [
            "127.0.0.1:1 127.0.0.1:1?tls",
            "0.0.0.0:1 127.0.0.1:1",
            "[::]:1 127.0.0.1:1",
            "[::]:1 [::1]:1",
            "localhost:1 [::1]:1",
            ":1 0.0.0.0:1",
            ":1 [::]:1",
            "127.0.0.1:1 [::ffff:127.0.0.1]:1",
            "[::]:1 0.0.0.0:1 10.0.0.1:1",
            "[fe80::1%x]:1 [fe80::1%x]:1",
            "unix:/x unix:/x?mode=600",
        ] {
            let error = check(&doors(texts)).expect_err(texts);
            assert!(error.contains("leave one of them out"), "{error}");
        }
        for texts in [
            "127.0.0.1:1 127.0.0.1:2 127.0.0.2:1 [::1]:1",
            "127.0.0.1:0 127.0.0.1:0 localhost:0 :0 :0",
            "[::]:1 0.0.0.0:1",
            "0.0.0.0:1 [::]:1",
            "0.0.0.0:1 [::1]:1",
            "[fe80::1%x]:1 [fe80::1%y]:1",
            "unix:/x unix:/y localhost:1",
        ] {
            assert_eq!(check(&doors(texts)), Ok(()), "{texts}");
        }
    }

    #[test]
    fn who_hears_ipv4() {
        let leaves = |texts: &str| {
            let doors = doors(texts);
            doors.iter().map(|door| leaves_ipv4(&door.place, &doors)).collect::<Vec<_>>()
        };
        assert_eq!(leaves("[::]:1 0.0.0.0:1"), [true, false]);
        assert_eq!(leaves("[::]:1 0.0.0.0:2"), [false, false]);
        assert_eq!(leaves("[::]:1"), [false]);
    }
}
