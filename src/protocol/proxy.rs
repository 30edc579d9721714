//! The PROXY protocol, versions 1 and 2: a header before all other bytes, in which a proxy names
//! the client (haproxy.org, "The PROXY protocol").

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest header of version 1, with its line's end (section 2.1).
const V1_BYTES_MAX: usize = 107;

/// The signature of version 2 (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The most bytes of version 2 after its first 16: addresses have at most 216, and proxies'
/// additions (certificates' names, cloud providers' ids) fit many times.
const V2_BODY_BYTES_MAX: usize = 2048;

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its length in bytes.
    pub bytes: usize,
    /// The client's address; `None` for the proxy's own check, or without an IP address.
    pub client: Option<IpAddr>,
}

/// The bytes are not a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoHeader;

/// Reads the header at the start of `bytes`; `None` when more of it must come first.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, NoHeader> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] {
        return if common < SIGNATURE.len() { Ok(None) } else { read_v2(bytes) };
    }
    let line = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let common = line.len().min(6);
    if line[..common] != b"PROXY "[..common] {
        return Err(NoHeader);
    }
    match line.windows(2).position(|two| two == b"\r\n") {
        Some(end) => {
            let client = client_v1(&line[..end]).ok_or(NoHeader)?;
            Ok(Some(Header { bytes: end + 2, client }))
        }
        None if line.len() < V1_BYTES_MAX => Ok(None),
        None => Err(NoHeader),
    }
}

/// The client in a line of version 1: `PROXY TCP4 client proxy port port`, or `PROXY UNKNOWN …`.
fn client_v1(line: &[u8]) -> Option<Option<IpAddr>> {
    let words: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", family, client, proxy, client_port, proxy_port] => {
            let (client, proxy): (IpAddr, IpAddr) = (client.parse().ok()?, proxy.parse().ok()?);
            let is_right = match family {
                "TCP4" => client.is_ipv4() && proxy.is_ipv4(),
                "TCP6" => client.is_ipv6() && proxy.is_ipv6(),
                _ => false,
            };
            (is_right && is_port(client_port) && is_port(proxy_port)).then_some(Some(client))
        }
        _ => None,
    }
}

/// A port in decimal, without a sign and leading zeros (section 2.1).
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port.to_string() == text)
}

fn read_v2(bytes: &[u8]) -> Result<Option<Header>, NoHeader> {
    let Some(&[version_command, family, high, low]) = bytes[12..].first_chunk() else {
        return Ok(None);
    };
    let body_bytes = usize::from(u16::from_be_bytes([high, low]));
    if version_command >> 4 != 2 || version_command & 0xf > 1 || body_bytes > V2_BODY_BYTES_MAX {
        return Err(NoHeader);
    }
    if family & 0xf > 2 {
        return Err(NoHeader); // neither unspecified nor a stream nor datagrams
    }
    let Some(body) = bytes.get(16..16 + body_bytes) else { return Ok(None) };
    let is_local = version_command & 0xf == 0; // the proxy's own health check
    let client = match family >> 4 {
        _ if is_local => None,
        1 if body_bytes >= 12 => body.first_chunk::<4>().map(|ip| Ipv4Addr::from(*ip).into()),
        2 if body_bytes >= 36 => body.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip).into()),
        1 | 2 => return Err(NoHeader),
        0 | 3 => None, // unspecified, or a Unix socket
        _ => return Err(NoHeader),
    };
    Ok(Some(Header { bytes: 16 + body_bytes, client }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn headers_in_any_pieces() {
        let four = [10, 0, 0, 7, 10, 0, 0, 1, 0, 80, 0, 80];
        let mut six = [0; 36];
        six[15] = 1;
        let with_more = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat(); // a checksum as TLV
        let cases: [(Vec<u8>, Option<&str>); 10] = [
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 99 443\r\n".to_vec(), Some("1.2.3.4")),
            (b"PROXY TCP6 2001:db8::1 ::1 99 443\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN whatever stands here\r\n".to_vec(), None),
            (b"PROXY UNKNOWN of as many words as one line may have \r\r\n".to_vec(), None),
            (v2(1, 0x11, &four), Some("10.0.0.7")),
            (v2(1, 0x11, &with_more), Some("10.0.0.7")),
            (v2(1, 0x21, &six), Some("::1")),
            (v2(0, 0x00, &[]), None),
            (v2(0, 0x11, &[]), None), // with any family
        ];
        for (header, client) in cases {
            let client = client.map(|text| text.parse().expect("an address"));
            let expected = Ok(Some(Header { bytes: header.len(), client }));
            let longer = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&longer), expected);
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut]), Ok(None), "cut at {cut}: {header:x?}");
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let too_long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
        let cases: [&[u8]; 15] = [
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 99\r\n",
            b"PROXY TCP4 ::1 ::1 99 443\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 99 66666\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 099 443\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 99 +443\r\n",
            b"PROXY TCP4 1.2.3.4\r5.6.7.8 99 443\r\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 99 443\r\n",
            b"PROXY  TCP4 1.2.3.4 5.6.7.8 99 443\r\n",
            &too_long,
            &v2(2, 0x11, &[0; 12]),
            &v2(1, 0x11, &[0; 11]),
            &v2(1, 0x41, &[0; 12]),
            &v2(1, 0x13, &[0; 12]),
        ];
        for bytes in cases {
            assert_eq!(read(bytes), Err(NoHeader), "{:?}", String::from_utf8_lossy(bytes));
        }
        let mut version = v2(1, 0x11, &[0; 12]);
        version[12] = 0x31;
        assert_eq!(read(&version), Err(NoHeader));
    }

    proptest! {
        /// Any bytes give a result, and bytes after a whole header do not change it.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), signed in any::<bool>()) {
            let bytes = if signed { [&SIGNATURE[..], &bytes].concat() } else { bytes };
            if let Ok(Some(header)) = read(&bytes) {
                prop_assert!(header.bytes <= bytes.len());
                prop_assert_eq!(read(&bytes[..header.bytes]), Ok(Some(header)));
            }
        }
    }
}
