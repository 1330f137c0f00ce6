//! The query of a request, as the JSON that its operation's parameters describe.
//!
//! Clients write one thing in many ways: `a.b=1`, `a[b]=1`; for lists `a=1&a=2`, `a=1,2`, `a[]=1`, `a[0]=1`, `a.0=1`; for lists of
//! objects `a[0][b]=1`. All are the same here.

use super::operation::{Operation, PAGE_FIELDS};
use super::page::PageAsk;
use super::schema::{Faults, Field, Schema};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Parameters of one request.
const PAIRS_MAX: usize = 2_000;

/// A parameter: its name in parts (`a`, `0`, `b`), and its text.
struct Pair {
    name: String,
    parts: Vec<String>,
    text: String,
}

/// Reads the query by the operation's fields; notes all faults.
pub(crate) fn read(operation: &Operation, query: &str, faults: &mut Faults) -> (Map<String, Value>, PageAsk) {
    let mut pairs: Vec<Pair> = form_urlencoded::parse(query.as_bytes())
        .take(PAIRS_MAX + 1)
        .map(|(name, text)| Pair { parts: parts(&name), name: name.into_owned(), text: text.into_owned() })
        .collect();
    if pairs.len() > PAIRS_MAX {
        faults.add("query", format!("has more than {PAIRS_MAX} parameters"));
    }
    let mut known = Map::new();
    for field in operation.query {
        if let Some(value) = take(field, field.name, &mut pairs, faults) {
            known.insert(field.name.to_owned(), value);
        }
    }
    let page = if operation.paged { read_page(&mut pairs, faults) } else { PageAsk::first() };
    for pair in &pairs {
        let shown: String = pair.name.chars().take(100).collect();
        faults.add(&shown, "is no parameter of this path");
    }
    (known, page)
}

/// `a[b][0]`, `a.b.0` and `a[b].0` in parts; `a[]` is `a` and an empty part.
fn parts(name: &str) -> Vec<String> {
    name.split(['.', '[']).map(|part| part.strip_suffix(']').unwrap_or(part).to_owned()).collect()
}

fn read_page(pairs: &mut Vec<Pair>, faults: &mut Faults) -> PageAsk {
    let mut own: Vec<Pair> = pairs.extract_if(.., |pair| pair.parts[0] == "pagination").collect();
    for pair in &mut own {
        pair.parts.remove(0);
    }
    let mut page = Map::new();
    for field in PAGE_FIELDS {
        let shown = format!("pagination.{}", field.name);
        if let Some(value) = take(field, &shown, &mut own, faults) {
            page.insert(field.name.to_owned(), value);
        }
    }
    pairs.append(&mut own);
    let count = page.get("count").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
    PageAsk::read(count, page.get("cursor").and_then(Value::as_str)).unwrap_or_else(|| {
        faults.add("pagination.cursor", "is not one that this cell gave");
        PageAsk::first()
    })
}

/// Takes what belongs to a field out of `pairs`, and checks it.
fn take(field: &Field, place: &str, pairs: &mut Vec<Pair>, faults: &mut Faults) -> Option<Value> {
    let mut own: Vec<Pair> =
        pairs.extract_if(.., |pair| pair.parts.first().is_some_and(|first| *first == field.name)).collect();
    for pair in &mut own {
        pair.parts.remove(0);
    }
    if own.is_empty() {
        if field.needed {
            faults.add(place, "is missing");
        }
        return None;
    }
    let value = match field.shape {
        Schema::List { of: Schema::Object(object), .. } => objects(object.fields, own),
        Schema::List { of, .. } => items(of, own),
        Schema::Map => map(own),
        _ if own.len() > 1 => {
            faults.add(place, "is given more than once");
            return None;
        }
        _ => scalar(&field.shape, own.pop()?.text),
    };
    field.shape.check(&value, place, faults);
    Some(value)
}

fn items(of: &Schema, own: Vec<Pair>) -> Value {
    let texts = own.iter().flat_map(|pair| pair.text.split(','));
    Value::Array(texts.map(|text| scalar(of, text.to_owned())).collect())
}

/// By index, in the order of the indexes.
fn objects(fields: &[Field], own: Vec<Pair>) -> Value {
    let mut by_index: BTreeMap<usize, Map<String, Value>> = BTreeMap::new();
    for mut pair in own {
        let index = pair.parts.first().and_then(|index| index.parse().ok()).unwrap_or(usize::MAX);
        let name = if pair.parts.len() > 1 { pair.parts.swap_remove(1) } else { String::new() };
        let shape = fields.iter().find(|field| field.name == name).map_or(Schema::Any, |field| field.shape);
        by_index.entry(index).or_default().insert(name, scalar(&shape, pair.text));
    }
    Value::Array(by_index.into_values().map(Value::Object).collect())
}

