//! Where things are in the folder, and how entries lie in a bundle (c2sp.org/tlog-tiles).

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// The file of a tile: `level` 0 holds the entries' own hashes. `width`: its hashes, 1 to 256.
pub fn tile_path(level: u8, number: u64, width: u64) -> String {
    format!("tile/{level}/{}{}", numbered(number), partial(width))
}

/// The file of a bundle of entries.
pub fn bundle_path(number: u64, width: u64) -> String {
    format!("tile/entries/{}{}", numbered(number), partial(width))
}

/// The file with the newest checkpoint that a witness has signed too.
pub fn witnessed_path(witness: &super::VKey) -> String {
    format!("witnessed/{:08x}", witness.id())
}

/// `1234067` is `x001/x234/067`.
fn numbered(number: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn partial(width: u64) -> String {
    if width == TILE_WIDTH { String::new() } else { format!(".p/{width}") }
}

/// The tiles of one level of a tree, as number and width.
pub fn tiles_of(size: u64, level: u8) -> impl Iterator<Item = (u64, u64)> {
    let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    let (full, rest) = (hashes / TILE_WIDTH, hashes % TILE_WIDTH);
    (0..full).map(|number| (number, TILE_WIDTH)).chain((rest > 0).then_some((full, rest)))
}

/// How many hashes a tile of a tree with `size` entries has; `None` when the tree has no such tile.
pub fn width_of(size: u64, level: u8, number: u64) -> Option<u64> {
    let hashes = size.checked_shr(8 * u32::from(level))?;
    let before = number.checked_mul(TILE_WIDTH)?;
    (before < hashes).then(|| (hashes - before).min(TILE_WIDTH))
}

/// Whether a path is that of some tile or bundle, and if so, whether a tree with `size` entries has it.
pub fn is_of_tree(path: &str, size: u64) -> Option<bool> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let (name, width) = match rest.split_once(".p/") {
        Some((name, width)) => (name, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?),
        None => (rest, TILE_WIDTH),
    };
    let number = name.split('/').try_fold(0_u64, |number, part| {
        let part: u64 = part.strip_prefix('x').unwrap_or(part).parse().ok()?;
        number.checked_mul(1000)?.checked_add(part)
    })?;
    let (level, spelled) = match kind {
        "entries" => (0, bundle_path(number, width)),
        level => level.parse().ok().map(|level| (level, tile_path(level, number, width)))?,
    };
    (path == spelled).then(|| width_of(size, level, number) == Some(width))
}

/// Appends an entry to a bundle. Its length is known to fit: [`crate::ENTRY_BYTES_MAX`].
pub(crate) fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle; `None` when its bytes are not that many, whole entries.
pub fn split_bundle(bundle: &[u8], width: u64) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::with_capacity(usize::try_from(width.min(TILE_WIDTH)).ok()?);
    let mut rest = bundle;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (entry, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        rest = behind;
    }
    (entries.len() as u64 == width).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_as_the_documents_say() {
        for (number, width, path) in [
            (0, 256, "tile/entries/000"),
            (5, 17, "tile/entries/005.p/17"),
            (999, 256, "tile/entries/999"),
            (1000, 256, "tile/entries/x001/000"),
            (1_234_067, 1, "tile/entries/x001/x234/067.p/1"),
        ] {
            assert_eq!(bundle_path(number, width), path);
            assert_eq!(tile_path(1, number, width), path.replace("entries", "1"));
        }
    }

    #[test]
    fn a_tree_has_the_files_of_its_size_and_no_others() {
        for (size, path, is_of) in [
            (0, "tile/0/000.p/1", Some(false)),
            (1, "tile/entries/000.p/1", Some(true)),
            (1, "tile/0/000.p/1", Some(true)),
            (1, "tile/0/000.p/2", Some(false)),
            (1, "tile/0/000", Some(false)),
            (256, "tile/entries/000", Some(true)),
            (256, "tile/1/000.p/1", Some(true)),
            (70_000, "tile/0/273.p/112", Some(true)),
            (70_000, "tile/0/274.p/1", Some(false)),
            (70_000, "tile/1/000", Some(true)),
            (70_000, "tile/1/001.p/17", Some(true)),
            (70_000, "tile/2/000.p/1", Some(true)),
            (u64::MAX, "tile/7/000.p/255", Some(true)),
            (u64::MAX, "tile/8/000.p/1", Some(false)),
            (u64::MAX, "tile/255/000.p/1", Some(false)),
            // What is spelled otherwise is no tile at all.
            (70_000, "tile/0/0", None),
            (70_000, "tile/00/000", None),
            (70_000, "tile/0/x000/001", None),
            (70_000, "tile/0/000.p/256", None),
            (70_000, "tile/0/000.p/0", None),
            (70_000, "tile/0/000.p/01", None),
            (70_000, "tile/entries/000.new", None),
            (70_000, "tile/0/x999/x999/x999/x999/x999/x999/x999/999", None),
            (70_000, "checkpoint", None),
        ] {
            assert_eq!(is_of_tree(path, size), is_of, "{path} of {size}");
        }
        assert_eq!(tiles_of(u64::MAX, 7).collect::<Vec<_>>(), [(0, 255)]);
        for (size, level, number, width) in
            [(0, 0, 0, None), (256, 0, 0, Some(256)), (256, 0, 1, None), (257, 0, 1, Some(1)), (257, 1, 0, Some(1))]
        {
            assert_eq!(width_of(size, level, number), width);
        }
        assert_eq!(width_of(u64::MAX, 0, u64::MAX), None);
    }

    #[test]
    fn a_bundle_is_split_only_when_all_of_it_are_whole_entries() {
        let mut bundle = Vec::new();
        put_entry(&mut bundle, b"one");
        put_entry(&mut bundle, b"");
        put_entry(&mut bundle, b"three");
        assert_eq!(split_bundle(&bundle, 3).expect("three"), [&b"one"[..], b"", b"three"]);
        assert!(split_bundle(&bundle, 2).is_none() && split_bundle(&bundle, 4).is_none());
        for cut in 1..bundle.len() {
            assert!(split_bundle(&bundle[..cut], 3).is_none(), "cut at {cut}");
        }
    }
}
