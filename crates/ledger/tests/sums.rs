//! Entries that are signed and say what can't be: each way in which counts can be wrong has a row.

use crate::bed::{accepted, closed, configured, decided, findings, opened, report, sent, stored, written_in};
use domicile_ledger::{Accepted, Decided, Erased, Sent, Stored, What};

/// What is found in a ledger of these entries.
#[track_caller]
fn check(entries: Vec<What>, expected: &[&str]) {
    let ledger = written_in("eu-west", 1, &[entries]);
    let found = findings(&report(&ledger.files, &ledger.question()));
    assert_eq!(found, expected);
}

fn with_accepted(what: What, change: impl FnOnce(&mut Accepted)) -> What {
    let What::Accepted(mut accepted) = what else { panic!("not accepted") };
    change(&mut accepted);
    What::Accepted(accepted)
}

fn with_stored(what: What, change: impl FnOnce(&mut Stored)) -> What {
    let What::Stored(mut stored) = what else { panic!("not stored") };
    change(&mut stored);
    What::Stored(stored)
}

const KEPT: [u64; 5] = [1, 0, 0, 0, 0];

fn kept(events: u64) -> [u64; 5] {
    [events, 0, 0, 0, 0]
}

fn erased(objects: &[&str]) -> What {
    let objects = objects.iter().map(|object| (*object).to_owned()).collect();
    What::Erased(Erased { workspace: "acme".into(), events: 1, objects })
}

#[test]
fn what_adds_up_holds() {
    check(vec![], &[]);
    check(vec![opened(0, 0)], &[]);
    check(vec![opened(7, 5), accepted("acme", [7, 9], 2), closed(9, 5)], &[]);
    // Windows of several workspaces, another entry in between, what is decided later, and more than one opening.
    check(
        vec![
            opened(0, 0),
            accepted("acme", [0, 3], 2),
            configured(1),
            accepted("beta", [0, 3], 1),
            accepted("acme", [3, 5], 2),
            decided("acme", [0, 3], [0, 1, 1, 0, 0]),
            decided("beta", [0, 3], [0, 0, 0, 1, 0]),
            closed(5, 3),
            opened(5, 3),
            decided("acme", [3, 5], [1, 0, 0, 0, 1]),
            stored("acme", "a/1.gz", 1),
            // A crash between the entry and the archive's cursor has it entered again.
            stored("acme", "a/1.gz", 1),
            closed(5, 5),
        ],
        &[],
    );
    // Not everything is in the archive yet, and the cell was not closed.
    check(vec![opened(0, 0), accepted("acme", [0, 1], 1), decided("acme", [0, 1], KEPT)], &[]);
}

#[test]
fn windows_follow_each_other_and_are_whole() {
    check(
        vec![opened(0, 0), accepted("acme", [1, 2], 1)],
        &["entry 1: the window of what was accepted begins at position 1, and 0 follows"],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), accepted("acme", [3, 4], 1)],
        &["entry 2: the window of what was accepted begins at position 3, and 2 follows"],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), accepted("acme", [1, 3], 2)],
        &["entry 2: the window of what was accepted begins at position 1, and 2 follows"],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 3], 2)],
        &["entry 1: the window of what was accepted of 3 positions (0 to 3) has 2 events"],
    );
    // The same part twice.
    check(
        vec![opened(0, 0), accepted("acme", [0, 3], 3), accepted("acme", [0, 3], 3)],
        &["entry 1: the window of what was accepted of 3 positions (0 to 3) has 6 events"],
    );
    check(
        vec![opened(0, 0), accepted("acme", [2, 2], 1)],
        &[
            "entry 1: the window of what was accepted begins at position 2, and 0 follows",
            "entry 1: its window ends before it begins",
            "entry 1: the window of what was accepted of 0 positions (2 to 2) has 1 events",
        ],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), decided("acme", [1, 2], KEPT)],
        &[
            "entry 2: the window of what was decided begins at position 1, and 0 follows",
            "the entries: source acme-web: 2 events were accepted, and 1 decided",
        ],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), decided("acme", [0, 2], KEPT)],
        &[
            "entry 2: the window of what was decided of 2 positions (0 to 2) has 1 events",
            "the entries: source acme-web: 2 events were accepted, and 1 decided",
        ],
    );
}

