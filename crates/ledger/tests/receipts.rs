//! Receipts show what is in the ledger, and nothing else.

use crate::bed::{NAME, at, key, tree};
use domicile_ledger::{
    Accepted, Digest, Entry, FrameLeaf, Head, RECEIPT_BYTES_MAX, Receipt, ReceiptError, VKey, What, digest_of,
};
use domicile_testkit::{Dice, HandClock};

/// A ledger with `before` entries, then the one of a window with `requests` frames, then `after` more.
pub struct Made {
    pub receipts: Vec<Receipt>,
    pub vkey: VKey,
    accepted: Accepted,
}

pub fn made(requests: u64, before: u64, after: u64) -> Made {
    let frames: Vec<FrameLeaf> =
        (0..requests).map(|n| FrameLeaf { span: [2 * n, 2 * n + 2], blake3: Digest([n as u8; 32]) }).collect();
    let What::Accepted(mut accepted) = crate::bed::accepted("acme", [0, 2 * requests], 2 * requests) else {
        panic!("accepted")
    };
    (accepted.requests, accepted.digest) = (requests, digest_of(&frames));
    let entry = Entry { at: HandClock::START, what: What::Accepted(accepted.clone()) }.to_bytes().expect("spelled");
    let filler = |range: std::ops::Range<u64>| range.map(|n| at(n).to_bytes().expect("spelled")).collect::<Vec<_>>();
    let mut all = filler(0..before);
    all.push(entry.clone());
    all.extend(filler(before..before + after));
    let signing = key(1);
    let vkey = VKey::of(NAME, &signing);
    let (world, _hands) = domicile_testkit::world(0);
    let mut book = crate::bed::begin(&world, NAME, &signing).expect("a new ledger");
    book.append(&all).expect("appended");
    assert_eq!(book.checkpoint(), tree(NAME, &signing, &all, 3).0["checkpoint"], "whatever the groups");
    let way = book.inclusion(before).expect("a path");
    let receipt = |place| Receipt::new(&frames, place, &entry, (before, &way), book.checkpoint(), &vkey);
    let receipts = (0..requests as usize).map(|place| receipt(place).expect("a receipt")).collect();
    Made { receipts, vkey, accepted }
}

#[test]
fn every_request_has_a_receipt_that_shows_it() {
    for (requests, before, after) in [(1, 0, 0), (1, 5, 0), (2, 0, 7), (3, 255, 0), (7, 256, 1), (100, 30, 600)] {
        let Made { receipts, vkey, accepted } = made(requests, before, after);
        for receipt in receipts {
            let text = serde_json::to_vec(&receipt).expect("JSON");
            assert!(text.len() < RECEIPT_BYTES_MAX);
            let read = Receipt::read(&text).expect("a receipt");
            assert_eq!(read, receipt);
            for key in [Some(&vkey), None] {
                let shown = read.check(key).expect("it holds");
                assert_eq!((shown.index, shown.head_size), (before, before + 1 + after));
                assert_eq!(shown.accepted, accepted);
            }
            let other = VKey::of(NAME, &key(2));
            assert!(matches!(read.check(Some(&other)), Err(ReceiptError::OtherKey)));
        }
    }
}

#[test]
fn a_receipt_with_any_bit_changed_shows_nothing() {
    let Made { receipts, .. } = made(5, 3, 9);
    for receipt in &receipts[..2] {
        let text = serde_json::to_vec(receipt).expect("JSON");
        for byte in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[byte] ^= 1 << bit;
                let shown = Receipt::read(&changed).and_then(|read| read.check(None));
                assert!(shown.is_err(), "bit {bit} of byte {byte}: {}", String::from_utf8_lossy(&changed));
            }
        }
    }
}

