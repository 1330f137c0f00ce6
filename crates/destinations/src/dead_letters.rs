//! Dead letters: events that a partner will not take, kept in the region with the reason.
//!
//! ```text
//! dead-letters/DESTINATION_ID.ndjson   a line is {"position", "messageId", "at", "attempts", "reason", "status", "answer", "event"}
//! ```
//!
//! - A letter is synced before its event counts as dead and before the cursor passes it.
//! - After a crash an event may stand here twice: the same position, the later line is the newer one.
//! - A line that was cut off by a crash is taken away at the next start: its event is not passed, and is tried again.

use crate::disk::aside;
use crate::event::Event;
use domicile_workspace::DestinationId;
use domicile_world::{AppendFile, Disk, Millis};
use serde::Serialize;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What of the partner's answer is kept.
const ANSWER_BYTES_MAX: usize = 1024;

/// Where a destination's dead letters are kept, in the folder of its destinations.
pub fn dead_letters_path(folder: &Path, id: &DestinationId) -> PathBuf {
    folder.join("dead-letters").join(format!("{id}.ndjson"))
}

/// The file of dead letters could not be opened, written or synced. The events stay unsettled.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {error}\n  mend: make room, or let this user write the folder; the events wait meanwhile")]
pub struct DeadLetterError {
    pub file: String,
    pub error: io::Error,
}

/// Why an event is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// A stable word: `status_400`, `timed_out`.
    pub reason: String,
    pub status: Option<u16>,
    /// The beginning of the partner's answer.
    pub answer: Vec<u8>,
}

/// One destination's file, open for appending.
pub(crate) struct DeadLetters {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Opened by the first letter: most destinations never write one.
    file: Option<(Box<dyn AppendFile>, u64)>,
}

impl DeadLetters {
    pub fn new(disk: Arc<dyn Disk>, folder: &Path, id: &DestinationId) -> Self {
        Self { disk, path: dead_letters_path(folder, id), file: None }
    }

    /// Puts letters on disk: after `Ok` they last. After an error some may be there; writing them again is right.
    pub fn write(&mut self, letters: &[u8]) -> Result<(), DeadLetterError> {
        aside(|| self.append(letters)).map_err(|error| {
            // What a failed sync left is not known: the next try begins by looking.
            self.file = None;
            DeadLetterError { file: self.path.display().to_string(), error }
        })
    }

    fn append(&mut self, letters: &[u8]) -> io::Result<()> {
        let (file, bytes) = match &mut self.file {
            Some(open) => open,
            None => self.file.insert(open_whole(&*self.disk, &self.path)?),
        };
        let written = file.append(&[IoSlice::new(letters)]).and_then(|()| file.sync());
        match written {
            Ok(()) => *bytes += letters.len() as u64,
            // The next ones are appended as new bytes, not trusted to a second sync of these.
            Err(_) => file.cut(*bytes)?,
        }
        written
    }
}

/// Opens the file, makes its name last, and cuts off a line without an end.
fn open_whole(disk: &dyn Disk, path: &Path) -> io::Result<(Box<dyn AppendFile>, u64)> {
    if let Some(folder) = path.parent() {
        disk.make_folder(folder, true)?;
        if let Some(above) = folder.parent() {
            disk.sync_folder(above)?;
        }
    }
    let mut file = disk.open_append(path)?;
    if let Some(folder) = path.parent() {
        disk.sync_folder(folder)?;
    }
    let whole = whole_lines(disk, path)?;
    file.cut(whole)?;
    Ok((file, whole))
}

/// The bytes of the file up to and with its last line break.
fn whole_lines(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    const CHUNK: u64 = 64 * 1024;
    let file = disk.open_read(path)?;
    let mut end = file.bytes()?;
    while end > 0 {
        let begin = end.saturating_sub(CHUNK);
        let mut chunk = vec![0; (end - begin) as usize];
        file.read_full_at(&mut chunk, begin)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    position: u64,
    message_id: &'a str,
    at: String,
    attempts: u32,
    reason: &'a str,
    status: Option<u16>,
    answer: &'a str,
}

/// Appends one letter as a line. The event stays byte for byte what was sent.
pub(crate) fn put_letter(out: &mut Vec<u8>, event: &Event, cause: &Cause, at: Millis) {
    let answer = String::from_utf8_lossy(&cause.answer[..cause.answer.len().min(ANSWER_BYTES_MAX)]);
    let head = Head {
        position: event.position.0,
        message_id: &event.message_id,
        at: jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |moment| moment.to_string()),
        attempts: event.tries,
        reason: &cause.reason,
        status: cause.status,
        answer: &answer,
    };
    // Texts and numbers always make JSON.
    let head = serde_json::to_vec(&head).unwrap_or_else(|_| b"{}".to_vec());
    out.extend_from_slice(head.strip_suffix(b"}").unwrap_or(&head));
    out.extend_from_slice(b",\"event\":");
    out.extend_from_slice(&event.body);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_log::Position;

    #[test]
    fn a_letter_is_one_line_of_json_with_the_event_byte_for_byte() {
        let raw = br#"{"messageId":"m\n1","n":1.50,"u":"\u00e9"}"#;
        let (_, mut event) = Event::new(Position(7), Millis(0), raw, raw.into());
        event.tries = 3;
        let cause = Cause { reason: "status_400".into(), status: Some(400), answer: b"no\n\xff\"".repeat(1000) };
        let mut out = Vec::new();
        put_letter(&mut out, &event, &cause, Millis(1_800_000_000_000));
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with(&format!(",\"event\":{}}}\n", String::from_utf8_lossy(raw))), "{text}");
        let letter: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&letter["messageId"], &letter["position"]), (&"m\n1".into(), &7.into()));
        assert_eq!((&letter["at"], &letter["attempts"]), (&"2027-01-15T08:00:00Z".into(), &3.into()));
        assert_eq!((&letter["reason"], &letter["status"]), (&"status_400".into(), &400.into()));
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_taken_away() {
        let (world, _handles) = domicile_testkit::world(1);
        let id = DestinationId::new("d");
        let folder = Path::new("/index");
        world.disk.make_folder(folder, false).expect("a folder");
        let write = |letters: &[u8]| {
            DeadLetters::new(Arc::clone(&world.disk), folder, &id).write(letters).expect("writes");
            String::from_utf8(world.disk.read(&dead_letters_path(folder, &id)).expect("reads")).expect("text")
        };
        let long = "x".repeat(200_000);
        assert_eq!(write(b"one\n"), "one\n");
        assert_eq!(write(long.as_bytes()).len(), 4 + 200_000);
        assert_eq!(write(b"two\n"), "one\ntwo\n");
    }
}
