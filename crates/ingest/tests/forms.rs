//! Paths, methods, and the requests as SDKs make them.

use crate::cell::*;
use domicile_testkit::{SampleEvents, Sdk};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;

#[tokio::test]
async fn every_path_takes_events() {
    let cell = Cell::start().await;
    let batches = [
        "/v1/batch",
        "/v1/import",
        "/v1/import/",
        "/v1/b",
        "//v1/batch",
        "/batch",
        "/b",
        "/x/y/v1/batch?z=1",
        "/v1/batch/",
    ];
    for path in batches {
        let got = cell.post(path, &[("Authorization", &basic(WEB))], &batch_of(2)).await;
        assert_eq!(got.outcome(), "200", "{path}");
        assert_eq!(cell.kept().pop().unwrap(), format!("1 oregon batch {TRACK} {TRACK}"), "{path}");
    }
    let singles = [
        ("track", "t", r#"{"event":"E","userId":"u"}"#),
        ("identify", "i", r#"{"userId":"u","traits":{}}"#),
        ("page", "p", r#"{"anonymousId":"a","name":null}"#),
        ("screen", "s", r#"{"anonymousId":"a"}"#),
        ("group", "g", r#"{"userId":"u","groupId":"g"}"#),
        ("alias", "a", r#"{"userId":"u","previousId":"p"}"#),
    ];
    for (call, letter, body) in singles {
        for path in [format!("/v1/{call}"), format!("/v1/{letter}"), format!("/{letter}"), format!("/p//v1/{call}/?q")]
        {
            let got = cell.post(&path, &[("Authorization", &basic(WEB))], body).await;
            assert_eq!(got.outcome(), "200", "{path}");
            assert_eq!(cell.kept().pop().unwrap(), format!("1 oregon {call} {body}"), "{path}");
        }
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_404_and_405_in_json_and_never_redirects() {
    let cell = Cell::start().await;
    let table = [
        ("GET /v1/batch", "405 method_not_allowed", "POST, OPTIONS"),
        ("PUT /v1/t", "405 method_not_allowed", "POST, OPTIONS"),
        ("DELETE /v1/import/", "405 method_not_allowed", "POST, OPTIONS"),
        ("GET /v1/m", "405 method_not_allowed", "POST, OPTIONS"),
        ("POST /v1/pixel/track", "405 method_not_allowed", "GET, HEAD, OPTIONS"),
        ("POST /v1/projects/k/settings", "405 method_not_allowed", "GET, HEAD, OPTIONS"),
        ("POST /healthz", "405 method_not_allowed", "GET, HEAD, OPTIONS"),
        ("GET /", "404 not_found", ""),
        ("POST /", "404 not_found", ""),
        ("POST /v1", "404 not_found", ""),
        ("POST /v1/batched", "404 not_found", ""),
    ];
    for (line, outcome, allow) in table {
        let got = cell.send(line, &[], b"").await;
        assert_eq!((got.outcome().as_str(), got.header("allow")), (outcome, allow), "{line}");
    }
}

#[tokio::test]
async fn health_and_readiness() {
    let cell = Cell::start().await;
    assert_eq!(cell.get("/healthz").await.status, 200);
    assert_eq!(cell.get("/readyz").await.status, 200);
    cell.log.close();
    let got = cell.post("/v1/batch", &[("Authorization", &basic(WEB))], &batch_of(1)).await;
    assert_eq!(got.outcome(), "503 cannot_store");
    assert_eq!(cell.get("/readyz").await.status, 503, "a closed log takes nothing");
    assert_eq!(cell.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_content_type_is_never_looked_at() {
    let cell = Cell::start().await;
    for kind in ["text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "nonsense", ""] {
        let headers = [("Authorization", basic(WEB)), ("Content-Type", kind.to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(cell.post("/v1/batch", &headers, &batch_of(1)).await.outcome(), "200", "{kind}");
    }
}

#[tokio::test]
async fn every_sdks_requests_are_kept_byte_for_byte() {
    let cell = Cell::start().await;
    for (n, sdk) in Sdk::ALL.into_iter().enumerate() {
        let events = SampleEvents::new(&format!("sdk{n}"), n as u64).batch(20);
        let before = cell.log.end();
        for request in sdk.requests(WEB, &events, "2027-01-15T08:00:00.000Z") {
            let (head, body) = request.into_parts();
            let line = format!("{} {}", head.method, head.uri);
            let headers: Vec<_> = head.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
            assert_eq!(cell.send(&line, &headers, &body).await.outcome(), "200", "{sdk:?}");
        }
        assert_eq!(cell.log.end().0 - before.0, 20, "{sdk:?}");
        let mut reader = cell.log.reader(before).unwrap();
        let mut items = Vec::new();
        while let Some(accepted) = reader.next().unwrap() {
            let item = |range: &std::ops::Range<u32>| {
                String::from_utf8(accepted.body()[range.start as usize..range.end as usize].to_vec()).unwrap()
            };
            items.extend(accepted.envelope.items.iter().map(item));
        }
        for (item, event) in items.iter().zip(&events) {
            // SDKs add fields around; what the customer wrote stays as it was written.
            let id = |json: &str| serde_json::from_str::<Value>(json).ok().map(|v| v["messageId"].clone());
            let fields = event.json.trim_start_matches('{').trim_end_matches('}');
            assert!(item.contains(fields) || id(item).is_none() || id(item) == id(&event.json), "{sdk:?}");
            assert!(item.contains(&event.message_id), "{sdk:?}: {item}");
        }
    }
}

#[tokio::test]
async fn http2_by_prior_knowledge_is_taken() {
    let cell = Cell::start().await;
    let tcp = tokio::net::TcpStream::connect(cell.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let mut post = async |key: &str, body: String| {
        let request = http::Request::post(format!("http://{}/v1/batch", cell.address))
            .header("authorization", basic(key))
            .body(Full::<Bytes>::from(body))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    };
    assert_eq!(post(WEB, batch_of(2_000)).await, (200, Bytes::from_static(br#"{"success":true}"#)));
    assert_eq!(post(ELSEWHERE, batch_of(1)).await.0, 400);
    assert_eq!(post(WEB, batch_of(9_000)).await.0, 400, "too large");
    assert_eq!(post(WEB, batch_of(1)).await.0, 200);
}

#[tokio::test]
async fn telemetry_is_taken_and_nothing_of_it_kept() {
    let cell = Cell::start().await;
    for path in ["/v1/m", "/m"] {
        let got = cell.post(path, &[("Content-Type", "text/plain")], r#"{"series":[{"type":"Counter"}]}"#).await;
        assert_eq!(got.outcome(), "200");
    }
    assert!(cell.kept().is_empty());
}
