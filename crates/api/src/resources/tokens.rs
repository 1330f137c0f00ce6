//! API tokens of the workspace: shown once, never read back.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Object, Operation, PAGINATED, Schema, any_text, delete, get, list, may, need, post, text,
};
use crate::resources::permission::{GIVEN, HELD, given, held};
use domicile_control::{Change, Grants, NewToken, TokenRecord, View};
use domicile_event::{Stamp, parse_time};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::{Value, json};

const DESCRIPTION: Schema = any_text(1_000);
const TIME: Schema = Schema::Null(&Schema::Time);

static TOKEN: Object = Object {
    name: "Token",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("description", DESCRIPTION),
        need("permissions", HELD),
        need("createdBy", ID).about("`operator`, `user:ID` or `token:ID`."),
        need("createdAt", Schema::Time),
        need("expiresAt", TIME),
        need("lastUsedAt", TIME).about("To the minute."),
    ],
};
static MADE: Object = Object {
    name: "MadeToken",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("token", text(200)).about("Shown once: it is kept nowhere."),
        need("permissions", HELD),
        need("expiresAt", TIME),
    ],
};
static NEW: Object = Object {
    name: "NewToken",
    fields: &[
        need("name", NAME),
        may("description", DESCRIPTION),
        may("permissions", GIVEN).about("Those of an owner, when it is not given; never more than the caller has."),
        may("expiresAt", TIME)
            .about("Within a year; null for a token without an end. It never outlives the token that makes it."),
    ],
};
static MANY: Object = Object { name: "", fields: &[need("tokens", list(&Schema::Object(&TOKEN), 1_000)), PAGINATED] };
static ONE: Object = Object { name: "", fields: &[need("token", Schema::Object(&MADE))] };

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listTokens", "/tokens", "The tokens of the workspace, without themselves.")
        .paged()
        .data(&MANY)
        .view(list_tokens),
    post("createToken", "/tokens", "Makes a token, which ends with the one that makes it. The answer shows it once.")
        .body(&NEW)
        .per_minute(60)
        .created(&ONE)
        .change(create),
    delete("deleteToken", "/tokens/{tokenId}", "Ends a token at once, and those that it made.")
        .query(&[
            may("keepMade", Schema::Flag).about("Whether those that it made stay: to replace a token by one of them.")
        ])
        .per_minute(60)
        .change(delete_token),
];

fn list_tokens(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let page = view.tokens(workspace, &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let tokens: Vec<_> = page.rows.iter().map(|token| shown(workspace, token)).collect();
    Ok(json!({ "tokens": tokens, "pagination": pagination }).into())
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let grants = match ask.field("permissions") {
        None => Grants::owner(),
        given_ones => given(workspace, given_ones, "permissions")?,
    };
    let new = NewToken {
        name: ask.text("name").unwrap_or_default().to_owned(),
        description: ask.text("description").unwrap_or_default().to_owned(),
        grants,
        expires_at: ask.text("expiresAt").and_then(parse_time).map(Millis),
    };
    let made = change.create_token(workspace, &new, ask.caller.grants())?;
    let token = json!({
        "id": made.id,
        "name": new.name.trim(),
        "token": made.token,
        "permissions": held(workspace, &new.grants),
        "expiresAt": time(made.expires_at),
    });
    Ok(json!({ "token": token }).into())
}

fn delete_token(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (workspace, id) = (ask.caller.workspace(), ask.id("tokenId"));
    match ask.query_value("keepMade") == Some(&Value::Bool(true)) {
        true => change.revoke_token_alone(workspace, id)?,
        false => change.revoke_token(workspace, id)?,
    }
    Ok(Answer::success())
}

fn shown(workspace: &WorkspaceId, token: &TokenRecord) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "description": token.description,
        "permissions": held(workspace, &token.grants),
        "createdBy": token.created_by,
        "createdAt": time(Some(token.created_at)),
        "expiresAt": time(token.expires_at),
        "lastUsedAt": time(token.last_used_at),
    })
}

fn time(at: Option<Millis>) -> Value {
    at.map_or(Value::Null, |at| json!(Stamp::of(at.0).as_str()))
}
