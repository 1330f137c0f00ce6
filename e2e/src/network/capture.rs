//! Every frame that entered the bridge: `tcpdump` writes them down, and what it wrote is read back.
//!
//! ```text
//! file   = header of 24 bytes | record | record | …
//! record = seconds u32 | fraction u32 | bytes here u32 | bytes on the wire u32 | frame
//! frame  = to 6 | from 6 | type u16 | IPv4 | TCP …            (the frame's own numbers are big endian)
//! ```
//!
//! A capture that lost or cut a frame proves nothing, and is an error.

use super::lab::Lab;
use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const WAIT_MAX: Duration = Duration::from_secs(15);
/// The frames that close a capture go to this port of the host `dns`, which nobody listens on.
const END_PORT: u16 = 9;

/// A capture that runs. Dropped, it is ended.
pub struct Recorder {
    tcpdump: Child,
    file: PathBuf,
    log: PathBuf,
}

impl Recorder {
    pub fn start(lab: &Lab, name: &str) -> Result<Self, String> {
        let (file, log) = (lab.folder.join(format!("{name}.pcap")), lab.folder.join(format!("{name}.log")));
        let errors = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &lab.bridge.namespace, "tcpdump", "-Z", "root", "-n", "-i", "br0"]);
        // Each frame at once and whole; room for a burst while this machine is busy.
        command.args(["--immediate-mode", "-s", "0", "-B", "65536", "-U", "-w"]).arg(&file);
        let tcpdump = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        let recorder = Self { tcpdump: tcpdump.map_err(|error| format!("tcpdump: {error}"))?, file, log };
        let begun = Instant::now();
        while !recorder.said().contains("listening on") {
            if begun.elapsed() > WAIT_MAX {
                return Err(format!("tcpdump did not begin: {}", recorder.said()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(recorder)
    }

    /// Ends it when all that crossed before is written, and reads it.
    ///
    /// # Errors
    /// A capture that lost a frame.
    pub fn stop(mut self, lab: &Lab) -> Result<Capture, String> {
        self.await_written(lab)?;
        let ended = Command::new("kill").args(["-INT", &self.tcpdump.id().to_string()]).status();
        ended.map_err(|error| format!("kill: {error}"))?;
        self.tcpdump.wait().map_err(|error| format!("tcpdump: {error}"))?;
        let said = self.said();
        let dropped = said.lines().find_map(|line| line.split_once(" packets dropped by kernel"));
        match dropped {
            Some(("0", _)) => Capture::read(&self.file),
            _ => Err(format!("the capture is not whole: {}", said.trim().replace('\n', "; "))),
        }
    }

    /// Sends a frame that nothing else looks like, again and again, until it stands at the end of the file.
    fn await_written(&self, lab: &Lab) -> Result<(), String> {
        let end = format!("end of capture {} {:?}", self.tcpdump.id(), Instant::now());
        let to = SocketAddrV4::new(lab.address("dns")?, END_PORT);
        let begun = Instant::now();
        while begun.elapsed() < WAIT_MAX {
            lab.on("operator", || {
                UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| socket.send_to(end.as_bytes(), to))
            })?
            .map_err(|error| format!("closing the capture: {error}"))?;
            thread::sleep(Duration::from_millis(50));
            if tail(&self.file).windows(end.len()).any(|window| window == end.as_bytes()) {
                return Ok(());
            }
        }
        Err(format!("what crossed is not in the capture after {WAIT_MAX:?}"))
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

fn tail(path: &Path) -> Vec<u8> {
    use std::io::{Seek, SeekFrom};
    const TAIL: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        file.read_to_end(&mut bytes)
    });
    bytes
}

/// What was captured, as it is in the file.
pub struct Capture {
    bytes: Vec<u8>,
    big_endian: bool,
}

/// One frame, and what of it could be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub from: [u8; 6],
    pub to: [u8; 6],
    pub whole: &'a [u8],
    pub segment: Option<Segment<'a>>,
}

/// A piece of one direction of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub sequence: u32,
    /// It opens the connection; its bytes begin one number later.
    pub opens: bool,
    pub bytes: &'a [u8],
}

impl Capture {
    fn read(file: &Path) -> Result<Self, String> {
        let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::of(bytes).map_err(|why| format!("{}: {why}", file.display()))
    }

    fn of(bytes: Vec<u8>) -> Result<Self, String> {
        let big_endian = match bytes.get(..4) {
            Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => false,
            Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => true,
            _ => return Err("is no pcap file".to_owned()),
        };
        let capture = Self { bytes, big_endian };
        match capture.number(20) {
            Some(link) if link & 0xffff == 1 => Ok(capture),
            _ => Err("holds no Ethernet frames".to_owned()),
        }
    }

