//! What pages show, and what they never let through.

use crate::bed::Bed;
use crate::single::OneStep as _;
use axum::body::Body;
use domicile_region::{RegionId, Topology};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

/// Texts that have broken pages before.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</pre></details><iframe src=//evil.example>",
    "<!--",
    "</script><script>alert(1)</script>",
    "{{ 7*7 }}",
    "&lt;b&gt;",
];

#[tokio::test]
async fn the_overview_shows_region_sources_and_events() {
    let mut bed = Bed::new();
    bed.decide(r#"{"type":"track","event":"Order Completed","messageId":"m1","properties":{"total":27.50}}"#);
    bed.decide_invalid();
    let page = bed.get("/", Some(&bed.sign_in().await)).await;
    assert_eq!(page.status, StatusCode::OK);
    let key = &bed.demo.sources[0].write_key;
    let region = &bed.cell.region;
    for part in [
        region.name.as_str(),
        region.locations[0].as_str(),
        "Demo website",
        "https://oregon.example.com",
        &key[..8],
        "Order Completed",
        "27.50",
        "no_user_anon_id",
        "data-from=\"2\"",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    assert!(!page.text.contains(key), "a whole write key");
    let at = |text: &str| page.text.find(text).expect("is there");
    assert!(at("no_user_anon_id") < at("Order Completed"), "the newest stands first");
}

#[tokio::test]
async fn markup_in_events_and_names_is_shown_and_never_run() {
    let mut bed = Bed::new();
    let by = domicile_control::Actor::Operator;
    let source = bed.demo.sources[0].id.clone();
    for hostile in HOSTILE {
        bed.decide(&json!({"type": hostile, "event": hostile, "properties": {hostile: hostile}}).to_string());
        bed.cell.control.rename_workspace(&by, &bed.demo.id, hostile).expect("renames");
        let change = domicile_control::SourceChange { name: Some(hostile.to_owned()), ..Default::default() };
        bed.cell.control.update_source(&by, &bed.demo.id, &source, &change).expect("renames");
        let page = bed.get("/", Some(&bed.sign_in().await)).await;
        assert_eq!(page.status, StatusCode::OK);
        for markup in ["<script>alert", "<img", "<svg", "<iframe", "<!--", "</script><script>", "&lt;b&gt;"] {
            assert!(!page.text.contains(markup), "{markup} after {hostile}");
        }
        assert_eq!(page.text.matches("<script").count(), 1, "the page's own");
        assert_eq!(page.text.matches("</pre>").count(), page.text.matches("<pre>").count());
    }
}

#[tokio::test]
async fn every_page_and_file_has_a_policy_that_forbids_other_hosts_and_inline_scripts() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for path in ["/", "/sign-in", "/assets/console.js", "/assets/console.css", "/assets/icon.svg"] {
        let page = bed.get(path, Some(&cookie)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY");
        for inline in ["onclick=", "onload=", "style=", "javascript:", "https://", "http://"] {
            let own = inline == "https://" && path == "/" || inline == "http://" && path.ends_with("svg");
            assert!(own || !page.text.contains(inline), "{inline} in {path}");
        }
    }
    assert_eq!(bed.get("/", Some(&cookie)).await.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn the_page_shows_its_events_only_after_the_audit_trail_has_it() {
    let bed = Bed::new();
    bed.get("/", Some(&bed.sign_in().await)).await;
    let trail = bed.cell.control.audit(&bed.demo.id, 0, 1_000).expect("reads");
    let last = trail.last().expect("an entry");
    assert_eq!((last.kind.as_str(), last.resource_id.as_str()), ("Payload Viewed", "console"));
}

#[tokio::test]
async fn live_events_come_to_a_session_and_to_nobody_else() {
    let mut bed = Bed::new();
    assert_eq!(bed.get("/live", None).await.status, StatusCode::NO_CONTENT);
    let cookie = bed.sign_in().await;
    let request = Request::get("/live?from=0").header(header::COOKIE, &cookie).body(Body::empty()).expect("a request");
    let response = bed.router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    bed.decide(r#"{"type":"track","event":"</script>"}"#);
    let frame = response.into_body().frame().await.expect("goes on").expect("no error").into_data().expect("data");
    let text = String::from_utf8(frame.to_vec()).expect("UTF-8");
    assert!(
        text.starts_with("event: decided\nid: 0\ndata: {")
            && text.ends_with(",\"event\":{\"type\":\"track\",\"event\":\"</script>\"}}\n\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_front_door_lists_the_regions_and_links_only_to_web_addresses() {
    let topology = Topology::built_in();
    let (first, second) = (&topology.regions[0].id, &topology.regions[1].id);
    let consoles: std::collections::HashMap<RegionId, String> =
        [(first.clone(), "http://127.0.0.1:7100".to_owned()), (second.clone(), "javascript:alert(1)".to_owned())]
            .into();
    let router = domicile_console::front_door(&topology, &consoles);
    let response = router.oneshot(Request::get("/").body(Body::empty()).expect("a request")).await.expect("an answer");
    assert!(response.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    let text =
        String::from_utf8(response.into_body().collect().await.expect("a body").to_bytes().to_vec()).expect("UTF-8");
    for region in &topology.regions {
        assert!(text.contains(&region.name) && text.contains(region.id.as_str()));
        assert!(region.ingest.iter().all(|point| text.contains(point.name.as_str())));
    }
    assert!(text.contains("href=\"http://127.0.0.1:7100/\"") && !text.contains("javascript:"));
}
