//! Changes of one step, each a transaction of its own, for callers that compose nothing. They give what the pipeline sees.

use crate::account::NewAccount;
use crate::audit::{Actor, AuditEntry, AuditFilter};
use crate::destination::{DestinationChange, NewDestination};
use crate::page::Page;
use crate::role::Grants;
use crate::scope::Scope;
use crate::source::{NewSource, SourceChange, SourceName};
use crate::token::{MadeToken, NewToken};
use crate::workspace::NewWorkspace;
use crate::{ControlError, Resource, Store};
use domicile_workspace::{Destination, DestinationId, Source, SourceId, Workspace, WorkspaceId};
use std::sync::Arc;

impl Store {
    /// Makes a workspace of an account of its own, which is entitled to this region.
    pub fn create_workspace(&self, by: &Actor, slug: &str, name: &str) -> Result<Arc<Workspace>, ControlError> {
        let id = self.change(by, |change| {
            let plan = change.region().plan.clone().unwrap_or_else(|| "free".to_owned());
            let account = change.create_account(&NewAccount { name: name.to_owned(), plan: plan.clone() })?;
            change.grant_entitlement(&account.id, &plan, "made by the operator")?;
            let new = NewWorkspace { slug: slug.to_owned(), name: name.to_owned(), plan: None };
            Ok::<_, ControlError>(change.create_workspace(&account.id, &new)?.id)
        })?;
        self.workspace_now(&id)
    }

    /// As [`Change::rename_workspace`](crate::Change::rename_workspace).
    pub fn rename_workspace(&self, by: &Actor, id: &WorkspaceId, name: &str) -> Result<Arc<Workspace>, ControlError> {
        self.change(by, |change| change.rename_workspace(id, None, name))?;
        self.workspace_now(id)
    }

    /// As [`Change::create_source`](crate::Change::create_source).
    pub fn create_source(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        new: &NewSource,
    ) -> Result<Arc<Source>, ControlError> {
        let made = self.change(by, |change| change.create_source(workspace, new))?;
        self.source_now(&made.id)
    }

    /// As [`Change::update_source`](crate::Change::update_source).
    pub fn update_source(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        to: &SourceChange,
    ) -> Result<Arc<Source>, ControlError> {
        self.change(by, |change| change.update_source(workspace, id, None, to))?;
        self.source_now(id)
    }

    /// As [`Change::delete_source`](crate::Change::delete_source).
    pub fn delete_source(&self, by: &Actor, workspace: &WorkspaceId, id: &SourceId) -> Result<(), ControlError> {
        self.change(by, |change| change.delete_source(workspace, id, None))
    }

    /// As [`Change::add_write_key`](crate::Change::add_write_key).
    pub fn add_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
    ) -> Result<Arc<Source>, ControlError> {
        self.change(by, |change| change.add_write_key(workspace, id))?;
        self.source_now(id)
    }

    /// As [`Change::enable_write_key`](crate::Change::enable_write_key).
    pub fn enable_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
        enabled: bool,
    ) -> Result<Arc<Source>, ControlError> {
        self.change(by, |change| change.enable_write_key(workspace, id, key, enabled))?;
        self.source_now(id)
    }

    /// As [`Change::delete_write_key`](crate::Change::delete_write_key).
    pub fn delete_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
    ) -> Result<(), ControlError> {
        self.change(by, |change| change.delete_write_key(workspace, id, key)).map(drop)
    }

    /// As [`Change::create_destination`](crate::Change::create_destination).
    pub fn create_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        new: &NewDestination,
    ) -> Result<Arc<Destination>, ControlError> {
        let made = self.change(by, |change| change.create_destination(workspace, new))?;
        self.destination_now(&made.id)
    }

    /// As [`Change::update_destination`](crate::Change::update_destination).
    pub fn update_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &DestinationId,
        to: &DestinationChange,
    ) -> Result<Arc<Destination>, ControlError> {
        self.change(by, |change| change.update_destination(workspace, id, None, to))?;
        self.destination_now(id)
    }

    /// As [`Change::delete_destination`](crate::Change::delete_destination).
    pub fn delete_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &DestinationId,
    ) -> Result<(), ControlError> {
        self.change(by, |change| change.delete_destination(workspace, id, None))
    }

    /// As [`Change::create_token`](crate::Change::create_token): an owner's, without an end.
    pub fn create_token(&self, by: &Actor, workspace: &WorkspaceId, name: &str) -> Result<MadeToken, ControlError> {
        self.change(by, |change| change.create_token(workspace, &NewToken::new(name), &Grants::owner()))
    }

    /// As [`Change::revoke_token`](crate::Change::revoke_token).
    pub fn revoke_token(&self, by: &Actor, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError> {
        self.change(by, |change| change.revoke_token(workspace, id))
    }

    /// As [`View::token_with_id`](crate::View::token_with_id).
    pub fn token_with_id(&self, id: &str) -> Result<Option<Scope>, ControlError> {
        self.view(|view| view.token_with_id(id))
    }

    /// As [`Change::note_view`](crate::Change::note_view).
    pub fn note_view(&self, by: &Actor, workspace: &WorkspaceId, what: &str, id: &str) -> Result<(), ControlError> {
        self.change(by, |change| change.note_view(workspace, what, id))
    }

    /// As [`View::source_names`](crate::View::source_names).
    pub fn source_names(&self, workspace: &WorkspaceId) -> Result<Vec<SourceName>, ControlError> {
        self.view(|view| view.source_names(workspace))
    }

    /// Up to `limit` entries of a workspace after entry number `after` (0: from the first), oldest first.
    pub fn audit(&self, workspace: &WorkspaceId, after: u64, limit: u32) -> Result<Vec<AuditEntry>, ControlError> {
        let page = Page::after(i64::try_from(after).unwrap_or(i64::MAX), limit);
        self.view(|view| Ok(view.audit(workspace, &AuditFilter::default(), &page)?.rows))
    }

    fn workspace_now(&self, id: &WorkspaceId) -> Result<Arc<Workspace>, ControlError> {
        self.current().load().workspace(id).cloned().ok_or(ControlError::NotFound(Resource::Workspace))
    }

    fn source_now(&self, id: &SourceId) -> Result<Arc<Source>, ControlError> {
        self.current().load().source(id).cloned().ok_or(ControlError::NotFound(Resource::Source))
    }

    fn destination_now(&self, id: &DestinationId) -> Result<Arc<Destination>, ControlError> {
        self.current().load().destination(id).cloned().ok_or(ControlError::NotFound(Resource::Destination))
    }
}
