//! What is kept, what is not and why, and what is added.

use crate::cell::{Cell, Sent, check, item, run, tiny};
use domicile_event::BATCH_EVENTS_MAX;
use domicile_log::Position;

#[test]
fn what_is_no_event_is_invalid_and_counted() {
    check(
        "accept web ! m1 !
         accept web !",
        "0 invalid not_object
         1 m1
         2 invalid not_object
         3 invalid not_object",
    );
}

#[test]
fn an_invalid_event_does_not_make_a_later_one_its_duplicate() {
    run(async {
        let cell = Cell::start(1, tiny()).await;
        let nameless = r#"{"type":"track","userId":"u","messageId":"m1"}"#.to_owned();
        let batch = [nameless.clone(), item("m1"), nameless];
        cell.accept("web", &batch, Sent::default()).await.expect("accepted");
        cell.handles.clock.settle().await;
        assert_eq!(cell.event_log(), ["0 invalid event_not_defined", "1 m1", "2 invalid event_not_defined"]);
    });
}

#[test]
fn events_of_a_deleted_source_are_counted_as_such() {
    check(
        "accept web m1
         accept app m1
         stop process
         accept web m2 m1
         accept app m2
         forget web
         kill",
        "0 m1
         1 m1
         2 invalid source_gone
         3 invalid source_gone
         4 m2",
    );
}

#[test]
fn events_of_a_suppressed_user_are_blocked_where_the_workspace_or_the_source_says_so() {
    check(
        "accept web m1 m2@v
         wait 1s
         suppress web
         accept web m3 m4@v
         accept app m3
         wait 1s
         suppress acme
         accept app m5 m6@v m7@U
         wait 1s
         let go web
         accept web m8
         wait 1s
         let go acme
         accept web m9",
        "0 m1
         1 m2
         2 blocked suppressed
         3 m4
         4 m3
         5 blocked suppressed
         6 m6
         7 m7
         8 blocked suppressed
         9 m9",
    );
}

#[test]
fn what_was_blocked_once_is_a_duplicate_at_the_second_try_also_after_the_user_was_let_go_and_a_crash() {
    check(
        "suppress acme
         accept web m1 m1
         wait 1s
         let go acme
         accept web m1
         kill
         accept web m1 m2
         delete index
         accept web m1",
        "0 blocked suppressed
         1 duplicate of 0
         2 duplicate of 0
         3 duplicate of 0
         4 m2
         5 duplicate of 0",
    );
}

#[test]
fn events_beyond_the_longest_batch_are_invalid() {
    run(async {
        let cell = Cell::start(1, tiny()).await;
        let batch: Vec<_> = (0..BATCH_EVENTS_MAX + 2).map(|n| item(&format!("m{n}"))).collect();
        cell.accept("web", &batch, Sent::default()).await.expect("accepted");
        cell.handles.clock.settle().await;
        let log = cell.event_log();
        assert_eq!(log.len(), BATCH_EVENTS_MAX + 2);
        assert_eq!(log[2_499..], ["2499 m2499", "2500 invalid batch_too_long", "2501 invalid batch_too_long"]);
    });
}

#[test]
fn a_missing_message_id_is_made_and_is_the_same_after_a_replay() {
    run(async {
        let mut logs = Vec::new();
        for crash in ["wait 1s", "kill", "power"] {
            let mut cell = Cell::start(1, tiny()).await;
            cell.perform("stop process").await;
            cell.perform("accept web - m1 -").await;
            cell.perform("kill").await;
            cell.perform(crash).await;
            cell.perform("accept web -").await;
            cell.handles.clock.settle().await;
            logs.push(cell.event_log());
        }
        assert_eq!(logs[0], logs[1]);
        assert_eq!(logs[0], logs[2]);
        let ids: Vec<_> = logs[0].iter().filter(|line| line.contains("dom-")).collect();
        assert_eq!(ids.len(), 3, "{logs:?}");
        assert!(ids.iter().all(|line| line.split("dom-").nth(1).is_some_and(|hex| hex.len() == 32)), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    });
}

#[test]
fn the_address_is_added_for_the_user_s_own_device_and_only_there() {
    const CLIENT: &str = "2001:db8::7";
    let own = |context: &str| format!(r#"{{"type":"track","event":"E","userId":"u","context":{context}}}"#);
    let table = [
        // source, the batch's context, the event's context, whether the address is added
        ("web", None, r#"{}"#, true),
        ("app", None, r#"{}"#, true),
        ("server", None, r#"{}"#, false),
        ("server", None, r#"{"direct":true}"#, true),
        ("server", None, r#"{"direct":false}"#, false),
        ("server", Some(r#"{"direct":true}"#), r#"{}"#, true),
        ("server", None, r#"{"library":{"name":"analytics.js"}}"#, true),
        ("server", None, r#"{"library":{"name":"analytics-node"}}"#, false),
        ("server", Some(r#"{"library":{"name":"analytics-kotlin"}}"#), r#"{}"#, true),
        ("server", Some(r#"{"library":{"name":"analytics-kotlin"}}"#), r#"{"library":{"name":"analytics-go"}}"#, false),
        ("server", None, r#"{"channel":"mobile"}"#, true),
        ("server", None, r#"{"channel":"server"}"#, false),
        ("web", None, r#"{"ip":"192.0.2.1"}"#, false),
        ("web", None, r#"{"ip":"0.0.0.0"}"#, false),
        ("web", Some(r#"{"ip":"192.0.2.1"}"#), r#"{}"#, false),
    ];
    run(async {
        let cell = Cell::start(1, tiny()).await;
        for (n, (source, context, event, _)) in table.iter().enumerate() {
            let client = Some(CLIENT.parse().expect("an address"));
            let span = cell.accept(source, &[own(event)], Sent { client, context: *context }).await.expect("accepted");
            assert_eq!(span.first, Position(n as u64));
        }
        cell.handles.clock.settle().await;
        for ((source, context, event, added), kept) in table.iter().zip(cell.kept()) {
            assert_eq!(kept.contains(CLIENT), *added, "{source}, batch {context:?}, event {event}: {kept}");
        }
    });
}

#[test]
fn a_mark_follows_the_first_event_behind_the_last_one_by_a_minute_and_closes_a_shutdown() {
    check(
        "wait 5m
         accept web a
         wait 59s
         accept web b
         wait 1s
         wait 10m
         accept web c
         wait 30s
         restart
         wait 10m
         restart
         accept web d
         kill
         wait 2m",
        "0 a
         1 b
         mark
         2 c
         mark
         3 d
         mark",
    );
}
