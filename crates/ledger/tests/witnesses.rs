//! Goal: two histories of one ledger are not both signed by a witness, whatever is killed, restored or away; and what a
//! witness signed can't be changed, taken away or put in unseen.
//!
//! Method: ledgers that write on while small witnesses, made from the documents, are asked; every head that a witness ever
//! signed is kept, and any two of one witness must lie in one history.

use crate::bed::{self, FOLDER, Map, at, configured, entries, findings, key, open, report, tree, written};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domicile_keys::SigningKey;
use domicile_ledger::verify::Question;
use domicile_ledger::{Answer, Head, Ledger, SHOWN_EVERY, Signs, VKey, Way, Witness};
use domicile_testkit::Handles;
use std::io;
use std::sync::{Arc, Mutex};
use tlog_tiles::tlog::{Hash, check_tree};

/// What happens to a witness when it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Signs,
    /// It has written down what it is about to sign, and is killed.
    KilledBeforeAnswer,
    Away,
    /// Never answers.
    Hangs,
    Answers(u16, &'static str),
}

/// What a witness has on its disk.
#[derive(Clone, Copy, Debug)]
struct Kept {
    size: u64,
    root: Hash,
}

/// A witness from c2sp.org/tlog-witness: it knows one ledger by its key.
struct Small {
    key: SigningKey,
    log: VKey,
    state: Mutex<State>,
}

struct State {
    kept: Kept,
    manner: Manner,
    /// Every head that it ever signed, whether or not the answer came through.
    signed: Vec<Head>,
    asks: u64,
}

impl Small {
    fn new(seed: u64, log: &VKey) -> Arc<Self> {
        let kept = Kept { size: 0, root: Hash([0; 32]) };
        let state = State { kept, manner: Manner::Signs, signed: Vec::new(), asks: 0 };
        Arc::new(Self { key: key(seed), log: log.clone(), state: Mutex::new(state) })
    }

    fn vkey(&self) -> VKey {
        VKey { name: "witness.example/w1".into(), signs: Signs::Cosignatures, public: self.key.public() }
    }

    fn witness(&self) -> Witness {
        Witness { url: "https://witness.example".into(), key: self.vkey(), country: "IE".into() }
    }

    fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    fn kept(&self) -> Kept {
        self.state.lock().unwrap().kept
    }

    /// Puts an old backup of its disk in place.
    fn restore(&self, kept: Kept) {
        self.state.lock().unwrap().kept = kept;
    }

    fn signed(&self) -> Vec<Head> {
        self.state.lock().unwrap().signed.clone()
    }

    fn asks(&self) -> u64 {
        self.state.lock().unwrap().asks
    }

    /// `add-checkpoint`.
    fn add(&self, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut state = self.state.lock().unwrap();
        state.asks += 1;
        let text = std::str::from_utf8(body).ok()?;
        let (asked, note) = text.split_once("\n\n")?;
        let mut lines = asked.split('\n');
        let old: u64 = lines.next()?.strip_prefix("old ")?.parse().ok()?;
        let path: Vec<Hash> =
            lines.map(|line| STANDARD.decode(line).ok()?.try_into().ok().map(Hash)).collect::<Option<_>>()?;
        assert!(path.len() <= 63);
        let Ok((head, _)) = Head::read(note.as_bytes(), &self.log, &[]) else { return Some((403, Vec::new())) };
        if old > head.size {
            return Some((400, Vec::new()));
        }
        let kept = state.kept;
        if old != kept.size || (old == head.size && old > 0 && head.root != kept.root) {
            return Some((409, format!("{}\n", kept.size).into_bytes()));
        }
        if old > 0 && old < head.size && check_tree(&path, head.size, head.root, old, kept.root).is_err() {
            return Some((422, Vec::new()));
        }
        // Written down before it is signed.
        state.kept = Kept { size: head.size, root: head.root };
        if state.manner == Manner::KilledBeforeAnswer {
            state.manner = Manner::Signs;
            return None;
        }
        state.signed.push(head);
        Some((200, self.line(note, 1_800_000_000).into_bytes()))
    }

    fn line(&self, note: &str, time: u64) -> String {
        let (text, _) = note.split_once("\n\n").expect("a note");
        let signature = self.key.sign(format!("cosignature/v1\ntime {time}\n{text}\n").as_bytes());
        let vkey = self.vkey();
        let bytes = [&vkey.id().to_be_bytes()[..], &time.to_be_bytes(), &signature].concat();
        format!("— {} {}\n", vkey.name, STANDARD.encode(bytes))
    }
}

/// The way to one witness, without a network.
struct Direct(Arc<Small>);

