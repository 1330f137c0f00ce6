//! What a value in a request or an answer looks like, as data.
//!
//! One description serves twice: requests are checked against it before a handler sees them, and `/api/openapi.json` is
//! written from it. So what the document promises is what is refused and what is taken.
//!
//! - An object of a request is closed: a field that nobody knows is a fault, never passed over.
//! - Everything is bounded: texts in characters, lists in items, free objects in bytes.
//! - All faults of a request are told at once, each with its place as the client spells it (`rules.3.jsonSchema`).

use serde_json::{Map, Value, json};

/// Faults of one request that are told.
pub(crate) const FAULTS_MAX: usize = 20;
/// Bytes of a free object or value.
pub(crate) const FREE_BYTES_MAX: usize = 256 * 1024;

/// The shape of one value.
#[derive(Clone, Copy)]
pub(crate) enum Schema {
    /// Characters of a text. No text holds U+0000: not every store can keep it.
    Text {
        min: usize,
        max: usize,
    },
    OneOf(&'static [&'static str]),
    /// ISO 8601.
    Time,
    Flag,
    /// A whole number.
    Count {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// An object whose fields are not ours to know.
    Map,
    /// Any JSON value.
    Any,
    List {
        of: &'static Schema,
        min: usize,
        max: usize,
    },
    Object(&'static Object),
    /// Null, or the shape.
    Null(&'static Schema),
}

/// An object with known fields.
pub(crate) struct Object {
    /// Its name among the components of the OpenAPI document.
    pub name: &'static str,
    pub fields: &'static [Field],
}

/// One field of an object, or one parameter of a query.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub name: &'static str,
    pub shape: Schema,
    pub needed: bool,
    /// What it is, where its name does not say it.
    pub about: &'static str,
}

/// A text that names something.
pub(crate) const NAME: Schema = text(255);
pub(crate) const SLUG: Schema = text(100);
/// An id in a body or a query.
pub(crate) const ID: Schema = text(200);

pub(crate) const fn text(max: usize) -> Schema {
    Schema::Text { min: 1, max }
}

/// A text that may be empty.
pub(crate) const fn any_text(max: usize) -> Schema {
    Schema::Text { min: 0, max }
}

pub(crate) const fn list(of: &'static Schema, max: usize) -> Schema {
    Schema::List { of, min: 0, max }
}

pub(crate) const fn need(name: &'static str, shape: Schema) -> Field {
    Field { name, shape, needed: true, about: "" }
}

pub(crate) const fn may(name: &'static str, shape: Schema) -> Field {
    Field { name, shape, needed: false, about: "" }
}

impl Field {
    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
}

/// What is wrong with a request: the place, and a sentence that begins with it.
#[derive(Default)]
pub(crate) struct Faults(pub Vec<(String, String)>);

impl Faults {
    pub fn add(&mut self, place: &str, what: impl AsRef<str>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push((place.to_owned(), format!("{place} {}", what.as_ref())));
        }
    }
}

fn within(place: &str, name: impl std::fmt::Display) -> String {
    if place.is_empty() { name.to_string() } else { format!("{place}.{name}") }
}

impl Schema {
    /// Notes everything in `value` that is not of this shape.
    pub fn check(&self, value: &Value, place: &str, faults: &mut Faults) {
        match (self, value) {
            (Self::Null(_), Value::Null) | (Self::Any, _) => {}
            (Self::Null(shape), value) => shape.check(value, place, faults),
            (Self::Text { min, max }, Value::String(text)) => check_text(text, *min, *max, place, faults),
            (Self::Text { .. }, _) => faults.add(place, "is not a text"),
            (Self::OneOf(words), Value::String(text)) if words.contains(&&**text) => {}
            (Self::OneOf(words), _) => faults.add(place, format!("is not one of: {}", words.join(", "))),
            (Self::Time, Value::String(text)) if domicile_event::parse_time(text).is_some() => {}
            (Self::Time, _) => faults.add(place, "is not an ISO 8601 time"),
            (Self::Flag, Value::Bool(_)) => {}
            (Self::Flag, _) => faults.add(place, "is neither true nor false"),
            (Self::Count { min, max }, value) => match value.as_i64() {
                Some(count) if (*min..=*max).contains(&count) => {}
                _ => faults.add(place, format!("is not a whole number from {min} to {max}")),
            },
            (Self::Number { min, max }, value) => match value.as_f64() {
                Some(number) if (*min..=*max).contains(&number) => {}
                _ => faults.add(place, format!("is not a number from {min} to {max}")),
            },
            (Self::Map, Value::Object(map)) if is_small(map) => {}
            (Self::Map, Value::Object(_)) => faults.add(place, format!("has more than {FREE_BYTES_MAX} bytes")),
            (Self::Map, _) => faults.add(place, "is not an object"),
            (Self::List { of, min, max }, Value::Array(items)) => {
                if !(*min..=*max).contains(&items.len()) {
                    return faults.add(place, format!("has {} items; it takes {min} to {max}", items.len()));
                }
                for (n, item) in items.iter().enumerate() {
                    of.check(item, &within(place, n), faults);
                }
            }
            (Self::List { .. }, _) => faults.add(place, "is not a list"),
            (Self::Object(object), Value::Object(map)) => object.check(map, place, faults),
            (Self::Object(_), _) => faults.add(place, "is not an object"),
        }
    }

