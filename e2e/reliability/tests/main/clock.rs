//! R6: the clock may jump.
//!
//! Goal: the log's own time never goes back, and passes no faster than time does, whatever the wall clock shows.

use domicile_log::LogSettings;
use domicile_reliability::{Life, Request, born, in_one_thread};
use domicile_testkit::{Dice, Handles};
use domicile_world::Millis;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
const YEAR_MS: i64 = 365 * DAY_MS;

/// The log times of a request each second, with a jump of the wall clock in between.
async fn seconds(handles: &Handles, life: &Life, first: u32, jumps: &[i64]) -> Vec<Millis> {
    let mut dice = Dice::new(1);
    for (n, jump) in jumps.iter().enumerate() {
        handles.clock.jump_wall(*jump);
        handles.clock.advance(Duration::from_secs(1)).await;
        life.append(&Request::new(&mut dice, 1, first + n as u32)).await.expect("appends");
    }
    let mut reader = life.log.reader(life.log.start()).expect("reads");
    let mut times = Vec::new();
    while let Some(accepted) = reader.next().expect("reads") {
        times.push(accepted.log_time);
    }
    times
}

#[test]
fn log_time_passes_as_time_does_whatever_the_wall_clock_shows() {
    let table: [(&str, Vec<i64>); 6] = [
        ("no jump", vec![0; 10]),
        ("a year back", vec![0, 0, -YEAR_MS, 0, 0]),
        ("a year ahead", vec![0, 0, YEAR_MS, 0, 0]),
        ("there and back", vec![YEAR_MS, -YEAR_MS, -YEAR_MS, 2 * YEAR_MS]),
        ("a second back each second", vec![-1_000; 60]),
        ("a leap second smeared the wrong way", vec![1_000, -1_000, 500, -500]),
    ];
    for (name, jumps) in table {
        let handles = born(1);
        in_one_thread(async {
            let life = Life::begin(&handles, LogSettings::default()).expect("opens");
            let times = seconds(&handles, &life, 0, &jumps).await;
            for pair in times.windows(2) {
                assert_eq!(pair[1].since(pair[0]), 1_000, "{name}");
            }
        });
    }
}

#[test]
fn log_time_does_not_go_back_when_the_clock_was_set_back_while_the_program_was_down() {
    for jump in [-YEAR_MS, -1_000, 0] {
        let handles = born(1);
        in_one_thread(async {
            let life = Life::begin(&handles, LogSettings::default()).expect("opens");
            seconds(&handles, &life, 0, &[0; 3]).await;
            life.close().await.expect("closes");
        });
        handles.clock.jump_wall(jump);
        in_one_thread(async {
            let life = Life::begin(&handles, LogSettings::default()).expect("opens");
            let times = seconds(&handles, &life, 3, &[0; 3]).await;
            assert!(times.is_sorted(), "{jump} {times:?}");
            assert!(times[3].since(times[2]) <= 1_000, "{jump} {times:?}");
        });
    }
}

#[test]
fn a_clock_that_runs_ahead_deletes_nothing_early() {
    let handles = born(1);
    let mut settings = LogSettings { segment_bytes_max: 500, ..LogSettings::default() };
    settings.retention.age_ms = 30 * DAY_MS;
    in_one_thread(async {
        let life = Life::begin(&handles, settings).expect("opens");
        let times = seconds(&handles, &life, 0, &[YEAR_MS; 40]).await;
        assert_eq!(times.len(), 40, "all are kept");
        handles.clock.advance(Duration::from_secs(31 * 86_400)).await;
        let times = seconds(&handles, &life, 40, &[0; 20]).await;
        assert!(times.len() < 40, "after 31 days of real time they may go");
    });
}
