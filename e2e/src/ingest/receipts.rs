//! Receipts, as whoever sent a request gets them: asked for by a header, fetched with the write key, checked offline.

use crate::control::eventually;
use crate::http::{Answer, Connection};
use crate::tally::Tally;
use crate::up::{Demo, Home};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// The region, an ingest point and a source. Singapore is remote: its spool promises, the region's ledger tells.
const CASES: [(&str, &str, &str); 3] =
    [("eu-west", "dublin", "server"), ("us-west", "oregon", "server"), ("us-west", "singapore", "web")];

pub fn hold_offline(tally: &mut Tally, home: &Home) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    for (region, point, source) in CASES {
        let held = receipt(home, &demo, region, point, source);
        tally.check(format!("{region} {point}: a receipt that holds, and none that was changed"), held);
    }
    tally.check("nobody is given one who did not ask, or who sent nothing", unasked(&demo));
    let taken = CASES.iter().map(|(region, point, _)| (*region, *point)).collect::<Vec<_>>();
    tally.check("a key of another source or region gets none", of_others(&demo, &taken));
    tally.check("a stop in good order", up.stop());
    tally.check("the ledgers hold with their archives", home.verified().map(drop));
    Ok(())
}

fn post(demo: &Demo, region: &str, point: &str, source: &str, want: &str, body: &str) -> Result<Answer, String> {
    let key = basic(demo.source(region, source)?.key);
    let headers = [("Authorization", key.as_str()), ("X-Domicile-Receipt", want), ("Content-Type", "application/json")];
    let mut connection = Connection::to(demo.ingest(region, point)?).map_err(|error| error.to_string())?;
    connection.request("POST", "/v1/batch", &headers, body.as_bytes()).map_err(|error| error.to_string())
}

fn basic(key: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()))
}

fn batch(id: &str) -> String {
    format!(r#"{{"batch":[{{"type":"track","event":"Order Completed","userId":"ada","messageId":"{id}"}}]}}"#)
}

fn fetch(demo: &Demo, address: &str, region: &str, source: &str) -> Result<Answer, String> {
    let (base, path) = address.split_at(address[8..].find('/').map_or(address.len(), |at| at + 8));
    let key = basic(demo.source(region, source)?.key);
    let mut connection = Connection::to(base).map_err(|error| error.to_string())?;
    connection.request("GET", path, &[("Authorization", &key)], b"").map_err(|error| error.to_string())
}

fn receipt(home: &Home, demo: &Demo, region: &str, point: &str, source: &str) -> Result<(), String> {
    let answer = post(demo, region, point, source, "want", &batch(&format!("receipt-{region}-{point}")))?;
    let address = answer.header("x-domicile-receipt").ok_or("the answer has no address of a receipt")?.to_owned();
    let mut receipt = Vec::new();
    eventually(Duration::from_secs(60), || {
        let answer = fetch(demo, &address, region, source)?;
        match (answer.status, answer.header("retry-after")) {
            (200, _) => receipt = answer.body,
            (status, again) => return Err(format!("{address}: {status}, Retry-After: {again:?}")),
        }
        Ok(())
    })?;
    let file = home.folder.join(format!("{region}-{point}.json"));
    let check = |bytes: &[u8]| -> Result<bool, String> {
        fs::write(&file, bytes).map_err(|error| error.to_string())?;
        let key = home.data.join(format!("cells/{region}/ledger/vkey"));
        let (file, key) = (file.display().to_string(), key.display().to_string());
        let (code, said, _) = home.run("verify", &["--receipt", &file, "--key", &key, "--json"])?;
        let said: Value = serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
        match (code, said["holds"].as_bool()) {
            (Some(0), Some(true)) => Ok(true),
            (Some(1), Some(false)) => Ok(false),
            other => Err(format!("{other:?}: {said}")),
        }
    };
    if !check(&receipt)? {
        return Err("it does not hold".to_owned());
    }
    // One digit of each number and hash, spread over the file.
    for at in (0..receipt.len()).filter(|at| receipt[*at].is_ascii_digit()).step_by(97) {
        let mut changed = receipt.clone();
        changed[at] = if changed[at] == b'9' { b'8' } else { changed[at] + 1 };
        if check(&changed)? {
            return Err(format!("it holds with another digit at byte {at}"));
        }
    }
    Ok(())
}

fn unasked(demo: &Demo) -> Result<(), String> {
    for (want, body) in [("", batch("unasked-1")), ("no", batch("unasked-2")), ("want", r#"{"batch":[]}"#.to_owned())] {
        let answer = post(demo, "eu-west", "dublin", "server", want, &body)?;
        if answer.status != 200 || answer.header("x-domicile-receipt").is_some() {
            return Err(format!("{want:?} {body}: {}, {:?}", answer.status, answer.header("x-domicile-receipt")));
        }
    }
    Ok(())
}

fn of_others(demo: &Demo, taken: &[(&str, &str)]) -> Result<(), String> {
    for (region, point) in taken {
        let cell = demo.cell(region)?;
        let (other_source, elsewhere) = match *region {
            "eu-west" => ("web", ("us-west", "server")),
            // What was sent to Singapore is of `web`.
            _ if *point == "singapore" => ("server", ("eu-west", "web")),
            _ => ("web", ("eu-west", "server")),
        };
        let address = format!("{cell}/v1/receipts/{point}/0");
        let other = fetch(demo, &address, region, other_source)?.status;
        let foreign = fetch(demo, &address, elsewhere.0, elsewhere.1)?.status;
        let nobody = fetch(demo, &format!("{cell}/v1/receipts/nowhere/0"), region, "server")?.status;
        if (other, foreign, nobody) != (404, 400, 404) {
            return Err(format!("{region} {point}: {other}, {foreign}, {nobody}"));
        }
    }
    Ok(())
}
