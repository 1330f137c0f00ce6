//! Pixels: events in the address of an image, for e-mail and ads. Pure.

use crate::key::decode_base64;
use crate::response::{self, Answer};
use bytes::Bytes;
use domicile_event::{field, json_string, scan_single};
use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Map, Value};

/// A transparent GIF of one pixel.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\
                     \x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
/// Steps of a dotted name; more are no event of anybody's.
const STEPS_MAX: usize = 16;

/// The answer, whatever happened.
pub(crate) fn image() -> Answer {
    let mut answer =
        response::with_type(StatusCode::OK, HeaderValue::from_static("image/gif"), Bytes::from_static(GIF));
    // Each view is an event.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The event of a pixel's query: the JSON object in `data` (base64, plain or URL-safe, padded or not), else the
/// fields, whose dots nest (`properties.subject=Hello`). `None` when there is none to be read.
///
/// `user_agent` is the mail client's or browser's; it becomes `context.userAgent` when the event has none.
pub(crate) fn event(query: &str, user_agent: Option<&str>) -> Option<Vec<u8>> {
    let data = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "data");
    let event = match data {
        // In a query, `+` is a space: put it back.
        Some((_, data)) => decode_base64(data.trim().replace(' ', "+").as_str())?,
        None => fields(query)?,
    };
    Some(match user_agent {
        Some(agent) => with_user_agent(event, agent),
        None => event,
    })
}

fn fields(query: &str) -> Option<Vec<u8>> {
    let mut event = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name.split('.').count() > STEPS_MAX {
            return None;
        }
        put(&mut event, &name, value.into_owned());
    }
    if event.is_empty() {
        return None;
    }
    serde_json::to_vec(&event).ok()
}

/// Puts `value` at a dotted name. A later field wins, also over an object that an earlier one made.
fn put(object: &mut Map<String, Value>, name: &str, value: String) {
    match name.split_once('.') {
        None => {
            object.insert(name.to_owned(), Value::String(value));
        }
        Some((first, rest)) => {
            let entry = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let Value::Object(inner) = entry {
                put(inner, rest, value);
            }
        }
    }
}

/// Writes the user agent into the event's text, which is otherwise kept byte for byte. What is no event, or has a
/// `context` that is no object, is left as it is.
fn with_user_agent(event: Vec<u8>, agent: &str) -> Vec<u8> {
    let Ok(Some(object)) = scan_single(&event).map(|single| single.envelope.items.first().cloned()) else {
        return event;
    };
    if field(&event, &["context", "userAgent"]).is_some() {
        return event;
    }
    let mut value = Vec::new();
    json_string(&mut value, agent);
    let (open, before, after) = match field(&event, &["context"]) {
        Some(context) if context.first() == Some(&b'{') => {
            let at = context.as_ptr() as usize - event.as_ptr() as usize;
            (at, r#""userAgent":"#, "")
        }
        Some(_) => return event,
        None => (object.start as usize, r#""context":{"userAgent":"#, "}"),
    };
    let rest = &event[open + 1..];
    let alone = rest.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'}');
    let comma = if alone { "" } else { "," };
    [&event[..=open], before.as_bytes(), &value, after.as_bytes(), comma.as_bytes(), rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, agent: Option<&str>, expected: Option<&str>) {
        let event = event(query, agent).map(|event| String::from_utf8(event).unwrap());
        assert_eq!(event.as_deref(), expected, "{query}");
    }

    #[test]
    fn data_is_base64_in_all_its_forms() {
        // {"event":"Öffnen?>"}
        let object = r#"{"event":"Öffnen?>"}"#;
        for data in ["eyJldmVudCI6IsOWZmZuZW4/PiJ9", "eyJldmVudCI6IsOWZmZuZW4_PiJ9", "eyJldmVudCI6IsOWZmZuZW4%2FPiJ9"] {
            check(&format!("data={data}"), None, Some(object));
        }
        check("data=eyJhIjoiPj4-In0=", None, Some(r#"{"a":">>>"}"#));
        check("data=eyJhIjoiPj4-In0", None, Some(r#"{"a":">>>"}"#));
        check("data=eyJhIjoiPj4+In0=", None, Some(r#"{"a":">>>"}"#));
        check("data=eyJhIjoiPj4%2BIn0%3D&event=ignored", None, Some(r#"{"a":">>>"}"#));
        check("data=!!!", None, None);
        check("data=", None, Some(""));
    }

    #[test]
    fn fields_nest_by_their_dots() {
        check(
            "writeKey=k&event=Email+Opened&properties.subject=Gr%C3%BC%C3%9Fe&properties.a.b=1&userId=u",
            None,
            Some(
                r#"{"writeKey":"k","event":"Email Opened","properties":{"subject":"Grüße","a":{"b":"1"}},"userId":"u"}"#,
            ),
        );
        check("a=1&a.b=2", None, Some(r#"{"a":{"b":"2"}}"#));
        check("a.b=2&a=1", None, Some(r#"{"a":"1"}"#));
        check("", None, None);
        check(&vec!["a"; 17].join("."), None, None);
    }

    #[test]
    fn the_user_agent_is_added_where_there_is_none() {
        check("event=x", Some("Mail \"1\""), Some(r#"{"context":{"userAgent":"Mail \"1\""},"event":"x"}"#));
        check("context.page.url=y", Some("M"), Some(r#"{"context":{"userAgent":"M","page":{"url":"y"}}}"#));
        check("context.userAgent=own", Some("M"), Some(r#"{"context":{"userAgent":"own"}}"#));
        // {"context":{ },"n":1.50} and {} and [1] and {"context":null}
        check("data=eyJjb250ZXh0Ijp7IH0sIm4iOjEuNTB9", Some("M"), Some(r#"{"context":{"userAgent":"M" },"n":1.50}"#));
        check("data=e30=", Some("M"), Some(r#"{"context":{"userAgent":"M"}}"#));
        check("data=WzFd", Some("M"), Some("[1]"));
        check("data=eyJjb250ZXh0IjpudWxsfQ==", Some("M"), Some(r#"{"context":null}"#));
    }
}
