//! First position wins.

use crate::cell::{check, check_with, tiny};
use domicile_process::{IndexSettings, UpkeepIn};

#[test]
fn the_second_event_with_a_message_id_is_a_duplicate_of_the_first() {
    check(
        "accept web m1
         accept web m2
         accept web m1",
        "0 m1
         1 m2
         2 duplicate of 0",
    );
}

#[test]
fn inside_one_batch_the_first_wins_too() {
    check(
        "accept web m1 m2 m1 m1 m2",
        "0 m1
         1 m2
         2 duplicate of 0
         3 duplicate of 0
         4 duplicate of 1",
    );
}

#[test]
fn another_source_s_message_id_is_another_event() {
    check(
        "accept web m1
         accept app m1
         accept server m1
         accept app m1",
        "0 m1
         1 m1
         2 m1
         3 duplicate of 1",
    );
}

#[test]
fn a_duplicate_is_known_after_a_restart_a_kill_and_a_power_loss() {
    check(
        "accept web m1 m2 m3
         restart
         accept web m1 m4
         kill
         accept web m2 m4
         power
         accept web m3 m4 m5",
        "0 m1
         1 m2
         2 m3
         mark
         3 duplicate of 0
         4 m4
         5 duplicate of 1
         6 duplicate of 4
         7 duplicate of 2
         8 duplicate of 4
         9 m5",
    );
}

#[test]
fn what_was_accepted_and_not_decided_before_a_kill_is_decided_after_it() {
    check(
        "accept web m1
         stop process
         accept web m1 m2
         accept web m3 m2
         kill
         accept web m3",
        "0 m1
         1 duplicate of 0
         2 m2
         3 m3
         4 duplicate of 2
         5 duplicate of 3",
    );
}

#[test]
fn a_deleted_index_comes_back_from_the_event_log_and_decides_the_same() {
    check(
        "accept web a b c d e f g h
         wait 5m
         accept web i j k l m n o p
         delete index
         accept web a h i p q
         delete index
         accept web q b",
        "0 a
         1 b
         2 c
         3 d
         4 e
         5 f
         6 g
         7 h
         mark
         8 i
         9 j
         10 k
         11 l
         12 m
         13 n
         14 o
         15 p
         16 duplicate of 0
         17 duplicate of 7
         18 duplicate of 8
         19 duplicate of 15
         20 q
         21 duplicate of 20
         22 duplicate of 1",
    );
}

#[test]
fn the_window_ends_after_its_last_minute() {
    let index = IndexSettings { window_minutes: 10, ..tiny() };
    check_with(
        index.clone(),
        "accept web m1
         wait 10m
         accept web m1",
        "0 m1
         mark
         1 duplicate of 0",
    );
    check_with(
        index,
        "accept web m1
         wait 11m
         accept web m1
         wait 10m
         accept web m1",
        "0 m1
         mark
         1 m1
         mark
         2 duplicate of 1",
    );
}

#[test]
fn the_window_ends_for_runs_on_disk_and_after_a_rebuild_too() {
    let index = IndexSettings { window_minutes: 60, ..tiny() };
    check_with(
        index,
        "accept web a b c d e f
         wait 30m
         accept web g h i j a
         wait 31m
         accept web a g
         delete index
         accept web a b g
         wait 1d
         accept web a b g h",
        "0 a
         1 b
         2 c
         3 d
         4 e
         5 f
         mark
         6 g
         7 h
         8 i
         9 j
         10 duplicate of 0
         mark
         11 a
         12 duplicate of 6
         13 duplicate of 11
         14 b
         15 duplicate of 6
         mark
         16 a
         17 b
         18 g
         19 h",
    );
}

#[test]
fn the_default_window_is_thirty_days() {
    check(
        "accept web m1
         wait 29d
         accept web m1
         wait 1d
         accept web m1
         wait 1m
         accept web m1",
        "0 m1
         mark
         1 duplicate of 0
         mark
         2 duplicate of 0
         mark
         3 m1",
    );
}

#[test]
fn an_index_with_a_thread_of_its_own_decides_the_same() {
    let index = IndexSettings { upkeep: UpkeepIn::Thread, ..tiny() };
    check_with(
        index,
        "accept web a b c d e f g h
         restart
         accept web a h i
         delete index
         accept web a i j",
        "0 a
         1 b
         2 c
         3 d
         4 e
         5 f
         6 g
         7 h
         mark
         8 duplicate of 0
         9 duplicate of 7
         10 i
         11 duplicate of 0
         12 duplicate of 10
         13 j",
    );
}
