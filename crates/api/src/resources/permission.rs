//! Permissions as Segment writes them: a role, and the resources that it is held for.
//!
//! `{"id": WORKSPACE, "type": "WORKSPACE"}` is everything; with `labels`, everything that carries all of them.

use crate::answer::ApiError;
use crate::contract::{ID, NAME, Object, Schema, list, may, need};
use crate::resources::labels::LABELS;
use domicile_control::{Area, Grant, Grants, Held, LabelValue, Role};
use domicile_workspace::WorkspaceId;
use serde_json::{Value, json};

const TYPE: Schema = Schema::OneOf(&["FUNCTION", "SOURCE", "SPACE", "WAREHOUSE", "WORKSPACE"]);

static RESOURCE: Object = Object {
    name: "PermissionResource",
    fields: &[
        need("id", ID),
        need("type", TYPE),
        may("labels", LABELS).about("With type `WORKSPACE`: whatever carries all of these."),
    ],
};
static TO_GIVE: Object = Object {
    name: "PermissionToGive",
    fields: &[
        need("roleId", ID).about("One of `GET /roles`."),
        may("resources", list(&Schema::Object(&RESOURCE), 1_000)).about("The whole workspace, when it is not given."),
        may("labels", LABELS).about("As `labels` of a resource of type `WORKSPACE`."),
    ],
};
static PERMISSION: Object = Object {
    name: "Permission",
    fields: &[need("roleId", ID), need("roleName", NAME), need("resources", list(&Schema::Object(&RESOURCE), 1_000))],
};

const ONE_TO_GIVE: Schema = Schema::Object(&TO_GIVE);
const ONE_HELD: Schema = Schema::Object(&PERMISSION);
/// Permissions in a request.
pub(crate) const GIVEN: Schema = list(&ONE_TO_GIVE, 50);
/// Permissions in an answer.
pub(crate) const HELD: Schema = list(&ONE_HELD, 50);

/// Reads permissions that have the shape of [`GIVEN`]. `place`: of the list, for errors.
pub(crate) fn given(workspace: &WorkspaceId, list: Option<&Value>, place: &str) -> Result<Grants, ApiError> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let grants = list.iter().enumerate().map(|(n, permission)| {
        let place = format!("{place}.{n}");
        let role = permission["roleId"].as_str().and_then(Role::with_id).ok_or_else(|| {
            let place = format!("{place}.roleId");
            let message = format!("{place} is no role; `GET /roles` lists them");
            ApiError::invalid(place, message)
        })?;
        let mut held = Vec::new();
        let labels = labels(&permission["labels"]);
        let resources = permission["resources"].as_array();
        for (n, resource) in resources.into_iter().flatten().enumerate() {
            held.push(one(workspace, role, resource, &format!("{place}.resources.{n}"))?);
        }
        match (resources, labels.is_empty()) {
            (_, false) => held.push(Held::Labels { labels }),
            (None, true) => held.push(Held::Workspace),
            (Some(_), true) => {}
        }
        Ok(Grant { role, held })
    });
    grants.collect::<Result<_, _>>().map(Grants)
}

fn one(workspace: &WorkspaceId, role: Role, resource: &Value, place: &str) -> Result<Held, ApiError> {
    let (id, kind) = (resource["id"].as_str().unwrap_or_default(), resource["type"].as_str().unwrap_or_default());
    let labels = labels(&resource["labels"]);
    let refuse = |field: &str, what: &str| {
        let place = format!("{place}.{field}");
        let message = format!("{place} {what}");
        Err(ApiError::invalid(place, message))
    };
    if kind == "WORKSPACE" {
        return match (id == workspace.as_str(), labels.is_empty()) {
            (false, _) => refuse("id", "is not the workspace of the token"),
            (true, true) => Ok(Held::Workspace),
            (true, false) => Ok(Held::Labels { labels }),
        };
    }
    if !labels.is_empty() {
        return refuse("labels", "stand with the type `WORKSPACE` only");
    }
    if word(role) != kind {
        return refuse("type", &format!("is not what the role {} is about", role.name()));
    }
    Ok(Held::One { id: id.to_owned() })
}

fn labels(list: &Value) -> Vec<LabelValue> {
    let text = |label: &Value, name: &str| label[name].as_str().unwrap_or_default().to_owned();
    let labels = list.as_array().into_iter().flatten();
    labels.map(|label| LabelValue { key: text(label, "key"), value: text(label, "value") }).collect()
}

/// Segment's word for the things that a role can be held for one by one.
fn word(role: Role) -> &'static str {
    match role.area() {
        Some(Area::Source) => "SOURCE",
        Some(Area::Function) => "FUNCTION",
        Some(Area::Warehouse) => "WAREHOUSE",
        _ => "WORKSPACE",
    }
}

/// Permissions for an answer.
pub(crate) fn held(workspace: &WorkspaceId, grants: &Grants) -> Value {
    let resource = |role: Role, held: &Held| match held {
        Held::Workspace => json!({ "id": workspace.as_str(), "type": "WORKSPACE" }),
        Held::One { id } => json!({ "id": id, "type": word(role) }),
        Held::Labels { labels } => json!({ "id": workspace.as_str(), "type": "WORKSPACE", "labels": labels }),
    };
    let permission = |grant: &Grant| {
        let resources: Vec<_> = grant.held.iter().map(|held| resource(grant.role, held)).collect();
        json!({ "roleId": grant.role.id(), "roleName": grant.role.name(), "resources": resources })
    };
    grants.0.iter().map(permission).collect()
}
