//! The two logs on a real folder: what is promised is there after every kind of stop.

use domicile_event::Envelope;
use domicile_keys::Keyring;
use domicile_ledger::{Outcome, Reason};
use domicile_log::*;
use domicile_region::{InRegion, PointName, RegionId};
use domicile_workspace::*;
use domicile_world::{Millis, World};
use std::path::Path;
use std::sync::Arc;

fn source(number: u32) -> InRegion<Arc<Source>> {
    let source = Source {
        id: SourceId::new(format!("source{number}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new("w"),
        workspace_number: WorkspaceNumber(1),
        slug: "web".into(),
        name: "Web".into(),
        kind: SourceKind::Website,
        enabled: true,
        ingestion_region: PointName::new("here"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    };
    InRegion::new(RegionId::new("here"), Arc::new(source))
}

struct Here {
    log: AcceptedLog,
    committer: tokio::task::JoinHandle<Result<(), WriteError>>,
}

fn open(folder: &Path, settings: LogSettings) -> Result<(AcceptedLog, Committer), OpenError> {
    let world = World::real();
    let keyring = Keyring::open(&world, &folder.join("keys"))?;
    AcceptedLog::open(&world, &RegionId::new("here"), &folder.join("accepted"), &keyring, settings)
}

fn run(folder: &Path, settings: LogSettings) -> Here {
    let (log, committer) = open(folder, settings).expect("opens");
    Here { log, committer: tokio::spawn(committer.run()) }
}

fn small() -> LogSettings {
    LogSettings { segment_bytes_max: 600, ..LogSettings::default() }
}

impl Here {
    async fn append(&self, body: &str, events: u32, origin: Option<Origin>) -> Result<Span, AppendError> {
        let mut buf = FrameBuf::with_capacity(body.len());
        buf.extend_from_slice(body.as_bytes());
        let end = u32::try_from(body.len()).expect("small");
        let envelope = Envelope { items: vec![0..end; events as usize], ..Envelope::default() };
        let receipt = Receipt {
            source: SourceNumber(1),
            received_at: Millis(1_000),
            point: PointName::new("here"),
            client: Some("2001:db8::1".parse().expect("an address")),
            call: None,
            origin,
        };
        self.log.append(source(1), receipt, &envelope, buf).await
    }

    fn bodies(&self) -> Vec<String> {
        let mut reader = self.log.reader(self.log.start()).expect("reads");
        let mut out = Vec::new();
        while let Some(accepted) = reader.next().expect("no damage") {
            let body = String::from_utf8_lossy(accepted.body()).into_owned();
            out.push(format!("{:?} {body}", accepted.span));
        }
        out
    }

    async fn close(self) {
        self.log.close();
        self.committer.await.expect("no panic").expect("closes");
    }

    async fn crash(self) {
        self.committer.abort();
        let _ = self.committer.await;
    }
}

#[tokio::test]
async fn what_was_promised_is_there_after_a_close_and_after_a_crash() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = run(dir.path(), small());
    assert_eq!(here.append("a", 1, None).await, Ok(Span::new(Position(0), 1)));
    assert_eq!(here.append("b", 3, None).await, Ok(Span::new(Position(1), 3)));
    here.close().await;
    let here = run(dir.path(), small());
    assert_eq!(here.append("c", 2, None).await, Ok(Span::new(Position(4), 2)));
    here.crash().await;
    let here = run(dir.path(), small());
    for n in 0..20 {
        here.append(&format!("d{n}"), 1, None).await.expect("appends");
    }
    let bodies = here.bodies();
    assert_eq!(bodies[..4], ["0..1 a", "1..4 b", "4..6 c", "6..7 d0"]);
    assert_eq!(bodies.len(), 23);
    let mut reader = here.log.reader(Position(5)).expect("reads");
    assert_eq!(reader.next().expect("reads").expect("is there").span, Span::new(Position(4), 2));
    here.close().await;
}

#[tokio::test]
async fn a_source_of_another_region_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = run(dir.path(), small());
    let strange = InRegion::new(RegionId::new("elsewhere"), source(1).shown().clone());
    let receipt = Receipt {
        source: SourceNumber(1),
        received_at: Millis(0),
        point: PointName::new("here"),
        client: None,
        call: None,
        origin: None,
    };
    let envelope = Envelope { items: std::iter::once(0..0).collect(), ..Envelope::default() };
    let answer = here.log.append(strange, receipt, &envelope, FrameBuf::with_capacity(0)).await;
    assert_eq!(answer, Err(AppendError::WrongRegion));
    assert_eq!(here.log.end(), Position(0));
}

#[tokio::test]
async fn a_place_of_a_spool_is_taken_once_also_after_a_crash() {
    let dir = tempfile::tempdir().expect("a folder");
    let far = |first, events| Some(Origin { point: PointName::new("far"), span: Span::new(Position(first), events) });
    let here = run(dir.path(), small());
    assert_eq!(here.append("a", 2, far(0, 2)).await.map(Span::events), Ok(2));
    assert_eq!(here.append("a", 2, far(0, 2)).await.map(Span::events), Ok(0));
    here.crash().await;
    let here = run(dir.path(), small());
    assert_eq!(here.log.origin_end(&PointName::new("far")), Position(2));
    assert_eq!(here.append("a", 2, far(0, 2)).await.map(Span::events), Ok(0));
    assert_eq!(here.append("b", 1, far(2, 1)).await.map(Span::events), Ok(1));
    for _ in 0..30 {
        here.append("filler", 1, None).await.expect("appends");
    }
    here.crash().await;
    let here = run(dir.path(), small());
    assert_eq!(here.log.origin_end(&PointName::new("far")), Position(3));
    here.close().await;
}

#[tokio::test]
async fn a_closing_log_takes_nothing_and_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = run(dir.path(), small());
    here.log.close();
    assert_eq!(here.append("a", 1, None).await, Err(AppendError::Closing));
}

