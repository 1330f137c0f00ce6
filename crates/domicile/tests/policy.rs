//! `policy check` as an operator meets it: what it says before a topology is put in place, its faults and exit codes.

use crate::{Up, domicile};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const BUILT_IN: &str = include_str!("../../region/src/built_in.yml");

fn said(args: &[&str]) -> (i32, String, String) {
    let out = domicile(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// Runs the check on what runs in `data`.
fn check(data: &Path, more: &[&str]) -> (i32, String, String) {
    let data = data.display().to_string();
    let mut args = vec!["policy", "check", "--data", &data];
    args.extend(more);
    said(&args)
}

fn in_a_month() -> String {
    let now = domicile_world::World::real().clock.now();
    domicile_event::Stamp::of(now.plus(30 * 86_400_000).0).as_str()[..10].to_owned()
}

/// One `POST` to a cell, as a script would send it.
fn post(region: &Value, path: &str, body: &Value) -> Value {
    let (api, token) = (region["api"].as_str().expect("an address"), region["token"].as_str().expect("a token"));
    let host = api.strip_prefix("http://").expect("plain HTTP");
    let body = body.to_string();
    let head = format!(
        "POST /api{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(host).expect("connects");
    connection.write_all((head + &body).as_bytes()).expect("sends");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("answers");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head").1).expect("is JSON")
}

#[test]
fn a_transfer_that_the_operator_approves_is_the_running_borders_and_the_restarted_ones() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let up = Up::start(&data);
    let demo = |data: &Path| -> Value {
        let demo: Value = serde_json::from_slice(&fs::read(data.join("demo.json")).expect("reads")).expect("is JSON");
        demo["regions"]["eu-west"].clone()
    };
    let eu = demo(&data);
    let source = &eu["workspaces"]["acme-eu"]["sources"]["server"]["id"];
    let settings = json!({ "url": "http://127.0.0.1:40012/x", "country": "US" });
    post(&eu, "/destinations", &json!({ "sourceId": source, "metadataId": "webhook", "settings": settings }));
    let wanted = json!({ "to": "US", "basis": "scc", "expires": in_a_month(), "reason": "desk", "fields": { "deny": ["traits"] } });
    let id = post(&eu, "/transfers", &wanted)["data"]["transfer"]["id"].as_str().expect("an id").to_owned();
    let shown = data.display().to_string();
    let operator = |args: &[&str]| {
        let mut all = vec!["operator", "--region", "eu-west", "--data", &shown];
        all.extend(args);
        said(&all)
    };
    let now = || {
        // Not faster than the token may ask.
        std::thread::sleep(Duration::from_millis(100));
        let (code, text, error) = check(&data, &["--json", "--region", "eu-west"]);
        assert_eq!(code, 0, "{error}");
        let checks: Value = serde_json::from_str(&text).expect("is JSON");
        checks["eu-west"]["flows"][0]["before"].clone()
    };
    assert_eq!(now()["code"], "country_refused");
    let (code, text, _) = operator(&["transfers"]);
    assert!(code == 0 && text.contains(&id) && text.contains("requested"), "{text}");
    let (code, text, error) = operator(&["transfer", "approve", &id]);
    assert!(code == 0 && text.contains("granted"), "{text}{error}");
    // The border has it with the next version of the configuration.
    let granted = std::iter::repeat_with(now).take(50).find(|seen| seen["state"] == "goes");
    assert_eq!(granted.expect("it goes")["fields"], "deny traits");
    up.stop();
    let up = Up::start(&data);
    assert_eq!(now()["fields"], "deny traits", "after a restart too");
    let (code, text, _) = operator(&["transfer", "end", &id]);
    assert!(code == 0 && text.contains("ended"), "{text}");
    let ended = std::iter::repeat_with(now).take(50).any(|seen| seen["code"] == "country_refused");
    assert!(ended, "it does not go any more");
    up.stop();
}

#[test]
fn a_wrong_file_is_told_with_place_and_mend_before_any_cell_is_asked() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("topology.yml");
    let shown = file.display().to_string();
    for (text, told) in [
        ("", ":1:1  the file is empty"),
        ("regions: []", ":1:10  "),
        (&BUILT_IN.replacen("allow: [EEA]", "allow: [EAA]", 1), ":21:15  `EAA` is neither a country nor a group"),
        (
            &BUILT_IN.replacen(
                "allow: [EEA]",
                "allow: [EEA]\n      transfers: [{ to: US, basis: dpf, approved_by: d, expires: 2020-01-01 }]",
                1,
            ),
            ":22:66  the transfer expired on 2020-01-01",
        ),
    ] {
        fs::write(&file, text).expect("writes");
        let (code, out, error) = check(&dir.path().join("nowhere"), &["-f", &shown]);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(&format!("topology.yml{told}")) && error.contains("mend: "), "{told} in {error}");
    }
    fs::write(&file, b"regions: \xff").expect("writes");
    for (args, code, told) in [
        (vec!["-f", shown.as_str()], 2, "not UTF-8"),
        (vec!["-f", "/no/such/file.yml"], 2, "/no/such/file.yml"),
        (vec!["--country", "US"], 2, "--destination"),
        (vec!["--destination", "d", "--enable", "--disable"], 2, "cannot be used with"),
        (vec![], 3, "operator.json"),
    ] {
        let (found, out, error) = check(&dir.path().join("nowhere"), &args);
        assert_eq!((found, out.as_str()), (code, ""), "{args:?}: {error}");
        assert!(error.contains(told), "{told} in {error}");
    }
}

