//! Changes of one step, each a transaction of its own, for tests that compose nothing. They give what the pipeline sees.

#![allow(dead_code, reason = "each suite uses its own part")]

use domicile_control::{
    Actor, AuditEntry, AuditFilter, ControlError, DestinationChange, Grants, MadeToken, NewAccount, NewDestination,
    NewSource, NewToken, NewWorkspace, Page, Resource, SourceChange, SourceName, Store,
};
use domicile_workspace::{Destination, DestinationId, Source, SourceId, Workspace, WorkspaceId};
use std::sync::Arc;

pub trait OneStep {
    /// Makes a workspace of an account of its own, which is entitled to this region.
    fn create_workspace(&self, by: &Actor, slug: &str, name: &str) -> Result<Arc<Workspace>, ControlError>;

    /// As [`Change::rename_workspace`](domicile_control::Change::rename_workspace).
    fn rename_workspace(&self, by: &Actor, id: &WorkspaceId, name: &str) -> Result<Arc<Workspace>, ControlError>;

    /// As [`Change::create_source`](domicile_control::Change::create_source).
    fn create_source(&self, by: &Actor, workspace: &WorkspaceId, new: &NewSource) -> Result<Arc<Source>, ControlError>;

    /// As [`Change::update_source`](domicile_control::Change::update_source).
    fn update_source(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        to: &SourceChange,
    ) -> Result<Arc<Source>, ControlError>;

    /// As [`Change::delete_source`](domicile_control::Change::delete_source).
    fn delete_source(&self, by: &Actor, workspace: &WorkspaceId, id: &SourceId) -> Result<(), ControlError>;

    /// As [`Change::add_write_key`](domicile_control::Change::add_write_key).
    fn add_write_key(&self, by: &Actor, workspace: &WorkspaceId, id: &SourceId) -> Result<Arc<Source>, ControlError>;

    /// As [`Change::enable_write_key`](domicile_control::Change::enable_write_key).
    fn enable_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
        enabled: bool,
    ) -> Result<Arc<Source>, ControlError>;

    /// As [`Change::delete_write_key`](domicile_control::Change::delete_write_key).
    fn delete_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
    ) -> Result<(), ControlError>;

    /// As [`Change::create_destination`](domicile_control::Change::create_destination).
    fn create_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        new: &NewDestination,
    ) -> Result<Arc<Destination>, ControlError>;

    /// As [`Change::update_destination`](domicile_control::Change::update_destination).
    fn update_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &DestinationId,
        to: &DestinationChange,
    ) -> Result<Arc<Destination>, ControlError>;

    /// As [`Change::delete_destination`](domicile_control::Change::delete_destination).
    fn delete_destination(&self, by: &Actor, workspace: &WorkspaceId, id: &DestinationId) -> Result<(), ControlError>;

    /// As [`Change::create_token`](domicile_control::Change::create_token): an owner's, without an end.
    fn create_token(&self, by: &Actor, workspace: &WorkspaceId, name: &str) -> Result<MadeToken, ControlError>;

    /// As [`Change::revoke_token`](domicile_control::Change::revoke_token).
    fn revoke_token(&self, by: &Actor, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError>;

    /// As [`View::source_names`](domicile_control::View::source_names).
    fn source_names(&self, workspace: &WorkspaceId) -> Result<Vec<SourceName>, ControlError>;

    /// Up to `limit` entries of a workspace after entry number `after` (0: from the first), oldest first.
    fn audit(&self, workspace: &WorkspaceId, after: u64, limit: u32) -> Result<Vec<AuditEntry>, ControlError>;
}

impl OneStep for Store {
    fn create_workspace(&self, by: &Actor, slug: &str, name: &str) -> Result<Arc<Workspace>, ControlError> {
        let id = self.change(by, |change| {
            let plan = change.region().plan.clone().unwrap_or_else(|| "free".to_owned());
            let account = change.create_account(&NewAccount { name: name.to_owned(), plan: plan.clone() })?;
            change.grant_entitlement(&account.id, &plan, "made by the operator")?;
            let new = NewWorkspace { slug: slug.to_owned(), name: name.to_owned(), plan: None };
            Ok::<_, ControlError>(change.create_workspace(&account.id, &new)?.id)
        })?;
        workspace_now(self, &id)
    }

