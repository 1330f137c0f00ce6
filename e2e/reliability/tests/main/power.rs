//! R1, R2: what was promised outlives kills and power losses.
//!
//! Goal: a promise is kept wherever the machine stops: within an append, a sync, a new segment, a recovery.
//! Method: senders append at the same time through several lives; each life ends at a random change of the disk, in a
//! random way, or in order. After each, the book is compared with the log.

use domicile_log::{LogSettings, OpenError, Retention};
use domicile_reliability::{Book, Life, Request, append, born, for_each_seed, in_one_thread};
use domicile_testkit::{Crash, Dice, Handles};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

fn settings(dice: &mut Dice) -> LogSettings {
    let retention = Retention { age_ms: i64::MAX, bytes_max: *dice.pick(&[u64::MAX, u64::MAX, 6_000]) };
    LogSettings { segment_bytes_max: *dice.pick(&[300, 1_000, 5_000, 1 << 20]), retention }
}

/// Lets some senders work at the same time until they are done or refused.
async fn work(life: &Life, book: &Rc<RefCell<Book>>, dice: &mut Dice, first_sender: u32) {
    let senders = tokio::task::LocalSet::new();
    for sender in 0..1 + dice.below(5) as u32 {
        let (world, log, book) = (life.world.clone(), life.log.clone(), Rc::clone(book));
        let (mut dice, sender) = (dice.split(), first_sender + sender);
        senders.spawn_local(async move {
            for n in 0..dice.below(12) as u32 {
                let request = Request::new(&mut dice, sender, n);
                book.borrow_mut().sends(sender, &request.body, request.events.into());
                let Ok(span) = append(&world, &log, &request).await else { return };
                book.borrow_mut().promised(span, &request.body);
                if dice.coin() {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    senders.await;
}

/// Some lives on one machine; the book after each.
fn lives(seed: u64, prepare: impl Fn(&Handles)) -> (Rc<RefCell<Book>>, Handles) {
    let mut dice = Dice::new(seed);
    let handles = born(seed);
    prepare(&handles);
    let settings = settings(&mut dice);
    let book = Rc::new(RefCell::new(Book::default()));
    for life in 0..2 + dice.below(4) as u32 {
        let in_order = dice.percent(20);
        let crash = *dice.pick(&Crash::ALL);
        if !in_order {
            let within = *dice.pick(&[5, 20, 60]);
            handles.disk.crash_in(1 + dice.below(within), crash);
        }
        let disk = handles.disk.restart();
        let ended = in_one_thread(async {
            let life_now = Life::begin(&handles, settings)?;
            book.borrow().check(&life_now.log);
            work(&life_now, &book, &mut dice, life * 10).await;
            if in_order {
                life_now.close().await.expect("a healthy disk takes the closing note");
            }
            Ok::<_, OpenError>(())
        });
        if let Err(error) = ended {
            assert!(disk.crashed(), "life {life}: the log does not open on a healthy disk: {error}");
        }
        if !in_order {
            handles.disk.crash(crash);
        }
    }
    in_one_thread(async {
        let life = Life::begin(&handles, settings).expect("a healthy disk opens");
        book.borrow().check(&life.log);
        let request = Request::new(&mut dice, 9_999, 0);
        book.borrow_mut().sends(9_999, &request.body, request.events.into());
        let span = life.append(&request).await.expect("a recovered log goes on");
        book.borrow_mut().promised(span, &request.body);
        book.borrow().check(&life.log);
    });
    (book, handles)
}

#[test]
fn what_was_promised_is_there_wherever_the_machine_stops() {
    let (promised, open) = (Cell::new(0), Cell::new(0));
    for_each_seed(2_000, |seed| {
        let (book, _) = lives(seed, |_| {});
        promised.set(promised.get() + book.borrow().promises());
        open.set(open.get() + book.borrow().open());
    });
    println!("{} promises kept, the fate of {} requests open", promised.get(), open.get());
}
