//! Events under keys of other regions, and whether anything of them is found again.

use super::report::Exercise;
use super::{Stage, drilled};
use crate::client::{Client, encode};
use crate::exit::Failure;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// An answer and where it was given, to look into for what it must not hold.
pub type Answered = (String, Vec<u8>);

pub struct Misrouted {
    pub exercise: Exercise,
    pub answers: Vec<Answered>,
}

/// A region, as far as its keys and points go.
struct Other {
    id: String,
    key_prefix: String,
    /// Point and address.
    points: Vec<(String, String)>,
}

/// Sends marked events to points of one region under made-up keys of another.
pub fn misrouted(stage: &mut Stage<'_>) -> Result<Misrouted, Failure> {
    let (own, others) = regions(&stage.drill);
    let what = "events under made-up keys of another region, by header and by body, to each ingest point";
    let mut misrouted = Misrouted { exercise: Exercise::new("Misrouted keys", what), answers: Vec::new() };
    let Some(own) = own.filter(|_| !others.is_empty()) else {
        misrouted.exercise.not_tried = Some("the topology has no other region whose key could come here".to_owned());
        return Ok(misrouted);
    };
    let mut reached = 0;
    for other in &others {
        reached += misrouted.send(stage, &own, other)?;
    }
    if reached == 0 {
        let mend = "let this command reach the addresses that `ingest` in the topology says, or run it where they are";
        return Err(Failure::unreached(format!("no ingest point of {} was reached\n  mend: {mend}", own.id)));
    }
    if stage.args.cell.is_local() {
        for other in &others {
            misrouted.send(stage, other, &own)?;
        }
    }
    Ok(misrouted)
}

/// This cell's region, and the others of its topology.
fn regions(drill: &Value) -> (Option<Other>, Vec<Other>) {
    let (mut own, mut others) = (None, Vec::new());
    for region in drill["regions"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let points = region["ingestPoints"].as_array().into_iter().flatten();
        let points = points.filter_map(|point| Some((text(&point["name"])?, text(&point["url"])?))).collect();
        let (Some(id), Some(key_prefix)) = (text(&region["id"]), text(&region["keyPrefix"])) else { continue };
        let found = Other { id, key_prefix, points };
        if region["isThisCell"] == true { own = Some(found) } else { others.push(found) }
    }
    (own, others)
}

impl Misrouted {
    /// How many points of `to` were reached with a key of `of`.
    fn send(&mut self, stage: &Stage<'_>, to: &Other, of: &Other) -> Result<usize, Failure> {
        let key = format!("{}_{}", of.key_prefix, stage.marker);
        let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()));
        let (mut refused, mut reached) = (0, 0);
        for (point, url) in &to.points {
            let place = format!("{point} of {}", to.id);
            for in_header in [true, false] {
                let mut client = stage.args.cell.anonymous(url)?;
                let mut event = json!({
                    "type": "track", "event": "Drill", "messageId": stage.marker, "userId": stage.marker,
                    "properties": { "marker": stage.marker },
                });
                match in_header {
                    true => client = client.with_authorization(basic.clone()),
                    false => event["writeKey"] = json!(key),
                }
                let Ok(answer) = stage.runtime.block_on(post(&mut client, &event)) else {
                    self.exercise.happened.push(format!("{place} was not reached at {url}"));
                    break;
                };
                reached += usize::from(in_header);
                match wrong(answer.0, &answer.1, of) {
                    None => refused += 1,
                    Some(what) => self.exercise.findings.push(format!("{place} took a key of {}: {what}", of.id)),
                }
                self.answers.push((place.clone(), answer.1));
            }
        }
        if refused > 0 {
            let told = format!(
                "{refused} sent to {} under keys of {}: refused as wrong_region, with a host of {}",
                to.id, of.id, of.id
            );
            self.exercise.happened.push(told);
        }
        Ok(reached)
    }
}

async fn post(client: &mut Client, event: &Value) -> Result<(StatusCode, Vec<u8>), Failure> {
    let answer = client.send(Method::POST, "/v1/track", Bytes::from(event.to_string())).await?;
    Ok((answer.status, answer.body.to_vec()))
}

