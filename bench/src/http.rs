//! One-off requests of the bench to the cell.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub fn get(address: SocketAddr, path: &str, token: Option<&str>) -> io::Result<String> {
    request(address, &format!("GET {path} HTTP/1.1\r\n"), token, "")
}

pub fn post_json(address: SocketAddr, path: &str, token: &str, body: &str) -> io::Result<String> {
    request(address, &format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\n"), Some(token), body)
}

pub fn post(address: SocketAddr, path: &str, body: &str) -> io::Result<String> {
    request(address, &format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\n"), None, body)
}

pub fn patch_json(address: SocketAddr, path: &str, token: &str, body: &str) -> io::Result<String> {
    request(address, &format!("PATCH {path} HTTP/1.1\r\ncontent-type: application/json\r\n"), Some(token), body)
}

/// The answer's body; any status but 2xx is an error that holds it.
fn request(address: SocketAddr, head: &str, token: Option<&str>, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let text = format!(
        "{head}host: {address}\r\n{authorization}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Ok(body.to_owned());
    }
    Err(io::Error::other(format!("{address}: {answer}")))
}
