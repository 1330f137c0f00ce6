//! The keys of a cell (or of a remote ingest point's spool), as files.

use crate::SigningKey;
use crate::data_key::{DataKey, FrameKey, KeyId, Salt};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf};
use data_encoding::HEXLOWER;
use domicile_world::{World, write_whole};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const REGION_FILE: &str = "region.key";
/// The highest generation that was ever given to each workspace: one line, `WORKSPACE:GENERATION,…` and check digits.
const GENERATIONS_FILE: &str = "generations";
const GENERATIONS_WORD: &str = "domicile-generations-1";
const REGION_WORD: &str = "domicile-region-key-1";
const DATA_WORD: &str = "domicile-data-key-1";
const LEDGER_FILE: &str = "ledger.key";
const LEDGER_WORD: &str = "domicile-ledger-key-1";
const NONCE_BYTES: usize = 12;

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{file}: {error}\n  mend: see that the disk has room, and that this user may read and write there")]
    Io { file: String, error: io::Error },
    /// A key file that can't be what was written.
    #[error(
        "{file}: not a key file of this folder: {what}\n  mend: put the file back from a backup of the same folder"
    )]
    Damaged { file: String, what: &'static str },
    /// Data keys, or what they sealed, without the region key that wraps them.
    #[error(
        "{file}: missing, while there is data that only it can open\n  mend: put the folder `keys` back from a backup"
    )]
    RegionKeyMissing { file: String },
    /// A seal that does not hold, or a key that can't be used.
    #[error("a seal does not hold")]
    Crypto,
}

/// A ledger key that is not on disk yet, wrapped.
pub struct UnkeptKey(String);

/// The keys of one folder. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    inner: Arc<Inner>,
}

struct Inner {
    world: World,
    folder: PathBuf,
    region_key: LessSafeKey,
    cell_salt: [u8; 16],
    data: Mutex<Data>,
}

#[derive(Default)]
struct Data {
    keys: HashMap<KeyId, Arc<DataKey>>,
    /// Of each workspace, the highest generation ever given. A key that is destroyed takes its generation with it: were it
    /// given again, what the old key sealed would read as damage, and not as destroyed.
    given: BTreeMap<u32, u32>,
}

