//! What someone wants to connect to, and why.

use domicile_region::Country;
use domicile_workspace::WorkspaceId;
use std::fmt;
use std::sync::Arc;

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
    const ALL: [Self; 5] = [Self::Webhook, Self::Command, Self::ControlStore, Self::Warehouse, Self::SignIn];

    /// The purpose of this text.
    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

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

    /// Whether what goes out is events, one by one: [`crate::Line::deliver`] alone sends them, and can send less of them.
    pub(crate) fn carries_events(self) -> bool {
        matches!(self, Self::Webhook)
    }

    /// Whether a workspace's own transfers hold for it.
    pub(crate) fn is_a_workspaces(self) -> bool {
        matches!(self, Self::Webhook | Self::Warehouse)
    }
}

/// Who says where a host is, when the operator's `networks` do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host of the customer's own is where the customer says, if the customer says it.
    Declared(Option<Country>),
    /// A partner's regional endpoint is where the catalog says; the customer has no say.
    Partner {
        /// The catalog's slug, which transfers name.
        vendor: Arc<str>,
        country: Country,
    },
}

impl Place {
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::Declared(country) => *country,
            Self::Partner { country, .. } => Some(*country),
        }
    }

    /// Whom a transfer may name. A customer's own host is none.
    pub fn vendor(&self) -> Option<&str> {
        match self {
            Self::Declared(_) => None,
            Self::Partner { vendor, .. } => Some(vendor),
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
    pub place: Place,
}

// The path and query of a webhook often hold its secret.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({}, {}, {:?})", self.workspace, self.purpose.as_str(), self.place)
    }
}