/// An object of lists of texts.
fn map(own: Vec<Pair>) -> Value {
    let mut lists: Map<String, Value> = Map::new();
    for mut pair in own {
        let name = if pair.parts.is_empty() { String::new() } else { pair.parts.swap_remove(0) };
        let list = lists.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(Value::String(pair.text));
        }
    }
    Value::Object(lists)
}

/// A query knows only texts: what should be a number or a truth value is read as one where it is one. Words of an
/// enumeration are taken in either case.
fn scalar(shape: &Schema, text: String) -> Value {
    let read = match shape {
        Schema::Count { .. } | Schema::Number { .. } => {
            serde_json::from_str::<Value>(&text).ok().filter(Value::is_number)
        }
        Schema::Flag => text.parse().ok().map(Value::Bool),
        Schema::OneOf(words) => words.iter().find(|word| word.eq_ignore_ascii_case(&text)).map(|word| (*word).into()),
        _ => None,
    };
    read.unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::super::operation::get;
    use super::super::schema::{Object, list, may, need, text};
    use super::*;
    use serde_json::json;

    static RULE: Object = Object {
        name: "",
        fields: &[need("type", Schema::OneOf(&["TRACK"])), may("version", Schema::Count { min: 0, max: 9 })],
    };
    static OPERATION: Operation = get("x", "/x", "").paged().query(&[
        may("source", text(10)),
        may("emails", list(&text(20), 3)),
        may("rules", list(&Schema::Object(&RULE), 3)),
        may("filter", Schema::Map),
        may("granularity", Schema::OneOf(&["DAY", "HOUR"])),
    ]);

    fn asked(query: &str) -> Value {
        let mut faults = Faults::default();
        let (known, page) = read(&OPERATION, query, &mut faults);
        let faults: Vec<String> = faults.0.into_iter().map(|(_, sentence)| sentence).collect();
        if faults.is_empty() { json!([known, page.count]) } else { json!(faults) }
    }

    #[test]
    fn one_query_is_written_in_many_ways() {
        for (query, read) in [
            ("", json!([{}, 200])),
            ("pagination.count=2", json!([{}, 2])),
            ("pagination%5Bcount%5D=2", json!([{}, 2])),
            ("source=a", json!([{"source": "a"}, 200])),
            ("emails=a&emails=b", json!([{"emails": ["a", "b"]}, 200])),
            ("emails=a,b", json!([{"emails": ["a", "b"]}, 200])),
            ("emails[]=a&emails[]=b", json!([{"emails": ["a", "b"]}, 200])),
            ("emails%5B0%5D=a%40b.c&emails.1=b", json!([{"emails": ["a@b.c", "b"]}, 200])),
            (
                "rules[0][type]=TRACK&rules[1][version]=2&rules[1][type]=track",
                json!([{"rules": [{"type": "TRACK"}, {"version": 2, "type": "TRACK"}]}, 200]),
            ),
            ("filter[reason][0]=a&filter[reason][1]=b", json!([{"filter": {"reason": ["a", "b"]}}, 200])),
            ("granularity=day", json!([{"granularity": "DAY"}, 200])),
            ("source=a&source=b", json!(["source is given more than once"])),
            ("colour=red", json!(["colour is no parameter of this path"])),
            ("pagination.colour=red", json!(["pagination.colour is no parameter of this path"])),
            (
                "pagination.count=0&pagination.cursor=x",
                json!([
                    "pagination.count is not a whole number from 1 to 1000",
                    "pagination.cursor is not one that this cell gave"
                ]),
            ),
            ("granularity=week", json!(["granularity is not one of: DAY, HOUR"])),
            ("rules[0][colour]=1", json!(["rules.0.type is missing", "rules.0.colour is not a field of this request"])),
            ("emails[0]=", json!(["emails.0 has 0 characters; it takes 1 to 20"])),
            ("emails=a,b,c,d", json!(["emails has 4 items; it takes 0 to 3"])),
        ] {
            assert_eq!(asked(query), read, "{query}");
        }
    }

    #[test]
    fn a_flood_of_parameters_is_refused() {
        let many = "emails=x&".repeat(5_000);
        assert!(asked(&many)[0].as_str().is_some_and(|fault| fault.starts_with("query has more than")));
    }
}