impl Keyring {
    /// Reads the keys of `folder`; an empty or new folder (0700) is given a new region key.
    pub fn open(world: &World, folder: &Path) -> Result<Self, KeyError> {
        let disk = world.disk.as_ref();
        disk.make_folder(folder, true).map_err(|e| io_error(folder, e))?;
        // A key that a killed program had not made lasting yet must not seal anything before it lasts.
        disk.sync_folder(folder).map_err(|e| io_error(folder, e))?;
        let entries = disk.list(folder).map_err(|e| io_error(folder, e))?;
        let region_file = folder.join(REGION_FILE);
        let region_bytes = if disk.exists(&region_file) {
            read_region_key(&disk.read(&region_file).map_err(|e| io_error(&region_file, e))?)
                .map_err(|what| KeyError::Damaged { file: region_file.display().to_string(), what })?
        } else if entries.iter().any(|entry| entry.name.starts_with("data-")) {
            return Err(KeyError::RegionKeyMissing { file: region_file.display().to_string() });
        } else {
            let mut bytes = [0; 32];
            world.random.fill(&mut bytes);
            let text = format!("{REGION_WORD} {} {}\n", HEXLOWER.encode(&bytes), check_digits(&bytes));
            write_whole(disk, &region_file, text.as_bytes()).map_err(|e| io_error(&region_file, e))?;
            bytes
        };
        let region_key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &region_bytes).map_err(|_| KeyError::Crypto)?);
        let is_needed = entries.iter().any(|entry| data_file_id(&entry.name).is_some());
        let mut data = Data { given: read_generations(world, folder, is_needed)?, ..Data::default() };
        for entry in entries {
            let Some(id) = data_file_id(&entry.name) else { continue };
            let file = folder.join(&entry.name);
            let text = disk.read(&file).map_err(|e| io_error(&file, e))?;
            let bytes = unwrap(&region_key, DATA_WORD, &aad(id), &text)
                .map_err(|what| KeyError::Damaged { file: file.display().to_string(), what })?;
            data.keys.insert(id, Arc::new(DataKey::new(&bytes)));
            let given = data.given.entry(id.workspace).or_default();
            *given = id.generation.max(*given);
        }
        let inner = Inner {
            world: world.clone(),
            folder: folder.to_path_buf(),
            region_key,
            cell_salt: cell_salt(&region_bytes)?,
            data: Mutex::new(data),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A first look at `folder`, which changes nothing. `needed`: there is something that its keys have sealed. With a new
    /// region key all of that would read as erased.
    ///
    /// # Errors
    /// Those of [`Self::open`], and `RegionKeyMissing`.
    pub fn look(world: &World, folder: &Path, needed: bool) -> Result<(), KeyError> {
        let entries = world.disk.list(folder).unwrap_or_default();
        if entries.iter().any(|entry| entry.name == REGION_FILE || data_file_id(&entry.name).is_some()) {
            return Self::open(world, folder).map(drop);
        }
        let file = folder.join(REGION_FILE).display().to_string();
        if needed { Err(KeyError::RegionKeyMissing { file }) } else { Ok(()) }
    }

    /// Where the keys are.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The key that signs this region's ledger; `None` when none was made yet.
    pub fn ledger_key(&self) -> Result<Option<SigningKey>, KeyError> {
        let file = self.inner.folder.join(LEDGER_FILE);
        if !self.inner.world.disk.exists(&file) {
            return Ok(None);
        }
        let text = self.inner.world.disk.read(&file).map_err(|e| io_error(&file, e))?;
        let damaged = |what| KeyError::Damaged { file: file.display().to_string(), what };
        let seed = unwrap(&self.inner.region_key, LEDGER_WORD, b"ledger", &text).map_err(damaged)?;
        SigningKey::from_seed(&seed).map(Some)
    }

    /// A new ledger key, which lasts only when it is [kept](Self::keep_ledger_key): whoever begins a ledger keeps its key
    /// when the ledger is there, so that a key without a ledger means that a ledger is gone.
    pub fn new_ledger_key(&self) -> Result<(SigningKey, UnkeptKey), KeyError> {
        let mut seed = [0; 32];
        self.inner.world.random.fill(&mut seed);
        let wrapped = self.seal_with(b"ledger", &seed)?;
        Ok((SigningKey::from_seed(&seed)?, UnkeptKey(format!("{LEDGER_WORD} {}\n", HEXLOWER.encode(&wrapped)))))
    }

    /// Puts a new ledger key on disk.
    pub fn keep_ledger_key(&self, key: &UnkeptKey) -> Result<(), KeyError> {
        let file = self.inner.folder.join(LEDGER_FILE);
        write_whole(self.inner.world.disk.as_ref(), &file, key.0.as_bytes()).map_err(|e| io_error(&file, e))
    }

    /// All data keys that are in the folder, in order.
    pub fn data_keys(&self) -> Vec<KeyId> {
        let data = self.inner.data.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = data.keys.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The newest data key of a workspace, made and put on disk when there is none.
    pub fn newest(&self, workspace: u32) -> Result<KeyId, KeyError> {
        let mut data = self.inner.data.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = data.keys.keys().filter(|id| id.workspace == workspace).max() {
            return Ok(*id);
        }
        let id = KeyId { workspace, generation: data.given.get(&workspace).map_or(1, |given| given + 1) };
        let file = self.inner.folder.join(format!("data-{}-{}.key", id.workspace, id.generation));
        if self.inner.world.disk.exists(&file) {
            // Made since this keyring was opened. To write over it would destroy what it sealed.
            let what = "another program made it; only one may run on this folder";
            return Err(KeyError::Damaged { file: file.display().to_string(), what });
        }
        let mut bytes = [0; 32];
        self.inner.world.random.fill(&mut bytes);
        let wrapped = self.seal_with(&aad(id), &bytes)?;
        let text = format!("{DATA_WORD} {}\n", HEXLOWER.encode(&wrapped));
        // Before the key: a generation that was noted and not made is only passed over.
        data.given.insert(workspace, id.generation);
        self.write_generations(&data.given)?;
        write_whole(self.inner.world.disk.as_ref(), &file, text.as_bytes()).map_err(|e| io_error(&file, e))?;
        data.keys.insert(id, Arc::new(DataKey::new(&bytes)));
        Ok(id)
    }

    fn write_generations(&self, given: &BTreeMap<u32, u32>) -> Result<(), KeyError> {
        let file = self.inner.folder.join(GENERATIONS_FILE);
        let all: Vec<_> = given.iter().map(|(workspace, generation)| format!("{workspace}:{generation}")).collect();
        let all = all.join(",");
        let text = format!("{GENERATIONS_WORD} {all} {}\n", check_digits(all.as_bytes()));
        write_whole(self.inner.world.disk.as_ref(), &file, text.as_bytes()).map_err(|e| io_error(&file, e))
    }

    /// The key that seals the frames of a workspace in the opening of a log that has this salt; `None` when the data key
    /// is not in the folder (destroyed, or never was).
    pub fn frame_key(&self, id: KeyId, salt: &Salt) -> Result<Option<FrameKey>, KeyError> {
        let key = self.inner.data.lock().unwrap_or_else(PoisonError::into_inner).keys.get(&id).cloned();
        key.map(|key| key.frame_key(salt)).transpose()
    }

    /// 16 bytes that are this folder's own and never change: what the identifiers that the cell makes are derived from.
    /// They say nothing about the region key.
    pub fn cell_salt(&self) -> [u8; 16] {
        self.inner.cell_salt
    }

    /// Seals a secret of the control store (a destination's key) under the region key.
    pub fn seal_secret(&self, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.seal_with(b"secret", secret)
    }

    /// Opens what [`Self::seal_secret`] sealed.
    pub fn open_secret(&self, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        open_with(&self.inner.region_key, b"secret", sealed).ok_or(KeyError::Crypto)
    }

    /// nonce | sealed bytes | tag. The nonce is random: the region key seals a few thousand things in its life.
    fn seal_with(&self, aad: &[u8], bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_BYTES];
        self.inner.world.random.fill(&mut nonce);
        let mut sealed = bytes.to_vec();
        self.inner
            .region_key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
            .map_err(|_| KeyError::Crypto)?;
        let mut out = nonce.to_vec();
        out.append(&mut sealed);
        Ok(out)
    }
}

