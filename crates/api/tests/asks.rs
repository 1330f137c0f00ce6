//! More ways to ask, for tests of things that are changed by several and acted upon by destinations.

use crate::bed::{Answer, Bed, position};
use axum::body::Body;
use domicile_workspace::DestinationId;
use http::header;
use serde_json::Value;

impl Bed {
    /// One request of another token.
    pub async fn ask_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(headers) = request.headers_mut() {
            headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a value"));
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    /// The version of what lies at a path.
    pub async fn tag(&self, path: &str) -> String {
        let request = self.request("GET", path).body(Body::empty()).expect("a request");
        let tag = self.raw(request).await.headers().get(header::ETAG).cloned().expect("an ETag");
        tag.to_str().expect("text").to_owned()
    }

    /// One request that is meant for a version.
    pub async fn ask_if(&self, tag: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = self.request(method, path).header(header::IF_MATCH, tag);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    /// Makes something that has to be made; gives it, and where it is.
    pub async fn make(&self, path: &str, name: &str, body: Value) -> (Value, String) {
        let answer = self.ask("POST", path, Some(body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
        let made = answer.body["data"][name].clone();
        let at = format!("{path}/{}", made["id"].as_str().expect("an id"));
        (made, at)
    }

    /// Returns when a destination has begun, and everything before position `n` is settled there.
    pub async fn settled(&self, destination: &str, n: u64) {
        let id = DestinationId::new(destination);
        while self.cell.figures.of(&id).is_none_or(|figures| figures.position < position(n)) {
            tokio::task::yield_now().await;
        }
    }
}

/// The fields of a refused input, in the order in which they are told.
pub fn fields(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.body);
    answer.body["errors"].as_array().into_iter().flatten().filter_map(|error| error["field"].as_str()).collect()
}
