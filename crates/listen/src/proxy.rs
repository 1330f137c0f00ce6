//! The PROXY protocol's header, versions 1 and 2: which client stands behind a proxy. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8; 6] = b"PROXY ";
/// The longest line that version 1 allows.
const V1_BYTES_MAX: usize = 107;
/// Addresses and TLVs of version 2. Proxies send well below 1 KiB; the format would allow 64.
const V2_BYTES_MAX: usize = 4_096;

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prelude {
    /// No PROXY header: the bytes are the request's own.
    Absent,
    /// It may become one, with more bytes.
    More,
    /// A header of so many bytes. `client` is absent when the proxy speaks for itself (health checks) or does not know.
    Present { bytes: usize, client: Option<SocketAddr> },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PreludeError {
    #[error("PROXY header: version or command is not known")]
    Version,
    #[error("PROXY header: too long")]
    TooLong,
    #[error("PROXY header: an address does not read")]
    Address,
}

/// Reads a PROXY header at the beginning of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Prelude, PreludeError> {
    if bytes.starts_with(SIGNATURE) {
        return read_v2(bytes);
    }
    if bytes.starts_with(V1) {
        return read_v1(bytes);
    }
    let begun = SIGNATURE.starts_with(bytes) || V1.starts_with(bytes);
    Ok(if begun { Prelude::More } else { Prelude::Absent })
}

fn read_v2(bytes: &[u8]) -> Result<Prelude, PreludeError> {
    let Some((&[command, family, high, low], rest)) = bytes[SIGNATURE.len()..].split_first_chunk() else {
        return Ok(Prelude::More);
    };
    if command >> 4 != 2 || command & 0xf > 1 {
        return Err(PreludeError::Version);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_BYTES_MAX {
        return Err(PreludeError::TooLong);
    }
    let Some(addresses) = rest.get(..length) else { return Ok(Prelude::More) };
    let local = command & 0xf == 0;
    let client = match family {
        _ if local => None,
        0x11 => Some(v2_client::<4>(addresses)?),
        0x21 => Some(v2_client::<16>(addresses)?),
        // Unix sockets, datagrams, "unspecified": the connection's own address stands.
        _ => None,
    };
    Ok(Prelude::Present { bytes: SIGNATURE.len() + 4 + length, client })
}

/// Source address, destination address, source port, destination port.
fn v2_client<const N: usize>(addresses: &[u8]) -> Result<SocketAddr, PreludeError>
where
    IpAddr: From<[u8; N]>,
{
    let ip = addresses.first_chunk::<N>().ok_or(PreludeError::Address)?;
    let port = addresses.get(2 * N..).and_then(|ports| ports.first_chunk::<4>()).ok_or(PreludeError::Address)?;
    Ok(SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes([port[0], port[1]])))
}

fn read_v1(bytes: &[u8]) -> Result<Prelude, PreludeError> {
    let window = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < V1_BYTES_MAX { Ok(Prelude::More) } else { Err(PreludeError::TooLong) };
    };
    let line = std::str::from_utf8(&window[V1.len()..end]).map_err(|_| PreludeError::Address)?;
    let mut words = line.split(' ');
    let ip: IpAddr = match words.next() {
        Some("TCP4") => words.next().and_then(|ip| ip.parse::<Ipv4Addr>().ok()).map(IpAddr::V4),
        Some("TCP6") => words.next().and_then(|ip| ip.parse::<Ipv6Addr>().ok()).map(IpAddr::V6),
        Some("UNKNOWN") => return Ok(Prelude::Present { bytes: end + 2, client: None }),
        _ => return Err(PreludeError::Version),
    }
    .ok_or(PreludeError::Address)?;
    let port = words.nth(1).and_then(|port| port.parse().ok()).ok_or(PreludeError::Address)?;
    Ok(Prelude::Present { bytes: end + 2, client: Some(SocketAddr::new(ip, port)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((addresses.len() as u16).to_be_bytes());
        bytes.extend(addresses);
        bytes
    }

    fn present(bytes: usize, client: Option<&str>) -> Result<Prelude, PreludeError> {
        Ok(Prelude::Present { bytes, client: client.map(|c| c.parse().unwrap()) })
    }

    const FOUR: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0x9c, 0x40, 0, 80];

    #[test]
    fn a_header_names_the_client() {
        assert_eq!(read(&v2(0x21, 0x11, FOUR)), present(28, Some("203.0.113.7:40000")));
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[15] = 9;
        six[33] = 7;
        assert_eq!(read(&v2(0x21, 0x21, &six)), present(52, Some("[2001::9]:7")));
        assert_eq!(read(b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 80\r\nGET /"), present(42, Some("203.0.113.7:40000")));
        assert_eq!(read(b"PROXY TCP6 2001:db8::1 ::1 5 80\r\n"), present(33, Some("[2001:db8::1]:5")));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_nobody() {
        assert_eq!(read(&v2(0x20, 0x11, FOUR)), present(28, None));
        assert_eq!(read(&v2(0x21, 0x00, b"")), present(16, None));
        assert_eq!(read(&v2(0x21, 0x31, &[0; 216])), present(232, None));
        assert_eq!(read(b"PROXY UNKNOWN whatever\r\n"), present(24, None));
    }

    #[test]
    fn tlvs_after_the_addresses_are_passed_over() {
        let mut with_tlv = FOUR.to_vec();
        with_tlv.extend([4, 0, 2, 9, 9]);
        assert_eq!(read(&v2(0x21, 0x11, &with_tlv)), present(33, Some("203.0.113.7:40000")));
    }

    #[test]
    fn a_header_cut_anywhere_asks_for_more() {
        let whole = v2(0x21, 0x11, FOUR);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Ok(Prelude::More), "cut at {end}");
        }
        let line = b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 80\r\n";
        for end in 0..line.len() {
            assert_eq!(read(&line[..end]), Ok(Prelude::More), "cut at {end}");
        }
    }

    #[test]
    fn requests_are_not_taken_for_headers() {
        for request in ["POST /v1/batch", "PRI * HTTP/2.0", "PROPFIND /", "\r\nGET /", "GET /", "\x16\x03\x01"] {
            assert_eq!(read(request.as_bytes()), Ok(Prelude::Absent), "{request:?}");
        }
    }

    #[test]
    fn malformed_headers_are_errors() {
        assert_eq!(read(&v2(0x11, 0x11, FOUR)), Err(PreludeError::Version));
        assert_eq!(read(&v2(0x22, 0x11, FOUR)), Err(PreludeError::Version));
        assert_eq!(read(&v2(0x21, 0x11, &FOUR[..11])), Err(PreludeError::Address));
        assert_eq!(read(&v2(0x21, 0x21, FOUR)), Err(PreludeError::Address));
        assert_eq!(read(&v2(0x21, 0x11, &vec![0; V2_BYTES_MAX + 1])), Err(PreludeError::TooLong));
        assert_eq!(read(b"PROXY TCP4 203.0.113.777 10.0.0.1 40000 80\r\n"), Err(PreludeError::Address));
        assert_eq!(read(b"PROXY TCP4 203.0.113.7\r\n"), Err(PreludeError::Address));
        assert_eq!(read(b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n"), Err(PreludeError::Version));
        let mut endless = b"PROXY TCP4 ".to_vec();
        endless.resize(V1_BYTES_MAX, b'1');
        assert_eq!(read(&endless), Err(PreludeError::TooLong));
    }
}
