//! `drill` on running cells: nothing crosses, and what crossed once is found.

use crate::{Up, domicile, free_base};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

fn said(args: &[&str]) -> (i32, String, String) {
    let out = domicile(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

fn drill(data: &Path, more: &[&str]) -> (i32, String, String) {
    let data = data.display().to_string();
    let mut args = vec!["drill", "--data", &data];
    args.extend(more);
    said(&args)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("reads")).expect("is JSON")
}

/// A partner that takes everything, until the test ends; gives its port.
fn partner() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("Positive Control") {
                match stream.read(&mut piece) {
                    Ok(n @ 1..) => request.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    port
}

#[test]
fn a_drill_that_can_not_be_says_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let nobody = format!("http://127.0.0.1:{}", free_base());
    for (args, code, told) in [
        (&["--since", "yesterday"][..], 2, "2027-01-15T07:00:00Z"),
        (&["--cell", &nobody], 2, "--token"),
        (&["--cell", &nobody, "--token", "t", "--partners"], 2, "cannot be used with"),
        (&["--cell", &nobody, "--token", "t"], 3, &nobody),
        (&[], 3, "operator.json"),
    ] {
        let (found, out, error) = drill(&dir.path().join("nowhere"), args);
        assert_eq!((found, out.as_str()), (code, ""), "{args:?}: {error}");
        assert!(error.contains(told), "{told} in {error}");
    }
}

#[test]
fn nothing_crosses_a_sound_cell_and_the_report_can_be_filed() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let up = Up::start(&data);
    let (code, text, error) = drill(&data, &[]);
    assert_eq!(code, 0, "{text}{error}");
    for part in [
        "us-west  nothing crossed",
        "eu-west  nothing crossed",
        "held      Attacks on the border: 375 forms",
        "2 sent to eu-west under keys of us-west: refused as wrong_region",
        "8 sent to us-west under keys of eu-west: refused as wrong_region",
        "the logs have no event with the marker",
        "no checkpoint of an earlier drill yet",
        "the balance of 0 accepted events adds up",
        "not tried Redirects",
        "not tried cut locations",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, text, _) = drill(&data, &["--region", "eu-west", "--json"]);
    let reports: Value = serde_json::from_str(&text).expect("is JSON");
    assert_eq!((code, reports.as_array().map(Vec::len), &reports[0]["held"]), (0, Some(1), &Value::Bool(true)));
    assert!(text.contains("it begins with the checkpoint of an earlier drill"), "{text}");

    // A partner that redirects, for a moment.
    let (code, text, error) = drill(&data, &["--region", "eu-west", "--partners"]);
    assert_eq!(code, 0, "{text}{error}");
    for part in [
        "held      Redirects",
        "answered with 307: told as ",
        "4 requests came to the partner, and none to the trap",
        "0 before the drill and 4 of the drill's own, and none that was refused",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("its source and destination were deleted"), "{text}");

    // The same over HTTP, as somebody elsewhere does it; who has a workspace's token does not.
    let cell = &read(&data.join("operator.json"))["regions"]["eu-west"];
    let (api, token) = (cell["api"].as_str().expect("an address"), cell["token"].as_str().expect("a token"));
    let report = dir.path().join("filed/drill.md");
    let shown = report.display().to_string();
    for told in ["no checkpoint of an earlier drill yet", "it begins with the checkpoint of an earlier drill"] {
        let (code, text, error) = said(&["drill", "--cell", api, "--token", token, "--report", &shown]);
        assert_eq!(code, 0, "{text}{error}");
        assert!(text.contains(told) && text.contains(&format!("{api}/ledger: ")), "{told} in {text}");
    }
    let filed = fs::read_to_string(&report).expect("reads");
    for part in [
        "# Residency drill of eu-west: nothing crossed",
        &format!("| cell | {api} |"),
        "## 6. Side doors: held",
        "domicile/eu-west",
    ] {
        assert!(filed.contains(part), "{part} in {filed}");
    }
    let demo = read(&data.join("demo.json"));
    let workspaces = demo["regions"]["eu-west"]["token"].as_str().expect("a token");
    let (code, _, error) = said(&["drill", "--cell", api, "--token", workspaces]);
    assert!(code == 2 && error.contains("the operator"), "{error}");

    // A history that is not the one that was kept.
    let kept = data.join("drills/eu-west.checkpoint");
    fs::copy(data.join("drills/us-west.checkpoint"), &kept).expect("copies");
    let before = fs::read(&kept).expect("reads");
    let (code, text, _) = drill(&data, &["--region", "eu-west"]);
    assert!(code == 1 && text.contains("FOUND: the ledger does not hold"), "{text}");
    assert_eq!(fs::read(&kept).expect("reads"), before, "what does not hold is no beginning for the next drill");
    up.stop();
}

