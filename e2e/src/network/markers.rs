//! A marker that stands in for what must not leave, and the search for it in whatever it may have been turned into.
//!
//! - As it is, in capitals, base64 (both alphabets, all three alignments), hexadecimal (both cases), UTF-16, backwards: by one pass over the
//!   bytes that mostly skips, because the shortest of these has 32 bytes.
//! - Percent-encoded and JSON-escaped, wholly or in part: undone first, then the same pass.
//! - In members of gzip and zlib, wherever they begin, also one in another; in the chunks of an HTTP body.
//!
//! What is encrypted, cut into pieces, or compressed without a header is not found.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use flate2::read::{GzDecoder, ZlibDecoder};
use std::fs::File;
use std::io::{self, Read};

/// Members in members, and encodings in them.
const DEPTH_MAX: u32 = 3;
/// What one member may come to; a bomb is not read to its end.
const MEMBER_BYTES_MAX: u64 = 256 << 20;

/// 32 letters and digits by chance: what survives every field, header and name of a host.
pub fn fresh() -> io::Result<String> {
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut dice = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut dice)?;
    Ok(dice.iter().map(|byte| char::from(SIGNS[usize::from(byte % 32)])).collect())
}

/// A form in which the marker stood there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `base64`, `gzip: plain`
    pub form: String,
    pub at: usize,
}

/// The search for one marker.
pub struct Search {
    needles: Vec<(&'static str, Vec<u8>)>,
    /// How far to go on from a place that ends with these two bytes, at least.
    skips: Vec<u8>,
    shortest: usize,
}

impl Search {
    pub fn new(marker: &str) -> Self {
        let text = marker.as_bytes();
        let wide = |bytes: fn(u8) -> [u8; 2]| text.iter().flat_map(|&byte| bytes(byte)).collect();
        let mut needles = vec![
            ("plain", text.to_vec()),
            ("plain", marker.to_uppercase().into_bytes()),
            ("backwards", text.iter().rev().copied().collect()),
            ("hexadecimal", HEXLOWER.encode(text).into_bytes()),
            ("hexadecimal", HEXUPPER.encode(text).into_bytes()),
            ("UTF-16", wide(|byte| [byte, 0])),
            ("UTF-16", wide(|byte| [0, byte])),
        ];
        for (form, alphabet) in [("base64", &BASE64), ("base64url", &BASE64URL)] {
            needles.extend((0..3).map(|before| (form, inner(alphabet, text, before))));
        }
        let shortest = needles.iter().map(|(_, needle)| needle.len()).min().unwrap_or(2);
        let mut skips = vec![(shortest - 1) as u8; 1 << 16];
        for (_, needle) in &needles {
            for (end, pair) in (1..shortest).zip(needle.windows(2)) {
                let skip = &mut skips[index(pair[0], pair[1])];
                *skip = (*skip).min((shortest - 1 - end) as u8);
            }
        }
        Self { needles, skips, shortest }
    }

    /// The first place of each form; nothing when the marker is not there.
    pub fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        self.look(bytes, "", 0, DEPTH_MAX, &mut found);
        found
    }

    /// `path` says what was undone so far, `base` where that began in what was given.
    fn look(&self, bytes: &[u8], path: &str, base: usize, depth: u32, found: &mut Vec<Found>) {
        let mut add = |form: &str, at: usize| {
            let form = format!("{path}{form}");
            if found.iter().all(|known| known.form != form) {
                found.push(Found { form, at });
            }
        };
        let at_top = path.is_empty();
        self.scan(bytes, |form, at| add(form, if at_top { at } else { base }));
        if bytes.contains(&b'%') {
            self.scan(&unpercented(bytes), |form, _| add(&format!("percent-encoded: {form}"), base));
        }
        if bytes.contains(&b'\\') {
            self.scan(&unescaped(bytes), |form, _| add(&format!("JSON-escaped: {form}"), base));
        }
        if depth == 0 {
            return;
        }
        let mut inside = |form: &str, at: usize, member: Vec<u8>| {
            if !member.is_empty() {
                self.look(&member, &format!("{path}{form}: "), if at_top { at } else { base }, depth - 1, found);
            }
        };
        if let Some(joined) = unchunked(bytes) {
            inside("chunked", 0, joined);
        }
        for (at, pair) in bytes.windows(2).enumerate().filter(|(_, pair)| pair[0] == 0x1f || pair[0] == 0x78) {
            match pair {
                [0x1f, 0x8b] if bytes.get(at + 2) == Some(&8) => {
                    inside("gzip", at, read(GzDecoder::new(&bytes[at..])));
                }
                [0x78, 0x01 | 0x5e | 0x9c | 0xda] => inside("zlib", at, read(ZlibDecoder::new(&bytes[at..]))),
                _ => {}
            }
        }
    }

