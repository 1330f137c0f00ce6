//! Who may ask, and what is refused before anything is done.

use crate::bed::Bed;
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::json;

/// Every route, with the parameters of a thing that exists.
fn routes(bed: &Bed) -> Vec<(&'static str, String)> {
    let web = bed.source_id("web");
    let key = &bed.demo.sources[0].write_key;
    vec![
        ("GET", "/".to_owned()),
        ("GET", "/workspaces".to_owned()),
        ("GET", format!("/workspaces/{}", bed.demo.id)),
        ("PATCH", format!("/workspaces/{}", bed.demo.id)),
        ("GET", "/regions".to_owned()),
        ("GET", "/sources".to_owned()),
        ("POST", "/sources".to_owned()),
        ("GET", format!("/sources/{web}")),
        ("PATCH", format!("/sources/{web}")),
        ("DELETE", format!("/sources/{web}")),
        ("POST", format!("/sources/{web}/writekey")),
        ("PATCH", format!("/sources/{web}/writekey/{key}")),
        ("DELETE", format!("/sources/{web}/writekey/{key}")),
        ("GET", format!("/sources/{web}/connected-destinations")),
        ("GET", "/destinations".to_owned()),
        ("POST", "/destinations".to_owned()),
        ("GET", "/destinations/0123456789abcdef01234567".to_owned()),
        ("PATCH", "/destinations/0123456789abcdef01234567".to_owned()),
        ("DELETE", "/destinations/0123456789abcdef01234567".to_owned()),
        ("GET", "/balance".to_owned()),
        ("GET", "/events/live".to_owned()),
        ("GET", "/events/m1".to_owned()),
    ]
}

#[tokio::test]
async fn a_token_of_nobody_is_401_on_every_route_and_changes_nothing() {
    let bed = Bed::new();
    let version = bed.cell.control.current().load().version;
    let good = &bed.demo.token;
    let authorizations = [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer nobody".to_owned()),
        Some(format!("Bearer {}", &good[..good.len() - 1])),
        Some(format!("Basic {good}")),
        Some(good.clone()),
        Some(format!("Bearer {}", "x".repeat(100_000))),
    ];
    for (method, path) in routes(&bed) {
        for authorization in &authorizations {
            let mut request = Request::builder().method(method).uri(format!("/api{path}"));
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let answer = bed.send(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    let twice = bed.request("GET", "/sources").header(header::AUTHORIZATION, "Bearer x").body(Body::empty());
    assert_eq!(bed.send(twice.expect("a request")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bed.cell.control.current().load().version, version);
}

#[tokio::test]
async fn a_token_of_another_workspace_finds_nothing_of_this_one() {
    let mut bed = Bed::new();
    let (token, _) = bed.stranger();
    let demo = std::mem::replace(&mut bed.demo.token, token);
    for (method, path) in routes(&bed) {
        let own = matches!(
            path.as_str(),
            "/" | "/workspaces" | "/regions" | "/sources" | "/destinations" | "/balance" | "/events/live"
        );
        if own {
            continue;
        }
        let body = (method == "PATCH" && path.contains("writekey")).then(|| json!({ "enabled": false }));
        let answer = bed.ask(method, &path, body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    assert_eq!(bed.get("/sources").await.body["data"]["sources"].as_array().map(Vec::len), Some(1));
    let slug = bed.source_id("web");
    assert_eq!(bed.get(&format!("/balance?source={slug}")).await.status, StatusCode::NOT_FOUND);
    bed.demo.token = demo;
    assert_eq!(bed.get("/sources").await.body["data"]["sources"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_json_too() {
    let bed = Bed::new();
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/sources/a/b/c/d", 404),
        ("GET", "/sources/%ff", 400),
        ("GET", "/events/", 404),
        ("PUT", "/sources", 405),
        ("DELETE", "/workspaces", 405),
        ("DELETE", "/balance", 405),
        ("GET", "/sources/x/writekey", 405),
    ] {
        assert_eq!(bed.ask(method, path, None).await.status.as_u16(), status, "{method} {path}");
    }
    for path in ["/api", "/api/"] {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", bed.demo.token));
        let answer = bed.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.body["data"]["workspace"]["slug"], "acme-ch", "{path}");
    }
    let outside = bed.raw(Request::get("/other").body(Body::empty()).expect("a request")).await;
    assert_eq!(outside.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_is_no_request_is_a_clear_4xx_and_does_nothing() {
    let bed = Bed::new();
    let version = bed.cell.control.current().load().version;
    let deep = format!("{{\"slug\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let many = format!("{{{}}}", (0..50_000).map(|n| format!("\"f{n}\":1")).collect::<Vec<_>>().join(","));
    let large = format!("{{\"slug\":\"{}\"}}", "x".repeat(10 << 20));
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("application/json", b"{".to_vec(), 400),
        ("application/json", b"[]".to_vec(), 400),
        ("application/json", b"null".to_vec(), 400),
        ("application/json", b"{} {}".to_vec(), 400),
        ("application/json", b"\xff\xfe".to_vec(), 400),
        ("application/json", b"{\"slug\":\"\\ud800\"}".to_vec(), 400),
        ("application/json", deep.into_bytes(), 400),
        ("application/json", many.into_bytes(), 422),
        ("application/json", large.into_bytes(), 413),
        ("text/plain", b"{}".to_vec(), 415),
        ("application/x-www-form-urlencoded", b"slug=x".to_vec(), 415),
        ("application/json", b"{}".to_vec(), 422),
        ("application/json", b"".to_vec(), 422),
    ];
    for (kind, body, status) in cases {
        let request = bed.request("POST", "/sources").header(header::CONTENT_TYPE, kind);
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = bed.send(request.body(Body::from(body)).expect("a request")).await;
        assert_eq!(answer.status.as_u16(), status, "{kind} {shown}");
        assert!(answer.body["errors"].as_array().is_some_and(|errors| errors.len() <= 20), "{shown}");
    }
    assert_eq!(bed.cell.control.current().load().version, version);
    for kind in ["application/json; charset=utf-8", "application/vnd.segment.v1+json", "APPLICATION/JSON"] {
        let request = bed.request("POST", "/sources").header(header::CONTENT_TYPE, kind);
        let answer = bed.send(request.body(Body::from("{}")).expect("a request")).await;
        assert_eq!(answer.status.as_u16(), 422, "{kind}");
    }
}
