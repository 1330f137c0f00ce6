//! Requests that are too large, too deep, of the wrong shape, or written to be misread.

use super::Target;
use crate::control::api::{Told, encoded, shortened};
use crate::tally::Tally;
use serde_json::{Value, json};

/// Given as a secret with wrong settings, it must not come back in an error or a log.
pub const SECRET: &str = "hunter2-hunter2-hunter2";

const MIB: usize = 1 << 20;

pub fn check(tally: &mut Tally, target: &mut Target) -> Result<(), String> {
    let before = target.state()?;
    sizes(tally, target);
    shapes(tally, target);
    names(tally, target);
    addresses(tally, target);
    let after = target.state()?;
    let outcome = if before == after {
        Ok(())
    } else {
        Err(format!("before {}\n        after  {}", shortened(&before.to_string()), shortened(&after.to_string())))
    };
    tally.check("after all of these refusals everything is as it was", outcome);
    good_names(tally, target);
    Ok(())
}

fn json_headers(target: &Target) -> Vec<(&'static str, String)> {
    vec![("Authorization", format!("Bearer {}", target.api.token())), ("Content-Type", "application/json".to_owned())]
}

fn send(target: &mut Target, method: &str, path: &str, body: &[u8]) -> Result<Told, String> {
    let headers = json_headers(target);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // What is refused by its size may be refused before it has come: then the connection is closed, and a new one is made.
    target.api.again()?.raw(method, path, &headers, body)
}