    /// All frames in the order in which they came.
    ///
    /// # Errors
    /// A frame that is not there as long as it was.
    pub fn frames(&self) -> Result<Vec<Frame<'_>>, String> {
        let mut frames = Vec::new();
        let mut at = 24;
        while at < self.bytes.len() {
            let cut = || format!("the capture's record at byte {at} is cut off");
            let (Some(here), Some(on_the_wire)) = (self.number(at + 8), self.number(at + 12)) else {
                return Err(cut());
            };
            let whole = self.bytes.get(at + 16..at + 16 + here as usize).ok_or_else(cut)?;
            if here != on_the_wire {
                return Err(format!("of the frame at byte {at} the capture has {here} of {on_the_wire} bytes"));
            }
            frames.push(frame(whole).ok_or_else(|| format!("the frame at byte {at} has no addresses"))?);
            at += 16 + here as usize;
        }
        Ok(frames)
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

fn frame(whole: &[u8]) -> Option<Frame<'_>> {
    let (to, from) = (whole.get(..6)?.try_into().ok()?, whole.get(6..12)?.try_into().ok()?);
    Some(Frame { from, to, whole, segment: segment(whole) })
}

fn segment(frame: &[u8]) -> Option<Segment<'_>> {
    let ip = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
    let header = usize::from(ip.first()? & 0x0f) * 4;
    let big = |at: usize, from: &[u8]| Some(u16::from_be_bytes([*from.get(at)?, *from.get(at + 1)?]));
    let is_first_and_only = big(6, ip)? & 0x3fff == 0;
    if ip[0] >> 4 != 4 || header < 20 || *ip.get(9)? != 6 || !is_first_and_only {
        return None;
    }
    // A frame that the sender left for its card to cut up may say 0.
    let length = match usize::from(big(2, ip)?) {
        0 => ip.len(),
        length => length,
    };
    let tcp = ip.get(header..length.min(ip.len()))?;
    let address = |at: usize, port: usize| {
        let octets: [u8; 4] = ip.get(at..at + 4)?.try_into().ok()?;
        Some(SocketAddrV4::new(Ipv4Addr::from(octets), big(port, tcp)?))
    };
    let sequence = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
    let opens = tcp.get(13)? & 0x02 != 0;
    let bytes = tcp.get(usize::from(tcp[12] >> 4) * 4..)?;
    Some(Segment { from: address(12, 0)?, to: address(16, 2)?, sequence, opens, bytes })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn tcp(from: u8, to: u8, sequence: u32, opens: bool, bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
        let length = (40 + bytes.len()) as u16;
        frame.extend([
            0x45,
            0,
            (length >> 8) as u8,
            length as u8,
            0,
            0,
            0x40,
            0,
            64,
            6,
            0,
            0,
            10,
            0,
            0,
            from,
            10,
            0,
            0,
            to,
        ]);
        frame.extend([0x10, 0, 0, 80]);
        frame.extend(sequence.to_be_bytes());
        frame.extend([0, 0, 0, 0, 0x50, if opens { 2 } else { 16 }, 0, 0, 0, 0, 0, 0]);
        frame.extend(bytes);
        frame
    }

    pub fn capture(frames: &[Vec<u8>]) -> Capture {
        Capture::of(file(frames, u32::to_le_bytes)).unwrap()
    }

    fn file(frames: &[Vec<u8>], number: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1] {
            bytes.extend(number(field));
        }
        for frame in frames {
            for field in [1, 2, frame.len() as u32, frame.len() as u32] {
                bytes.extend(number(field));
            }
            bytes.extend(frame);
        }
        bytes
    }

    #[test]
    fn frames_are_read_in_both_orders_of_bytes() {
        let frames = [tcp(1, 2, 7, true, b""), tcp(1, 2, 8, false, b"hello"), vec![0; 14]];
        for number in [u32::to_le_bytes, u32::to_be_bytes] {
            let capture = Capture::of(file(&frames, number)).unwrap();
            let read = capture.frames().unwrap();
            assert_eq!(read.len(), 3);
            assert_eq!((read[1].from, read[1].to), ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
            let segment = read[1].segment.unwrap();
            assert_eq!((segment.sequence, segment.opens, segment.bytes), (8, false, &b"hello"[..]));
            assert_eq!(segment.from.to_string(), "10.0.0.1:4096");
            assert!(read[0].segment.unwrap().opens);
            assert_eq!(read[2].segment, None);
        }
    }

    #[test]
    fn padding_behind_a_packet_is_not_of_its_stream() {
        let mut frame = tcp(1, 2, 8, false, b"hello");
        frame.extend([0; 9]);
        assert_eq!(capture(&[frame]).frames().unwrap()[0].segment.unwrap().bytes, b"hello");
    }

    #[test]
    fn a_capture_that_is_not_whole_is_an_error_and_nothing_in_it_panics() {
        let good = file(&[tcp(1, 2, 8, false, b"hello"), tcp(2, 1, 9, true, b"")], u32::to_le_bytes);
        assert!(Capture::of(good[..20].to_vec()).is_err());
        for cut in 25..good.len() {
            let read = Capture::of(good[..cut].to_vec()).unwrap().frames().map(|frames| frames.len());
            let first = 24 + 16 + 59;
            assert!(read.is_err() || (cut == first && read == Ok(1)), "{cut}: {read:?}");
        }
        let mut shortened = good.clone();
        shortened[24 + 12] += 1;
        assert!(Capture::of(shortened).unwrap().frames().unwrap_err().contains("59 of 60"));
        for at in 24..good.len() {
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[at] ^= 1 << bit;
                let _ = Capture::of(flipped).unwrap().frames();
            }
        }
    }
}
