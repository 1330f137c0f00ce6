//! Where a workspace wants its events to go.

use crate::{DestinationId, SourceId, WorkspaceId, WorkspaceNumber};
use domicile_event::filter::Filter;
use domicile_region::Country;
use std::fmt;
use std::sync::Arc;

/// One destination of one source.
#[derive(Clone, Debug)]
pub struct Destination {
    pub id: DestinationId,
    pub workspace: WorkspaceId,
    pub workspace_number: WorkspaceNumber,
    pub source: SourceId,
    pub name: String,
    pub enabled: bool,
    /// Those that are switched on: what it sends has passed them.
    pub filters: Filters,
    pub kind: DestinationKind,
}

/// The filters of one destination. Cheap to clone.
#[derive(Clone, Default, PartialEq)]
pub struct Filters(Arc<[Filter]>);

impl Filters {
    pub fn iter(&self) -> std::slice::Iter<'_, Filter> {
        self.0.iter()
    }
}

impl FromIterator<Filter> for Filters {
    fn from_iter<I: IntoIterator<Item = Filter>>(filters: I) -> Self {
        Self(filters.into_iter().collect())
    }
}

/// How many: a condition may hold what a customer compares with.
impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filters({})", self.0.len())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
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