#[test]
fn a_check_says_how_much_would_newly_go_where_and_ends_with_1_when_anything_would() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let up = Up::start(&data);
    let demo: Value = serde_json::from_slice(&fs::read(data.join("demo.json")).expect("reads")).expect("is JSON");
    let eu = &demo["regions"]["eu-west"];
    let workspace = dir.path().join("workspace.yml");
    let hook = "workspace: { region: eu-west }\nsources:\n  server:\n    type: server\n    destinations:\n      Hook:\n        \
                type: webhook\n        settings: { url: \"http://127.0.0.1:40011/x?token=t0k\", country: US }\n";
    fs::write(&workspace, hook).expect("writes");
    let shown = data.display().to_string();
    let file = workspace.display().to_string();
    let (code, text, error) = said(&["apply", "-f", &file, "--yes", "--region", "eu-west", "--data", &shown]);
    assert_eq!(code, 0, "{text}{error}");
    let events = dir.path().join("events.ndjson");
    let line = |n: u32, user: &str| {
        format!("{{\"type\":\"track\",\"event\":\"E\",\"messageId\":\"m{n}\",\"userId\":\"{user}\"}}\n")
    };
    fs::write(&events, [line(1, "ann"), line(2, "ann"), line(3, "ben")].concat()).expect("writes");
    let key = eu["workspaces"]["acme-eu"]["sources"]["server"]["writeKey"].as_str().expect("a key");
    let dublin = eu["ingest"]["dublin"].as_str().expect("an address");
    let sent = said(&["send", "--to", dublin, "--key", key, &events.display().to_string()]);
    assert_eq!(sent.0, 0, "{}", sent.2);

    let topology = dir.path().join("topology.yml");
    let file = topology.display().to_string();
    fs::write(&topology, BUILT_IN).expect("writes");
    let (code, text, error) = check(&data, &["-f", &file]);
    assert_eq!((code, error.as_str()), (0, ""), "{text}");
    assert!(
        text.contains("us-west: events from ") && text.contains("eu-west: events from "),
        "each cell its own: {text}"
    );
    assert!(text.contains("as before: 1 destination") && !text.contains("LETS MORE OUT"), "{text}");

    let transfer = "allow: [EEA]\n      transfers: [{ to: US, basis: scc, approved_by: d, expires: 2098-01-01, fields: { hash: [userId] } }]";
    fs::write(&topology, BUILT_IN.replacen("allow: [EEA]", transfer, 1)).expect("writes");
    let (code, text, _) = check(&data, &["-f", &file]);
    assert_eq!(code, 1, "{text}");
    for part in [
        "  begins: 3 events of 2 people, acme-eu/server → Hook (",
        "    before  127.0.0.1 country_refused\n",
        "    after   127.0.0.1 in US, transfer to US for any vendor (scc, until 2098-01-01; hash userId)\n",
        "LETS MORE OUT",
        "lets nothing more out",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("t0k") && !text.contains("ann"), "{text}");
    let (code, text, _) = check(&data, &["-f", &file, "--json", "--region", "eu-west"]);
    let checks: Value = serde_json::from_str(&text).expect("is JSON");
    let check_of = &checks["eu-west"];
    assert_eq!(
        (code, &check_of["letsMoreOut"], check_of["flows"].as_array().map(Vec::len)),
        (1, &Value::Bool(true), Some(1))
    );
    assert!(checks.get("us-west").is_none());
    let id = check_of["flows"][0]["destinationId"].as_str().expect("an id").to_owned();

    for (args, expected, told) in [
        (&["--country", "IE"][..], 1, "begins: 3 events of 2 people"),
        (&["--country", "BR"], 0, "as before: 1 destination"),
        (&["--disable"], 0, "as before: 1 destination"),
        (&["--country", "ie"], 2, "settings.country is no country"),
    ] {
        let mut args = args.to_vec();
        args.extend(["--destination", &id]);
        let (code, text, error) = check(&data, &args);
        assert_eq!(code, expected, "{args:?} {text}{error}");
        assert!(text.contains(told) || error.contains(told), "{told} in {text}{error}");
    }
    let (code, _, error) = check(&data, &["--destination", "nobody"]);
    assert!(code == 2 && error.contains("no cell has a destination `nobody`"), "{error}");
    let only = BUILT_IN.find("  us-west:").zip(BUILT_IN.find("  eu-west:")).expect("both");
    fs::write(&topology, [&BUILT_IN[..only.0], &BUILT_IN[only.1..]].concat()).expect("writes");
    let (code, _, error) = check(&data, &["-f", &file]);
    assert!(code == 2 && error.contains("topology.yml: has no region `us-west`"), "{error}");
    assert_eq!(check(&data, &["-f", &file, "--region", "eu-west"]).0, 0);
    up.stop();
}
