//! What holds for any entries in any groups.

use crate::bed::{FOLDER, Map, NAME, at, begin, findings, key, report, tree};
use domicile_ledger::verify::Question;
use domicile_ledger::{Entry, Head, VKey, What};
use domicile_testkit::Dice;
use domicile_world::Millis;
use proptest::prelude::*;

/// The sizes at which tiles begin and end.
const BORDERS: [u64; 12] = [0, 1, 2, 3, 254, 255, 256, 257, 258, 511, 512, 513];

fn spelled(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|n| at(n).to_bytes().expect("spelled")).collect()
}

fn asked(signing: &domicile_keys::SigningKey) -> Question {
    Question { key: Some(VKey::of(NAME, signing)), ..Question::default() }
}

/// What does not hold but for the beginning, which is no opening here.
fn wrong(files: &Map, question: &Question) -> Vec<String> {
    let mut found = findings(&report(files, question));
    found.retain(|found| found != "entry 0: a ledger begins with the opening of its cell");
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_in_whatever_groups_verifies_and_any_bit_changed_does_not(
        border in prop::sample::select(&BORDERS[..]),
        more in 0..4_u64,
        groups in prop::collection::vec(1..400_usize, 1..8),
        seed in any::<u64>(),
    ) {
        let signing = key(1);
        let all = spelled(0..border + more);
        let (world, hands) = domicile_testkit::world(seed);
        let mut book = begin(&world, NAME, &signing).expect("a new ledger");
        let mut rest = &all[..];
        for group in groups.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (group, behind) = rest.split_at((*group).min(rest.len()));
            book.append(group).expect("appended");
            book.take_old_away();
            rest = behind;
        }
        let mut files = Map::of(&hands, FOLDER);
        prop_assert_eq!(wrong(&files, &asked(&signing)), Vec::<String>::new());
        prop_assert_eq!(&files, &tree(NAME, &signing, &all, 10_000), "the groups leave no trace");
        let mut dice = Dice::new(seed);
        let paths: Vec<String> = files.0.keys().cloned().collect();
        let path = dice.pick(&paths);
        let bytes = files.file(path);
        let byte = dice.index(bytes.len());
        bytes[byte] ^= 1 << dice.below(8);
        prop_assert!(!wrong(&files, &asked(&signing)).is_empty(), "{} {}", path, byte);
    }

    #[test]
    fn an_entry_with_any_bit_changed_is_another_or_none(n in any::<u64>(), ms in any::<i64>(), bit in any::<usize>()) {
        let entry = Entry { at: Millis(ms), what: crate::bed::configured(n) };
        let bytes = entry.to_bytes().expect("spelled");
        let read = Entry::read(&bytes).expect("read");
        prop_assert_eq!(&read.to_bytes().expect("spelled"), &bytes);
        prop_assert_eq!(&read.what, &entry.what);
        let mut changed = bytes.clone();
        let bit = bit % (8 * bytes.len());
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Entry::read(&changed) {
            prop_assert!(other != read);
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_are_no_entry_and_no_checkpoint(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Entry::read(&bytes).is_err());
        prop_assert!(Head::read(&bytes, &VKey::of(NAME, &key(1)), &[]).is_err());
        prop_assert!(VKey::read(&String::from_utf8_lossy(&bytes)).is_none());
    }
}

#[test]
fn a_ledger_verifies_on_both_sides_of_a_third_level() {
    let signing = key(1);
    let (world, hands) = domicile_testkit::world(1);
    let mut book = begin(&world, NAME, &signing).expect("a new ledger");
    let mut all = spelled(0..65_534).into_iter();
    while book.head().size < 65_534 {
        book.append(&all.by_ref().take(9_999).collect::<Vec<_>>()).expect("appended");
        book.take_old_away();
    }
    for size in 65_535..=65_538_u64 {
        book.append(&spelled(size - 1..size)).expect("appended");
        book.take_old_away();
        assert_eq!(book.head().size, size);
        let files = Map::of(&hands, FOLDER);
        assert_eq!(wrong(&files, &asked(&signing)), Vec::<String>::new(), "{size}");
        assert_eq!(files.0.contains_key("tile/2/000.p/1"), size >= 65_536);
        for index in [0, 255, 256, 65_279, 65_534, size - 1] {
            let way = book.inclusion(index).expect("a path");
            let leaf = tlog_tiles::tlog::record_hash(&spelled(index..index + 1)[0]);
            let head = book.head();
            assert!(tlog_tiles::tlog::check_record(&way, size, head.root, index, leaf).is_ok(), "{index} of {size}");
        }
    }
}

#[test]
fn an_entry_is_read_back_whatever_its_kind() {
    for what in crate::bed::story().into_iter().flatten() {
        let entry = Entry { at: Millis(1), what };
        let bytes = entry.to_bytes().expect("spelled");
        assert_eq!(Entry::read(&bytes).expect("read"), entry);
        let kind = format!("\"kind\":\"{}\"", entry.what.kind());
        assert!(String::from_utf8(bytes).expect("text").contains(&kind), "{kind}");
        assert_eq!(entry.what.workspace().is_none(), !matches_workspace(&entry.what));
    }
}

fn matches_workspace(what: &What) -> bool {
    serde_json::to_value(what).expect("JSON").get("workspace").is_some()
}
