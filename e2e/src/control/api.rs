//! A cell's Public API as plain HTTP: what is asked is written out, and what comes back is looked at as it is.

use crate::http::{Answer, Connection};
use crate::up::Demo;
use serde_json::Value;
use std::time::{Duration, Instant};

pub struct Api {
    url: String,
    token: String,
    connection: Connection,
}

/// A status and a body that is JSON.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub body: Value,
    pub etag: Option<String>,
    pub retry_after: Option<String>,
}

impl Told {
    /// `data` of an answer with this status.
    pub fn data(self, status: u16) -> Result<Value, String> {
        match self.body.get("data") {
            Some(data) if self.status == status => Ok(data.clone()),
            _ => Err(format!("was answered {} {}", self.status, shortened(&self.body.to_string()))),
        }
    }

    /// Whether it refuses, in the shape of every refusal, with one of these.
    pub fn refuses(&self, statuses: &[u16]) -> Result<(), String> {
        let shown = || format!("was answered {} {}", self.status, shortened(&self.body.to_string()));
        if !statuses.contains(&self.status) {
            return Err(format!("{}, not {statuses:?}", shown()));
        }
        let errors = self.body.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let good = |error: &Value| {
            ["type", "message"].iter().all(|field| error[field].as_str().is_some_and(|text| !text.is_empty()))
        };
        match !errors.is_empty() && errors.iter().all(good) && self.body.get("data").is_none() {
            true => Ok(()),
            false => Err(format!("{}, which is not the shape of a refusal", shown())),
        }
    }
}

impl Api {
    /// The demo workspace of a region, as its owner.
    pub fn of(demo: &Demo, region: &str) -> Result<Self, String> {
        Self::with_token(demo.cell(region)?, demo.token(region)?)
    }

    pub fn with_token(url: &str, token: &str) -> Result<Self, String> {
        let connection = Connection::to(url).map_err(|error| format!("{url}: {error}"))?;
        Ok(Self { url: url.to_owned(), token: token.to_owned(), connection })
    }

    /// Another connection of the same caller.
    pub fn again(&self) -> Result<Self, String> {
        Self::with_token(&self.url, &self.token)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn get(&mut self, path: &str) -> Result<Told, String> {
        self.ask("GET", path, None, &[])
    }

    pub fn post(&mut self, path: &str, body: Value) -> Result<Told, String> {
        self.ask("POST", path, Some(body), &[])
    }

    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<Value>,
        more: &[(&str, &str)],
    ) -> Result<Told, String> {
        let body = body.map(|body| body.to_string());
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("Authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        headers.extend(more);
        self.raw(method, path, &headers, body.unwrap_or_default().as_bytes())
    }

    /// A request whose headers are only these. A connection that the server has closed in between is opened once more.
    pub fn raw(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Told, String> {
        let full = format!("/api{path}");
        let answer = match self.connection.request(method, &full, headers, body) {
            Err(_) => self.connection.request(method, &full, headers, body),
            answer => answer,
        };
        told(answer.map_err(|error| format!("{method} {}: {error}", shortened(&full)))?)
    }

    /// Every id of a list, over all its pages.
    pub fn ids(&mut self, path: &str, name: &str) -> Result<Vec<String>, String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?pagination%5Bcount%5D=1000{cursor}"))?.data(200)?;
            let rows = page[name].as_array().ok_or_else(|| format!("{path} has no {name}"))?;
            ids.extend(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)));
            match page.pointer("/pagination/next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&pagination%5Bcursor%5D={}", encoded(next)),
                None => return Ok(ids),
            }
        }
    }
}

fn told(answer: Answer) -> Result<Told, String> {
    let header = |name| answer.header(name).map(str::to_owned);
    let (etag, retry_after) = (header("etag"), header("retry-after"));
    let text = String::from_utf8_lossy(&answer.body);
    let body = serde_json::from_str(&text)
        .map_err(|_| format!("was answered {} with what is no JSON: {:?}", answer.status, shortened(&text)))?;
    Ok(Told { status: answer.status, body, etag, retry_after })
}

/// Percent-encoded, all of it but letters and digits.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub fn shortened(text: &str) -> String {
    text.chars().take(400).collect()
}

/// Asks again and again until it holds, and for how long at most.
pub fn eventually(max: Duration, mut holds: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match holds() {
            Ok(()) => return Ok(()),
            Err(why) if begun.elapsed() > max => return Err(format!("after {max:?}: {why}")),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_shape_of_every_refusal_is_a_refusal() {
        let told = |status, body| Told { status, body, etag: None, retry_after: None };
        let error = json!({ "type": "conflict", "message": "it is there" });
        assert!(told(409, json!({ "errors": [error] })).refuses(&[404, 409]).is_ok());
        for (status, body) in [
            (200, json!({ "errors": [error] })),
            (409, json!({ "errors": [] })),
            (409, json!({ "errors": [{ "type": "conflict", "message": "" }] })),
            (409, json!({ "error": error })),
            (409, json!({ "errors": [error], "data": {} })),
        ] {
            assert!(told(status, body.clone()).refuses(&[404, 409]).is_err(), "{status} {body}");
        }
    }
}
