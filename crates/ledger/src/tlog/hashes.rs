//! Hashes that lie in tiles, asked for as a tree: roots and proofs.

use super::layout::TILE_WIDTH;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use tlog_tiles::tlog::{self, Hash, HashReader, node_hash, split_stored_hash_index};

/// Where tiles are.
pub trait Tiles {
    /// The hashes of a tile of the tree that is asked about; at least as many as that tree has in it.
    fn tile(&self, level: u8, number: u64) -> io::Result<Vec<Hash>>;
}

/// A root or a proof could not be made of the tiles.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the tiles are not those of the tree: {0}")]
    Tree(#[from] tlog::Error),
}

/// The root of the tree with `size` entries.
pub fn tree_root(size: u64, tiles: &impl Tiles) -> Result<Hash, TilesError> {
    ask(tiles, |reader| tlog::tree_hash(size, reader))
}

/// The path from entry `index` to the root of the tree with `size` entries.
pub fn inclusion(size: u64, index: u64, tiles: &impl Tiles) -> Result<Vec<Hash>, TilesError> {
    ask(tiles, |reader| tlog::prove_record(size, index, reader))
}

/// The path that shows that the tree with `size` entries begins with the one of `old` entries.
pub(crate) fn consistency(size: u64, old: u64, tiles: &impl Tiles) -> Result<Vec<Hash>, TilesError> {
    ask(tiles, |reader| tlog::prove_tree(size, old, reader))
}

fn ask<T, S: Tiles>(
    tiles: &S,
    question: impl FnOnce(&Reader<'_, S>) -> Result<T, tlog::Error>,
) -> Result<T, TilesError> {
    let reader = Reader { tiles, failed: std::cell::RefCell::new(None) };
    let answer = question(&reader);
    match reader.failed.into_inner() {
        Some(error) => Err(error.into()),
        None => Ok(answer?),
    }
}

/// Answers for any complete subtree from the tile that it lies in. What could not be read is kept beside, because the
/// library's errors have no room for it.
struct Reader<'a, S> {
    tiles: &'a S,
    failed: std::cell::RefCell<Option<io::Error>>,
}

impl<S: Tiles> HashReader for Reader<'_, S> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        // A proof asks for several subtrees of one tile.
        let mut read = BTreeMap::new();
        let mut one = |index: &u64| {
            let (height, number) = split_stored_hash_index(*index);
            let (level, height) = (height / 8, height % 8);
            // Of the hashes of the level, the subtree begins with this one.
            let first = number << height;
            let tile = match read.entry((level, first / TILE_WIDTH)) {
                Entry::Occupied(tile) => tile.into_mut(),
                Entry::Vacant(place) => place.insert(self.tiles.tile(level, first / TILE_WIDTH).map_err(|error| {
                    *self.failed.borrow_mut() = Some(error);
                    tlog::Error::InvalidTile
                })?),
            };
            let from = usize::try_from(first % TILE_WIDTH).map_err(|_| tlog::Error::BadMath)?;
            tile.get(from..from + (1 << height)).map(subtree).ok_or(tlog::Error::InvalidTile)
        };
        indexes.iter().map(&mut one).collect()
    }
}

/// The root over a power of two of hashes.
pub(crate) fn subtree(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node_hash(pair[0], pair[1])).collect();
    }
    level[0]
}

/// The root over any number of leaves' hashes that are at hand (RFC 6962).
pub(crate) fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => tlog::EMPTY_HASH,
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split_point(leaves.len()));
            node_hash(root_of(left), root_of(right))
        }
    }
}

/// The path from a leaf to the root over `leaves`.
pub(crate) fn path_of(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let at = split_point(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut path, beside) =
        if index < at { (path_of(left, index), root_of(right)) } else { (path_of(right, index - at), root_of(left)) };
    path.push(beside);
    path
}

/// The largest power of two below `n`, which is at least 2.
fn split_point(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tlog_tiles::tlog::{check_record, record_hash};

    #[test]
    fn every_path_leads_to_the_root_and_no_other_leaf_does() {
        for n in 1..70_usize {
            let leaves: Vec<Hash> = (0..n).map(|leaf| record_hash(&[leaf as u8])).collect();
            let root = root_of(&leaves);
            for index in 0..n {
                let path = path_of(&leaves, index);
                let check = |leaf| check_record(&path, n as u64, root, index as u64, leaf);
                assert!(check(leaves[index]).is_ok(), "{index} of {n}");
                assert!(check(record_hash(b"other")).is_err(), "{index} of {n}");
            }
        }
    }
}