/// Method: the drill is interrupted while its destination is there, or perhaps a moment after; in either case none is left.
#[test]
fn an_interrupted_drill_leaves_no_destination_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let up = Up::start(&data);
    let shown = data.display().to_string();
    let has_destination = || {
        let (code, text, error) = said(&["export", "--data", &shown, "--region", "eu-west"]);
        assert_eq!(code, 0, "{error}");
        text.contains("drill-drill")
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_domicile"))
        .args(["drill", "--partners", "--region", "eu-west", "--data", &shown])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while !has_destination() && child.try_wait().expect("asks").is_none() {}
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let out = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    match out.status.code() {
        Some(0) => {}
        code => assert!(
            code == Some(3) && said.contains("the drill's source and destination are deleted"),
            "{code:?} {said}"
        ),
    }
    assert!(!has_destination());
    up.stop();
}

/// Control: a drill that finds nothing shows something only if it can find. Method: a region that allows the US sends events
/// there; then its policy allows it no more, so that the ledger has what the policy in force does not let out.
#[test]
fn what_went_where_the_policy_in_force_lets_nothing_go_is_found() {
    const BUILT_IN: &str = include_str!("../../region/src/built_in.yml");
    let dir = tempfile::tempdir().expect("a folder");
    let (data, topology) = (dir.path().join("data"), dir.path().join("topology.yml"));
    let file = topology.display().to_string();
    fs::write(&topology, BUILT_IN.replacen("allow: [EEA]", "allow: [EEA, US]", 1)).expect("writes");
    let up = Up::start_with(&data, &["--topology", &file]);
    let workspace = dir.path().join("workspace.yml");
    let hook = format!(
        "workspace: {{ region: eu-west }}\nsources:\n  server:\n    type: server\n    destinations:\n      Hook:\n        type: webhook\n        \
         settings: {{ url: \"http://127.0.0.1:{}/x?token=t0k\", country: US }}\n",
        partner()
    );
    fs::write(&workspace, hook).expect("writes");
    let (shown, plan) = (data.display().to_string(), workspace.display().to_string());
    let applied = said(&["apply", "-f", &plan, "--yes", "--region", "eu-west", "--data", &shown]);
    assert_eq!(applied.0, 0, "{}{}", applied.1, applied.2);
    let demo = read(&data.join("demo.json"));
    let eu = &demo["regions"]["eu-west"];
    let events = dir.path().join("events.ndjson");
    fs::write(&events, "{\"type\":\"track\",\"event\":\"Positive Control\",\"messageId\":\"m1\",\"userId\":\"ann\"}\n")
        .expect("writes");
    let key = eu["workspaces"]["acme-eu"]["sources"]["server"]["writeKey"].as_str().expect("a key");
    let dublin = eu["ingest"]["dublin"].as_str().expect("an address");
    let sent = said(&["send", "--to", dublin, "--key", key, &events.display().to_string()]);
    assert_eq!(sent.0, 0, "{}", sent.2);
    let is_delivered =
        || said(&["tail", "--event", "m1", "--region", "eu-west", "--data", &shown]).1.contains("delivered to Hook");
    let start = std::time::Instant::now();
    while !is_delivered() {
        assert!(start.elapsed().as_secs() < 30, "the partner was not sent the event");
    }
    let (code, text, error) = drill(&data, &["--region", "eu-west"]);
    assert_eq!(code, 0, "allowed then: {text}{error}");
    assert!(text.contains("127.0.0.1 in US, allow US"), "{text}");
    // A stop in order enters what was sent.
    up.stop();

    fs::write(&topology, BUILT_IN).expect("writes");
    let up = Up::start_with(&data, &["--topology", &file]);
    let (code, text, error) = drill(&data, &["--region", "eu-west"]);
    assert_eq!(code, 1, "{text}{error}");
    for part in [
        "eu-west  SOMETHING CROSSED",
        "CROSSED   Ledger and balance",
        "FOUND: 1 requests went to 127.0.0.1 in US, from destination ",
        "by `allow US`: the policy in force does not allow US",
        "destination acme-eu/Hook (",
        "refused, country_refused",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("t0k") && !text.contains("ann"), "{text}");
    // The policy was narrowed on purpose: from then on nothing went there.
    let (code, text, _) = drill(&data, &["--region", "eu-west", "--since", "2096-01-01T00:00:00Z"]);
    assert!(code == 0 && text.contains("from 2096-01-01T00:00:00Z on"), "{text}");
    up.stop();
}
