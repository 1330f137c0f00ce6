//! The check switched off: a client as people write it, which reads any URL, believes any name and any certificate, and goes
//! wherever an answer tells it. Tests alone have it, to show that the attacks are attacks.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// Where a URL points, as kindly as can be; `None` if nowhere on a network.
pub fn read(url: &str) -> Option<(Host, u16)> {
    // What browsers leave out, and what looks like something else.
    let url: String = url.chars().filter(|c| !c.is_control()).map(plain).collect();
    // A template is filled in from the event.
    let url = url.replace("{{properties.host}}", "trap.example").replace("${properties.host}", "trap.example");
    let url = url.replace("{{event.host}}", "trap.example").replace('\\', "/");
    let url = url.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let (scheme, rest) = match url.find(':') {
        Some(colon) if url[..colon].chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
            (url[..colon].to_lowercase(), &url[colon + 1..])
        }
        _ => (String::new(), url),
    };
    if matches!(scheme.as_str(), "file" | "data" | "unix") {
        return None;
    }
    let rest = match scheme.as_str() {
        "jar" | "view-source" => return read(rest),
        _ => rest.trim_start_matches('/'),
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let authority = percent_decoded(authority);
    let authority = authority.split(['/', '?', '#', '\0']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match (host.rfind(':'), host.rfind(']')) {
        (Some(colon), Some(bracket)) if bracket < colon => (&host[..colon], Some(&host[colon + 1..])),
        (Some(colon), None) if !host[..colon].contains("::") => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    };
    let host = host.split(':').next().filter(|_| !host.contains("::") && !host.starts_with('[')).unwrap_or(host);
    let default = if scheme == "http" { 80 } else { 443 };
    // As `atoi` reads it, cut to 16 bits.
    let port = port.map_or(default, |port| {
        let digits: String = port.trim_start_matches('+').chars().take_while(char::is_ascii_digit).collect();
        digits.chars().fold(0u16, |n, digit| n.wrapping_mul(10).wrapping_add(digit as u16 - 48))
    });
    let port = if port == 0 { default } else { port };
    Some((host_of(host)?, port))
}

fn host_of(host: &str) -> Option<Host> {
    let bare = host.trim_start_matches('[').split([']', '%']).next().unwrap_or_default();
    if let Ok(v6) = bare.parse::<std::net::Ipv6Addr>() {
        return Some(Host::Address(v6.into()));
    }
    let name = host.trim_matches(['[', ']']).trim_end_matches('.').trim_start_matches('.').to_lowercase();
    match numbers(&name) {
        Some(v4) => Some(Host::Address(v4.into())),
        None => (!name.is_empty()).then_some(Host::Name(name)),
    }
}

/// One to four numbers in any base, as `inet_aton` reads them.
fn numbers(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = name
        .split('.')
        .map(|part| match part.strip_prefix("0x") {
            Some("") => Some(0),
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None if part.len() > 1 && part.starts_with('0') => u64::from_str_radix(part, 8).ok(),
            None => part.parse().ok(),
        })
        .collect::<Option<_>>()?;
    let (last, before) = parts.split_last()?;
    let high = before.iter().enumerate().fold(0u64, |all, (n, part)| all | (part & 0xff) << (24 - 8 * n.min(3)));
    Some(Ipv4Addr::from_bits((high | last) as u32))
}

/// Characters that a kind reader takes for others.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{2460}'..='\u{2468}' => char::from_digit(c as u32 - 0x2460 + 1, 10).unwrap_or(c),
        '\u{24ea}' => '0',
        '\u{660}'..='\u{669}' => char::from_digit(c as u32 - 0x660, 10).unwrap_or(c),
        '\u{3002}' | '\u{ff61}' | '\u{2024}' => '.',
        c => c,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            // A line break ends nothing here.
            Some(b'\r' | b'\n') => rest = &after[2..],
            Some(decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).chars().map(plain).collect()
}

/// All places that a client of PostgreSQL takes from a URL or a list of settings.
pub fn read_database(url: &str) -> Vec<(Host, u16)> {
    let (authority, query) = match url.split_once("://") {
        Some((_, rest)) => {
            let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
            (before.split('/').next().unwrap_or_default().to_owned(), query.replace('&', " "))
        }
        None => (String::new(), url.to_owned()),
    };
    let query = percent_decoded(&query).replace('&', " ");
    let named = query.split(' ').filter_map(|pair| pair.strip_prefix("host=").or(pair.strip_prefix("hostaddr=")));
    let hosts = authority.split(',').map(str::to_owned).chain(named.map(str::to_owned));
    // A path is a socket's file.
    let hosts = hosts.filter(|host| !host.is_empty() && !host.starts_with(['/', '%']));
    hosts.filter_map(|host| read(&format!("postgres://{host}"))).collect()
}

/// Where an answer tells a client to go: headers, trailers, hints and challenges alike.
pub fn told(answer: &[u8], base: &str) -> Vec<SocketAddr> {
    let text = String::from_utf8_lossy(answer).replace("\r\n ", "").replace("\r\n\t", "");
    let mut places = Vec::new();
    for line in text.split(['\r', '\n']) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let quoted = || value.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        match name.to_ascii_lowercase().as_str() {
            "location" | "content-location" => places.push(value.to_owned()),
            "refresh" => places.extend(value.split_once('=').map(|(_, url)| url.trim_matches('\'').to_owned())),
            "link" => places.extend(value.split(['<', '>']).nth(1).map(str::to_owned)),
            "alt-svc" => places.extend(quoted().into_iter().map(|authority| format!("http://{authority}"))),
            "www-authenticate" | "proxy-authenticate" => {
                places.extend(quoted().into_iter().filter(|q| q.contains("//")))
            }
            _ => {}
        }
    }
    let absolute =
        |place: String| if place.starts_with(['/', '\\']) || place.contains(':') { place } else { base.to_owned() };
    let found = places.into_iter().map(absolute).filter_map(|place| read(&place));
    found
        .filter_map(|(host, port)| {
            Some(SocketAddr::new(if let Host::Address(a) = host { a } else { return None }, port))
        })
        .collect()
}

/// Sends a request, hears the answer for a moment, and goes wherever it says.
pub async fn follows(partner: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(partner).await else { return };
    let _ = stream.write_all(b"POST / HTTP/1.1\r\nhost: partner.example\r\ncontent-length: 0\r\n\r\n").await;
    for place in told(&hear(&mut stream).await, &format!("http://{partner}/")) {
        if place != partner {
            visit(place).await;
        }
    }
}

/// Opens a connection and says something.
pub async fn visit(place: SocketAddr) {
    if let Ok(mut stream) = TcpStream::connect(place).await {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: trap.example\r\n\r\n").await;
        let _ = hear(&mut stream).await;
    }
}

/// What comes within a moment, and not more than a screenful of headers.
pub async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut heard = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        while heard.len() < 64 * 1024 {
            match stream.read(&mut piece).await {
                Ok(n @ 1..) => heard.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(200), reading).await;
    heard
}

/// Believes any certificate.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a request is answered under TLS by whoever is there.
pub async fn is_answered_under_tls(name: &str, port: u16) -> bool {
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    let Ok(plain) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let Ok(mut tls) = TlsConnector::from(Arc::new(config)).connect(name, plain).await else { return false };
    asks(&mut tls).await.starts_with(b"HTTP/1.1 200")
}

async fn asks(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Vec<u8> {
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    hear(stream).await
}
