//! What browsers need: cross-origin headers on everything, and the SDK's files.

use crate::cell::*;

const ORIGIN: (&str, &str) = ("Origin", "https://www.example.com");

#[tokio::test]
async fn preflights_need_no_key_and_name_the_headers_one_by_one() {
    let cell = Cell::start().await;
    for path in ["/v1/t", "/v1/b", "/v1/batch", "/v1/m", "/t", "/v1/projects/x/settings", "/whatever"] {
        let ask = ("Access-Control-Request-Headers", "authorization,content-type,x-retry-count");
        let got = cell.send(&format!("OPTIONS {path}"), &[ORIGIN, ask], b"").await;
        assert_eq!((got.status, got.text()), (204, ""), "{path}");
        let allowed: Vec<_> = got.header("access-control-allow-headers").split(", ").collect();
        for header in ["authorization", "content-type", "x-retry-count", "x-domicile-receipt"] {
            assert!(allowed.contains(&header), "{path}: {header}");
        }
        assert!(got.header("access-control-allow-methods").contains("POST"));
        assert_eq!(got.header("access-control-max-age"), "86400");
        assert_eq!(got.header("access-control-allow-origin"), ORIGIN.1);
    }
}

#[tokio::test]
async fn every_answer_can_be_read_by_a_page_of_any_origin() {
    let cell = Cell::start().await;
    let settings = format!("GET /v1/projects/{WEB}/settings");
    for line in [
        "POST /v1/t",
        "POST /v1/m",
        "GET /v1/t",
        "GET /nothing",
        "GET /healthz",
        "GET /v1/pixel/track",
        "GET /v1/projects/nobody/settings",
        "GET /analytics.js/v1/nobody/analytics.min.js",
        settings.as_str(),
    ] {
        for (headers, allowed) in [(vec![ORIGIN], ORIGIN.1), (vec![], "*")] {
            let got = cell.send(line, &headers, b"").await;
            assert_eq!(got.header("access-control-allow-origin"), allowed, "{line}");
            assert_eq!(
                got.header("access-control-expose-headers"),
                "Retry-After, X-RateLimit-Reset, X-Domicile-Receipt",
                "{line}"
            );
        }
    }
}

fn install(cell: &Cell) {
    write_file(&cell.world, "/secret.js", b"secret");
    write_file(&cell.world, "/scripts/standalone.js", br#"window.analyticsWriteKey="__WRITE_KEY__";"#);
    write_file(&cell.world, "/scripts/407.bundle.61ef.js", b"chunk");
    write_file(&cell.world, "/scripts/407.bundle.61ef.js.gz", b"\x1f\x8b packed");
    write_file(&cell.world, "/scripts/next-integrations/integrations/x/1.0/x.dynamic.js.gz", b"\x1f\x8b x");
}

#[tokio::test]
async fn the_sdks_files_are_served_from_the_folder_under_any_prefix() {
    let cell = Cell::start().await;
    install(&cell);
    let main = format!("/analytics.js/v1/{WEB}/analytics.min.js");
    let platform = format!("/cdn/analytics.js/v1/{WEB}/platform/analytics.min.js");
    let with_key = format!(r#"window.analyticsWriteKey="{WEB}";"#);
    let js = "text/javascript; charset=utf-8";
    for (path, body, kind, encoding) in [
        (main.as_str(), with_key.as_str(), js, ""),
        (&platform, &with_key, js, ""),
        ("/analytics-next/bundles/407.bundle.61ef.js", "chunk", js, ""),
        ("/p/analytics-next/bundles/407.bundle.61ef.js", "chunk", js, ""),
    ] {
        let got = cell.get(path).await;
        assert_eq!((got.status, got.text()), (200, body), "{path}");
        assert_eq!((got.header("content-type"), got.header("content-encoding")), (kind, encoding), "{path}");
    }
    for path in
        ["/analytics-next/bundles/407.bundle.61ef.js.gz", "/next-integrations/integrations/x/1.0/x.dynamic.js.gz"]
    {
        let got = cell.get(path).await;
        assert_eq!(
            (got.status, got.header("content-type"), got.header("content-encoding")),
            (200, js, "gzip"),
            "{path}"
        );
    }
    let etag = cell.get(&main).await.header("etag").to_owned();
    assert_eq!(cell.send(&format!("GET {main}"), &[("If-None-Match", &etag)], b"").await.status, 304);

    write_file(&cell.world, "/scripts/standalone.js", br#"new("__WRITE_KEY__")"#);
    cell.hands.clock.advance(std::time::Duration::from_secs(3)).await;
    assert_eq!(cell.get(&main).await.text(), format!(r#"new("{WEB}")"#), "a new build is picked up");
}

#[tokio::test]
async fn no_address_leads_out_of_the_folder() {
    let cell = Cell::start().await;
    install(&cell);
    for name in [
        "../secret.js",
        "..%2fsecret.js",
        "%2e%2e/secret.js",
        "/secret.js",
        "x/../../secret.js",
        "..\\secret.js",
        "./407.bundle.61ef.js",
    ] {
        for prefix in ["/analytics-next/bundles/", "/next-integrations/", "/next-integrations/integrations/"] {
            let got = cell.get(&format!("{prefix}{name}")).await;
            assert_eq!(got.outcome(), "404 not_found", "{prefix}{name}");
        }
    }
}

#[tokio::test]
async fn without_a_folder_or_a_file_the_answer_says_what_to_do() {
    let cell = Cell::start().await;
    let main = format!("/analytics.js/v1/{WEB}/analytics.min.js");
    let message = |got: Got| got.json()["message"].as_str().unwrap().to_owned();
    assert!(message(cell.get(&main).await).contains("no such file"));
    let bare = Cell::with(domicile_ingest::Settings::default()).await;
    let got = bare.get(&main).await;
    assert_eq!(got.outcome(), "404 not_found");
    assert!(message(got).contains("--scripts DIR"));
    assert_eq!(cell.get("/analytics.js/v1/nobody/analytics.min.js").await.outcome(), "404 unknown_write_key");
}
