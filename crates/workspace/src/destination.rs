//! Where a workspace wants its events to go.

use crate::{DestinationId, SourceId, WorkspaceId, WorkspaceNumber};
use domicile_region::Country;
use std::fmt;

/// One destination of one source.
#[derive(Clone, Debug)]
pub struct Destination {
    pub id: DestinationId,
    pub workspace: WorkspaceId,
    pub workspace_number: WorkspaceNumber,
    pub source: SourceId,
    pub name: String,
    pub enabled: bool,
    pub kind: DestinationKind,
}

#[derive(Clone, Debug)]
pub enum DestinationKind {
    Webhook(WebhookSettings),
}

/// A webhook: each event is sent as the body of an HTTP POST.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// `http://` or `https://`, with host.
    pub url: String,
    /// Where the customer says that the host is.
    pub country: Option<Country>,
    /// Signs the body (`X-Signature`), when set.
    pub shared_secret: Option<String>,
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSettings({}, country: {:?})", self.url, self.country)
    }
}
