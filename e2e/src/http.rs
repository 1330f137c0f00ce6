//! A client small enough to see what it does: one kept connection, HTTP/1.1, no retry, no redirect.

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One kept connection to one address. Any error closes it; the next request opens another.
pub struct Connection {
    address: SocketAddr,
    /// What a proxy says first on each connection.
    prelude: Vec<u8>,
    tls: Option<Arc<ClientConfig>>,
    stream: Option<BufReader<Box<dyn Stream>>>,
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Connection {
    /// `url`: `http://ADDRESS:PORT` or `https://ADDRESS:PORT`, as `demo.json` gives it. With https say whom it trusts.
    pub fn to(url: &str) -> io::Result<Self> {
        let address = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
        let address = address.parse().map_err(|_| io::Error::other(format!("not an address: {url}")))?;
        Ok(Self { address, prelude: Vec::new(), tls: None, stream: None })
    }

    /// Begins each connection with these bytes, as a proxy with its PROXY header does.
    pub fn announced_by(self, prelude: &[u8]) -> Self {
        Self { prelude: prelude.to_vec(), ..self }
    }

    /// Encrypts, and goes on only with a server that shows this certificate for its address.
    pub fn trusting(self, certificate: &CertificateDer<'static>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Some(Arc::new(config)), ..self })
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// Whatever the socket says, and `InvalidData` for an answer that is not HTTP. The server may have acted all the same.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open()?,
        };
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.address, body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        stream.get_mut().flush()?;

        let (answer, kept) = read_answer(&mut stream)?;
        if kept {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn open(&self) -> io::Result<BufReader<Box<dyn Stream>>> {
        let mut tcp = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        tcp.set_read_timeout(Some(TIMEOUT))?;
        tcp.set_write_timeout(Some(TIMEOUT))?;
        tcp.set_nodelay(true)?;
        tcp.write_all(&self.prelude)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, tcp))
            }
        };
        Ok(BufReader::new(stream))
    }
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let status = read_line(stream)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| not_http(&status))?;
    let (mut length, mut chunked, mut kept, mut headers) = (0, false, true, Vec::new());
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| not_http(&line))?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        match name.as_str() {
            "content-length" => length = value.parse().map_err(|_| not_http(&line))?,
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => kept = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
        headers.push((name, value.to_owned()));
    }
    let body = if chunked { read_chunks(stream)? } else { read_exactly(stream, length)? };
    Ok((Answer { status, headers, body }, kept))
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let length = usize::from_str_radix(&line, 16).map_err(|_| not_http(&line))?;
        body.extend(read_exactly(stream, length)?);
        read_line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(stream: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn not_http(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {line:?}"))
}
