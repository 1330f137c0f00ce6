//! Whether a rule's schema is a JSON Schema of draft 7, by its form.
//!
//! This is the draft's own meta-schema written as a table, and what the meta-schema can't say: that patterns are well formed, that
//! references lead somewhere, that nothing is nested without end. A validator would bring some 35 crates (big numbers, a
//! backtracking regex engine) for a question of form; the one that will look at events can be chosen for its speed.
//!
//! - A keyword that the draft does not know is passed over, as the draft says.
//! - A pattern is one that a regex engine of linear time takes: no look-around, no back-references. Segment has the same limit.
//! - The work goes with the length of the schema, whatever it holds: who sends one holds up no other change.
//! - A reference stays inside its schema. Nothing is ever fetched.

use crate::ControlError;
use regex_syntax::ast::ErrorKind;
use regex_syntax::ast::parse::ParserBuilder;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Schemas within one another.
const DEPTH_MAX: usize = 32;
/// Bytes of one pattern, and groups and classes within one another in it.
const PATTERN_BYTES_MAX: usize = 1_000;
const PATTERN_NEST_MAX: u32 = 32;
/// Bytes of one reference.
const REFERENCE_BYTES_MAX: usize = 1_000;
const DRAFT: &str = "http://json-schema.org/draft-07/schema";
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// What the value of a keyword has to be.
#[derive(Clone, Copy)]
enum Form {
    Schema,
    /// One or more schemas.
    Schemas,
    /// A schema, or one or more of them.
    SchemaOrSchemas,
    /// Schemas by name.
    Named,
    /// Schemas by a pattern of names.
    ByPattern,
    /// By name: a schema, or the names of other fields.
    Dependencies,
    Text,
    Pattern,
    /// Texts, each once.
    Names,
    /// A type's name, or one or more of them.
    Types,
    Flag,
    Number,
    /// A number above 0.
    Step,
    /// A whole number from 0 on.
    Count,
    List,
    Reference,
    Draft,
}

fn form(keyword: &str) -> Option<Form> {
    Some(match keyword {
        "additionalItems" | "additionalProperties" | "contains" | "propertyNames" | "if" | "then" | "else" | "not" => {
            Form::Schema
        }
        "allOf" | "anyOf" | "oneOf" => Form::Schemas,
        "items" => Form::SchemaOrSchemas,
        "properties" | "definitions" => Form::Named,
        "patternProperties" => Form::ByPattern,
        "dependencies" => Form::Dependencies,
        "$id" | "$comment" | "title" | "description" | "format" | "contentMediaType" | "contentEncoding" => Form::Text,
        "pattern" => Form::Pattern,
        "required" => Form::Names,
        "type" => Form::Types,
        "uniqueItems" | "readOnly" => Form::Flag,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => Form::Number,
        "multipleOf" => Form::Step,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => Form::Count,
        "enum" | "examples" => Form::List,
        "$ref" => Form::Reference,
        "$schema" => Form::Draft,
        _ => return None,
    })
}

/// Refuses what is no schema. `place`: the field that holds it.
///
/// # Errors
/// `Invalid` with the place of the first fault: `rules.3.jsonSchema.properties.plan.type`.
pub(crate) fn check(schema: &Value, field: &str) -> Result<(), ControlError> {
    let place = Place::Field(field);
    match schema {
        Value::Object(_) => Walk { root: schema, hops: RefCell::default() }.schema(schema, &place, 0),
        _ => refuse(&place, "is not a JSON object", "give a JSON Schema of draft 7"),
    }
}

struct Walk<'a> {
    root: &'a Value,
    /// References that lead somewhere, and how many lie between them and a schema. Each is followed once: a schema may refer
    /// to one place from very many.
    hops: RefCell<HashMap<&'a str, usize>>,
}

