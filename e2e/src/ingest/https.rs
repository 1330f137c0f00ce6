//! HTTPS with certificate files that an operator replaces while the process runs.

use crate::archive::await_archived;
use crate::certificate::Files;
use crate::client::Sent;
use crate::http::Connection;
use crate::json::Json;
use crate::kept::{Expected, Kept};
use crate::tally::Tally;
use crate::up::{Demo, Home};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The files are looked at every second; a busy machine may take its time.
const CHANGE_MAX: Duration = Duration::from_secs(20);

const POINTS: [(&str, &str); 2] = [("us-west", "singapore"), ("eu-west", "dublin")];

pub fn run(tally: &mut Tally, domicile: &Path) {
    let files = Files::fresh("certificate").and_then(|files| Ok((files.make()?, files)));
    match files {
        Ok((first, files)) => {
            let arguments = [("--tls-cert", &*files.certificate), ("--tls-key", &*files.key)];
            Home::test(tally, domicile, "https", &arguments, |tally, home| {
                replace_and_compare(tally, home, &files, &first)
            });
        }
        Err(error) => tally.check("a certificate", Err(error)),
    }
}

fn replace_and_compare(
    tally: &mut Tally,
    home: &Home,
    files: &Files,
    first: &CertificateDer<'static>,
) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut expected = Vec::new();

    let mut open = Vec::new();
    for (region, point) in POINTS {
        let mut line = Line::to(&demo, region, point, first)?;
        tally.check(format!("https, {region}/{point}: an event is taken"), line.send("before", &mut expected));
        open.push(line);
    }

    let second = files.make().map_err(|error| format!("a second certificate: {error}"))?;
    for (region, point) in POINTS {
        let shown = await_shown(&demo, region, point, &second);
        tally.check(format!("https, {region}/{point}: a replaced certificate is shown without a restart"), shown);
        let mut line = Line::to(&demo, region, point, &second)?;
        tally.check(format!("https, {region}/{point}: an event is taken under it"), line.send("after", &mut expected));
        let old = match Line::to(&demo, region, point, first)?.ready() {
            Ok(()) => Err("it is still shown"),
            Err(_) => Ok(()),
        };
        tally.check(format!("https, {region}/{point}: the old one is not shown any more"), old);
    }
    for line in &mut open {
        let promise = format!("https, {}/{}: a connection from before is kept", line.region, line.point);
        tally.check(promise, line.send("kept", &mut expected));
    }
    let cell = demo.cell("eu-west")?;
    let answer = Connection::to(cell).and_then(|cell| cell.trusting(&second)?.request("GET", "/readyz", &[], b""));
    let outcome = match answer {
        Ok(answer) if answer.status == 200 && cell.starts_with("https://") => Ok(()),
        Ok(answer) => Err(format!("{cell} answered {}", answer.status)),
        Err(error) => Err(format!("{cell}: {error}")),
    };
    tally.check("https: the cell has the same certificate, and demo.json says https", outcome);

    let mut kept = Kept::of(&home.data);
    tally.check("https: everything comes to the archive", await_archived(home, up, || kept.read(&expected)));
    kept.check_nothing_else(tally, &expected);
    Ok(())
}

/// Waits until new connections are shown this certificate.
fn await_shown(
    demo: &Demo,
    region: &'static str,
    point: &'static str,
    certificate: &CertificateDer<'static>,
) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match Line::to(demo, region, point, certificate)?.ready() {
            Err(why) if start.elapsed() > CHANGE_MAX => return Err(format!("after {CHANGE_MAX:?}: {why}")),
            Err(_) => thread::sleep(Duration::from_millis(50)),
            Ok(()) => return Ok(()),
        }
    }
}

/// A connection to an ingest point that must show a certificate.
struct Line<'a> {
    demo: &'a Demo,
    region: &'static str,
    point: &'static str,
    connection: Connection,
}

impl<'a> Line<'a> {
    fn to(
        demo: &'a Demo,
        region: &'static str,
        point: &'static str,
        certificate: &CertificateDer<'static>,
    ) -> Result<Self, String> {
        let url = demo.ingest(region, point)?;
        let connection = Connection::to(url).and_then(|connection| connection.trusting(certificate));
        Ok(Self { demo, region, point, connection: connection.map_err(|error| format!("{url}: {error}"))? })
    }

    fn ready(&mut self) -> Result<(), String> {
        match self.connection.request("GET", "/readyz", &[], b"") {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("answered {}", answer.status)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn send(&mut self, when: &str, expected: &mut Vec<Expected>) -> Result<(), String> {
        let source = self.demo.source(self.region, "web")?;
        let message_id = format!("https-{}-{}-{when}", self.region, self.point);
        let event =
            format!(r#"{{"messageId":"{message_id}","userId":"ada","event":"Seen","writeKey":"{}"}}"#, source.key);
        let answer = self.connection.request("POST", "/v1/track", &[], event.as_bytes());
        match answer {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => return Err(format!("answered {}", answer.status)),
            Err(error) => return Err(error.to_string()),
        }
        let event = Json::parse(&format!(r#"{{"messageId":"{message_id}","event":"Seen"}}"#))
            .map_err(|error| error.to_string())?;
        expected.push(Expected {
            name: message_id.clone(),
            region: self.region,
            source_id: source.id.to_owned(),
            sent: vec![Sent { message_id, event }],
            ip: Some("127.0.0.1"),
        });
        Ok(())
    }
}
