//! What the program is handed and never takes: time, randomness and disk.
//!
//! A part of Domicile that needs to know the hour, wait, roll dice or touch a file is given a [`World`]. The real one
//! ([`World::real`]) asks the operating system; the test kit's is turned by hand, fails on command, and is replayed by a
//! seed. The network out is the border's, the network in is `listen`'s.
//!
//! - Nothing outside this crate calls `SystemTime::now`, `Instant::now` or `std::fs` on a path of the product (a tidy
//!   test looks for them).

mod clock;
mod disk;
mod random;

pub use clock::{Clock, Millis, RealClock, Sleep};
pub use disk::{AppendFile, Disk, DiskEntry, ReadFile, RealDisk, write_whole};
pub use random::{Random, RealRandom};

use std::sync::Arc;

/// The three things that a cell is handed. Cheap to clone.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub disk: Arc<dyn Disk>,
}

impl World {
    /// The operating system's clock, randomness and file system.
    pub fn real() -> Self {
        Self { clock: Arc::new(RealClock::new()), random: Arc::new(RealRandom), disk: Arc::new(RealDisk) }
    }
}
