//! Partners: endpoints that note what they are sent and answer as the table says.

use super::lab::Lab;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Where every partner listens.
pub const PORT: u16 = 8080;

/// How a partner answers at one path.
#[derive(Clone, Debug)]
pub enum Manner {
    /// 200, and the connection stays open.
    Takes,
    /// 200, and the connection is closed: the next event needs another look-up.
    Closes,
    /// This status and one more header, for example 307 and `location`.
    Says { status: u16, header: &'static str, value: String },
}

/// What came to one path.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// How often each event came, by its messageId.
    pub events: HashMap<String, u32>,
    pub requests: u64,
    pub body_bytes: u64,
}

/// One host with all its endpoints. It ends with the program.
pub struct Partner {
    taken: Arc<Mutex<BTreeMap<String, Taken>>>,
}

impl Partner {
    /// `manners`: by path. Any other path takes, and is noted too.
    pub fn start(lab: &Lab, host: &str, manners: HashMap<String, Manner>) -> Result<Self, String> {
        let address = lab.address(host)?;
        let listener = lab
            .on(host, || TcpListener::bind((address, PORT)))?
            .map_err(|error| format!("{host} at {address}:{PORT}: {error}"))?;
        let taken = Arc::new(Mutex::default());
        let (noted, manners) = (Arc::clone(&taken), Arc::new(manners));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, manners) = (Arc::clone(&noted), Arc::clone(&manners));
                thread::spawn(move || converse(stream, &manners, &noted));
            }
        });
        Ok(Self { taken })
    }

    pub fn taken(&self, path: &str) -> Taken {
        self.all().remove(path).unwrap_or_default()
    }

    /// What came, by path.
    pub fn all(&self) -> BTreeMap<String, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Until the other side closes, or says what is no HTTP.
fn converse(stream: TcpStream, manners: &HashMap<String, Manner>, noted: &Mutex<BTreeMap<String, Taken>>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some((path, message_id, body_bytes))) = request(&mut stream) {
        {
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = noted.entry(path.clone()).or_default();
            taken.requests += 1;
            taken.body_bytes += body_bytes;
            *taken.events.entry(message_id).or_default() += 1;
        }
        let answer = match manners.get(&path) {
            None | Some(Manner::Takes) => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Some(Manner::Closes) => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
            Some(Manner::Says { status, header, value }) => {
                format!("HTTP/1.1 {status} Said\r\n{header}: {value}\r\ncontent-length: 0\r\n\r\n")
            }
        };
        let closes = matches!(manners.get(&path), Some(Manner::Closes));
        if stream.get_mut().write_all(answer.as_bytes()).is_err() || closes {
            return;
        }
    }
}

/// Path, messageId, and the length of the body; `None` at the connection's end.
fn request(stream: &mut impl BufRead) -> io::Result<Option<(String, String, u64)>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut message_id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => value.trim().clone_into(&mut message_id),
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            _ => {}
        }
    }
    let read = io::copy(&mut stream.take(length), &mut io::sink())?;
    Ok((read == length).then_some((path, message_id, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_on_one_connection_are_read_one_after_the_other() {
        let text = "POST /a HTTP/1.1\r\nIdempotency-Key: m1\r\nContent-Length: 3\r\n\r\nonePOST /b HTTP/1.1\r\n\r\n";
        let mut stream = text.as_bytes();
        assert_eq!(request(&mut stream).unwrap(), Some(("/a".to_owned(), "m1".to_owned(), 3)));
        assert_eq!(request(&mut stream).unwrap(), Some(("/b".to_owned(), String::new(), 0)));
        assert_eq!(request(&mut stream).unwrap(), None);
    }
}