    /// As JSON Schema of OpenAPI 3.1. Named objects go into `components` and are referred to.
    pub fn document(&self, components: &mut Map<String, Value>, closed: bool) -> Value {
        match self {
            Self::Text { min, max } => json!({ "type": "string", "minLength": min, "maxLength": max }),
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
            Self::Map => json!({ "type": "object", "additionalProperties": true }),
            Self::Any => json!({}),
            Self::List { of, min, max } => {
                json!({ "type": "array", "items": of.document(components, closed), "minItems": min, "maxItems": max })
            }
            Self::Object(object) => object.document(components, closed),
            Self::Null(shape) => json!({ "anyOf": [shape.document(components, closed), { "type": "null" }] }),
        }
    }
}

fn check_text(text: &str, min: usize, max: usize, place: &str, faults: &mut Faults) {
    if text.contains('\0') {
        faults.add(place, "holds U+0000; leave it out");
    } else if !(min..=max).contains(&text.chars().count()) {
        faults.add(place, format!("has {} characters; it takes {min} to {max}", text.chars().count()));
    }
}

fn is_small(map: &Map<String, Value>) -> bool {
    serde_json::to_vec(map).is_ok_and(|bytes| bytes.len() <= FREE_BYTES_MAX)
}

impl Object {
    /// Notes every field that is missing, wrong or not known.
    pub fn check(&self, map: &Map<String, Value>, place: &str, faults: &mut Faults) {
        for field in self.fields {
            match map.get(field.name) {
                Some(value) => field.shape.check(value, &within(place, field.name), faults),
                None if field.needed => faults.add(&within(place, field.name), "is missing"),
                None => {}
            }
        }
        for name in map.keys().filter(|name| self.fields.iter().all(|field| field.name != **name)) {
            // The name may be of any length: a fault names its beginning.
            let shown: String = name.chars().take(100).collect();
            faults.add(&within(place, shown), "is not a field of this request");
        }
    }

    /// The schema, or a reference to it where it has a name.
    pub fn document(&self, components: &mut Map<String, Value>, closed: bool) -> Value {
        if self.name.is_empty() {
            return self.inline(components, closed);
        }
        if !components.contains_key(self.name) {
            // Taken before it is filled, so that an object that holds itself ends.
            components.insert(self.name.to_owned(), Value::Null);
            let schema = self.inline(components, closed);
            components.insert(self.name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{}", self.name) })
    }

    fn inline(&self, components: &mut Map<String, Value>, closed: bool) -> Value {
        let mut properties = Map::new();
        for field in self.fields {
            let mut schema = field.shape.document(components, closed);
            if !field.about.is_empty() {
                schema["description"] = json!(field.about);
            }
            properties.insert(field.name.to_owned(), schema);
        }
        let needed: Vec<_> = self.fields.iter().filter(|field| field.needed).map(|field| field.name).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !needed.is_empty() {
            schema["required"] = json!(needed);
        }
        if closed {
            schema["additionalProperties"] = json!(false);
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Object = Object { name: "Inner", fields: &[need("n", Schema::Count { min: 1, max: 9 })] };
    static OUTER: Object = Object {
        name: "Outer",
        fields: &[
            need("slug", SLUG),
            may("kind", Schema::OneOf(&["A", "B"])),
            may("at", Schema::Null(&Schema::Time)),
            may("free", Schema::Map),
            may("inner", list(&Schema::Object(&INNER), 2)),
        ],
    };

    fn faults(value: Value) -> Vec<String> {
        let mut faults = Faults::default();
        Schema::Object(&OUTER).check(&value, "", &mut faults);
        faults.0.into_iter().map(|(_, sentence)| sentence).collect()
    }

    #[test]
    fn all_faults_of_a_request_are_told_with_their_place() {
        for (value, told) in [
            (json!({"slug": "a", "kind": "A", "at": null, "free": {"x": 1}, "inner": [{"n": 1}]}), &[][..]),
            (json!({"slug": "a", "at": "2026-11-24T10:00:00Z"}), &[]),
            (json!([]), &[" is not an object"]),
            (json!({}), &["slug is missing"]),
            (
                json!({"slug": "", "kind": "C", "at": "soon", "free": [], "inner": [{"n": 10}, {}]}),
                &[
                    "slug has 0 characters; it takes 1 to 100",
                    "kind is not one of: A, B",
                    "at is not an ISO 8601 time",
                    "free is not an object",
                    "inner.0.n is not a whole number from 1 to 9",
                    "inner.1.n is missing",
                ],
            ),
            (json!({"slug": "a\0"}), &["slug holds U+0000; leave it out"]),
            (json!({"slug": "a", "role": "owner"}), &["role is not a field of this request"]),
            (json!({"slug": "a", "inner": [1, 2, 3]}), &["inner has 3 items; it takes 0 to 2"]),
        ] {
            assert_eq!(faults(value.clone()), told, "{value}");
        }
    }

    #[test]
    fn a_flood_of_faults_is_told_in_part() {
        let many: Map<String, Value> = (0..10_000).map(|n| (format!("f{n}"), Value::Null)).collect();
        assert_eq!(faults(Value::Object(many)).len(), FAULTS_MAX);
    }

    #[test]
    fn a_named_object_is_a_component_and_requests_are_closed() {
        let mut components = Map::new();
        let schema = Schema::Object(&OUTER).document(&mut components, true);
        assert_eq!(schema, json!({ "$ref": "#/components/schemas/Outer" }));
        assert_eq!(components["Inner"]["additionalProperties"], false);
        assert_eq!(components["Outer"]["required"], json!(["slug"]));
    }
}
