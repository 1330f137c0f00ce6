//! Workspaces: the caller's own, and new ones. A workspace's region is chosen once.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Operation, PAGINATED, SLUG, Schema, get, list, may, need, patch, post, text,
};
use domicile_control::{Change, Grants, NewToken, NewWorkspace, View, WorkspaceRecord};
use domicile_region::RegionId;
use domicile_workspace::WorkspaceId;
use serde_json::{Value, json};

const PLAN: Schema = SLUG;

static WORKSPACE: Object = Object {
    name: "Workspace",
    fields: &[
        need("id", ID),
        need("slug", SLUG),
        need("name", NAME),
        need("region", ID).about("The data processing region, for good."),
        need("plan", PLAN),
        need("accountId", ID),
    ],
};
static NEW_WORKSPACE: Object = Object {
    name: "NewWorkspace",
    fields: &[
        need("name", NAME),
        need("slug", SLUG).about("Unique in the cell."),
        may("region", ID).about(
            "The data processing region. It can never be changed. This cell makes workspaces of its own region only; \
             when it is not given, the topology's default region is meant.",
        ),
        may("plan", PLAN).about("At most the account's; the account's when it is not given."),
    ],
};
static WORKSPACE_CHANGE: Object = Object {
    name: "WorkspaceChange",
    fields: &[
        may("name", NAME),
        may("region", Schema::Any).about("Always refused: the region of a workspace never changes."),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("workspace", Schema::Object(&WORKSPACE))] };
pub(crate) static FIRST_TOKEN: Object =
    Object { name: "FirstToken", fields: &[need("id", ID), need("token", text(200))] };
static MADE: Object = Object {
    name: "",
    fields: &[
        need("workspace", Schema::Object(&WORKSPACE)),
        need("token", Schema::Object(&FIRST_TOKEN)).about(
            "An owner's token of the new workspace, without an end: it outlives the caller's. It is shown only here.",
        ),
    ],
};
static MANY: Object =
    Object { name: "", fields: &[need("workspaces", list(&Schema::Object(&WORKSPACE), 1_000)), PAGINATED] };

pub(crate) static OPERATIONS: &[Operation] = &[
    get("getWorkspace", "/", "The workspace that the token belongs to.").needs(&[Needs::Token]).data(&ONE).view(own),
    get("listWorkspaces", "/workspaces", "The workspaces that the token may see: its own.")
        .needs(&[Needs::Token])
        .paged()
        .data(&MANY)
        .view(list_workspaces),
    post("createWorkspace", "/workspaces", "Makes a workspace in this cell's region, for the caller's account.")
        .body(&NEW_WORKSPACE)
        .created(&MADE)
        .change(create),
    get("getWorkspaceById", "/workspaces/{workspaceId}", "One workspace.")
        .needs(&[Needs::Token])
        .data(&ONE)
        .view(get_workspace),
    patch("updateWorkspace", "/workspaces/{workspaceId}", "Gives a workspace another name. Its region never changes.")
        .body(&WORKSPACE_CHANGE)
        .data(&ONE)
        .guarded()
        .change(update),
];

fn own(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(cell, view.workspace(ask.caller.workspace())?)
}

fn list_workspaces(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (page, pagination) = ask.page.of(vec![view.workspace(ask.caller.workspace())?]);
    let workspaces: Vec<_> = page.iter().map(|workspace| shown(cell, workspace)).collect();
    Ok(Answer::of(json!({ "workspaces": workspaces, "pagination": pagination })))
}

/// The workspace of the path, which has to be the caller's.
fn asked(ask: &Ask) -> Result<&WorkspaceId, ApiError> {
    let own = ask.caller.workspace();
    if own.as_str() == ask.id("workspaceId") { Ok(own) } else { Err(domicile_control::Resource::Workspace.into()) }
}

fn get_workspace(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(cell, view.workspace(asked(ask)?)?)
}

fn create(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let named = ask.text("region").map(RegionId::new);
    if named.is_none() && cell.topology.default_region != cell.region.id {
        let message = format!(
            "region is not given, and the default `{}` is another cell's; name `{}` to make it here, for good",
            cell.topology.default_region, cell.region.id
        );
        return Err(ApiError::invalid("region", message));
    }
    refuse_other_region(cell, &named.unwrap_or_else(|| cell.region.id.clone()))?;
    let own = change.workspace(ask.caller.workspace())?;
    let new = NewWorkspace {
        slug: ask.text("slug").unwrap_or_default().to_owned(),
        name: ask.text("name").unwrap_or_default().to_owned(),
        plan: ask.text("plan").map(str::to_owned),
    };
    let made = change.create_workspace(&own.account, &new)?;
    // A token is of one workspace: without owners nobody could ever come in.
    change.share_owners(&own.id, &made.id)?;
    let version = Some(made.version);
    let data = json!({ "workspace": shown(cell, &made), "token": first_token(change, &made.id)? });
    Ok(Answer { data, version })
}

/// An owner's token of a workspace that was just made: without one nobody could ask anything of it. It is the new
/// workspace's own: it has no end, and does not end with the token that made the workspace.
pub(crate) fn first_token(change: &mut Change<'_>, workspace: &WorkspaceId) -> Result<Value, ApiError> {
    let made = change.create_token(workspace, &NewToken::new("first"), &Grants::owner())?;
    Ok(json!({ "id": made.id, "token": made.token }))
}

/// A cell makes workspaces of its own region only, and says where the others are made.
fn refuse_other_region(cell: &Cell, region: &RegionId) -> Result<(), ApiError> {
    if *region == cell.region.id {
        return Ok(());
    }
    let known: Vec<&str> = cell.topology.regions.iter().map(|region| region.id.as_str()).collect();
    if !known.contains(&region.as_str()) {
        let message = format!("region is none of the topology's: {}", known.join(", "));
        return Err(ApiError::invalid("region", message));
    }
    let at = cell.addresses.cells.get(region).map_or_else(String::new, |url| format!(" at {url}/api"));
    let message = format!(
        "region is `{region}`, and this is the cell of `{}`: nothing about a workspace lives outside its region; \
         create it{at} with a token of that cell",
        cell.region.id
    );
    Err(ApiError::invalid("region", message))
}

fn update(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let id = asked(ask)?;
    if ask.field("region").is_some() {
        let message = "region of a workspace never changes; create a workspace in the other region and move the sources' keys there";
        return Err(ApiError::invalid("region", message));
    }
    let name = match ask.text("name") {
        Some(name) => name.to_owned(),
        None => change.workspace(id)?.name,
    };
    one(cell, change.rename_workspace(id, ask.if_version, &name)?)
}

fn one(cell: &Cell, workspace: WorkspaceRecord) -> Result<Answer, ApiError> {
    Ok(Answer::object("workspace", shown(cell, &workspace), workspace.version))
}

fn shown(cell: &Cell, workspace: &WorkspaceRecord) -> Value {
    json!({
        "id": workspace.id.as_str(),
        "slug": workspace.slug,
        "name": workspace.name,
        "region": cell.region.id.as_str(),
        "plan": workspace.plan,
        "accountId": workspace.account,
    })
}
