//! The border: the one way out of a cell. Nothing else in the program opens an outbound connection.
//!
//! ```text
//! Ask ──► parse ──► resolve, once ──► judge every address ──► country ──► policy ──► Permit ──► connect ──► Line
//!           └────────────┴──────────────────┴───────────────────┴───────────┴─────► Refusal
//! ```
//!
//! - Default deny. A connection without a permit cannot be written: [`Border::permit`] is the only maker of a [`Permit`],
//!   connecting uses it up, and what connects is private to this crate.
//! - Names are resolved here, once per permit. Every address of the answer must pass; the connection goes to one of
//!   exactly these addresses. TLS must be valid for the name that was asked for.
//! - An answer opens nothing: redirects, `Alt-Svc` and proxies from the environment are not followed.
//! - A [`Line`] that is kept open is judged again every 30 s and when the policy changes, and belongs to one ask: no other
//!   workspace and no other host ever shares it.
//! - A [`Refusal`] says what was judged (host, address, country, rule) and carries no payload, path or query.
//! - It may be a process of its own ([`Gate`]): then the cell's side has no network at all, and asks on a Unix socket.
//!
//! A permit has one maker:
//!
//! ```compile_fail,E0599
//! fn copy(permit: &domicile_border::Permit) -> domicile_border::Permit {
//!     permit.clone()
//! }
//! ```
//!
//! and is used up:
//!
//! ```compile_fail,E0382
//! # use domicile_border::{Border, Limits, Permit};
//! async fn twice(border: &Border, permit: Permit) {
//!     let _ = border.open(permit, &Limits::WEBHOOK).await;
//!     let _ = border.open(permit, &Limits::WEBHOOK).await;
//! }
//! ```

mod ask;
mod target;

mod address;
mod policy;
mod refusal;
mod witness;

mod border;
mod foresee;
mod judge;
mod permit;
mod watch;

pub mod attacks;
mod drill;

mod egress;
mod line;
mod outside;
mod outward;
mod pipe;
mod reach;
mod request;

mod gate;

pub use ask::{Ask, Place, Purpose};
pub use border::{Border, Register};
pub use drill::{CameTo, Tried};
pub use foresee::Foreseen;
pub use gate::Gate;
pub use line::{Line, SendError, Stage};
pub use outside::{Outside, Stream};
pub use outward::{Form, Payload, Released, Unmade};
pub use permit::{Granted, Permit};
pub use pipe::Pipe;
pub use policy::Rule;
pub use refusal::{Code, Refusal};
pub use request::{Answer, BodyEnd, Limits};
pub use witness::{Witness, WitnessError};
