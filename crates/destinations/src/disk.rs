//! Waiting for the disk without holding up the other tasks.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs something that waits for the disk. On a runtime of several threads the other tasks go on meanwhile; a simulation
/// has one thread and a disk that never makes it wait.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