impl<'a> Walk<'a> {
    fn schema(&self, schema: &'a Value, place: &Place<'_>, depth: usize) -> Result<(), ControlError> {
        let keywords = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(keywords) => keywords,
            _ => return refuse(place, "is not a schema", "give an object, true or false"),
        };
        if depth == DEPTH_MAX {
            return refuse(place, "is nested too deep", "nest at most 32 schemas, or use `definitions` and `$ref`");
        }
        for (keyword, value) in keywords {
            if let Some(form) = form(keyword) {
                self.keyword(form, value, &Place::Name(place, keyword), depth)?;
            }
        }
        Ok(())
    }

    fn keyword(&self, form: Form, value: &'a Value, place: &Place<'_>, depth: usize) -> Result<(), ControlError> {
        match form {
            Form::Schema => self.schema(value, place, depth + 1),
            Form::SchemaOrSchemas if !value.is_array() => self.schema(value, place, depth + 1),
            Form::Schemas | Form::SchemaOrSchemas => {
                let schemas = value.as_array().filter(|schemas| !schemas.is_empty());
                let Some(schemas) = schemas else {
                    return refuse(place, "is not a list of schemas", "give at least one");
                };
                let number = |(n, schema)| self.schema(schema, &Place::Number(place, n), depth + 1);
                schemas.iter().enumerate().try_for_each(number)
            }
            Form::Named => self.named(value, place, |schema, place| self.schema(schema, place, depth + 1)),
            Form::ByPattern => {
                let patterns = value.as_object().into_iter().flat_map(Map::keys);
                patterns.into_iter().try_for_each(|pattern| check_pattern(pattern, place))?;
                self.named(value, place, |schema, place| self.schema(schema, place, depth + 1))
            }
            Form::Dependencies => self.named(value, place, |value, place| {
                if value.is_array() { check_names(value, place) } else { self.schema(value, place, depth + 1) }
            }),
            Form::Pattern => match value {
                Value::String(pattern) => check_pattern(pattern, place),
                _ => refuse(place, "is not a text", "give a regular expression as a JSON string"),
            },
            Form::Names => check_names(value, place),
            Form::Types => check_types(value, place),
            Form::Reference => self.check_reference(value, place),
            Form::Draft => match value.as_str().map(|draft| draft.trim_end_matches('#')) {
                Some(DRAFT) => Ok(()),
                _ => refuse(
                    place,
                    "names another draft",
                    "leave it out, or write `http://json-schema.org/draft-07/schema#`",
                ),
            },
            Form::Text => expect(value.is_string(), place, "is not a text"),
            Form::Flag => expect(value.is_boolean(), place, "is neither true nor false"),
            Form::List => expect(value.is_array(), place, "is not a list"),
            Form::Number => expect(value.is_number(), place, "is not a number"),
            Form::Step => expect(value.as_f64().is_some_and(|step| step > 0.0), place, "is not a number above 0"),
            Form::Count => {
                // The draft takes 2.0 for 2.
                let is_count = value.as_f64().is_some_and(|count| count >= 0.0 && count.fract() == 0.0);
                expect(is_count, place, "is not a whole number from 0 on")
            }
        }
    }

    fn named(
        &self,
        value: &'a Value,
        place: &Place<'_>,
        check: impl Fn(&'a Value, &Place<'_>) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        let Some(named) = value.as_object() else {
            return refuse(place, "is not an object", "give a schema for each name");
        };
        named.iter().try_for_each(|(name, value)| check(value, &Place::Name(place, name)))
    }

    fn check_reference(&self, value: &'a Value, place: &Place<'_>) -> Result<(), ControlError> {
        let (mut at, mut way) = (value, Vec::new());
        let mut hops = self.hops.borrow_mut();
        let mut left = loop {
            let Some(pointer) = at.as_str().and_then(|reference| reference.strip_prefix('#')) else {
                return refuse(
                    place,
                    "leads out of the rule",
                    "write the schema into `definitions`; nothing is fetched",
                );
            };
            if pointer.len() > REFERENCE_BYTES_MAX {
                return refuse(place, "is too long", "give at most 1,000 bytes");
            }
            if let Some(known) = hops.get(pointer) {
                break known + 1;
            }
            way.push(pointer);
            match self.root.pointer(pointer) {
                _ if way.len() > DEPTH_MAX => {
                    return refuse(place, "leads in a circle", "let it end at a schema without `$ref`");
                }
                // Beside a reference the draft passes over everything else.
                Some(Value::Object(to)) => match to.get("$ref") {
                    Some(next) => at = next,
                    None => break 0,
                },
                Some(Value::Bool(_)) => break 0,
                _ => {
                    return refuse(
                        place,
                        "leads nowhere",
                        "point at a schema of this rule, like `#/definitions/address`",
                    );
                }
            }
        };
        for pointer in way.into_iter().rev() {
            hops.insert(pointer, left);
            left += 1;
        }
        if left > DEPTH_MAX {
            return refuse(place, "leads over too many others", "let it point at the schema itself");
        }
        Ok(())
    }
}