impl Way for Direct {
    fn post(&self, url: String, body: Vec<u8>) -> Answer {
        assert_eq!(url, "https://witness.example/add-checkpoint");
        let small = Arc::clone(&self.0);
        let manner = small.state.lock().unwrap().manner;
        Box::pin(async move {
            match manner {
                Manner::Away => Err(io::ErrorKind::ConnectionRefused.into()),
                Manner::Hangs => std::future::pending().await,
                Manner::Answers(status, body) => Ok((status, body.as_bytes().to_vec())),
                Manner::Signs | Manner::KilledBeforeAnswer => {
                    small.add(&body).ok_or_else(|| io::ErrorKind::ConnectionReset.into())
                }
            }
        })
    }
}

/// A ledger that runs, and is shown to witnesses.
struct Running {
    ledger: Ledger,
    hands: Handles,
    writer: tokio::task::JoinHandle<Result<(), domicile_ledger::BookError>>,
    shows: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    fn start(hands: &Handles) -> Self {
        let (ledger, writer) = open(&hands.restart(), "eu-west").expect("the ledger opens");
        Self { ledger, hands: hands.clone(), writer: tokio::spawn(writer.run()), shows: Vec::new() }
    }

    fn show_to(&mut self, small: &Arc<Small>) {
        let (ledger, witness, way) = (self.ledger.clone(), small.witness(), Direct(Arc::clone(small)));
        self.shows.push(tokio::spawn(async move {
            let _ = ledger.show_to(&witness, &way).await;
        }));
    }

    async fn enter(&self, versions: std::ops::Range<u64>) {
        for pending in self.ledger.enter_all(versions.map(configured)) {
            self.hands.clock.drive(pending.written()).await.expect("written");
        }
    }

    /// Long enough for a head to be shown.
    async fn wait(&self) {
        self.hands.clock.advance(2 * SHOWN_EVERY).await;
    }

