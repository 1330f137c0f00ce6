//! Configuration files on the operator's machine: what `export`, `plan` and `apply` share.
//!
//! What a file may say, what would change and what that means for residency is the cell's to judge
//! (`domicile_control::configuration`); here a file becomes the document that the cell takes, and the cell's answer
//! becomes lines for people, with the places of the file.

pub mod ask;
pub mod file;
pub mod import;
pub mod reference;
pub mod secret;
pub mod show;
pub mod write;
