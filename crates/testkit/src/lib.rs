//! What tests hand to a cell in place of the world: a clock turned by hand, a disk that fails on command, randomness
//! that a seed replays, partners that record what they are sent, and requests shaped as the SDKs shape them.
//!
//! ```text
//! let (world, handles) = domicile_testkit::world(seed);
//! … run the program on `world` …
//! handles.disk.crash(Crash::Torn);
//! let world = handles.restart();       // the old world's disk answers nothing any more
//! … recover, check …
//! ```
//!
//! - The same seed gives the same bytes, the same failures and the same losses, whatever the machine.
//! - Nothing here names a log, an ingest point or a store: it can test any of them, and depends on none.

mod dice;

mod clock;
mod disk;
mod random;

mod events;
mod partner;
mod requests;

pub use clock::HandClock;
pub use dice::Dice;
pub use disk::{Crash, Failure, Op, SimDisk, Snapshot};
pub use events::{ODD_VALUES, SampleEvent, SampleEvents};
pub use partner::{Manner, Partner, Received};
pub use random::SeedRandom;
pub use requests::{Sdk, batch_body};

use domicile_world::World;
use std::sync::Arc;

/// The hands on a simulated world: what a test turns, breaks and looks at. Cheap to clone.
#[derive(Clone)]
pub struct Handles {
    pub clock: HandClock,
    pub random: SeedRandom,
    pub disk: SimDisk,
}

impl Handles {
    /// The world as a program that starts now sees it: the same clock, randomness and disk. What is left of the world
    /// before the last crash can't touch the disk any more.
    pub fn restart(&self) -> World {
        World {
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(self.random.clone()),
            disk: Arc::new(self.disk.restart()),
        }
    }
}

/// A simulated world and the hands on it. The disk is empty but for `/`, and has no limit; the wall clock stands at
/// [`HandClock::START`].
pub fn world(seed: u64) -> (World, Handles) {
    let clock = HandClock::new();
    let disk = SimDisk::new(seed, clock.activity());
    let handles = Handles { clock, random: SeedRandom::new(seed), disk };
    (handles.restart(), handles)
}
