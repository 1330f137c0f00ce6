//! Whose events they are, and where they may be taken.

use crate::cell::*;
use domicile_log::AcceptedLog;
use domicile_workspace::{Source, SourceNumber};

#[tokio::test]
async fn the_key_is_in_the_header_or_in_the_body() {
    let cell = Cell::start().await;
    let keyed = |key: &str| format!(r#"{{"batch":[{TRACK}],"sentAt":"2027-01-15T08:00:00Z","writeKey":"{key}"}}"#);
    let in_item = format!(r#"{{"batch":[{},{TRACK}]}}"#, TRACK.replace('}', &format!(r#","writeKey":"{WEB}"}}"#)));
    let web = basic(WEB);
    let lower = web.replace("Basic", "basic");
    let table: &[(Option<&str>, String, &str, &str)] = &[
        (Some(&web), batch_of(1), "200", "1"),
        (Some(&lower), batch_of(1), "200", "1"),
        (None, keyed(WEB), "200", "1"),
        (None, keyed(SERVER), "200", "2"),
        (Some("Bearer eyJhbGciOi"), keyed(WEB), "200", "1"),
        (Some("Basic !!!"), keyed(WEB), "200", "1"),
        (None, in_item, "200", "1"),
        // Both, and they differ: the header's counts.
        (Some(&web), keyed(SERVER), "200", "1"),
        (Some(&web), keyed(ELSEWHERE), "200", "1"),
        (None, batch_of(1), "400 missing_write_key", ""),
        (None, keyed(""), "400 missing_write_key", ""),
        (None, keyed("nobody"), "400 unknown_write_key", ""),
        (None, keyed("usw_nobody"), "400 unknown_write_key", ""),
        (Some(&basic("nobody")), batch_of(1), "400 unknown_write_key", ""),
        (Some(&basic(OFF)), batch_of(1), "400 source_disabled", ""),
        (Some(&basic(OLD_KEY)), batch_of(1), "400 source_disabled", ""),
        (None, keyed(OFF), "400 source_disabled", ""),
    ];
    for (authorization, body, outcome, source) in table {
        let before = cell.kept().len();
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
        let got = cell.post("/v1/batch", &headers, body).await;
        assert_eq!(got.outcome(), *outcome, "{authorization:?} {body}");
        let kept = cell.kept();
        match source.is_empty() {
            true => assert_eq!(kept.len(), before, "something of a refused request was kept"),
            false => assert!(kept[before].starts_with(source), "{kept:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_of_another_region_is_refused_with_the_right_host_and_nothing_kept() {
    let cell = Cell::start().await;
    let body = format!(r#"{{"batch":[{TRACK}],"writeKey":"{ELSEWHERE}"}}"#);
    let single = TRACK.replace('}', &format!(r#","writeKey":"{ELSEWHERE}"}}"#));
    let header = basic(ELSEWHERE);
    for got in [
        cell.post("/v1/batch", &[("Authorization", &header)], &batch_of(1)).await,
        cell.post("/v1/batch", &[], &body).await,
        cell.post("/v1/t", &[], &single).await,
    ] {
        assert_eq!(got.outcome(), "400 wrong_region");
        assert_eq!(got.json()["region"], "eu-west");
        assert_eq!(got.json()["host"], "events.eu1.example.com");
        assert!(!got.text().contains(ELSEWHERE), "the key is in the answer");
    }
    assert!(cell.kept().is_empty());
}

#[tokio::test]
async fn a_misdirected_body_is_not_even_read() {
    let cell = Cell::start().await;
    // The body never comes: the answer does.
    let request = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nExpect: 100-continue\r\nContent-Length: 400000\r\n\r\n",
        basic(ELSEWHERE)
    );
    let mut tcp = tokio::net::TcpStream::connect(cell.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut tcp, request.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut tcp).await.unwrap();
    let got = Got::read(&mut tcp).await;
    assert_eq!(got.outcome(), "400 wrong_region", "asked for the body first");
    assert_eq!(got.header("connection"), "close");
}

#[tokio::test]
async fn a_key_that_is_known_here_counts_whatever_it_begins_with() {
    let cell = Cell::start().await;
    let mut sources = sources();
    sources[0].write_keys.push(domicile_workspace::WriteKey { key: ELSEWHERE.to_owned(), enabled: true });
    cell.current.put(snapshot(2, sources));
    assert_eq!(cell.post("/v1/batch", &[("Authorization", &basic(ELSEWHERE))], &batch_of(1)).await.outcome(), "200");
}

#[tokio::test]
async fn another_point_of_the_region_takes_a_source_unless_it_is_strict() {
    let cell = Cell::start().await;
    let at = |key: &'static str, log: AcceptedLog, point: &'static str| {
        let cell = &cell;
        async move {
            let address = cell.listen(point, log, domicile_listen::Settings::default()).await;
            send(address, "POST /v1/batch", &[("Authorization", &basic(key))], batch_of(1).as_bytes()).await
        }
    };
    assert_eq!(at(WEB, cell.log.clone(), "dublin").await.outcome(), "200");
    assert_eq!(at(STRICT, cell.log.clone(), "dublin").await.outcome(), "200");
    let got = at(STRICT, cell.log.clone(), "singapore").await;
    assert_eq!(got.outcome(), "400 wrong_ingest_point");
    assert_eq!(got.json()["host"], "ie.us1.example.com");
    assert_eq!(cell.kept().len(), 2);
}

#[tokio::test]
async fn settings_follow_the_sources_ingestion_region() {
    let cell = Cell::start().await;
    let path = format!("/v1/projects/{WEB}/settings");
    let got = cell.get(&path).await;
    let settings = got.json();
    let segment = &settings["integrations"]["Segment.io"];
    assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
    assert_eq!(
        (&segment["apiKey"], &segment["apiHost"], &segment["protocol"]),
        (&WEB.into(), &"127.0.0.1:7101/v1".into(), &"http".into())
    );
    assert_eq!(settings["metrics"], serde_json::json!({"sampleRate": 0, "host": "127.0.0.1:7101/v1"}));
    assert_eq!(settings["integrations"].as_object().unwrap().len(), 1, "nothing that loads a script");
    for (field, value) in [("remotePlugins", "[]"), ("enabledMiddleware", "{}"), ("middlewareSettings", "{}")] {
        assert_eq!(settings[field].to_string(), value);
    }
    assert_eq!(settings["legacyVideoPluginsEnabled"], false);
    assert!(cell.intake.settings_fetched(SourceNumber(1)).is_some());
    assert!(cell.intake.settings_fetched(SourceNumber(2)).is_none());

    let etag = got.header("etag");
    let again = cell.send(&format!("GET {path}"), &[("If-None-Match", &format!("\"x\", W/{etag}"))], b"").await;
    assert_eq!((again.status, again.text()), (304, ""));
    assert_eq!(again.header("etag"), etag);

    let moved = sources()
        .into_iter()
        .map(|source| Source { ingestion_region: domicile_region::PointName::new("singapore"), ..source });
    cell.current.put(snapshot(2, moved.collect()));
    let moved = cell.send(&format!("GET {path}"), &[("If-None-Match", etag)], b"").await;
    let segment = moved.json()["integrations"]["Segment.io"].clone();
    assert_eq!((&segment["apiHost"], &segment["protocol"]), (&"sg.us1.example.com/v1".into(), &"https".into()));
}

#[tokio::test]
async fn settings_of_nobody_are_404_with_the_reason() {
    let cell = Cell::start().await;
    for (key, code) in [
        ("nobody", "unknown_write_key"),
        (OFF, "source_disabled"),
        (OLD_KEY, "source_disabled"),
        (ELSEWHERE, "wrong_region"),
    ] {
        let got = cell.get(&format!("/projects/{key}/settings")).await;
        assert_eq!(got.outcome(), format!("404 {code}"));
    }
}