/// `is_needed`: there are data keys, and so there has to be a note of their generations.
fn read_generations(world: &World, folder: &Path, is_needed: bool) -> Result<BTreeMap<u32, u32>, KeyError> {
    let file = folder.join(GENERATIONS_FILE);
    let damaged = |what| KeyError::Damaged { file: file.display().to_string(), what };
    if !world.disk.exists(&file) {
        return if is_needed { Err(damaged("it is missing")) } else { Ok(BTreeMap::new()) };
    }
    let bytes = world.disk.read(&file).map_err(|e| io_error(&file, e))?;
    let line = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n')).ok_or(damaged("cut short"))?;
    let [GENERATIONS_WORD, all, check] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(damaged("not a list of generations"));
    };
    if check_digits(all.as_bytes()) != check {
        return Err(damaged("the check digits do not fit"));
    }
    let one = |one: &str| {
        let (workspace, generation) = one.split_once(':')?;
        Some((workspace.parse().ok()?, generation.parse().ok()?))
    };
    all.split(',').map(one).collect::<Option<_>>().ok_or(damaged("not a list of generations"))
}

fn open_with(key: &LessSafeKey, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let mut bytes = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key.open_in_place(nonce, Aad::from(aad), &mut bytes).ok()?.len();
    bytes.truncate(opened);
    Some(bytes)
}

fn unwrap(region_key: &LessSafeKey, word: &str, aad: &[u8], text: &[u8]) -> Result<[u8; 32], &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "not text")?;
    let hex = text.strip_suffix('\n').and_then(|line| line.strip_prefix(word)).ok_or("not such a key")?;
    let sealed = HEXLOWER.decode(hex.trim_start().as_bytes()).map_err(|_| "not hexadecimal")?;
    let bytes = open_with(region_key, aad, &sealed).ok_or("the region key does not open it")?;
    bytes.try_into().map_err(|_| "not 32 bytes")
}

