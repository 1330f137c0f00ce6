//! For the target `frame`: the logs, and what happens to their files.

pub mod edit;

mod logs;

pub use logs::{ERASED, Found, Kind, Logs};
