//! `domicile drill` on two regions that work: nothing crosses, nothing is left out that it can try, and nothing of it stays but
//! its marked events.

use crate::http::Connection;
use crate::tally::Tally;
use crate::up::{Demo, Home};
use serde_json::Value;
use std::path::Path;

const REGIONS: [(&str, &str); 2] = [("us-west", "oregon"), ("eu-west", "dublin")];
const EVENTS: usize = 100;

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "drill", &[], |tally, home| {
        let _up = home.start_ready()?;
        let demo = home.demo()?;
        for (region, point) in REGIONS {
            send(&demo, region, point)?;
        }
        let report = home.folder.join("drill.md");
        let said = home.command("drill", &["--partners", "--json", "--report", &report.display().to_string()]);
        let drills: Value = said.and_then(|said| serde_json::from_str(&said).map_err(|error| error.to_string()))?;
        for ((region, _), drill) in REGIONS.iter().zip(drills.as_array().into_iter().flatten()) {
            tally.check(format!("{region}: all that a drill can try is tried, and holds"), all_held(region, drill));
        }
        let filed = std::fs::read_to_string(&report).map_err(|error| error.to_string())?;
        let titles = filed.matches(": nothing crossed\n").count();
        tally.check("the report names both regions", if titles == 2 { Ok(()) } else { Err(filed) });
        for (region, _) in REGIONS {
            for things in ["sources", "destinations"] {
                tally
                    .check(format!("{region}: none of the drill's {things} is left"), none_left(&demo, region, things));
            }
        }
        Ok(())
    });
}

fn all_held(region: &str, drill: &Value) -> Result<(), String> {
    let verdicts: Vec<_> = drill["exercises"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|exercise| exercise["verdict"].as_str())
        .collect();
    match drill["region"] == region && verdicts == ["held"; 6] {
        true => Ok(()),
        false => Err(format!("{drill:#}")),
    }
}

fn send(demo: &Demo, region: &str, point: &str) -> Result<(), String> {
    let key = demo.source(region, "server")?.key;
    let event = |n: usize| format!(r#"{{"type":"track","event":"E","messageId":"{region}-{n}","userId":"u{n}"}}"#);
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    let body = format!(r#"{{"writeKey":"{key}","batch":[{}]}}"#, events.join(","));
    let headers = [("Content-Type", "application/json")];
    let answer = Connection::to(demo.ingest(region, point)?)
        .and_then(|mut point| point.request("POST", "/v1/batch", &headers, body.as_bytes()))
        .map_err(|error| format!("{region}: {error}"))?;
    if answer.status == 200 { Ok(()) } else { Err(format!("{region}: {answer:?}")) }
}

fn none_left(demo: &Demo, region: &str, things: &str) -> Result<(), String> {
    let bearer = format!("Bearer {}", demo.token(region)?);
    let answer = Connection::to(demo.cell(region)?)
        .and_then(|mut cell| cell.request("GET", &format!("/api/{things}"), &[("Authorization", &bearer)], b""))
        .map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status == 200 && !body.contains("drill-") { Ok(()) } else { Err(body) }
}
