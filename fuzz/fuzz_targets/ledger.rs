//! A ledger's folder that an enemy made, and what may be handed out of one.
//!
//! ```text
//! input = what, then:  0 files: name LF, length u16, bytes, …
//!                      1 the same, put into a good folder
//!                      2 entries: length u16, bytes, …, which the right key has signed
//!                      3 an entry    4 a receipt    5 a checkpoint    6 a key
//! ```
//!
//! - What can be read is judged, with neither error nor panic; a good folder that was changed does not hold.
//! - What is read is spelled again as it was.
//! - The archive is asked for no file outside of its folder.

#![no_main]

use domicile_fuzz::Input;
use domicile_fuzz::ledger::{Good, Map};
use domicile_ledger::verify::{Question, verify};
use domicile_ledger::{Entry, Head, Receipt, VKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let what = input.byte() % 7;
    Good::with(|good| match what {
        0 => drop(holds(good, &Map::default().with(input))),
        1 => {
            let files = good.files.clone().with(input);
            assert_eq!(holds(good, &files), files == good.files, "what was changed is found");
        }
        2 => drop(holds(good, &good.signed(input))),
        3 => {
            let bytes = input.rest();
            if let Ok(entry) = Entry::read(bytes) {
                assert_eq!(entry.to_bytes().expect("it was spelled"), bytes);
            }
        }
        4 => {
            let Ok(receipt) = Receipt::read(input.rest()) else { return };
            assert!(receipt.check(Some(&good.vkey)).is_err() || receipt == good.receipt, "only what was signed holds");
            let _ = receipt.check(None);
        }
        5 => {
            let bytes = input.rest();
            if Head::read(bytes, &good.vkey, &[]).is_ok() {
                assert_eq!(bytes, good.files.0["checkpoint"], "only what was signed holds");
            }
        }
        _ => {
            let Ok(text) = std::str::from_utf8(input.rest()) else { return };
            if let Some(vkey) = VKey::read(text) {
                assert_eq!(vkey.to_string(), text);
            }
        }
    });
});

fn holds(good: &Good, files: &Map) -> bool {
    let question = Question { key: Some(good.vkey.clone()), ..Question::default() };
    for question in [&question, &Question::default()] {
        let report = verify(files, Some((files, |_| false)), question, |_| {}).expect("what can be read is judged");
        assert!(report.findings.len() as u64 <= report.finding_count);
        assert_eq!(report.holds(), report.findings.is_empty());
    }
    verify(files, None, &question, |_| {}).expect("what can be read is judged").holds()
}
