//! Signing in and out.

use crate::bed::Bed;
use crate::single::OneStep as _;
use axum::body::Body;
use domicile_control::Actor;
use http::{Request, StatusCode, header};

#[tokio::test]
async fn nobody_sees_a_page_without_a_session() {
    let bed = Bed::new();
    for cookie in [None, Some("domicile-us-west="), Some("domicile-us-west=0000"), Some("domicile-us-west=\"x\"; ;;=")]
    {
        let page = bed.get("/", cookie).await;
        assert_eq!(
            (page.status, &page.headers[header::LOCATION]),
            (StatusCode::SEE_OTHER, &"/sign-in".parse().expect("a value"))
        );
    }
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_is_not_shown_again() {
    let bed = Bed::new();
    for form in ["", "token=", "token=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "other=x", "token=x&token=y", "%00%ff="] {
        let page = bed.post("/sign-in", None, form).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{form}");
        assert!(page.cookie().is_none() && !page.text.contains("alert(1)"));
        assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    }
    let large = bed.post("/sign-in", None, &format!("token={}", "x".repeat(100_000))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_session_is_new_at_each_sign_in_and_ends_at_sign_out() {
    let bed = Bed::new();
    let form = format!("token={}", bed.demo.token);
    let planted = "domicile-us-west=planted-by-someone-else";
    let page = bed.post("/sign-in", Some(planted), &form).await;
    let set = page.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    let first = page.cookie().expect("a cookie");
    assert_ne!(first, planted);
    assert_eq!(bed.get("/", Some(planted)).await.status, StatusCode::SEE_OTHER);

    let second = bed.post("/sign-in", Some(&first), &form).await.cookie().expect("a cookie");
    assert_ne!(first, second);
    assert_eq!(bed.get("/", Some(&first)).await.status, StatusCode::SEE_OTHER, "the session before has ended");
    assert_eq!(bed.get("/", Some(&second)).await.status, StatusCode::OK);

    let out = bed.post("/sign-out", Some(&second), "").await;
    assert!(out.headers[header::SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(bed.get("/", Some(&second)).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let scope = bed.cell.control.scope_of_token(&bed.demo.token).expect("reads").expect("is known");
    bed.cell.control.revoke_token(&Actor::Operator, &bed.demo.id, &scope.id).expect("revokes");
    assert_eq!(bed.get("/", Some(&cookie)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(bed.get("/live", Some(&cookie)).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        for path in ["/sign-in", "/sign-out"] {
            let request = Request::post(path)
                .header(header::COOKIE, &cookie)
                .header(header::HOST, "127.0.0.1:7100")
                .header(name, value)
                .body(Body::from(format!("token={}", bed.demo.token)));
            let page = bed.send(request.expect("a request")).await;
            assert_eq!((page.status, page.cookie()), (StatusCode::FORBIDDEN, None), "{path} {name}: {value}");
        }
    }
    assert_eq!(bed.get("/", Some(&cookie)).await.status, StatusCode::OK, "still signed in");
    assert_eq!(bed.get("/sign-out", Some(&cookie)).await.status, StatusCode::METHOD_NOT_ALLOWED, "no link signs out");
}
