//! Changing a log's files, with or without the knowledge of how they are made (crates/log, `frame.rs` and `segment.rs`).

use crate::Input;
use std::path::{Path, PathBuf};

pub type File = (PathBuf, Vec<u8>);

const FRAME_MAGIC: &[u8] = b"dFr1";
const FRAME_HEADER_BYTES: usize = 104;
const SEGMENT_LEAD_BYTES: usize = 16;
/// In an edit's length.
const ZEROS: usize = 0x8000;

/// Takes some bytes of a file out, or makes zeros of them as a lost write does, and puts others in their place.
pub fn splice(files: &mut [File], input: &mut Input<'_>) {
    let nth = usize::from(input.byte()) % files.len();
    let bytes = &mut files[nth].1;
    let start = match usize::from(input.byte()) {
        0 => 0,
        frame => {
            let frames: Vec<_> = frames(bytes).collect();
            frames.get(frame % frames.len().max(1)).copied().unwrap_or(0)
        }
    };
    let start = (start + input.number()) % (bytes.len() + 1);
    let length = input.number();
    let end = start.saturating_add(length & (ZEROS - 1)).min(bytes.len());
    let n = usize::from(input.byte());
    if length & ZEROS == 0 {
        bytes.splice(start..end, input.bytes(n).iter().copied());
    } else {
        bytes[start..end].fill(0);
    }
}

/// Makes every checksum of a segment or of a closing note fit what it stands over.
pub fn put_checksums_right((path, bytes): &mut File) {
    if !is_segment(path) {
        if let Some((said, crc)) = bytes.split_at_mut_checked(24) {
            put(crc, 0, crc32c::crc32c(said));
        }
        return;
    }
    let mut at = frames_at(bytes);
    if let Some(covered) = bytes.get(12..at) {
        let crc = crc32c::crc32c(covered);
        put(bytes, 8, crc);
    }
    while let Some(header) = bytes.get(at..at + FRAME_HEADER_BYTES) {
        let payload_at = at + FRAME_HEADER_BYTES;
        let end = payload_at.saturating_add(number(header, 8));
        if let Some(payload) = bytes.get(payload_at..end) {
            let crc = crc32c::crc32c(payload);
            put(bytes, at + 12, crc);
        }
        let crc = crc32c::crc32c(&bytes[at + 8..payload_at]);
        put(bytes, at + 4, crc);
        at = end;
    }
}

/// Gives every segment the name that its header says.
pub fn name_by_header(files: &mut Vec<File>) {
    for (path, bytes) in files.iter_mut().filter(|(path, _)| is_segment(path)) {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if let (Some(sequence), Some(first)) = (number(32), number(40)) {
            path.set_file_name(format!("{sequence:010}-{first:020}.log"));
        }
    }
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
}

/// Whether something has a checksum that fits and was not there before: then it is no accident any more.
pub fn forged(original: &[File], files: &[File]) -> bool {
    original.iter().zip(files).any(|((path, before), (_, after))| {
        if before == after {
            return false;
        }
        if !is_segment(path) {
            return after
                .split_at_checked(24)
                .is_some_and(|(said, crc)| number(crc, 0) == crc32c::crc32c(said) as usize);
        }
        let head = after.get(..frames_at(after));
        let head_is_new = head.is_some_and(|head| !before.starts_with(head) && head_fits(head));
        head_is_new || frame_headers(after).any(|header| !frame_headers(before).any(|known| known == header))
    })
}

/// Where frames begin, or seem to.
fn frames(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let words = bytes.windows(FRAME_MAGIC.len()).enumerate();
    words.filter(|(_, word)| *word == FRAME_MAGIC).map(|(at, _)| at)
}

/// The position up to which everything was on disk, as the frames that are still sound say.
pub fn promised(files: &[File]) -> u64 {
    let durable = |header: &[u8]| Some(u64::from_le_bytes(header.get(72..80)?.try_into().ok()?));
    files.iter().flat_map(|(_, bytes)| frame_headers(bytes)).filter_map(durable).max().unwrap_or(0)
}

/// Everything that has a frame header's magic and a checksum that fits.
fn frame_headers(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let headers = bytes.windows(FRAME_HEADER_BYTES).filter(|header| header.starts_with(FRAME_MAGIC));
    headers.filter(|header| number(header, 4) == crc32c::crc32c(&header[8..]) as usize)
}

fn head_fits(head: &[u8]) -> bool {
    head.len() >= SEGMENT_LEAD_BYTES && number(head, 8) == crc32c::crc32c(&head[12..]) as usize
}

/// Where a segment's header says that its frames begin.
fn frames_at(bytes: &[u8]) -> usize {
    number(bytes, 12)
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

fn number(bytes: &[u8], at: usize) -> usize {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes) as usize
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    if let Some(four) = bytes.get_mut(at..at + 4) {
        four.copy_from_slice(&number.to_le_bytes());
    }
}
