//! The same on the real clock, disk and network, with a partner on loopback and a runtime of several threads.

use crate::bed::webhook;
use domicile_border::Border;
use domicile_destinations::{Destinations, Settings};
use domicile_keys::Keyring;
use domicile_log::{DecidedBuilder, EventKey, EventLog, EventWriter, LogSettings, Span};
use domicile_region::{PointName, RegionId, Topology};
use domicile_testkit::{Manner, Partner};
use domicile_workspace::*;
use domicile_world::{Millis, World};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn send(writer: &mut EventWriter, ns: std::ops::Range<u64>) {
    let span = Span::new(writer.next(), ns.end - ns.start);
    let (now, point) = (World::real().clock.now(), PointName::new("dublin"));
    let mut decided = DecidedBuilder::new(span, SourceNumber(1), now, Millis(0), ConfigVersion(0), point, None);
    for n in ns {
        let event = format!(r#"{{"messageId":"m{n}","userId":"user{}","type":"track","event":"E"}}"#, n % 97);
        decided.out().extend_from_slice(event.as_bytes());
        decided.keep(EventKey([0; 10]));
    }
    writer.add(decided.finish(), WorkspaceNumber(1)).expect("added");
    writer.commit().expect("committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_on_loopback_gets_everything_and_dead_letters_are_private() {
    const EVENTS: u64 = 2_000;
    let folder = tempfile::tempdir().expect("a folder");
    let (world, topology) = (World::real(), Topology::built_in());
    for name in ["keys", "events", "index"] {
        world.disk.make_folder(&folder.path().join(name), true).expect("a folder");
    }
    let keyring = Keyring::open(&world, &folder.path().join("keys")).expect("keys");
    let settings = LogSettings::default();
    let (log, mut writer) = EventLog::open(&world, &folder.path().join("events"), &keyring, settings).expect("a log");
    let region = topology.region(&RegionId::new("eu-west")).expect("built in");
    let border = Border::new(world.clone(), region, &topology.networks);

    let (takes, picky) = (Partner::start(Manner::Takes).await, Partner::start(Manner::Answers(400)).await);
    let (takes, picky) = (takes.expect("a partner"), picky.expect("a partner"));
    let to = |id: &str, url: String| {
        let mut destination = webhook(id, 1, "IE");
        let DestinationKind::Webhook(settings) = &mut destination.kind;
        settings.url = url;
        destination
    };
    let source = Source {
        id: SourceId::new("source1"),
        number: SourceNumber(1),
        workspace: WorkspaceId::new("w"),
        workspace_number: WorkspaceNumber(1),
        slug: "web".into(),
        name: "Web".into(),
        kind: SourceKind::Website,
        enabled: true,
        ingestion_region: PointName::new("dublin"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    };
    let wanted = vec![to("takes", takes.url("/hook")), to("picky", picky.url("/hook"))];
    let current = Current::new(Snapshot::new(ConfigVersion(1), region.id.clone(), Vec::new(), vec![source], wanted));
    let index = folder.path().join("index");
    let id = region.id.clone();
    let destinations = Destinations::new(world.clone(), id, current, log, border, &index, Settings::default());
    let figures = destinations.figures();
    let running = tokio::spawn(destinations.run());
    while figures.all().len() < 2 {
        tokio::task::yield_now().await;
    }

    let began = world.clock.monotonic();
    (0..EVENTS / 50).for_each(|frame| send(&mut writer, frame * 50..(frame + 1) * 50));
    let received = takes.wait_for(EVENTS as usize).await;
    let took = world.clock.monotonic() - began;
    picky.wait_for(EVENTS as usize).await;
    writer.close().expect("closes");
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("ends").expect("no panic");

    let keys: BTreeSet<&str> = received.iter().filter_map(|r| r.header("idempotency-key")).collect();
    assert_eq!(keys.len(), EVENTS as usize);
    println!("{EVENTS} events, one request each, beside a destination that refuses all: {took:?}");
    let totals: Vec<_> = figures.all().iter().map(|f| (f.id.to_string(), f.totals.delivered, f.totals.dead)).collect();
    assert_eq!(totals, [("picky".into(), 0, EVENTS), ("takes".into(), EVENTS, 0)]);

    let letters = domicile_destinations::dead_letters_path(&index, &DestinationId::new("picky"));
    let mode = std::fs::metadata(&letters).expect("letters").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&letters).expect("letters").lines().count(), EVENTS as usize);
}
