//! R1, R2, R13, R21: a whole cell in one thread.
//!
//! Goal: whatever was accepted is in the archive once, unchanged, wherever the machine stops and however often it was
//! sent; and a seed replays a run byte for byte.
//! Method: clients send batches, and send again what was not promised and some of what was; each life ends at a random
//! change of the disk, in a random way, or by a failed operation, or in order, or the disk is full for a while. A last life without faults ends in order; then the archive is compared
//! with what was sent, and the event log with a simple reading of rule 3.

use domicile_ledger::Outcome;
use domicile_ledger::verify::Report;
use domicile_log::{AcceptedLog, AppendError, EventFrame, EventLog};
use domicile_reliability::{
    Cell, CellSettings, archived, born, for_each_seed, in_one_thread, message_id, send, verified, wait,
};
use domicile_testkit::{Crash, Dice, Failure, Handles, Op, SampleEvent, SampleEvents, SimDisk};
use domicile_world::World;
use std::cell::{Cell as Count, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

/// A batch of one source, and whether any life promised it.
struct Batch {
    source: u32,
    events: Vec<SampleEvent>,
    promised: bool,
}

/// The clients of a cell: they outlive it.
pub struct Clients {
    batches: Vec<Batch>,
    samples: SampleEvents,
}

type Shared = Rc<RefCell<Clients>>;

/// A client's work in one life: new batches, and old ones again.
async fn client(world: World, accepted: AcceptedLog, clients: Shared, mut dice: Dice) {
    for _ in 0..dice.below(8) {
        let again = dice.percent(40);
        let (n, source, events) = {
            let clients = &mut *clients.borrow_mut();
            if clients.batches.is_empty() || !again {
                let events = clients.samples.batch(1 + dice.index(6));
                clients.batches.push(Batch { source: 1 + dice.below(3) as u32, events, promised: false });
            }
            let n = if again { dice.index(clients.batches.len()) } else { clients.batches.len() - 1 };
            (n, clients.batches[n].source, clients.batches[n].events.clone())
        };
        match send(&world, &accepted, source, &events).await {
            Ok(_) => clients.borrow_mut().batches[n].promised = true,
            Err(AppendError::Full | AppendError::NoKey) => wait(&world, 5).await,
            Err(_) => return,
        }
        if dice.percent(30) {
            wait(&world, dice.below(50)).await;
        }
    }
}

async fn clients_work(cell: &Cell, clients: &Shared, dice: &mut Dice) {
    let tasks = tokio::task::LocalSet::new();
    for _ in 0..1 + dice.below(3) {
        tasks.spawn_local(client(cell.world.clone(), cell.accepted.clone(), Rc::clone(clients), dice.split()));
    }
    tasks.await;
}

/// How a life goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    InOrder,
    Crash(Crash),
    /// An operation fails: the program stops, and starts again on the same machine.
    Breaks,
    /// The disk is full for some minutes; the program goes on by itself.
    Full,
}

fn plan(handles: &Handles, dice: &mut Dice) -> Plan {
    let within = *dice.pick(&[10, 60, 200]);
    let nth = 1 + dice.below(within);
    match dice.below(100) {
        0..20 => Plan::InOrder,
        20..70 => {
            let crash = *dice.pick(&Crash::ALL);
            handles.disk.crash_in(nth, crash);
            Plan::Crash(crash)
        }
        70..85 => {
            let op = *dice.pick(&[Op::Append, Op::Sync, Op::SyncFolder, Op::Rename, Op::Create, Op::Read]);
            handles.disk.fail_at(op, nth, Failure::Broken);
            Plan::Breaks
        }
        _ => {
            handles.disk.full_in(nth);
            Plan::Full
        }
    }
}

/// One life of the cell by its plan.
async fn live(cell: Cell, plan: Plan, disk: &SimDisk, clients: &Shared, dice: &mut Dice) -> Result<(), String> {
    clients_work(&cell, clients, dice).await;
    wait(&cell.world, dice.below(150)).await;
    if plan == Plan::Full {
        // Nothing is wrong with the program: when there is room again, all goes on, and nothing has stopped.
        disk.heal();
        clients_work(&cell, clients, dice).await;
        cell.close().await.unwrap_or_else(|error| panic!("a full disk stopped the program: {error}"));
        return Ok(());
    }
    if plan == Plan::InOrder || cell.stopped() { cell.close().await } else { Ok(()) }
}

