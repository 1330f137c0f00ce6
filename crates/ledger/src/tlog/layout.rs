//! Where things are in the folder, and how entries lie in a bundle (c2sp.org/tlog-tiles).

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// `size >> (8 * level)` is 0 from here on, whatever the size.
const LEVELS_MAX: u8 = 8;

/// The file of a tile: `level` 0 holds the entries' own hashes. `width`: its hashes, 1 to 256.
pub fn tile_path(level: u8, number: u64, width: u64) -> String {
    format!("tile/{level}/{}{}", numbered(number), partial(width))
}

/// The file of a bundle of entries.
pub fn bundle_path(number: u64, width: u64) -> String {
    format!("tile/entries/{}{}", numbered(number), partial(width))
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

/// All files under `tile/` of a tree with `size` entries.
pub fn expected_files(size: u64) -> impl Iterator<Item = String> {
    let bundles = tiles_of(size, 0).map(|(number, width)| bundle_path(number, width));
    let tiles = (0..LEVELS_MAX)
        .flat_map(move |level| tiles_of(size, level).map(move |(number, width)| tile_path(level, number, width)));
    bundles.chain(tiles)
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
        let files = |size| expected_files(size).collect::<Vec<_>>();
        assert!(files(0).is_empty());
        assert_eq!(files(1), ["tile/entries/000.p/1", "tile/0/000.p/1"]);
        assert_eq!(files(256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        let of_70_000 = files(70_000);
        assert_eq!(of_70_000.len(), 274 + 274 + 2 + 1);
        assert!(of_70_000.contains(&"tile/0/273.p/112".to_owned()));
        assert_eq!(of_70_000[548..], ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(tiles_of(u64::MAX, 7).collect::<Vec<_>>(), [(0, 255)]);
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