#[test]
fn a_receipt_with_another_ones_field_shows_nothing() {
    let Made { receipts, vkey, .. } = made(5, 3, 9);
    let mut all = receipts;
    all.extend(made(6, 3, 9).receipts);
    all.extend(made(5, 2, 10).receipts);
    let parts = |a: &Receipt, b: &Receipt| {
        [
            Receipt { frame: b.frame, ..a.clone() },
            Receipt { place: b.place, ..a.clone() },
            Receipt { path: b.path.clone(), ..a.clone() },
            Receipt { entry: b.entry.clone(), ..a.clone() },
            Receipt { proof: b.proof.clone(), ..a.clone() },
        ]
    };
    for a in &all {
        for b in &all {
            for mixed in parts(a, b) {
                let holds = mixed.check(Some(&vkey)).is_ok();
                assert_eq!(holds, mixed == *a || all.contains(&mixed), "{mixed:?}");
            }
        }
    }
}

#[test]
fn what_is_no_receipt_is_refused_with_its_reason() {
    let Made { receipts, vkey, .. } = made(3, 3, 3);
    let good = &receipts[0];
    let refused = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        receipt.check(Some(&vkey)).expect_err("refused").to_string()
    };
    for (change, why) in [
        (&(|r: &mut Receipt| r.vkey.clear()) as &dyn Fn(&mut Receipt), "not a receipt: its `vkey` is not a key"),
        (&|r| r.proof.clear(), "not a receipt: its `proof` is of another form"),
        (&|r| r.proof = r.proof.replace("\n\n", "\n"), "not a receipt: there is no checkpoint in it"),
        (&|r| r.proof = r.proof.replace("index 3", "index 03"), "not a receipt: its `proof` has no index"),
        (&|r| r.proof = r.proof.replace("index 3", "index +3"), "not a receipt: its `proof` has no index"),
        (&|r| r.proof = r.proof.replace("index 3", "index 7"), "the entry is not in the signed ledger"),
        (&|r| r.proof = r.proof.replace("index 3\n", "index 3\nx\n"), "not a receipt: a hash of its `proof` is none"),
        (&|r| r.path = vec!["x".into()], "not a receipt: a hash of its `path` is none"),
        (&|r| r.path = vec![r.path[0].clone(); 1000], "not a receipt: a hash of its `path` is none"),
        (&|r| r.path.clear(), "the request is not among those of the entry"),
        (&|r| r.place = 3, "the request is not among those of the entry"),
        (&|r| r.place = u64::MAX, "the request is not among those of the entry"),
        (&|r| r.frame.span[0] += 1, "the request is not among those of the entry"),
        (&|r| r.entry.push(' '), "not a receipt: its `entry` is none"),
        (
            &|r| r.entry = String::from_utf8(at(0).to_bytes().expect("spelled")).expect("text"),
            "not a receipt: its `entry` is not about what was accepted",
        ),
    ] {
        assert_eq!(refused(change), why);
    }
    for text in [&b""[..], b"{}", b"[]", b"null", &[b'['; 100_000], &vec![b' '; RECEIPT_BYTES_MAX + 1]] {
        assert!(Receipt::read(text).is_err());
    }
}

#[test]
fn a_checkpoint_in_a_receipt_is_the_ledgers_own_and_has_no_other_signature() {
    let Made { receipts, vkey, .. } = made(3, 3, 3);
    let mut receipt = receipts[0].clone();
    receipt.proof.push_str("— stranger AAAAAAA=\n");
    assert!(matches!(receipt.check(Some(&vkey)), Err(ReceiptError::Head(_))));
    // Signed by the key for another name.
    let head = Head { size: 7, root: made_root() };
    let note = String::from_utf8(head.sign("domicile/us-west/0a1b2c3d", &key(1)).expect("signed")).expect("text");
    let (proof, _) = receipts[0].proof.split_once("\n\n").expect("a proof");
    receipt.proof = format!("{proof}\n\n{note}");
    assert!(receipt.check(Some(&vkey)).is_err());
}

fn made_root() -> tlog_tiles::tlog::Hash {
    let mut dice = Dice::new(1);
    tlog_tiles::tlog::Hash(std::array::from_fn(|_| dice.next_u64() as u8))
}