/// What is wrong with an answer to a key of another region.
fn wrong(status: StatusCode, body: &[u8], of: &Other) -> Option<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body["code"].as_str().unwrap_or("no code");
    if status != StatusCode::BAD_REQUEST || code != "wrong_region" {
        return Some(format!("answered {} with {code}, and not 400 with wrong_region", status.as_u16()));
    }
    let host_of = |url: &str| url.split_once("://").map_or(url, |(_, host)| host).trim_end_matches('/').to_owned();
    let hosts: Vec<String> = of.points.iter().map(|(_, url)| host_of(url)).collect();
    let named = body["host"].as_str();
    if body["region"] != of.id.as_str()
        || named.map_or(!hosts.is_empty(), |named| !hosts.iter().any(|host| host == named))
    {
        return Some("it was refused, and told a wrong region or host".to_owned());
    }
    None
}

/// Looks for the marker where nothing of an event may be, and where a stored one would be.
pub fn hygiene(stage: &mut Stage<'_>, answers: &[Answered]) -> Result<Exercise, Failure> {
    let mut exercise =
        Exercise::new("Side doors", "the marker of the refused events, looked for where no payload may be");
    let mut looked: Vec<Answered> = answers.to_vec();
    for path in ["/metrics", "/healthz", "/readyz", "/api/nothing"] {
        let answer = stage.runtime.block_on(stage.cell.client.send(Method::GET, path, Bytes::new()))?;
        looked.push((path.to_owned(), answer.body.to_vec()));
    }
    for (place, body) in &looked {
        if body.windows(stage.marker.len()).any(|window| window == stage.marker.as_bytes()) {
            exercise.findings.push(format!("the marker stands in what {place} answers"));
        }
    }
    exercise
        .happened
        .push(format!("{} answers: metrics, health, errors of the API and of each refused event", looked.len()));
    kept(stage, &mut exercise)?;
    Ok(exercise)
}

/// Whether an event that was refused is found, or counted.
fn kept(stage: &mut Stage<'_>, exercise: &mut Exercise) -> Result<(), Failure> {
    let region = stage.region().to_owned();
    match workspaces(stage, &region) {
        None => exercise
            .happened
            .push("not looked for in the logs: that takes a token of a workspace, and no drill has one".to_owned()),
        Some(mut client) => {
            let path = format!("/api/events/{}", encode(&stage.marker));
            match stage.runtime.block_on(client.find_json(&path))? {
                None => exercise.happened.push("the logs have no event with the marker".to_owned()),
                Some(_) => exercise.findings.push("an event that was refused is in the logs".to_owned()),
            }
        }
    }
    let after = stage.runtime.block_on(drilled(&mut stage.cell))?;
    let accepted = |drill: &Value| drill["balance"]["accepted"].as_u64().unwrap_or(0);
    let (before, own, after) = (accepted(&stage.drill), stage.own_events, accepted(&after));
    let told = if own > 0 { format!(" and {own} of the drill's own") } else { String::new() };
    exercise.happened.push(match before + own == after {
        true => format!("the balance counts {after} accepted events: {before} before the drill{told}, and none that was refused"),
        false => format!("the balance counts {after} accepted events, {before} before the drill{told}: others sent meanwhile, so it shows nothing here"),
    });
    Ok(())
}

/// A client of the demo's workspace of a local `up`, where there is one.
fn workspaces(stage: &Stage<'_>, region: &str) -> Option<Client> {
    let cells = stage.args.cell.is_local().then(|| stage.args.cell.cells())?.ok()?;
    cells.into_iter().find(|cell| cell.name == region).map(|cell| cell.client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_region_with_the_right_host_is_a_refusal() {
        let point = |url: &str| ("dublin".to_owned(), url.to_owned());
        let of = Other {
            id: "eu-west".to_owned(),
            key_prefix: "euw".to_owned(),
            points: vec![point("https://events.eu1.example.com"), point("http://127.0.0.1:7201")],
        };
        let body = |code: &str, region: &str, host: &str| json!({ "code": code, "region": region, "host": host });
        for (status, body, held) in [
            (400, body("wrong_region", "eu-west", "events.eu1.example.com"), true),
            (400, body("wrong_region", "eu-west", "127.0.0.1:7201"), true),
            (400, body("wrong_region", "eu-west", "events.us1.example.com"), false),
            (400, body("wrong_region", "us-west", "127.0.0.1:7201"), false),
            (400, json!({ "code": "wrong_region", "region": "eu-west" }), false),
            (400, json!({ "code": "unknown_write_key" }), false),
            (200, json!({ "success": true }), false),
            (503, json!({ "code": "cannot_store" }), false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let found = wrong(status, body.to_string().as_bytes(), &of);
            assert_eq!(found.is_none(), held, "{status} {body}: {found:?}");
        }
    }
}
