//! Exceptions by which one workspace's events may go to another country.

use crate::{TransferId, WorkspaceId};
use domicile_region::Transfer;

/// A transfer that two persons agreed on and nobody has ended. It may have expired: who lets something out by it looks at
/// the day.
#[derive(Clone, Debug)]
pub struct GrantedTransfer {
    /// The same for as long as there is a record of it.
    pub id: TransferId,
    pub workspace: WorkspaceId,
    /// As one of the region's own is written, for the border.
    pub transfer: Transfer,
}
