//! Hostile requests to the API, each written out: a clear refusal in the API's shape, and nothing half done.

mod bodies;
mod races;

use super::api::Api;
use crate::tally::Tally;
use crate::up::{Demo, Home};
use serde_json::{Value, json};
use std::path::Path;

const REGION: &str = "eu-west";
const ELSEWHERE: &str = "us-west";

/// A workspace, and one source of it that everybody picks on.
struct Target {
    api: Api,
    source: String,
    key: String,
}

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "hostile", &[], |tally, home| {
        let up = home.start_ready()?;
        let demo = home.demo()?;
        let mut target = Target::fresh(&demo)?;
        bodies::check(tally, &mut target)?;
        tokens(tally, &demo, &mut target)?;
        races::check(tally, &mut target)?;
        tally.check("a token that asks too often is told how long to wait, and another is not", limited(&mut target));
        let log = up.said();
        let leaks = [target.api.token(), target.key.as_str(), bodies::SECRET]
            .into_iter()
            .filter(|text| log.contains(text))
            .count();
        let outcome = if leaks == 0 {
            Ok(())
        } else {
            Err(format!("{leaks} of a token, a write key and a secret are in the log"))
        };
        tally.check("no token, write key or secret is in the log", outcome);
        Ok(())
    });
}

impl Target {
    fn fresh(demo: &Demo) -> Result<Self, String> {
        let mut api = Api::of(demo, REGION)?;
        let asked = json!({ "slug": "target", "enabled": true, "metadataId": "http-api" });
        let source = api.post("/sources", asked)?.data(201)?;
        let text = |at: &str| source.pointer(at).and_then(Value::as_str).map(str::to_owned).ok_or(format!("no {at}"));
        let (source, key) = (text("/source/id")?, text("/source/writeKeys/0")?);
        Ok(Self { api, source, key })
    }

    /// All that a refused request must leave as it was.
    fn state(&mut self) -> Result<Value, String> {
        let source = self.api.get(&format!("/sources/{}", self.source))?.data(200)?;
        let lists = [("/sources", "sources"), ("/destinations", "destinations"), ("/warehouses", "warehouses")];
        let ids = lists.map(|(path, name)| self.api.ids(path, name));
        let [sources, destinations, warehouses] = ids;
        let labels = self.api.get("/labels")?.data(200)?;
        Ok(json!([source, sources?, destinations?, warehouses?, labels]))
    }
}

/// Asks for what Segment allows 60 times a minute, once more than that.
fn limited(target: &mut Target) -> Result<(), String> {
    let made = target.api.post("/tokens", json!({ "name": "In a hurry" }))?.data(201)?;
    let token = made.pointer("/token/token").and_then(Value::as_str).ok_or("no token")?;
    let mut hurried = Api::with_token(target.api.url(), token)?;
    for _ in 0..60 {
        hurried.ask("DELETE", "/labels/no/such", None, &[])?.refuses(&[404])?;
    }
    let told = hurried.ask("DELETE", "/labels/no/such", None, &[])?;
    told.refuses(&[429])?;
    let (wait, data) = (told.retry_after.and_then(|wait| wait.parse::<u32>().ok()), &told.body["errors"][0]["data"]);
    if !wait.is_some_and(|wait| (1..=60).contains(&wait)) || !data["msBeforeNext"].is_u64() {
        return Err(format!("Retry-After is {wait:?}, data {data}"));
    }
    hurried.get("/labels")?.data(200)?;
    target.api.ask("DELETE", "/labels/no/such", None, &[])?.refuses(&[404])
}

/// Whose tokens reach what: nothing of another workspace, nothing of another cell, nothing by another way than the header.
fn tokens(tally: &mut Tally, demo: &Demo, target: &mut Target) -> Result<(), String> {
    let path = format!("/sources/{}", target.source);
    let (home, bearer) = (target.api.url().to_owned(), format!("Bearer {}", target.api.token()));
    let ask = |url: &str, path: &str, headers: &[(&str, &str)]| {
        Api::with_token(url, "").and_then(|mut api| api.raw("GET", path, headers, b""))
    };
    let token = target.api.token().to_owned();
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{token}:").as_bytes()));
    let (cut, longer) = (format!("Bearer {}", &token[..token.len() - 1]), format!("{bearer}a"));
    let long = format!("Bearer {}", "x".repeat(8_000));
    for (promise, headers) in [
        ("no token", &[][..]),
        ("a token that was never given", &[("Authorization", "Bearer no-such-token")]),
        ("a token without its last character", &[("Authorization", &*cut)]),
        ("a token with one character more", &[("Authorization", &*longer)]),
        ("an empty token", &[("Authorization", "Bearer ")]),
        ("a token as a password", &[("Authorization", &*basic)]),
        ("a token of 8,000 characters", &[("Authorization", &*long)]),
        ("two tokens", &[("Authorization", "Bearer no-such-token"), ("Authorization", &*bearer)]),
        ("a token in a cookie", &[("Cookie", &*bearer)]),
    ] {
        let outcome = ask(&home, &path, headers).and_then(|told| told.refuses(&[401]));
        tally.check(format!("{promise} opens nothing"), outcome);
    }
    for name in ["token", "access_token", "authorization"] {
        let outcome = ask(&home, &format!("{path}?{name}={token}"), &[]).and_then(|told| told.refuses(&[401]));
        tally.check(format!("a token in the address as `{name}` opens nothing"), outcome);
    }
    let outcome = ask(demo.cell(ELSEWHERE)?, "/", &[("Authorization", &bearer)]).and_then(|told| told.refuses(&[401]));
    tally.check("a token of one cell opens nothing in another", outcome);

    let mut other = Api::of(demo, ELSEWHERE)?;
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("PATCH", path.clone(), Some(json!({ "name": "mine now" }))),
        ("DELETE", path.clone(), None),
        ("POST", format!("{path}/writekey"), None),
    ] {
        let outcome = other.ask(method, &path, body, &[]).and_then(|told| told.refuses(&[404]));
        tally.check(format!("{method} of a source of another cell finds nothing"), outcome);
    }
    Ok(())
}