fn read_region_key(text: &[u8]) -> Result<[u8; 32], &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "not text")?;
    let line = text.strip_suffix('\n').ok_or("cut short")?;
    let [word, hex, check] = line.split(' ').collect::<Vec<_>>()[..] else { return Err("not a region key") };
    if word != REGION_WORD {
        return Err("not a region key");
    }
    let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| "not hexadecimal")?;
    if check_digits(&bytes) != check {
        return Err("the check digits do not fit");
    }
    bytes.try_into().map_err(|_| "not 32 bytes")
}

fn cell_salt(region_key: &[u8; 32]) -> Result<[u8; 16], KeyError> {
    let mut salt = [0; 16];
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, region_key);
    let okm = prk.expand(&[b"domicile cell salt 1"], SaltLength).map_err(|_| KeyError::Crypto)?;
    okm.fill(&mut salt).map_err(|_| KeyError::Crypto)?;
    Ok(salt)
}

struct SaltLength;

impl hkdf::KeyType for SaltLength {
    fn len(&self) -> usize {
        16
    }
}

/// The first 8 digits of SHA-256: tells damage, says nothing of use about the key.
fn check_digits(bytes: &[u8]) -> String {
    HEXLOWER.encode(&digest::digest(&digest::SHA256, bytes).as_ref()[..4])
}

fn aad(id: KeyId) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&id.workspace.to_le_bytes());
    out[4..].copy_from_slice(&id.generation.to_le_bytes());
    out
}

fn data_file_id(name: &str) -> Option<KeyId> {
    let (workspace, generation) = name.strip_prefix("data-")?.strip_suffix(".key")?.split_once('-')?;
    Some(KeyId { workspace: workspace.parse().ok()?, generation: generation.parse().ok()? })
}

