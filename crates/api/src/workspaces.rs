//! The caller's workspace.

use crate::answer::{ApiError, data};
use crate::ask::{Body, Caller, Id, Query};
use crate::cell::Cell;
use crate::page::PageAsk;
use crate::shape;
use axum::Json;
use axum::extract::State;
use domicile_control::Resource;
use domicile_workspace::{Workspace, WorkspaceId};
use serde_json::{Value, json};
use std::sync::Arc;

type Answer = Result<Json<Value>, ApiError>;

fn find(cell: &Cell, id: &WorkspaceId) -> Result<Arc<Workspace>, ApiError> {
    cell.control.current().load().workspace(id).cloned().ok_or_else(|| Resource::Workspace.into())
}

/// `GET /`: which workspace the token belongs to.
pub(crate) async fn own(State(cell): State<Arc<Cell>>, caller: Caller, query: Query) -> Answer {
    query.done()?;
    Ok(data(json!({ "workspace": shape::workspace(&*find(&cell, caller.workspace())?) })))
}

/// `GET /workspaces`: those that the token may see: its own.
pub(crate) async fn list(State(cell): State<Arc<Cell>>, caller: Caller, mut query: Query) -> Answer {
    let ask = PageAsk::read(&mut query)?;
    query.done()?;
    let (page, pagination) =
        ask.of(vec![find(&cell, caller.workspace())?], |workspace| format!("{:010}", workspace.number.0));
    let workspaces: Vec<_> = page.iter().map(|workspace| shape::workspace(workspace)).collect();
    Ok(data(json!({ "workspaces": workspaces, "pagination": pagination })))
}

/// `GET /workspaces/{id}`.
pub(crate) async fn get(State(cell): State<Arc<Cell>>, caller: Caller, Id(id): Id, query: Query) -> Answer {
    query.done()?;
    let own = find(&cell, caller.workspace())?;
    if own.id.as_str() != id {
        return Err(Resource::Workspace.into());
    }
    Ok(data(json!({ "workspace": shape::workspace(&own) })))
}

/// `PATCH /workspaces/{id}`: its name. Its region never.
pub(crate) async fn update(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
    Body(mut fields): Body,
) -> Answer {
    query.done()?;
    if caller.workspace().as_str() != id {
        return Err(Resource::Workspace.into());
    }
    let name = fields.text("name");
    fields.refuse("region", "of a workspace never changes; `domicile move` makes its successor in another region");
    fields.done()?;
    let updated = match name {
        None => find(&cell, caller.workspace())?,
        Some(name) => {
            let rename =
                move |cell: &Cell| Ok(cell.control.rename_workspace(&caller.actor(), caller.workspace(), &name)?);
            cell.blocking(rename).await?
        }
    };
    Ok(data(json!({ "workspace": shape::workspace(&updated) })))
}
