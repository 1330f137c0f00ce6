//! SIGTERM in the middle of things: exit code 0, and everything that was promised is archived.

use crate::faults::book::{Client, close};
use crate::tally::Tally;
use crate::up::Home;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const STOP_MAX: Duration = Duration::from_secs(30);

/// How often it is stopped in the moment of its start.
const EARLY_STOPS: u32 = 30;

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "early", &[], |tally, home| {
        let outcome = (0..EARLY_STOPS).try_for_each(|_| home.start_ready()?.stop());
        tally.check(format!("SIGTERM right after the line `ready`, {EARLY_STOPS} times: a stop in order"), outcome);
        Ok(())
    });
    Home::test(tally, domicile, "stop", &[], |tally, home| {
        let mut up = home.start_ready()?;
        let mut clients = Client::of_all(&home.demo()?, "stop")?;
        // The archive closes its files after a minute: all of these lie in open ones.
        clients.iter_mut().try_for_each(|client| client.send_good(10))?;
        let mut half = Vec::new();
        for client in &mut clients {
            half.push(Half::begin(client)?);
        }
        // These never send the rest, and must hold up nobody.
        let mut never = Vec::new();
        for client in &mut clients {
            never.push(Half::begin(client)?);
        }
        let began = Instant::now();
        up.terminate()?;
        // From now on nobody new is let in.
        let door = await_closed(&clients[0]);
        tally.check("SIGTERM: no new connection is taken", door);
        let outcome = half.into_iter().zip(&mut clients).try_for_each(|(half, client)| half.finish(client));
        tally.check("SIGTERM: a request that is on its way is answered 200", outcome);
        if !up.is_running() {
            tally.check("SIGTERM: slow requests are waited for", Err("it has ended already"));
        }
        let ended = up.ended(STOP_MAX)?;
        let took = began.elapsed();
        drop(never);
        let outcome = match ended.code {
            Some(0) if took <= STOP_MAX => Ok(()),
            code => Err(format!("exit code {code:?} after {took:?}: {}", ended.said)),
        };
        tally.check(format!("SIGTERM with requests that never end: exit code 0 within {STOP_MAX:?}"), outcome);
        let mut book = crate::faults::book::Book::of(&home.data);
        let missing = book.read(&clients)?;
        let outcome = if missing == 0 { Ok(()) } else { Err(format!("{missing} are missing")) };
        tally.check("SIGTERM: what was promised is archived when the process has ended", outcome);
        let up = home.start_ready()?;
        close(tally, home, up, "SIGTERM and a start", &clients).map(drop)
    });
}

/// A request of which half is sent.
struct Half {
    stream: TcpStream,
    numbers: std::ops::Range<u64>,
    rest: Vec<u8>,
}

impl Half {
    fn begin(client: &mut Client) -> Result<Self, String> {
        let address = client.url().trim_start_matches("http://").to_owned();
        let (numbers, body) = client.take_body();
        let head = format!("POST /v1/batch HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
        let (now, rest) = body.as_bytes().split_at(body.len() / 2);
        let mut stream = TcpStream::connect(&address).map_err(|error| format!("{address}: {error}"))?;
        stream.write_all(&[head.as_bytes(), now].concat()).map_err(|error| format!("{address}: {error}"))?;
        stream.set_read_timeout(Some(STOP_MAX)).map_err(|error| error.to_string())?;
        Ok(Self { stream, numbers, rest: rest.to_vec() })
    }

    /// Sends the rest; the answer must be 200.
    fn finish(mut self, client: &mut Client) -> Result<(), String> {
        let mut answer = String::new();
        self.stream
            .write_all(&self.rest)
            .and_then(|()| BufReader::new(&self.stream).read_line(&mut answer))
            .map_err(|error| format!("{}: {error}", client.url()))?;
        if !answer.starts_with("HTTP/1.1 200") {
            return Err(format!("{}: answered {answer:?}", client.url()));
        }
        client.promise(self.numbers);
        Ok(())
    }
}

fn await_closed(client: &Client) -> Result<(), String> {
    let address = client.url().trim_start_matches("http://");
    let start = Instant::now();
    while start.elapsed() < STOP_MAX {
        if TcpStream::connect(address).is_err() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(format!("{address} still takes connections"))
}
