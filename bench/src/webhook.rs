//! A webhook that notes when each event came.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub struct Webhook {
    pub address: SocketAddr,
    latencies_ms: Arc<Mutex<Vec<f64>>>,
}

impl Webhook {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let latencies_ms = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&latencies_ms);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || serve(stream, &noted));
            }
        });
        Ok(Self { address, latencies_ms })
    }

    /// Milliseconds from `receivedAt` to the webhook, of at least `events` events.
    pub fn latencies_ms(&self, events: u64, wait: Duration) -> io::Result<Vec<f64>> {
        let began = Instant::now();
        loop {
            let noted = self.latencies_ms.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if noted.len() as u64 >= events {
                return Ok(noted);
            }
            if began.elapsed() > wait {
                return Err(io::Error::other(format!("the webhook got {} of {events} events", noted.len())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn serve(stream: TcpStream, noted: &Mutex<Vec<f64>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
        let event: serde_json::Value = serde_json::from_slice(&body)?;
        let received = event["receivedAt"].as_str().and_then(domicile_event::parse_time).unwrap_or(0);
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(now - received as f64);
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")?;
    }
}
