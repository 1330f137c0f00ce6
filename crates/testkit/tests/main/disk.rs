//! What the simulated disk keeps, loses, refuses and replays.

use domicile_testkit::{Crash, Failure, Handles, Op, world};
use domicile_world::{AppendFile, World, write_whole};
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;

const FILE: &str = "/cell/log/0.seg";

/// A world with a folder whose name lasts.
fn with_folder(seed: u64) -> (World, Handles) {
    let (world, handles) = world(seed);
    world.disk.make_folder(Path::new("/cell/log"), true).unwrap();
    (world, handles)
}

fn open(world: &World) -> Box<dyn AppendFile> {
    world.disk.open_append(Path::new(FILE)).unwrap()
}

fn append(file: &mut Box<dyn AppendFile>, bytes: &[u8]) -> io::Result<()> {
    file.append(&[IoSlice::new(bytes)])
}

fn sync_name(world: &World) {
    world.disk.sync_folder(Path::new("/cell/log")).unwrap();
}

fn content(world: &World) -> Option<Vec<u8>> {
    world.disk.read(Path::new(FILE)).ok()
}

#[test]
fn a_power_loss_leaves_what_was_synced_and_a_kill_leaves_all() {
    for (crash, left) in [(Crash::Power, &b"synced"[..]), (Crash::Kill, b"synced, not")] {
        let (world, handles) = with_folder(1);
        let mut file = open(&world);
        append(&mut file, b"synced").unwrap();
        file.sync().unwrap();
        sync_name(&world);
        append(&mut file, b", not").unwrap();
        handles.disk.crash(crash);
        assert_eq!(content(&handles.restart()).unwrap(), left, "{crash:?}");
    }
}

#[test]
fn a_name_lasts_only_when_its_folder_was_synced() {
    let (world, handles) = with_folder(1);
    let mut file = open(&world);
    append(&mut file, b"synced").unwrap();
    file.sync().unwrap();
    handles.disk.crash(Crash::Power);
    assert_eq!(content(&handles.restart()), None);
}

#[test]
fn folders_that_were_made_last_wherever_the_machine_stops() {
    let path = Path::new("/cell/log");
    for nth in 1..5 {
        for crash in Crash::ALL {
            let (world, handles) = world(nth);
            handles.disk.crash_in(nth, crash);
            let _ = world.disk.make_folder(path, true);
            handles.restart().disk.make_folder(path, true).unwrap();
            handles.disk.crash(Crash::Power);
            assert!(handles.restart().disk.exists(path), "{crash:?} at change {nth}");
        }
    }
}

#[test]
fn an_unsynced_rename_or_removal_is_undone() {
    let (world, handles) = with_folder(1);
    let (path, other) = (Path::new(FILE), Path::new("/cell/log/other"));
    write_whole(&*world.disk, path, b"old").unwrap();
    world.disk.rename(path, other).unwrap();
    handles.disk.crash(Crash::Power);
    let world = handles.restart();
    assert_eq!(content(&world).unwrap(), b"old");
    world.disk.remove(path).unwrap();
    handles.disk.crash(Crash::Power);
    assert_eq!(content(&handles.restart()).unwrap(), b"old");
}

#[test]
fn a_whole_write_is_old_or_new_wherever_the_power_goes() {
    let mut seen = [0; 2];
    for seed in 0..600 {
        let (world, handles) = with_folder(seed);
        write_whole(&*world.disk, Path::new(FILE), &[b'o'; 700]).unwrap();
        handles.disk.crash_in(1 + seed % 6, Crash::ALL[(seed % 3) as usize]);
        let written = write_whole(&*world.disk, Path::new(FILE), &[b'n'; 1_500]);
        let left = content(&handles.restart()).unwrap();
        assert!(left == [b'o'; 700] || left == [b'n'; 1_500], "seed {seed}");
        assert!(written.is_err() || left == [b'n'; 1_500], "seed {seed}");
        seen[usize::from(left[0] == b'n')] += 1;
    }
    assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
}

#[test]
fn a_torn_write_keeps_some_sectors_and_leaves_zeros_for_others() {
    let (mut holes, mut shorter, mut whole) = (0, 0, 0);
    for seed in 0..300 {
        let (world, handles) = with_folder(seed);
        let mut file = open(&world);
        append(&mut file, &[b's'; 100]).unwrap();
        file.sync().unwrap();
        sync_name(&world);
        append(&mut file, &[b'u'; 3_000]).unwrap();
        handles.disk.crash(Crash::Torn);
        let left = content(&handles.restart()).unwrap();
        assert_eq!(&left[..100], [b's'; 100], "what was synced is never torn");
        assert!(left[100..].iter().all(|byte| matches!(byte, b'u' | 0)));
        holes += u32::from(left[100..].contains(&0));
        shorter += u32::from(left.len() < 3_100);
        whole += u32::from(left.len() == 3_100 && !left.contains(&0));
    }
    assert!(holes > 30 && shorter > 30 && whole > 10, "{holes} {shorter} {whole}");
}

