//! The OpenAPI document, written from the table of operations.

use super::operation::{Answered, Group, Needs, Operation, PAGE_FIELDS, Verb};
use super::schema::{Field, Schema};
use serde_json::{Map, Value, json};

/// The refusals that any operation may give, and why.
const REFUSALS: [(&str, &str); 11] = [
    ("400", "The request is no HTTP or JSON that can be read."),
    ("401", "No token, or one that this cell does not know."),
    ("403", "The token's roles do not allow it."),
    ("404", "There is no such thing in the token's workspace."),
    ("409", "It does not fit what is there."),
    ("412", "`If-Match` names an older version."),
    ("413", "The body is too large."),
    ("415", "The body is not `application/json`."),
    ("422", "A field or parameter is wrong; `field` says which."),
    ("429", "Too many requests of this token; wait as `Retry-After` says."),
    ("503", "It can't be stored now; try again as `Retry-After` says."),
];

/// What the HTTP layer refuses before anything of a request is looked at: these answers have no body.
const REFUSED_UNREAD: [(&str, &str); 2] =
    [("414", "The address is too long."), ("431", "Address and headers are too large together.")];

/// The whole document. `server`: the cell's address with `/api`.
pub(crate) fn document(groups: impl Iterator<Item = &'static Group>, server: &str) -> Value {
    let mut components = Map::new();
    components.insert("Errors".to_owned(), errors());
    let mut paths: Map<String, Value> = Map::new();
    for group in groups {
        for operation in group.operations {
            let item = paths.entry(operation.path.to_owned()).or_insert_with(|| json!({}));
            item[operation.verb.word()] = entry(operation, group.name, &mut components);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Domicile Public API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One cell's API: the workspaces of one region. Segment's paths and shapes, and what Segment lacks.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": server }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn errors() -> Value {
    json!({
        "type": "object",
        "required": ["errors"],
        "properties": { "errors": { "type": "array", "minItems": 1, "items": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": { "type": "string" },
                "message": { "type": "string", "description": "What is wrong, and how to mend it." },
                "field": { "type": "string" },
                "status": { "type": "integer" },
                "data": {},
            },
        } } },
    })
}

fn entry(operation: &Operation, group: &str, components: &mut Map<String, Value>) -> Value {
    let mut entry = json!({
        "operationId": operation.id,
        "tags": [group],
        "summary": operation.about,
        "parameters": parameters(operation, components),
        "responses": responses(operation, components),
        "x-needs": operation.needs.iter().map(needs_word).collect::<Vec<_>>(),
    });
    if let Some(body) = operation.body {
        let schema = body.document(components, true);
        let all_optional = body.fields.iter().all(|field| !field.needed);
        entry["requestBody"] =
            json!({ "required": !all_optional, "content": { "application/json": { "schema": schema } } });
    }
    if matches!(operation.answer, Answered::Document) {
        // The document itself says nothing about any workspace.
        entry["security"] = json!([]);
        entry["x-needs"] = json!([]);
    }
    entry
}

fn needs_word(needs: &Needs) -> String {
    match needs {
        Needs::Token => "token".to_owned(),
        Needs::Owner => "owner".to_owned(),
        Needs::Operator => "operator".to_owned(),
        Needs::OrOperator(needs) => format!("{} or operator", needs_word(needs)),
        Needs::Role(area, level, _) => format!("{}:{}", area.word(), level.word()),
    }
}

fn parameters(operation: &Operation, components: &mut Map<String, Value>) -> Value {
    let mut all: Vec<Value> = operation
        .path_parameters()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }))
        .collect();
    let query = |field: &Field, components: &mut Map<String, Value>| {
        let mut parameter = json!({
            "name": field.name, "in": "query", "required": field.needed, "schema": field.shape.document(components, true),
        });
        if !field.about.is_empty() {
            parameter["description"] = json!(field.about);
        }
        parameter
    };
    for field in operation.query {
        all.push(query(field, components));
    }
    if operation.paged {
        let properties: Map<String, Value> = PAGE_FIELDS
            .iter()
            .map(|field| {
                let mut schema = field.shape.document(components, true);
                schema["description"] = json!(field.about);
                (field.name.to_owned(), schema)
            })
            .collect();
        all.push(json!({
            "name": "pagination", "in": "query", "required": false, "style": "deepObject", "explode": true,
            "schema": { "type": "object", "properties": properties, "additionalProperties": false },
        }));
    }
    if operation.verb == Verb::Post {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same key and request within 24 hours is done once, and answered the same.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    if operation.guarded {
        all.push(json!({
            "name": "If-Match", "in": "header", "required": false,
            "description": "The `ETag` of the version that the change is meant for.",
            "schema": { "type": "string", "pattern": "^(\\*|\"[0-9]{1,18}\")$" },
        }));
    }
    Value::Array(all)
}

fn responses(operation: &Operation, components: &mut Map<String, Value>) -> Value {
    let mut all = Map::new();
    let good = match &operation.answer {
        Answered::Events => {
            json!({ "description": "A stream of events.", "content": { "text/event-stream": { "schema": { "type": "string" } } } })
        }
        Answered::Document => {
            json!({ "description": "This document.", "content": { "application/json": { "schema": { "type": "object" } } } })
        }
        answer => {
            let data = answer.data().map_or(json!({}), |object| Schema::Object(object).document(components, false));
            let schema = json!({ "type": "object", "required": ["data"], "properties": { "data": data } });
            json!({ "description": "Done.", "content": { "application/json": { "schema": schema } } })
        }
    };
    all.insert(operation.answer.status().as_str().to_owned(), good);
    for (status, why) in REFUSALS {
        let schema = json!({ "$ref": "#/components/schemas/Errors" });
        all.insert(
            status.to_owned(),
            json!({ "description": why, "content": { "application/json": { "schema": schema } } }),
        );
    }
    for (status, why) in REFUSED_UNREAD {
        all.insert(status.to_owned(), json!({ "description": why }));
    }
    Value::Object(all)
}
