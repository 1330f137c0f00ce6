//! R4: a full disk is safe, and passes.
//!
//! Goal: what can't be stored is refused whole, readers go on, and when there is room again, so does the log, without a
//! restart.
//! Method: the disk is full from each change of a run on; or it has room for so many bytes and no more, for each number.

use domicile_log::{AppendError, LogSettings, OpenError};
use domicile_reliability::{Book, Life, Request, born, in_one_thread};
use domicile_testkit::{Crash, Dice, Failure, Handles, Op};
use std::io::ErrorKind;

const REQUESTS: u32 = 8;

fn settings() -> LogSettings {
    LogSettings { segment_bytes_max: 900, ..LogSettings::default() }
}

async fn send(life: &Life, book: &mut Book, dice: &mut Dice, sender: u32, n: u32) -> Result<(), AppendError> {
    let request = Request::new(dice, sender, n);
    book.sends(sender, &request.body, request.events.into());
    match life.append(&request).await {
        Ok(span) => book.promised(span, &request.body),
        Err(error) => {
            book.refused(&request.body, error);
            return Err(error);
        }
    }
    Ok(())
}

/// How many of the run's appends were refused, or why the log did not open.
fn fills(handles: &Handles, book: &mut Book, dice: &mut Dice, crash: Crash) -> Result<u32, OpenError> {
    let refused = in_one_thread(async {
        let life = Life::begin(handles, settings())?;
        let mut refused = 0;
        for n in 0..REQUESTS {
            if let Err(error) = send(&life, book, dice, 1, n).await {
                assert!(matches!(error, AppendError::Full | AppendError::NoKey), "{error}");
                refused += 1;
            }
            book.check(&life.log);
        }
        handles.disk.heal();
        handles.disk.set_capacity(None);
        for n in REQUESTS..2 * REQUESTS {
            send(&life, book, dice, 1, n).await.expect("there is room again");
        }
        book.check(&life.log);
        Ok::<_, OpenError>(refused)
    })?;
    handles.disk.crash(crash);
    in_one_thread(async {
        let life = Life::begin(handles, settings()).expect("a healthy disk opens");
        book.check(&life.log);
        send(&life, book, dice, 2, 0).await.expect("a recovered log goes on");
        life.close().await.expect("a healthy disk closes");
    });
    Ok(refused)
}

/// What `prepare` makes of a new disk; the run has to end well, if not at the first start, then at the next.
fn case(name: &str, seed: u64, crash: Crash, prepare: impl FnOnce(&Handles)) -> Option<u32> {
    let (mut book, mut dice) = (Book::default(), Dice::new(seed));
    let handles = born(seed);
    prepare(&handles);
    match fills(&handles, &mut book, &mut dice, crash) {
        Ok(refused) => Some(refused),
        Err(error) => {
            assert!(error.to_string().contains("/cell/"), "{name}: {error} names no file");
            handles.disk.heal();
            handles.disk.set_capacity(None);
            handles.disk.crash(crash);
            let again = fills(&handles, &mut book, &mut dice, crash);
            assert_eq!(again.unwrap_or_else(|error| panic!("{name}: {error}")), 0);
            None
        }
    }
}

#[test]
fn a_disk_that_is_full_from_any_moment_on_loses_nothing_and_recovers_by_itself() {
    let changes = {
        let handles = born(4);
        fills(&handles, &mut Book::default(), &mut Dice::new(4), Crash::Kill).expect("a healthy disk opens");
        handles.disk.changes()
    };
    let (mut refused, mut not_begun) = (0, 0);
    for nth in 1..=changes {
        for crash in Crash::ALL {
            match case(&format!("full at change {nth}, {crash:?}"), 4, crash, |handles| handles.disk.full_in(nth)) {
                Some(n) => refused += n,
                None => not_begun += 1,
            }
        }
    }
    println!("{changes} moments, {refused} requests refused, {not_begun} starts refused");
    assert!(refused > 50 && not_begun > 5);
}

#[test]
fn a_disk_with_room_for_any_number_of_bytes_loses_nothing() {
    let mut refused = 0;
    for bytes in (0..6_000).step_by(23) {
        let crash = Crash::ALL[bytes as usize % 3];
        let name = format!("room for {bytes} bytes, {crash:?}");
        refused += case(&name, 5, crash, |handles| handles.disk.set_capacity(Some(bytes))).unwrap_or(0);
    }
    assert!(refused > 50);
}

#[test]
fn a_read_only_folder_stops_the_start_with_file_and_mend() {
    let handles = born(6);
    in_one_thread(async {
        Life::begin(&handles, settings()).expect("opens").close().await.expect("closes");
    });
    for op in Op::ALL.into_iter().filter(|op| op.changes() && !matches!(op, Op::Sync | Op::SyncFolder)) {
        handles.disk.fail_from(op, 1, Failure::ReadOnly);
    }
    let before = handles.disk.contents();
    in_one_thread(async {
        let error = Life::begin(&handles, settings()).err().expect("it can't open");
        assert!(matches!(&error, OpenError::Io { error, .. } if error.kind() == ErrorKind::ReadOnlyFilesystem));
        let text = error.to_string();
        assert!(text.starts_with("/cell/accepted/") && text.contains("mend: "), "{text}");
    });
    assert!(handles.disk.contents() == before);
}
