//! What a run has to show: nothing crossed but on the ways of the table, and no marker is where it may not be.

use super::bridge::{Crossed, Pair};
use super::capture::Frame;
use super::lab::Host;
use super::markers::Search;
use super::streams::streams;
use super::table::Way;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// So many findings are shown; one is enough to fail.
const SHOWN_MAX: usize = 8;

/// Every pair between which something crossed is a way of the table, or the way back of one; and every way that has to be was used.
pub fn crossings(crossed: &BTreeMap<Pair, Crossed>, ways: &[Way]) -> Result<(), String> {
    let known = |(from, to): &Pair| {
        ways.iter().any(|way| (way.from, way.to) == (*from, *to) || (way.to, way.from) == (*from, *to))
    };
    let strange = crossed.iter().filter(|(pair, _)| !known(pair));
    let strange =
        strange.map(|((from, to), count)| format!("{from} -> {to}: {} packets, {} bytes", count.packets, count.bytes));
    let unused = ways.iter().filter(|way| way.is_used && !crossed.contains_key(&(way.from, way.to)));
    let unused = unused.map(|way| format!("{} -> {}: nothing, and that shows nothing", way.from, way.to));
    none(strange.chain(unused).collect())
}

/// A place where a marker was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    pub place: String,
    pub form: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.form)
    }
}

/// What a capture holds of one region's marker.
#[derive(Debug, Default)]
pub struct Seen {
    /// On ways that may not carry it.
    pub leaks: Vec<Leak>,
    /// Streams that may carry it and do, by way: a search that finds nothing there would show nothing elsewhere.
    pub carried: BTreeMap<Pair, u32>,
    /// Streams of which the capture has not every byte.
    pub holes: Vec<String>,
}

/// Searches every stream, and each frame that is on no way that may carry the marker.
pub fn seen(frames: &[Frame<'_>], hosts: &[Host], search: &Search, region: &str, ways: &[Way]) -> Seen {
    let named = |mac: [u8; 6]| hosts.iter().find(|host| host.mac() == mac).map(|host| host.name);
    let pair = |from, to| Some((named(from)?, named(to)?));
    let carries = |(from, to): Pair| {
        ways.iter().any(|way| (way.from, way.to) == (from, to) && way.carries.is_some_and(|known| known == region))
    };
    let mut seen = Seen::default();
    let mut add = |place: String, found: Vec<super::markers::Found>| {
        seen.leaks.extend(found.into_iter().map(|found| Leak { place: place.clone(), form: found.form }));
    };
    for stream in streams(frames) {
        let Some(pair) = pair(stream.from_mac, stream.to_mac) else { continue };
        let shown = format!("{} -> {}, {} -> {}", pair.0, pair.1, stream.from, stream.to);
        if stream.pieces.len() > 1 {
            seen.holes.push(shown.clone());
        }
        for piece in &stream.pieces {
            let found = search.find(piece);
            if !carries(pair) {
                add(shown.clone(), found);
            } else if !found.is_empty() {
                *seen.carried.entry(pair).or_default() += 1;
            }
        }
    }
    for (number, frame) in frames.iter().enumerate() {
        let place = match pair(frame.from, frame.to) {
            Some(pair) if carries(pair) => continue,
            Some((from, to)) => format!("{from} -> {to}, frame {number}"),
            None => format!("frame {number} of hosts that the lab does not know"),
        };
        add(place, search.find(frame.whole));
    }
    seen
}

/// Every file below a folder but those of `left_out`; how many were read, and what was found.
pub fn files(folder: &Path, left_out: &[PathBuf], search: &Search) -> Result<(usize, Vec<Leak>), String> {
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let (mut read, mut leaks) = (0, Vec::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| at(&folder, error))? {
            let entry = entry.map_err(|error| at(&folder, error))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(|error| at(&folder, error))?);
            if left_out.contains(&path) {
                continue;
            }
            let mut found = search.find(path.file_name().unwrap_or_default().as_encoded_bytes());
            if kind.is_dir() {
                folders.push(path.clone());
            } else if kind.is_file() {
                read += 1;
                found.extend(search.find(&fs::read(&path).map_err(|error| at(&path, error))?));
            }
            leaks.extend(found.into_iter().map(|found| Leak { place: path.display().to_string(), form: found.form }));
        }
    }
    Ok((read, leaks))
}

/// `Ok` when nothing was found, else the first findings.
pub fn none<F: fmt::Display>(found: Vec<F>) -> Result<(), String> {
    match found.len() {
        0 => Ok(()),
        count => {
            let shown: Vec<_> = found.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
            Err(format!("{count} findings:\n          {}", shown.join("\n          ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::capture::tests::{capture, tcp};
    use super::*;

    const MARKER: &str = "k3vq9z7m2x8w4tn6abcdyfgh5jprsue2";
    const A: Host = Host { name: "a", group: 0, host: 1 };
    const B: Host = Host { name: "b", group: 0, host: 2 };
    const C: Host = Host { name: "c", group: 0, host: 3 };

    fn way(from: &'static str, to: &'static str, carries: Option<&'static str>) -> Way {
        Way { from, to, carries, is_used: true }
    }

    /// The frames of the lab's hosts: `tcp` writes other first bytes of an address.
    fn between(from: u8, to: u8, sequence: u32, bytes: &[u8]) -> Vec<u8> {
        let mut frame = tcp(from, to, sequence, false, bytes);
        frame[1] = 0xd0;
        frame[7] = 0xd0;
        frame
    }

    #[test]
    fn a_marker_is_a_leak_but_on_a_way_that_carries_it() {
        let (first, rest) = MARKER.as_bytes().split_at(11);
        let split = [between(1, 2, 100, first), between(1, 2, 111, rest)];
        let back = [between(2, 1, 100, MARKER.as_bytes())];
        let other = [between(1, 3, 100, MARKER.as_bytes())];
        let strange = [between(9, 3, 100, MARKER.as_bytes())];
        let ways = [way("a", "b", Some("eu-west"))];
        for (frames, region, leaks, carried) in [
            (&split[..], "eu-west", 0, 1),
            (&split, "us-west", 1, 0),
            (&back, "eu-west", 2, 0),
            (&other, "eu-west", 2, 0),
            (&strange, "eu-west", 1, 0),
        ] {
            let capture = capture(frames);
            let seen = seen(&capture.frames().unwrap(), &[A, B, C], &Search::new(MARKER), region, &ways);
            assert_eq!((seen.leaks.len(), seen.carried.len()), (leaks, carried), "{region}: {:?}", seen.leaks);
        }
    }

    #[test]
    fn only_what_the_table_opens_may_cross_and_that_must() {
        let ways = [way("a", "b", None)];
        let count = Crossed { packets: 1, bytes: 40 };
        let crossed = |pairs: &[Pair]| pairs.iter().map(|pair| (*pair, count)).collect();
        assert_eq!(crossings(&crossed(&[("a", "b"), ("b", "a")]), &ways), Ok(()));
        assert!(
            crossings(&crossed(&[("a", "b"), ("a", "c")]), &ways).unwrap_err().contains("a -> c: 1 packets, 40 bytes")
        );
        assert!(crossings(&crossed(&[]), &ways).unwrap_err().contains("a -> b: nothing"));
    }
}
