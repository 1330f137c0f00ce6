//! The console of a cell, at `/` of its port, and the front door.
//!
//! ```text
//! /             sources, and events as they come          /live      the events, for the page's script
//! /transfers    what may leave, and who agreed
//! /sign-in      e-mail and password, providers, token     /sign-in/oidc/ID   off to a provider, and /answer back
//! /workspaces   which one                                 /password  another one          /invite/TOKEN  joins
//! /assets/…     one style sheet, one script, one icon
//! ```
//!
//! Pages over the same functions of `control` and of the API's crate that the API itself calls; never SQL, never a rule of
//! its own.
//!
//! - Everything that a customer or a sender wrote is escaped: by askama in a page, by `textContent` in the script.
//! - A page loads nothing from another host and runs no inline script; the content security policy forbids both.
//! - A page that shows payload is on the audit trail before it is sent, and no cache keeps it.
//! - A session is a random cookie that no script and no other site can use; a person's ends with the membership, and one
//!   that a token opened ends with the token.
//! - The front door knows the topology and nothing else: it holds no data.

mod router;

mod front_door;
mod overview;
mod row;

mod transfers;

mod account;
mod entry;
mod oidc;
mod session;
mod sign_in;
mod sign_in_elsewhere;

mod page;

pub use front_door::front_door;
pub use router::router;