/// Looks at the pattern's grammar only, in a time that its length bounds: what a class stands for is never worked out, because
/// a few bytes can stand for all of Unicode in upper and lower case. So a class that does not exist (`\p{Nothing}`) is found
/// by whoever compiles the pattern.
fn check_pattern(pattern: &str, place: &Place<'_>) -> Result<(), ControlError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return refuse(place, "holds a pattern that is too long", "give at most 1,000 bytes");
    }
    let parsed = ParserBuilder::new().nest_limit(PATTERN_NEST_MAX).build().parse(pattern);
    match parsed.map_err(|error| error.kind().clone()) {
        Ok(_) => Ok(()),
        Err(ErrorKind::NestLimitExceeded(_)) => {
            refuse(place, "holds a pattern that is nested too deep", "nest groups and classes at most 32 times")
        }
        Err(_) => {
            let mend = "write it without look-around and back-references; `not` says what must not match";
            refuse(place, "holds no regular expression that can be matched in linear time", mend)
        }
    }
}

fn check_names(value: &Value, place: &Place<'_>) -> Result<(), ControlError> {
    let mut seen = HashSet::new();
    let names = value.as_array();
    let good = names.is_some_and(|names| names.iter().all(|n| n.as_str().is_some_and(|name| seen.insert(name))));
    if good { Ok(()) } else { refuse(place, "is not a list of names", "give each name once, as a text") }
}

fn check_types(value: &Value, place: &Place<'_>) -> Result<(), ControlError> {
    let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    let mut seen = HashSet::new();
    let good = match value {
        Value::Array(types) => !types.is_empty() && types.iter().all(|t| known(t) && seen.insert(t.as_str())),
        one => known(one),
    };
    if good {
        return Ok(());
    }
    refuse(place, "is no type", &format!("give one of {}, or a list of them", TYPES.join(", ")))
}

fn expect(holds: bool, place: &Place<'_>, what: &str) -> Result<(), ControlError> {
    if holds { Ok(()) } else { refuse(place, what, "see JSON Schema draft 7") }
}

fn refuse(place: &Place<'_>, what: &str, mend: &str) -> Result<(), ControlError> {
    Err(ControlError::invalid(place.to_string(), what, mend))
}

