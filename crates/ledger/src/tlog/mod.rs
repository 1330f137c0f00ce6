//! The tree under the entries: RFC 6962 hashes in C2SP tlog-tiles files, under a signed checkpoint.
//!
//! ```text
//! checkpoint             signed note: origin, size, root (c2sp.org/tlog-checkpoint, c2sp.org/signed-note)
//! vkey                   the key that it is signed with, as signed-note spells it
//! witnessed/0a1b2c3d     the newest checkpoint that the witness with this key has signed too (c2sp.org/tlog-cosignature)
//! tile/0/000 …           the hashes of 256 entries, or of .p/W when they are fewer
//! tile/1/000 …           the hashes of 256 tiles below
//! tile/entries/000 …     256 entries, each behind its length in two bytes
//! ```
//!
//! - A tile is written before the checkpoint that covers it, and never changed; of the last, partial ones only those of the
//!   newest checkpoint are kept.
//! - The hashes and the note are those of `tlog_tiles` and `signed_note`; the files' names follow the newest documents.

mod book;
mod hashes;
mod head;
mod layout;

pub(crate) use book::{APPEND_MAX, Edge, Edges, bytes_of, hashes_of, list_files, push};
pub use book::{Book, BookError};
pub use hashes::{Tiles, TilesError, inclusion, tree_root};
pub(crate) use hashes::{consistency, path_of, root_of};
pub use head::{Head, HeadError, Signs, VKey, Witnessed};
pub use layout::{TILE_WIDTH, bundle_path, is_of_tree, split_bundle, tile_path, tiles_of, width_of, witnessed_path};