#[test]
fn the_counts_of_one_entry_agree() {
    let wrong = "entry 1: its counts by source or by ingest point do not add up to its events";
    let one = || accepted("acme", [0, 2], 2);
    check(vec![opened(0, 0), with_accepted(one(), |a| *a.sources.get_mut("acme-web").unwrap() = 1)], &[wrong]);
    check(vec![opened(0, 0), with_accepted(one(), |a| *a.points.get_mut("dublin").unwrap() = 3)], &[wrong]);
    check(vec![opened(0, 0), with_accepted(one(), |a| _ = a.points.insert("x".into(), u64::MAX))], &[wrong]);
    let requests = "entry 1: it has no request, or more requests than events";
    check(vec![opened(0, 0), with_accepted(one(), |a| a.requests = 0)], &[requests]);
    check(vec![opened(0, 0), with_accepted(one(), |a| a.requests = 3)], &[requests]);
    let more = What::Sent(Sent { requests: 2, delivered: 3, ..sent() });
    check(vec![opened(0, 0), more], &["entry 1: more was delivered than requests went out"]);
}

#[test]
fn what_the_cell_says_of_itself_agrees_with_the_entries() {
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), closed(3, 0)],
        &["entry 2: it says that 3 were accepted and 0 decided, and there are 2 and 0"],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), closed(2, 1)],
        &["entry 2: it says that 2 were accepted and 1 decided, and there are 2 and 0"],
    );
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), opened(1, 0)],
        &["entry 2: it says that 1 were accepted and 0 decided, and there are 2 and 0"],
    );
    check(vec![configured(1), opened(0, 0)], &["entry 0: a ledger begins with the opening of its cell"]);
}

#[test]
fn nothing_is_decided_or_stored_that_was_not_there_before() {
    check(
        vec![opened(0, 0), decided("acme", [0, 2], kept(2))],
        &[
            "the entries: 2 events are decided, and 0 accepted",
            "the entries: source acme-web: 0 events were accepted, and 2 decided",
        ],
    );
    // The windows fit, and the sources do not.
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), decided("beta", [0, 2], kept(2))],
        &[
            "the entries: source acme-web: 2 events were accepted, and 0 decided",
            "the entries: source beta-web: 0 events were accepted, and 2 decided",
        ],
    );
    let one = || vec![opened(0, 0), accepted("acme", [0, 2], 2), decided("acme", [0, 2], [1, 1, 0, 0, 0])];
    let more = |more: Vec<What>| one().into_iter().chain(more).collect();
    check(more(vec![stored("acme", "a/1.gz", 2)]), &["the entries: source acme-web: 1 events were kept, and 2 stored"]);
    check(
        more(vec![stored("acme", "a/1.gz", 1), stored("acme", "a/2.gz", 1)]),
        &["the entries: source acme-web: 1 events were kept, and 2 stored"],
    );
    check(more(vec![closed(2, 2)]), &["the entries: source acme-web: 1 events were kept, and 0 stored"]);
    let other = with_stored(stored("acme", "a/1.gz", 1), |stored| stored.bytes += 1);
    check(
        more(vec![stored("acme", "a/1.gz", 1), other]),
        &["entry 4: a/1.gz was stored before, as something else (entry 3)"],
    );
    let most = What::Decided(Decided {
        workspace: "acme".into(),
        window: [0, 2],
        sources: [("acme-web".to_owned(), domicile_ledger::Counts::of([u64::MAX, 1, 0, 0, 0]))].into(),
    });
    check(
        vec![opened(0, 0), accepted("acme", [0, 2], 2), most],
        &[
            &format!("entry 2: the window of what was decided of 2 positions (0 to 2) has {} events", u64::MAX),
            &format!("the entries: source acme-web: 2 events were accepted, and {} decided", u64::MAX),
        ],
    );
}

#[test]
fn erasing_accounts_for_what_is_gone() {
    let one = || {
        vec![opened(0, 0), accepted("acme", [0, 3], 3), decided("acme", [0, 3], kept(3)), stored("acme", "a/1.gz", 3)]
    };
    let more = |more: Vec<What>| one().into_iter().chain(more).collect();
    check(more(vec![erased(&["a/1.gz"]), closed(3, 3)]), &[]);
    check(more(vec![erased(&["a/1.gz"]), stored("acme", "a/1.gz", 2), closed(3, 3)]), &[]);
    check(more(vec![erased(&["a/2.gz"])]), &["entry 4: a/2.gz was erased, and was not stored"]);
    check(more(vec![erased(&["a/1.gz"]), erased(&["a/1.gz"])]), &["entry 5: a/1.gz was erased, and was not stored"]);
    check(
        more(vec![erased(&["a/1.gz"]), stored("acme", "a/1.gz", 4)]),
        &[
            "entry 5: it is not what erasing would leave of the file",
            "the entries: source acme-web: 3 events were kept, and 4 stored",
        ],
    );
    check(
        more(vec![erased(&["a/1.gz"]), stored("acme", "a/2.gz", 2)]),
        &["the entries: source acme-web: 3 events were kept, and 5 stored"],
    );
}