/// Some lives, the last one in order; the machine, and what was sent. `world` and `settings` are where a test plants
/// mistakes.
pub fn lives(
    seed: u64,
    world: impl Fn(World) -> World,
    settings: impl Fn(CellSettings) -> CellSettings,
) -> (Handles, Clients) {
    let mut dice = Dice::new(seed);
    let handles = born(seed);
    let settings = settings(CellSettings::small(&mut dice));
    let clients = Rc::new(RefCell::new(Clients { batches: Vec::new(), samples: SampleEvents::new("c", seed) }));
    for life in 0..1 + dice.below(4) {
        let (disk, failed) = (handles.disk.restart(), handles.disk.failed());
        let plan = plan(&handles, &mut dice);
        let ended = in_one_thread(handles.clock.drive(async {
            let cell = Cell::begin(world(handles.restart()), &settings)?;
            live(cell, plan, &disk, &clients, &mut dice).await
        }));
        if let Err(error) = ended {
            let excused = disk.crashed() || handles.disk.failed() > failed;
            assert!(excused, "life {life}, {plan:?}: on a healthy disk: {error}");
        }
        handles.disk.heal();
        match plan {
            Plan::InOrder | Plan::Full => {}
            Plan::Crash(crash) => handles.disk.crash(crash),
            Plan::Breaks => handles.disk.crash(Crash::Kill),
        }
    }
    in_one_thread(handles.clock.drive(async {
        let cell = Cell::begin(world(handles.restart()), &settings).expect("a healthy disk opens");
        clients_work(&cell, &clients, &mut dice).await;
        let mut batches = std::mem::take(&mut clients.borrow_mut().batches);
        for batch in &mut batches {
            if !batch.promised || dice.percent(20) {
                send(&cell.world, &cell.accepted, batch.source, &batch.events).await.expect("a healthy disk takes it");
                batch.promised = true;
            }
        }
        clients.borrow_mut().batches = batches;
        let (accepted, events) = (cell.accepted.clone(), cell.events.clone());
        cell.close().await.expect("a healthy disk closes");
        first_position_wins(&accepted, &events);
        ledger_is_whole(&verified(&handles.restart()), accepted.end().0);
    }));
    let clients = Rc::try_unwrap(clients).unwrap_or_else(|_| panic!("all clients are done"));
    (handles, clients.into_inner())
}

/// R2, R14, R16: after all lives the ledger holds with its archive, and has told of every position once.
fn ledger_is_whole(report: &Report, end: u64) {
    assert!(report.holds() && report.closed, "{:?}", report.findings);
    assert_eq!((report.sums.accepted, report.sums.decided), (end, end));
}

/// Rule 3, read simply: of the events of one source with one messageId, the one with the lowest position is kept.
fn first_position_wins(accepted: &AcceptedLog, events: &EventLog) {
    let mut first = HashMap::new();
    let mut expected = Vec::new();
    let mut reader = accepted.reader(accepted.start()).expect("reads");
    while let Some(request) = reader.next().expect("reads") {
        let body = request.body();
        for (n, item) in request.envelope.items.iter().enumerate() {
            let json = String::from_utf8_lossy(&body[item.start as usize..item.end as usize]).into_owned();
            let position = request.span.first.plus(n as u64);
            let key = (request.receipt.source, message_id(&json).to_owned());
            let kept = *first.entry(key).or_insert(position);
            expected.push((position, (kept != position).then_some(kept)));
        }
    }
    let mut decided = Vec::new();
    let mut reader = events.reader("test", events.start()).expect("reads");
    while let Some(frame) = reader.next().expect("reads") {
        let EventFrame::Decided(frame) = frame else { continue };
        for (position, decision) in frame.decisions() {
            assert!(matches!(decision.outcome, Outcome::Kept | Outcome::Duplicate), "{position}: {decision:?}");
            decided.push((position, decision.first));
        }
    }
    assert_eq!(decided, expected, "the event log is not what rule 3 says");
}

/// Each promised event once, each other at most once, as it was sent, and nothing else.
pub fn compare(handles: &Handles, clients: &Clients) {
    let mut sent = HashMap::new();
    for batch in &clients.batches {
        for event in &batch.events {
            sent.insert((format!("source{}", batch.source), event.message_id.as_str()), (event, batch.promised));
        }
    }
    let mut seen = HashSet::new();
    for archived in archived(handles) {
        let key = (archived.source.clone(), archived.message_id.as_str());
        let Some((event, _)) = sent.get(&key) else { panic!("{key:?} was never sent") };
        assert!(seen.insert((archived.source.clone(), archived.message_id.clone())), "{key:?} is there twice");
        let own = own_fields(&event.json);
        // A lone surrogate becomes U+FFFD: the one change that process makes to a customer's value.
        assert!(own.contains("\\ud800") || archived.line.contains(own), "{own} is not in {}", archived.line);
    }
    for ((source, id), (_, promised)) in sent {
        assert!(!promised || seen.contains(&(source.clone(), id.to_owned())), "{source} {id} was promised and is lost");
    }
}

/// What a sample event says beside what every event has.
fn own_fields(json: &str) -> &str {
    let (_, rest) = json.split_once(r#"Z","#).expect("a timestamp");
    rest.rsplit_once(r#","context""#).expect("a context").0
}

#[test]
fn every_accepted_event_is_archived_once_wherever_the_machine_stops() {
    let (sent, lines) = (Count::new(0), Count::new(0));
    for_each_seed(400, |seed| {
        let (handles, clients) = lives(seed, |world| world, |settings| settings);
        compare(&handles, &clients);
        sent.set(sent.get() + clients.batches.iter().map(|batch| batch.events.len()).sum::<usize>());
        lines.set(lines.get() + archived(&handles).len());
    });
    println!("{} events sent, {} archived", sent.get(), lines.get());
}

#[test]
fn a_seed_replays_a_run_byte_for_byte() {
    for_each_seed(20, |seed| {
        let files = || -> Vec<(PathBuf, Vec<u8>)> { lives(seed, |world| world, |settings| settings).0.disk.contents() };
        let (one, other) = (files(), files());
        for (a, b) in one.iter().zip(&other) {
            assert!(a == b, "{} differs from {}", a.0.display(), b.0.display());
        }
        assert_eq!(one.len(), other.len());
    });
}