/// Method: a log closed in order, then every bit of every file flipped, one at a time, and every file cut at every byte.
/// Each must stop the start, or change nothing that was promised.
#[tokio::test]
async fn every_flipped_bit_and_every_cut_of_a_closed_log_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = run(dir.path(), small());
    for n in 0..4 {
        here.append(&format!("event {n}"), 1, None).await.expect("appends");
    }
    let whole = here.bodies();
    here.close().await;
    let folder = dir.path().join("accepted");
    let files: Vec<_> = std::fs::read_dir(&folder).expect("lists").map(|f| f.expect("an entry").path()).collect();
    let contents = || -> Vec<_> { files.iter().map(|f| (f.clone(), std::fs::read(f).ok())).collect() };
    let kept: Vec<_> = files.iter().map(|f| (f.clone(), std::fs::read(f).expect("reads"))).collect();
    let found = |what: String| {
        let damaged = contents();
        let looked = look(&World::real(), &folder);
        assert_eq!(contents(), damaged, "{what}: a look changes nothing");
        let opened = open(dir.path(), small()).map_err(|e| e.to_string());
        assert_eq!(looked.is_err(), opened.is_err(), "{what}: a look sees what an open sees");
        let read = opened.and_then(|(log, _)| {
            let mut reader = log.reader(log.start()).map_err(|e| e.to_string())?;
            let mut out = Vec::new();
            while let Some(accepted) = reader.next().map_err(|e| e.to_string())? {
                out.push(format!("{:?} {}", accepted.span, String::from_utf8_lossy(accepted.body())));
            }
            Ok(out)
        });
        if let Ok(bodies) = read {
            assert_eq!(bodies, whole, "{what}");
        }
        for file in std::fs::read_dir(&folder).expect("lists") {
            std::fs::remove_file(file.expect("an entry").path()).expect("removes");
        }
        for (file, bytes) in &kept {
            std::fs::write(file, bytes).expect("writes");
        }
    };
    assert_eq!(look(&World::real(), &folder).expect("is whole"), Span::new(Position(0), 4));
    for (file, bytes) in &kept {
        for byte in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[byte] ^= 1 << (byte % 8);
            std::fs::write(file, &bad).expect("writes");
            found(format!("{} bit of byte {byte}", file.display()));
            std::fs::write(file, &bytes[..byte]).expect("writes");
            found(format!("{} cut at {byte}", file.display()));
        }
    }
}

fn decided(first: u64, texts: &[&str]) -> Decided {
    let span = Span::new(Position(first), texts.len() as u64);
    let mut builder = DecidedBuilder::new(
        span,
        SourceNumber(1),
        Millis(5),
        Millis(6),
        ConfigVersion(7),
        PointName::new("here"),
        None,
    );
    for text in texts {
        builder.out().extend_from_slice(text.as_bytes());
        match *text {
            "twice" => builder.drop(Outcome::Duplicate, Reason::None, Some(EventKey([9; 10])), Some(Position(0))),
            "bad" => builder.drop(Outcome::Invalid, Reason::NotObject, None, None),
            _ => builder.keep(EventKey([1; 10])),
        }
    }
    builder.finish()
}

#[tokio::test]
async fn decisions_come_back_as_they_were_made_and_only_after_the_commit() {
    let dir = tempfile::tempdir().expect("a folder");
    let world = World::real();
    let keyring = Keyring::open(&world, &dir.path().join("keys")).expect("opens");
    let open = || EventLog::open(&world, &dir.path().join("events"), &keyring, small()).expect("opens");
    let (log, mut writer) = open();
    let mut reader = log.reader("test", Position(0)).expect("reads");
    writer.add(decided(0, &["one", "twice", "bad", "four"]), WorkspaceNumber(1)).expect("adds");
    assert!(reader.next().expect("reads").is_none());
    writer.commit().expect("commits");
    writer.mark(Millis(8));
    writer.commit().expect("commits");
    let Some(EventFrame::Decided(back)) = reader.next().expect("reads") else { panic!("a decision") };
    let kept: Vec<_> = back.kept().map(|(p, json)| (p.0, String::from_utf8_lossy(json).into_owned())).collect();
    assert_eq!(kept, [(0, "one".into()), (3, "four".into())]);
    let outcomes: Vec<_> = back.decisions().map(|(p, d)| (p.0, d.outcome, d.first)).collect();
    assert_eq!(
        outcomes,
        [
            (0, Outcome::Kept, None),
            (1, Outcome::Duplicate, Some(Position(0))),
            (2, Outcome::Invalid, None),
            (3, Outcome::Kept, None)
        ]
    );
    assert_eq!((back.config, back.log_time), (ConfigVersion(7), Millis(6)));
    assert!(matches!(reader.next().expect("reads"), Some(EventFrame::Mark(Mark { position: Position(4), .. }))));
    writer.close().expect("closes");
    let (log, writer) = open();
    assert_eq!((log.end(), writer.next()), (Position(4), Position(4)));
    let mut reader = log.reader("test", Position(3)).expect("reads");
    assert!(matches!(reader.next().expect("reads"), Some(EventFrame::Decided(d)) if d.span.first == Position(0)));
}
