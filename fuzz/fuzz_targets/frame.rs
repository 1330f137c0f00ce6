//! What a start and a reader make of a log's files after anything happened to them.
//!
//! ```text
//! input = how u8, then edits: file u8 | frame u8 | offset u16 | removed u16 | put u8 | bytes
//! how     bit 0   the event log; else the accepted log
//!         bit 1   closed in order; else its writer was killed
//!         bit 2   afterwards every checksum is put right, so that what stands behind them is tried
//!         bit 3   and every segment is named as its header now says
//! frame   where the offset counts from: 0 the file's beginning, else one of its frames
//! removed with its highest bit: made zeros, and nothing is put
//! ```
//!
//! - A start ends well or names the damage; then it has changed nothing.
//! - Whatever is read was written; and, as long as no checksum was forged, it is the first of what was written, in order.
//! - A log that was closed has all of it or says that it has not; one that was killed, all that a later frame vouches for.
//! - A second start finds what the first one found.

#![no_main]

use domicile_fuzz::Input;
use domicile_fuzz::frame::{ERASED, Found, Kind, Logs, edit};
use libfuzzer_sys::fuzz_target;

/// More edits than this only take time.
const EDITS_MAX: usize = 16;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let bit = |n: u8| how & (1 << n) != 0;
    let kind = if bit(0) { Kind::Events } else { Kind::Accepted };
    Logs::with(|logs| {
        let written = logs.restore(kind, bit(1));
        let original = logs.files(kind);
        let mut files = original.clone();
        for _ in 0..EDITS_MAX {
            if input.is_empty() {
                break;
            }
            edit::splice(&mut files, &mut input);
        }
        if bit(2) {
            files.iter_mut().for_each(edit::put_checksums_right);
        }
        let forged = bit(2) || edit::forged(&original, &files);
        if bit(2) && bit(3) {
            edit::name_by_header(&mut files);
        }
        logs.put(kind, &files);
        let before = logs.contents();
        let found = logs.open(kind);
        match &found {
            Found::Damage => assert!(logs.contents() == before, "a start that finds damage changes nothing"),
            Found::Log { told, whole, end } => {
                for frame in told {
                    assert!(written.contains(frame) || forged && frame == ERASED, "what is read was written");
                }
                if !forged {
                    assert!(end.0 >= edit::promised(&files), "what a sound frame says was on disk is there");
                    assert!(written.starts_with(told), "what is read is the first of what was written");
                    assert!(!bit(1) || !whole || written == told, "a log that was closed in order is whole");
                }
            }
        }
        assert!(logs.open(kind) == found, "a second start finds the same");
    });
});
