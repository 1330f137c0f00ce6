//! The ledger by API: heads, a workspace's own entries, receipts that hold offline.

use crate::bed::{Bed, track};
use domicile_api::receipt_of_source;
use domicile_control::{Grant, Grants, Held, Role};
use domicile_ledger::{Receipt, VKey};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;

/// A request of these events, and what the life of the first says of the ledger.
async fn recorded(bed: &Bed, ids: &[&str]) -> Value {
    bed.accept("web", &ids.iter().map(|id| track(id, "Order Completed")).collect::<Vec<_>>()).await;
    bed.decided().await;
    bed.recorded().await;
    bed.get(&format!("/events/{}", ids[0])).await.body["data"]["event"]["occurrences"][0]["recorded"].take()
}

#[tokio::test]
async fn a_receipt_of_any_request_holds_offline_and_only_with_the_right_key() {
    let bed = Bed::new();
    recorded(&bed, &["m1", "m2"]).await;
    let recorded = recorded(&bed, &["m3"]).await;
    let ledger = bed.get("/ledger").await.body["data"]["ledger"].clone();
    let key = VKey::read(ledger["key"].as_str().expect("a key")).expect("reads");

    let path = recorded["receipt"].as_str().expect("a path").strip_prefix("/api").expect("of the API").to_owned();
    let answer = bed.get(&path).await;
    let receipt = Receipt::read(answer.body["data"]["receipt"].to_string().as_bytes()).expect("a receipt");
    let shown = receipt.check(Some(&key)).expect("it holds");
    assert_eq!(Some(shown.index), recorded["entry"].as_u64());
    assert_eq!(receipt.frame.span, [2, 3], "the request of m3 alone");
    let other = VKey { public: [7; 32], ..key };
    assert!(receipt.check(Some(&other)).is_err());

    for path in ["/ledger/receipts/99", "/ledger/receipts/x", "/ledger/receipts/-1"] {
        assert_eq!(bed.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn who_has_the_write_key_gets_the_receipt_of_its_own_source_only() {
    let bed = Bed::new();
    recorded(&bed, &["m1"]).await;
    let snapshot = bed.cell.control.current().load();
    let mut sources: Vec<_> = snapshot.sources.values().cloned().collect();
    sources.sort_by_key(|source| source.number);
    let mut statuses = Vec::new();
    for source in sources {
        let answer = receipt_of_source(Arc::clone(&bed.cell), source, "zurich".to_owned(), 0).await;
        statuses.push((answer.status(), answer.headers().contains_key(header::RETRY_AFTER)));
    }
    statuses.sort();
    statuses.dedup();
    assert_eq!(statuses, [(StatusCode::OK, false), (StatusCode::NOT_FOUND, true)]);
}

#[tokio::test]
async fn the_entries_are_those_of_the_workspace_and_the_region_newest_first() {
    let bed = Bed::new();
    recorded(&bed, &["m1"]).await;
    let all = bed.get("/ledger/entries").await.body["data"].clone();
    let kinds: Vec<&str> =
        all["entries"].as_array().expect("a list").iter().filter_map(|e| e["kind"].as_str()).collect();
    assert!(kinds.contains(&"accepted") && kinds.last() == Some(&"opened"), "{kinds:?}");
    assert!(all["next"].is_null());
    let accepted = bed.get("/ledger/entries?kind=accepted").await.body["data"]["entries"].clone();
    assert_eq!(accepted[0]["events"], 1);
    let first = bed.get("/ledger/entries?count=1").await.body["data"].clone();
    let next = first["next"].as_u64().expect("there is more");
    let second = bed.get(&format!("/ledger/entries?count=1&before={next}")).await.body["data"].clone();
    assert_eq!(second["entries"][0]["index"].as_u64(), Some(next - 1));
    assert!(!all.to_string().contains("m1"), "no payload");
}

#[tokio::test]
async fn the_files_of_the_ledger_are_for_the_operator_alone() {
    let bed = Bed::new();
    let ask = async |token: Option<&str>, path: &str| {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
        }
        domicile_api::ledger_file(Arc::clone(&bed.cell), &headers, path.to_owned()).await.status()
    };
    let operator = bed.operator();
    assert_eq!(ask(None, "checkpoint").await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Some(&bed.demo.token), "checkpoint").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(Some(&operator), "checkpoint").await, StatusCode::OK);
    assert_eq!(ask(Some(&operator), "vkey").await, StatusCode::OK);
    for path in ["../keys/region.key", "tile/../../keys/region.key", "", "/etc/passwd", "tile//0", "tile", "nothing"] {
        assert_ne!(ask(Some(&operator), path).await, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn whoever_reads_one_source_alone_sees_the_head_and_nothing_of_the_others() {
    let bed = Bed::new();
    recorded(&bed, &["m1"]).await;
    let held = vec![Held::One { id: bed.source_id("server") }];
    let one = bed.token(&Grants(vec![Grant { role: Role::SourceReadOnly, held }]));
    for (path, status) in [
        ("/ledger", StatusCode::OK),
        ("/ledger/entries", StatusCode::FORBIDDEN),
        ("/ledger/receipts/0", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(bed.ask_as(&one, "GET", path, None).await.status, status, "{path}");
    }
}