    async fn stop(self) {
        self.ledger.close();
        self.hands.clock.drive(self.writer).await.expect("no panic").expect("all was written");
        self.shows.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// A ledger that begins as one, and its key.
async fn begun(seed: u64) -> (Handles, VKey) {
    let (world, hands) = domicile_testkit::world(seed);
    bed::write(&world, &hands, "eu-west", &[vec![bed::opened(0, 0)]]).await;
    let (ledger, _) = open(&hands.restart(), "eu-west").expect("it opens");
    (hands, ledger.vkey().clone())
}

fn asked(vkey: &VKey, smalls: &[&Arc<Small>], min: usize) -> Question {
    let witnesses = smalls.iter().map(|small| small.vkey()).collect();
    Question { key: Some(vkey.clone()), witnesses, witnesses_min: min, ..Question::default() }
}

#[test]
fn heads_are_shown_signed_and_kept_and_any_change_of_what_is_kept_is_found() {
    bed::run(async {
        let (hands, vkey) = begun(1).await;
        let (one, two) = (Small::new(11, &vkey), Small::new(12, &vkey));
        let mut running = Running::start(&hands);
        running.show_to(&one);
        running.show_to(&two);
        for n in 0..5 {
            running.enter(300 * n..300 * (n + 1)).await;
            running.wait().await;
        }
        running.enter(0..1).await;
        running.stop().await;
        let files = Map::of(&hands, FOLDER);
        let found = report(&files, &asked(&vkey, &[&one, &two], 2));
        assert!(found.holds(), "{:?}", findings(&found));
        assert_eq!(found.witnessed.iter().map(|by| by.size).collect::<Vec<_>>(), [1503, 1503]);
        assert_eq!((one.signed().len(), two.signed().len()), (5, 5), "each head once, and the last not yet");
        // The ledger's own words show which witnesses it has; who was given others wants theirs.
        assert_eq!(report(&files, &Question::default()).witnessed.len(), 2);
        let other = Small::new(13, &vkey);
        let found = findings(&report(&files, &asked(&vkey, &[&one, &other], 2)));
        assert_eq!(found, ["witnessed: 1 of the witnesses that were given signed it, and 2 have to"]);

        let question = asked(&vkey, &[], 0);
        let paths: Vec<String> = files.0.keys().filter(|path| path.starts_with("witnessed/")).cloned().collect();
        assert_eq!(paths.len(), 2);
        let found = |files: &Map, what: &str| assert!(!report(files, &question).holds(), "not found: {what}");
        let mut small = files.clone();
        small.0.retain(|path, _| !path.starts_with("witnessed/"));
        found(&small, "both are missing");
        for (path, bytes) in paths.iter().map(|path| (path, &files.0[path])) {
            for byte in (0..bytes.len()).step_by(5) {
                let mut files = files.clone();
                files.file(path)[byte] ^= 1 << (byte % 8);
                found(&files, &format!("{path}, byte {byte}"));
                files.file(path).truncate(byte);
                found(&files, &format!("{path} cut to {byte}"));
            }
            let mut files = files.clone();
            files.0.remove(path);
            found(&files, &format!("{path} is missing"));
            files.0.insert("witnessed/00000000".into(), bytes.clone());
            files.0.insert(path.clone(), bytes.clone());
            found(&files, "a witness that the ledger does not name");
        }
        let mut swapped = files.clone();
        swapped
            .0
            .extend([(paths[0].clone(), files.0[&paths[1]].clone()), (paths[1].clone(), files.0[&paths[0]].clone())]);
        found(&swapped, "they changed places");
    });
}

#[test]
fn a_witness_that_does_not_sign_holds_nothing_up_and_is_asked_again() {
    for manner in [
        Manner::Away,
        Manner::Hangs,
        Manner::Answers(500, "no"),
        Manner::Answers(404, ""),
        Manner::Answers(200, ""),
        Manner::Answers(200, "— witness.example/w1 AAAA\n"),
        Manner::Answers(200, "\u{0}\u{0}"),
        Manner::Answers(409, "many\n"),
        Manner::Answers(409, "18446744073709551615\n"),
        Manner::Answers(409, "1\n"),
        Manner::Answers(422, ""),
    ] {
        bed::run(async {
            let (hands, vkey) = begun(2).await;
            let small = Small::new(11, &vkey);
            small.behave(manner);
            let mut running = Running::start(&hands);
            running.show_to(&small);
            running.enter(0..300).await;
            running.wait().await;
            running.enter(300..600).await;
            assert_eq!(running.ledger.signed().head.size, 602, "{manner:?}");
            let files = Map::of(&hands, FOLDER);
            let found = report(&files, &asked(&vkey, &[&small], 0));
            assert!(found.holds() && found.witnessed.is_empty(), "{manner:?}: {:?}", findings(&found));
            assert!(!report(&files, &asked(&vkey, &[&small], 1)).holds(), "{manner:?}");
            small.behave(Manner::Signs);
            if manner == Manner::Hangs {
                // Whoever waits on it is the way's business; here it is asked anew by the next start.
                running.stop().await;
                running = Running::start(&hands);
                running.show_to(&small);
            }
            running.wait().await;
            running.wait().await;
            assert!(report(&Map::of(&hands, FOLDER), &asked(&vkey, &[&small], 1)).holds(), "{manner:?}");
            running.stop().await;
        });
    }
}

#[test]
fn an_idle_ledger_asks_nobody() {
    bed::run(async {
        let (hands, vkey) = begun(3).await;
        let small = Small::new(11, &vkey);
        let mut running = Running::start(&hands);
        running.show_to(&small);
        for _ in 0..50 {
            running.wait().await;
        }
        assert_eq!((small.asks(), running.ledger.signed().head.size), (1, 2));
        running.stop().await;
    });
}

#[test]
fn a_witness_killed_before_its_answer_or_restored_from_a_backup_goes_on_with_the_same_history() {
    bed::run(async {
        let (hands, vkey) = begun(4).await;
        let small = Small::new(11, &vkey);
        let mut backups = vec![small.kept()];
        let mut next = 0;
        for round in 0..30_u64 {
            let mut running = Running::start(&hands);
            running.show_to(&small);
            running.wait().await;
            match round % 5 {
                0 => small.behave(Manner::KilledBeforeAnswer),
                1 => small.restore(backups[(round as usize * 7) % backups.len()]),
                // The ledger's own memory of it goes with the file that was restored.
                2 => small.restore(backups[0]),
                _ => {}
            }
            running.enter(next..next + 40).await;
            next += 40;
            running.wait().await;
            running.wait().await;
            assert_eq!(small.kept().size, running.ledger.signed().head.size, "round {round}");
            backups.push(small.kept());
            assert!(report(&Map::of(&hands, FOLDER), &asked(&vkey, &[&small], 1)).holds(), "round {round}");
            running.stop().await;
        }
        one_history(&small, &Map::of(&hands, FOLDER), &vkey);
    });
}

/// Every head that a witness signed is one of this ledger.
fn one_history(small: &Small, files: &Map, vkey: &VKey) {
    let all = entries(files);
    let heads = small.signed();
    assert!(heads.len() > 1);
    for head in heads {
        let files = tree(&vkey.name, &key(5), &all[..head.size as usize], 1000);
        let text = String::from_utf8(files.0["checkpoint"].clone()).expect("text");
        assert_eq!(text.lines().nth(2), Some(head.root.to_string().as_str()), "{} entries", head.size);
    }
}

#[test]
fn of_two_histories_a_witness_signs_one_and_the_other_is_stuck() {
    bed::run(async {
        // One region, whose operator copies it and lets the copies go on apart.
        let (left, vkey) = begun(5).await;
        let (one, two) = (Small::new(11, &vkey), Small::new(12, &vkey));
        let both = [&one, &two];
        let mut running = Running::start(&left);
        running.show_to(&one);
        running.show_to(&two);
        running.enter(0..300).await;
        running.wait().await;
        running.stop().await;
        let (_, right) = domicile_testkit::world(6);
        copy(&left, &right);

        // The left is shown to the one, the right to the other.
        let mut a = Running::start(&left);
        a.show_to(&one);
        a.enter(1000..1300).await;
        a.wait().await;
        a.stop().await;
        let mut b = Running::start(&right);
        b.show_to(&two);
        b.enter(2000..2600).await;
        b.wait().await;
        b.stop().await;
        let sizes = |hands: &Handles| {
            let found = report(&Map::of(hands, FOLDER), &asked(&vkey, &both, 2));
            assert!(found.holds(), "{:?}", findings(&found));
            found.witnessed.iter().map(|by| by.size).collect::<std::collections::BTreeSet<_>>()
        };
        // Both hold for who asks only for signatures; at the fork the second one has fallen behind.
        assert_eq!((sizes(&left), sizes(&right)), ([303, 604].into(), [303, 904].into()));
        let seen = |hands: &Handles| Map::of(hands, FOLDER).0["checkpoint"].clone();
        for (hands, other) in [(&left, &right), (&right, &left)] {
            let question = Question { earlier: Some(seen(other)), ..asked(&vkey, &both, 2) };
            assert!(!report(&Map::of(hands, FOLDER), &question).holds(), "side by side they are found");
        }

        // Each is shown to the other's witness: stuck, and stays so.
        let (at_one, at_two) = (one.signed(), two.signed());
        let mut a = Running::start(&left);
        a.show_to(&two);
        a.enter(1300..2300).await;
        a.wait().await;
        a.enter(2300..2400).await;
        a.wait().await;
        assert_eq!(two.signed(), at_two, "not signed");
        assert!(two.asks() > 4);
        a.stop().await;
        let mut b = Running::start(&right);
        b.show_to(&one);
        b.enter(2600..2700).await;
        b.wait().await;
        assert_eq!(one.signed(), at_one, "not signed");
        b.stop().await;
        one_history(&one, &Map::of(&left, FOLDER), &vkey);
        one_history(&two, &Map::of(&right, FOLDER), &vkey);
    });
}

fn copy(from: &Handles, to: &Handles) {
    let world = to.restart();
    for (path, bytes) in from.disk.contents() {
        world.disk.make_folder(path.parent().expect("not the root"), false).expect("a folder");
        world.disk.open_append(&path).expect("a file").append(&[io::IoSlice::new(&bytes)]).expect("written");
    }
}

#[test]
fn a_file_over_another_history_or_more_entries_is_found_although_the_witness_signed_it() {
    let ledger = written();
    let small = Small::new(11, &ledger.vkey);
    let mut all = entries(&ledger.files);
    let named = domicile_ledger::WitnessNamed {
        key: small.vkey().to_string(),
        url: "https://witness.example".into(),
        country: "IE".into(),
    };
    let mut entry = at(0);
    entry.what = domicile_ledger::What::WitnessNamed(named.clone());
    all.insert(20, entry.to_bytes().expect("spelled"));
    let path = format!("witnessed/{:08x}", small.vkey().id());
    let signed = |all: &[Vec<u8>]| {
        let note = tree(&ledger.vkey.name, &ledger.key, all, 100).0["checkpoint"].clone();
        let line = small.line(std::str::from_utf8(&note).expect("text"), 5);
        [note, line.into_bytes()].concat()
    };
    let check = |note: Vec<u8>| {
        let mut files = tree(&ledger.vkey.name, &ledger.key, &all, 100);
        files.0.insert(path.clone(), note);
        findings(&report(&files, &asked(&ledger.vkey, &[&small], 1)))
    };
    assert!(check(signed(&all[..7])).is_empty());
    let short = "witnessed: 0 of the witnesses that were given signed it, and 1 have to";
    let more: Vec<_> = all.iter().chain(&all).cloned().collect();
    assert_eq!(check(signed(&more)), [format!("{path}: it is over 44 entries, and the ledger has 22"), short.into()]);
    let mut other = all[..9].to_vec();
    other.swap(3, 4);
    let forked = "the ledger does not begin with what it signs: two histories were signed";
    assert_eq!(check(signed(&other)), [format!("{path}: {forked}"), short.into()]);

    for wrong in ["", "x", &ledger.vkey.to_string()] {
        let mut all = all.clone();
        let mut entry = at(0);
        entry.what =
            domicile_ledger::What::WitnessNamed(domicile_ledger::WitnessNamed { key: wrong.into(), ..named.clone() });
        all[20] = entry.to_bytes().expect("spelled");
        let files = tree(&ledger.vkey.name, &ledger.key, &all, 100);
        assert_eq!(findings(&report(&files, &ledger.question())), ["entry 20: its key is not one of a witness"]);
    }
}