fn sizes(tally: &mut Tally, target: &mut Target) {
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let padded = |bytes: usize| {
        format!(
            r#"{{"slug":"large","enabled":true,"metadataId":"http-api","settings":{{"a":"{}"}}}}"#,
            "x".repeat(bytes)
        )
    };
    let many_keys: String = (0..1_000_000).map(|n| format!(r#""k{n}":0,"#)).collect();
    let many_settings: String = (0..10_000).map(|n| format!(r#""k{n}":0,"#)).collect();
    let settings =
        |inner: &str| format!(r#"{{"slug":"deep","enabled":true,"metadataId":"http-api","settings":{inner}}}"#);
    let list = |field: &str, item: Value| json!({ field: vec![item; 10_000] }).to_string();
    let ids: Vec<_> = (0..10_000).map(|n| format!("p{n}")).collect();
    let regulation =
        json!({ "regulationType": "SUPPRESS_ONLY", "subjectType": "USER_ID", "subjectIds": ids }).to_string();
    let label = json!({ "key": "environment", "value": "production" });
    let labels = format!("/sources/{}/labels", target.source);
    for (promise, method, path, body, statuses) in [
        ("a body of 10 MB", "POST", "/sources", padded(10 * MIB), &[413][..]),
        ("a body of 10 MB that is no JSON", "POST", "/sources", "x".repeat(10 * MIB), &[413]),
        ("a million keys", "POST", "/sources", format!("{{{many_keys}\"slug\":\"x\"}}"), &[413]),
        ("10,000 settings", "POST", "/sources", settings(&format!("{{{many_settings}\"a\":0}}")), &[413, 422]),
        ("lists 100,000 deep", "POST", "/sources", settings(&nested("[", "]", 100_000)), &[400, 422]),
        (
            "objects 10,000 deep",
            "POST",
            "/sources",
            settings(&format!("{}0{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000))),
            &[400, 422],
        ),
        ("lists 10,000 deep, and never closed", "POST", "/sources", "[".repeat(10_000), &[400, 422]),
        ("10,000 labels", "PUT", &labels, list("labels", label), &[413, 422]),
        ("10,000 invites", "POST", "/invites", list("invites", json!({ "email": "a@b.example" })), &[413, 422]),
        ("10,000 people to suppress", "POST", "/regulations", regulation, &[413, 422]),
    ] {
        let outcome = send(target, method, path, body.as_bytes()).and_then(|told| told.refuses(statuses));
        tally.check(format!("{promise}: refused"), outcome);
    }
}

fn shapes(tally: &mut Tally, target: &mut Target) {
    let good = json!({ "slug": "shapes", "enabled": true, "metadataId": "http-api" });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body.to_string().into_bytes()
    };
    let text = |text: &str| text.as_bytes().to_vec();
    let source = format!("/sources/{}", target.source);
    let hook =
        json!({ "sourceId": target.source, "metadataId": "webhook", "settings": { "sharedSecret": SECRET, "url": 5 } });
    let malformed: &[u16] = &[400, 422];
    let invalid: &[u16] = &[422];
    for (promise, method, path, body, statuses) in [
        ("nothing", "POST", "/sources", text(""), malformed),
        ("a list", "POST", "/sources", text("[]"), malformed),
        ("null", "POST", "/sources", text("null"), malformed),
        ("a text", "POST", "/sources", text("\"slug\""), malformed),
        ("JSON that is cut off", "POST", "/sources", text(r#"{"slug":"#), malformed),
        ("JSON and more", "POST", "/sources", [good.to_string().as_bytes(), b"{}"].concat(), malformed),
        ("NaN", "POST", "/sources", text(r#"{"slug":NaN}"#), malformed),
        ("a byte order mark", "POST", "/sources", [b"\xef\xbb\xbf", good.to_string().as_bytes()].concat(), malformed),
        (
            "bytes that are no UTF-8",
            "POST",
            "/sources",
            b"{\"slug\":\"\xff\xfe\",\"enabled\":true}".to_vec(),
            malformed,
        ),
        ("UTF-16", "POST", "/sources", good.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect(), malformed),
        (
            "half a surrogate pair",
            "POST",
            "/sources",
            text(r#"{"slug":"\ud800","enabled":true,"metadataId":"http-api"}"#),
            malformed,
        ),
        ("a slug that is a number", "POST", "/sources", with("slug", json!(5)), invalid),
        ("a slug that is a list", "POST", "/sources", with("slug", json!(["shapes"])), invalid),
        ("a slug that is null", "POST", "/sources", with("slug", Value::Null), invalid),
        ("`enabled` as a text", "POST", "/sources", with("enabled", json!("true")), invalid),
        ("settings that are a list", "POST", "/sources", with("settings", json!([])), invalid),
        ("a field that does not exist", "POST", "/sources", with("colour", json!("red")), invalid),
        ("a source with an id of its own choice", "POST", "/sources", with("id", json!("mine")), invalid),
        ("a source of another workspace's", "POST", "/sources", with("workspaceId", json!("other")), invalid),
        ("a source with a region", "POST", "/sources", with("region", json!("us-west")), invalid),
        ("a source with write keys", "POST", "/sources", with("writeKeys", json!(["k"])), invalid),
        ("a source that changes its region", "PATCH", &*source, text(r#"{"region":"us-west"}"#), invalid),
        ("a source that changes its workspace", "PATCH", &*source, text(r#"{"workspaceId":"other"}"#), invalid),
        ("a source that changes its version", "PATCH", &*source, text(r#"{"version":1}"#), invalid),
        (
            "a source that goes to another region's point",
            "PATCH",
            &*source,
            text(r#"{"ingestionRegion":"oregon"}"#),
            invalid,
        ),
        ("one good field and one bad one", "PATCH", &*source, text(r#"{"name":"Half done","enabled":5}"#), invalid),
        (
            "a body where none is asked for",
            "POST",
            &*format!("{source}/writekey"),
            text(r#"{"writeKey":"mine"}"#),
            invalid,
        ),
        ("a secret beside a wrong address", "POST", "/destinations", hook.to_string().into_bytes(), invalid),
    ] {
        let outcome = send(target, method, path, &body).and_then(|told| {
            told.refuses(statuses)?;
            let leaks = told.body.to_string().contains(SECRET);
            if leaks { Err("the refusal repeats the secret".to_owned()) } else { Ok(()) }
        });
        tally.check(format!("{promise}: refused"), outcome);
    }
    for (promise, name, value, status) in [
        ("a form", "Content-Type", "application/x-www-form-urlencoded", 415),
        ("plain text", "Content-Type", "text/plain", 415),
        ("XML", "Content-Type", "application/xml", 415),
        ("a packed body", "Content-Encoding", "gzip", 415),
    ] {
        let bearer = format!("Bearer {}", target.api.token());
        let mut headers = vec![("Authorization", bearer.as_str()), (name, value)];
        if name != "Content-Type" {
            headers.push(("Content-Type", "application/json"));
        }
        let body = good.to_string();
        let outcome =
            target.api.raw("POST", "/sources", &headers, body.as_bytes()).and_then(|told| told.refuses(&[status]));
        tally.check(format!("{promise} where JSON is asked for: refused"), outcome);
    }
}

/// Slugs and names that look like something else, or that some program would read in another way.
fn names(tally: &mut Tally, target: &mut Target) {
    let long = "a".repeat(10_000);
    for (what, slug) in [
        ("empty", ""),
        ("blank", " "),
        ("with a space at its end", "shop "),
        ("with a line break", "shop\n"),
        ("with a NUL", "shop\u{0}"),
        ("that turns the reading direction", "shop\u{202e}pohs"),
        ("with a zero-width space", "sh\u{200b}op"),
        ("with a soft hyphen", "sh\u{ad}op"),
        ("in full-width letters", "ｓｈｏｐ"),
        ("with a Cyrillic letter that looks Latin", "shоp"),
        ("with a combining mark", "sho\u{301}p"),
        ("with a slash", "a/b"),
        ("of dots", ".."),
        ("percent-encoded", "%2e%2e"),
        ("with quotes", "a'\"b"),
        ("with markup", "<script>"),
        ("of 10,000 letters", &long),
    ] {
        let body = json!({ "slug": slug, "enabled": true, "metadataId": "http-api" });
        let outcome = target.api.post("/sources", body).and_then(|told| told.refuses(&[422]));
        tally.check(format!("a slug {what}: refused"), outcome);
    }
    let path = format!("/sources/{}", target.source);
    for (what, name) in [
        ("with a NUL", "a\u{0}b"),
        ("with a line break", "a\nb"),
        ("with an escape sequence", "a\u{1b}[31mb"),
        ("that turns the reading direction", "a\u{202e}b"),
        ("of 10,000 letters", &long),
    ] {
        let outcome =
            target.api.ask("PATCH", &path, Some(json!({ "name": name })), &[]).and_then(|told| told.refuses(&[422]));
        tally.check(format!("a name {what}: refused"), outcome);
    }
}

/// Addresses and queries.
fn addresses(tally: &mut Tally, target: &mut Target) {
    let source = format!("/sources/{}", target.source);
    let nested = format!("/sources?a{}=1", "%5Bb%5D".repeat(1_000));
    let many = format!("/sources?{}", (0..5_000).map(|n| format!("a{n}=1&")).collect::<String>());
    let page = |query: &str| format!("/sources?{query}");
    let long = format!("/sources/{}", "a".repeat(5_000));
    for (promise, method, path, statuses) in [
        ("an address that nobody serves", "GET", "/no-such-thing", &[404][..]),
        ("an address below one that is served", "GET", &*format!("{source}/no/such"), &[404]),
        ("a method that a resource lacks", "PUT", "/sources", &[405]),
        ("a method that nobody knows", "BREW", "/sources", &[400, 405, 501]),
        ("an id of 5,000 characters", "GET", &long, &[404, 414, 422]),
        ("an id with a NUL", "GET", "/sources/a%00b", &[400, 404, 422]),
        ("an id with a slash", "GET", "/sources/a%2Fb", &[404]),
        ("an id that climbs", "GET", "/sources/..%2F..%2Fetc%2Fpasswd", &[404]),
        ("an id that is no UTF-8", "GET", "/sources/%ff%fe", &[400, 404, 422]),
        ("an id that is half encoded", "GET", "/sources/%zz", &[400, 404, 422]),
        ("an id with quotes", "GET", "/sources/'%20OR%20'1'='1", &[404]),
        ("a page of 100,000", "GET", &page("pagination%5Bcount%5D=100000"), &[422]),
        ("a page of a word", "GET", &page("pagination%5Bcount%5D=many"), &[422]),
        ("a page of 2^70", "GET", &page("pagination%5Bcount%5D=1180591620717411303424"), &[422]),
        ("two page sizes", "GET", &page("pagination%5Bcount%5D=1&pagination%5Bcount%5D=2"), &[422]),
        ("a cursor that is no base64", "GET", &page("pagination%5Bcursor%5D=%00%ff"), &[400, 422]),
        ("a cursor with quotes", "GET", &page(&format!("pagination%5Bcursor%5D={}", encoded("' OR 1=1 --"))), &[422]),
        ("a parameter that does not exist", "GET", &page("colour=red"), &[422]),
        ("a parameter 1,000 deep", "GET", &nested, &[400, 414, 422]),
        ("5,000 parameters", "GET", &many, &[400, 414, 422]),
        ("the removal of nobody", "DELETE", "/users?userIds%5B0%5D=", &[422]),
    ] {
        let outcome = target
            .api
            .again()
            .and_then(|mut api| api.ask(method, path, None, &[]))
            .and_then(|told| told.refuses(statuses));
        tally.check(format!("{promise}: refused"), outcome);
    }
}

/// What people do call their things is kept as they wrote it.
fn good_names(tally: &mut Tally, target: &mut Target) {
    let path = format!("/sources/{}", target.source);
    for name in ["Café – 商店 🚀", "עברית", "O'Brien & \"Co\" <b>", "a\u{301}", "👩‍👩‍👧"] {
        let outcome = target.api.ask("PATCH", &path, Some(json!({ "name": name })), &[]).and_then(|told| {
            told.data(200)?;
            let read = target.api.get(&path)?.data(200)?;
            let kept = read.pointer("/source/name").and_then(Value::as_str);
            if kept == Some(name) { Ok(()) } else { Err(format!("it is {kept:?}")) }
        });
        tally.check(format!("the name {name:?} is kept as it is"), outcome);
    }
}
