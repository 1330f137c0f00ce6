//! Whether a rule's schema is a JSON Schema of draft 7, by its form.
//!
//! This is the draft's own meta-schema written as a table, and what the meta-schema can't say: that patterns compile, that
//! references lead somewhere, that nothing is nested without end. A validator would bring some 35 crates (big numbers, a
//! backtracking regex engine) for a question of form; the one that will look at events can be chosen for its speed.
//!
//! - A keyword that the draft does not know is passed over, as the draft says.
//! - A pattern is one that a regex engine of linear time takes: no look-around, no back-references. Segment has the same limit.
//! - A reference stays inside its schema. Nothing is ever fetched.

use crate::ControlError;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Schemas within one another.
const DEPTH_MAX: usize = 32;
/// Characters of one pattern.
const PATTERN_CHARS_MAX: usize = 1_000;
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
pub(crate) fn check(schema: &Value, place: &str) -> Result<(), ControlError> {
    match schema {
        Value::Object(_) => Walk { root: schema }.schema(schema, place, 0),
        _ => Err(ControlError::invalid(place, "is not a JSON object", "give a JSON Schema of draft 7")),
    }
}

struct Walk<'a> {
    root: &'a Value,
}

impl Walk<'_> {
    fn schema(&self, schema: &Value, place: &str, depth: usize) -> Result<(), ControlError> {
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
                self.keyword(form, value, &within(place, keyword), depth)?;
            }
        }
        Ok(())
    }

    fn keyword(&self, form: Form, value: &Value, place: &str, depth: usize) -> Result<(), ControlError> {
        match form {
            Form::Schema => self.schema(value, place, depth + 1),
            Form::SchemaOrSchemas if !value.is_array() => self.schema(value, place, depth + 1),
            Form::Schemas | Form::SchemaOrSchemas => {
                let schemas = value.as_array().filter(|schemas| !schemas.is_empty());
                let Some(schemas) = schemas else {
                    return refuse(place, "is not a list of schemas", "give at least one");
                };
                let number = |(n, schema)| self.schema(schema, &within(place, &n), depth + 1);
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
        value: &Value,
        place: &str,
        check: impl Fn(&Value, &str) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        let Some(named) = value.as_object() else {
            return refuse(place, "is not an object", "give a schema for each name");
        };
        named.iter().try_for_each(|(name, value)| check(value, &within(place, name)))
    }

    fn check_reference(&self, value: &Value, place: &str) -> Result<(), ControlError> {
        let mut at = value;
        for _ in 0..DEPTH_MAX {
            let Some(pointer) = at.as_str().and_then(|reference| reference.strip_prefix('#')) else {
                return refuse(
                    place,
                    "leads out of the rule",
                    "write the schema into `definitions`; nothing is fetched",
                );
            };
            match self.root.pointer(pointer) {
                // Beside a reference the draft passes over everything else.
                Some(Value::Object(to)) => match to.get("$ref") {
                    Some(next) => at = next,
                    None => return Ok(()),
                },
                Some(Value::Bool(_)) => return Ok(()),
                _ => {
                    return refuse(
                        place,
                        "leads nowhere",
                        "point at a schema of this rule, like `#/definitions/address`",
                    );
                }
            }
        }
        refuse(place, "leads in a circle", "let it end at a schema without `$ref`")
    }
}

fn check_pattern(pattern: &str, place: &str) -> Result<(), ControlError> {
    if pattern.chars().count() > PATTERN_CHARS_MAX {
        return refuse(place, "holds a pattern that is too long", "give at most 1,000 characters");
    }
    if regex_syntax::parse(pattern).is_err() {
        let mend = "write it without look-around and back-references; `not` says what must not match";
        return refuse(place, "holds no regular expression that can be matched in linear time", mend);
    }
    Ok(())
}

fn check_names(value: &Value, place: &str) -> Result<(), ControlError> {
    let mut seen = HashSet::new();
    let names = value.as_array();
    let good = names.is_some_and(|names| names.iter().all(|n| n.as_str().is_some_and(|name| seen.insert(name))));
    if good { Ok(()) } else { refuse(place, "is not a list of names", "give each name once, as a text") }
}

fn check_types(value: &Value, place: &str) -> Result<(), ControlError> {
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

fn expect(holds: bool, place: &str, what: &str) -> Result<(), ControlError> {
    if holds { Ok(()) } else { refuse(place, what, "see JSON Schema draft 7") }
}

fn refuse(place: &str, what: &str, mend: &str) -> Result<(), ControlError> {
    Err(ControlError::invalid(place, what, mend))
}

/// The place inside `place`; a name may be of any length, and a message shows its beginning.
fn within(place: &str, name: &impl ToString) -> String {
    let name: String = name.to_string().chars().take(100).collect();
    format!("{place}.{name}")
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
            (json!({"patternProperties": {"(": {}}}), "s.patternProperties"),
            (json!({"$ref": "https://example.com/s.json"}), "s.$ref"),
            (json!({"$ref": "file:///etc/passwd"}), "s.$ref"),
            (json!({"$ref": "#/definitions/none"}), "s.$ref"),
            (json!({"$ref": "#/title", "title": "t"}), "s.$ref"),
            (json!({"$ref": "#"}), "s.$ref"),
            (json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}), "s.$schema"),
            (deep, &format!("s{}", ".not".repeat(32))),
        ] {
            assert_eq!(place_of_fault(schema.clone()).as_deref(), Some(place), "{schema}");
        }
    }
}