    fn rename_workspace(&self, by: &Actor, id: &WorkspaceId, name: &str) -> Result<Arc<Workspace>, ControlError> {
        self.change(by, |change| change.rename_workspace(id, None, name))?;
        workspace_now(self, id)
    }

    fn create_source(&self, by: &Actor, workspace: &WorkspaceId, new: &NewSource) -> Result<Arc<Source>, ControlError> {
        let made = self.change(by, |change| change.create_source(workspace, new))?;
        source_now(self, &made.id)
    }

    fn update_source(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        to: &SourceChange,
    ) -> Result<Arc<Source>, ControlError> {
        self.change(by, |change| change.update_source(workspace, id, None, to))?;
        source_now(self, id)
    }

    fn delete_source(&self, by: &Actor, workspace: &WorkspaceId, id: &SourceId) -> Result<(), ControlError> {
        self.change(by, |change| change.delete_source(workspace, id, None))
    }

    fn add_write_key(&self, by: &Actor, workspace: &WorkspaceId, id: &SourceId) -> Result<Arc<Source>, ControlError> {
        self.change(by, |change| change.add_write_key(workspace, id))?;
        source_now(self, id)
    }

    fn enable_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
        enabled: bool,
    ) -> Result<Arc<Source>, ControlError> {
        self.change(by, |change| change.enable_write_key(workspace, id, key, enabled))?;
        source_now(self, id)
    }

    fn delete_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
    ) -> Result<(), ControlError> {
        self.change(by, |change| change.delete_write_key(workspace, id, key)).map(drop)
    }

    fn create_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        new: &NewDestination,
    ) -> Result<Arc<Destination>, ControlError> {
        let made = self.change(by, |change| change.create_destination(workspace, new))?;
        destination_now(self, &made.id)
    }

    fn update_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &DestinationId,
        to: &DestinationChange,
    ) -> Result<Arc<Destination>, ControlError> {
        self.change(by, |change| change.update_destination(workspace, id, None, to))?;
        destination_now(self, id)
    }

    fn delete_destination(&self, by: &Actor, workspace: &WorkspaceId, id: &DestinationId) -> Result<(), ControlError> {
        self.change(by, |change| change.delete_destination(workspace, id, None))
    }

    fn create_token(&self, by: &Actor, workspace: &WorkspaceId, name: &str) -> Result<MadeToken, ControlError> {
        self.change(by, |change| change.create_token(workspace, &NewToken::new(name), &Grants::owner()))
    }

    fn revoke_token(&self, by: &Actor, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError> {
        self.change(by, |change| change.revoke_token(workspace, id))
    }

    fn source_names(&self, workspace: &WorkspaceId) -> Result<Vec<SourceName>, ControlError> {
        self.view(|view| view.source_names(workspace))
    }

    fn audit(&self, workspace: &WorkspaceId, after: u64, limit: u32) -> Result<Vec<AuditEntry>, ControlError> {
        let page = Page::after(i64::try_from(after).unwrap_or(i64::MAX), limit);
        self.view(|view| Ok(view.audit(workspace, &AuditFilter::default(), &page)?.rows))
    }
}

fn workspace_now(store: &Store, id: &WorkspaceId) -> Result<Arc<Workspace>, ControlError> {
    store.current().load().workspace(id).cloned().ok_or(ControlError::NotFound(Resource::Workspace))
}

fn source_now(store: &Store, id: &SourceId) -> Result<Arc<Source>, ControlError> {
    store.current().load().source(id).cloned().ok_or(ControlError::NotFound(Resource::Source))
}

fn destination_now(store: &Store, id: &DestinationId) -> Result<Arc<Destination>, ControlError> {
    store.current().load().destination(id).cloned().ok_or(ControlError::NotFound(Resource::Destination))
}
