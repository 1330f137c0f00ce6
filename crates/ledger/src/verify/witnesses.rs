//! What witnesses signed: a checkpoint each, under the ledger's own signature and theirs.
//!
//! - The ledger says in its entries which witnesses it has, so that each has a file and no file is there of another one.
//! - The heads that they saw are the beginning of this very ledger.

use super::{Checked, Files, Question, Report};
use crate::tlog::{Head, VKey, witnessed_path};
use std::io;

pub(super) fn check(
    ledger: &dyn Files,
    (head, tiles): (Head, &Checked<'_>),
    vkey: &VKey,
    named: &[(VKey, u64)],
    question: &Question,
    report: &mut Report,
) -> io::Result<()> {
    for (key, named_at) in named {
        let path = witnessed_path(key);
        let Some(note) = ledger.read(&path)? else {
            report.find(path, "it is missing, and the ledger has this witness");
            continue;
        };
        let (seen, witnessed) = match Head::read(&note, vkey, std::slice::from_ref(key)) {
            Ok(read) => read,
            Err(error) => {
                report.find(path, error.to_string());
                continue;
            }
        };
        // Its file was begun with a checkpoint from before it was named; all later ones are there for its signature.
        if witnessed.is_empty() && seen.size > *named_at {
            report.find(path, "the witness's signature was taken off it");
            continue;
        }
        match head.extends(&seen, tiles) {
            Ok(true) if question.witnesses.is_empty() || question.witnesses.contains(key) => {
                report.witnessed.extend(witnessed);
            }
            Ok(true) => {}
            Ok(false) if seen.size > head.size => {
                let what = format!("it is over {} entries, and the ledger has {}", seen.size, head.size);
                report.find(path, what);
            }
            Ok(false) => {
                report.find(path, "the ledger does not begin with what it signs: two histories were signed");
            }
            Err(error) => report.find(path, error.to_string()),
        }
    }
    if report.witnessed.len() < question.witnesses_min {
        let what = format!(
            "{} of the witnesses that were given signed it, and {} have to",
            report.witnessed.len(),
            question.witnesses_min
        );
        report.find("witnessed", what);
    }
    Ok(())
}

/// Whether a file is one of a witness that the ledger names.
pub(super) fn is_of(path: &str, named: &[(VKey, u64)]) -> bool {
    named.iter().any(|(key, _)| witnessed_path(key) == path)
}