#[test]
fn after_a_crash_old_handles_and_old_worlds_get_errors() {
    let (world, handles) = with_folder(1);
    let mut file = open(&world);
    file.sync().unwrap();
    sync_name(&world);
    let read = world.disk.open_read(Path::new(FILE)).unwrap();
    let disk = handles.disk.restart();
    handles.disk.crash(Crash::Kill);
    assert!(disk.crashed());
    assert!(append(&mut file, b"from the grave").is_err());
    assert!(file.sync().is_err() && read.bytes().is_err());
    assert!(!world.disk.exists(Path::new(FILE)) && world.disk.list(Path::new("/cell")).is_err());
    assert_eq!(content(&handles.restart()).unwrap(), b"");
}

#[test]
fn a_failed_sync_drops_the_bytes_and_the_next_one_says_yes() {
    let (world, handles) = with_folder(1);
    let mut file = open(&world);
    sync_name(&world);
    append(&mut file, b"lost").unwrap();
    handles.disk.fail_at(Op::Sync, 1, Failure::Broken);
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
    append(&mut file, b"kept").unwrap();
    file.sync().unwrap();
    handles.disk.crash(Crash::Power);
    assert_eq!(content(&handles.restart()).unwrap(), b"\0\0\0\0kept");
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so_until_there_is_room() {
    let (world, handles) = with_folder(1);
    let mut file = open(&world);
    handles.disk.set_capacity(Some(10));
    append(&mut file, b"12345").unwrap();
    assert_eq!(world.disk.free_bytes(Path::new("/")).unwrap(), 5);
    assert_eq!(append(&mut file, b"6789abcd").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(content(&world).unwrap(), b"123456789a");
    file.cut(5).unwrap();
    append(&mut file, b"67").unwrap();

    handles.disk.full_in(1);
    assert_eq!(append(&mut file, b"8").unwrap_err().kind(), ErrorKind::StorageFull);
    let error = world.disk.open_append(Path::new("/cell/log/1.seg")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(world.disk.free_bytes(Path::new("/")).unwrap(), 0);
    file.sync().unwrap();
    handles.disk.heal();
    file.cut(7).unwrap();
    append(&mut file, b"8").unwrap();
    assert_eq!(content(&world).unwrap(), b"12345678");
}

#[test]
fn each_operation_fails_when_it_is_told_to_and_only_then() {
    let (world, handles) = with_folder(1);
    let (path, other) = (Path::new(FILE), Path::new("/cell/log/1.seg"));
    for (op, nth) in [(Op::Rename, 2), (Op::SyncFolder, 2), (Op::Remove, 2), (Op::Read, 2)] {
        handles.disk.fail_at(op, nth, Failure::Broken);
    }
    for round in 0..3 {
        let mut file = open(&world);
        append(&mut file, b"x").unwrap();
        let results = [
            world.disk.read(path).map(drop),
            world.disk.sync_folder(Path::new("/cell/log")),
            world.disk.rename(path, other),
            world.disk.remove(if round == 1 { path } else { other }),
        ];
        assert_eq!(results.each_ref().map(Result::is_err), [round == 1; 4], "round {round}");
    }
    handles.disk.fail_from(Op::Create, 1, Failure::ReadOnly);
    for _ in 0..2 {
        let error = world.disk.open_append(Path::new("/cell/log/2.seg")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    }
}

#[test]
fn damage_is_done_where_it_is_asked_for_and_a_snapshot_puts_it_right() {
    let (world, handles) = with_folder(1);
    let (a, b) = (Path::new(FILE), Path::new("/cell/log/1.seg"));
    write_whole(&*world.disk, a, b"abc").unwrap();
    write_whole(&*world.disk, b, b"xyz").unwrap();
    let snapshot = handles.disk.snapshot();

    handles.disk.flip(a, 1, 0);
    handles.disk.truncate(b, 1);
    handles.disk.swap(a, b);
    assert_eq!((content(&world).unwrap(), world.disk.read(b).unwrap()), (b"x".to_vec(), b"acc".to_vec()));
    handles.disk.restore(&snapshot);
    let world = handles.restart();
    assert_eq!((content(&world).unwrap(), world.disk.read(b).unwrap()), (b"abc".to_vec(), b"xyz".to_vec()));
    assert_eq!(handles.disk.files(), [(a.into(), 3), (b.into(), 3)]);
}

#[test]
fn a_lying_disk_says_yes_and_keeps_nothing() {
    let (world, handles) = with_folder(1);
    let mut file = open(&world);
    sync_name(&world);
    handles.disk.lie_about(Op::Sync);
    append(&mut file, b"promised").unwrap();
    file.sync().unwrap();
    handles.disk.crash(Crash::Power);
    assert_eq!(content(&handles.restart()).unwrap(), b"");
}

#[test]
fn the_same_seed_loses_the_same_bytes() {
    let run = |seed| {
        let (world, handles) = with_folder(seed);
        let mut file = open(&world);
        sync_name(&world);
        for round in 0..20_u8 {
            append(&mut file, &[round; 300]).unwrap();
            handles.disk.crash(Crash::Torn);
            file = open(&handles.restart());
        }
        handles.disk.contents()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
