//! What the fuzz targets share: a cell in memory, a disk that knows where it may be looked at, and how an input is cut up.
//!
//! Nothing here is the product's. A target is a promise and the input that might break it; what an input means is said at
//! the head of each target.

mod cell;
mod input;
mod watched;

pub use cell::{BROUGHT, Cell, ELSEWHERE, KEY, OFF};
pub use input::Input;
pub use watched::Watched;
