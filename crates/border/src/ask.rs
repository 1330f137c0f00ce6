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
    /// The cell's control store is in a PostgreSQL that the operator named.
    ControlStore,
    /// Events of a workspace go to its own warehouse, a PostgreSQL. Only this purpose and the control store's reach a
    /// database.
    Warehouse,
    /// A person signs in at a provider that the operator named: its documents, its keys, a code for a token.
    SignIn,
    /// A witness is shown the head of the region's ledger: a size and a hash, nothing of an event.
    Witness,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Command => "command",
            Self::ControlStore => "control_store",
            Self::Warehouse => "warehouse",
            Self::SignIn => "sign_in",
            Self::Witness => "witness",
        }
    }

    /// The vendor of the catalog who receives it, for transfers that name one. A customer's own host is none.
    pub(crate) fn vendor(self) -> Option<&'static str> {
        match self {
            Self::Webhook | Self::Command | Self::ControlStore | Self::Warehouse | Self::SignIn | Self::Witness => None,
        }
    }
}

/// A question to the border: may this workspace connect there, for this?
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    pub workspace: WorkspaceId,
    pub purpose: Purpose,
    /// `http://` or `https://` with host, port and path; from the customer's settings, never from an event. For
    /// [`Purpose::ControlStore`] and [`Purpose::Warehouse`]: `postgres://` with host and port, and `sslmode` in the query;
    /// no user and no password.
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
