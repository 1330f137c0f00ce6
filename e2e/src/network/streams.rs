//! The bytes of each direction of each TCP connection, put together again from the frames of a capture.
//!
//! - What was sent twice is there once, what came out of order stands in order, and what is missing parts a stream in two pieces.
//! - A sender who sends other bytes under the same numbers shows its first ones here; the search looks at each frame by itself too.

use super::capture::{Frame, Segment};
use std::collections::HashMap;
use std::net::SocketAddrV4;

/// One direction of one connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Stream {
    pub from_mac: [u8; 6],
    pub to_mac: [u8; 6],
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    /// More than one: bytes between them are not in the capture.
    pub pieces: Vec<Vec<u8>>,
}

struct Open<'a> {
    from_mac: [u8; 6],
    to_mac: [u8; 6],
    from: SocketAddrV4,
    to: SocketAddrV4,
    /// The number of its first byte.
    base: u32,
    opened: Option<u32>,
    parts: Vec<(i64, &'a [u8])>,
}

/// All streams with bytes, in the order in which they began.
pub fn streams(frames: &[Frame<'_>]) -> Vec<Stream> {
    let mut all: Vec<Open<'_>> = Vec::new();
    let mut newest = HashMap::new();
    for frame in frames {
        let Some(segment) = frame.segment else { continue };
        let key = (frame.from, frame.to, segment.from, segment.to);
        let known = newest.get(&key).copied().filter(|&at: &usize| !is_another(&all[at], &segment));
        let at = known.unwrap_or_else(|| {
            let base = segment.sequence.wrapping_add(u32::from(segment.opens));
            let opened = segment.opens.then_some(segment.sequence);
            let (from_mac, to_mac) = (frame.from, frame.to);
            all.push(Open { from_mac, to_mac, from: segment.from, to: segment.to, base, opened, parts: Vec::new() });
            newest.insert(key, all.len() - 1);
            all.len() - 1
        });
        if !segment.bytes.is_empty() {
            let first = segment.sequence.wrapping_add(u32::from(segment.opens));
            // Numbers go around; no stream of a lab is half as long.
            let place = i64::from(first.wrapping_sub(all[at].base) as i32);
            all[at].parts.push((place, segment.bytes));
        }
    }
    all.into_iter().filter(|open| !open.parts.is_empty()).map(Open::close).collect()
}

/// The same ports once more: an opening with another number than that of the stream that is known.
fn is_another(known: &Open<'_>, segment: &Segment<'_>) -> bool {
    segment.opens && known.opened != Some(segment.sequence)
}

impl Open<'_> {
    fn close(mut self) -> Stream {
        self.parts.sort_by_key(|(place, _)| *place);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut next = None;
        for (place, bytes) in self.parts {
            let end = place + bytes.len() as i64;
            match (next, pieces.last_mut()) {
                (Some(next), Some(piece)) if place <= next => {
                    let known = usize::try_from(next - place).unwrap_or(usize::MAX).min(bytes.len());
                    piece.extend_from_slice(&bytes[known..]);
                }
                _ => pieces.push(bytes.to_vec()),
            }
            next = Some(next.map_or(end, |next: i64| next.max(end)));
        }
        let Self { from_mac, to_mac, from, to, .. } = self;
        Stream { from_mac, to_mac, from, to, pieces }
    }
}

#[cfg(test)]
mod tests {
    use super::super::capture::tests::{capture, tcp};
    use super::*;

    fn pieces(frames: &[Vec<u8>]) -> Vec<Vec<String>> {
        let capture = capture(frames);
        let text = |piece: &Vec<u8>| String::from_utf8_lossy(piece).into_owned();
        streams(&capture.frames().unwrap()).iter().map(|stream| stream.pieces.iter().map(text).collect()).collect()
    }

    #[test]
    fn a_stream_is_put_together_whatever_order_its_segments_came_in() {
        let open = tcp(1, 2, 99, true, b"");
        let parts = [tcp(1, 2, 100, false, b"mar"), tcp(1, 2, 103, false, b"k"), tcp(1, 2, 104, false, b"er")];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
            let frames: Vec<_> = [open.clone()].into_iter().chain(order.map(|part| parts[part].clone())).collect();
            assert_eq!(pieces(&frames), [["marker"]], "{order:?}");
        }
    }

    #[test]
    fn what_is_sent_again_is_there_once() {
        let frames = [
            tcp(1, 2, 100, false, b"mark"),
            tcp(1, 2, 100, false, b"mark"),
            tcp(1, 2, 102, false, b"rker"),
            tcp(1, 2, 101, false, b"a"),
        ];
        assert_eq!(pieces(&frames), [["marker"]]);
    }

    #[test]
    fn numbers_go_around() {
        let frames =
            [tcp(1, 2, u32::MAX - 3, true, b""), tcp(1, 2, u32::MAX - 2, false, b"mar"), tcp(1, 2, 0, false, b"ker")];
        assert_eq!(pieces(&frames), [["marker"]]);
    }

    #[test]
    fn what_is_missing_parts_a_stream() {
        assert_eq!(pieces(&[tcp(1, 2, 100, false, b"mar"), tcp(1, 2, 104, false, b"er")]), [["mar", "er"]]);
    }

    #[test]
    fn directions_hosts_and_later_connections_of_the_same_ports_are_apart() {
        let frames = [
            tcp(1, 2, 99, true, b""),
            tcp(1, 2, 100, false, b"one"),
            tcp(2, 1, 500, false, b"back"),
            tcp(1, 3, 100, false, b"other"),
            tcp(1, 2, 7000, true, b""),
            tcp(1, 2, 7001, false, b"two"),
        ];
        assert_eq!(pieces(&frames), [["one"], ["back"], ["other"], ["two"]]);
    }
}
