//! The border as a process of its own: the cell asks on a Unix socket, and has no network to the outside.
//!
//! ```text
//! cell                                    border process
//! Gateway ── keep: region, own addresses ──► Gate
//!         ── in force: transfers, grants ──►   a session: nothing is granted before, nothing after
//! Ask     ── ask ──────────────────────────►   parse, resolve, judge
//!         ◄─ granted or refused ────────────   Permit
//! open    ── connect ──────────────────────►   TCP, TLS
//!         ◄─ connected or failed ───────────
//!         ◄═ bytes ═══════════════════════►    ═══ the partner
//! ```
//!
//! - Both sides have to say yes. The border process has the region's policy from its own topology: the cell only names the transfers
//!   of it that the ledger has. The cell takes a grant only under a rule that is in force in the cell too.
//! - The cell's permit has its one maker still; what it holds is a passage, on which the border process has a permit of its own.
//!   Connecting uses both up.
//! - Before bytes of the cell go on, a connection is judged anew when 30 s have passed or what is in force has changed; the end of
//!   a session ends its connections.
//! - Events are reduced in the cell, by the same code as ever: there are the keys for identifiers, and the secrets that sign
//!   what is left.
//! - Who connects must be the same user. Frames are still read as if by a stranger: bounded, in bounded time, never trusted to be right.

mod frame;
mod gateway;
mod server;
mod wire;

pub(crate) use gateway::{Gateway, Nowhere, Passage};
pub use server::Gate;