/// Where something stands. It is written out for a fault only: else each keyword would cost the whole way to it.
enum Place<'a> {
    Field(&'a str),
    Name(&'a Place<'a>, &'a str),
    Number(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field),
            // A name may be of any length, and a message shows its beginning.
            Self::Name(place, name) => write!(f, "{place}.{name:.100}"),
            Self::Number(place, number) => write!(f, "{place}.{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place_of_fault(schema: Value) -> Option<String> {
        match check(&schema, "s") {
            Ok(()) => None,
            Err(ControlError::Invalid { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn schemas_as_segment_writes_them_are_taken() {
        for schema in [
            json!({}),
            json!({
                "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "title": "Order Completed",
                "labels": {"priority": "high"}, "required": ["properties"],
                "properties": {
                    "context": {}, "traits": {},
                    "properties": {
                        "type": "object", "required": ["total"],
                        "properties": {
                            "total": {"type": ["number", "null"], "minimum": 0, "multipleOf": 0.01},
                            "coupon": {"type": "string", "pattern": "^[A-Z]{3}-\\d+$", "maxLength": 20.0},
                            "products": {"type": "array", "items": {"$ref": "#/definitions/product"}},
                        },
                    },
                },
                "definitions": {"product": {"type": "object", "dependencies": {"price": ["currency"], "size": {}}}},
            }),
            json!({"anyOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}], "not": {"enum": [1, null]}}),
            json!({"items": [true, {"const": 5}], "patternProperties": {"^utm_": {"type": "string"}}}),
            json!({"properties": {"$ref": {"type": "string"}}, "$id": "order", "definitions": {"self": {"$ref": "#"}}}),
        ] {
            assert_eq!(place_of_fault(schema.clone()), None, "{schema}");
        }
    }

    /// A reference over `hops` others to a schema.
    fn chain(hops: usize) -> Value {
        let name = |n: usize| format!("d{n:02}");
        let to = |n: usize| json!({ "$ref": format!("#/definitions/{}", name(n)) });
        let mut definitions: Map<String, Value> = (0..hops).map(|n| (name(n), to(n + 1))).collect();
        definitions.insert(name(hops), json!({}));
        json!({ "$ref": "#/definitions/d00", "definitions": definitions })
    }

    #[test]
    fn references_over_references_are_followed_as_far_whatever_was_followed_before() {
        assert_eq!(place_of_fault(chain(31)), None);
        let mut backwards = chain(33);
        backwards.as_object_mut().expect("an object").remove("$ref");
        // The definitions are looked at in the order of their names, the longest way first.
        assert_eq!(place_of_fault(backwards.clone()).as_deref(), Some("s.definitions.d00.$ref"));
        let reference = |n: usize| json!({ "$ref": format!("#/definitions/d{n:02}") });
        backwards["allOf"] = json!([reference(20), reference(3)]);
        assert_eq!(place_of_fault(backwards).as_deref(), Some("s.definitions.d00.$ref"));
        let circle =
            json!({ "definitions": { "a": { "$ref": "#/definitions/b" }, "b": { "$ref": "#/definitions/a" } } });
        assert_eq!(place_of_fault(circle).as_deref(), Some("s.definitions.a.$ref"));
    }

    #[test]
    fn a_schema_costs_its_length_wherever_it_refers_to_from_however_many_places() {
        // Names of 900 bytes at each of 30 levels, and a long way from each of very many references.
        let long = |n: usize| format!("{n:02}{}", "x".repeat(900));
        let definitions: Map<String, Value> = (0..30)
            .map(|n| (long(n), json!({ "$ref": format!("#/definitions/{}", long(n + 1)) })))
            .chain([(long(30), json!({}))])
            .collect();
        let references: Vec<Value> = (0..40_000).map(|_| json!({ "$ref": "#/definitions/a" })).collect();
        let deep = (0..28).fold(json!({ "allOf": references }), |inner, n| json!({ "properties": { long(n): inner } }));
        let mut schema = json!({ "definitions": definitions, "not": deep });
        schema["definitions"]["a"] = json!({ "$ref": format!("#/definitions/{}", long(0)) });
        let begin = std::time::Instant::now();
        assert_eq!(place_of_fault(schema), None);
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    }

    #[test]
    fn what_is_no_schema_is_refused_at_its_place() {
        let deep = (0..40).fold(json!({}), |inner, _| json!({ "not": inner }));
        for (schema, place) in [
            (json!(null), "s"),
            (json!("string"), "s"),
            (json!(true), "s"),
            (json!({"type": "text"}), "s.type"),
            (json!({"type": []}), "s.type"),
            (json!({"type": ["string", "string"]}), "s.type"),
            (json!({"properties": ["a"]}), "s.properties"),
            (json!({"properties": {"a": {"properties": {"b": 1}}}}), "s.properties.a.properties.b"),
            (json!({"required": "a"}), "s.required"),
            (json!({"required": ["a", "a"]}), "s.required"),
            (json!({"items": []}), "s.items"),
            (json!({"items": [{}, 1]}), "s.items.1"),
            (json!({"allOf": {}}), "s.allOf"),
            (json!({"enum": "a"}), "s.enum"),
            (json!({"minLength": -1}), "s.minLength"),
            (json!({"minItems": 1.5}), "s.minItems"),
            (json!({"minimum": "1"}), "s.minimum"),
            (json!({"exclusiveMinimum": true}), "s.exclusiveMinimum"),
            (json!({"multipleOf": 0}), "s.multipleOf"),
            (json!({"uniqueItems": "yes"}), "s.uniqueItems"),
            (json!({"format": 1}), "s.format"),
            (json!({"pattern": "a(?!b)"}), "s.pattern"),
            (json!({"pattern": "(a)\\1"}), "s.pattern"),
            (json!({"pattern": "("}), "s.pattern"),
            (json!({"pattern": "a".repeat(1_001)}), "s.pattern"),
            (json!({"pattern": "é".repeat(501)}), "s.pattern"),
            (json!({"pattern": format!("{}a{}", "(".repeat(33), ")".repeat(33))}), "s.pattern"),
            (json!({"patternProperties": {"(": {}}}), "s.patternProperties"),
            (json!({"$ref": "https://example.com/s.json"}), "s.$ref"),
            (json!({"$ref": "file:///etc/passwd"}), "s.$ref"),
            (json!({"$ref": "#/definitions/none"}), "s.$ref"),
            (json!({"$ref": "#/title", "title": "t"}), "s.$ref"),
            (json!({"$ref": "#"}), "s.$ref"),
            (json!({"$ref": format!("#/{}", "a".repeat(1_000))}), "s.$ref"),
            (chain(33), "s.$ref"),
            (json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}), "s.$schema"),
            (deep, &format!("s{}", ".not".repeat(32))),
        ] {
            assert_eq!(place_of_fault(schema.clone()).as_deref(), Some(place), "{schema}");
        }
    }
}
