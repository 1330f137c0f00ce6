//! R3: a failed write or sync is final.
//!
//! Goal: nothing is promised after it, the program is told to stop, and a new start has everything that was promised
//! before it.
//! Method: a run without failures counts what is asked of the disk; then the run is made again for each operation of each
//! kind, which fails with EIO.

use domicile_log::{AppendError, LogSettings};
use domicile_reliability::{Book, Life, Request, born, in_one_thread};
use domicile_testkit::{Crash, Dice, Failure, Handles, Op};

const REQUESTS: u32 = 12;

fn settings() -> LogSettings {
    LogSettings { segment_bytes_max: 900, ..LogSettings::default() }
}

/// A machine whose log was closed in order once, so that the keys and a segment are there.
fn machine(seed: u64, book: &mut Book, dice: &mut Dice) -> Handles {
    let handles = born(seed);
    in_one_thread(async {
        let life = Life::begin(&handles, settings()).expect("a healthy disk opens");
        for sender in 0..2 {
            let request = Request::new(dice, sender, 0);
            book.sends(sender, &request.body, request.events.into());
            book.promised(life.append(&request).await.expect("a healthy disk takes it"), &request.body);
        }
        life.close().await.expect("a healthy disk closes");
    });
    handles
}

/// Opens, appends, closes. True when the program was told of a failure: by the opening, the committer or the closing.
fn run(handles: &Handles, book: &mut Book, dice: &mut Dice) -> bool {
    in_one_thread(async {
        let Ok(life) = Life::begin(handles, settings()) else { return true };
        let mut failed = false;
        for n in 0..REQUESTS {
            let request = Request::new(dice, 2, n);
            book.sends(2, &request.body, request.events.into());
            match life.append(&request).await {
                Ok(span) => {
                    assert!(handles.disk.failed() == 0, "a promise after a failure");
                    book.promised(span, &request.body);
                }
                Err(error) => {
                    assert_eq!(error, AppendError::Failed, "what failed is not said to be a passing trouble");
                    failed = true;
                }
            }
        }
        let closed = life.close().await;
        if let Err(error) = &closed {
            assert!(error.file.starts_with("/cell/accepted/"), "{error} does not name a file");
        }
        assert!(!failed || closed.is_err(), "the program was not told to stop");
        closed.is_err()
    })
}

#[test]
fn after_a_failure_nothing_is_promised_and_a_new_start_has_all_promises() {
    let mut tried = Vec::new();
    for op in Op::ALL {
        let (mut book, mut dice) = (Book::default(), Dice::new(3));
        let handles = machine(3, &mut book, &mut dice);
        let before = handles.disk.count(op);
        assert!(!run(&handles, &mut book, &mut dice), "the run without failures fails");
        let count = handles.disk.count(op) - before;
        tried.push((op, count));
        for nth in 1..=count {
            for crash in Crash::ALL {
                fails_at(op, nth, crash);
            }
        }
    }
    println!("{tried:?}");
    for op in [Op::Create, Op::Append, Op::Sync, Op::SyncFolder, Op::Remove, Op::Rename] {
        assert!(tried.iter().any(|(which, count)| *which == op && *count > 0), "the run has no {op:?}");
    }
}

fn fails_at(op: Op, nth: u64, crash: Crash) {
    let case = format!("{op:?} {nth}, {crash:?}");
    let (mut book, mut dice) = (Book::default(), Dice::new(3));
    let handles = machine(3, &mut book, &mut dice);
    handles.disk.fail_at(op, nth, Failure::Broken);
    let told = run(&handles, &mut book, &mut dice);
    assert!(handles.disk.failed() == 1, "{case}: the failure did not come");
    assert!(told, "{case}: nobody was told");
    handles.disk.heal();
    // The program ends; the machine with it, or later.
    for (n, crash) in [crash, Crash::Power].into_iter().enumerate() {
        handles.disk.crash(crash);
        in_one_thread(async {
            let life = Life::begin(&handles, settings()).unwrap_or_else(|error| panic!("{case}: {error}"));
            book.check(&life.log);
            let request = Request::new(&mut dice, 3, n as u32);
            book.sends(3, &request.body, request.events.into());
            book.promised(life.append(&request).await.expect("a recovered log goes on"), &request.body);
        });
    }
}
