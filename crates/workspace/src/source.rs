//! Sources and their write keys.

use crate::{SourceId, SourceNumber, WorkspaceId, WorkspaceNumber};
use domicile_region::PointName;
use std::fmt;

/// What kind of sender a source stands for. It decides whether the connection's address is the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    Website,
    Mobile,
    Server,
}

impl SourceKind {
    /// Whether events come from the user's own device, so that the connection's address is the user's.
    pub fn is_client(self) -> bool {
        matches!(self, Self::Website | Self::Mobile)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Website => "website",
            Self::Mobile => "mobile",
            Self::Server => "server",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Website, Self::Mobile, Self::Server].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A sender of events: an app, a site, a server.
#[derive(Clone, Debug)]
pub struct Source {
    pub id: SourceId,
    pub number: SourceNumber,
    pub workspace: WorkspaceId,
    pub workspace_number: WorkspaceNumber,
    /// Unique in its workspace, lower case.
    pub slug: String,
    pub name: String,
    pub kind: SourceKind,
    pub enabled: bool,
    /// The data ingestion region: what SDKs are told. One of its region's ingest points.
    pub ingestion_region: PointName,
    /// Whether other ingest points of its region refuse its events.
    pub strict: bool,
    /// `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    pub write_keys: Vec<WriteKey>,
}

/// What a source is known by on the wire. `Debug` shows only its first letters.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteKey {
    pub key: String,
    pub enabled: bool,
}

impl fmt::Debug for WriteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.key.chars().take(6).collect();
        write!(f, "WriteKey({shown}…, enabled: {})", self.enabled)
    }
}

/// A token bucket: `per_second` events a second on average, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub per_second: u32,
    pub burst: u32,
}
