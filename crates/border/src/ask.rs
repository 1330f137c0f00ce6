//! What someone wants to connect to, and why.

use domicile_region::Country;
use domicile_workspace::WorkspaceId;
use std::fmt;

/// Why a connection is wanted. Metric labels and ledger entries carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Events of a workspace go to its own webhook.
    Webhook,
    /// The operator's own command talks to a cell or an ingest point that was named on the command line.
    Command,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Command => "command",
        }
    }

    /// The vendor of the catalog who receives it, for transfers that name one. A customer's own host is none.
    pub(crate) fn vendor(self) -> Option<&'static str> {
        match self {
            Self::Webhook | Self::Command => None,
        }
    }
}

/// A question to the border: may this workspace connect there, for this?
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    pub workspace: WorkspaceId,
    pub purpose: Purpose,
    /// `http://` or `https://` with host, port and path; from the customer's settings, never from an event.
    pub url: String,
    /// Where the customer says that the host is. Asked for whenever the operator's `networks` do not say it.
    pub declared: Option<Country>,
}

// The path and query of a webhook often hold its secret.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({}, {}, declared: {:?})", self.workspace, self.purpose.as_str(), self.declared)
    }
}
