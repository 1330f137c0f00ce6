//! The test kit keeps its own promises: a test that trusts a disk that forgives proves nothing.

mod clock;
mod disk;
mod partner;
mod requests;