fn io_error(file: &Path, error: io::Error) -> KeyError {
    KeyError::Io { file: file.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, World) {
        (tempfile::tempdir().expect("a temporary folder"), World::real())
    }

    #[test]
    fn the_generation_of_a_destroyed_key_is_never_given_again() {
        let (dir, world) = folder();
        let first = Keyring::open(&world, dir.path()).expect("opens").newest(3).expect("makes a key");
        std::fs::remove_file(dir.path().join("data-3-1.key")).expect("destroys");
        let again = Keyring::open(&world, dir.path()).expect("opens again");
        let second = again.newest(3).expect("makes another");
        assert_eq!((first.generation, second.generation), (1, 2));
        assert!(again.frame_key(first, &[7; 16]).expect("looks").is_none(), "what it sealed reads as destroyed");
        let generations = dir.path().join("generations");
        let good = std::fs::read_to_string(&generations).expect("reads");
        for bad in ["", "3 2\n", &good[..good.len() - 1], &good.replace("3:2", "3:1"), &good.replace("3:2", "4:2")] {
            std::fs::write(&generations, bad).expect("damages");
            assert!(matches!(Keyring::open(&world, dir.path()), Err(KeyError::Damaged { .. })), "{bad:?}");
        }
        std::fs::remove_file(&generations).expect("removes");
        assert!(
            matches!(Keyring::open(&world, dir.path()), Err(KeyError::Damaged { .. })),
            "there are keys without it"
        );
    }

    #[test]
    fn a_key_made_once_opens_what_it_sealed_after_a_restart() {
        let (dir, world) = folder();
        let salt = [7; 16];
        let first = Keyring::open(&world, dir.path()).expect("opens");
        let id = first.newest(3).expect("makes a key");
        let mut bytes = b"payload".to_vec();
        let tag =
            first.frame_key(id, &salt).expect("derives").expect("is there").seal(0, b"h", &mut bytes).expect("seals");
        assert_ne!(bytes, b"payload");
        bytes.extend_from_slice(&tag);

        let again = Keyring::open(&world, dir.path()).expect("opens again");
        assert_eq!(again.newest(3).expect("finds the key"), id);
        let key = again.frame_key(id, &salt).expect("derives").expect("is there");
        let n = key.open(0, b"h", &mut bytes).expect("the seal holds");
        assert_eq!(&bytes[..n], b"payload");
    }

    #[test]
    fn a_seal_does_not_hold_under_another_count_header_salt_or_workspace() {
        let (dir, world) = folder();
        let ring = Keyring::open(&world, dir.path()).expect("opens");
        let key = |workspace, salt: u8| {
            ring.frame_key(ring.newest(workspace).expect("a key"), &[salt; 16]).expect("derives").expect("is there")
        };
        let mut sealed = b"payload".to_vec();
        let tag = key(1, 1).seal(5, b"h", &mut sealed).expect("seals");
        sealed.extend_from_slice(&tag);
        for (workspace, salt, count, header) in [(2, 1, 5, b"h"), (1, 2, 5, b"h"), (1, 1, 6, b"h"), (1, 1, 5, b"x")] {
            assert!(key(workspace, salt).open(count, header, &mut sealed.clone()).is_err());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_key_file_is_found() {
        let (dir, world) = folder();
        let ring = Keyring::open(&world, dir.path()).expect("opens");
        ring.newest(1).expect("makes a key");
        for name in ["region.key", "data-1-1.key"] {
            let file = dir.path().join(name);
            let whole = std::fs::read(&file).expect("reads");
            for byte in 0..whole.len() {
                for bit in 0..8 {
                    let mut bad = whole.clone();
                    bad[byte] ^= 1 << bit;
                    std::fs::write(&file, &bad).expect("writes");
                    assert!(Keyring::open(&world, dir.path()).is_err(), "{name}: byte {byte} bit {bit}");
                }
                std::fs::write(&file, &whole[..byte]).expect("writes");
                assert!(Keyring::open(&world, dir.path()).is_err(), "{name}: cut at {byte}");
            }
            std::fs::write(&file, &whole).expect("writes");
        }
    }

    #[test]
    fn a_key_that_another_keyring_made_is_never_written_over() {
        let (dir, world) = folder();
        let (one, other) = (Keyring::open(&world, dir.path()).expect("opens"), Keyring::open(&world, dir.path()));
        one.newest(1).expect("makes a key");
        let before = std::fs::read(dir.path().join("data-1-1.key")).expect("reads");
        assert!(matches!(other.expect("opens").newest(1), Err(KeyError::Damaged { .. })));
        assert_eq!(std::fs::read(dir.path().join("data-1-1.key")).expect("reads"), before);
    }

    #[test]
    fn a_lost_region_key_is_an_error_and_never_replaced() {
        let (dir, world) = folder();
        Keyring::open(&world, dir.path()).expect("opens").newest(1).expect("makes a key");
        std::fs::remove_file(dir.path().join("region.key")).expect("removes");
        assert!(matches!(Keyring::open(&world, dir.path()), Err(KeyError::RegionKeyMissing { .. })));
        assert!(!dir.path().join("region.key").exists());
    }

    #[test]
    fn a_look_misses_keys_that_something_needs_and_makes_none() {
        let (dir, world) = folder();
        for keys in [dir.path().to_path_buf(), dir.path().join("gone")] {
            assert!(matches!(Keyring::look(&world, &keys, true), Err(KeyError::RegionKeyMissing { .. })));
            assert!(Keyring::look(&world, &keys, false).is_ok(), "a new cell has none yet");
            assert!(!keys.join("region.key").exists());
        }
        Keyring::open(&world, dir.path()).expect("opens").newest(1).expect("makes a key");
        assert!(Keyring::look(&world, dir.path(), true).is_ok());
        std::fs::remove_file(dir.path().join("region.key")).expect("removes");
        assert!(matches!(Keyring::look(&world, dir.path(), false), Err(KeyError::RegionKeyMissing { .. })));
    }

    #[test]
    fn a_secret_comes_back_and_a_changed_one_does_not() {
        let (dir, world) = folder();
        let ring = Keyring::open(&world, dir.path()).expect("opens");
        let sealed = ring.seal_secret(b"api key").expect("seals");
        assert_eq!(ring.open_secret(&sealed).expect("opens"), b"api key");
        let mut bad = sealed;
        bad[14] ^= 1;
        assert!(ring.open_secret(&bad).is_err());
    }
}
