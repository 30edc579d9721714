//! Listening TCP sockets, one or two for a place.

use super::listening::{BACKLOG, set_inherited};
use crate::listen::Listen;
use mio::net::TcpListener;
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// The most attempts to find a port that is free for IPv4 and IPv6: of random ports, hardly one in
/// a hundred is taken.
const PORTS_TRIED_MAX: usize = 16;

/// Listens at a place, with or without IPv4 on an IPv6 socket: `localhost` at both of its
/// addresses, if the machine has both, and any other place at the first that it has.
pub(super) fn bind(place: &Listen, leaves_ipv4: bool) -> io::Result<Vec<TcpListener>> {
    let addresses = place.addresses()?;
    if matches!(place, Listen::Localhost(_)) {
        return bind_each(&addresses);
    }
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match bind_one(address, leaves_ipv4) {
            Ok(listener) => return Ok(vec![listener]),
            Err(error) if is_not_here(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    Err(missing)
}

/// Listens at all of these addresses that there are, with one port.
fn bind_each(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut tries_left = PORTS_TRIED_MAX;
    loop {
        match bind_with_one_port(addresses) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries_left > 0 => {
                tries_left -= 1;
                if addresses.iter().any(|address| address.port() > 0) {
                    return Err(error); // the port is fixed
                }
            }
            bound => return bound,
        }
    }
}

fn bind_with_one_port(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in addresses {
        let port = listeners.first().map(TcpListener::local_addr).transpose()?;
        let port = port.map_or(address.port(), |found| found.port());
        match bind_one(SocketAddr::new(address.ip(), port), true) {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_not_here(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Whether the machine has no such address, or no addresses of its family at all.
fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
}

fn bind_one(address: SocketAddr, leaves_ipv4: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Set in any case, for the system's default (net.ipv6.bindv6only) may be either.
        socket.set_only_v6(leaves_ipv4)?;
    }
    set_inherited(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;

    fn place(text: &str) -> Listen {
        text.parse().expect("a place")
    }

    /// Whether this machine has IPv6; a container may not.
    fn has_six() -> bool {
        bind_one("[::1]:0".parse().expect("an address"), true).is_ok()
    }

    #[test]
    fn localhost_is_both_addresses_with_one_port() {
        let listeners = bind(&place("localhost:0"), false).expect("a free port");
        let found: Vec<SocketAddr> =
            listeners.iter().map(|one| one.local_addr().expect("it listens")).collect();
        assert_eq!(found.len(), 1 + usize::from(has_six()), "{found:?}");
        assert!(found.iter().all(|one| one.ip().is_loopback() && one.port() == found[0].port()));
        let again = bind(&place(&format!("localhost:{}", found[0].port())), false);
        assert_eq!(again.expect_err("it is taken").kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn all_of_ipv6_and_all_of_ipv4_go_together() {
        if !has_six() {
            return;
        }
        // If another program has the port for IPv4, it is another one.
        for _ in 0..PORTS_TRIED_MAX {
            let six = bind(&place("[::]:0"), true).expect("a free port");
            let port = six[0].local_addr().expect("it listens").port();
            match bind(&place(&format!("0.0.0.0:{port}")), false) {
                Ok(four) => return assert_eq!(four[0].local_addr().expect("too").port(), port),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse),
            }
        }
        panic!("the system gives no two of them");
    }

    #[test]
    fn all_of_ipv6_is_all_of_ipv4_too_unless_another_has_that() {
        for (text, leaves_ipv4) in [("[::]:0", false), ("[::]:0", true), (":0", false)] {
            let listener = match bind(&place(text), leaves_ipv4) {
                Ok(listeners) => listeners.into_iter().next().expect("one"),
                Err(error) => {
                    assert!(is_not_here(&error) && !has_six(), "{text}: {error}");
                    continue;
                }
            };
            if has_six() {
                let only_six = SockRef::from(&listener).only_v6().expect("an IPv6 socket");
                assert_eq!(only_six, leaves_ipv4, "{text}");
            }
            let port = listener.local_addr().expect("it listens").port();
            let four = std::net::TcpStream::connect(("127.0.0.1", port));
            assert_eq!(four.is_ok(), !leaves_ipv4, "{text}");
        }
    }
}
