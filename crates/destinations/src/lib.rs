//! Destinations: consumers of the event log that send each kept event of their source to a partner.
//!
//! ```text
//! event log ──► read ──► filters ──► window ──► one user at a time, 16 at once ──► border ──► the partner
//!                          │            ▲                │                                        │
//!                          │            └── again, after a wait ◄──── 429, 5xx, no answer ◄───────┤
//!                          ▼                             │                                        │
//!                       cursor ◄──── settled: filtered, delivered (2xx), or dead (letter on disk) ┘
//! ```
//!
//! - Each destination has its own cursor and window: one that is slow, down or refused costs its own disk and nobody's time.
//! - A user's events are sent one after the other, in the order of the log. What waits for another try holds up that user
//!   only.
//! - The cursor passes an event only when it is settled: a partner said 2xx, or its dead letter is synced. After a crash
//!   nothing is skipped; what may be sent twice carries the same `Idempotency-Key`.
//! - Counts move with the cursor, in the same file: at every moment delivered + dead + off + filtered are exactly the kept
//!   events of the source between `from` and `position`.
//! - An event goes through the destination's filters when it is read. A filter that comes or changes starts the delivery anew
//!   from its cursor, so that it holds for whatever was not sent yet, events that wait for another try too.
//! - What the border refuses waits. It is never dead: settings or policy may change.
//! - Deliberately absent: sockets (the border has them), and the control store (a snapshot is handed in).

mod event;
mod verdict;
mod window;

mod dead_letters;
mod disk;
mod progress;
mod sent;

mod figures;

mod delivery;
mod destinations;

mod partner;

mod lines;
mod webhook;

pub use dead_letters::{DeadLetterError, dead_letters_path};
pub use destinations::{Destinations, Settings};
pub use event::{User, user_of};
pub use figures::{Attempt, DestinationFigures, Figures, HourFigures};
pub use progress::Counts;
pub use verdict::Retries;
pub use webhook::ask_of;
