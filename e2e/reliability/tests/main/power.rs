//! R1, R2: what was promised outlives kills and power losses.
//!
//! Goal: a promise is kept wherever the machine stops: within an append, a sync, a new segment, a recovery.
//! Method: senders append at the same time through several lives; each life ends at a random change of the disk, in a
//! random way, or in order; in some a write or sync fails before. After each, the book is compared with the log.

use domicile_log::{AppendError, LogSettings, OpenError, Retention};
use domicile_reliability::{Book, Life, Request, append, born, for_each_seed, in_one_thread};
use domicile_testkit::{Crash, Dice, Failure, Handles, Op};
use domicile_world::World;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type SharedBook = Rc<RefCell<Book>>;

fn settings(dice: &mut Dice) -> LogSettings {
    let retention = Retention { age_ms: i64::MAX, bytes_max: *dice.pick(&[u64::MAX, u64::MAX, 6_000]) };
    LogSettings { segment_bytes_max: *dice.pick(&[300, 1_000, 5_000, 1 << 20]), retention }
}

/// Lets some senders work at the same time until they are done or the log takes nothing more.
async fn work(life: &Life, book: &SharedBook, dice: &mut Dice, first_sender: u32) {
    let senders = tokio::task::LocalSet::new();
    for sender in 0..1 + dice.below(5) as u32 {
        let (world, log, book) = (life.world.clone(), life.log.clone(), Rc::clone(book));
        let (mut dice, sender) = (dice.split(), first_sender + sender);
        senders.spawn_local(async move {
            for n in 0..dice.below(12) as u32 {
                let request = Request::new(&mut dice, sender, n);
                book.borrow_mut().sends(sender, &request.body, request.events.into());
                let answer = append(&world, &log, &request).await;
                match answer {
                    Ok(span) => book.borrow_mut().promised(span, &request.body),
                    Err(error @ AppendError::Full) => book.borrow_mut().refused(&request.body, error),
                    // It may be on disk or not: the answer was lost with the program.
                    Err(_) => return,
                }
                if dice.coin() {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    senders.await;
}

/// How this life goes, if not well.
fn plan(handles: &Handles, dice: &mut Dice) -> Option<Crash> {
    if dice.percent(20) {
        return None;
    }
    let (crash, within) = (*dice.pick(&Crash::ALL), *dice.pick(&[5, 20, 60]));
    if dice.percent(20) {
        let (op, failure) = *dice.pick(&[
            (Op::Append, Failure::Full),
            (Op::Append, Failure::Broken),
            (Op::Sync, Failure::Broken),
            (Op::SyncFolder, Failure::Broken),
        ]);
        handles.disk.fail_at(op, 1 + dice.below(within), failure);
    } else {
        handles.disk.crash_in(1 + dice.below(within), crash);
    }
    Some(crash)
}

/// Some lives on one machine, each in the world that `world` makes of the machine's; the book is compared after each.
pub fn lives(seed: u64, world: impl Fn(World) -> World) -> Book {
    let mut dice = Dice::new(seed);
    let handles = born(seed);
    let settings = settings(&mut dice);
    let book = SharedBook::default();
    for life in 0..2 + dice.below(4) as u32 {
        let (disk, failed) = (handles.disk.restart(), handles.disk.failed());
        let crash = plan(&handles, &mut dice);
        let ended = in_one_thread(async {
            let life_now = Life::begin_in(world(handles.restart()), settings)?;
            if !disk.crashed() {
                book.borrow().check(&life_now.log);
            }
            work(&life_now, &book, &mut dice, life * 10).await;
            if crash.is_none() {
                life_now.close().await.expect("a healthy disk takes the closing note");
            }
            Ok::<_, OpenError>(())
        });
        if let Err(error) = ended {
            let excused = disk.crashed() || handles.disk.failed() > failed;
            assert!(excused, "life {life}: the log does not open on a healthy disk: {error}");
        }
        handles.disk.heal();
        if let Some(crash) = crash {
            handles.disk.crash(crash);
        }
    }
    in_one_thread(async {
        let life = Life::begin_in(world(handles.restart()), settings).expect("a healthy disk opens");
        book.borrow().check(&life.log);
        let request = Request::new(&mut dice, 9_999, 0);
        book.borrow_mut().sends(9_999, &request.body, request.events.into());
        let span = life.append(&request).await.expect("a recovered log goes on");
        book.borrow_mut().promised(span, &request.body);
        book.borrow().check(&life.log);
    });
    book.take()
}

#[test]
fn what_was_promised_is_there_wherever_the_machine_stops() {
    let (promised, open) = (Cell::new(0), Cell::new(0));
    for_each_seed(2_000, |seed| {
        let book = lives(seed, |world| world);
        promised.set(promised.get() + book.promises());
        open.set(open.get() + book.open());
    });
    println!("{} promises kept, the fate of {} requests open", promised.get(), open.get());
}
