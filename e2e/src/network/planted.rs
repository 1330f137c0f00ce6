//! The control: what is planted has to be found, by the same counters and the same search as in the run, or the run shows nothing.
//!
//! A host of the eu group sends a marker to a host in the US in every form, once in two packets, and asks the name server for
//! it; files with it are left at the US host.

use super::capture::Recorder;
use super::checks::{self, Leak};
use super::dns::query;
use super::lab::Lab;
use super::markers::{self, Search};
use super::partner::{PORT, Partner};
use super::table::{EU, ways};
use crate::control::encoded;
use crate::tally::Tally;
use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

const FROM: &str = "leak-eu";
const TO: &str = "sink-us";

/// Plants, looks, and takes away what was planted.
///
/// # Errors
/// What was planted and not found.
pub fn find(tally: &mut Tally, lab: &Lab) -> Result<(), String> {
    let marker = markers::fresh().map_err(|error| format!("a marker: {error}"))?;
    let search = Search::new(&marker);
    let forms = forms(&marker)?;
    Partner::start(lab, TO, HashMap::new())?;
    lab.bridge.reset()?;
    let recorder = Recorder::start(lab, "planted")?;
    let (sink, names) = (SocketAddrV4::new(lab.address(TO)?, PORT), SocketAddrV4::new(lab.address("dns")?, 53));
    let trap = SocketAddr::from((lab.address("trap")?, PORT));
    lab.on(FROM, || {
        forms.iter().try_for_each(|(_, bytes)| leak(sink, bytes))?;
        // Nobody listens there yet: it answers that, and that it is reached is what counts.
        let _ = TcpStream::connect_timeout(&trap, Duration::from_secs(5));
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.send_to(&query(&format!("{marker}.partner.test")), names).map(drop)
    })?
    .map_err(|error| format!("planting: {error}"))?;
    let capture = recorder.stop(lab)?;
    let seen = checks::seen(&capture.frames()?, &lab.hosts, &search, EU, &ways());
    let crossed = lab.bridge.crossed()?;

    let before = tally.failed();
    for (form, _) in forms.iter().filter(|(form, _)| !form.is_empty()) {
        tally
            .check(format!("control: a planted leak is found in the capture, {form}"), is_among(&seen.leaks, TO, form));
    }
    let streams = seen.leaks.iter().filter(|leak| leak.place.contains(" -> 10.99.3.9:8080")).count();
    let each =
        if streams >= forms.len() { Ok(()) } else { Err(format!("found in {streams} of {} streams", forms.len())) };
    tally.check("control: also when it is parted into two packets", each);
    tally.check("control: a planted leak is found in a look-up", is_among(&seen.leaks, "dns", "plain"));
    for to in [TO, "trap", "dns"] {
        let counted = crossed.get(&(FROM, to)).filter(|count| count.packets > 0 && count.bytes > 0);
        tally.check(format!("control: what {FROM} sent to {to} is counted"), counted.map(drop).ok_or("0 packets"));
    }
    let refused = checks::crossings(&crossed, &ways()).err().filter(|why| why.contains(&format!("{FROM} -> {TO}")));
    tally.check("control: the table does not let it cross", refused.map(drop).ok_or("nothing was said of it"));
    files(tally, lab, &search, &forms)?;
    tally.check("control: two hosts share no /tmp and no /dev/shm", private(lab));
    lab.bridge.reset()?;
    match tally.failed() == before {
        true => Ok(()),
        false => Err("what was planted was not found, so that the run would show nothing".to_owned()),
    }
}

/// The same forms in files of another host.
fn files(tally: &mut Tally, lab: &Lab, search: &Search, forms: &[(&str, Vec<u8>)]) -> Result<(), String> {
    let folder = lab.home(TO);
    for (number, (_, bytes)) in forms.iter().enumerate() {
        let file = folder.join("tmp").join(format!("planted-{number}"));
        fs::write(&file, [b"some text ", &bytes[..]].concat())
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let (_, leaks) = checks::files(&folder, &[], search)?;
    for (number, (form, _)) in forms.iter().enumerate() {
        if !form.is_empty() {
            let found = is_among(&leaks, &format!("planted-{number}"), form);
            tally.check(format!("control: a planted leak is found in a file, {form}"), found);
        }
        fs::remove_file(folder.join("tmp").join(format!("planted-{number}"))).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What a process of one host leaves in `/tmp` and `/dev/shm` is in that host's folder, and no process of another sees it: else a
/// marker could cross where no packet does.
fn private(lab: &Lab) -> Result<(), String> {
    let shell = |host, script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        lab.process(host, &command)?.output().map_err(|error| format!("{host}: {error}"))
    };
    let written = shell(FROM, "echo planted > /tmp/planted && echo planted > /dev/shm/planted")?;
    let home = lab.home(FROM);
    if !written.status.success() || !["tmp", "shm"].iter().all(|folder| home.join(folder).join("planted").exists()) {
        return Err(format!("{FROM} left nothing: {}", String::from_utf8_lossy(&written.stderr)));
    }
    match shell(TO, "cat /tmp/planted || cat /dev/shm/planted")?.status.success() {
        true => Err(format!("{TO} reads what {FROM} left")),
        false => Ok(()),
    }
}

fn is_among(leaks: &[Leak], place: &str, form: &str) -> Result<(), String> {
    match leaks.iter().any(|leak| leak.place.contains(place) && leak.form == form) {
        true => Ok(()),
        false => Err(format!("found was {leaks:?}")),
    }
}

/// What is sent, and as what it has to be found; two of the same form are told apart by their count.
fn forms(marker: &str) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let percent: String = marker.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let json: String = marker.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let email = encoded(&format!("{marker}@example.com"));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let gzipped = gzip.write_all(marker.as_bytes()).and_then(|()| gzip.finish()).map_err(|error| error.to_string())?;
    let mut forms = vec![
        ("plain", marker.as_bytes().to_vec()),
        ("hexadecimal", HEXLOWER.encode(marker.as_bytes()).into_bytes()),
        ("percent-encoded: plain", percent.into_bytes()),
        ("JSON-escaped: plain", json.into_bytes()),
        ("gzip: plain", gzipped),
        ("", email.into_bytes()),
    ];
    for before in ["", "a", "ab"] {
        forms.push((
            if before.is_empty() { "base64" } else { "" },
            BASE64.encode(format!("{before}{marker}").as_bytes()).into_bytes(),
        ));
    }
    Ok(forms)
}

/// One request whose body comes in two packets, the cut in the middle of it.
fn leak(to: SocketAddrV4, bytes: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let head = format!("POST /planted HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    stream.write_all(&[head.as_bytes(), first].concat())?;
    stream.write_all(rest)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}
