//! What every operation is made of: its row in the table, the shapes of what goes in and out, the check of a request,
//! the way to its handler, and the OpenAPI document.

mod ask;
mod openapi;
mod operation;
mod page;
mod query;
mod schema;
mod serve;

pub(crate) use ask::{Ask, BODY_BYTES_MAX, Caller, typed};
pub(crate) use openapi::document;
pub(crate) use operation::{Answer, Answered, Group, Needs, Of, Operation, PAGINATED, delete, get, patch, post, put};
pub(crate) use schema::{Field, ID, NAME, Object, SLUG, Schema, any_text, list, may, need, text};
pub(crate) use serve::{bearer, covered, routes};
