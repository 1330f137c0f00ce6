//! Pixels: always an image, and an event when there is one.

use crate::cell::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

async fn is_image(cell: &Cell, path: &str) {
    let got = cell.send(&format!("GET {path}"), &[("User-Agent", "Mail/1.0")], b"").await;
    assert_eq!(
        (got.status, got.header("content-type"), got.header("cache-control")),
        (200, "image/gif", "no-store"),
        "{path}"
    );
    assert!(got.body.starts_with(b"GIF89a"), "{path}");
}

#[tokio::test]
async fn a_pixels_event_is_kept_whichever_way_it_is_written() {
    let cell = Cell::start().await;
    let event = format!(r#"{{"writeKey":"{WEB}","event":"Öffnen?>","userId":"u"}}"#);
    for data in [STANDARD.encode(&event).replace('=', "%3D"), URL_SAFE_NO_PAD.encode(&event)] {
        is_image(&cell, &format!("/v1/pixel/track?data={data}")).await;
        let kept = cell.kept().pop().unwrap();
        assert!(kept.starts_with("1 oregon track {") && kept.contains("Öffnen?>"), "{kept}");
        assert!(kept.contains(r#""context":{"userAgent":"Mail/1.0"}"#), "{kept}");
    }
    is_image(&cell, &format!("/pixel/page?writeKey={WEB}&userId=u&name=Home&properties.subject=Hello+you")).await;
    let kept = cell.kept().pop().unwrap();
    assert!(kept.starts_with("1 oregon page ") && kept.contains(r#""properties":{"subject":"Hello you"}"#), "{kept}");
    assert_eq!(cell.log.end().0, 3);
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_image_and_nothing_is_kept() {
    let cell = Cell::start().await;
    let long = "x".repeat(40_000);
    for query in [
        String::new(),
        "data=!!!".into(),
        "data=e30".into(),
        format!("writeKey={WEB}"),
        "event=E&userId=u".into(),
        "writeKey=nobody&event=E&userId=u".into(),
        format!("writeKey={ELSEWHERE}&event=E&userId=u"),
        format!("writeKey={OFF}&event=E&userId=u"),
        format!("writeKey={WEB}&event=E&userId=u&x={long}"),
        format!("writeKey={WEB}&event=E&userId=u&{}=1", vec!["a"; 1_000].join(".")),
        "%ff%fe=%00&data=%ff".into(),
    ] {
        is_image(&cell, &format!("/v1/pixel/track?{query}")).await;
    }
    assert!(cell.kept().is_empty());
}

#[tokio::test]
async fn asking_for_the_headers_alone_is_no_event() {
    let cell = Cell::start().await;
    let got = cell.send(&format!("HEAD /v1/pixel/track?writeKey={WEB}&event=E&userId=u"), &[], b"").await;
    assert_eq!(got.status, 200);
    assert!(cell.kept().is_empty());
}