    /// Every place of a needle. Goes on by as many bytes as no needle can end in.
    fn scan(&self, bytes: &[u8], mut take: impl FnMut(&'static str, usize)) {
        let mut end = self.shortest - 1;
        while end < bytes.len() {
            let skip = self.skips[index(bytes[end - 1], bytes[end])];
            if skip > 0 {
                end += usize::from(skip);
                continue;
            }
            let at = end + 1 - self.shortest;
            for (form, needle) in &self.needles {
                if bytes[at..].starts_with(needle) {
                    take(form, at);
                }
            }
            end += 1;
        }
    }
}

fn index(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The part of an encoding that is the same whatever stands before (so many bytes more than a multiple of three) and behind.
fn inner(alphabet: &data_encoding::Encoding, text: &[u8], before: usize) -> Vec<u8> {
    let padded = [&b"\0\0\0"[..before], text].concat();
    let encoded = alphabet.encode(&padded).into_bytes();
    encoded[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_vec()
}

/// What can be read of it before it ends or turns out to be none.
fn read(member: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = member.take(MEMBER_BYTES_MAX).read_to_end(&mut bytes);
    bytes
}

fn unpercented(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, b'%', |rest| hexadecimal(rest.get(1..3)?).and_then(|code| Some((u8::try_from(code).ok()?, 3))))
}

/// `\u0061` and `\/` by the signs that they stand for.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes, b'\\', |rest| match rest.get(1)? {
        b'u' => hexadecimal(rest.get(2..6)?).and_then(|code| Some((u8::try_from(code).ok()?, 6))),
        b'x' => hexadecimal(rest.get(2..4)?).and_then(|code| Some((u8::try_from(code).ok()?, 4))),
        sign @ (b'/' | b'"' | b'\\') => Some((*sign, 2)),
        _ => None,
    })
}

fn replaced(bytes: &[u8], sign: u8, meant: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, taken) = (bytes[at] == sign).then(|| meant(&bytes[at..])).flatten().unwrap_or((bytes[at], 1));
        out.push(byte);
        at += taken;
    }
    out
}

/// The bytes without the lines that frame the chunks of HTTP bodies; `None` when there are none.
fn unchunked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut from = 0;
    for (at, pair) in bytes.windows(2).enumerate() {
        if pair != b"\r\n" || at < from {
            continue;
        }
        let rest = &bytes[at + 2..];
        let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_hexdigit()).count();
        if (1..=8).contains(&digits) && rest[digits..].starts_with(b"\r\n") {
            out.extend_from_slice(&bytes[from..at]);
            from = at + 2 + digits + 2;
        }
    }
    (from > 0).then(|| [&out, &bytes[from..]].concat())
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    const MARKER: &str = "k3vq9z7m2x8w4tn6abcdyfgh5jprsue2";

    fn forms(bytes: &[u8]) -> Vec<String> {
        Search::new(MARKER).find(bytes).into_iter().map(|found| found.form).collect()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn the_marker_is_found_in_every_form_wherever_it_begins() {
        let percent: String = MARKER.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let escaped: String = MARKER.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(MARKER.as_bytes()).unwrap();
        let zlib = zlib.finish().unwrap();
        let chunked = format!("a\r\n\r\n14\r\n{}\r\n0c\r\n{}\r\n0\r\n\r\n", &MARKER[..20], &MARKER[20..]);
        let wide: Vec<u8> = MARKER.bytes().flat_map(|byte| [byte, 0]).collect();
        for before in 0..70 {
            for (form, bytes) in [
                ("plain", MARKER.as_bytes().to_vec()),
                ("plain", MARKER.to_uppercase().into_bytes()),
                ("hexadecimal", HEXLOWER.encode(MARKER.as_bytes()).into_bytes()),
                ("hexadecimal", HEXUPPER.encode(MARKER.as_bytes()).into_bytes()),
                ("UTF-16", wide.clone()),
                ("percent-encoded: plain", percent.clone().into_bytes()),
                ("percent-encoded: plain", format!("%{:02X}{}", MARKER.as_bytes()[0], &MARKER[1..]).into_bytes()),
                ("JSON-escaped: plain", escaped.clone().into_bytes()),
                ("gzip: plain", gzipped(MARKER.as_bytes())),
                ("gzip: gzip: plain", gzipped(&gzipped(MARKER.as_bytes()))),
                ("gzip: percent-encoded: plain", gzipped(percent.as_bytes())),
                ("zlib: plain", zlib.clone()),
                ("chunked: plain", chunked.clone().into_bytes()),
            ] {
                let around = [&vec![b'.'; before], &bytes[..], b"...."].concat();
                assert!(
                    forms(&around).iter().any(|found| found == form),
                    "{form} after {before}: {:?}",
                    forms(&around)
                );
            }
        }
    }

    #[test]
    fn base64_is_found_at_each_alignment() {
        for before in 0..9 {
            let text = [&vec![b'}'; before], MARKER.as_bytes(), b"} and more"].concat();
            assert!(forms(BASE64.encode(&text).as_bytes()).contains(&"base64".to_owned()), "{before}");
            assert!(forms(BASE64URL.encode(&text).as_bytes()).contains(&"base64url".to_owned()), "{before}");
        }
    }

    #[test]
    fn what_is_not_the_marker_is_not_found() {
        let other = fresh().unwrap();
        let cut = &MARKER.as_bytes()[..31];
        let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for bytes in
            [b"".as_slice(), b"a", other.as_bytes(), cut, &gzipped(cut), &noise, b"%", b"\\u12", b"\x1f\x8b\x08"]
        {
            assert_eq!(forms(bytes), [""; 0], "{} bytes", bytes.len());
        }
    }

    #[test]
    fn a_member_that_was_cut_off_is_read_as_far_as_it_goes() {
        let noise: String =
            (0..50_000u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 9) as u8 % 26)).collect();
        let whole = gzipped(format!("{MARKER}{noise}").as_bytes());
        assert_eq!(forms(&whole[..whole.len() / 2]), ["gzip: plain"]);
    }
}
